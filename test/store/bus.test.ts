// Owns what the bus of one process promises.
import { describe, expect, it } from "vitest";
import { localBus } from "../../src/adapters/embedded/bus.ts";
import type { Hint, Journal } from "../../src/server/ports.ts";

const hint = (head: number): Hint => ({ kind: "entries", conversation: "c", head, entries: [] });

describe("the local bus", () => {
  it("AD13 delivers a hint to every subscriber of its topic, and to no other, before publish returns", () => {
    const bus = localBus();
    const seen: string[] = [];
    const stop = bus.subscribe("a", () => seen.push("a1"));
    bus.subscribe("a", () => seen.push("a2"));
    bus.subscribe("b", () => seen.push("b"));
    bus.publish("a", hint(1));
    stop();
    stop();
    bus.publish("a", hint(2));
    bus.publish("none", hint(3));
    expect(seen).toEqual(["a1", "a2", "a2"]);
  });

  it("AD13 a subscriber that throws stops neither the others nor the publisher, and is written down without a text", () => {
    const errors: unknown[] = [];
    const journal: Journal = {
      info: () => undefined,
      warn: () => undefined,
      error: (event, fields) => errors.push([event, fields]),
    };
    const bus = localBus(journal);
    let seen = 0;
    bus.subscribe("a", () => {
      throw new TypeError("a text of a person");
    });
    bus.subscribe("a", () => seen++);
    bus.publish("a", hint(1));
    expect(seen).toBe(1);
    expect(errors).toEqual([["bus_subscriber_failed", { hint: "entries", error: "TypeError" }]]);
  });

  it("AD13 subscribers may come and go while a hint is delivered", () => {
    const bus = localBus();
    const seen: string[] = [];
    const stops: (() => void)[] = [];
    const again = (): void => {
      seen.push("again");
      stops.push(bus.subscribe("a", again));
    };
    const stop = bus.subscribe("a", () => {
      seen.push("once");
      stop();
      stopLast();
    });
    bus.subscribe("a", again);
    const stopLast = bus.subscribe("a", () => seen.push("never"));
    bus.publish("a", hint(1));
    expect(seen).toEqual(["once", "again"]);
    bus.publish("a", hint(2));
    expect(seen).toEqual(["once", "again", "again", "again"]);
  });

  it("AD13 the same function subscribed twice is two subscriptions; a closed bus is silent", async () => {
    const bus = localBus();
    let count = 0;
    const receive = (): void => void count++;
    const stop = bus.subscribe("a", receive);
    bus.subscribe("a", receive);
    stop();
    bus.publish("a", hint(1));
    expect(count).toBe(1);
    await bus.close();
    bus.publish("a", hint(2));
    expect(count).toBe(1);
  });
});
