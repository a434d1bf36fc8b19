// Owns the tables of the embedded store and the way from each version to the next; must not hold a query.
import type { DatabaseSync } from "node:sqlite";
import { fairUseTables } from "./blocks.ts";
import { erasureTables } from "./erasure.ts";
import { fileTables } from "./files.ts";

/** Marks a SQLite file as one of ours: "TLin" in ASCII. Source: sqlite.org, PRAGMA application_id. */
export const applicationId = 0x544c696e;

/**
 * One list of statements per version. A list that was released is never changed: a new version is a new list.
 * Columns in clear are ids, times, counts and statuses (docs/security.md lists them); whatever a person or a model wrote,
 * or a client calls itself, is a sealed BLOB.
 */
export const migrations: readonly (readonly string[])[] = [
  [
    `CREATE TABLE store (
      one INTEGER PRIMARY KEY CHECK (one = 1),
      epoch TEXT NOT NULL,
      commits INTEGER NOT NULL
    ) STRICT`,
    `INSERT INTO store (one, epoch, commits) VALUES (1, '', 0)`,
    `CREATE TABLE conversations (
      cid INTEGER PRIMARY KEY,
      id TEXT NOT NULL UNIQUE,
      user TEXT NOT NULL,
      title BLOB,
      created_at INTEGER NOT NULL,
      updated_at INTEGER NOT NULL,
      head INTEGER NOT NULL,
      newest TEXT,
      archived INTEGER NOT NULL,
      deleted INTEGER NOT NULL
    ) STRICT`,
    `CREATE INDEX conversations_of_user ON conversations (user, archived, updated_at DESC, id) WHERE deleted = 0`,
    `CREATE TABLE entries (
      cid INTEGER NOT NULL,
      last INTEGER NOT NULL,
      first INTEGER NOT NULL,
      cuts TEXT,
      body BLOB NOT NULL,
      PRIMARY KEY (cid, last)
    ) STRICT, WITHOUT ROWID`,
    `CREATE TABLE tail (
      place INTEGER PRIMARY KEY,
      cid INTEGER NOT NULL,
      last INTEGER NOT NULL,
      turn TEXT NOT NULL,
      length INTEGER NOT NULL,
      body BLOB NOT NULL
    ) STRICT`,
    `CREATE TABLE messages (
      place INTEGER PRIMARY KEY,
      cid INTEGER NOT NULL,
      id TEXT NOT NULL,
      parent TEXT,
      open_since INTEGER,
      body BLOB NOT NULL,
      UNIQUE (cid, id)
    ) STRICT`,
    `CREATE INDEX messages_in_order ON messages (cid, place)`,
    `CREATE TABLE turns (
      cid INTEGER NOT NULL,
      id TEXT NOT NULL,
      user TEXT NOT NULL,
      message TEXT NOT NULL,
      parent TEXT,
      model TEXT NOT NULL,
      status TEXT NOT NULL,
      owner TEXT NOT NULL,
      fence INTEGER NOT NULL,
      lease_until INTEGER NOT NULL,
      attempts INTEGER NOT NULL,
      stalls INTEGER NOT NULL,
      length INTEGER NOT NULL,
      attempt_length INTEGER NOT NULL,
      started_seq INTEGER NOT NULL,
      finished_seq INTEGER,
      settled INTEGER NOT NULL,
      length_seq INTEGER NOT NULL,
      covered_seq INTEGER NOT NULL DEFAULT 0,
      PRIMARY KEY (cid, id)
    ) STRICT, WITHOUT ROWID`,
    `CREATE INDEX turns_running ON turns (cid) WHERE status = 'running'`,
    `CREATE INDEX turns_unsettled ON turns (cid) WHERE status <> 'running' AND settled = 0`,
    `CREATE TABLE answers (
      user TEXT NOT NULL,
      key TEXT NOT NULL,
      hash TEXT NOT NULL,
      at INTEGER NOT NULL,
      body BLOB NOT NULL,
      PRIMARY KEY (user, key)
    ) STRICT, WITHOUT ROWID`,
    `CREATE INDEX answers_by_age ON answers (at)`,
    `CREATE TABLE users (
      id TEXT PRIMARY KEY,
      issuer TEXT,
      subject TEXT,
      name BLOB,
      created_at INTEGER NOT NULL,
      UNIQUE (issuer, subject)
    ) STRICT, WITHOUT ROWID`,
    `CREATE TABLE sessions (
      id TEXT PRIMARY KEY,
      user TEXT NOT NULL,
      token_hash TEXT NOT NULL UNIQUE,
      created_at INTEGER NOT NULL,
      last_seen_at INTEGER NOT NULL,
      revoked_at INTEGER,
      client BLOB
    ) STRICT, WITHOUT ROWID`,
    `CREATE INDEX sessions_of_user ON sessions (user)`,
  ],
  // Encryption: a key for each conversation, and everything that was stored in clear sealed under it. See sealing.ts.
  [
    `CREATE TABLE keys (cid INTEGER PRIMARY KEY, master TEXT NOT NULL, wrapped BLOB NOT NULL) STRICT`,
    `CREATE INDEX keys_by_master ON keys (master)`,
    `INSERT INTO keys SELECT 0, master_name(), fresh_key('store')`,
    `INSERT INTO keys SELECT cid, master_name(), fresh_key(id) FROM conversations`,
    `UPDATE conversations SET title = (SELECT seal(k.master, k.wrapped, id, 'title:' || id, title)
      FROM keys k WHERE k.cid = conversations.cid) WHERE title IS NOT NULL`,
    `UPDATE entries SET body = (SELECT seal(k.master, k.wrapped, c.id, 'entry:' || c.id || ':' || last,
      CASE WHEN cuts IS NULL THEN body ELSE '[' || CAST(body AS TEXT) || ',' || cuts || ']' END)
      FROM keys k JOIN conversations c USING (cid) WHERE k.cid = entries.cid)`,
    `ALTER TABLE entries DROP COLUMN cuts`,
    `UPDATE tail SET body = (SELECT seal(k.master, k.wrapped, c.id, 'entry:' || c.id || ':' || last, body)
      FROM keys k JOIN conversations c USING (cid) WHERE k.cid = tail.cid)`,
    `UPDATE messages SET body = (SELECT seal(k.master, k.wrapped, c.id, 'message:' || c.id || ':' || messages.id, body)
      FROM keys k JOIN conversations c USING (cid) WHERE k.cid = messages.cid)`,
    `ALTER TABLE answers ADD COLUMN cid INTEGER NOT NULL DEFAULT 0`,
    `UPDATE answers SET body = (SELECT seal(k.master, k.wrapped, 'store', 'answer:' || user || ':' || key,
      '[' || json_quote(hash) || ',' || CAST(body AS TEXT) || ']') FROM keys k WHERE k.cid = 0)`,
    `ALTER TABLE answers DROP COLUMN hash`,
    `UPDATE users SET name = (SELECT seal(k.master, k.wrapped, 'store', 'user:' || id, name)
      FROM keys k WHERE k.cid = 0) WHERE name IS NOT NULL`,
    `UPDATE sessions SET client = (SELECT seal(k.master, k.wrapped, 'store', 'session:' || id, client)
      FROM keys k WHERE k.cid = 0) WHERE client IS NOT NULL`,
    `ALTER TABLE store ADD COLUMN swept INTEGER NOT NULL DEFAULT 0`,
  ],
  fairUseTables,
  fileTables,
  erasureTables,
];

/**
 * Brings a file from `version` to the newest: each version in one transaction, with its number, so that a crash leaves the
 * old one or the new one. `before` is called before each statement.
 */
export function migrate(
  db: DatabaseSync,
  version: number,
  steps: readonly (readonly string[])[] = migrations,
  before: (statement: string) => void = () => undefined,
): void {
  steps.slice(version).forEach((statements, i) => {
    const all = [
      "BEGIN IMMEDIATE",
      ...statements,
      `PRAGMA application_id = ${applicationId}`,
      `PRAGMA user_version = ${version + i + 1}`,
      "COMMIT",
    ];
    for (const statement of all) {
      before(statement);
      db.exec(statement);
    }
  });
}
