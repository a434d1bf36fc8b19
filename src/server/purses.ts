// Owns what is spent of limits that hold for a day: counted and reserved by key, kept over a restart. It knows not of what.
import type { Clock, Spending } from "./ports.ts";

/** What somebody, or all guests of an address, may spend in a day that begins with its first use. `endsAt` is monotonic (RL08). */
export type Purse = {
  readonly key: string;
  readonly limit: number;
  spent: number;
  /** Set aside for what is under way. */
  reserved: number;
  /** Milliseconds since 1970. */
  since: number;
  endsAt: number;
};

/** What the purses of one kind are kept under, beside those of the others. Tokens came first, and have none. */
type Kind = "" | "upload:";
const kinds: readonly Kind[] = ["upload:"];

const dayMs = 86_400_000;
/** How long (ms) to wait for what is under way: nobody knows, so ask again soon. */
export const soonMs = 2000;

export class Purses {
  readonly #clock: Clock;
  readonly #spending: Spending;
  readonly #kind: Kind;
  readonly #limitOf: (key: string) => number;
  readonly #purses = new Map<string, Purse>();
  readonly #dirty = new Set<Purse>();

  constructor(options: { clock: Clock; spending: Spending; kind: Kind; limitOf: (key: string) => number }) {
    this.#clock = options.clock;
    this.#spending = options.spending;
    this.#kind = options.kind;
    this.#limitOf = options.limitOf;
  }

  /** The purse of a key, today's. */
  at(key: string): Purse {
    const now = this.#clock.monotonic();
    const fresh = { key, limit: this.#limitOf(key), spent: 0, reserved: 0, since: 0, endsAt: Number.NEGATIVE_INFINITY };
    const purse = this.#purses.get(key) ?? fresh;
    if (now >= purse.endsAt) Object.assign(purse, { spent: 0, since: this.#clock.now(), endsAt: now + dayMs });
    this.#purses.set(key, purse);
    return purse;
  }

  /** Milliseconds after which so much more may fit: where only what is reserved is in the way, soon. */
  wait({ spent, limit, endsAt }: Purse, more: number): number {
    return spent + more <= limit ? soonMs : Math.max(1, endsAt - this.#clock.monotonic());
  }

  spend(purse: Purse, amount: number): void {
    purse.spent += amount;
    if (amount > 0 && purse.limit !== Number.POSITIVE_INFINITY) this.#dirty.add(purse);
  }

  /** Those whose day is not over. */
  today(): readonly Purse[] {
    const now = this.#clock.monotonic();
    return [...this.#purses.values()].filter(({ endsAt }) => now < endsAt);
  }

  /** Forgets somebody who is gone. */
  drop(key: string): void {
    const own = this.#purses.get(key);
    this.#purses.delete(key);
    if (own !== undefined) this.#dirty.delete(own);
  }

  /** Drops what a day has passed over. */
  forget(): void {
    const now = this.#clock.monotonic();
    for (const { key, endsAt, reserved } of this.#purses.values()) {
      if (now >= endsAt && reserved <= 0) this.#purses.delete(key);
    }
  }

  /** Reads what is kept. */
  async load(): Promise<void> {
    const now = this.#clock.now();
    for (const { key: kept, tokens, since } of await this.#spending.all(now - dayMs)) {
      if ((kinds.find((kind) => kept.startsWith(kind)) ?? "") !== this.#kind) continue;
      const key = kept.slice(this.#kind.length);
      // A day that begins in the future begins now: nobody is shut out for longer than one.
      const endsAt = this.#clock.monotonic() + Math.min(dayMs, since + dayMs - now);
      this.#purses.set(key, { key, limit: this.#limitOf(key), spent: tokens, reserved: 0, since, endsAt });
    }
  }

  /** Keeps what has changed; what could not be kept is tried again by the next call. */
  async flush(): Promise<void> {
    const changed = [...this.#dirty];
    if (changed.length === 0) return;
    this.#dirty.clear();
    const rows = changed.map(({ key, spent, since }) => ({ key: this.#kind + key, tokens: Math.ceil(spent), since }));
    try {
      await this.#spending.put(rows);
    } catch (error) {
      for (const purse of changed) this.#dirty.add(purse);
      throw error;
    }
  }
}
