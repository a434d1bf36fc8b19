// Owns how works are decided on and written: one transaction per commit, each work whole or not at all. No reads for readers.
import { number } from "../../domain/log.ts";
import { isRejection } from "../../domain/records.ts";
import { reject } from "../../protocol/index.ts";
import { StoreFailure } from "../../server/ports.ts";
import type { Clock, ConversationRecord, Effect, Entry, Outcome, TurnRecord, Work } from "../../server/ports.ts";
import { answerContext, keyOf, text, turnColumns, turnValues, type Codec } from "./codec.ts";
import type { Database } from "./database.ts";
import { asStoreFailure } from "./failures.ts";
import { LazyView } from "./view.ts";

/** A work whose effect could not be written: a bug of its own. The transaction is done again without it. */
class BadWork extends Error {
  readonly index: number;
  constructor(index: number, cause: unknown) {
    super("a work could not be written", { cause });
    this.index = index;
  }
}

const internal = (): Outcome => ({ ok: false, rejection: reject("internal") });

/** The part of a Log that writes. */
export function createCommit(db: Database, codec: Codec, clock: Clock): (works: readonly Work[]) => Outcome[] {
  const sql = prepareWrites(db);

  /** An answer that was given to this command before. */
  const repeated = (work: Work, view: LazyView): Outcome | undefined => {
    const { key } = work;
    if (key === undefined) return undefined;
    const row = sql.findAnswer.get(key.user, keyOf(key.id));
    if (row === undefined) return undefined;
    if (text(row, "hash") !== key.hash) return { ok: false, rejection: reject("conflict", { field: "id" }) };
    const answer = codec.answer(key.user, key.id, row);
    return { ok: true, answer, entries: [], conversation: view.conversation, repeated: true };
  };

  const decide = (work: Work, view: LazyView): Effect | undefined | Outcome => {
    try {
      const effect = work.decide(view);
      return isRejection(effect) ? { ok: false, rejection: effect } : effect;
    } catch (error) {
      const failure = asStoreFailure(error);
      if (failure instanceof StoreFailure) throw failure;
      return undefined;
    }
  };

  const perform = (work: Work, index: number): Outcome => {
    const view = new LazyView(db, codec, work);
    const before = repeated(work, view);
    if (before !== undefined) return before;
    const effect = decide(work, view);
    if (effect === undefined) return internal();
    if ("ok" in effect) return effect;
    try {
      return write(work, view, effect);
    } catch (error) {
      const failure = asStoreFailure(error);
      throw failure instanceof StoreFailure ? failure : new BadWork(index, error);
    }
  };

  const write = (work: Work, view: LazyView, effect: Effect): Outcome => {
    const { conversation: id, key } = work;
    db.change();
    const conversation = after(view.conversation, effect);
    const entries = number(view.conversation?.head ?? 0, effect.events);
    if (conversation === undefined) {
      if (changesRows(effect)) throw new Error("an effect without a conversation");
    } else {
      if (effect.erase === true && view.cid !== undefined) erase(view.cid);
      const cid = saveConversation(view, effect, conversation);
      for (const entry of entries) saveEntry(cid, id, entry);
      if (effect.replace !== undefined) replace(cid, id, effect.replace);
      for (const { message, openSince } of effect.messages ?? []) {
        const body = codec.sealMessage(id, message);
        sql.saveMessage.run(cid, message.id, message.metadata.parent, openSince ?? null, body);
      }
      for (const turn of effect.turns ?? []) saveTurn(cid, turn, view.known(turn.id));
    }
    if (key !== undefined) {
      const body = codec.seal(effect.answer, answerContext(key.user, key.id));
      sql.saveAnswer.run(key.user, keyOf(key.id), key.hash, clock.now(), body);
    }
    return { ok: true, answer: effect.answer, entries, conversation, repeated: false };
  };

  const saveConversation = (view: LazyView, effect: Effect, row: ConversationRecord): number => {
    const { cid } = view;
    const unchanged = effect.conversation === undefined || effect.conversation === view.conversation;
    if (cid !== undefined && unchanged && effect.erase !== true) {
      // The way of every piece: nothing of the row but its head.
      if (effect.events.length > 0) sql.saveHead.run(row.head, cid);
      return cid;
    }
    const title = codec.sealText(row.title, `title:${row.id}`);
    const rest = [row.updatedAt, row.head, row.newest, row.archived ? 1 : 0, row.deleted ? 1 : 0] as const;
    if (cid === undefined) {
      return Number(sql.addConversation.run(row.id, row.user, title, row.createdAt, ...rest).lastInsertRowid);
    }
    sql.saveConversation.run(title, ...rest, cid);
    return cid;
  };

  const saveEntry = (cid: number, conversation: string, entry: Entry): void => {
    const { cuts, body } = codec.sealEntry(conversation, entry);
    sql.saveEntry.run(cid, entry.last, entry.first, cuts, body);
  };

  const replace = (cid: number, conversation: string, entries: readonly Entry[]): void => {
    const [first, last] = [entries[0]?.first, entries.at(-1)?.last];
    if (first === undefined || last === undefined) return;
    sql.dropEntries.run(cid, first, last);
    for (const entry of entries) saveEntry(cid, conversation, entry);
  };

  const saveTurn = (cid: number, turn: TurnRecord, known: TurnRecord | undefined): void => {
    if (known !== undefined && sameButCounts(known, turn)) {
      const { leaseUntil, attempts, stalls, length, attemptLength } = turn;
      sql.saveProgress.run(leaseUntil, attempts, stalls, length, attemptLength, cid, turn.id);
    } else sql.saveTurn.run(...turnValues(cid, turn));
  };

  const erase = (cid: number): void => {
    sql.eraseEntries.run(cid);
    sql.eraseMessages.run(cid);
    sql.eraseTurns.run(cid);
  };

  return (works) => {
    if (works.length === 0) return [];
    const bad = new Set<number>();
    for (;;) {
      try {
        return db.write(() => works.map((work, i) => (bad.has(i) ? internal() : perform(work, i))));
      } catch (error) {
        if (!(error instanceof BadWork)) throw error;
        bad.add(error.index);
      }
    }
  };
}

