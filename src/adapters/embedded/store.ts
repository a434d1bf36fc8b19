// Owns the embedded store as a whole: one SQLite file and what is built on it. The only file that others import to open it.
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import type {
  Blocks,
  Clock,
  Erasures,
  FileRows,
  Log,
  Sessions,
  Spending,
  StoreFailure,
  Users,
} from "../../server/ports.ts";
import { createBlocks, createSpending } from "./blocks.ts";
import { BrokenSeal } from "./cipher.ts";
import { Codec } from "./codec.ts";
import { createCommit } from "./commit.ts";
import { Database } from "./database.ts";
import { createErasure } from "./erasure.ts";
import { createFileRows } from "./files.ts";
import { openFile, type FileOptions } from "./file.ts";
import { Hot } from "./hot.ts";
import { openIncarnation } from "./incarnation.ts";
import { Keys } from "./keys.ts";
import { createLeases } from "./leases.ts";
import { createReads } from "./reads.ts";
import { StoreRefusal } from "./refusal.ts";
import { createRotation, type Rotation } from "./rotation.ts";
import { createSearch, messagesOfPage } from "./search.ts";
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
  readonly fileRows: FileRows;
  readonly rotation: Rotation;
  readonly erasures: Erasures;
  close(): Promise<void>;
};

export type StoreOptions = FileOptions & {
  readonly clock: Clock;
  /** Rows that the tail may have before old ones are moved: see tail.ts. */
  readonly tailRows?: number | undefined;
  /** Messages that one page of a search looks into, about: see search.ts. */
  readonly messagesOfPage?: number | undefined;
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
    const keys = new Keys(db, vault);
    const codec = new Codec(keys);
    const hot = new Hot();
    const tail = new Tail(db, hot, options.tailRows ?? longestTail);
    tail.load(codec);
    db.onEnd = (committed) => {
      hot.end(committed);
      tail.end(committed);
      keys.end(committed);
      if (committed) incarnation.committed(db.commits);
    };
    const parts = { hot, tail, keys };
    const erasure = createErasure(db, codec, parts, clock);
    const commit = createCommit(db, codec, { ...parts, erasure }, clock);
    const rotation = createRotation(db, keys, vault, clock);
    const search = createSearch(db, codec, parts, {
      clock,
      messagesOfPage: options.messagesOfPage ?? messagesOfPage,
    });
    let closed = false;
    const close = async (): Promise<void> => {
      if (closed) return;
      closed = true;
      erasure.close();
      rotation.close();
      // The witness is written while the file is still ours.
      incarnation.close(db.commits, db.checkpoint());
      db.close();
      await search.close();
    };
    const log: Log = {
      epoch: incarnation.epoch,
      close,
      ...createReads(db, codec, hot, tail),
      ...createLeases(db, hot),
      list: search.list,
      commit: async (works) => commit(works),
      forget: createForget(db, clock),
    };
    return {
      log,
      sessions: createSessions(db, codec, hot, clock),
      users: createUsers(db, codec, clock),
      rotation,
      blocks: createBlocks(db, codec),
      spending: createSpending(db),
      fileRows: createFileRows(db, codec),
      erasures: erasure.people,
      close,
    };
  } catch (error) {
    if (connection.isOpen) connection.close();
    throw error instanceof BrokenSeal ? damaged(file, error) : error;
  }
}

const damaged = (file: string, cause: BrokenSeal): StoreRefusal =>
  new StoreRefusal(`${file} is damaged: ${cause.message}. Restore it from a backup.`, { cause });

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
