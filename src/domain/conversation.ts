// Owns what a conversation is: the pure fold of its log. Runs on server and client alike; must do no I/O and read no clock.
import type { Event, EventOf, Message, Part, RunningTurn, SnapshotState } from "../protocol/index.ts";

/**
 * The fold of a log up to `seq`. Immutable: what an event does not touch keeps its identity.
 * `messages` are in the order of the log; `mismatches` counts pieces whose offset did not fit (must stay 0).
 */
export type Conversation = {
  readonly seq: number;
  readonly title?: string | undefined;
  readonly createdAt?: string | undefined;
  readonly archived: boolean;
  readonly deleted: boolean;
  readonly messages: readonly Message[];
  readonly more: boolean;
  readonly turns: readonly RunningTurn[];
  readonly mismatches: number;
};

export const emptyConversation: Conversation = {
  seq: 0,
  archived: false,
  deleted: false,
  messages: [],
  more: false,
  turns: [],
  mismatches: 0,
};

/** A conversation from a snapshot frame: the state at `seq`, which replaces whatever a reader has. */
export function fromSnapshot(seq: number, state: SnapshotState): Conversation {
  const { title, createdAt, archived, messages, more, turns } = state;
  return { ...emptyConversation, seq, title, createdAt, archived: archived ?? false, messages, more, turns };
}

/** The length of all text parts of a message together, in UTF-16 units: what `turn.finished.length` says. */
export function textLength(message: Pick<Message, "parts">): number {
  return message.parts.reduce(
    (sum, part) => sum + (part.type === "text" && typeof part.text === "string" ? part.text.length : 0),
    0,
  );
}

/** What a reader does with an `events` frame: apply it, drop it, or open again because something is missing. */
export type Reception = "apply" | "drop" | "gap";

export function receive(seq: number, from: number, to: number): Reception {
  if (to <= seq) return "drop";
  return from === seq + 1 ? "apply" : "gap";
}

/** Applies the events of one frame, which ends at `to`. One new state, however many events. */
export function applyEvents(state: Conversation, events: readonly Event[], to: number): Conversation {
  const draft: Draft = { ...state, messages: [...state.messages], fresh: new Set() };
  for (const event of events) foldInto(draft, event);
  const { fresh: _, ...next } = draft;
  return { ...next, seq: to };
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };
/** A state being built; `fresh` holds the ids of messages that were already copied in this build. */
type Draft = Mutable<Conversation> & { messages: Message[]; fresh: Set<string> };

/** The index of a message, searched from the newest. -1 where it is not loaded (an older page). */
function indexOf(draft: Draft, id: string): number {
  return draft.messages.findLastIndex((message) => message.id === id);
}

function change(draft: Draft, id: string, edit: (message: Message) => void): void {
  const index = indexOf(draft, id);
  const found = draft.messages[index];
  if (found === undefined) return;
  if (draft.fresh.has(id)) return edit(found);
  const copy: Message = { ...found, parts: [...found.parts], metadata: { ...found.metadata } };
  draft.messages[index] = copy;
  draft.fresh.add(id);
  edit(copy);
}

function foldInto(draft: Draft, event: Event): void {
  switch (event.kind) {
    case "conversation.created":
      draft.createdAt = event.at;
      if (event.title !== undefined) draft.title = event.title;
      return;
    case "conversation.updated":
      if (event.title !== undefined) draft.title = event.title;
      if (event.archived !== undefined) draft.archived = event.archived;
      return;
    case "conversation.deleted":
      draft.deleted = true;
      draft.turns = [];
      return;
    case "message.created":
      if (indexOf(draft, event.message.id) === -1) draft.messages.push(event.message);
      return;
    case "reaction.changed":
      return change(draft, event.message, (message) => react(message, event));
    case "turn.started":
      return startTurn(draft, event);
    case "reply.appended":
      return change(draft, event.message, (message) => appendPiece(draft, message, event));
    case "reply.part":
      return change(draft, event.message, (message) => {
        if (event.part > message.parts.length) draft.mismatches++;
        else message.parts[event.part] = event.value;
      });
    case "turn.resumed":
      draft.turns = draft.turns.map((t) => (t.turn === event.turn ? { ...t, attempt: event.attempt } : t));
      if (event.mode === "restart") change(draft, event.message, (message) => void (message.parts = []));
      return;
    case "turn.finished":
      draft.turns = draft.turns.filter((t) => t.turn !== event.turn);
      return change(draft, event.message, (message) => finishReply(message, event));
    default:
      return event satisfies never;
  }
}

function startTurn(draft: Draft, event: EventOf<"turn.started">): void {
  draft.turns = [...draft.turns, { turn: event.turn, message: event.message, attempt: 1 }];
  const isNew = event.continued !== true && indexOf(draft, event.message) === -1;
  if (isNew) draft.messages.push(newReply(event));
  else change(draft, event.message, (message) => Object.assign(message, restartedReply(message, event)));
}

/** The reply that a `turn.started` makes. */
function newReply(event: EventOf<"turn.started">): Message {
  const { at, parent, turn, model } = event;
  const metadata = { createdAt: at, parent, turn, status: "running", model } as const;
  return { id: event.message, role: "assistant", parts: [], metadata };
}

/** A reply that goes on in a further turn (`turn.continue`): its parts stay, its end is taken back. */
function restartedReply(message: Message, event: EventOf<"turn.started">): Message {
  const { error: _, ...metadata } = message.metadata;
  return { ...message, metadata: { ...metadata, turn: event.turn, status: "running", model: event.model } };
}

function finishReply(message: Message, event: EventOf<"turn.finished">): void {
  message.metadata.status = event.status;
  if (event.usage !== undefined) message.metadata.usage = event.usage;
  if (event.error !== undefined) message.metadata.error = event.error;
}

function appendPiece(draft: Draft, message: Message, event: EventOf<"reply.appended">): void {
  const before: Part | undefined = message.parts[event.part];
  if (before === undefined && event.offset === 0 && event.part === message.parts.length) {
    message.parts.push({ type: event.type, text: event.text });
  } else if (before !== undefined && isGrowing(before, event)) {
    message.parts[event.part] = { type: event.type, text: before.text + event.text };
  } else draft.mismatches++;
}

function isGrowing(part: Part, event: EventOf<"reply.appended">): part is Part & { text: string } {
  return (
    part.type === event.type && "text" in part && typeof part.text === "string" && part.text.length === event.offset
  );
}

function react(message: Message, { user, reaction, on }: EventOf<"reaction.changed">): void {
  const users = (message.metadata.reactions?.[reaction] ?? []).filter((id) => id !== user);
  const { [reaction]: _, ...others } = message.metadata.reactions ?? {};
  const left = on ? [...users, user] : users;
  const reactions = left.length === 0 ? others : { ...others, [reaction]: left };
  message.metadata.reactions = reactions;
  if (Object.keys(reactions).length === 0) delete message.metadata.reactions;
}
