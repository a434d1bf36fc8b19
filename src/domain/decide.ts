// Owns what each command means: from a view of the conversation to the effect, or the reason why not. Pure.
import type { Command, CommandOf, CommandType, Event, Message, Part, Rejection, SentPart } from "../protocol/index.ts";
import { fileUrl, reject, stamp } from "../protocol/index.ts";
import { isRejection } from "./records.ts";
import type { ConversationRecord, Effect, View, Work } from "./records.ts";
import { endTurn, freshTurn, startTurn, type Context } from "./turn.ts";

const changing = [
  "conversation.create",
  "conversation.update",
  "conversation.delete",
  "message.send",
  "message.edit",
  "message.react",
  "turn.stop",
  "turn.retry",
  "turn.continue",
] as const satisfies readonly CommandType[];

/** The commands that append to a conversation's log. */
export type ChangingCommand = CommandOf<(typeof changing)[number]>;

export const isChanging = (command: Command): command is ChangingCommand =>
  changing.some((type) => type === command.type);

/** What a command has to be decided on, and how. `CM` rules of SPEC.md. */
export function decideCommand(command: ChangingCommand, context: Context): Omit<Work, "key"> {
  const { conversation } = command;
  switch (command.type) {
    case "conversation.create":
      return { conversation, decide: (view) => create(view, command, context) };
    case "conversation.update":
      return { conversation, decide: (view) => update(view, command, context) };
    case "conversation.delete":
      return { conversation, decide: (view) => erase(view, context) };
    case "message.send": {
      const messages = command.parent ? [command.message, command.parent] : [command.message];
      return {
        conversation,
        needs: { messages, files: filesOf(command.parts) },
        decide: (view) => send(view, command, context),
      };
    }
    case "message.edit":
      return {
        conversation,
        needs: { messages: [command.message, command.replacement], files: filesOf(command.parts) },
        decide: (view) => edit(view, command, context),
      };
    case "message.react":
      return { conversation, needs: { messages: [command.message] }, decide: (view) => react(view, command, context) };
    case "turn.stop":
      return { conversation, needs: { turns: [command.turn] }, decide: (view) => stop(view, command, context) };
    case "turn.retry":
      return { conversation, needs: { messages: [command.message] }, decide: (view) => retry(view, command, context) };
    case "turn.continue":
      return { conversation, needs: { messages: [command.message] }, decide: (view) => goOn(view, command, context) };
    default:
      return command satisfies never;
  }
}

/** The conversation, if it is there and this user's. Somebody else's is answered as one that is not there. */
export function owned(record: ConversationRecord | undefined, user: string): ConversationRecord | Rejection {
  return record === undefined || record.deleted || record.user !== user
    ? reject("not_found", { field: "conversation" })
    : record;
}

function freshRecord(id: string, context: Context, title?: string): ConversationRecord {
  const { user, now } = context;
  const times = { createdAt: now, updatedAt: now };
  return { id, user, title, ...times, head: 0, newest: null, archived: false, deleted: false };
}

function create(view: View, command: CommandOf<"conversation.create">, context: Context): Effect | Rejection {
  const { conversation, title } = command;
  if (view.conversation !== undefined) {
    return view.conversation.user === context.user
      ? reject("conflict", { field: "conversation" })
      : reject("not_found", { field: "conversation" });
  }
  return {
    events: [createdEvent(context, title)],
    conversation: freshRecord(conversation, context, title),
    answer: { conversation, seq: 1 },
  };
}

function createdEvent(context: Context, title: string | undefined): Event {
  return { kind: "conversation.created", at: stamp(context.now), ...(title === undefined ? {} : { title }) };
}

function update(view: View, command: CommandOf<"conversation.update">, context: Context): Effect | Rejection {
  const record = owned(view.conversation, context.user);
  if (isRejection(record)) return record;
  const { title, archived } = command;
  if (title === undefined && archived === undefined) return reject("invalid", { field: "title" });
  const changes = { ...(title === undefined ? {} : { title }), ...(archived === undefined ? {} : { archived }) };
  return {
    events: [{ kind: "conversation.updated", at: stamp(context.now), ...changes }],
    conversation: { ...record, ...changes, updatedAt: context.now },
    answer: { seq: record.head + 1 },
  };
}

