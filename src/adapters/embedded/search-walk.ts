// Owns the reading of what is searched: conversation after conversation, newest first, in slices that hold nobody up. Opens no message.
import type { Clock } from "../../server/ports.ts";
import type { Snippet } from "../../protocol/index.ts";
import { messageContext } from "./codec.ts";
import type { Seal } from "./cipher.ts";
import type { Database } from "./database.ts";
import type { Keys } from "./keys.ts";
import type { Listed, Place } from "./listing.ts";
import { bytes, integer, text } from "./rows.ts";
import type { Batch } from "./search-thread.ts";

/** What one slice reads, about: this keeps the loop free for all others. */
const sliceMs = 3;
const sliceBytes = 512 * 1024;
const conversationsAtOnce = 20;

/**
 * A conversation that is being searched; its messages before `before` are still to be read. `seal` is the one of its
 * beginning: if it is erased meanwhile, nothing that has its place later is opened. undefined: its key cannot be had.
 */
type Searched = Listed & { readonly seal: Seal | undefined; before: number; snippet: Snippet | undefined };

/** Sealed messages, whose they are, and which conversations have been read to their end. */
export type Slice = {
  readonly batch: Batch;
  readonly of: readonly Searched[];
  readonly ended: readonly Searched[];
};

export type WalkOptions = {
  readonly db: Database;
  readonly keys: Keys;
  readonly clock: Clock;
  /** The next conversations behind a place. */
  readonly list: (from: Place, count: number) => Listed[];
  readonly from: Place;
  readonly needle: string;
  /** Messages after which no further conversation is begun. */
  readonly most: number;
};

type SealedRow = { readonly context: string; readonly body: Uint8Array; readonly of: number };

export class Walk {
  readonly #options: WalkOptions;
  readonly #messages: ReturnType<Database["prepare"]>;
  #place: Place;
  #listed: Listed[] = [];
  #current: Searched | undefined;
  #count = 0;
  #until = 0;
  #size = 0;
  /** It ended before the last conversation: `place` is where to go on. */
  isCut = false;

  constructor(options: WalkOptions) {
    this.#options = options;
    this.#place = options.from;
    this.#messages = options.db.prepare(
      "SELECT place, id, body FROM messages WHERE cid = ? AND place < ? ORDER BY place DESC",
    );
  }

  /** The last conversation that was begun. */
  get place(): Place {
    return this.#place;
  }

  /** The next slice; undefined: there is nothing left. */
  read(): Slice | undefined {
    this.#until = this.#options.clock.monotonic() + sliceMs;
    this.#size = 0;
    const rows: SealedRow[] = [];
    const of: Searched[] = [];
    const ended: Searched[] = [];
    while (!this.#isFull()) {
      this.#current ??= this.#next();
      if (this.#current === undefined) break;
      of.push(this.#current);
      if (!this.#readMessages(this.#current, rows, of.length - 1)) break;
      ended.push(this.#current);
      this.#current = undefined;
    }
    return of.length === 0 ? undefined : { batch: this.#pack(rows, of), of, ended };
  }

  /** True when all messages of the conversation have been read. */
  #readMessages(searched: Searched, rows: SealedRow[], of: number): boolean {
    // One hit is enough: what is older is not looked at.
    if (searched.snippet !== undefined || searched.seal === undefined) return true;
    const { cid, row, before } = searched;
    for (const message of this.#messages.iterate(cid, before)) {
      const body = bytes(message, "body");
      rows.push({ context: messageContext(row.id, text(message, "id")), body, of });
      searched.before = integer(message, "place");
      this.#size += body.length;
      this.#count++;
      if (this.#isFull()) return false;
    }
    return true;
  }

  #next(): Searched | undefined {
    if (this.#listed.length === 0) this.#listed = this.#options.list(this.#place, conversationsAtOnce);
    this.isCut = this.#listed.length > 0 && this.#count >= this.#options.most;
    const listed = this.isCut ? undefined : this.#listed.shift();
    if (listed === undefined) return undefined;
    this.#place = listed.row;
    const seal = this.#options.keys.find(listed.cid, listed.row.id);
    return { ...listed, seal, before: Number.MAX_SAFE_INTEGER, snippet: undefined };
  }

  #isFull(): boolean {
    return this.#size >= sliceBytes || this.#options.clock.monotonic() >= this.#until;
  }

  /** One buffer of all, so that it can be given to another thread, and need not be copied. */
  #pack(rows: readonly SealedRow[], of: readonly Searched[]): Batch {
    const all = new Uint8Array(this.#size);
    let end = 0;
    for (const { body } of rows) {
      all.set(body, end);
      end += body.length;
    }
    return {
      needle: this.#options.needle,
      bytes: all.buffer,
      messages: rows.map(({ context, body, of }) => ({ context, length: body.length, of })),
      keys: of.map(({ seal }) => seal?.key),
    };
  }
}
