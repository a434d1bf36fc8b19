// Owns the way from rows to records and back: the one place where stored bytes become values again. No query.
import type { SQLInputValue } from "node:sqlite";
import type { Entry } from "../../domain/log.ts";
import type { ConversationRecord, MessageRecord, TurnRecord, Vault } from "../../server/ports.ts";
import type { Event, Message, TurnStatus } from "../../protocol/index.ts";

export type Row = Readonly<Record<string, unknown>>;

/** A row that is not as this store writes it. Says where, never what. */
class UnreadableRow extends Error {
  override readonly name = "UnreadableRow";
}

export function text(row: Row, column: string): string {
  const value = row[column];
  if (typeof value !== "string") throw new UnreadableRow(`${column} is no text`);
  return value;
}

export function integer(row: Row, column: string): number {
  const value = row[column];
  if (typeof value !== "number") throw new UnreadableRow(`${column} is no number`);
  return value;
}

const textOrNull = (row: Row, column: string): string | null => (row[column] === null ? null : text(row, column));
export const integerOrNull = (row: Row, column: string): number | null =>
  row[column] === null ? null : integer(row, column);

export function bytes(row: Row, column: string): Uint8Array {
  const value = row[column];
  if (!(value instanceof Uint8Array)) throw new UnreadableRow(`${column} holds no bytes`);
  return value;
}

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === "object" && value !== null;
const isString = (value: unknown): value is string => typeof value === "string";
const isNumbers = (value: unknown): value is number[] => Array.isArray(value) && value.every(Number.isInteger);

// What was written under this context by this store is of its shape; only the outline is looked at, once per row.
const isEvent = (value: unknown): value is Event => isObject(value) && isString(value["kind"]) && isString(value["at"]);
const isMessage = (value: unknown): value is Message =>
  isObject(value) && isString(value["id"]) && Array.isArray(value["parts"]) && isObject(value["metadata"]);
const isStatus = (value: string): value is TurnStatus =>
  value === "running" || value === "completed" || value === "stopped" || value === "failed" || value === "interrupted";

/** Text as a key: well-formed whatever it holds, so that two different texts stay different in UTF-8. */
export const keyOf = (value: string): string => JSON.stringify(value);

/** Turns values to sealed bytes and back. JSON, because it keeps lone surrogates and NUL exact (JS10). */
export class Codec {
  readonly #vault: Vault;

  constructor(vault: Vault) {
    this.#vault = vault;
  }

  seal(value: unknown, context: string): Uint8Array {
    return this.#vault.seal(JSON.stringify(value), context);
  }

  open<T>(sealed: Uint8Array, context: string, is: (value: unknown) => value is T): T {
    const value: unknown = JSON.parse(this.#vault.open(sealed, context));
    if (!is(value)) throw new UnreadableRow(`${context} is not as it was written`);
    return value;
  }

  sealText(value: string | undefined, context: string): Uint8Array | null {
    return value === undefined ? null : this.seal(value, context);
  }

  openText(row: Row, column: string, context: string): string | undefined {
    return row[column] === null ? undefined : this.open(bytes(row, column), context, isString);
  }

  conversation(row: Row): ConversationRecord {
    const id = text(row, "id");
    return {
      id,
      user: text(row, "user"),
      title: this.openText(row, "title", `title:${id}`),
      createdAt: integer(row, "created_at"),
      updatedAt: integer(row, "updated_at"),
      head: integer(row, "head"),
      newest: textOrNull(row, "newest"),
      archived: integer(row, "archived") === 1,
      deleted: integer(row, "deleted") === 1,
    };
  }

  sealEvent(conversation: string, { last, event }: Entry): Uint8Array {
    return this.seal(event, `entry:${conversation}:${last}`);
  }

  event(conversation: string, last: number, body: Uint8Array): Event {
    return this.open(body, `entry:${conversation}:${last}`, isEvent);
  }

  entry(conversation: string, row: Row): Entry {
    const last = integer(row, "last");
    const event = this.event(conversation, last, bytes(row, "body"));
    const entry = { first: integer(row, "first"), last, event };
    if (row["cuts"] === null) return entry;
    const cuts: unknown = JSON.parse(text(row, "cuts"));
    if (!isNumbers(cuts)) throw new UnreadableRow("cuts are no numbers");
    return { ...entry, cuts };
  }

  sealMessage(conversation: string, message: Message): Uint8Array {
    return this.seal(message, `message:${conversation}:${message.id}`);
  }

  message(conversation: string, row: Row): MessageRecord {
    const message = this.open(bytes(row, "body"), `message:${conversation}:${text(row, "id")}`, isMessage);
    const openSince = integerOrNull(row, "open_since");
    return openSince === null ? { message } : { message, openSince };
  }

  answer(user: string, id: string, row: Row): Readonly<Record<string, unknown>> {
    return this.open(bytes(row, "body"), answerContext(user, id), isObject);
  }
}

export const answerContext = (user: string, id: string): string => `answer:${user}:${id}`;

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