function erase(view: View, context: Context): Effect | Rejection {
  const record = owned(view.conversation, context.user);
  if (isRejection(record)) return record;
  return {
    events: [{ kind: "conversation.deleted", at: stamp(context.now) }],
    conversation: { ...record, title: undefined, newest: null, deleted: true, updatedAt: context.now },
    erase: true,
    answer: {},
  };
}

function send(view: View, command: CommandOf<"message.send">, context: Context): Effect | Rejection {
  const { conversation, message, parts } = command;
  const existing = view.conversation;
  const record = existing === undefined ? freshRecord(conversation, context) : owned(existing, context.user);
  if (isRejection(record)) return record;
  if (view.message(message) !== undefined) return reject("conflict", { field: "message" });
  const parent = command.parent === undefined ? record.newest : command.parent;
  const above = parent === null ? undefined : view.message(parent);
  if (parent !== null && above === undefined) return reject("not_found", { field: "parent" });
  const busy = beingMade(view, parent);
  if (busy !== undefined) return busy;
  const sent = userMessage(view, message, parts, parent, context);
  if (isRejection(sent)) return sent;
  const first = existing === undefined ? [createdEvent(context, undefined)] : [];
  return withFiles(startTurn(record, first, sent, message, context), parts);
}

/** A message under a reply that is being made, or goes on, has to wait (CM4). */
function beingMade(view: View, parent: string | null): Rejection | undefined {
  if (!view.running.some((turn) => turn.message === parent)) return undefined;
  return reject("conflict", { field: "parent", detail: "A reply is being made there. Wait for its end or stop it." });
}

function edit(view: View, command: CommandOf<"message.edit">, context: Context): Effect | Rejection {
  const record = owned(view.conversation, context.user);
  if (isRejection(record)) return record;
  const original = view.message(command.message)?.message;
  if (original === undefined) return reject("not_found", { field: "message" });
  if (original.role !== "user") return reject("forbidden", { field: "message" });
  if (view.message(command.replacement) !== undefined) return reject("conflict", { field: "replacement" });
  const { parent } = original.metadata;
  const busy = beingMade(view, parent);
  if (busy !== undefined) return busy;
  const sent = userMessage(view, command.replacement, command.parts, parent, context, original.id);
  if (isRejection(sent)) return sent;
  return withFiles(startTurn(record, [], sent, sent.id, context), command.parts);
}

const filesOf = (parts: readonly SentPart[]): string[] =>
  parts.flatMap((part) => (part.type === "file" ? [part.file] : []));

/** A message takes its files into its conversation, in the same transaction. */
function withFiles(effect: Effect, parts: readonly SentPart[]): Effect {
  const files = filesOf(parts);
  return files.length === 0 ? effect : { ...effect, files };
}

function userMessage(
  view: View,
  id: string,
  parts: readonly SentPart[],
  parent: string | null,
  context: Context,
  editOf?: string,
): Message | Rejection {
  const kept: Part[] = [];
  for (const [i, part] of parts.entries()) {
    const made = part.type === "text" ? part : attached(view, part.file, `parts.${i}.file`, context);
    if (isRejection(made)) return made;
    kept.push(made);
  }
  const metadata = { createdAt: stamp(context.now), parent, ...(editOf === undefined ? {} : { editOf }) };
  return { id, role: "user", parts: kept, metadata };
}

/** A file as a part of a message: the sender's own, and in no other conversation (FL9). */
function attached(view: View, id: string, field: string, { user }: Context): Part | Rejection {
  const file = view.file(id);
  if (file === undefined || file.user !== user) return reject("not_found", { field });
  const home = view.conversation?.id;
  if (file.conversation !== undefined && file.conversation !== home) {
    return reject("conflict", { field, detail: "This file belongs to another conversation. Send it anew." });
  }
  return { type: "file", url: fileUrl(id), mediaType: file.mediaType, filename: file.name };
}

