// Owns counting per key over a sliding span of monotonic time. No timer, no wall clock, no number of the policy.
import type { Clock } from "./ports.ts";

/** Parts of a span. What lies in the newest and the ten before it counts, so no span ever holds more than the limit. */
const parts = 10;

type Count = { part: number; readonly counts: number[] };

export type Pace = {
  /** Milliseconds until `cost` more fit under `limit`; 0: now. Counts nothing. */
  wait(key: string, limit: number, cost?: number): number;
  count(key: string, cost?: number): void;
  /** Both: counts where it fits. */
  take(key: string, limit: number, cost?: number): number;
  /** Takes back what was counted for something that did not happen. Never below zero. */
  giveBack(key: string): void;
};

export function createPace(clock: Pick<Clock, "monotonic">, spanMs: number): Pace {
  const width = spanMs / parts;
  // Two generations: a key that nobody has used for a whole generation is gone with it, and nothing has to be swept.
  let young = new Map<string, Count>();
  let old = new Map<string, Count>();
  let turnedAt = clock.monotonic();

  const find = (key: string, part: number): Count | undefined => {
    const now = clock.monotonic();
    if (now - turnedAt > 2 * spanMs) {
      old = now - turnedAt > 4 * spanMs ? new Map() : young;
      young = new Map();
      turnedAt = now;
    }
    const found = young.get(key) ?? old.get(key);
    if (found === undefined) return undefined;
    young.set(key, found);
    // Parts since the last look hold nothing.
    for (let p = Math.max(found.part + 1, part - parts); p <= part; p++) found.counts[p % (parts + 1)] = 0;
    found.part = Math.max(found.part, part);
    return found;
  };
  const partNow = (): number => Math.floor(clock.monotonic() / width);

  const wait = (key: string, limit: number, cost = 1): number => {
    const part = partNow();
    const counts = find(key, part)?.counts ?? [];
    let sum = cost;
    for (const count of counts) sum += count;
    if (sum <= limit) return 0;
    for (let p = part - parts; p <= part; p++) {
      sum -= counts[((p % (parts + 1)) + parts + 1) % (parts + 1)] ?? 0;
      if (sum <= limit) return (p + parts + 1) * width - clock.monotonic();
    }
    return spanMs;
  };
  const count = (key: string, cost = 1): void => {
    const part = partNow();
    let found = find(key, part);
    if (found === undefined) {
      found = { part, counts: Array.from({ length: parts + 1 }, () => 0) };
      young.set(key, found);
    }
    const place = part % (parts + 1);
    found.counts[place] = (found.counts[place] ?? 0) + cost;
  };

  return {
    wait,
    count,
    take(key, limit, cost = 1) {
      const ms = wait(key, limit, cost);
      if (ms === 0) count(key, cost);
      return ms;
    },
    giveBack(key) {
      const found = find(key, partNow());
      if (found === undefined) return;
      for (let back = 0; back <= parts; back++) {
        const place = (((found.part - back) % (parts + 1)) + parts + 1) % (parts + 1);
        const had = found.counts[place] ?? 0;
        if (had <= 0) continue;
        found.counts[place] = had - 1;
        return;
      }
    },
  };
}
