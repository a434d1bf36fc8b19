// Owns the arithmetic of the log: entries, their merging and their cutting at any seq. Pure.
import type { Event, EventOf } from "../protocol/index.ts";

/**
 * One stored piece of a log: an event that covers seq `first`..`last`. Only merged `reply.appended` cover more than one;
 * `cuts[i]` is then the length of the text up to and including seq `first + i`, so that any seq inside can be resumed at.
 */
export type Entry = {
  readonly first: number;
  readonly last: number;
  readonly event: Event;
  readonly cuts?: readonly number[];
};

/** Largest text of one merged entry, in UTF-16 units: keeps every catch-up frame near 64 KiB at most. */
export const mergedTextLength = 16_384;

/** Numbers events as the next entries after `head`. */
export function number(head: number, events: readonly Event[]): Entry[] {
  return events.map((event, i) => ({ first: head + i + 1, last: head + i + 1, event }));
}

type Appended = Entry & { readonly event: EventOf<"reply.appended"> };
const isAppended = (entry: Entry): entry is Appended => entry.event.kind === "reply.appended";
const cutsOf = (entry: Appended): readonly number[] => entry.cuts ?? [entry.event.text.length];

function continues(a: Appended, b: Appended): boolean {
  const [x, y] = [a.event, b.event];
  return (
    b.first === a.last + 1 &&
    x.turn === y.turn &&
    x.message === y.message &&
    x.part === y.part &&
    x.type === y.type &&
    y.offset === x.offset + x.text.length &&
    x.text.length + y.text.length <= mergedTextLength
  );
}

/** Merges adjacent pieces of one part of a reply. What a reader ends up with is the same; every seq stays reachable. */
export function merge(entries: readonly Entry[]): Entry[] {
  const out: Entry[] = [];
  let run: Appended[] = [];
  const close = (): void => {
    const head = run[0];
    if (head !== undefined) out.push(run.length === 1 ? head : joinRun(head, run));
    run = [];
  };
  let length = 0;
  for (const entry of entries) {
    const before = run.at(-1);
    if (!isAppended(entry)) {
      close();
      out.push(entry);
    } else if (
      before !== undefined &&
      continues(before, entry) &&
      length + entry.event.text.length <= mergedTextLength
    ) {
      run.push(entry);
      length += entry.event.text.length;
    } else {
      close();
      run = [entry];
      length = entry.event.text.length;
    }
  }
  close();
  return out;
}

function joinRun(head: Appended, run: readonly Appended[]): Entry {
  const cuts: number[] = [];
  let length = 0;
  for (const entry of run) {
    for (const cut of cutsOf(entry)) cuts.push(length + cut);
    length += entry.event.text.length;
  }
  const text = run.map((entry) => entry.event.text).join("");
  return { first: head.first, last: head.first + cuts.length - 1, event: { ...head.event, text }, cuts };
}

/** What of an entry comes after `seq`: all of it, the rest of a merged one, or nothing. */
export function after(entry: Entry, seq: number): Entry | undefined {
  if (seq >= entry.last) return undefined;
  if (seq < entry.first || !isAppended(entry)) return entry;
  const skipped = seq - entry.first + 1;
  const cuts = cutsOf(entry);
  const start = cuts[skipped - 1] ?? 0;
  const event = { ...entry.event, offset: entry.event.offset + start, text: entry.event.text.slice(start) };
  return { first: seq + 1, last: entry.last, event, cuts: cuts.slice(skipped).map((cut) => cut - start) };
}

/** What of an entry is at or before `seq`: all of it, the beginning of a merged one, or nothing. */
export function upTo(entry: Entry, seq: number): Entry | undefined {
  if (entry.last <= seq) return entry;
  if (entry.first > seq || !isAppended(entry)) return undefined;
  const cuts = cutsOf(entry).slice(0, seq - entry.first + 1);
  const event = { ...entry.event, text: entry.event.text.slice(0, cuts.at(-1)) };
  return { first: entry.first, last: seq, event, cuts };
}
