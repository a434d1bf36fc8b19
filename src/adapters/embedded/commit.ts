// Owns how works are decided on and written: one transaction per commit, each work whole or not at all. No reads for readers.
import { number } from "../../domain/log.ts";
import { isRejection } from "../../domain/records.ts";
import { reject, type Event, type EventOf } from "../../protocol/index.ts";
import { StoreFailure } from "../../server/ports.ts";
import type {
  Clock,
  CommandKey,
  ConversationRecord,
  Effect,
  Entry,
  Outcome,
  TurnRecord,
  Work,
} from "../../server/ports.ts";
import { answerContext, keyOf, turnColumns, turnValues, type Codec } from "./codec.ts";
import type { Database } from "./database.ts";
import type { Erasure } from "./erasure.ts";
import { attachFiles } from "./files.ts";
import { asStoreFailure } from "./failures.ts";
import type { Hot, HotConversation } from "./hot.ts";
import { storeCid, type Keys } from "./keys.ts";
import { bytes, integer } from "./rows.ts";
import type { Tail } from "./tail.ts";
import { storeOwner } from "./vault.ts";
import { LazyView } from "./view.ts";

/** A work whose effect could not be written, or whose rows are damaged: a matter of its own. The transaction is done again without it. */
class BadWork extends Error {
  readonly index: number;
  constructor(index: number, cause: unknown) {
    super("a work could not be written", { cause });
    this.index = index;
  }
}

const internal = (): Outcome => ({ ok: false, rejection: reject("internal") });

