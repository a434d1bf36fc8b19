// Owns how a database file is opened: alone, of a known version, whole, and writable. Refuses in sentences; reads no table of the log.
import { mkdirSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { code, resultCode } from "./failures.ts";
import { StoreRefusal } from "./refusal.ts";
import { applicationId, migrate, migrations } from "./schema.ts";
import { sealing, sweep, unlock } from "./sealing.ts";
import type { Vault } from "./vault.ts";

/** The first SQLite whose WAL never loses a committed frame when it is reset. Source: sqlite.org/changes.html, 3.51.3. */
const oldestSqlite = "3.51.3";
/** Files up to this size are checked whole at the start (about 0.3 s); of larger ones, only the small tables. */
const checkedWhole = 64 * 1024 * 1024;
/** How long (ms) another process may hold the file before this one gives up. */
const lockTimeout = 200;

export type FileOptions = {
  readonly file: string;
  readonly durability: "process" | "disk";
  readonly vault: Vault;
  /** Upper bound of the file in pages of 4096 bytes. */
  readonly maxPages?: number | undefined;
};

/** Opens the file and brings it to the newest schema. Throws StoreRefusal. */
export function openFile(options: FileOptions): DatabaseSync {
  const { file } = options;
  let db: DatabaseSync | undefined;
  try {
    mkdirSync(dirname(file), { recursive: true });
    db = new DatabaseSync(file, { timeout: lockTimeout });
    prepare(db, options);
    return db;
  } catch (error) {
    if (db?.isOpen === true) db.close();
    throw error instanceof StoreRefusal ? error : refusal(file, error);
  }
}

function prepare(db: DatabaseSync, { file, durability, vault, maxPages }: FileOptions): void {
  assertVersion(String(pragma(db, "SELECT sqlite_version()")));
  // Held until the process ends, however it ends: the system frees it. Nobody else can open the file meanwhile.
  db.exec("PRAGMA locking_mode = EXCLUSIVE");
  const version = checkOwnership(db, file);
  db.exec("PRAGMA journal_mode = WAL");
  db.exec(`PRAGMA synchronous = ${durability === "disk" ? "FULL" : "NORMAL"}`);
  db.exec("PRAGMA cell_size_check = ON");
  db.exec("PRAGMA secure_delete = ON");
  if (maxPages !== undefined) db.exec(`PRAGMA max_page_count = ${maxPages}`);
  if (version > 0) checkPages(db, file, version);
  // Before anything is written that the key would have to seal.
  unlock(db, version, vault);
  if (version < migrations.length) sealing(db, vault);
  migrate(db, version);
  sweep(db);
  // From here on no statement opens a file of its own: where none is to be had, the store would count as broken (RO2). Not
  // before: what rewrites the whole file may take more than memory has.
  db.exec("PRAGMA temp_store = MEMORY");
  // Says at once, and not at the first message, that the disk is full or read-only.
  db.exec("BEGIN IMMEDIATE; UPDATE store SET commits = commits; COMMIT");
}

/** The only value of the first row. */
function pragma(db: DatabaseSync, sql: string): unknown {
  return Object.values(db.prepare(sql).get() ?? {})[0];
}

/** Refuses a SQLite that is too old. */
export function assertVersion(version: string): void {
  const [have, want] = [version, oldestSqlite].map((text) => text.split(".").map(Number));
  const differing = want?.findIndex((part, i) => part !== have?.[i]) ?? -1;
  if (differing === -1 || (have?.[differing] ?? 0) > (want?.[differing] ?? 0)) return;
  throw new StoreRefusal(
    `This Node.js has SQLite ${version}; Throughline needs ${oldestSqlite} or newer. Use a newer Node.js 24.`,
  );
}

/** The schema version of the file, 0 for an empty one. Refuses foreign and newer files before anything is written to them. */
function checkOwnership(db: DatabaseSync, file: string): number {
  const application = pragma(db, "PRAGMA application_id");
  const version = Number(pragma(db, "PRAGMA user_version"));
  const tables = Number(pragma(db, "SELECT count(*) FROM sqlite_schema"));
  const fresh = application === 0 && tables === 0 && version === 0;
  if (!fresh && application !== applicationId) {
    throw new StoreRefusal(
      `${file} is no Throughline database. Set DATA_DIR to another directory, or move the file away.`,
    );
  }
  if (version > migrations.length) {
    throw new StoreRefusal(
      `${file} was written by a newer Throughline (schema ${version}; this one knows ${migrations.length}). Start the newer version.`,
    );
  }
  return version;
}

function checkPages(db: DatabaseSync, file: string, version: number): void {
  const whole = statSync(file).size <= checkedWhole;
  const small = ["store", "tail", "conversations", "turns", "users", "sessions", ...(version > 1 ? ["keys"] : [])];
  const checks = whole ? ["PRAGMA quick_check(1)"] : small.map((table) => `PRAGMA quick_check(${table})`);
  for (const check of checks) {
    if (pragma(db, check) !== "ok") throw damaged(file);
  }
}

const damaged = (file: string): StoreRefusal =>
  new StoreRefusal(
    `${file} is damaged. Restore it from a backup, or recover what is left with the sqlite3 command's .recover.`,
  );

/** What an error at the start means for the operator. */
function refusal(file: string, error: unknown): StoreRefusal {
  const directory = dirname(file);
  const sentences: Record<number, string> = {
    [code.busy]: `Another process is using ${file}. One Throughline per DATA_DIR: stop the other one, or set another DATA_DIR.`,
    [code.readonly]: `${file} cannot be written. Give this user write access to ${directory} and to the files in it.`,
    [code.open]: `${file} cannot be opened. Give this user read and write access to ${directory}.`,
    [code.full]: `There is no room left on the disk of ${directory}.`,
    [code.notadb]: `${file} is no Throughline database. Set DATA_DIR to another directory, or move the file away.`,
    [code.io]: `The disk of ${directory} fails: ${file} cannot be read or written.`,
  };
  const result = resultCode(error);
  if (result === code.corrupt) return damaged(file);
  const why = error instanceof Error && "code" in error ? ` (${String(error.code)})` : "";
  return new StoreRefusal(sentences[result ?? -1] ?? `${directory} cannot be used for the database${why}.`, {
    cause: error,
  });
}
