// Owns how what is stored is made to be gone: its key first, then its rows, then what a file remembers of both. Decides nothing.
import type { Clock, ConversationRecord, Erasures } from "../../server/ports.ts";
import { answerContext, type Codec } from "./codec.ts";
import type { Database } from "./database.ts";
import { dropFiles } from "./files.ts";
import type { Hot } from "./hot.ts";
import type { Keys } from "./keys.ts";
import { bytes, integer, text } from "./rows.ts";
import type { Tail } from "./tail.ts";

/** The WAL keeps older pages until it is begun anew: this long (ms) after an erasure at most. */
const sweepAfter = 1_000;
/** Conversations, and rows of other tables, that one transaction erases: keeps the loop free. */
const erasedAtOnce = 20;

/** The table of this file: one version of the schema. Whose erasure was begun, so that a crash does not leave half of it. */
export const erasureTables: readonly string[] = [`CREATE TABLE erasures (user TEXT PRIMARY KEY) STRICT, WITHOUT ROWID`];

export type Erasure = {
  /** Within a transaction: a conversation's contents and key. It gets a new key, for what its tombstone still says. */
  readonly conversation: (cid: number, record: ConversationRecord) => void;
  readonly people: Erasures;
  readonly close: () => void;
};

export function createErasure(
  db: Database,
  codec: Codec,
  { hot, tail, keys }: { hot: Hot; tail: Tail; keys: Keys },
  clock: Clock,
): Erasure {
  const sql = prepare(db);
  let cancel: (() => void) | undefined;
  const sweepSoon = (): void => {
    cancel ??= clock.after(sweepAfter, () => {
      cancel = undefined;
      // Not done: the store has no room, or fails. What is sealed stays so, and the next erasure tries again.
      db.checkpoint();
    });
  };

  const eraseRows = (cid: number): void => {
    const own = hot.at(cid);
    if (own !== undefined) hot.drop(own);
    tail.erase(cid);
    for (const erase of [sql.entries, sql.messages, sql.turns]) erase.run(cid);
    dropFiles(db, { cid });
    sweepSoon();
  };

  /** A command that is repeated is answered as before, also where its conversation is gone. */
  const rescueAnswers = (cid: number, { id, user }: ConversationRecord): (() => void) => {
    const rescued = sql.answers.all(user, cid).map((row) => {
      const key = text(row, "key");
      // The key is the JSON of the command's id.
      const context = answerContext(user, String(JSON.parse(key)));
      return { key, context, value: codec.answer(cid, id, bytes(row, "body"), context) };
    });
    return () => {
      for (const { key, context, value } of rescued) {
        sql.saveAnswer.run(codec.sealAnswer(cid, id, value, context), user, key);
      }
    };
  };

  const erasePart = (user: string): string[] =>
    db.write(() =>
      sql.conversations.all(user, erasedAtOnce).map((row) => {
        const cid = integer(row, "cid");
        db.change();
        keys.destroy(cid);
        eraseRows(cid);
        sql.conversation.run(cid);
        return text(row, "id");
      }),
    );

  const erase: Erasures["erase"] = async (user, { again } = { again: false }) => {
    const ids: string[] = [];
    db.write(() => sql.begin.run(user));
    for (;;) {
      const part = erasePart(user);
      ids.push(...part);
      if (part.length < erasedAtOnce) break;
      await new Promise<void>((resolve) => clock.soon(resolve));
    }
    db.write(() => {
      for (const drop of [sql.ofUser, sql.sessions, sql.user, sql.spent]) drop.run(user);
      dropFiles(db, { user });
      if (!again) sql.finish.run(user);
    });
    db.checkpoint();
    return ids;
  };

  return {
    conversation(cid, record) {
      const seal = rescueAnswers(cid, record);
      keys.create(cid, record.id);
      eraseRows(cid);
      seal();
    },
    people: { erase, unfinished: async () => db.read(() => sql.unfinished.all().map((row) => text(row, "user"))) },
    close: () => cancel?.(),
  };
}

function prepare(db: Database) {
  return {
    entries: db.prepare("DELETE FROM entries WHERE cid = ?"),
    messages: db.prepare("DELETE FROM messages WHERE cid = ?"),
    turns: db.prepare("DELETE FROM turns WHERE cid = ?"),
    answers: db.prepare("SELECT key, body FROM answers WHERE user = ? AND cid = ?"),
    saveAnswer: db.prepare("UPDATE answers SET body = ? WHERE user = ? AND key = ?"),
    conversations: db.prepare("SELECT cid, id FROM conversations WHERE user = ? LIMIT ?"),
    conversation: db.prepare("DELETE FROM conversations WHERE cid = ?"),
    ofUser: db.prepare("DELETE FROM answers WHERE user = ?"),
    sessions: db.prepare("DELETE FROM sessions WHERE user = ?"),
    user: db.prepare("DELETE FROM users WHERE id = ?"),
    spent: db.prepare("DELETE FROM spending WHERE key = ?1 OR key = 'upload:' || ?1"),
    begin: db.prepare("INSERT OR IGNORE INTO erasures (user) VALUES (?)"),
    finish: db.prepare("DELETE FROM erasures WHERE user = ?"),
    unfinished: db.prepare("SELECT user FROM erasures"),
  };
}
