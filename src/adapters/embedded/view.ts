// Owns what a decision sees of the store: read when asked, inside the running transaction. Must not write.
import type { ConversationRecord, MessageRecord, TurnRecord, View, Work } from "../../server/ports.ts";
import { integer, turnOf, type Codec } from "./codec.ts";
import type { Database } from "./database.ts";

/** A view that reads lazily, but shows only what the work's `needs` named: so it is on every adapter. */
export class LazyView implements View {
  readonly conversation: ConversationRecord | undefined;
  /** The conversation's key within the store; undefined before its first event. */
  readonly cid: number | undefined;
  readonly #db: Database;
  readonly #codec: Codec;
  readonly #work: Work;
  #running: readonly TurnRecord[] | undefined;
  readonly #turns = new Map<string, TurnRecord | undefined>();
  readonly #messages = new Map<string, MessageRecord | undefined>();

  constructor(db: Database, codec: Codec, work: Work) {
    this.#db = db;
    this.#codec = codec;
    this.#work = work;
    const row = db.prepare("SELECT * FROM conversations WHERE id = ?").get(work.conversation);
    if (row === undefined) return;
    this.cid = integer(row, "cid");
    this.conversation = codec.conversation(row);
  }

  get running(): readonly TurnRecord[] {
    this.#running ??= this.#readRunning();
    return this.#running;
  }

  message(id: string): MessageRecord | undefined {
    const named = id === this.conversation?.newest || this.#work.needs?.messages?.includes(id) === true;
    if (!named || this.cid === undefined) return undefined;
    if (!this.#messages.has(id)) {
      const row = this.#db
        .prepare("SELECT id, open_since, body FROM messages WHERE cid = ? AND id = ?")
        .get(this.cid, id);
      this.#messages.set(id, row && this.#codec.message(this.#work.conversation, row));
    }
    return this.#messages.get(id);
  }

  turn(id: string): TurnRecord | undefined {
    const turn = this.#readTurn(id);
    if (turn === undefined || turn.status === "running") return turn;
    const { turns, messages } = this.#work.needs ?? {};
    if (turns?.includes(id) === true) return turn;
    const last = messages?.includes(turn.message) === true && this.message(turn.message)?.message.metadata.turn === id;
    return last ? turn : undefined;
  }

  /** A turn that this view has shown already. */
  known(id: string): TurnRecord | undefined {
    return this.#turns.get(id);
  }

  #readTurn(id: string): TurnRecord | undefined {
    if (this.cid === undefined) return undefined;
    if (!this.#turns.has(id)) {
      const row = this.#db.prepare("SELECT * FROM turns WHERE cid = ? AND id = ?").get(this.cid, id);
      this.#turns.set(id, row && turnOf(row, this.#work.conversation));
    }
    return this.#turns.get(id);
  }

  #readRunning(): readonly TurnRecord[] {
    if (this.cid === undefined) return [];
    const rows = this.#db.prepare(runningOf).all(this.cid);
    const turns = rows.map((row) => turnOf(row, this.#work.conversation));
    for (const turn of turns) this.#turns.set(turn.id, turn);
    return turns;
  }
}

/** The running turns of a conversation, oldest first. */
export const runningOf = "SELECT * FROM turns WHERE cid = ? AND status = 'running' ORDER BY started_seq";
