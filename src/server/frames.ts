// Owns the text of the frames that the server sends of its own accord. Pure.
import type { Entry } from "../domain/log.ts";
import type { ConversationRecord } from "../domain/records.ts";
import { stamp, type ConversationRow, type ServerFrame, type SnapshotState } from "../protocol/index.ts";
import type { ListedConversation } from "./ports.ts";

const encode = (frame: ServerFrame): string => JSON.stringify(frame);

/** An `events` frame over adjacent entries, as bytes: made once, sent to every viewer. */
export function encodeEvents(conversation: string, entries: readonly Entry[]): Uint8Array {
  const from = entries[0]?.first ?? 0;
  const to = entries.at(-1)?.last ?? 0;
  return Buffer.from(encode({ type: "events", conversation, from, to, events: entries.map((entry) => entry.event) }));
}

export function encodeLive(conversation: string, seq: number, epoch: string): string {
  return encode({ type: "live", conversation, seq, epoch });
}

export function encodeSnapshot(
  record: ConversationRecord,
  seq: number,
  epoch: string,
  page: Pick<SnapshotState, "messages" | "more" | "turns">,
): string {
  const { id, title, createdAt, archived } = record;
  const state: SnapshotState = {
    ...(title === undefined ? {} : { title }),
    createdAt: stamp(createdAt),
    ...(archived ? { archived } : {}),
    ...page,
  };
  return encode({ type: "snapshot", conversation: id, seq, epoch, state });
}

/** A row of the list, as `conversation.list` answers it. */
export function listRow(record: ListedConversation): ConversationRow {
  const { id, title, createdAt, updatedAt, head, archived, turn, snippet } = record;
  return {
    id,
    ...(title === undefined ? {} : { title }),
    createdAt: stamp(createdAt),
    updatedAt: stamp(updatedAt),
    seq: head,
    ...(archived ? { archived } : {}),
    ...(turn === undefined ? {} : { turn }),
    ...(snippet === undefined ? {} : { snippet }),
  };
}

/** The frame that tells a changed row of the list. */
export function encodeRow(record: ConversationRecord, turn: string | undefined): string {
  const { id, title, updatedAt, head, archived, deleted } = record;
  return encode({
    type: "conversation",
    conversation: id,
    ...(title === undefined ? {} : { title }),
    updatedAt: stamp(updatedAt),
    seq: head,
    ...(turn === undefined ? {} : { turn }),
    ...(archived ? { archived } : {}),
    ...(deleted ? { deleted } : {}),
  });
}

export function encodeNotice(code: "draining", more: { afterMs: number }): string;
export function encodeNotice(code: "token_expiring", more: { at: string }): string;
export function encodeNotice(code: string, more: object): string {
  return JSON.stringify({ type: "notice", code, ...more });
}
