// Owns what the embedded store refuses to start on, and in which words.
import { copyFileSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync, chmodSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, expect, it } from "vitest";
import { assertVersion } from "../../src/adapters/embedded/file.ts";
import { plainVault } from "../../src/adapters/embedded/plain-vault.ts";
import type { Vault } from "../../src/adapters/embedded/vault.ts";
import { applicationId, migrate, migrations } from "../../src/adapters/embedded/schema.ts";
import { openStore, StoreRefusal, type Store } from "../../src/adapters/embedded/store.ts";
import { systemClock } from "../../src/server/clock.ts";
import { append, create, done, readAll, say, start, titled, userMessage } from "../contract/rows.ts";
import { startChild } from "../support/child.ts";
import { temporaryDirectory } from "../support/temporary.ts";
import { testVault } from "../support/vault.ts";
import { pieceOf } from "./pieces.ts";

const open = (file: string, vault: Vault = testVault()): Store =>
  openStore({ file, vault, durability: "process", clock: systemClock });

/** The sentence of a refusal. */
function refusal(file: string): string {
  try {
    void open(file).close();
  } catch (error) {
    if (error instanceof StoreRefusal) return error.message;
    throw error;
  }
  return "opened";
}

const holder = join(import.meta.dirname, "holder.ts");

