// Owns the way from rows to records and back: the one place where stored bytes become values again. No query.
import type { SQLInputValue } from "node:sqlite";
import type { Entry } from "../../domain/log.ts";
import type { ConversationRecord, MessageRecord, TurnRecord } from "../../server/ports.ts";
import type { Event, Message, TurnStatus } from "../../protocol/index.ts";
import type { Seal } from "./cipher.ts";
import type { Keys } from "./keys.ts";
import { bytes, integer, integerOrNull, text, textOrNull, UnreadableRow, type Row } from "./rows.ts";

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === "object" && value !== null;
const isString = (value: unknown): value is string => typeof value === "string";
const isNumbers = (value: unknown): value is number[] => Array.isArray(value) && value.every(Number.isInteger);

// What was written under this context by this store is of its shape; only the outline is looked at, once per row.
const isEvent = (value: unknown): value is Event => isObject(value) && isString(value["kind"]) && isString(value["at"]);
export const isMessage = (value: unknown): value is Message =>
  isObject(value) && isString(value["id"]) && Array.isArray(value["parts"]) && isObject(value["metadata"]);
const isMerged = (value: unknown): value is [Event, number[]] =>
  Array.isArray(value) && isEvent(value[0]) && isNumbers(value[1]);
const isEntry = (value: unknown): value is Event | [Event, number[]] => isMerged(value) || isEvent(value);
const isAnswer = (value: unknown): value is [string, Record<string, unknown>] =>
  Array.isArray(value) && isString(value[0]) && isObject(value[1]);
const isStatus = (value: string): value is TurnStatus =>
  value === "running" || value === "completed" || value === "stopped" || value === "failed" || value === "interrupted";

/** Text as a key: well-formed whatever it holds, so that two different texts stay different in UTF-8. */
export const keyOf = (value: string): string => JSON.stringify(value);

/** A message or a command's answer as it is bound to its row. */
export const messageContext = (conversation: string, id: string): string => `message:${conversation}:${id}`;
export const answerContext = (user: string, id: string): string => `answer:${user}:${keyOf(id)}`;
const entryContext = (conversation: string, last: number): string => `entry:${conversation}:${last}`;
const titleContext = (conversation: string): string => `title:${conversation}`;

type Answer = { readonly hash: string; readonly answer: Readonly<Record<string, unknown>> };

/**
 * Turns values to sealed bytes and back, each under the key of its conversation and bound to its row. JSON, because it
 * keeps lone surrogates and NUL exact (JS10).
 */
export class Codec {
  readonly #keys: Keys;

  constructor(keys: Keys) {
    this.#keys = keys;
  }

