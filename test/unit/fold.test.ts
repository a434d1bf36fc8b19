// Owns the proof that the fold of a log is one state, whatever the frames it came in, and that it never changes what it was given.
import fc from "fast-check";
import { expect, test } from "vitest";
import {
  applyEvents,
  emptyConversation,
  fromSnapshot,
  receive,
  textLength,
  type Conversation,
} from "../../src/domain/conversation.ts";
import type { Event } from "../../src/protocol/index.ts";
import { aLog, appended, at, deepFreeze, finished, message, started } from "./logs.ts";

const fold = (events: readonly Event[], from: Conversation = emptyConversation): Conversation =>
  applyEvents(from, events, from.seq + events.length);
const reply = (state: Conversation, id = "m1") => state.messages.find((found) => found.id === id);

test("FO1 a sent message, its reply's pieces and its end make one conversation", () => {
  const usage = { inputTokens: 3, outputTokens: 2 };
  const state = fold([
    { kind: "conversation.created", at, title: "T" },
    message("u1"),
    started("t1", "m1", "u1"),
    appended("t1", "m1", 0, 0, "think", "reasoning"),
    appended("t1", "m1", 1, 0, "Hel"),
    appended("t1", "m1", 1, 3, "lo"),
    { ...finished("t1", "m1", 5), usage },
  ]);
  expect(state).toMatchObject({ seq: 7, title: "T", createdAt: at, turns: [], mismatches: 0, deleted: false });
  expect(reply(state)).toEqual({
    id: "m1",
    role: "assistant",
    parts: [
      { type: "reasoning", text: "think" },
      { type: "text", text: "Hello" },
    ],
    metadata: { createdAt: at, parent: "u1", turn: "t1", status: "completed", model: "demo", usage },
  });
  expect(textLength(reply(state) ?? { parts: [] })).toBe(5);
});

test("FO2 B09 a frame is applied once: duplicates and older ones are dropped, a hole is a gap", () => {
  expect(receive(0, 1, 3)).toBe("apply");
  expect(receive(3, 4, 4)).toBe("apply");
  for (const [from, to] of [
    [1, 3],
    [3, 3],
    [1, 2],
  ] as const)
    expect(receive(3, from, to)).toBe("drop");
  for (const [from, to] of [
    [5, 6],
    [2, 5],
    [3, 4],
    [1, 9],
  ] as const)
    expect(receive(3, from, to)).toBe("gap");
});

test("FO2 B09 property: frames doubled, late and out of order never change the state that in-order frames make", () => {
  fc.assert(
    fc.property(aLog, fc.array(fc.tuple(fc.nat(), fc.nat({ max: 8 })), { maxLength: 60 }), (events, picks) => {
      let state = emptyConversation;
      const take = (from: number, to: number): void => {
        const before = state;
        if (receive(state.seq, from, to) === "apply") state = applyEvents(state, events.slice(from - 1, to), to);
        else expect(state).toBe(before);
        expect(state).toEqual(fold(events.slice(0, state.seq)));
      };
      for (const [start, size] of picks) {
        const from = (start % Math.max(1, events.length)) + 1;
        take(from, Math.min(events.length, from + size));
      }
      if (state.seq < events.length) take(state.seq + 1, events.length);
      expect(state).toEqual(fold(events));
    }),
    { numRuns: 200 },
  );
});

test("FO3 B12 20,000 events in one frame are one new state, in short time", () => {
  const pieces = Array.from({ length: 20_000 }, (_, i) => appended("t1", "m1", 0, i, "x"));
  const state = fold([message("u1"), started("t1", "m1", "u1")]);
  const began = performance.now();
  const next = applyEvents(state, pieces, state.seq + pieces.length);
  expect(performance.now() - began).toBeLessThan(1_000);
  expect(next.seq).toBe(20_002);
  expect(reply(next)?.parts).toEqual([{ type: "text", text: "x".repeat(20_000) }]);
  expect(reply(state)?.parts).toEqual([]);
  expect(next.messages[0]).toBe(state.messages[0]);
});

test("FO3 property: neither a state nor an event is ever changed, and what is not touched keeps its identity", () => {
  fc.assert(
    fc.property(aLog, fc.nat(), (events, cut) => {
      const k = cut % (events.length + 1);
      const before = deepFreeze(fold(events.slice(0, k)));
      const after = applyEvents(before, deepFreeze(events.slice(k)), events.length);
      expect(after).toEqual(fold(events));
      const touched = new Set(
        events
          .slice(k)
          .flatMap((event) => ("message" in event && typeof event.message === "string" ? [event.message] : [])),
      );
      for (const [i, kept] of before.messages.entries())
        if (!touched.has(kept.id)) expect(after.messages[i]).toBe(kept);
    }),
    { numRuns: 200 },
  );
});

test("FO4 a piece whose offset, part or type does not fit changes nothing and is counted", () => {
  const state = fold([started("t1", "m1", "u1"), appended("t1", "m1", 0, 0, "abc")]);
  const wrong = [
    appended("t1", "m1", 0, 2, "x"),
    appended("t1", "m1", 0, 4, "x"),
    appended("t1", "m1", 0, 0, "x"),
    appended("t1", "m1", 1, 3, "x"),
    appended("t1", "m1", 2, 0, "x"),
    appended("t1", "m1", 0, 3, "x", "reasoning"),
  ];
  for (const piece of wrong) {
    const next = fold([piece], state);
    expect(next.mismatches).toBe(1);
    expect(reply(next)?.parts).toEqual([{ type: "text", text: "abc" }]);
  }
  expect(fold(wrong, state).mismatches).toBe(wrong.length);
});

