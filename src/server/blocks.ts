// Owns who is shut out by address: the operator's ranges and timed blocks from a score. It closes no socket and reads no request.
import { contains, isHost, isLoopback, parseRange, spellRange, widen, type Place, type Range } from "./addresses.ts";
import { errorName } from "./journal.ts";
import type { Policy } from "./policy.ts";
import type { BlockRecord, Blocks, Clock, Journal, Meter } from "./ports.ts";

/** What counts against an address, by the name of its number in the policy. */
export type Violation = keyof Pick<
  Policy["abuse"],
  "malformedFrame" | "refusedConnection" | "failedSignIn" | "rateLimitClose"
>;

export type BlockList = {
  /** Reads what is kept. */
  load(): Promise<void>;
  list(): readonly BlockRecord[];
  /** Kept before it counts; shuts out everyone unless `reach` says otherwise. undefined: `text` is no address and no range. */
  add(
    text: string,
    how: Partial<Pick<BlockRecord, "reach" | "reason">> & { forMs?: number | undefined },
  ): Promise<BlockRecord | undefined>;
  /** The record that was lifted. */
  lift(text: string): Promise<BlockRecord | undefined>;
  /** Whom of this address a block shuts out now. */
  reachOf(place: Place | undefined): BlockRecord["reach"] | undefined;
  /** Something bad came from an address, from one who is not signed in or a guest. */
  violated(place: Place | undefined, what: Violation): void;
};

export type BlockOptions = {
  readonly blocks: Blocks;
  readonly clock: Clock;
  readonly journal: Journal;
  readonly meter?: Meter;
  readonly abuse: Policy["abuse"];
  readonly trustedProxies: readonly Range[];
  /** Called when somebody may have been shut out: open sockets have to be looked at. */
  readonly changed: () => void;
};

/** `endsAt` is monotonic: a wall clock that jumps lengthens and shortens nothing (RL08). */
type Live = { readonly record: BlockRecord; readonly range: Range; readonly endsAt: number };
type Score = { points: number; at: number };

/** Addresses whose score is kept; beyond it all begin anew. */
const mostScores = 100_000;

export function createBlockList(options: BlockOptions): BlockList {
  const { blocks, clock, journal, abuse } = options;
  /** By the spelling of their range: single hosts, which are looked up, and wider ranges, which are walked. */
  const hosts = new Map<string, Live>();
  const ranges = new Map<string, Live>();
  let scores = new Map<string, Score>();
  const placeOf = (range: Range): Map<string, Live> => (isHost(range) ? hosts : ranges);

  const enter = (record: BlockRecord, remaining: number): void => {
    const range = parseRange(record.range);
    if (range === undefined) return;
    placeOf(range).set(record.range, { record, range, endsAt: clock.monotonic() + remaining });
  };
  const isLive = ({ record, endsAt }: Live): boolean => {
    if (clock.monotonic() < endsAt) return true;
    hosts.delete(record.range);
    ranges.delete(record.range);
    blocks.remove(record.range).catch((error: unknown) => {
      journal.warn("block_not_forgotten", { error: errorName(error) });
    });
    return false;
  };

  const hasNoScore = (place: Place): boolean =>
    isLoopback(place) || options.trustedProxies.some((range) => contains(range, place));

  /** A block from a score counts at once; a store that cannot keep it makes it end with the process. */
  const blockByScore = (range: string, reach: BlockRecord["reach"]): void => {
    const known = hosts.get(range);
    // One that is there already is neither written again nor replaced by one that reaches less.
    const worse = known?.record.by === "score" && known.record.reach === "guests" && reach === "everyone";
    if (known !== undefined && isLive(known) && !worse) return;
    const createdAt = clock.now();
    const ms = abuse.blockMinutes * 60_000;
    const record: BlockRecord = { range, reach, by: "score", createdAt, until: createdAt + ms };
    enter(record, ms);
    options.meter?.note({ kind: "block", by: "score" });
    journal.warn("address_blocked", { range, reach, minutes: abuse.blockMinutes });
    options.changed();
    blocks.put(record).catch((error: unknown) => journal.warn("block_not_kept", { error: errorName(error) }));
  };

  return {
    async load() {
      const now = clock.now();
      for (const record of await blocks.all()) {
        const { until, createdAt } = record;
        // A clock that went back must not make a block longer than it was meant to be.
        const remaining = until === undefined ? Number.POSITIVE_INFINITY : Math.min(until - now, until - createdAt);
        enter(record, remaining);
      }
    },
    list() {
      const live = [...hosts.values(), ...ranges.values()].filter(isLive).map(({ record }) => record);
      return live.sort((a, b) => b.createdAt - a.createdAt || a.range.localeCompare(b.range));
    },
    async add(text, { forMs, reason, reach = "everyone" }) {
      const exact = parseRange(text);
      if (exact === undefined) return undefined;
      const createdAt = clock.now();
      const until = forMs === undefined ? undefined : createdAt + forMs;
      const range = spellRange(widen(exact));
      const record: BlockRecord = { range, reach, by: "operator", createdAt, until, reason };
      await blocks.put(record);
      enter(record, forMs ?? Number.POSITIVE_INFINITY);
      options.meter?.note({ kind: "block", by: "operator" });
      options.changed();
      return record;
    },
    async lift(text) {
      const exact = parseRange(text);
      if (exact === undefined) return undefined;
      const range = widen(exact);
      const spelled = spellRange(range);
      const found = placeOf(range).get(spelled);
      if (found === undefined || !isLive(found)) return undefined;
      await blocks.remove(spelled);
      placeOf(range).delete(spelled);
      // Whoever is let in again begins anew.
      scores.delete(spelled);
      return found.record;
    },
    reachOf(place) {
      if (place === undefined || hosts.size + ranges.size === 0) return undefined;
      const own = hosts.get(place.key);
      let reach = own !== undefined && isLive(own) ? own.record.reach : undefined;
      for (const live of ranges.values()) {
        if (reach === "everyone") break;
        if (contains(live.range, place) && isLive(live)) reach = live.record.reach;
      }
      return reach;
    },
    violated(place, what) {
      options.meter?.note({ kind: "violation", what });
      if (place === undefined || hasNoScore(place)) return;
      const { key } = place;
      const now = clock.monotonic();
      const before = scores.get(key);
      const halves = before === undefined ? 0 : (now - before.at) / (abuse.halfLifeMinutes * 60_000);
      const points = (before?.points ?? 0) * 0.5 ** halves + abuse[what];
      if (before === undefined && scores.size >= mostScores) scores = new Map();
      scores.set(key, { points, at: now });
      if (points >= abuse.blockEveryoneAt) blockByScore(key, "everyone");
      else if (points >= abuse.blockGuestsAt) blockByScore(key, "guests");
    },
  };
}
