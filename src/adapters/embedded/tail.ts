// Owns the tail: the newest pieces of all replies, in the order of arrival, until their turn is settled. Seals and opens nothing itself.
import type { Entry, TurnRecord } from "../../server/ports.ts";
import { turnOf, type Codec } from "./codec.ts";
import type { Database } from "./database.ts";
import { firstBehind, type Hot, type HotConversation, type Piece } from "./hot.ts";
import { bytes, integer, text, type Row } from "./rows.ts";

/** Rows of the tail (about 40 MB) past which pieces that still live are moved to the entries, oldest first. */
export const longestTail = 131_072;
/** Rows that one commit moves, and drops, at most, beside twice as many as it added. */
const movedAtOnce = 64;
const droppedAtOnce = 1_024;
/** Pieces that are also kept in memory, the newest, and how long their text may be (UTF-16 units): 30 MB at the very most. */
const recentPieces = 32_768;
const recentLength = 256;

/**
 * Why it is: in the entries every conversation's newest piece lies on a page of its own, so that a commit for a hundred
 * replies would write hundreds of pages. In the tail they lie side by side. A row carries its turn's length, so that a
 * piece is one INSERT and nothing else. A row is dead, its text being in the entries, where its turn is settled or says
 * that it is covered: so that nothing is deleted one by one.
 */
export class Tail {
  readonly #hot: Hot;
  readonly #longest: number;
  readonly #sql: ReturnType<typeof prepare>;
  #oldest = 1;
  #newest = 0;
  #added = 0;
  /** There may be dead rows at the front. */
  #isDue = true;
  #before = { oldest: 1, newest: 0 };
  /** The newest pieces as they were given, each at its place modulo the length: settling need not open what was just sealed. */
  readonly #recent = Array.from<Entry | undefined>({ length: recentPieces });
  readonly #recentPlace = new Float64Array(recentPieces);
  readonly #recentCid = new Float64Array(recentPieces);

  constructor(db: Database, hot: Hot, longest: number) {
    this.#hot = hot;
    this.#longest = longest;
    this.#sql = prepare(db);
  }

  /** Reads what runs, and the pieces that live, into `hot`. Must be called once, before anything else. */
  load(codec: Codec): void {
    const sql = this.#sql;
    for (const row of sql.running.all()) {
      const record = codec.conversation(row);
      const turn = turnOf(sql.turn.get(integer(row, "cid"), text(row, "turn")) ?? {}, record.id);
      this.#hot.open(integer(row, "cid"), record).turns.set(turn.id, Object.freeze(turn));
    }
    const bounds = sql.bounds.get() ?? {};
    this.#newest = Number(bounds["newest"] ?? 0);
    this.#oldest = Number(bounds["oldest"] ?? 1);
    for (const row of sql.living.all()) this.#loadPiece(row, codec);
    this.#before = { oldest: this.#oldest, newest: this.#newest };
    this.#hot.end(true);
  }

