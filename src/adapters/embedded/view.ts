// Owns what a decision sees of the store: read when asked, inside the running transaction. Must not write.
import type { ConversationRecord, FileRecord, MessageRecord, TurnRecord, View, Work } from "../../server/ports.ts";
import { turnOf, type Codec } from "./codec.ts";
import type { Database } from "./database.ts";
import { readFile } from "./files.ts";
import { runningIn, type Hot, type HotConversation } from "./hot.ts";
import { integer } from "./rows.ts";

/** A view that reads lazily, but shows only what the work's `needs` named: so it is on every adapter. */
export class LazyView implements View {
  readonly conversation: ConversationRecord | undefined;
  /** The conversation's key within the store; undefined before its first event. */
  readonly cid: number | undefined;
  /** Where the conversation is hot. */
  readonly hot: HotConversation | undefined;
  readonly #db: Database;
  readonly #codec: Codec;
  readonly #work: Work;
  #messages: Map<string, MessageRecord | undefined> | undefined;

  constructor(db: Database, codec: Codec, hot: Hot, work: Work) {
    this.#db = db;
    this.#codec = codec;
    this.#work = work;
    this.hot = hot.find(work.conversation);
    if (this.hot !== undefined) {
      this.cid = this.hot.cid;
      this.conversation = this.hot.record;
      return;
    }
    const row = db.prepare("SELECT * FROM conversations WHERE id = ?").get(work.conversation);
    if (row === undefined) return;
    this.cid = integer(row, "cid");
    this.conversation = codec.conversation(row);
  }

  get running(): readonly TurnRecord[] {
    return runningIn(this.hot);
  }

  message(id: string): MessageRecord | undefined {
    const named = id === this.conversation?.newest || this.#work.needs?.messages?.includes(id) === true;
    if (!named || this.cid === undefined) return undefined;
    const known = (this.#messages ??= new Map());
    if (!known.has(id)) {
      const row = this.#db
        .prepare("SELECT id, open_since, body FROM messages WHERE cid = ? AND id = ?")
        .get(this.cid, id);
      known.set(id, row && this.#codec.message(this.cid, this.#work.conversation, row));
    }
    return known.get(id);
  }

  turn(id: string): TurnRecord | undefined {
    const running = this.hot?.turns.get(id);
    if (running !== undefined || this.cid === undefined) return running;
    const row = this.#db.prepare("SELECT * FROM turns WHERE cid = ? AND id = ?").get(this.cid, id);
    if (row === undefined) return undefined;
    const turn = turnOf(row, this.#work.conversation);
    const { turns, messages } = this.#work.needs ?? {};
    if (turns?.includes(id) === true) return turn;
    const last = messages?.includes(turn.message) === true && this.message(turn.message)?.message.metadata.turn === id;
    return last ? turn : undefined;
  }

  file(id: string): FileRecord | undefined {
    return this.#work.needs?.files?.includes(id) === true ? readFile(this.#db, this.#codec, id) : undefined;
  }
}
