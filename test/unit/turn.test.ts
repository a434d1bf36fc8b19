import { describe, expect, test } from "vitest";
import { createPieceBuffer, flushDelay } from "../../src/domain/batching.ts";
import { afterFailure, allows, closedBreaker, maxCalls, record, type FailedCall } from "../../src/domain/retry.ts";
import { receiveFrame, tick, type SocketState, type Speaker } from "../../src/domain/session.ts";
import { appendPieces, beginAttempt, completed, finishTurn, maxStalls, settle } from "../../src/domain/turn.ts";
import { number } from "../../src/domain/log.ts";
import { buildContext } from "../../src/domain/context.ts";
import { decode, defaultLimits, type Event, type Message } from "../../src/protocol/index.ts";
import { conversation, ids, replyRow, turnRow, viewOf } from "./view.ts";

const rows = (turn: Parameters<typeof turnRow>[0] = {}) =>
  viewOf({ conversation: conversation(), turns: [turnRow(turn)] });
const claim = { id: ids.turn, conversation: ids.conversation, fence: 1 };

describe("turns", () => {
  test("TU1 an older fence, an ended or a missing turn refuses everything", () => {
    for (const work of [
      appendPieces(claim, [], 0),
      beginAttempt(claim, "again", 0),
      finishTurn(claim, { status: "completed" }, 0),
    ]) {
      expect(work.decide(rows({ fence: 2 }))).toMatchObject({ code: "conflict" });
      expect(work.decide(rows({ status: "stopped" }))).toMatchObject({ code: "conflict" });
      expect(work.decide(viewOf({ conversation: conversation() }))).toMatchObject({ code: "conflict" });
    }
    expect(appendPieces(claim, [], 5).decide(rows({ length: 3 }))).toMatchObject({ turns: [{ length: 8 }] });
  });

  test("TU2 B15 an attempt counts up; only one after a crash is told to readers", () => {
    expect(beginAttempt(claim, "first", 0).decide(rows({ attempts: 0 }))).toMatchObject({
      events: [],
      turns: [{ attempts: 1 }],
    });
    expect(beginAttempt(claim, "continue", 0).decide(rows({ attempts: 1, length: 4 }))).toMatchObject({
      events: [{ kind: "turn.resumed", attempt: 2, mode: "continue" }],
      turns: [{ attempts: 2, attemptLength: 4, length: 4 }],
    });
    expect(beginAttempt(claim, "restart", 0).decide(rows({ attempts: 1, length: 4 }))).toMatchObject({
      turns: [{ length: 0 }],
    });
  });

  test("TU4 B16 take-ups that bring nothing are bounded, those that progress are not; a restart never counts as progress", () => {
    const stalled = { stalls: maxStalls, length: 4, attemptLength: 4 };
    expect(beginAttempt(claim, "continue", 0).decide(rows(stalled))).toMatchObject({
      events: [{ kind: "turn.finished", status: "interrupted" }],
      answer: { go: false },
    });
    expect(beginAttempt(claim, "continue", 0).decide(rows({ ...stalled, length: 5 }))).toMatchObject({
      turns: [{ stalls: 0 }],
    });
    expect(beginAttempt(claim, "restart", 0).decide(rows({ ...stalled, length: 5 }))).toMatchObject({
      answer: { go: false },
    });
    expect(beginAttempt(claim, "again", 0).decide(rows(stalled))).toMatchObject({ answer: { go: true } });
  });

  test("TU6 TU9 an open reply is its row with the entries since; settling makes the row whole and leaves reactions alone", () => {
    const started: Event = {
      kind: "turn.started",
      at: "x",
      turn: ids.turn,
      message: ids.reply,
      parent: ids.message,
      model: "demo",
    };
    const piece = (text: string, offset: number): Event => ({
      kind: "reply.appended",
      at: "x",
      turn: ids.turn,
      message: ids.reply,
      part: 0,
      type: "text",
      offset,
      text,
    });
    const off: Event = { kind: "reaction.changed", at: "x", message: ids.reply, user: "bob", reaction: "👍", on: true };
    const end: Event = {
      kind: "turn.finished",
      at: "x",
      turn: ids.turn,
      message: ids.reply,
      status: "completed",
      length: 4,
    };
    const entries = number(2, [started, piece("ab", 0), off, piece("cd", 2), end]);
    const open = replyRow(ids.reply);
    expect(completed(open, entries, 4).parts).toEqual([{ type: "text", text: "ab" }]);
    expect(completed(open, entries, 99)).toMatchObject({
      parts: [{ text: "abcd" }],
      metadata: { status: "completed" },
    });
    const view = viewOf({
      conversation: conversation(),
      messages: [open],
      turns: [turnRow({ status: "completed", finishedSeq: 7 })],
    });
    const settled = settle({ id: ids.turn, conversation: ids.conversation, message: ids.reply }, entries).decide(view);
    expect(settled).toMatchObject({
      turns: [{ settled: true }],
      messages: [{ message: { parts: [{ text: "abcd" }] } }],
      replace: [],
    });
    expect(JSON.stringify(settled)).not.toContain("👍");
    // The reply went on and ended behind what was read: the row is the later turn's to write.
    const behind = viewOf({
      conversation: conversation(),
      messages: [open],
      turns: [turnRow({ status: "completed", finishedSeq: 8 })],
    });
    const early = settle({ id: ids.turn, conversation: ids.conversation, message: ids.reply }, entries).decide(behind);
    expect(early).toMatchObject({ turns: [{ settled: true }] });
    expect(early).not.toHaveProperty("messages");
  });
});