describe("the embedded store's file", () => {
  it("ST10 a second process is refused at once, in a sentence; after kill -9 the file is free", async () => {
    const file = join(temporaryDirectory(), "t.db");
    const child = startChild(holder, [file]);
    await child.printed(1);
    expect(child.lines).toEqual(["open"]);
    const began = performance.now();
    expect(refusal(file)).toBe(
      `Another process is using ${file}. One Throughline per DATA_DIR: stop the other one, or set another DATA_DIR.`,
    );
    expect(performance.now() - began).toBeLessThan(2_000);
    child.process.kill("SIGKILL");
    await child.ended;
    expect(refusal(file)).toBe("opened");
  });

  it("ST10 a refused second opening does not loosen the first one's hold, in the same process neither", async () => {
    const file = join(temporaryDirectory(), "t.db");
    const store = open(file);
    expect(refusal(file)).toMatch(/^Another process is using/);
    await done(store.log, create("c-0"));
    const child = startChild(holder, [file]);
    await child.ended;
    expect(child.lines[0]).toMatch(/^StoreRefusal: Another process is using/);
    await done(store.log, append("c-0", titled("still ours")));
    await store.close();
  });

  it("ST10 a directory that cannot be written is refused with the way out", async () => {
    const directory = temporaryDirectory();
    const file = join(directory, "t.db");
    await open(file).close();
    for (const name of ["t.db", "incarnation.json"]) chmodSync(join(directory, name), 0o444);
    chmodSync(directory, 0o555);
    const child = startChild(holder, [file, "", "65534"]);
    await child.ended;
    chmodSync(directory, 0o755);
    expect(child.lines).toHaveLength(1);
    expect(child.lines[0]).toMatch(/^StoreRefusal: .* (cannot be written|cannot be opened)\. Give this user/);
  });

  it("ST10 a path that cannot be a file is refused in a sentence", () => {
    const directory = temporaryDirectory();
    mkdirSync(join(directory, "t.db"));
    writeFileSync(join(directory, "plain"), "");
    expect(refusal(join(directory, "t.db"))).toMatch(/cannot be opened\. Give this user/);
    expect(refusal(join(directory, "plain", "t.db"))).toMatch(
      /cannot be used for the database \((EEXIST|ENOTDIR)\)\.$/,
    );
  });

  it("ST11 files of others are refused and not touched", () => {
    const directory = temporaryDirectory();
    const other = join(directory, "other.db");
    const db = new DatabaseSync(other);
    db.exec("CREATE TABLE theirs (x); INSERT INTO theirs VALUES (1)");
    db.close();
    writeFileSync(join(directory, "text.db"), "this is a text, and a long one at that\n".repeat(100));
    for (const name of ["other.db", "text.db"]) {
      const before = readFileSync(join(directory, name));
      expect(refusal(join(directory, name))).toMatch(/is no Throughline database/);
      expect(readFileSync(join(directory, name)).equals(before)).toBe(true);
    }
  });

  it("ST11 an empty file is a new store", () => {
    const file = join(temporaryDirectory(), "t.db");
    writeFileSync(file, "");
    expect(refusal(file)).toBe("opened");
  });

  it("ST13 a file of a newer schema is refused and not touched", async () => {
    const file = join(temporaryDirectory(), "t.db");
    await open(file).close();
    const db = new DatabaseSync(file);
    db.exec(`PRAGMA user_version = ${migrations.length + 1}`);
    db.close();
    const before = readFileSync(file);
    expect(refusal(file)).toContain(
      `was written by a newer Throughline (schema ${migrations.length + 1}; this one knows ${migrations.length}). Start the newer`,
    );
    expect(readFileSync(file).equals(before)).toBe(true);
  });

  it("ST11 OP08 a SQLite older than 3.51.3 is refused", () => {
    for (const old of ["3.51.2", "3.50.9", "2.99.99", "3.9.100", "3.51"])
      expect(() => assertVersion(old)).toThrow(StoreRefusal);
    for (const good of ["3.51.3", "3.51.10", "3.60.0", "4.0.0"]) expect(() => assertVersion(good)).not.toThrow();
  });

  it("ST11 a damaged page is found at the start, whichever it is", async () => {
    const directory = temporaryDirectory();
    const file = join(directory, "t.db");
    const store = open(file);
    await store.log.commit([create("c-0"), ...Array.from({ length: 60 }, (_, n) => say("c-0", userMessage(`m-${n}`)))]);
    await store.close();
    const whole = readFileSync(file);
    const pages = whole.length / 4096;
    expect(pages).toBeGreaterThan(20);
    for (let page = 0; page < pages; page++) {
      const copy = Buffer.from(whole);
      // The type of the page: every page in use is a node of some tree.
      const at = page * 4096 + (page === 0 ? 100 : 0);
      copy.writeUInt8((copy.readUInt8(at) ^ 0xff) & 0xff, at);
      const torn = join(directory, "torn.db");
      for (const end of ["", "-wal"]) rmSync(torn + end, { force: true });
      writeFileSync(torn, copy);
      expect(`page ${page}: ${refusal(torn)}`).toMatch(/ is damaged\. Restore it from a backup/);
    }
  });

  it("ST13 a migration killed before any of its statements leaves the old version or the new one", async () => {
    const fresh = join(temporaryDirectory(), "fresh.db");
    await open(fresh).close();
    const schemaOf = (file: string): unknown[] => {
      const db = new DatabaseSync(file);
      const rows = db.prepare("SELECT type, name, sql FROM sqlite_schema ORDER BY name").all();
      db.close();
      return rows;
    };
    const wanted = schemaOf(fresh);
    // BEGIN, two pragmas and COMMIT around the statements of each version.
    const firstVersion = (migrations[0]?.length ?? 0) + 4;
    const count = migrations.reduce((sum, statements) => sum + statements.length + 4, 0);
    const directory = temporaryDirectory();
    // A few at a time: the machine may be small.
    const kill = async (nth: number): Promise<void> => {
      const file = join(directory, `${nth}.db`);
      const child = startChild(join(import.meta.dirname, "migrate-child.ts"), [file, String(nth)]);
      expect((await child.ended).signal).toBe("SIGKILL");
      expect(schemaOf(file).length > 0).toBe(nth >= firstVersion);
      expect(schemaOf(file)).not.toEqual(wanted);
      expect(refusal(file)).toBe("opened");
      expect(schemaOf(file)).toEqual(wanted);
    };
    for (let nth = 0; nth < count; nth += 2)
      await Promise.all([kill(nth), ...(nth + 1 < count ? [kill(nth + 1)] : [])]);
  });

  it("ST13 a later version goes on from the one before, with what was stored", async () => {
    const file = join(temporaryDirectory(), "t.db");
    const store = open(file);
    await done(store.log, create("c-0"));
    await store.close();
    const db = new DatabaseSync(file);
    const seen: string[] = [];
    const next = [...migrations, ["ALTER TABLE conversations ADD COLUMN pinned INTEGER NOT NULL DEFAULT 0"]];
    migrate(db, migrations.length, next, (statement) => void seen.push(statement));
    expect(seen).toEqual([
      "BEGIN IMMEDIATE",
      "ALTER TABLE conversations ADD COLUMN pinned INTEGER NOT NULL DEFAULT 0",
      `PRAGMA application_id = ${applicationId}`,
      `PRAGMA user_version = ${next.length}`,
      "COMMIT",
    ]);
    expect(db.prepare("SELECT id, pinned FROM conversations").get()).toEqual({ id: "c-0", pinned: 0 });
    db.close();
  });

  it("OP11 what was erased is gone from the file", async () => {
    const directory = temporaryDirectory();
    const file = join(directory, "t.db");
    const canary = "canary-7f3a";
    // In clear, so that it can be looked for.
    const store = open(file, plainVault);
    const messages = Array.from({ length: 40 }, (_, n) =>
      say("c-0", userMessage(`m-${n}`, null, `${canary} ${"y".repeat(n * 150)}`)),
    );
    await store.log.commit([
      create("c-0", { title: canary }),
      create("c-1"),
      ...messages,
      start("c-0"),
      start("c-1"),
      // The one that stays is behind the one that goes, so that the tail is not simply dropped.
      pieceOf("c-1", "stays"),
      pieceOf("c-0", canary),
    ]);
    await done(store.log, {
      conversation: "c-0",
      decide: () => ({ events: [{ kind: "conversation.deleted", at: "" }], erase: true, answer: {} }),
    });
    await store.close();
    expect(readFileSync(file).includes(canary)).toBe(false);
    expect(() => statSync(`${file}-wal`)).toThrow();
    const again = open(file, plainVault);
    expect((await readAll(again.log, "c-1")).entries).toHaveLength(3);
    await again.close();
  });

  it("OP10 a copy of the closed file alone is a whole store", async () => {
    const directory = temporaryDirectory();
    const store = open(join(directory, "t.db"));
    await done(store.log, create("c-0"));
    await store.close();
    mkdirSync(join(directory, "copy"));
    copyFileSync(join(directory, "t.db"), join(directory, "copy", "t.db"));
    const copy = open(join(directory, "copy", "t.db"));
    expect((await copy.log.conversation("c-0"))?.head).toBe(1);
    await copy.close();
  });
});
