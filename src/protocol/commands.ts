// Owns the shape of every command a client may send; must not know what a command does.
import * as v from "valibot";
import { defaultLimits } from "./limits.ts";

const uuidPattern = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
/** Ids of conversations, messages and turns. Compared in lower case. */
const uuid = v.pipe(v.string(), v.regex(uuidPattern), v.toLowerCase());
const commandId = v.pipe(v.string(), v.minLength(1), v.maxLength(64));
const secret = v.pipe(v.string(), v.minLength(1), v.maxLength(12_000));
/** Any whole number: one that no log has is answered with a snapshot, never with an error. */
const cursor = v.pipe(
  v.number(),
  v.check((n) => Number.isFinite(n) && Math.floor(n) === n),
);
const epoch = v.pipe(v.string(), v.maxLength(64));
const limit = v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(100));
const title = v.pipe(v.string(), v.trim(), v.minLength(1));
const label = v.pipe(v.string(), v.maxLength(100));

/** What a client calls itself. An array would pass as an object of optional fields (JS07). */
const clientLabel = v.pipe(
  v.unknown(),
  v.check((value) => !Array.isArray(value)),
  v.object({ name: v.optional(label), version: v.optional(label) }),
);

/** One emoji: a single grapheme that holds a pictograph, a flag or a keycap. */
const emojiPattern = /\p{Extended_Pictographic}|\p{Regional_Indicator}|\u20e3/u;
const graphemes = new Intl.Segmenter("en", { granularity: "grapheme" });
const reaction = v.pipe(
  v.string(),
  v.maxLength(32),
  v.check((text) => emojiPattern.test(text) && [...graphemes.segment(text)].length === 1),
);

const sentText = v.strictObject({
  type: v.literal("text"),
  text: v.pipe(v.string(), v.minLength(1)),
});
const sentFile = v.strictObject({ type: v.literal("file"), file: v.pipe(v.string(), v.minLength(1), v.maxLength(64)) });
const sentParts = v.pipe(v.array(v.variant("type", [sentText, sentFile])), v.minLength(1));
export type SentPart = v.InferOutput<typeof sentParts>[number];

const openItem = v.object({ conversation: uuid, seq: v.optional(cursor), epoch: v.optional(epoch) });

/** Every command by its `type`. Unknown fields are ignored, so that newer clients can talk to older servers. */
export const commandSchemas = {
  auth: v.object({
    type: v.literal("auth"),
    id: commandId,
    token: v.optional(secret),
    session: v.optional(secret),
    guest: v.optional(v.boolean()),
    open: v.optional(v.pipe(v.array(openItem), v.maxLength(defaultLimits.openConversations))),
    client: v.optional(clientLabel),
  }),
  "auth.refresh": v.object({ type: v.literal("auth.refresh"), id: commandId, token: secret }),
  "auth.logout": v.object({ type: v.literal("auth.logout"), id: commandId, everywhere: v.optional(v.boolean()) }),
  "session.list": v.object({ type: v.literal("session.list"), id: commandId }),
  "session.revoke": v.object({
    type: v.literal("session.revoke"),
    id: commandId,
    session: v.pipe(v.string(), v.minLength(1), v.maxLength(64)),
  }),
  ping: v.object({ type: v.literal("ping"), id: commandId }),
  "conversation.list": v.object({
    type: v.literal("conversation.list"),
    id: commandId,
    cursor: v.optional(v.pipe(v.string(), v.maxLength(200))),
    limit: v.optional(limit),
    query: v.optional(v.pipe(v.string(), v.maxLength(200))),
    archived: v.optional(v.boolean()),
  }),
  "conversation.create": v.object({
    type: v.literal("conversation.create"),
    id: commandId,
    conversation: uuid,
    title: v.optional(title),
  }),
  "conversation.open": v.object({
    type: v.literal("conversation.open"),
    id: commandId,
    conversation: uuid,
    seq: v.optional(cursor),
    epoch: v.optional(epoch),
  }),
  "conversation.close": v.object({ type: v.literal("conversation.close"), id: commandId, conversation: uuid }),
  "conversation.update": v.object({
    type: v.literal("conversation.update"),
    id: commandId,
    conversation: uuid,
    title: v.optional(title),
    archived: v.optional(v.boolean()),
  }),
  "conversation.delete": v.object({ type: v.literal("conversation.delete"), id: commandId, conversation: uuid }),
  "conversation.history": v.object({
    type: v.literal("conversation.history"),
    id: commandId,
    conversation: uuid,
    before: v.optional(uuid),
    limit: v.optional(limit),
  }),
  "message.send": v.object({
    type: v.literal("message.send"),
    id: commandId,
    conversation: uuid,
    message: uuid,
    parts: sentParts,
    parent: v.optional(v.nullable(uuid)),
  }),
  "message.edit": v.object({
    type: v.literal("message.edit"),
    id: commandId,
    conversation: uuid,
    message: uuid,
    replacement: uuid,
    parts: sentParts,
  }),
  "message.react": v.object({
    type: v.literal("message.react"),
    id: commandId,
    conversation: uuid,
    message: uuid,
    reaction,
    on: v.boolean(),
  }),
  "turn.stop": v.object({ type: v.literal("turn.stop"), id: commandId, conversation: uuid, turn: uuid }),
  "turn.retry": v.object({ type: v.literal("turn.retry"), id: commandId, conversation: uuid, message: uuid }),
  "turn.continue": v.object({ type: v.literal("turn.continue"), id: commandId, conversation: uuid, message: uuid }),
} as const;

export type CommandType = keyof typeof commandSchemas;
export type CommandOf<T extends CommandType> = v.InferOutput<(typeof commandSchemas)[T]>;
export type Command = { [T in CommandType]: CommandOf<T> }[CommandType];

export function isCommandType(type: string): type is CommandType {
  return Object.hasOwn(commandSchemas, type);
}
