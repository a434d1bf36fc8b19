// Owns the proof that merging and cutting a log anywhere changes nothing of what a reader ends up with.
import fc from "fast-check";
import { expect, test } from "vitest";
import { applyEvents, emptyConversation, type Conversation } from "../../src/domain/conversation.ts";
import { after, merge, mergedTextLength, number, upTo, type Entry } from "../../src/domain/log.ts";
import type { Event } from "../../src/protocol/index.ts";
import { aLog, appended, deepFreeze, message } from "./logs.ts";

const fold = (events: readonly Event[]): Conversation => applyEvents(emptyConversation, events, events.length);

/** What a reader at a state makes of entries: each as a frame of its own. */
function read(state: Conversation, entries: readonly Entry[]): Conversation {
  let next = state;
  for (const { first, last, event } of entries) {
    expect(first).toBe(next.seq + 1);
    next = applyEvents(next, [event], last);
  }
  return next;
}
const cut = (entries: readonly Entry[], seq: number): Entry[] =>
  entries.map((entry) => after(entry, seq)).filter((entry) => entry !== undefined);
const begin = (entries: readonly Entry[], seq: number): Entry[] =>
  entries.map((entry) => upTo(entry, seq)).filter((entry) => entry !== undefined);

/** Merges stretches of the log on their own, as a store does while it grows, then all of them. */
function mergeInTurns(entries: readonly Entry[], stretch: number): Entry[] {
  let merged: Entry[] = [];
  for (let i = 0; i < entries.length; i += stretch)
    merged = merge([...merged, ...merge(entries.slice(i, i + stretch))]);
  return merged;
}

test("LG1 events are numbered densely after the head", () => {
  const entries = number(7, [message("a"), message("b")]);
  expect(entries.map(({ first, last }) => [first, last])).toEqual([
    [8, 8],
    [9, 9],
  ]);
});

test("LG2 B01 B03 B04 property: for every seq k, fold up to k and then what comes after k is the fold of all", () => {
  fc.assert(
    fc.property(aLog, fc.integer({ min: 1, max: 9 }), (events, stretch) => {
      const whole = fold(events);
      const entries = deepFreeze(number(0, events));
      for (const merged of [entries, deepFreeze(merge(entries)), deepFreeze(mergeInTurns(entries, stretch))]) {
        for (let k = 0; k <= events.length; k++) {
          const prefix = fold(events.slice(0, k));
          expect(read(prefix, cut(merged, k))).toEqual(whole);
          expect(read(emptyConversation, begin(merged, k))).toEqual(prefix);
        }
      }
    }),
    { numRuns: 60 },
  );
});

test("LG2 B01 property: a rest can be cut and merged again, at any seq", () => {
  fc.assert(
    fc.property(aLog, fc.nat(), fc.nat(), (events, a, b) => {
      const [k = 0, later = 0] = [a % (events.length + 1), b % (events.length + 1)].sort((x, y) => x - y);
      const twice = cut(merge(cut(merge(number(0, events)), k)), later);
      expect(read(fold(events.slice(0, later)), twice)).toEqual(fold(events));
    }),
    { numRuns: 300 },
  );
});

test("LG2 property: merging twice, or in turns, is merging once; entries stay dense and in order", () => {
  fc.assert(
    fc.property(aLog, fc.integer({ min: 1, max: 9 }), (events, stretch) => {
      const entries = number(0, events);
      const merged = merge(entries);
      expect(merge(merged)).toEqual(merged);
      expect(mergeInTurns(entries, stretch)).toEqual(merged);
      let seq = 0;
      for (const { first, last } of merged) {
        expect(first).toBe(seq + 1);
        expect(last).toBeGreaterThanOrEqual(first);
        seq = last;
      }
      expect(seq).toBe(events.length);
    }),
    { numRuns: 200 },
  );
});

test("LG3 B20 property: no merged text is longer than its limit, unless one piece alone was", () => {
  const sizes = fc.array(fc.oneof(fc.nat({ max: 300 }), fc.nat({ max: mergedTextLength + 100 })), { maxLength: 60 });
  fc.assert(
    fc.property(sizes, fc.integer({ min: 1, max: 9 }), (lengths, stretch) => {
      let offset = 0;
      const pieces = lengths.map((length) => {
        const piece = appended("t", "m", 0, offset, "x".repeat(length));
        offset += length;
        return piece;
      });
      for (const entry of mergeInTurns(number(0, pieces), stretch)) {
        const text = entry.event.kind === "reply.appended" ? entry.event.text : "";
        if (entry.first < entry.last) expect(text.length).toBeLessThanOrEqual(mergedTextLength);
        for (let k = entry.first - 1; k <= entry.last; k++) {
          const rest = after(entry, k);
          if (rest?.event.kind === "reply.appended") expect(text.endsWith(rest.event.text)).toBe(true);
        }
      }
    }),
    { numRuns: 100 },
  );
});

test("LG3 many small pieces become few entries", () => {
  const pieces = Array.from({ length: 20_000 }, (_, i) => appended("t", "m", 0, i * 4, "abcd"));
  const merged = merge(number(0, pieces));
  expect(merged.length).toBe(Math.ceil((20_000 * 4) / mergedTextLength));
});

test("LG2 pieces of another part, turn, message or type, or with anything between, stay apart", () => {
  const first = appended("t", "m", 0, 0, "ab");
  const fits = appended("t", "m", 0, 2, "c");
  expect(merge(number(0, [first, fits]))).toHaveLength(1);
  for (const other of [
    { turn: "u" },
    { message: "n" },
    { part: 1 },
    { type: "reasoning" as const },
    { offset: 3 },
    { offset: 0 },
  ]) {
    expect(merge(number(0, [first, { ...fits, ...other }]))).toHaveLength(2);
  }
  expect(merge(number(0, [first, message("x"), fits]))).toHaveLength(3);
  const [a, b] = number(0, [first, fits]);
  if (a === undefined || b === undefined) throw new Error("two entries expected");
  expect(merge([a, { ...b, first: 3, last: 3 }])).toHaveLength(2);
});
