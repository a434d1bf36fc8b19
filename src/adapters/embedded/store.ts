// Owns the embedded store as a whole: one SQLite file and what is built on it. The only file that others import to open it.
import { dirname, join } from "node:path";
import type { Clock, Log, Sessions, Users, Vault } from "../../server/ports.ts";
import { Codec } from "./codec.ts";
import { createCommit } from "./commit.ts";
import { Database } from "./database.ts";
import { openFile, type FileOptions } from "./file.ts";
import { openIncarnation } from "./incarnation.ts";
import { createLeases } from "./leases.ts";
import { createReads } from "./reads.ts";
import { createSessions } from "./sessions.ts";
import { createUsers } from "./users.ts";

export { StoreRefusal } from "./refusal.ts";

export type Store = { readonly log: Log; readonly sessions: Sessions; readonly users: Users; close(): Promise<void> };

export type StoreOptions = FileOptions & { readonly vault: Vault; readonly clock: Clock };

/** Answers that one transaction forgets at most: keeps the loop free. */
const forgottenAtOnce = 500;

/** Opens the store, alone. Throws StoreRefusal with a sentence for the operator. */
export function openStore(options: StoreOptions): Store {
  const { file, vault, clock, durability } = options;
  const connection = openFile(options);
  try {
    const witness = join(dirname(file), "incarnation.json");
    const incarnation = openIncarnation(connection, { file: witness, durability, clock });
    const db = new Database(connection, incarnation.commits);
    const codec = new Codec(vault);
    db.onCommit = (commits) => incarnation.committed(commits);
    let closed = false;
    const close = async (): Promise<void> => {
      if (closed) return;
      closed = true;
      // The witness is written while the file is still ours.
      incarnation.close(db.commits, db.checkpoint());
      db.close();
    };
    const log = createLog(db, codec, clock, { epoch: incarnation.epoch, close });
    return { log, sessions: createSessions(db, codec), users: createUsers(db, codec, clock), close };
  } catch (error) {
    if (connection.isOpen) connection.close();
    throw error;
  }
}

function createLog(db: Database, codec: Codec, clock: Clock, whole: Pick<Log, "epoch" | "close">): Log {
  const commit = createCommit(db, codec, clock);
  const forget = db.prepare(
    "DELETE FROM answers WHERE (user, key) IN (SELECT user, key FROM answers WHERE at < ? LIMIT ?)",
  );
  return {
    ...whole,
    ...createReads(db, codec),
    ...createLeases(db),
    commit: async (works) => commit(works),
    async forget(before) {
      while (db.write(() => forget.run(before, forgottenAtOnce).changes) === forgottenAtOnce) {
        await new Promise<void>((resolve) => clock.soon(resolve));
      }
    },
  };
}
