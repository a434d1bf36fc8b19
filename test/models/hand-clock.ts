// Owns a clock that a test moves by hand.
import type { Clock } from "../../src/server/ports.ts";

export type HandClock = Clock & {
  /** Moves the time on, running what is due in order, and lets promises settle in between. */
  advance(ms: number): Promise<void>;
  /** How many timers are set. */
  pending(): number;
};

export function handClock(): HandClock {
  let now = 0;
  let timers: { at: number; fn: () => void }[] = [];
  const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  return {
    now: () => now,
    monotonic: () => now,
    after: (ms, fn) => {
      const timer = { at: now + ms, fn };
      timers.push(timer);
      return () => void (timers = timers.filter((other) => other !== timer));
    },
    soon: (fn) => void setImmediate(fn),
    random: () => 0.5,
    uuid: () => "00000000-0000-7000-8000-000000000000",
    secret: () => "secret",
    pending: () => timers.length,
    advance: async (ms) => {
      const end = now + ms;
      await settle();
      for (;;) {
        const next = timers.filter((timer) => timer.at <= end).sort((a, b) => a.at - b.at)[0];
        if (next === undefined) break;
        timers = timers.filter((timer) => timer !== next);
        now = next.at;
        next.fn();
        await settle();
      }
      now = end;
    },
  };
}
