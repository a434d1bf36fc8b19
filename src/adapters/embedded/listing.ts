// Owns the list of a user's conversations: its order, its cursor and the search in titles. Must not write.
import type { ConversationRecord, Log } from "../../server/ports.ts";
import { text, type Codec } from "./codec.ts";
import type { Database } from "./database.ts";
import { runningIn, type Hot } from "./hot.ts";

type Page = Parameters<Log["list"]>[1];
type Listed = ConversationRecord & { turn?: string | undefined };
type List = { conversations: Listed[]; cursor?: string | undefined };
type Place = { updatedAt: number; id: string };

/** Rows that are opened at once while titles are searched. */
const scanned = 200;
const start: Place = { updatedAt: Number.MAX_SAFE_INTEGER, id: "" };

const writeCursor = ({ updatedAt, id }: Place): string => Buffer.from(`${updatedAt} ${id}`).toString("base64url");

/** A cursor that was not made here begins the list anew. */
function readCursor(cursor: string | undefined): Place {
  const match = /^(\d{1,16}) (.+)$/.exec(Buffer.from(cursor ?? "", "base64url").toString());
  const [, updatedAt, id] = match ?? [];
  return updatedAt === undefined || id === undefined ? start : { updatedAt: Number(updatedAt), id };
}

const fold = (text: string): string => text.normalize("NFC").toLowerCase();

export function listOf(db: Database, codec: Codec, hot: Hot): (user: string, page: Page) => List {
  const find = db.prepare(
    `SELECT * FROM conversations
     WHERE user = ?1 AND archived = ?2 AND deleted = 0 AND updated_at <= ?3 AND NOT (updated_at = ?3 AND id <= ?4)
     ORDER BY updated_at DESC, id LIMIT ?5`,
  );
  const read = (user: string, archived: boolean, from: Place, count: number): Listed[] =>
    find.all(user, archived ? 1 : 0, from.updatedAt, from.id, count).map((row) => {
      const own = hot.find(text(row, "id"));
      if (own === undefined) return codec.conversation(row);
      const turn = runningIn(own).at(-1)?.id;
      return turn === undefined ? own.record : { ...own.record, turn };
    });

  return (user, { cursor, limit, query, archived }) => {
    const sought = query === undefined ? undefined : fold(query);
    const count = sought === undefined ? limit + 1 : Math.max(scanned, limit + 1);
    const found: Listed[] = [];
    let from = readCursor(cursor);
    for (;;) {
      const rows = read(user, archived, from, count);
      for (const row of rows) {
        if (sought === undefined || fold(row.title ?? "").includes(sought)) found.push(row);
      }
      const last = rows.at(-1);
      if (found.length > limit || rows.length < count || last === undefined) break;
      from = last;
    }
    const conversations = found.slice(0, limit);
    const last = conversations.at(-1);
    return found.length > limit && last !== undefined
      ? { conversations, cursor: writeCursor(last) }
      : { conversations };
  };
}
