// Owns which models there are and which of them is left alone for a while. It must not call them.
import { allows, closedBreaker, record, type Breaker } from "../domain/retry.ts";
import type { Clock, Meter, Model } from "./ports.ts";

export type ModelPool = {
  readonly primary: Model;
  readonly fallback: Model | undefined;
  /** False while the model's circuit is open. */
  allows(model: Model): boolean;
  /** Notes how a call went. Only failures that speak of the model's health count. */
  note(model: Model, ok: boolean): void;
};

export function createModelPool(primary: Model, fallback: Model | undefined, clock: Clock, meter: Meter): ModelPool {
  const breakers = new Map<Model, Breaker>();
  const breakerOf = (model: Model): Breaker => breakers.get(model) ?? closedBreaker;
  const isClosed = (model: Model): boolean => {
    const closed = allows(breakerOf(model), clock.monotonic());
    meter.note({ kind: "circuit", model: model.name, open: !closed });
    return closed;
  };
  return {
    primary,
    fallback,
    allows: isClosed,
    note(model, ok) {
      breakers.set(model, record(breakerOf(model), ok, clock.monotonic()));
      isClosed(model);
    },
  };
}
