// Owns, in memory, the rows that change with every piece: running turns and their conversations. Must always equal the file.
import type { ConversationRecord, TurnRecord } from "../../server/ports.ts";

/** A piece that is still in the tail: which seq it has, where it lies, whose it is. */
export type Piece = { readonly last: number; readonly place: number; readonly turn: string };

/** A conversation with a running turn, or with pieces in the tail. */
export type HotConversation = {
  readonly cid: number;
  record: ConversationRecord;
  /** The running ones. */
  turns: Map<string, TurnRecord>;
  /** In the order of `last`, which is also that of `place`. Only ever extended or replaced. */
  pieces: Piece[];
};

type Before =
  | { readonly kind: "none" }
  | { readonly kind: "all"; readonly hot: HotConversation; readonly length: number }
  /** Pieces came, and nothing else: what they changed of the conversation, its turn and its pieces. */
  | {
      readonly kind: "pieces";
      readonly hot: HotConversation;
      readonly record: ConversationRecord;
      readonly turn: TurnRecord;
      readonly length: number;
    };

/**
 * One process owns the file, so what is here needs no reading. Changes belong to the running transaction: `end(false)`
 * takes them back.
 */
export class Hot {
  readonly #byCid = new Map<number, HotConversation>();
  readonly #byId = new Map<string, HotConversation>();
  /** What the conversations were before the running transaction. */
  readonly #before = new Map<number, Before>();

  at(cid: number): HotConversation | undefined {
    return this.#byCid.get(cid);
  }

  find(id: string): HotConversation | undefined {
    return this.#byId.get(id);
  }

  all(): Iterable<HotConversation> {
    return this.#byCid.values();
  }

  /** The conversation, to be changed within the running transaction. */
  open(cid: number, record: ConversationRecord): HotConversation {
    const known = this.#byCid.get(cid);
    this.#remember(cid, known);
    if (known !== undefined) return known;
    const fresh: HotConversation = { cid, record, turns: new Map(), pieces: [] };
    this.#put(fresh);
    return fresh;
  }

  /** As `open`, of a conversation with a running turn, where only its head, this turn's length and its pieces will change. */
  openForPieces(hot: HotConversation, turn: string): void {
    const record = hot.turns.get(turn);
    if (record === undefined || this.#before.has(hot.cid)) this.#remember(hot.cid, hot);
    else
      this.#before.set(hot.cid, { kind: "pieces", hot, record: hot.record, turn: record, length: hot.pieces.length });
  }

  /** Lets go of a conversation that nothing runs in. */
  drop(hot: HotConversation): void {
    this.#remember(hot.cid, hot);
    this.#byCid.delete(hot.cid);
    this.#byId.delete(hot.record.id);
  }

  /** Writes a row's new state where the conversation is hot, and makes it hot where a turn runs. */
  save(cid: number, record: ConversationRecord, turns: readonly TurnRecord[]): void {
    const runs = turns.some((turn) => turn.status === "running");
    if (!runs && !this.#byCid.has(cid)) return;
    const hot = this.open(cid, record);
    hot.record = record;
    for (const turn of turns) {
      if (turn.status === "running") hot.turns.set(turn.id, Object.freeze({ ...turn }));
      else hot.turns.delete(turn.id);
    }
    this.cool(hot);
  }

  cool(hot: HotConversation): void {
    if (hot.turns.size === 0 && hot.pieces.length === 0) this.drop(hot);
  }

  /** The running transaction has ended. */
  end(committed: boolean): void {
    if (!committed) for (const [cid, before] of this.#before) this.#restore(cid, before);
    this.#before.clear();
  }

  #remember(cid: number, known: HotConversation | undefined): void {
    const before = this.#before.get(cid);
    if (before !== undefined && before.kind !== "pieces") return;
    if (known === undefined) return void this.#before.set(cid, { kind: "none" });
    const hot = { ...known, turns: new Map(known.turns) };
    if (before !== undefined) {
      hot.record = before.record;
      hot.turns.set(before.turn.id, before.turn);
    }
    this.#before.set(cid, { kind: "all", hot, length: before?.length ?? known.pieces.length });
  }

  #restore(cid: number, before: Before): void {
    if (before.kind === "pieces") {
      const { hot, record, turn, length } = before;
      hot.record = record;
      hot.turns.set(turn.id, turn);
      hot.pieces.length = length;
      return;
    }
    const now = this.#byCid.get(cid);
    if (now !== undefined) this.#byId.delete(now.record.id);
    this.#byCid.delete(cid);
    if (before.kind === "none") return;
    before.hot.pieces.length = before.length;
    this.#put(before.hot);
  }

  #put(hot: HotConversation): void {
    this.#byCid.set(hot.cid, hot);
    this.#byId.set(hot.record.id, hot);
  }
}

/** The running turns of a conversation, oldest first. */
export function runningIn(hot: HotConversation | undefined): readonly TurnRecord[] {
  return hot === undefined ? [] : [...hot.turns.values()].sort((a, b) => a.startedSeq - b.startedSeq);
}

/** The index of the first piece behind `seq`. */
export function firstBehind(pieces: readonly Piece[], seq: number): number {
  let [low, high] = [0, pieces.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((pieces[middle]?.last ?? seq) > seq) high = middle;
    else low = middle + 1;
  }
  return low;
}
