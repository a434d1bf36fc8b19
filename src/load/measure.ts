// Owns the figures of a run: samples, counts, and how they went over time. It judges nothing.
import { faults, type Fault } from "./check.ts";

const kinds = ["connect", "ack", "first", "between", "reply", "resume"] as const;
/** What is timed, in milliseconds. `first`: from sending to the first piece. `resume`: from a new socket to being live again. */
type Timed = (typeof kinds)[number];

/** `people`: those who came in at least once. */
const counts = ["people", "sent", "replies", "pieces", "stops", "reloads", "drops", "resumes", "closes"] as const;
type Count = (typeof counts)[number];

export type Spread = {
  readonly count: number;
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
  readonly max: number;
};

/** One second of a run. */
export type Moment = { online: number; sent: number; pieces: number; firsts: number[]; errors: number };

export type Measures = {
  readonly time: (kind: Timed, ms: number) => void;
  readonly count: (what: Count, by?: number) => void;
  readonly fault: (what: Fault, by?: number) => void;
  /** A request or a connection that failed, by its code. */
  readonly error: (code: string) => void;
  readonly online: (by: 1 | -1) => void;
  readonly problem: (sentence: string) => void;
  readonly report: () => Figures;
};

export type Figures = {
  readonly seconds: number;
  readonly timed: Readonly<Record<Timed, Spread>>;
  readonly counts: Readonly<Record<Count, number>>;
  readonly faults: Readonly<Record<Fault, number>>;
  readonly errors: Readonly<Record<string, number>>;
  readonly problems: readonly string[];
  readonly moments: readonly Moment[];
};

const zero = <K extends string>(names: readonly K[]): Record<K, number> =>
  Object.fromEntries(names.map((name) => [name, 0])) as Record<K, number>;

/** At most so many samples of a kind are kept: the first ones, then each at the place of an earlier one, evenly. */
const mostSamples = 100_000;
const mostProblems = 20;

export function createMeasures(now: () => number, random: () => number): Measures {
  const began = now();
  const samples = new Map<Timed, { seen: number; kept: number[] }>(kinds.map((kind) => [kind, { seen: 0, kept: [] }]));
  const counted = zero(counts);
  const failed = zero(faults);
  const errors: Record<string, number> = {};
  const problems: string[] = [];
  const moments: Moment[] = [];
  let online = 0;

  const moment = (): Moment => {
    const at = Math.floor((now() - began) / 1000);
    while (moments.length <= at) moments.push({ online, sent: 0, pieces: 0, firsts: [], errors: 0 });
    const last = moments[at] ?? { online, sent: 0, pieces: 0, firsts: [], errors: 0 };
    last.online = online;
    return last;
  };

  return {
    time(kind, ms) {
      const held = samples.get(kind);
      if (held === undefined) return;
      held.seen++;
      if (held.kept.length < mostSamples) held.kept.push(ms);
      else {
        const place = Math.floor(random() * held.seen);
        if (place < mostSamples) held.kept[place] = ms;
      }
      if (kind === "first") moment().firsts.push(ms);
    },
    count(what, by = 1) {
      counted[what] += by;
      if (what === "sent") moment().sent += by;
      if (what === "pieces") moment().pieces += by;
    },
    fault: (what, by = 1) => void (failed[what] += by),
    error(code) {
      errors[code] = (errors[code] ?? 0) + 1;
      moment().errors++;
    },
    online(by) {
      online += by;
      moment();
    },
    problem(sentence) {
      if (problems.length < mostProblems) problems.push(sentence);
    },
    report: () => ({
      seconds: (now() - began) / 1000,
      timed: Object.fromEntries(kinds.map((kind) => [kind, spreadOf(samples.get(kind)?.kept ?? [])])) as Record<
        Timed,
        Spread
      >,
      counts: { ...counted },
      faults: { ...failed },
      errors: { ...errors },
      problems: [...problems],
      moments,
    }),
  };
}

/** Percentiles by the nearest rank. Of nothing: zeros. */
export function spreadOf(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (share: number): number => sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? 0;
  return { count: sorted.length, p50: at(0.5), p95: at(0.95), p99: at(0.99), max: at(1) };
}
