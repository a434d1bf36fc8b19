// Owns the list of a user's conversations: its order, its cursor, its rows with what runs in them. Must not write, nor read a message.
import type { ConversationRecord, ListedConversation, Log } from "../../server/ports.ts";
import { BrokenSeal } from "./cipher.ts";
import type { Codec } from "./codec.ts";
import type { Database } from "./database.ts";
import { runningIn, type Hot } from "./hot.ts";
import { integer, text, type Row } from "./rows.ts";

export type Page = Parameters<Log["list"]>[1];
export type List = { readonly conversations: readonly ListedConversation[]; readonly cursor?: string };
/** Where a list goes on: behind a row, not at one, for that may have moved. */
export type Place = { readonly updatedAt: number; readonly id: string };
export type Listed = { readonly cid: number; readonly row: ListedConversation };

const start: Place = { updatedAt: Number.MAX_SAFE_INTEGER, id: "" };

export const writeCursor = ({ updatedAt, id }: Place): string =>
  Buffer.from(`${updatedAt} ${id}`).toString("base64url");

/** A cursor that was not made here begins the list anew. */
export function readCursor(cursor: string | undefined): Place {
  const match = /^(\d{1,16}) (.+)$/.exec(Buffer.from(cursor ?? "", "base64url").toString());
  const [, updatedAt, id] = match ?? [];
  return updatedAt === undefined || id === undefined ? start : { updatedAt: Number(updatedAt), id };
}

/** Reads `count` rows behind a place. */
export type ReadListed = (user: string, archived: boolean, from: Place, count: number) => Listed[];

export function listedIn(db: Database, codec: Codec, hot: Hot): ReadListed {
  const find = db.prepare(
    `SELECT * FROM conversations
     WHERE user = ?1 AND archived = ?2 AND deleted = 0 AND updated_at <= ?3 AND NOT (updated_at = ?3 AND id <= ?4)
     ORDER BY updated_at DESC, id LIMIT ?5`,
  );
  /** A damaged title is no reason to show no list. */
  const recordOf = (row: Row): ConversationRecord => {
    try {
      return codec.conversation(row);
    } catch (error) {
      if (error instanceof BrokenSeal) return codec.conversation({ ...row, title: null });
      throw error;
    }
  };
  const withTurn = (row: ConversationRecord): ListedConversation => {
    const own = hot.find(row.id);
    const turn = runningIn(own).at(-1)?.id;
    return turn === undefined ? row : { ...row, turn };
  };
  return (user, archived, from, count) =>
    find.all(user, archived ? 1 : 0, from.updatedAt, from.id, count).map((row) => {
      const record = hot.find(text(row, "id"))?.record ?? recordOf(row);
      return { cid: integer(row, "cid"), row: withTurn(record) };
    });
}

/** The page of a list without a query. */
export function listPage(read: ReadListed, user: string, { cursor, limit, archived }: Page): List {
  const found = read(user, archived, readCursor(cursor), limit + 1);
  const conversations = found.slice(0, limit).map(({ row }) => row);
  const last = conversations.at(-1);
  return found.length > limit && last !== undefined ? { conversations, cursor: writeCursor(last) } : { conversations };
}
