// Owns what an imported conversation becomes in the log: made in one work, whole or not at all, and never twice. Pure.
import { reject, stamp, type Event, type EventOf, type Message, type Part } from "../protocol/index.ts";
import { applyEvents, emptyConversation, textLength } from "./conversation.ts";
import { mergedTextLength } from "./log.ts";
import type { Work } from "./records.ts";

/** A conversation of elsewhere, in our words: parents before their children, the branch that was shown last at the end. */
export type ImportedConversation = {
  /** What it is called where it comes from. */
  readonly source: string;
  readonly title?: string | undefined;
  /** Milliseconds since 1970. */
  readonly createdAt: number;
  readonly updatedAt: number;
  readonly archived: boolean;
  readonly messages: readonly Message[];
};

/** What became of it: made now; there already; made once, and deleted since: another id is free. */
type Placed = "made" | "there" | "deleted";

/** Puts it under `id`, which is made from who it is and whose. Answers `{placed}`. */
export function placeImported(imported: ImportedConversation, place: { id: string; user: string }): Work {
  const { id, user } = place;
  const { title, createdAt, updatedAt, archived, messages } = imported;
  const answer = (placed: Placed): { placed: Placed } => ({ placed });
  return {
    conversation: id,
    decide(view) {
      const before = view.conversation;
      if (before !== undefined && before.user !== user) return reject("conflict", { field: "conversation" });
      if (before !== undefined) return { events: [], answer: answer(before.deleted ? "deleted" : "there") };
      const at = stamp(createdAt);
      const named = title === undefined ? {} : { title };
      const newest = messages.at(-1)?.id ?? null;
      const events: Event[] = [
        { kind: "conversation.created", at, ...named },
        ...messages.flatMap(eventsOf),
        ...(archived ? [{ kind: "conversation.updated" as const, at, archived }] : []),
      ];
      return {
        events,
        conversation: { id, user, title, createdAt, updatedAt, head: 0, newest, archived, deleted: false },
        // The rows are the fold of the events, whatever became of the messages on the way.
        messages: applyEvents(emptyConversation, events, events.length).messages.map((message) => ({ message })),
        answer: answer("made"),
      };
    },
  };
}

/** Text of one event, in characters: a message has no more where it is written, and a reader has room for it. */
const longestEvent = 131_072;

/** A message as events that no reader is too small for: a reply that is longer comes in pieces, as one that is made here. */
function eventsOf(message: Message): Event[] {
  const { id, role, parts, metadata } = message;
  const { createdAt: at, parent, model = "unknown", status = "completed", reactions = {} } = metadata;
  const length = parts.reduce((sum, part) => sum + ("text" in part ? String(part.text).length : 0), 0);
  if (role === "user" || length <= longestEvent || status === "running")
    return [{ kind: "message.created", at, message }];
  const reply = { at, turn: id, message: id };
  return [
    { kind: "turn.started", ...reply, parent, model },
    ...parts.flatMap((value, part) => piecesOf(value, part).map((event) => ({ ...event, ...reply }))),
    { kind: "turn.finished", ...reply, status, length: textLength(message) },
    ...Object.entries(reactions).flatMap(([reaction, users]) =>
      users.map((user): Event => ({ kind: "reaction.changed", at, message: id, user, reaction, on: true })),
    ),
  ];
}

type Piece =
  | Omit<EventOf<"reply.appended">, "at" | "turn" | "message">
  | Omit<EventOf<"reply.part">, "at" | "turn" | "message">;

function piecesOf(value: Part, part: number): Piece[] {
  const { type } = value;
  if ((type !== "text" && type !== "reasoning") || typeof value.text !== "string") {
    return [{ kind: "reply.part", part, value }];
  }
  const { text } = value;
  return Array.from({ length: Math.ceil(text.length / mergedTextLength) }, (_, i) => {
    const offset = i * mergedTextLength;
    return { kind: "reply.appended", part, type, offset, text: text.slice(offset, offset + mergedTextLength) };
  });
}