/** The part of a Log that writes. */
export function createCommit(
  db: Database,
  codec: Codec,
  parts: { readonly hot: Hot; readonly tail: Tail; readonly keys: Keys; readonly erasure: Erasure },
  clock: Clock,
): (works: readonly Work[]) => Outcome[] {
  const { hot, tail, keys, erasure } = parts;
  const sql = prepareWrites(db);

  /** An answer that was given to this command before. */
  const repeated = (work: Work, view: LazyView): Outcome | undefined => {
    const { key } = work;
    if (key === undefined) return undefined;
    const row = sql.findAnswer.get(key.user, keyOf(key.id));
    if (row === undefined) return undefined;
    const cid = integer(row, "cid");
    const conflict: Outcome = { ok: false, rejection: reject("conflict", { field: "id" }) };
    // Sealed for another conversation: it said something else.
    if (cid !== storeCid && cid !== view.cid) return conflict;
    const owner = cid === storeCid ? storeOwner : work.conversation;
    const { hash, answer } = codec.answer(cid, owner, bytes(row, "body"), answerContext(key.user, key.id));
    if (hash !== key.hash) return conflict;
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
    try {
      const view = new LazyView(db, codec, hot, work);
      const before = repeated(work, view);
      if (before !== undefined) return before;
      const effect = decide(work, view);
      if (effect === undefined) return internal();
      return "ok" in effect ? effect : write(work, view, effect);
    } catch (error) {
      const failure = asStoreFailure(error);
      throw failure instanceof StoreFailure ? failure : new BadWork(index, error);
    }
  };

  const write = (work: Work, view: LazyView, effect: Effect): Outcome => {
    const { key } = work;
    db.change();
    const conversation = after(view.conversation, effect);
    const entries = number(view.conversation?.head ?? 0, effect.events);
    const pieces = piecesOf(view, effect);
    if (conversation === undefined) {
      if (changesRows(effect)) throw new Error("an effect without a conversation");
    } else if (pieces === undefined) saveAll(view, effect, conversation, entries);
    else savePieces(pieces, conversation, entries);
    if (key !== undefined) saveAnswer(key, work.conversation, effect);
    return { ok: true, answer: effect.answer, entries, conversation, repeated: false };
  };

  const saveAnswer = ({ user, id, hash }: CommandKey, conversation: string, { answer }: Effect): void => {
    const row = sql.findCid.get(conversation);
    const [cid, owner] = row === undefined ? [storeCid, storeOwner] : [integer(row, "cid"), conversation];
    const body = codec.sealAnswer(cid, owner, { hash, answer }, answerContext(user, id));
    sql.saveAnswer.run(user, keyOf(id), cid, clock.now(), body);
  };

  /** The way of nearly every work: pieces of a running turn, which go to the tail and change no other row. */
  const savePieces = ({ own, turn }: Pieces, row: ConversationRecord, entries: readonly Entry[]): void => {
    hot.openForPieces(own, turn.id);
    for (const entry of entries) tail.add(own, turn, entry, codec.sealEntry(own.cid, row.id, entry));
    own.record = row;
    own.turns.set(turn.id, Object.freeze(turn));
  };

  const saveAll = (view: LazyView, effect: Effect, row: ConversationRecord, entries: readonly Entry[]): void => {
    const { id } = row;
    if (effect.erase === true && view.cid !== undefined) erasure.conversation(view.cid, row);
    const cid = saveConversation(view, row);
    for (const entry of entries) saveEntry(cid, id, entry);
    replace(cid, row, effect);
    for (const { message, openSince } of effect.messages ?? []) {
      const body = codec.sealMessage(cid, id, message);
      sql.saveMessage.run(cid, message.id, message.metadata.parent, openSince ?? null, body);
    }
    for (const turn of effect.turns ?? []) sql.saveTurn.run(...turnValues(cid, turn, row.head));
    attachFiles(db, cid, effect.files ?? []);
    hot.save(cid, row, effect.turns ?? []);
  };

  const saveConversation = ({ cid, conversation }: LazyView, row: ConversationRecord): number => {
    if (cid !== undefined && conversation !== undefined && sameButHead(conversation, row)) {
      sql.saveHead.run(row.head, cid);
      return cid;
    }
    const own = cid ?? addConversation(row);
    const rest = [row.updatedAt, row.head, row.newest, row.archived ? 1 : 0, row.deleted ? 1 : 0] as const;
    sql.saveConversation.run(codec.sealTitle(own, row), ...rest, own);
    return own;
  };

  /** A new row gets its place, and with the place a key, before anything of it can be sealed. */
  const addConversation = ({ id, user, createdAt, updatedAt }: ConversationRecord): number => {
    const cid = Number(sql.addConversation.run(id, user, createdAt, updatedAt).lastInsertRowid);
    keys.create(cid, id);
    return cid;
  };

  const saveEntry = (cid: number, conversation: string, entry: Entry): void => {
    sql.saveEntry.run(cid, entry.last, entry.first, codec.sealEntry(cid, conversation, entry));
  };

  /** Something was merged over an edge of these meanwhile: what is stored says the same, and more. */
  const crossesEdge = (cid: number, entries: readonly Entry[]): boolean => {
    const [first, last] = [entries[0]?.first, entries.at(-1)?.last];
    if (first === undefined || last === undefined) return false;
    return [first - 1, last].some((edge) => {
      const behind = sql.findBehind.get(cid, edge);
      return behind !== undefined && integer(behind, "first") <= edge;
    });
  };

  const replace = (cid: number, row: ConversationRecord, effect: Effect): void => {
    const entries = crossesEdge(cid, effect.replace ?? []) ? [] : (effect.replace ?? []);
    const range = [entries[0]?.first ?? 0, entries.at(-1)?.last ?? -1] as const;
    if (entries.length > 0) sql.dropEntries.run(cid, ...range);
    for (const entry of entries) saveEntry(cid, row.id, entry);
    const settled = new Set((effect.turns ?? []).filter((turn) => turn.settled).map((turn) => turn.id));
    if (hot.at(cid) === undefined || (entries.length === 0 && settled.size === 0)) return;
    tail.settle(hot.open(cid, row), row.head, range, settled);
  };

  const performAll = (works: readonly Work[], bad: ReadonlySet<number>): Outcome[] => {
    const outcomes = works.map((work, i) => (bad.has(i) ? internal() : perform(work, i)));
    tail.trim();
    return outcomes;
  };

  return (works) => {
    if (works.length === 0) return [];
    const bad = new Set<number>();
    for (;;) {
      try {
        return db.write(() => performAll(works, bad));
      } catch (error) {
        if (!(error instanceof BadWork)) throw error;
        bad.add(error.index);
      }
    }
  };
}