describe("batching", () => {
  test("BA1 BA2 the first piece goes at once, the others wait for a tick that grows with the cost of commits", () => {
    expect(flushDelay({ now: 5, lastAt: 4, lastCost: 1, quiet: true })).toBe(0);
    expect(flushDelay({ now: 5, lastAt: 4, lastCost: 1, quiet: false })).toBe(17);
    expect(flushDelay({ now: 5, lastAt: 4, lastCost: 10, quiet: false })).toBe(59);
    expect(flushDelay({ now: 5, lastAt: 4, lastCost: 1000, quiet: false })).toBe(99);
    expect(flushDelay({ now: 500, lastAt: 4, lastCost: 1000, quiet: false })).toBe(0);
    const many = { now: 5, lastAt: 4, lastCost: 1 };
    expect(flushDelay({ ...many, lastReplies: 54, quiet: false })).toBe(17);
    expect(flushDelay({ ...many, lastReplies: 90, quiet: false })).toBe(29);
    expect(flushDelay({ ...many, lastReplies: 5000, quiet: false })).toBe(99);
    expect(flushDelay({ ...many, lastReplies: 90, quiet: true })).toBe(0);
    expect(flushDelay({ ...many, lastCost: 10, lastReplies: 5000, quiet: true })).toBe(59);
  });

  test("BA3 FO4 offsets follow the parts, pairs stay whole, a commit takes 16 KiB", () => {
    const buffer = createPieceBuffer([{ type: "text", text: "abc" }]);
    buffer.addText("text", "d\ud83d");
    expect(buffer.take("t", "m", "x", false)).toMatchObject({ events: [{ part: 0, offset: 3, text: "d" }], grown: 1 });
    expect(buffer.take("t", "m", "x", false).events).toEqual([]);
    buffer.addText("text", "\ude00");
    expect(buffer.take("t", "m", "x", false)).toMatchObject({ events: [{ offset: 4, text: "😀" }] });
    buffer.addText("reasoning", "why");
    buffer.addText("text", "z".repeat(40_000));
    const taken = buffer.take("t", "m", "x", false).events;
    expect(taken).toMatchObject([
      { part: 1, type: "reasoning", offset: 0 },
      { part: 2, offset: 0 },
    ]);
    expect(buffer.size()).toBe(40_003 - 16_384);
    buffer.addText("text", "\ud83d");
    const rest = [buffer.take("t", "m", "x", true), buffer.take("t", "m", "x", true)].flatMap((t) => t.events);
    expect(rest.map((e) => (e.kind === "reply.appended" ? e.text : "")).join("")).toHaveLength(40_004 - 16_384);
    expect(buffer.textLength()).toBe(3 + 3 + 40_000 + 1);
  });

  test("BA3 a part that is set again keeps its place, and text after a part is a part of its own", () => {
    const buffer = createPieceBuffer([]);
    buffer.addText("text", "a");
    buffer.addPart({ type: "tool-x", toolCallId: "1", state: "call" });
    buffer.addText("text", "b");
    buffer.addPart({ type: "tool-x", toolCallId: "1", state: "done" });
    expect(buffer.take("t", "m", "x", true).events.map((e) => ("part" in e ? e.part : -1))).toEqual([0, 1, 2, 1]);
    // Also after its first state was committed, and in a buffer that goes on after the parts.
    buffer.addPart({ type: "tool-x", toolCallId: "1", state: "late" });
    expect(buffer.take("t", "m", "x", true).events).toMatchObject([{ part: 1 }]);
    const next = createPieceBuffer([
      { type: "text", text: "a" },
      { type: "tool-x", toolCallId: "1" },
    ]);
    next.addPart({ type: "tool-x", toolCallId: "1", state: "later" });
    expect(next.take("t", "m", "x", true).events).toMatchObject([{ part: 1 }]);
  });
});

