// Owns the data keys: whose they are, their table, and those that are kept unwrapped. Must not seal a value.
import { BrokenSeal, type Seal } from "./cipher.ts";
import type { Database } from "./database.ts";
import { bytes, integer, text, type Row } from "./rows.ts";
import { storeOwner, type Vault, type WrappedKey } from "./vault.ts";

/** Keys that are kept unwrapped at most (about 10 MB). */
const mostKept = 16_384;
/** The place of the store's own key: no conversation has it. */
export const storeCid = 0;

export const wrappedOf = (row: Row): WrappedKey => ({ master: text(row, "master"), bytes: bytes(row, "wrapped") });

export class Keys {
  readonly #vault: Vault;
  readonly #sql: ReturnType<typeof prepare>;
  /** The one used last at the end. */
  readonly #kept = new Map<number, Seal>();
  /** Made or destroyed in the running transaction. */
  readonly #changed = new Set<number>();

  constructor(db: Database, vault: Vault) {
    this.#vault = vault;
    this.#sql = prepare(db);
  }

  /** The seal of a conversation. Throws BrokenSeal where its key was destroyed, or is not its own. */
  of(cid: number, owner: string): Seal {
    const kept = this.#kept.get(cid);
    if (kept !== undefined) {
      this.#kept.delete(cid);
      this.#kept.set(cid, kept);
      return kept;
    }
    const row = this.#sql.find.get(cid);
    if (row === undefined) throw new BrokenSeal(`key:${owner}`);
    return this.#keep(cid, this.#vault.unwrap(wrappedOf(row), owner));
  }

  /** As `of`; undefined where it throws BrokenSeal: for those who can do without one row. */
  find(cid: number, owner: string): Seal | undefined {
    try {
      return this.of(cid, owner);
    } catch (error) {
      if (error instanceof BrokenSeal) return undefined;
      throw error;
    }
  }

  /** The seal of what belongs to no conversation. */
  get store(): Seal {
    return this.of(storeCid, storeOwner);
  }

  /** Gives a conversation a key; one that it had is destroyed. */
  create(cid: number, owner: string): void {
    const key = this.#vault.create(owner);
    this.#forget(cid);
    this.#sql.save.run(cid, key.master, key.bytes);
  }

  /** What was sealed for the conversation can never be opened again. */
  destroy(cid: number): void {
    this.#forget(cid);
    this.#sql.destroy.run(cid);
  }

  /** Puts up to `limit` keys under the current master key. How many there were; 0: none is under another. */
  rewrap(limit: number): number {
    const rows = this.#sql.older.all(this.#vault.current, limit);
    for (const row of rows) {
      const cid = integer(row, "cid");
      const next = this.#vault.rewrap(wrappedOf(row), cid === storeCid ? storeOwner : text(row, "id"));
      this.#sql.rewrap.run(next.master, next.bytes, cid);
    }
    return rows.length;
  }

  /** The running transaction has ended. A place of one that was taken back may soon be another conversation's. */
  end(committed: boolean): void {
    if (!committed) for (const cid of this.#changed) this.#kept.delete(cid);
    this.#changed.clear();
  }

  #keep(cid: number, seal: Seal): Seal {
    this.#kept.set(cid, seal);
    const [oldest] = this.#kept.keys();
    if (this.#kept.size > mostKept && oldest !== undefined) this.#kept.delete(oldest);
    return seal;
  }

  #forget(cid: number): void {
    this.#kept.delete(cid);
    this.#changed.add(cid);
  }
}

function prepare(db: Database) {
  return {
    find: db.prepare("SELECT master, wrapped FROM keys WHERE cid = ?"),
    save: db.prepare("INSERT OR REPLACE INTO keys (cid, master, wrapped) VALUES (?, ?, ?)"),
    destroy: db.prepare("DELETE FROM keys WHERE cid = ?"),
    older: db.prepare(
      // Not `<>`, which no index serves.
      `SELECT k.cid, k.master, k.wrapped, c.id FROM keys k LEFT JOIN conversations c USING (cid)
       WHERE k.master < ?1 OR k.master > ?1 LIMIT ?2`,
    ),
    rewrap: db.prepare("UPDATE keys SET master = ?, wrapped = ? WHERE cid = ?"),
  };
}