  /** A value that belongs to no conversation. */
  sealShared(value: unknown, context: string): Uint8Array {
    return seal(this.#keys.store, value, context);
  }

  openShared<T>(row: Row, column: string, context: string, is: (value: unknown) => value is T): T {
    return open(this.#keys.store, bytes(row, column), context, is);
  }

  sealText(value: string | undefined, context: string): Uint8Array | null {
    return value === undefined ? null : this.sealShared(value, context);
  }

  openText(row: Row, column: string, context: string): string | undefined {
    return row[column] === null ? undefined : this.openShared(row, column, context, isString);
  }

  sealTitle(cid: number, { id, title }: ConversationRecord): Uint8Array | null {
    return title === undefined ? null : seal(this.#keys.of(cid, id), title, titleContext(id));
  }

  conversation(row: Row): ConversationRecord {
    const [cid, id] = [integer(row, "cid"), text(row, "id")];
    const title = row["title"] === null ? undefined : bytes(row, "title");
    return {
      id,
      user: text(row, "user"),
      title: title && open(this.#keys.of(cid, id), title, titleContext(id), isString),
      createdAt: integer(row, "created_at"),
      updatedAt: integer(row, "updated_at"),
      head: integer(row, "head"),
      newest: textOrNull(row, "newest"),
      archived: integer(row, "archived") === 1,
      deleted: integer(row, "deleted") === 1,
    };
  }

  /** The cuts of a merged entry are sealed with it: the lengths of the pieces tell much of a text. */
  sealEntry(cid: number, conversation: string, { last, event, cuts }: Entry): Uint8Array {
    const value = cuts === undefined ? event : [event, cuts];
    return seal(this.#keys.of(cid, conversation), value, entryContext(conversation, last));
  }

  entry(cid: number, conversation: string, row: { first: number; last: number; body: Uint8Array }): Entry {
    const { first, last, body } = row;
    const value = open(this.#keys.of(cid, conversation), body, entryContext(conversation, last), isEntry);
    if (!isMerged(value)) return { first, last, event: value };
    const [event, cuts] = value;
    return { first, last, event, cuts };
  }

  sealMessage(cid: number, conversation: string, message: Message): Uint8Array {
    return seal(this.#keys.of(cid, conversation), message, messageContext(conversation, message.id));
  }

  message(cid: number, conversation: string, row: Row): MessageRecord {
    const context = messageContext(conversation, text(row, "id"));
    const message = open(this.#keys.of(cid, conversation), bytes(row, "body"), context, isMessage);
    const openSince = integerOrNull(row, "open_since");
    return openSince === null ? { message } : { message, openSince };
  }

  /** The hash of what was said is sealed too: of a short text, it would give the text away. */
  sealAnswer(cid: number, conversation: string, { hash, answer }: Answer, context: string): Uint8Array {
    return seal(this.#keys.of(cid, conversation), [hash, answer], context);
  }

  answer(cid: number, conversation: string, body: Uint8Array, context: string): Answer {
    const [hash, answer] = open(this.#keys.of(cid, conversation), body, context, isAnswer);
    return { hash, answer };
  }
}

const seal = (by: Seal, value: unknown, context: string): Uint8Array => by.seal(JSON.stringify(value), context);

function open<T>(by: Seal, sealed: Uint8Array, context: string, is: (value: unknown) => value is T): T {
  const value: unknown = JSON.parse(by.open(sealed, context));
  if (!is(value)) throw new UnreadableRow(`${context} is not as it was written`);
  return value;
}

export function turnOf(row: Row, conversation: string): TurnRecord {
  const status = text(row, "status");
  if (!isStatus(status)) throw new UnreadableRow("status is unknown");
  return {
    id: text(row, "id"),
    conversation,
    user: text(row, "user"),
    message: text(row, "message"),
    parent: textOrNull(row, "parent"),
    model: text(row, "model"),
    status,
    owner: text(row, "owner"),
    fence: integer(row, "fence"),
    leaseUntil: integer(row, "lease_until"),
    attempts: integer(row, "attempts"),
    stalls: integer(row, "stalls"),
    length: integer(row, "length"),
    attemptLength: integer(row, "attempt_length"),
    startedSeq: integer(row, "started_seq"),
    finishedSeq: integerOrNull(row, "finished_seq"),
    settled: integer(row, "settled") === 1,
  };
}

/** The values of a turn in the order of `turnColumns`; `head` is the seq up to which its `length` counts. */
export function turnValues(cid: number, turn: TurnRecord, head: number): SQLInputValue[] {
  const { id, user, message, parent, model, status, owner, fence, leaseUntil, attempts, stalls } = turn;
  const { length, attemptLength, startedSeq, finishedSeq, settled } = turn;
  const counts = [fence, leaseUntil, attempts, stalls, length, attemptLength, startedSeq, finishedSeq];
  return [cid, id, user, message, parent, model, status, owner, ...counts, settled ? 1 : 0, head];
}

export const turnColumns =
  "cid, id, user, message, parent, model, status, owner, fence, lease_until, attempts, stalls, length, attempt_length, started_seq, finished_seq, settled, length_seq";