describe("retries", () => {
  const call: FailedCall = {
    code: "model_unavailable",
    retryable: true,
    calls: 1,
    produced: false,
    canContinue: false,
    hasFallback: false,
  };
  test("MO1 PR01 PR03 a call is repeated after its Retry-After, a bounded number of times, and not once something was shown", () => {
    expect(afterFailure(call, 0.5)).toEqual({ kind: "again", delayMs: 500 });
    expect(afterFailure({ ...call, retryAfterMs: 2000 }, 0)).toEqual({ kind: "again", delayMs: 2000 });
    expect(afterFailure({ ...call, retryAfterMs: 86_400_000 }, 0)).toMatchObject({
      kind: "end",
      error: { retryAfterMs: 86_400_000 },
    });
    expect(afterFailure({ ...call, calls: maxCalls }, 0)).toMatchObject({
      kind: "end",
      error: { code: "model_unavailable" },
    });
    expect(afterFailure({ ...call, produced: true }, 0)).toMatchObject({ kind: "end" });
    expect(afterFailure({ ...call, produced: true, canContinue: true }, 0)).toMatchObject({ kind: "again" });
    expect(afterFailure({ ...call, retryable: false }, 0)).toMatchObject({ kind: "end" });
  });
  test("MO3 the fallback is for models out of reach, not for what a model refused", () => {
    expect(afterFailure({ ...call, retryable: false, hasFallback: true }, 0)).toEqual({ kind: "fallback" });
    expect(afterFailure({ ...call, retryable: false, hasFallback: true, produced: true }, 0)).toMatchObject({
      kind: "end",
    });
    expect(afterFailure({ ...call, code: "model_refused", retryable: false, hasFallback: true }, 0)).toMatchObject({
      kind: "end",
    });
  });
  test("MO4 five failures open the circuit for ten seconds, one more opens it again, a success closes it", () => {
    let breaker = closedBreaker;
    for (let i = 0; i < 5; i++) {
      expect(allows(breaker, 100)).toBe(true);
      breaker = record(breaker, false, 100);
    }
    expect([allows(breaker, 101), allows(breaker, 10_100)]).toEqual([false, true]);
    expect(allows(record(breaker, false, 10_100), 10_101)).toBe(false);
    expect(record(breaker, true, 10_100)).toEqual(closedBreaker);
  });
});

