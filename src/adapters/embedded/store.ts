// Owns the embedded store as a whole: one SQLite file and what is built on it. The only file that others import to open it.
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Blocks, Clock, Log, Sessions, Spending, StoreFailure, Users, Vault } from "../../server/ports.ts";
import { createBlocks, createSpending } from "./blocks.ts";
import { Codec } from "./codec.ts";
import { createCommit } from "./commit.ts";
import { Database } from "./database.ts";
import { openFile, type FileOptions } from "./file.ts";
import { Hot } from "./hot.ts";
import { openIncarnation } from "./incarnation.ts";
import { createLeases } from "./leases.ts";
import { createReads } from "./reads.ts";
import { createSessions } from "./sessions.ts";
import { longestTail, Tail } from "./tail.ts";
import { createUsers } from "./users.ts";

export { StoreRefusal } from "./refusal.ts";

export type Store = {
  readonly log: Log;
  readonly sessions: Sessions;
  readonly users: Users;
  readonly blocks: Blocks;
  readonly spending: Spending;
  close(): Promise<void>;
};

export type StoreOptions = FileOptions & {
  readonly vault: Vault;
  readonly clock: Clock;
  /** Rows that the tail may have before old ones are moved: see tail.ts. */
  readonly tailRows?: number | undefined;
  /** Called once, when the store can no longer be trusted, whoever found out: the process has to end (ST09). */
  readonly onBroken?: ((failure: StoreFailure) => void) | undefined;
};

/** Answers that one transaction forgets at most: keeps the loop free. */
const forgottenAtOnce = 500;

/** Opens the store, alone. Throws StoreRefusal with a sentence for the operator. */
export function openStore(options: StoreOptions): Store {
  const { file, vault, clock, durability } = options;
  const hadWal = existsSync(`${file}-wal`);
  const connection = openFile(options);
  try {
    const witness = join(dirname(file), "incarnation.json");
    const incarnation = openIncarnation(connection, { file: witness, durability, clock, hadWal });
    const db = new Database(connection, incarnation.commits);
    if (options.onBroken !== undefined) db.onBroken = options.onBroken;
    const codec = new Codec(vault);
    const hot = new Hot();
    const tail = new Tail(db, hot, options.tailRows ?? longestTail);
    tail.load(codec);
    db.onEnd = (committed) => {
      hot.end(committed);
      tail.end(committed);
      if (committed) incarnation.committed(db.commits);
    };
    const commit = createCommit(db, codec, { hot, tail }, clock);
    let closed = false;
    const close = async (): Promise<void> => {
      if (closed) return;
      closed = true;
      // The witness is written while the file is still ours.
      incarnation.close(db.commits, db.checkpoint());
      db.close();
    };
    const log: Log = {
      epoch: incarnation.epoch,
      close,
      ...createReads(db, codec, hot, tail),
      ...createLeases(db, hot),
      commit: async (works) => commit(works),
      forget: createForget(db, clock),
    };
    const kept = { blocks: createBlocks(db, codec), spending: createSpending(db) };
    return { ...kept, log, sessions: createSessions(db, codec), users: createUsers(db, codec, clock), close };
  } catch (error) {
    if (connection.isOpen) connection.close();
    throw error;
  }
}

function createForget(db: Database, clock: Clock): Log["forget"] {
  const forget = db.prepare(
    "DELETE FROM answers WHERE (user, key) IN (SELECT user, key FROM answers WHERE at < ? LIMIT ?)",
  );
  return async (before) => {
    while (db.write(() => forget.run(before, forgottenAtOnce).changes) === forgottenAtOnce) {
      await new Promise<void>((resolve) => clock.soon(resolve));
    }
  };
}