/** Written whole, but for what the tail says of it. */
const saveTurn = `INSERT INTO turns (${turnColumns}) VALUES (${turnColumns.replaceAll(/\w+/g, "?")})
  ON CONFLICT (cid, id) DO UPDATE SET ${turnColumns.replaceAll(/\w+/g, "$& = excluded.$&")}`;

function prepareWrites(db: Database) {
  return {
    findAnswer: db.prepare("SELECT cid, body FROM answers WHERE user = ? AND key = ?"),
    saveAnswer: db.prepare("INSERT INTO answers (user, key, cid, at, body) VALUES (?, ?, ?, ?, ?)"),
    saveHead: db.prepare("UPDATE conversations SET head = ? WHERE cid = ?"),
    addConversation: db.prepare(
      "INSERT INTO conversations (id, user, created_at, updated_at, head, archived, deleted) VALUES (?, ?, ?, ?, 0, 0, 0)",
    ),
    saveConversation: db.prepare(
      "UPDATE conversations SET title = ?, updated_at = ?, head = ?, newest = ?, archived = ?, deleted = ? WHERE cid = ?",
    ),
    saveEntry: db.prepare("INSERT INTO entries (cid, last, first, body) VALUES (?, ?, ?, ?)"),
    findBehind: db.prepare("SELECT first FROM entries WHERE cid = ? AND last > ? ORDER BY last LIMIT 1"),
    dropEntries: db.prepare("DELETE FROM entries WHERE cid = ? AND last BETWEEN ? AND ?"),
    saveMessage: db.prepare(
      `INSERT INTO messages (cid, id, parent, open_since, body) VALUES (?, ?, ?, ?, ?)
       ON CONFLICT (cid, id) DO UPDATE SET parent = excluded.parent, open_since = excluded.open_since, body = excluded.body`,
    ),
    saveTurn: db.prepare(saveTurn),
    findCid: db.prepare("SELECT cid FROM conversations WHERE id = ?"),
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

/** A hot conversation and the row of its running turn after pieces of it. */
type Pieces = { readonly own: HotConversation; readonly turn: TurnRecord };

/** What an effect adds pieces to, if it does nothing else. */
function piecesOf({ hot: own, conversation: row }: LazyView, effect: Effect): Pieces | undefined {
  const { events, conversation, turns = [], messages = [], replace = [], erase } = effect;
  const [turn] = turns;
  if (turn === undefined || turns.length > 1 || messages.length > 0 || replace.length > 0 || erase === true)
    return undefined;
  if (own === undefined || (conversation !== undefined && conversation !== row)) return undefined;
  const before = own.turns.get(turn.id);
  if (before === undefined || events.length === 0 || !sameBut(["length"], before, turn)) return undefined;
  return events.every((event) => isPiece(event) && event.turn === turn.id) ? { own, turn } : undefined;
}

const isPiece = (event: Event): event is EventOf<"reply.appended" | "reply.part"> =>
  event.kind === "reply.appended" || event.kind === "reply.part";

const sameButHead = (a: ConversationRecord, b: ConversationRecord): boolean => sameBut(["head"], a, b);

/** True where two rows differ in nothing but `names`. */
function sameBut<T extends object>(names: readonly (keyof T)[], a: T, b: T): boolean {
  for (const name in b) if (a[name] !== b[name] && !names.includes(name)) return false;
  return true;
}
