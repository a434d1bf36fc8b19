// Owns the one connection: its cached statements, its transactions and what becomes of its errors. Knows no table but `store`.
import type { DatabaseSync, StatementSync } from "node:sqlite";
import { StoreFailure } from "../../server/ports.ts";
import { asStoreFailure } from "./failures.ts";

export class Database {
  readonly #db: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();
  readonly #begin: StatementSync;
  readonly #commit: StatementSync;
  readonly #rollback: StatementSync;
  readonly #count: StatementSync;
  #commits: number;
  #changed = false;
  #failure: StoreFailure | undefined;
  #closed = false;
  /** Called when a transaction has ended, before anybody learns of it. */
  onEnd: (committed: boolean) => void = () => undefined;

  /** Called once, when the store can no longer be trusted, whoever found out. */
  onBroken: (failure: StoreFailure) => void = () => undefined;

  constructor(db: DatabaseSync, commits: number) {
    this.#db = db;
    this.#commits = commits;
    this.#begin = db.prepare("BEGIN IMMEDIATE");
    this.#commit = db.prepare("COMMIT");
    this.#rollback = db.prepare("ROLLBACK");
    this.#count = db.prepare("UPDATE store SET commits = ?");
  }

  /** Commits so far that changed something, over all processes of this file. */
  get commits(): number {
    return this.#commits;
  }

  prepare(sql: string): StatementSync {
    const known = this.#statements.get(sql);
    if (known !== undefined) return known;
    const statement = this.#db.prepare(sql);
    this.#statements.set(sql, statement);
    return statement;
  }

  /** Runs reads. Throws StoreFailure where the store is to blame. */
  read<T>(run: () => T): T {
    this.#check();
    try {
      return run();
    } catch (error) {
      throw this.#judge(error);
    }
  }

  /** Runs `run` as one transaction: all of it is durable when this returns, or nothing of it was written. */
  write<T>(run: () => T): T {
    this.#check();
    this.#changed = false;
    let result: T;
    try {
      this.#begin.run();
      result = run();
      if (this.#changed) this.#count.run(this.#commits + 1);
      this.#commit.run();
    } catch (error) {
      this.#undo();
      this.onEnd(false);
      throw this.#judge(error);
    }
    if (this.#changed) this.#commits++;
    this.onEnd(true);
    return result;
  }

  /** Says that the running transaction changes something. */
  change(): void {
    this.#changed = true;
  }

  /** Writes everything into the file itself and syncs it. False where that did not work: the WAL still has it. */
  checkpoint(): boolean {
    if (this.#failure !== undefined) return false;
    try {
      return this.#db.prepare("PRAGMA wal_checkpoint(TRUNCATE)").get()?.["busy"] === 0;
    } catch {
      return false;
    }
  }

  close(): void {
    this.#closed = true;
    this.#db.close();
  }

  #undo(): void {
    // SQLite itself rolls back after some errors.
    if (!this.#db.isTransaction) return;
    try {
      this.#rollback.run();
    } catch (error) {
      this.#break(new StoreFailure("broken", error));
    }
  }

  #judge(error: unknown): unknown {
    const judged = asStoreFailure(error);
    if (judged instanceof StoreFailure && judged.kind === "broken" && !this.#closed) this.#break(judged);
    return this.#failure ?? judged;
  }

  #break(failure: StoreFailure): void {
    if (this.#failure === undefined) this.onBroken(failure);
    this.#failure ??= failure;
  }

  /** A store that broke stays so: nobody retries a failed fsync and goes on (ST09). */
  #check(): void {
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#closed) throw new StoreFailure("broken", new Error("the store is closed"));
  }
}
