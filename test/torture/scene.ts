// Owns what a scene of the rig is, how one is run, and the little that all of them share. Knows no scene.
import { Ledger } from "./ledger.ts";

export type Run = {
  /** How much of it: clients, stops, restarts, frames; each scene says of what. */
  readonly size: number;
  readonly seed: number;
  /** Uniform in [0, 1), the same for the same seed. */
  readonly random: () => number;
  readonly ledger: Ledger;
  readonly say: (line: string) => void;
  /** Seconds, where a scene waits by the clock: small in `npm test`, what the product says in a large run. */
  readonly seconds: number;
  /** Clients of the scene `cycles`. */
  readonly clients: number;
};

export type Scene = {
  readonly name: string;
  /** What `size` counts. */
  readonly unit: string;
  /** Sizes of `npm test` and of a large run. */
  readonly small: number;
  readonly large: number;
  readonly seconds?: { readonly small: number; readonly large: number };
  readonly play: (run: Run) => Promise<void>;
};

export type RunOptions = {
  readonly seed: number;
  readonly size?: number | undefined;
  readonly seconds?: number | undefined;
  readonly clients?: number | undefined;
  readonly large?: boolean | undefined;
  readonly say?: ((line: string) => void) | undefined;
};

/** Plays a scene to its end, also where it breaks off: that is a count too. */
export async function runScene(scene: Scene, options: RunOptions): Promise<Ledger> {
  const ledger = new Ledger();
  const { seed, large = false, say = () => undefined } = options;
  const size = options.size ?? (large ? scene.large : scene.small);
  const seconds = options.seconds ?? (large ? scene.seconds?.large : scene.seconds?.small) ?? 0;
  const run = { size, seed, seconds, clients: options.clients ?? (large ? 20 : 6), random: seeded(seed), ledger, say };
  try {
    await scene.play(run);
  } catch (error) {
    ledger.bad(
      "stuck",
      `${scene.name} broke off: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`,
    );
  }
  return ledger;
}

/** A small seeded generator. Source: mulberry32, Tommy Ettinger, public domain. */
export function seeded(seed: number): () => number {
  let a = seed >>> 0;
  return () => {
    a = (a + 0x6d2b79f5) >>> 0;
    let t = Math.imul(a ^ (a >>> 15), a | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

export const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** A whole number from `least` to `most`. */
export const between = (random: () => number, least: number, most: number): number =>
  least + Math.floor(random() * (most - least + 1));

/** Does `work` for everything in a list, some at a time. Results in the list's order. */
export async function each<T, R>(
  list: readonly T[],
  work: (item: T, index: number) => Promise<R>,
  together = 50,
): Promise<R[]> {
  const results: R[] = [];
  let next = 0;
  const lane = async (): Promise<void> => {
    for (let i = next++; i < list.length; i = next++) {
      const item = list[i];
      if (item !== undefined) results[i] = await work(item, i);
    }
  };
  await Promise.all(Array.from({ length: Math.min(together, list.length) }, lane));
  return results;
}

/** `count` numbers from 0. */
export const upTo = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

/** The value at a share of a list, 0 of nothing. */
export function atShare(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? 0;
}