  #loadPiece(row: Row, codec: Codec): void {
    const [cid, last, id] = [integer(row, "cid"), integer(row, "last"), text(row, "turn")];
    const hot = this.#hot.at(cid) ?? this.#hot.open(cid, codec.conversation(this.#sql.conversation.get(cid) ?? {}));
    hot.pieces.push({ last, place: integer(row, "place"), turn: id });
    if (hot.record.head < last) hot.record = { ...hot.record, head: last };
    const turn = hot.turns.get(id);
    if (turn !== undefined && last > integer(row, "length_seq")) {
      hot.turns.set(id, Object.freeze({ ...turn, length: integer(row, "length") }));
    }
  }

  /** Adds a piece of a running turn, sealed as `body`. `hot` must be open. */
  add(hot: HotConversation, turn: TurnRecord, entry: Entry, body: Uint8Array): void {
    const place = ++this.#newest;
    this.#added++;
    this.#sql.add.run(place, hot.cid, entry.last, turn.id, turn.length, body);
    hot.pieces.push({ last: entry.last, place, turn: turn.id });
    // A place is given again after a transaction that failed: whatever stood there goes.
    const isShort = entry.event.kind === "reply.appended" && entry.event.text.length <= recentLength;
    const slot = place % recentPieces;
    this.#recent[slot] = isShort ? entry : undefined;
    this.#recentPlace[slot] = place;
    this.#recentCid[slot] = hot.cid;
  }

  /** The pieces behind `seq`, `limit` at most; `open` is asked for what is not in memory any more. */
  read(hot: HotConversation, seq: number, limit: number, open: (last: number, body: Uint8Array) => Entry): Entry[] {
    const start = firstBehind(hot.pieces, seq);
    return hot.pieces.slice(start, start + limit).map(({ last, place }) => {
      const slot = place % recentPieces;
      const recent = this.#recentPlace[slot] === place ? this.#recent[slot] : undefined;
      return recent ?? open(last, bytes(this.#sql.body.get(place) ?? {}, "body"));
    });
  }

  /** Takes the pieces from `first` to `last` out (the entries have them now), and moves what `settled` turns have left. */
  settle(
    hot: HotConversation,
    head: number,
    range: readonly [first: number, last: number],
    settled: ReadonlySet<string>,
  ): void {
    const [first, last] = range;
    const kept: Piece[] = [];
    const keeping = new Set<string>();
    const covered = new Map<string, number>();
    for (const piece of hot.pieces) {
      const isSettled = settled.has(piece.turn);
      if (piece.last < first || piece.last > last) {
        if (isSettled) this.#sql.move.run(piece.place);
        else {
          kept.push(piece);
          keeping.add(piece.turn);
        }
      } else if (keeping.has(piece.turn)) this.#sql.remove.run(piece.place);
      else if (!isSettled) covered.set(piece.turn, piece.last);
    }
    for (const [turn, seq] of covered) this.#sql.cover.run(seq, hot.cid, turn);
    if (kept.length < hot.pieces.length) this.#saveLengths(hot, head);
    hot.pieces = kept;
    this.#isDue = true;
  }

  /** Removes every trace of a conversation. */
  erase(cid: number): void {
    this.#isDue = true;
    this.#sql.erase.run(cid);
    for (let slot = 0; slot < recentPieces; slot++) if (this.#recentCid[slot] === cid) this.#recent[slot] = undefined;
  }

  /** Drops dead rows from the front, some at a time. At the end of every transaction of works. */
  trim(): void {
    const isLong = this.#newest - this.#oldest >= this.#longest;
    if (!this.#isDue && !isLong) return;
    if (isLong) this.#moveBefore(this.#oldest + movedAtOnce + 2 * this.#added);
    const reach = this.#oldest + droppedAtOnce + 2 * this.#added;
    let living = this.#newest + 1;
    for (const { pieces } of this.#hot.all()) living = Math.min(living, pieces[0]?.place ?? living);
    const end = Math.min(living, reach);
    this.#isDue = end < living;
    if (end <= this.#oldest) return;
    this.#sql.trim.run(end);
    for (let place = Math.max(this.#oldest, end - recentPieces); place < end; place++) {
      const slot = place % recentPieces;
      if (this.#recentPlace[slot] === place) this.#recent[slot] = undefined;
    }
    this.#oldest = end;
  }

  /** Moves pieces that live, but are old, to the entries: their turn has been running for long. */
  #moveBefore(place: number): void {
    for (const hot of this.#hot.all()) {
      if ((hot.pieces[0]?.place ?? place) >= place) continue;
      const open = this.#hot.open(hot.cid, hot.record);
      const count = open.pieces.findIndex((piece) => piece.place >= place);
      const moved = count === -1 ? open.pieces : open.pieces.slice(0, count);
      for (const piece of moved) this.#sql.move.run(piece.place);
      open.pieces = open.pieces.slice(moved.length);
      this.#sql.saveHead.run(open.record.head, open.cid);
      this.#saveLengths(open, open.record.head);
      this.#hot.cool(open);
    }
  }

  /** What pieces that leave the tail have told of their turn goes to its row. */
  #saveLengths(hot: HotConversation, head: number): void {
    for (const turn of hot.turns.values()) this.#sql.saveLength.run(turn.length, head, hot.cid, turn.id);
  }

  /** The running transaction has ended. */
  end(committed: boolean): void {
    if (committed) this.#before = { oldest: this.#oldest, newest: this.#newest };
    else {
      ({ oldest: this.#oldest, newest: this.#newest } = this.#before);
      this.#isDue = true;
    }
    this.#added = 0;
  }
}

function prepare(db: Database) {
  return {
    add: db.prepare("INSERT INTO tail (place, cid, last, turn, length, body) VALUES (?, ?, ?, ?, ?, ?)"),
    body: db.prepare("SELECT body FROM tail WHERE place = ?"),
    move: db.prepare(
      "INSERT INTO entries (cid, last, first, body) SELECT cid, last, last, body FROM tail WHERE place = ?",
    ),
    remove: db.prepare("DELETE FROM tail WHERE place = ?"),
    erase: db.prepare("DELETE FROM tail WHERE cid = ?"),
    trim: db.prepare("DELETE FROM tail WHERE place < ?"),
    bounds: db.prepare("SELECT min(place) AS oldest, max(place) AS newest FROM tail"),
    living: db.prepare(
      `SELECT p.place, p.cid, p.last, p.turn, p.length, t.length_seq FROM tail p
       CROSS JOIN turns t ON t.cid = p.cid AND t.id = p.turn WHERE t.settled = 0 AND p.last > t.covered_seq ORDER BY p.place`,
    ),
    running: db.prepare(
      "SELECT c.*, t.id AS turn FROM turns t JOIN conversations c USING (cid) WHERE t.status = 'running'",
    ),
    turn: db.prepare("SELECT * FROM turns WHERE cid = ? AND id = ?"),
    conversation: db.prepare("SELECT * FROM conversations WHERE cid = ?"),
    cover: db.prepare("UPDATE turns SET covered_seq = ? WHERE cid = ? AND id = ?"),
    saveLength: db.prepare("UPDATE turns SET length = ?, length_seq = ? WHERE cid = ? AND id = ?"),
    saveHead: db.prepare("UPDATE conversations SET head = ? WHERE cid = ?"),
  };
}
