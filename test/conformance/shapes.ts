// Owns the fields and types of every frame a server may send, written from the wire's page alone. What the page does not name may be there too.
import type { Json } from "../support/wire-view.ts";

/** What is wrong with a value, said with the way to it; undefined: nothing. */
type Shape = (value: unknown, at: string) => string | undefined;

const is =
  (what: string, holds: (value: unknown) => boolean): Shape =>
  (value, at) =>
    holds(value) ? undefined : `${at} is ${(JSON.stringify(value) ?? "left out").slice(0, 60)}, not ${what}`;
const timePattern = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/;
const text = is("a text", (value) => typeof value === "string");
const word = is("a text with something in it", (value) => typeof value === "string" && value !== "");
const count = is("a whole number from 0 on", (value) => Number.isSafeInteger(value) && Number(value) >= 0);
const flag = is("true or false", (value) => typeof value === "boolean");
const time = is("a time in ISO 8601 and UTC", (value) => typeof value === "string" && timePattern.test(value));
const isObject = (value: unknown): value is Json =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const object = is("an object", isObject);

const maybe =
  (shape: Shape): Shape =>
  (value, at) =>
    value === undefined ? undefined : shape(value, at);
const orNull =
  (shape: Shape): Shape =>
  (value, at) =>
    value === null ? undefined : shape(value, at);
const oneOf = (...words: readonly string[]): Shape =>
  is(`one of ${words.join(", ")}`, (value) => words.some((word) => word === value));
const firstOf = (problems: readonly (string | undefined)[]): string | undefined =>
  problems.find((problem) => problem !== undefined);
const each =
  (shape: Shape): Shape =>
  (value, at) =>
    Array.isArray(value) ? firstOf(value.map((one, i) => shape(one, `${at}.${i}`))) : `${at} is no list`;
const valuesOf =
  (shape: Shape): Shape =>
  (value, at) =>
    isObject(value)
      ? firstOf(Object.keys(value).map((key) => shape(value[key], `${at}.${key}`)))
      : `${at} is no object`;
const shaped =
  (fields: Readonly<Record<string, Shape>>): Shape =>
  (value, at) =>
    isObject(value)
      ? firstOf(Object.entries(fields).map(([name, shape]) => shape(value[name], `${at}.${name}`)))
      : object(value, at);

/** Whether trying the same again can help follows from what a code means; where it does not, either is right. */
const lasting = "invalid unauthorized forbidden not_found conflict too_large unsupported_media blocked".split(" ");
const passing = "rate_limited overloaded unavailable".split(" ");
const either =
  "quota_exceeded model_unavailable model_rate_limited model_timeout model_refused context_overflow internal";
const code = oneOf(...lasting, ...passing, ...either.split(" "));
const rejection = shaped({ code, message: word, retryable: flag, retryAfterMs: maybe(count), field: maybe(word) });
const failure: Shape = (value, at) => {
  const problem = rejection(value, at);
  if (problem !== undefined || !isObject(value)) return problem;
  const wrong = value["retryable"] === true ? lasting : passing;
  if (!wrong.includes(String(value["code"]))) return undefined;
  return `${at}.retryable is ${String(value["retryable"])} of ${String(value["code"])}`;
};

const finals = ["completed", "stopped", "failed", "interrupted"];
const parts: Readonly<Record<string, Shape>> = {
  text: shaped({ text }),
  reasoning: shaped({ text }),
  file: shaped({ url: word, mediaType: word, filename: maybe(text) }),
};
const part: Shape = (value, at) =>
  shaped({ type: word })(value, at) ?? parts[String((value as Json)["type"])]?.(value, at);
const message = shaped({
  id: word,
  role: oneOf("user", "assistant"),
  parts: each(part),
  metadata: shaped({
    createdAt: time,
    parent: orNull(word),
    turn: maybe(word),
    status: maybe(oneOf("running", ...finals)),
    model: maybe(text),
    editOf: maybe(word),
    reactions: maybe(valuesOf(each(word))),
  }),
});

const ofTurn = { turn: word, message: word };
const kinds: Readonly<Record<string, Readonly<Record<string, Shape>>>> = {
  "conversation.created": { title: maybe(text) },
  "conversation.updated": { title: maybe(text), archived: maybe(flag) },
  "conversation.deleted": {},
  "message.created": { message },
  "reaction.changed": { message: word, user: word, reaction: word, on: flag },
  "turn.started": { ...ofTurn, parent: orNull(word), model: text },
  "reply.appended": { ...ofTurn, part: count, type: oneOf("text", "reasoning"), offset: count, text: word },
  "reply.part": { ...ofTurn, part: count, value: part },
  "turn.resumed": { ...ofTurn, attempt: count, mode: oneOf("continue", "restart") },
  "turn.finished": { ...ofTurn, status: oneOf(...finals), length: count, usage: maybe(object), error: maybe(failure) },
};
const event: Shape = (value, at) =>
  shaped({ kind: oneOf(...Object.keys(kinds)), at: time })(value, at) ??
  shaped(kinds[String((value as Json)["kind"])] ?? {})(value, at);

const session = shaped({ id: word, token: word, resumed: flag, expiresAt: time });
const state = shaped({
  title: maybe(text),
  createdAt: time,
  messages: each(message),
  more: flag,
  turns: each(shaped({ ...ofTurn, attempt: count })),
});
const row = { title: maybe(text), updatedAt: time, seq: count, turn: maybe(word), archived: maybe(flag) };
const frames: Readonly<Record<string, Shape>> = {
  error: shaped({ id: maybe(text), error: failure }),
  events: shaped({ conversation: word, from: count, to: count, events: each(event) }),
  snapshot: shaped({ conversation: word, seq: count, state }),
  live: shaped({ conversation: word, seq: count }),
  conversation: shaped({ ...row, conversation: word, deleted: maybe(flag) }),
  notice: shaped({ code: oneOf("draining", "token_expiring"), afterMs: maybe(count), at: maybe(time) }),
};

const asked = { message: word, turn: word, reply: word, seq: count };
const acks: Readonly<Record<string, Readonly<Record<string, Shape>>>> = {
  auth: {
    session,
    user: shaped({ id: word, name: maybe(text) }),
    server: shaped({ version: word, node: word }),
    heartbeatMs: count,
    limits: shaped({ frameBytes: count }),
    now: time,
  },
  ping: { now: time },
  "conversation.list": { conversations: each(shaped({ ...row, id: word, createdAt: time })), cursor: maybe(text) },
  "conversation.create": { conversation: word, seq: count },
  "conversation.open": { conversation: word, seq: count, epoch: word },
  "conversation.update": { seq: count },
  "conversation.history": { messages: each(message), more: flag },
  "message.send": asked,
  "message.edit": asked,
  "message.react": { seq: count },
  "turn.stop": { turn: word, status: oneOf(...finals), seq: count },
  "turn.retry": { turn: word, reply: word, seq: count },
  "turn.continue": { turn: word, reply: word, seq: count },
};

/** What is wrong with a frame from the server; `command`: the type of the one that an ack answers. */
export function problemOf(frame: Json, command: string | undefined): string | undefined {
  const type = String(frame["type"]);
  if (type === "ack") return shaped({ id: word, ...acks[command ?? ""] })(frame, `ack of ${command ?? "nothing"}`);
  return frames[type]?.(frame, type);
}
