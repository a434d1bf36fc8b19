// Owns a clock with two hands: monotonic time passes, and the wall clock passes with it but may be set as well.
import type { Clock } from "../../src/server/ports.ts";

type Hands = Pick<Clock, "now" | "monotonic" | "after" | "soon" | "random" | "uuid" | "secret"> & {
  pass(ms: number): void;
  /** Sets the wall clock forward or back. */
  jump(ms: number): void;
};

export function hands(): Hands {
  let passed = 1000;
  let wall = 1_800_000_000_000;
  return {
    now: () => wall,
    monotonic: () => passed,
    after: () => () => undefined,
    soon: (fn) => setImmediate(fn),
    random: () => 0.5,
    uuid: () => crypto.randomUUID(),
    secret: () => "secret",
    pass(ms) {
      passed += ms;
      wall += ms;
    },
    jump(ms) {
      wall += ms;
    },
  };
}
