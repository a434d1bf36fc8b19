// Owns what readers ask of the log: rows, entries, pages and paths. Must not write.
import { after } from "../../domain/log.ts";
import type { ConversationRecord, Entry, Log, MessageRecord } from "../../server/ports.ts";
import type { Codec } from "./codec.ts";
import type { Database } from "./database.ts";
import { firstBehind, runningIn, type Hot, type HotConversation } from "./hot.ts";
import { bytes, integer, type Row } from "./rows.ts";
import type { Tail } from "./tail.ts";

type Head = { readonly cid: number; readonly head: number; readonly hot?: HotConversation };
type Reads = Pick<Log, "conversation" | "entries" | "messages" | "path">;

const messageColumns = "id, open_since, body";

export function createReads(db: Database, codec: Codec, hot: Hot, tail: Tail): Reads {
  const findConversation = db.prepare("SELECT * FROM conversations WHERE id = ?");
  const findHead = db.prepare("SELECT cid, head FROM conversations WHERE id = ?");
  const findEntries = db.prepare(
    "SELECT first, last, body FROM entries WHERE cid = ? AND last > ? ORDER BY last LIMIT ?",
  );
  const findPlace = db.prepare("SELECT place FROM messages WHERE cid = ? AND id = ?");
  const findPage = db.prepare(
    `SELECT ${messageColumns} FROM messages WHERE cid = ? AND place < ? ORDER BY place DESC LIMIT ?`,
  );
  const findPath = db.prepare(
    `WITH RECURSIVE up (place, parent, depth) AS (
       SELECT place, parent, 1 FROM messages WHERE cid = ?1 AND id = ?2
       UNION ALL
       SELECT m.place, m.parent, up.depth + 1 FROM up CROSS JOIN messages m ON m.cid = ?1 AND m.id = up.parent
       WHERE up.depth < ?3
     )
     SELECT ${messageColumns} FROM up CROSS JOIN messages USING (place) ORDER BY depth DESC`,
  );

  /** Statements are sync; the port's promise also carries what they throw. */
  const reading = async <T>(run: () => T): Promise<T> => db.read(run);
  const headOf = (conversation: string): Head | undefined => {
    const own = hot.find(conversation);
    if (own !== undefined) return { cid: own.cid, head: own.record.head, hot: own };
    const row = findHead.get(conversation);
    return row && { cid: integer(row, "cid"), head: integer(row, "head") };
  };
  const messagesOf = (cid: number, conversation: string, rows: readonly Row[]): MessageRecord[] =>
    rows.map((row) => codec.message(cid, conversation, row));

  const entries = (conversation: string, from: number, limit: number): { head: number; entries: Entry[] } => {
    const found = headOf(conversation);
    if (found === undefined) return { head: 0, entries: [] };
    const open = (row: { first: number; last: number; body: Uint8Array }): Entry =>
      codec.entry(found.cid, conversation, row);
    // Nobody who follows a reply in the making needs more than its tail.
    const rows = isInTail(found, from) ? [] : findEntries.all(found.cid, from, limit);
    const stored = rows.map((row) =>
      open({ first: integer(row, "first"), last: integer(row, "last"), body: bytes(row, "body") }),
    );
    const openPiece = (last: number, body: Uint8Array): Entry => open({ first: last, last, body });
    const fresh = found.hot === undefined ? [] : tail.read(found.hot, from, limit, openPiece);
    const whole = inOrder(stored, fresh).slice(0, limit);
    return { head: found.head, entries: whole.flatMap((entry) => after(entry, from) ?? []) };
  };

  const messages = (conversation: string, page: { before?: string | undefined; limit: number }) => {
    const found = headOf(conversation);
    const { before, limit } = page;
    if (found === undefined) {
      return before === undefined ? { head: 0, messages: [], more: false, running: [] } : undefined;
    }
    const { cid, head } = found;
    const place = before === undefined ? undefined : findPlace.get(cid, before);
    if (before !== undefined && place === undefined) return undefined;
    const end = place === undefined ? Number.MAX_SAFE_INTEGER : integer(place, "place");
    const rows = findPage.all(cid, end, limit + 1);
    const running = runningIn(found.hot);
    const newest = messagesOf(cid, conversation, rows.slice(0, limit));
    return { head, messages: newest.reverse(), more: rows.length > limit, running };
  };

  return {
    conversation: (id) =>
      reading((): ConversationRecord | undefined => {
        const row = hot.find(id) === undefined ? findConversation.get(id) : undefined;
        return row === undefined ? hot.find(id)?.record : codec.conversation(row);
      }),
    entries: (conversation, from, limit) => reading(() => entries(conversation, from, limit)),
    messages: (conversation, page) => reading(() => messages(conversation, page)),
    path: (conversation, message, limit) =>
      reading(() => {
        const found = headOf(conversation);
        return found === undefined ? [] : messagesOf(found.cid, conversation, findPath.all(found.cid, message, limit));
      }),
  };
}

/** True where all that is behind `from` is in the tail: a piece has one seq. */
function isInTail({ head, hot }: Head, from: number): boolean {
  const fresh = hot === undefined ? 0 : hot.pieces.length - firstBehind(hot.pieces, from);
  return fresh >= head - from;
}

/** Two lists in the order of the log as one. */
function inOrder(stored: readonly Entry[], fresh: readonly Entry[]): readonly Entry[] {
  if (fresh.length === 0) return stored;
  if (stored.length === 0) return fresh;
  return [...stored, ...fresh].sort((a, b) => a.last - b.last);
}