test("FO4 offsets are UTF-16 units, also where a piece ends inside a surrogate pair", () => {
  const [high = "", low = ""] = "😀".split("");
  const state = fold([
    started("t1", "m1", "u1"),
    appended("t1", "m1", 0, 0, `a${high}`),
    appended("t1", "m1", 0, 2, `${low}b`),
  ]);
  expect(reply(state)?.parts).toEqual([{ type: "text", text: "a😀b" }]);
  expect(state.mismatches).toBe(0);
});

test("FO4 a set part takes its place or follows the last one; one beyond that leaves no hole and is counted", () => {
  const source = { type: "source-url", sourceId: "s", url: "https://a.example" };
  const set = (part: number): Event => ({ kind: "reply.part", at, turn: "t1", message: "m1", part, value: source });
  const state = fold([started("t1", "m1", "u1"), set(0), appended("t1", "m1", 1, 0, "x"), set(0)]);
  expect(reply(state)?.parts).toEqual([source, { type: "text", text: "x" }]);
  const holed = fold([set(5)], state);
  expect(holed.mismatches).toBe(1);
  expect(reply(holed)?.parts).toEqual(reply(state)?.parts);
});

test("FO5 a restart empties the reply, a continue keeps it; both raise the attempt and keep the turn", () => {
  const state = fold([started("t1", "m1", "u1"), appended("t1", "m1", 0, 0, "abc")]);
  const resumed = (mode: "continue" | "restart"): Event => ({
    kind: "turn.resumed",
    at,
    turn: "t1",
    message: "m1",
    attempt: 2,
    mode,
  });
  const goneOn = fold([resumed("continue"), appended("t1", "m1", 0, 3, "d")], state);
  const anew = fold([resumed("restart"), appended("t1", "m1", 0, 0, "d")], state);
  expect(reply(goneOn)?.parts).toEqual([{ type: "text", text: "abcd" }]);
  expect(reply(anew)?.parts).toEqual([{ type: "text", text: "d" }]);
  for (const next of [goneOn, anew]) {
    expect(next).toMatchObject({ turns: [{ turn: "t1", message: "m1", attempt: 2 }], mismatches: 0 });
  }
});

test("FO6 a further turn goes on in the same reply: its parts stay, its end and error are taken back", () => {
  const error = { code: "model_timeout", message: "x", retryable: true };
  const ended: Event = { ...finished("t1", "m1", 3), status: "interrupted", error };
  const state = fold([started("t1", "m1", "u1"), appended("t1", "m1", 0, 0, "abc"), ended]);
  expect(reply(state)?.metadata).toMatchObject({ status: "interrupted", error });
  const next = fold([started("t2", "m1", "u1"), appended("t2", "m1", 0, 3, "d"), finished("t2", "m1", 4)], state);
  expect(next.messages).toHaveLength(1);
  expect(reply(next)?.parts).toEqual([{ type: "text", text: "abcd" }]);
  expect(reply(next)?.metadata).toEqual({
    createdAt: at,
    parent: "u1",
    turn: "t2",
    status: "completed",
    model: "demo",
  });
  expect(next.turns).toEqual([]);
});

test("FO7 reactions are sets: on twice is once, off takes away, the last one leaves no trace", () => {
  const react = (user: string, on: boolean, reaction = "👍"): Event => ({
    kind: "reaction.changed",
    at,
    message: "u1",
    user,
    reaction,
    on,
  });
  const reactions = (...events: Event[]) => reply(fold([message("u1"), ...events]), "u1")?.metadata.reactions;
  expect(reactions(react("a", true), react("a", true))).toEqual({ "👍": ["a"] });
  expect(reactions(react("a", true), react("b", true), react("a", false))).toEqual({ "👍": ["b"] });
  expect(reactions(react("a", true), react("a", true, "❤️"))).toEqual({ "👍": ["a"], "❤️": ["a"] });
  expect(reactions(react("a", false))).toBeUndefined();
  const none = fold([message("u1"), react("a", true), react("a", false)]);
  expect(reply(none, "u1")?.metadata).not.toHaveProperty("reactions");
});

test("FO8 title, archive and deletion; a message twice is one; events of an older page are no harm", () => {
  const state = fold([
    { kind: "conversation.created", at },
    message("u1"),
    message("u1", "again"),
    started("t1", "m1", "u1"),
    { kind: "conversation.updated", at, title: "New", archived: true },
    { kind: "conversation.updated", at, archived: false },
    { kind: "reaction.changed", at, message: "old", user: "a", reaction: "👍", on: true },
    appended("t9", "old", 0, 7, "x"),
  ]);
  expect(state).toMatchObject({ title: "New", archived: false, mismatches: 0, seq: 8 });
  expect(state.messages.map((found) => found.id)).toEqual(["u1", "m1"]);
  expect(fold([{ kind: "conversation.deleted", at }], state)).toMatchObject({ deleted: true, turns: [] });
});

test("FO9 B03 property: a snapshot at any seq, then the rest of the log, is the whole log's fold", () => {
  fc.assert(
    fc.property(aLog, fc.nat(), (events, cut) => {
      const k = cut % (events.length + 1);
      const { seq, title, createdAt = at, archived, messages, more, turns } = fold(events.slice(0, k));
      const frame: unknown = JSON.parse(JSON.stringify({ title, createdAt, archived, messages, more, turns }));
      const snapshot = fromSnapshot(seq, {
        title,
        createdAt,
        archived,
        messages: [...messages],
        more,
        turns: [...turns],
      });
      expect(frame).toMatchObject({ messages });
      const { createdAt: _, ...rest } = fold(events);
      expect(applyEvents(snapshot, events.slice(k), events.length)).toMatchObject({
        ...rest,
        deleted: events.slice(k).some((e) => e.kind === "conversation.deleted"),
      });
    }),
    { numRuns: 200 },
  );
});
