import { describe, expect, test } from "vitest";
import { decideCommand, type ChangingCommand } from "../../src/domain/decide.ts";
import type { View } from "../../src/domain/records.ts";
import { context, conversation, ids, replyRow, turnRow, userRow, viewOf } from "./view.ts";

const decide = (command: ChangingCommand, view: View) => decideCommand(command, context).decide(view);
const send = (more: object = {}): ChangingCommand => ({
  type: "message.send",
  id: "1",
  conversation: ids.conversation,
  message: ids.message,
  parts: [{ type: "text", text: "hello" }],
  ...more,
});
const kinds = (effect: object) =>
  "events" in effect ? (effect.events as { kind: string }[]).map((e) => e.kind) : effect;

describe("commands", () => {
  const foreign = conversation({ user: "bob" });
  const common = { id: "1", conversation: ids.conversation };
  const every: ChangingCommand[] = [
    send(),
    { type: "conversation.create", ...common },
    { type: "conversation.update", ...common, title: "x" },
    { type: "conversation.delete", ...common },
    {
      type: "message.edit",
      ...common,
      message: ids.message,
      replacement: ids.other,
      parts: [{ type: "text", text: "x" }],
    },
    { type: "message.react", ...common, message: ids.message, reaction: "👍", on: true },
    { type: "turn.stop", ...common, turn: ids.turn },
    { type: "turn.retry", ...common, message: ids.reply },
    { type: "turn.continue", ...common, message: ids.reply },
  ];
  test.each(every)("CM1 AZ01 $type on somebody else's conversation is not_found", (command) => {
    const rows = { messages: [userRow(ids.message), replyRow(ids.reply)], turns: [turnRow()] };
    expect(decide(command, viewOf({ ...rows, conversation: foreign }))).toMatchObject({ code: "not_found" });
  });
  test.each(every.slice(2))("CM1 $type on a missing or deleted conversation is not_found", (command) => {
    expect(decide(command, viewOf({}))).toMatchObject({ code: "not_found" });
    expect(decide(command, viewOf({ conversation: conversation({ deleted: true }) }))).toMatchObject({
      code: "not_found",
    });
  });

  test("CM2 CM3 a send to nowhere creates the conversation, the message and its turn in one effect", () => {
    const effect = decide(send(), viewOf({}));
    expect(kinds(effect)).toEqual(["conversation.created", "message.created", "turn.started"]);
    expect(effect).toMatchObject({
      answer: { message: ids.message, turn: ids.turn, reply: ids.reply, seq: 3 },
      turns: [{ id: ids.turn, status: "running", attempts: 0, startedSeq: 3, fence: 1 }],
      conversation: { newest: ids.reply, user: "ann" },
    });
  });

  test("CM2 without a parent a message goes under the newest, and null is a root", () => {
    const rows = { conversation: conversation({ newest: ids.other }), messages: [userRow(ids.other)] };
    expect(decide(send(), viewOf(rows))).toMatchObject({
      events: [{ message: { metadata: { parent: ids.other } } }, {}],
    });
    expect(decide(send({ parent: null }), viewOf(rows))).toMatchObject({
      events: [{ message: { metadata: { parent: null } } }, {}],
    });
    expect(decide(send({ parent: ids.reply }), viewOf(rows))).toMatchObject({ code: "not_found", field: "parent" });
  });

  test("CM4 B18 nothing is sent under a reply that is being made, but on another branch it is", () => {
    const rows = {
      conversation: conversation({ newest: ids.reply }),
      messages: [userRow(ids.other), replyRow(ids.reply)],
      turns: [turnRow()],
    };
    expect(decide(send(), viewOf(rows))).toMatchObject({ code: "conflict", field: "parent" });
    expect(kinds(decide(send({ parent: ids.other }), viewOf(rows)))).toEqual(["message.created", "turn.started"]);
    for (const type of ["turn.retry", "turn.continue"] as const) {
      expect(decide({ type, ...common, message: ids.reply }, viewOf(rows))).toMatchObject({ code: "conflict" });
    }
  });

  test("CM5 AZ06 a reply cannot be edited, an own message gets a sibling", () => {
    const edit = (message: string): ChangingCommand => ({
      type: "message.edit",
      ...common,
      message,
      replacement: "00000000-0000-7000-8000-00000000000a",
      parts: [{ type: "text", text: "better" }],
    });
    const rows = { conversation: conversation(), messages: [userRow(ids.message, ids.other), replyRow(ids.reply)] };
    expect(decide(edit(ids.reply), viewOf(rows))).toMatchObject({ code: "forbidden" });
    expect(decide(edit(ids.other), viewOf(rows))).toMatchObject({ code: "not_found" });
    expect(decide(edit(ids.message), viewOf(rows))).toMatchObject({
      events: [{ message: { metadata: { parent: ids.other, editOf: ids.message } } }, { kind: "turn.started" }],
    });
  });

  test("CM6 a taken id is a conflict", () => {
    const rows = { conversation: conversation(), messages: [userRow(ids.message)] };
    expect(decide(send({ parent: null }), viewOf(rows))).toMatchObject({ code: "conflict", field: "message" });
  });

  test("CM7 PR09 a stop ends a running turn once; a later one tells the same end", () => {
    const stop: ChangingCommand = { type: "turn.stop", ...common, turn: ids.turn };
    const running = { conversation: conversation(), turns: [turnRow({ length: 42 })] };
    expect(decide(stop, viewOf(running))).toMatchObject({
      events: [{ kind: "turn.finished", status: "stopped", length: 42 }],
      turns: [{ status: "stopped", finishedSeq: 8 }],
      answer: { turn: ids.turn, status: "stopped", seq: 8 },
    });
    const over = { conversation: conversation(), turns: [turnRow({ status: "completed", finishedSeq: 5 })] };
    expect(decide(stop, viewOf(over))).toMatchObject({ events: [], answer: { status: "completed", seq: 5 } });
    expect(decide(stop, viewOf({ conversation: conversation() }))).toMatchObject({ code: "not_found", field: "turn" });
  });

  test("CM8 retry makes a sibling, continue goes on in the reply, a completed one cannot be continued", () => {
    const stopped = {
      conversation: conversation(),
      messages: [replyRow(ids.reply)],
      turns: [turnRow({ id: ids.turn, status: "stopped", length: 9 })],
    };
    expect(decide({ type: "turn.retry", ...common, message: ids.reply }, viewOf(stopped))).toMatchObject({
      events: [{ kind: "turn.started", parent: ids.message, message: ids.reply }],
    });
    expect(decide({ type: "turn.continue", ...common, message: ids.reply }, viewOf(stopped))).toMatchObject({
      events: [{ kind: "turn.started", message: ids.reply }],
      turns: [{ length: 9, attemptLength: 9 }],
      messages: [{ openSince: 3, message: { metadata: { status: "running" } } }],
    });
    const completed = { ...stopped, turns: [turnRow({ status: "completed" })] };
    expect(decide({ type: "turn.continue", ...common, message: ids.reply }, viewOf(completed))).toMatchObject({
      code: "conflict",
    });
    const user = { conversation: conversation(), messages: [userRow(ids.message)] };
    expect(decide({ type: "turn.retry", ...common, message: ids.message }, viewOf(user))).toMatchObject({
      code: "invalid",
    });
  });

  test("CM9 FO7 AZ06 reactions are sets with a cap", () => {
    const react = (reaction: string, on = true): ChangingCommand => ({
      type: "message.react",
      ...common,
      message: ids.message,
      reaction,
      on,
    });
    const bare = { conversation: conversation(), messages: [userRow(ids.message)] };
    expect(decide(react("👍"), viewOf(bare))).toMatchObject({ events: [{ on: true }], answer: { seq: 8 } });
    expect(decide(react("👍", false), viewOf(bare))).toMatchObject({ events: [], answer: { seq: 7 } });
    const full = userRow(ids.message);
    const reactions = Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`r${i}`, ["bob"]]));
    const crowded = { message: { ...full.message, metadata: { ...full.message.metadata, reactions } } };
    expect(decide(react("👍"), viewOf({ ...bare, messages: [crowded] }))).toMatchObject({ code: "too_large" });
  });

  test("CM10 a delete erases and leaves a tombstone", () => {
    expect(decide({ type: "conversation.delete", ...common }, viewOf({ conversation: conversation() }))).toMatchObject({
      events: [{ kind: "conversation.deleted" }],
      erase: true,
      conversation: { deleted: true, newest: null },
    });
  });
});
