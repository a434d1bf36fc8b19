// Owns the rows of files: who sent them, which conversation has them, and their sealed name and key. No byte of a file.
import type { FileRecord, FileRows, KeyedFile } from "../../server/ports.ts";
import type { Codec } from "./codec.ts";
import type { Database } from "./database.ts";
import { integer, text, textOrNull, type Row } from "./rows.ts";

/**
 * The table of this file: one version of the schema. Ids, times and sizes in clear; name, type, hash and key are sealed
 * under the store's key. Without `body` a row only says that its bytes have to go.
 */
export const fileTables: readonly string[] = [
  `CREATE TABLE files (
    id TEXT PRIMARY KEY,
    user TEXT NOT NULL,
    cid INTEGER,
    created_at INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    body BLOB
  ) STRICT, WITHOUT ROWID`,
  `CREATE INDEX files_of_conversation ON files (cid) WHERE cid IS NOT NULL`,
  `CREATE INDEX files_of_user ON files (user) WHERE body IS NOT NULL`,
  `CREATE INDEX files_loose ON files (created_at) WHERE cid IS NULL AND body IS NOT NULL`,
  `CREATE INDEX files_dropped ON files (id) WHERE body IS NULL`,
];

/** What is left of a file that is dropped: its key is gone with everything else. */
const nothing = "user = '', cid = NULL, bytes = 0, body = NULL";

type Body = Pick<FileRecord, "name" | "mediaType" | "sha256"> & { readonly key: string };
const isBody = (value: unknown): value is Body =>
  typeof value === "object" &&
  value !== null &&
  ["name", "mediaType", "sha256", "key"].every((name) => typeof Reflect.get(value, name) === "string");
const contextOf = (id: string): string => `file:${id}`;

const columns = "f.id, f.user, f.created_at, f.bytes, f.body, c.id AS conversation";
const findFile = `SELECT ${columns} FROM files f LEFT JOIN conversations c USING (cid) WHERE f.id = ? AND f.body IS NOT NULL`;

function fileOf(codec: Codec, row: Row): KeyedFile {
  const id = text(row, "id");
  const { key, ...body } = codec.openShared(row, "body", contextOf(id), isBody);
  const conversation = textOrNull(row, "conversation");
  return {
    id,
    user: text(row, "user"),
    ...(conversation === null ? {} : { conversation }),
    createdAt: integer(row, "created_at"),
    bytes: integer(row, "bytes"),
    ...body,
    key: Buffer.from(key, "base64"),
  };
}

/** A file within the running transaction, without its key. */
export function readFile(db: Database, codec: Codec, id: string): FileRecord | undefined {
  const row = db.prepare(findFile).get(id);
  if (row === undefined) return undefined;
  const { key: _, ...file } = fileOf(codec, row);
  return file;
}

/** Within a transaction: these files are the conversation's. */
export function attachFiles(db: Database, cid: number, ids: readonly string[]): void {
  const attach = db.prepare("UPDATE files SET cid = ? WHERE id = ? AND body IS NOT NULL");
  for (const id of ids) attach.run(cid, id);
}

/** Within a transaction: the files of a conversation, or those of a person, are dropped. */
export function dropFiles(db: Database, of: { readonly cid: number } | { readonly user: string }): void {
  if ("cid" in of) db.prepare(`UPDATE files SET ${nothing} WHERE cid = ?`).run(of.cid);
  else db.prepare(`UPDATE files SET ${nothing} WHERE user = ? AND body IS NOT NULL`).run(of.user);
}

/** Within a transaction: what a guest has sent is somebody else's. */
export function moveFiles(db: Database, guest: string, user: string): void {
  db.prepare("UPDATE files SET user = ?1 WHERE user = ?2 AND body IS NOT NULL").run(user, guest);
}

export function createFileRows(db: Database, codec: Codec): FileRows {
  const find = db.prepare(findFile);
  const add = db.prepare("INSERT INTO files (id, user, cid, created_at, bytes, body) VALUES (?, ?, NULL, ?, ?, ?)");
  const expire = db.prepare(`UPDATE files SET ${nothing} WHERE cid IS NULL AND body IS NOT NULL AND created_at < ?`);
  const dropped = db.prepare("SELECT id FROM files WHERE body IS NULL ORDER BY id LIMIT ?");
  const forget = db.prepare("DELETE FROM files WHERE id = ? AND body IS NULL");
  return {
    add: async ({ id, user, createdAt, bytes, name, mediaType, sha256, key }) =>
      db.write(() => {
        const body: Body = { name, mediaType, sha256, key: Buffer.from(key).toString("base64") };
        add.run(id, user, createdAt, bytes, codec.sealShared(body, contextOf(id)));
      }),
    find: async (id) =>
      db.read(() => {
        const row = find.get(id);
        return row && fileOf(codec, row);
      }),
    expire: async (before) =>
      db.write(() => {
        expire.run(before);
      }),
    dropped: async (limit) => db.read(() => dropped.all(limit).map((row) => text(row, "id"))),
    forget: async (ids) =>
      db.write(() => {
        for (const id of ids) forget.run(id);
      }),
  };
}