describe("sockets", () => {
  const speaker: Speaker = { user: "ann", session: "s", sessionCreatedAt: 0, lastSeenAt: 0, warned: false };
  const open: SocketState = { kind: "open", speaker, malformed: 0 };
  const frame = (text: string) => decode(text, defaultLimits);
  test("SO1 HS06 the first frame is auth, a second one is a conflict", () => {
    const auth = frame('{"type":"auth","id":"1","guest":true}');
    expect(receiveFrame({ kind: "waiting" }, auth).step).toMatchObject({ do: "authenticate" });
    for (const text of ['{"type":"ping","id":"1"}', "rubbish", '{"type":"auth"}']) {
      expect(receiveFrame({ kind: "waiting" }, frame(text)).step).toMatchObject({ do: "close", code: 4401 });
    }
    expect(receiveFrame(open, auth)).toMatchObject({
      state: open,
      step: { do: "answer", rejection: { code: "conflict" } },
    });
    expect(receiveFrame({ kind: "closed" }, auth).step).toEqual({ do: "ignore" });
  });
  test("SO3 JS01 the tenth malformed frame closes 4400; a bad field does not count", () => {
    let state: SocketState = open;
    for (let i = 0; i < 9; i++) {
      state = receiveFrame(state, frame("[]")).state;
      state = receiveFrame(state, frame('{"type":"conversation.open","id":"1"}')).state;
    }
    expect(receiveFrame(state, frame('{"type":"nonsense","id":"x"}')).step).toMatchObject({ do: "close", code: 4400 });
  });
  test("SE1 SE3 AZ10 time warns and ends", () => {
    const limits = { idleMs: 1000, maxMs: 5000 };
    expect(tick(speaker, { now: 999, ...limits })).toBe("nothing");
    expect(tick(speaker, { now: 1000, ...limits })).toEqual({ close: 4410 });
    expect(tick({ ...speaker, lastSeenAt: 4900 }, { now: 5000, ...limits })).toEqual({ close: 4410 });
    const holder = { ...speaker, lastSeenAt: 100_000, tokenExpiresAt: 160_000 };
    const long = { idleMs: 1e9, maxMs: 1e9 };
    expect(tick(holder, { now: 99_999, ...long })).toBe("nothing");
    expect(tick(holder, { now: 100_000, ...long })).toBe("warn");
    expect(tick({ ...holder, warned: true }, { now: 189_999, ...long })).toBe("nothing");
    expect(tick({ ...holder, warned: true }, { now: 190_000, ...long })).toEqual({ close: 4401 });
  });
});

describe("context", () => {
  const say = (role: "user" | "assistant", text: string): Message => ({
    id: text,
    role,
    parts: [{ type: "text", text }],
    metadata: { createdAt: "x", parent: null },
  });
  test("PR08 what does not fit is left out from the oldest, always the same way, never the last", () => {
    const path = [say("user", "a".repeat(50)), say("assistant", "b".repeat(50)), say("user", "c".repeat(500))];
    const roles = (budget: number) =>
      buildContext({ systemPrompt: "s", path, prefill: false, budget }).map(({ content: [part] }) =>
        part?.type === "text" ? part.text[0] : undefined,
      );
    expect(roles(1000)).toEqual(["s", "a", "b", "c"]);
    expect(roles(560)).toEqual(["s", "b", "c"]);
    expect(roles(10)).toEqual(["s", "c"]);
  });
  test("B17 a partial reply is a prefill where the model can, else a request", () => {
    const options = { systemPrompt: "", path: [say("user", "q")], partial: say("assistant", "begun"), budget: 1000 };
    expect(buildContext({ ...options, prefill: true }).at(-1)).toEqual({
      role: "assistant",
      content: [{ type: "text", text: "begun" }],
    });
    expect(buildContext({ ...options, prefill: false }).at(-1)?.role).toBe("user");
  });
});