function prepareWrites(db: Database) {
  return {
    findAnswer: db.prepare("SELECT hash, body FROM answers WHERE user = ? AND key = ?"),
    saveAnswer: db.prepare("INSERT INTO answers (user, key, hash, at, body) VALUES (?, ?, ?, ?, ?)"),
    saveHead: db.prepare("UPDATE conversations SET head = ? WHERE cid = ?"),
    addConversation: db.prepare(
      "INSERT INTO conversations (id, user, title, created_at, updated_at, head, newest, archived, deleted) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
    ),
    saveConversation: db.prepare(
      "UPDATE conversations SET title = ?, updated_at = ?, head = ?, newest = ?, archived = ?, deleted = ? WHERE cid = ?",
    ),
    saveEntry: db.prepare("INSERT INTO entries (cid, last, first, cuts, body) VALUES (?, ?, ?, ?, ?)"),
    dropEntries: db.prepare("DELETE FROM entries WHERE cid = ? AND last BETWEEN ? AND ?"),
    saveMessage: db.prepare(
      `INSERT INTO messages (cid, id, parent, open_since, body) VALUES (?, ?, ?, ?, ?)
       ON CONFLICT (cid, id) DO UPDATE SET parent = excluded.parent, open_since = excluded.open_since, body = excluded.body`,
    ),
    saveTurn: db.prepare(
      `INSERT OR REPLACE INTO turns (${turnColumns}) VALUES (${turnColumns.replaceAll(/\w+/g, "?")})`,
    ),
    saveProgress: db.prepare(
      "UPDATE turns SET lease_until = ?, attempts = ?, stalls = ?, length = ?, attempt_length = ? WHERE cid = ? AND id = ?",
    ),
    eraseEntries: db.prepare("DELETE FROM entries WHERE cid = ?"),
    eraseMessages: db.prepare("DELETE FROM messages WHERE cid = ?"),
    eraseTurns: db.prepare("DELETE FROM turns WHERE cid = ?"),
  };
}

/** The row after an effect. What was erased keeps no title, whatever the effect says. */
function after(before: ConversationRecord | undefined, effect: Effect): ConversationRecord | undefined {
  const row = effect.conversation ?? before;
  if (row === undefined) return undefined;
  const head = (before?.head ?? 0) + effect.events.length;
  return effect.erase === true ? { ...row, head, title: undefined, newest: null, deleted: true } : { ...row, head };
}

const changesRows = (effect: Effect): boolean =>
  [effect.events, effect.messages, effect.turns, effect.replace].some((rows) => rows !== undefined && rows.length > 0);

/** True where nothing differs that an index knows: then the row is updated in place. */
function sameButCounts(a: TurnRecord, b: TurnRecord): boolean {
  return (
    a.status === b.status &&
    a.fence === b.fence &&
    a.owner === b.owner &&
    a.message === b.message &&
    a.parent === b.parent &&
    a.model === b.model &&
    a.user === b.user &&
    a.startedSeq === b.startedSeq &&
    a.finishedSeq === b.finishedSeq &&
    a.settled === b.settled
  );
}
