// Owns the group commit: what waits is written together, then told to the world. Nothing is answered or shown before its commit.
import { flushDelay } from "../domain/batching.ts";
import type { Outcome, Work } from "../domain/records.ts";
import { reject } from "../protocol/index.ts";
import { StoreFailure, type Clock, type Journal, type Log, type Meter } from "./ports.ts";

/** A reply in the making that has pieces to commit. */
export type PieceSource = {
  /** A tick has come, or the pieces were collected: more may be read. What comes at once is still collected by this tick. */
  due(): void;
  /** The next pieces as a work, or undefined if there are none. After a failed commit: the same work again. */
  collect(): Work | undefined;
  /** What became of the collected work; undefined: the store had no room, it will be collected again. */
  committed(outcome: Outcome | undefined): void;
};

export type Committer = {
  /** Commits a work with whatever else waits, as soon as the loop allows. Never rejects; no room is `unavailable`. */
  submit(work: Work): Promise<Outcome>;
  /** Says that a source has pieces; `quiet`: the first after a silence, which do not wait for the tick. */
  offer(source: PieceSource, quiet: boolean): void;
  /** Says that somebody has connected: others may wait to, and turns of the loop are kept short for a while. */
  cameIn(): void;
};

type Waiting = { readonly work: Work; readonly resolve: (outcome: Outcome) => void };

/**
 * Replies that are read, committed and told in one turn of the event loop: fewer are dearer. A turn accepts one new connection:
 * where people come in and two thousand replies took 100 ms of it, they waited for a minute.
 */
const repliesAtOnce = 1024;
const repliesAtOnceBusy = 64;
const busyMs = 1000;
/** How long (ms) pieces wait after the store had no room. Commands try at once: they have somebody who waits. */
const fullPause = 250;

export function createCommitter(options: {
  log: Log;
  clock: Clock;
  journal: Journal;
  meter: Meter;
  /** Told of every outcome that changed something, before it is answered. */
  published: (work: Work, outcome: Extract<Outcome, { ok: true }>) => void;
  /** The store can no longer be trusted. */
  broken: (failure: unknown) => void;
}): Committer {
  const { log, clock, journal, meter } = options;
  let commands: Waiting[] = [];
  const sources = new Set<PieceSource>();
  /** Those whose turn in this tick is still to come. */
  let rest: PieceSource[] = [];
  let phase: "idle" | "scheduled" | "committing" = "idle";
  let cancel: () => void = () => undefined;
  let lastAt = Number.NEGATIVE_INFINITY;
  let lastCost = 0;
  let lastReplies = 0;
  let pausedUntil = Number.NEGATIVE_INFINITY;
  let scheduledSoon = false;
  let isRead = false;
  let urgent = false;
  /** How many replies each turn of this tick may hold. */
  let most = repliesAtOnce;
  let cameInAt = Number.NEGATIVE_INFINITY;

  const schedule = (): void => {
    if (phase === "committing" || (phase === "scheduled" && scheduledSoon)) return;
    if (rest.length > 0) {
      phase = "scheduled";
      return read();
    }
    const delay = nextDelay();
    if (delay === undefined) return;
    if (phase === "scheduled") {
      if (delay > 0) return;
      cancel();
    }
    phase = "scheduled";
    scheduledSoon = delay <= 0;
    if (scheduledSoon) clock.soon(flush);
    else cancel = clock.after(delay, tick);
  };

  const tick = (): void => {
    begin();
    read();
  };
  const begin = (): void => {
    rest = [...sources];
    lastAt = clock.monotonic();
    lastCost = 0;
    lastReplies = 0;
    urgent = false;
    most = clock.monotonic() - cameInAt < busyMs ? repliesAtOnceBusy : repliesAtOnce;
  };

  /** What the next models have said since their last read is read now, together, and committed right after. */
  const read = (): void => {
    scheduledSoon = true;
    isRead = true;
    clock.soon(flush);
    for (const source of rest.slice(0, most)) source.due();
  };

  /** Milliseconds until something is due; undefined: nothing waits. */
  const nextDelay = (): number | undefined => {
    if (commands.length > 0) return 0;
    if (sources.size === 0) return undefined;
    const now = clock.monotonic();
    if (now < pausedUntil) return pausedUntil - now;
    return flushDelay({ now, lastAt, lastCost, lastReplies, quiet: urgent });
  };

  const flush = (): void => {
    if (phase !== "scheduled") return;
    phase = "committing";
    const collected: { source: PieceSource; work: Work }[] = [];
    if (clock.monotonic() >= pausedUntil) {
      if (!isRead) begin();
      const fits = sources.size <= most;
      if (isRead && fits) rest = [...sources];
      if (fits) urgent = false;
      for (const source of rest.splice(0, most)) {
        const work = source.collect();
        if (work === undefined) sources.delete(source);
        else collected.push({ source, work });
        if (work === undefined || !isRead) source.due();
      }
      lastReplies += collected.length;
    }
    isRead = false;
    const waiting = commands;
    commands = [];
    void commit(collected, waiting);
  };

  const commit = async (pieces: { source: PieceSource; work: Work }[], waiting: Waiting[]): Promise<void> => {
    const works = [...pieces.map((item) => item.work), ...waiting.map((item) => item.work)];
    const began = clock.monotonic();
    try {
      const outcomes = works.length === 0 ? [] : await log.commit(works);
      const ms = clock.monotonic() - began;
      lastCost += ms;
      if (works.length > 0) meter.note({ kind: "commit", works: works.length, ms });
      outcomes.forEach((outcome, i) => {
        const work = works[i];
        if (work !== undefined && outcome.ok && !outcome.repeated) options.published(work, outcome);
      });
      pieces.forEach((item, i) => item.source.committed(outcomes[i]));
      waiting.forEach((item, i) => item.resolve(outcomes[pieces.length + i] ?? failed()));
    } catch (error) {
      if (!(error instanceof StoreFailure) || error.kind === "broken") options.broken(error);
      journal.error("commit_failed", { kind: error instanceof StoreFailure ? error.kind : "unknown" });
      meter.note({ kind: "commit-failed", why: error instanceof StoreFailure ? error.kind : "broken" });
      pausedUntil = clock.monotonic() + fullPause;
      rest = [];
      for (const item of pieces) item.source.committed(undefined);
      for (const item of waiting) item.resolve(failed());
    }
    phase = "idle";
    schedule();
  };

  const failed = (): Outcome => ({ ok: false, rejection: reject("unavailable", { retryAfterMs: 1000 }) });

  return {
    submit(work) {
      return new Promise((resolve) => {
        commands.push({ work, resolve });
        schedule();
      });
    },
    offer(source, quiet) {
      sources.add(source);
      urgent ||= quiet;
      schedule();
    },
    cameIn() {
      cameInAt = clock.monotonic();
    },
  };
}
