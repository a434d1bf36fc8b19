// Owns the chance of a world: one seeded generator and what is drawn from it. The only source of chance in a simulation.

export type Chance = {
  /** Uniform in [0, 1). */
  next(): number;
  /** A whole number in [from, to]. */
  whole(from: number, to: number): number;
  maybe(probability: number): boolean;
  pick<T>(items: readonly T[]): T;
  /** One key, drawn by its weight. */
  weighted<K extends string>(weights: Readonly<Record<K, number>>): K;
  /** A UUID of version 7 in shape. */
  uuid(): string;
  hex(length: number): string;
  /** A generator of its own, so that more draws here change nothing there. */
  fork(): Chance;
};

/** Source: sfc32 of PractRand (Chris Doty-Humphrey), seeded by splitmix. */
export function createChance(seed: number): Chance {
  let state = seed >>> 0;
  const mix = (): number => {
    state = (state + 0x9e3779b9) >>> 0;
    let z = state;
    z = Math.imul(z ^ (z >>> 16), 0x85ebca6b);
    z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35);
    return (z ^ (z >>> 16)) >>> 0;
  };
  let [a, b, c, d] = [mix(), mix(), mix(), 1];
  const bits = (): number => {
    const t = (((a + b) >>> 0) + d) >>> 0;
    d = (d + 1) >>> 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) >>> 0;
    c = ((c << 21) | (c >>> 11)) >>> 0;
    c = (c + t) >>> 0;
    return t;
  };
  for (let i = 0; i < 12; i++) bits();
  const next = (): number => bits() / 4_294_967_296;
  const whole = (from: number, to: number): number => from + Math.floor(next() * (to - from + 1));
  const hex = (length: number): string => {
    let text = "";
    while (text.length < length) text += bits().toString(16).padStart(8, "0");
    return text.slice(0, length);
  };
  return {
    next,
    whole,
    hex,
    maybe: (probability) => next() < probability,
    pick(items) {
      const item = items[whole(0, items.length - 1)];
      if (item === undefined) throw new Error("nothing to pick from");
      return item;
    },
    weighted(weights) {
      const entries = Object.entries<number>(weights);
      let left = next() * entries.reduce((sum, [, weight]) => sum + weight, 0);
      for (const [key, weight] of entries) {
        left -= weight;
        if (left < 0) return key as keyof typeof weights;
      }
      throw new Error("nothing to pick from");
    },
    uuid: () => `${hex(8)}-${hex(4)}-7${hex(3)}-a${hex(3)}-${hex(12)}`,
    fork: () => createChance(bits()),
  };
}
