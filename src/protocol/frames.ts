// Owns the shape of every frame a server sends; must not know how they come about.
import * as v from "valibot";
import { event, message } from "./events.ts";

const seq = v.number();

const rejection = v.object({
  code: v.string(),
  message: v.string(),
  retryable: v.boolean(),
  retryAfterMs: v.optional(v.number()),
  field: v.optional(v.string()),
  limit: v.optional(v.number()),
});

/** A turn in the making, as a snapshot lists it. */
export const runningTurn = v.object({ turn: v.string(), message: v.string(), attempt: v.number() });
export type RunningTurn = v.InferOutput<typeof runningTurn>;

/** The fold of a log up to some seq: the newest page of messages and the running turns. */
export const snapshotState = v.object({
  title: v.optional(v.string()),
  createdAt: v.string(),
  archived: v.optional(v.boolean()),
  messages: v.array(message),
  more: v.boolean(),
  turns: v.array(runningTurn),
});
export type SnapshotState = v.InferOutput<typeof snapshotState>;

/** Where a search hit in a message: about 120 characters around it; `at` is where the hit begins and ends in `text` (UTF-16). */
const snippet = v.object({ message: v.string(), text: v.string(), at: v.tuple([v.number(), v.number()]) });
export type Snippet = v.InferOutput<typeof snippet>;

/** A row of the list of conversations. `snippet`: of a search, where a message was hit. */
export const conversationRow = v.object({
  id: v.string(),
  title: v.optional(v.string()),
  createdAt: v.string(),
  updatedAt: v.string(),
  seq,
  archived: v.optional(v.boolean()),
  turn: v.optional(v.string()),
  snippet: v.optional(snippet),
});
export type ConversationRow = v.InferOutput<typeof conversationRow>;

/** A person's session, as `session.list` answers it. `device` and `place` are words, `current` is the asking one. */
export const sessionRow = v.object({
  id: v.string(),
  current: v.boolean(),
  device: v.string(),
  place: v.string(),
  createdAt: v.string(),
  lastSeenAt: v.string(),
});
export type SessionRow = v.InferOutput<typeof sessionRow>;

/** Every frame from the server. */
export const serverFrame = v.variant("type", [
  v.looseObject({ type: v.literal("ack"), id: v.string() }),
  v.object({
    type: v.literal("error"),
    id: v.optional(v.string()),
    error: rejection,
    /** The one of `auth.open` that could not be opened. */
    conversation: v.optional(v.string()),
  }),
  v.object({ type: v.literal("events"), conversation: v.string(), from: seq, to: seq, events: v.array(event) }),
  v.object({
    type: v.literal("snapshot"),
    conversation: v.string(),
    seq,
    epoch: v.optional(v.string()),
    state: snapshotState,
  }),
  v.object({ type: v.literal("live"), conversation: v.string(), seq, epoch: v.optional(v.string()) }),
  v.object({
    type: v.literal("conversation"),
    conversation: v.string(),
    title: v.optional(v.string()),
    updatedAt: v.string(),
    seq,
    turn: v.optional(v.string()),
    archived: v.optional(v.boolean()),
    deleted: v.optional(v.boolean()),
  }),
  v.looseObject({ type: v.literal("notice"), code: v.string() }),
]);
export type ServerFrame = v.InferOutput<typeof serverFrame>;