function react(view: View, command: CommandOf<"message.react">, context: Context): Effect | Rejection {
  const record = owned(view.conversation, context.user);
  if (isRejection(record)) return record;
  const found = view.message(command.message);
  if (found === undefined) return reject("not_found", { field: "message" });
  const { reaction, on } = command;
  const reactions = found.message.metadata.reactions ?? {};
  const users = reactions[reaction] ?? [];
  if (users.includes(context.user) === on) return { events: [], answer: { seq: record.head } };
  if (on && users.length === 0 && Object.keys(reactions).length >= context.limits.reactions) {
    return reject("too_large", {
      field: "reaction",
      detail: "There are too many different reactions on this message.",
    });
  }
  const { [reaction]: _, ...others } = reactions;
  const left = on ? [...users, context.user] : users.filter((user) => user !== context.user);
  const changed = left.length === 0 ? others : { ...others, [reaction]: left };
  const { reactions: __, ...bare } = found.message.metadata;
  const metadata = Object.keys(changed).length === 0 ? bare : { ...bare, reactions: changed };
  const { user } = context;
  return {
    events: [{ kind: "reaction.changed", at: stamp(context.now), message: command.message, user, reaction, on }],
    messages: [{ ...found, message: { ...found.message, metadata } }],
    conversation: record,
    answer: { seq: record.head + 1 },
  };
}

function stop(view: View, command: CommandOf<"turn.stop">, context: Context): Effect | Rejection {
  const record = owned(view.conversation, context.user);
  if (isRejection(record)) return record;
  const turn = view.turn(command.turn);
  if (turn === undefined) return reject("not_found", { field: "turn" });
  if (turn.status !== "running") {
    return { events: [], answer: { turn: turn.id, status: turn.status, seq: turn.finishedSeq } };
  }
  const ended = endTurn(record, turn, { status: "stopped" }, context.now);
  return { ...ended, answer: { turn: turn.id, status: "stopped", seq: record.head + 1 } };
}

/** A reply of this user that no turn is writing. */
function idleReply(view: View, id: string, user: string): IdleReply | Rejection {
  const record = owned(view.conversation, user);
  if (isRejection(record)) return record;
  const found = view.message(id);
  if (found === undefined) return reject("not_found", { field: "message" });
  const reply = found.message;
  if (reply.role !== "assistant")
    return reject("invalid", { field: "message", detail: "This message is not a reply." });
  // The row of an unsettled reply may still say "running"; the running turns are what counts.
  if (view.running.some((turn) => turn.message === id)) {
    return reject("conflict", { field: "message", detail: "This reply is still being made." });
  }
  return { record, reply, openSince: found.openSince };
}

type IdleReply = { record: ConversationRecord; reply: Message; openSince: number | undefined };

function retry(view: View, command: CommandOf<"turn.retry">, context: Context): Effect | Rejection {
  const found = idleReply(view, command.message, context.user);
  if (isRejection(found)) return found;
  const { record, reply } = found;
  return startTurn(record, [], undefined, reply.metadata.parent, context);
}

function goOn(view: View, command: CommandOf<"turn.continue">, context: Context): Effect | Rejection {
  const found = idleReply(view, command.message, context.user);
  if (isRejection(found)) return found;
  const { record, reply } = found;
  const { turn, model, now } = context;
  const last = view.turn(reply.metadata.turn ?? "");
  if (last === undefined || last.status === "completed") {
    return reject("conflict", { field: "message", detail: "This reply is complete." });
  }
  const { parent } = reply.metadata;
  const seq = record.head + 1;
  const { error: _, ...metadata } = reply.metadata;
  const reopened: Message = { ...reply, metadata: { ...metadata, turn, model, status: "running" } };
  return {
    events: [{ kind: "turn.started", at: stamp(now), turn, message: reply.id, parent, model, continued: true }],
    conversation: { ...record, updatedAt: now },
    messages: [{ message: reopened, openSince: found.openSince ?? seq }],
    turns: [freshTurn(record.id, reply.id, parent, seq, last.length, context)],
    answer: { turn, reply: reply.id, seq },
  };
}
