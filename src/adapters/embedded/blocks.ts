// Owns the rows of blocks and of tokens used. Must not judge whether a block still counts: the server does.
import type { BlockRecord, Blocks, Spending } from "../../server/ports.ts";
import type { Codec } from "./codec.ts";
import type { Database } from "./database.ts";
import { integer, integerOrNull, text, type Row } from "./rows.ts";

/** The tables of this file: one version of the schema. Ranges, keys, times and counts in clear; what an operator wrote is sealed. */
export const fairUseTables: readonly string[] = [
  `CREATE TABLE blocks (
    range TEXT PRIMARY KEY,
    reach TEXT NOT NULL,
    by TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    until INTEGER,
    reason BLOB
  ) STRICT, WITHOUT ROWID`,
  `CREATE TABLE spending (
    key TEXT PRIMARY KEY,
    tokens INTEGER NOT NULL,
    since INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID`,
];

const reasonContext = (range: string): string => `block:${range}`;

export function createBlocks(db: Database, codec: Codec): Blocks {
  const all = db.prepare("SELECT * FROM blocks");
  const put = db.prepare(
    "INSERT OR REPLACE INTO blocks (range, reach, by, created_at, until, reason) VALUES (?, ?, ?, ?, ?, ?)",
  );
  const remove = db.prepare("DELETE FROM blocks WHERE range = ?");

  const recordOf = (row: Row): BlockRecord => {
    const range = text(row, "range");
    const until = integerOrNull(row, "until");
    const reason = codec.openText(row, "reason", reasonContext(range));
    return {
      range,
      // Whatever is not known shuts out more rather than less.
      reach: text(row, "reach") === "guests" ? "guests" : "everyone",
      by: text(row, "by") === "score" ? "score" : "operator",
      createdAt: integer(row, "created_at"),
      ...(until === null ? {} : { until }),
      ...(reason === undefined ? {} : { reason }),
    };
  };

  return {
    all: async () => db.read(() => all.all().map(recordOf)),
    put: async ({ range, reach, by, createdAt, until, reason }) =>
      db.write(() => {
        put.run(range, reach, by, createdAt, until ?? null, codec.sealText(reason, reasonContext(range)));
      }),
    remove: async (range) =>
      db.write(() => {
        remove.run(range);
      }),
  };
}

export function createSpending(db: Database): Spending {
  const all = db.prepare("SELECT key, tokens, since FROM spending WHERE since >= ?");
  const put = db.prepare("INSERT OR REPLACE INTO spending (key, tokens, since) VALUES (?, ?, ?)");
  const forget = db.prepare("DELETE FROM spending WHERE since < ?");

  /** What nobody asked for at the start goes with the first write: a store without room can still be read. */
  let forgotten = 0;

  return {
    async all(since) {
      forgotten = since;
      const rows = db.read(() => all.all(since));
      return rows.map((row) => ({
        key: text(row, "key"),
        tokens: integer(row, "tokens"),
        since: integer(row, "since"),
      }));
    },
    put: async (spent) =>
      db.write(() => {
        if (forgotten > 0) forget.run(forgotten);
        forgotten = 0;
        for (const { key, tokens, since } of spent) put.run(key, tokens, since);
      }),
  };
}
