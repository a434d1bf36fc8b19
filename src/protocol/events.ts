// Owns the shapes of the log: messages, parts and the kinds of events; must not say how they are stored or folded.
import * as v from "valibot";

/** How a turn ended, or that it has not. */
const finalStatuses = ["completed", "stopped", "failed", "interrupted"] as const;
export const turnStatus = v.picklist(["running", ...finalStatuses]);
export const finalStatus = v.picklist(finalStatuses);
export type TurnStatus = v.InferOutput<typeof turnStatus>;
export type FinalStatus = v.InferOutput<typeof finalStatus>;

const textPart = v.object({ type: v.literal("text"), text: v.string() });
const reasoningPart = v.object({ type: v.literal("reasoning"), text: v.string() });
const filePart = v.object({
  type: v.literal("file"),
  url: v.string(),
  mediaType: v.string(),
  filename: v.optional(v.string()),
});
/** Any other part of the AI SDK's UI message (a source, a tool call and its states): kept as it is. */
const otherPart = v.looseObject({
  type: v.pipe(
    v.string(),
    v.check((type) => type !== "text" && type !== "reasoning" && type !== "file"),
  ),
});

/** One part of a message, in the shape of the AI SDK's UI message parts. Source: ai-sdk.dev, `UIMessage`. */
export const part = v.union([textPart, reasoningPart, filePart, otherPart]);
export type Part = v.InferOutput<typeof part>;
export type TextPart = v.InferOutput<typeof textPart>;

/** An error inside an event: what a person is told about a turn that failed. */
export const failure = v.object({
  code: v.string(),
  message: v.string(),
  retryable: v.boolean(),
  retryAfterMs: v.optional(v.number()),
});
export type Failure = v.InferOutput<typeof failure>;

/** Tokens of one turn, as the model counted them. */
export const usage = v.object({
  inputTokens: v.optional(v.number()),
  outputTokens: v.optional(v.number()),
});
export type Usage = v.InferOutput<typeof usage>;

/** A message, in the AI SDK's UI message shape. `createdAt` is ISO 8601; `reactions` maps an emoji to user ids. */
export const message = v.object({
  id: v.string(),
  role: v.picklist(["user", "assistant"]),
  parts: v.array(part),
  metadata: v.object({
    createdAt: v.string(),
    parent: v.nullable(v.string()),
    turn: v.optional(v.string()),
    status: v.optional(turnStatus),
    model: v.optional(v.string()),
    editOf: v.optional(v.string()),
    reactions: v.optional(v.record(v.string(), v.array(v.string()))),
    usage: v.optional(usage),
    error: v.optional(failure),
  }),
});
export type Message = v.InferOutput<typeof message>;

const at = v.string();

/** The stamp that was made last: the pieces of a hundred replies are stamped in one millisecond. */
let latest = { now: Number.NaN, text: "" };

/** The `at` of an event: ISO 8601 from milliseconds since 1970. */
export function stamp(now: number): string {
  if (latest.now !== now) latest = { now, text: new Date(now).toISOString() };
  return latest.text;
}

/** Every kind of event of the log. `at` is ISO 8601, set by the server. */
export const event = v.variant("kind", [
  v.object({ kind: v.literal("conversation.created"), at, title: v.optional(v.string()) }),
  v.object({
    kind: v.literal("conversation.updated"),
    at,
    title: v.optional(v.string()),
    archived: v.optional(v.boolean()),
  }),
  v.object({ kind: v.literal("conversation.deleted"), at }),
  v.object({ kind: v.literal("message.created"), at, message }),
  v.object({
    kind: v.literal("reaction.changed"),
    at,
    message: v.string(),
    user: v.string(),
    reaction: v.string(),
    on: v.boolean(),
  }),
  v.object({
    kind: v.literal("turn.started"),
    at,
    turn: v.string(),
    message: v.string(),
    parent: v.nullable(v.string()),
    model: v.string(),
    /** The reply was there before and goes on: a reader that has not loaded it must not take it for a new one. */
    continued: v.optional(v.boolean()),
  }),
  v.object({
    kind: v.literal("reply.appended"),
    at,
    turn: v.string(),
    message: v.string(),
    part: v.number(),
    type: v.picklist(["text", "reasoning"]),
    offset: v.number(),
    text: v.string(),
  }),
  v.object({
    kind: v.literal("reply.part"),
    at,
    turn: v.string(),
    message: v.string(),
    part: v.number(),
    value: part,
  }),
  v.object({
    kind: v.literal("turn.resumed"),
    at,
    turn: v.string(),
    message: v.string(),
    attempt: v.number(),
    mode: v.picklist(["continue", "restart"]),
  }),
  v.object({
    kind: v.literal("turn.finished"),
    at,
    turn: v.string(),
    message: v.string(),
    status: finalStatus,
    length: v.number(),
    usage: v.optional(usage),
    error: v.optional(failure),
  }),
]);
export type Event = v.InferOutput<typeof event>;
export type EventOf<K extends Event["kind"]> = Extract<Event, { kind: K }>;
