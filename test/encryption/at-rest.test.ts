// Owns that nothing of a person or a model can be read in the files, whatever happens to the process, and what is listed as readable.
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { BrokenSeal } from "../../src/adapters/embedded/cipher.ts";
import { plainVault } from "../../src/adapters/embedded/plain-vault.ts";
import { openStore, StoreRefusal, type Store } from "../../src/adapters/embedded/store.ts";
import type { Vault } from "../../src/adapters/embedded/vault.ts";
import { systemClock } from "../../src/server/clock.ts";
import { create, done, known, readAll, say, start, userMessage, work } from "../contract/rows.ts";
import { ServerProcess } from "../e2e/server-process.ts";
import { pieceOf } from "../store/pieces.ts";
import { expectedText, startModelServer, type ModelServer } from "../support/model-server.ts";
import { temporaryDirectory } from "../support/temporary.ts";
import { testKey, testVault } from "../support/vault.ts";
import { until, WireClient } from "../support/wire-client.ts";
import { findText } from "./files.ts";

const open = (file: string, vault: Vault = testVault()): Store =>
  openStore({ file, vault, durability: "process", clock: systemClock });

const erase = (id: string) =>
  work(id, (view) => ({
    events: [{ kind: "conversation.deleted", at: "" }],
    conversation: { ...known(view), deleted: true },
    erase: true,
  }));

/** A copy of the database as a process that was killed would leave it. */
function copyOf(directory: string): string {
  const copy = temporaryDirectory();
  // By another process: closing a second descriptor of the file here would free the store's lock (POSIX).
  execFileSync("bash", ["-c", 'cp "$0"/* "$1"', directory, copy]);
  return copy;
}

describe("a server's files", () => {
  let model: ModelServer;
  let server: ServerProcess;
  beforeAll(async () => {
    model = await startModelServer({ prefill: true });
    server = new ServerProcess({ MODEL: "openai-compatible:test", OPENAI_BASE_URL: model.url, MODEL_PREFILL: "on" });
  });
  afterAll(async () => {
    await server.dispose();
    await model.close();
  });

  it("VA1 EN07 after real traffic, while it runs, after kill -9 and after a restart: no text is in any file", async () => {
    await server.start();
    const canary = "kanarienvogel-4711";
    const client = await WireClient.connect(server.url, {
      auth: { guest: true, client: { name: `${canary} client`, version: canary } },
    });
    const conversation = crypto.randomUUID();
    const ended = await client.send(conversation, `${canary} {{seed=5 chars=3000}}`);
    const view = await client.open(conversation);
    await until(() => view.finished.get(String(ended["turn"])), "the end of the first reply");
    await client.ask({ type: "conversation.update", conversation, title: `${canary} title` });
    const edited = crypto.randomUUID();
    const edit = { type: "message.edit", conversation, message: ended["message"], replacement: edited };
    const second = await client.ask({
      ...edit,
      parts: [{ type: "text", text: `${canary} edited {{seed=6 chars=500}}` }],
    });
    await until(() => view.finished.get(String(second["turn"])), "the end of the second reply");
    const found = await client.ask({ type: "conversation.list", query: canary });
    expect(found["conversations"]).toMatchObject([{ id: conversation, snippet: { message: edited } }]);
    // One is being made while the process is killed.
    const third = await client.send(conversation, `${canary} {{seed=7 chars=6000 rate=300 piece=8}}`);
    await until(() => view.text(third["reply"]).length > 400, "pieces of the third reply");

    const texts = [
      canary,
      ...[5, 6, 7].flatMap((seed) => [0, 200, 380].map((at) => expectedText(seed, 500).slice(at, at + 24))),
    ];
    const hits = (): string[] =>
      texts.flatMap((text) => findText(server.dataDir, text).map((hit) => `${text} in ${hit}`));
    expect(view.text(third["reply"])).toContain(texts.at(-2));
    // That it is there at all, and that the looking finds it.
    writeFileSync(join(server.dataDir, "proof"), `x${canary}`);
    expect(hits()).toEqual([`${canary} in proof: utf8`]);
    execFileSync("rm", [join(server.dataDir, "proof")]);

    expect(hits()).toEqual([]);
    await server.end("SIGKILL");
    expect(readdirSync(server.dataDir).sort()).toEqual(
      expect.arrayContaining(["incarnation.json", "master.key", "throughline.db", "throughline.db-wal"]),
    );
    expect(hits()).toEqual([]);
    await server.start();
    const again = await WireClient.connect(server.url, { from: client });
    const whole = again.views.get(conversation);
    await until(() => whole?.finished.get(String(third["turn"])), "the end after the restart", 25_000);
    expect(whole?.text(third["reply"])).toBe(expectedText(7, 6000));
    expect(hits()).toEqual([]);
    expect(await server.end("SIGTERM")).toBe(0);
    expect(hits()).toEqual([]);
    // Nor in what it printed.
    expect(texts.filter((text) => server.output.includes(text))).toEqual([]);
  }, 60_000);

  it("VA4 EN06 the process refuses another key, repeats none, and starts with the right one", async () => {
    const key = Buffer.from(testKey(9)).toString("base64");
    const refused = await server.start({ MASTER_KEY: key }).then(
      async () => "started",
      (error: Error) => error.message,
    );
    // The file's key opens, and everything is put under the new one: that is a rotation, not a refusal.
    expect(refused).toBe("started");
    await until(() => server.output.includes("master_key_rotated"), "the rotation");
    await server.end("SIGTERM");
    expect(readdirSync(server.dataDir)).not.toContain("master.key");
    const other = await server.start({ MASTER_KEY: Buffer.from(testKey(1)).toString("base64") }).catch(String);
    expect(other).toMatch(
      /Throughline does not start:\n {2}The data is encrypted under the master key \w{16}, and the/,
    );
    const none = await server.start().catch(String);
    expect(none).toMatch(/master\.key is not there\. Without it nothing can be read: put the right one back/);
    for (const text of [key, key.slice(0, 20)]) expect(server.output).not.toContain(text);
    await server.start({ MASTER_KEY: key });
    await server.end("SIGTERM");
  });
});

describe("what is stored", () => {
  it("VA1 EN08 the columns that are not sealed are those that the page lists", async () => {
    const file = join(temporaryDirectory(), "t.db");
    await open(file).close();
    const db = new DatabaseSync(file);
    const tables = db.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name").all();
    const stored = tables.map(({ name }) => {
      const columns = db.prepare(`SELECT name, type FROM pragma_table_info('${String(name)}')`).all();
      const of = (isSealed: boolean): string[] =>
        columns
          .filter(({ type }) => (type === "BLOB") === isSealed)
          .map((column) => String(column["name"]))
          .sort();
      return [name, of(false), of(true)];
    });
    db.close();
    const page = readFileSync(join(import.meta.dirname, "../../docs/security.md"), "utf8");
    const names = (cell = ""): string[] => [...cell.matchAll(/`(\w+)`/g)].map((match) => match[1] ?? "").sort();
    const described = [...page.matchAll(/^\| `(\w+)` \| (`.*?) \|(.*)\|$/gm)].map(([, name, clear, sealed]) => [
      name,
      names(clear),
      names(sealed),
    ]);
    expect(described.toSorted((a, b) => (String(a[0]) < String(b[0]) ? -1 : 1))).toEqual(stored);
  });

  it("VA1 EN08 every value of a sealed column is sealed, and nothing readable is in the others", async () => {
    const directory = temporaryDirectory();
    const file = join(directory, "t.db");
    const store = open(file);
    const canary = "kanarienvogel";
    const user = await store.users.resolve({ issuer: "i", subject: "s", name: canary, expiresAt: 0 });
    if (!("id" in user)) throw new Error("no user");
    const session = {
      id: "s",
      user: user.id,
      tokenHash: "h",
      createdAt: 1,
      lastSeenAt: 1,
      about: { device: canary, place: canary },
    };
    await store.sessions.create(session);
    const key = { user: "ada", id: "k", hash: "hash-of-a-short-text" };
    await store.log.commit([
      create("c-0", { title: canary }),
      say("c-0", userMessage("m-0", null, canary)),
      start("c-0"),
      pieceOf("c-0", canary),
      { ...work("c-0", () => ({ answer: { canary } })), key },
    ]);
    expect(await done(store.log, { ...work("c-0", () => ({})), key })).toMatchObject({
      repeated: true,
      answer: { canary },
    });
    expect(await store.sessions.findByHash("h")).toEqual(session);
    await store.close();
    const db = new DatabaseSync(file);
    const blobs = ["keys wrapped", "conversations title", "entries body", "tail body", "messages body", "answers body"];
    for (const [table, column] of [...blobs, "users name", "sessions client"].map((name) => name.split(" "))) {
      const rows = db.prepare(`SELECT ${column} AS value FROM ${table} WHERE ${column} IS NOT NULL`).all();
      expect([table, rows.length > 0]).toEqual([table, true]);
      for (const { value } of rows) {
        expect(value instanceof Uint8Array && [value[0], value.length > 29]).toEqual([1, true]);
      }
    }
    db.close();
    expect([canary, key.hash].flatMap((text) => findText(directory, text))).toEqual([]);
  });
});

describe("what was deleted", () => {
  it("VA7 EN09 a deleted conversation's key is gone with its rows: nothing of an older copy can be opened with what is left", async () => {
    const directory = temporaryDirectory();
    const file = join(directory, "t.db");
    const store = open(file);
    const key = { user: "ada", id: "k", hash: "h" };
    await store.log.commit([
      create("c-0", { title: "title" }),
      { ...say("c-0", userMessage("m-0")), key },
      start("c-0"),
      pieceOf("c-0", "piece"),
      create("c-1"),
      say("c-1", userMessage("m-1")),
    ]);
    const before = copyOf(directory);
    await done(store.log, erase("c-0"));
    expect((await readAll(store.log, "c-0")).entries).toMatchObject([{ event: { kind: "conversation.deleted" } }]);
    // A command that was answered before is still answered so (LG6).
    expect(await done(store.log, { ...say("c-0", userMessage("m-0")), key })).toMatchObject({ repeated: true });
    await store.close();

    const rows = (from: string, table: string): Record<string, unknown>[] => {
      const db = new DatabaseSync(from);
      const all = db.prepare(`SELECT * FROM ${table} WHERE cid = 1`).all();
      db.close();
      return all;
    };
    const old = join(before, "t.db");
    expect(rows(old, "keys")[0]?.["wrapped"]).not.toEqual(rows(file, "keys")[0]?.["wrapped"]);
    const wrapped = Buffer.from(rows(old, "keys")[0]?.["wrapped"] as Uint8Array).toString("latin1");
    for (const name of readdirSync(directory)) {
      expect([name, readFileSync(join(directory, name), "latin1").includes(wrapped)]).toEqual([name, false]);
    }
    // The old rows, put back into today's file: the keys that are left do not open them.
    const db = new DatabaseSync(file);
    db.exec(
      `ATTACH '${old}' AS old; DELETE FROM main.conversations WHERE cid = 1; DELETE FROM main.entries WHERE cid = 1`,
    );
    for (const table of ["conversations", "entries", "messages"]) {
      db.exec(`INSERT INTO main.${table} SELECT * FROM old.${table} WHERE cid = 1`);
    }
    db.close();
    const restored = open(file);
    for (const read of [
      () => restored.log.conversation("c-0"),
      () => restored.log.messages("c-0", { limit: 5 }),
      () => restored.log.entries("c-0", 0, 1),
    ]) {
      await expect(read()).rejects.toThrow(BrokenSeal);
    }
    expect((await restored.log.messages("c-1", { limit: 5 }))?.messages).toHaveLength(1);
    await restored.close();
  });

  it("VA7 EN09 OP11 while the server runs on, the WAL forgets a deleted conversation's key within seconds", async () => {
    const directory = temporaryDirectory();
    const store = open(join(directory, "t.db"), plainVault);
    const canary = "kanarienvogel-im-wal";
    await store.log.commit([create("c-0"), say("c-0", userMessage("m-0", null, canary)), create("c-1")]);
    await done(store.log, erase("c-0"));
    expect(findText(copyOf(directory), canary)).not.toEqual([]);
    await until(() => findText(copyOf(directory), canary).length === 0, "the WAL's new beginning");
    await done(store.log, say("c-1", userMessage("m-1")));
    await store.close();
  });

  it("VA8 EN09 OP11 an erased person is gone, in every table and file; nobody else is touched, and it can be done again", async () => {
    const directory = temporaryDirectory();
    const file = join(directory, "t.db");
    // In clear, so that it can be looked for.
    const store = open(file, plainVault);
    const canary = "kanarienvogel-von-ada";
    const ada = await store.users.resolve({ issuer: "i", subject: "ada", name: canary, expiresAt: 0 });
    const bob = await store.users.resolve({ issuer: "i", subject: "bob", name: "bob", expiresAt: 0 });
    if (!("id" in ada) || !("id" in bob)) throw new Error("no user");
    for (const { id } of [ada, bob]) {
      await store.sessions.create({
        id: `s-${id}`,
        user: id,
        tokenHash: id,
        createdAt: 1,
        lastSeenAt: 1,
        about: { device: id },
      });
      const key = { user: id, id: "k", hash: "h" };
      await store.log.commit(
        Array.from({ length: 50 }, (_, n) => [
          create(`c-${n}-${id}`, { user: id, title: id === ada.id ? canary : "bob's" }),
          say(`c-${n}-${id}`, userMessage(`m-${n}`, null, id === ada.id ? canary : "bob's")),
        ]).flat(),
      );
      await store.log.commit([
        start(`c-0-${id}`, { user: id }),
        pieceOf(`c-0-${id}`, id === ada.id ? canary : "bob's"),
        { ...work(`c-0-${id}`, () => ({ answer: { n: 1 } })), key },
      ]);
    }
    await done(store.log, erase(`c-1-${ada.id}`));
    const others = async (): Promise<unknown> => [
      await store.log.list(bob.id, { limit: 100, archived: false }),
      await readAll(store.log, `c-0-${bob.id}`),
      await store.log.messages(`c-0-${bob.id}`, { limit: 5 }),
      await store.sessions.findByHash(bob.id),
    ];
    const before = await others();
    expect((await store.erasures.erase(ada.id)).toSorted()).toEqual(
      Array.from({ length: 50 }, (_, n) => `c-${n}-${ada.id}`).toSorted(),
    );
    expect(await others()).toEqual(before);
    for (const text of [canary, ada.id]) expect(findText(copyOf(directory), text)).toEqual([]);
    expect(await store.log.conversation(`c-0-${ada.id}`)).toBeUndefined();
    expect(await store.users.find(ada.id)).toMatchObject({ code: "unauthorized" });
    expect(await store.sessions.findByHash(ada.id)).toBeUndefined();
    expect(await store.erasures.erase(ada.id)).toEqual([]);
    expect(await store.erasures.erase("nobody")).toEqual([]);
    // A reply that was being made finds nothing to write to, and its place is another's.
    expect((await store.log.commit([pieceOf(`c-0-${ada.id}`, canary)]))[0]?.ok).toBe(false);
    await done(store.log, create("c-new", { title: "new" }));
    await store.close();
    const db = new DatabaseSync(file);
    expect(db.prepare("SELECT count(*) AS n FROM keys WHERE cid NOT IN (SELECT cid FROM conversations)").get()).toEqual(
      {
        n: 1,
      },
    );
    db.close();
  });

  it("VA6 VA8 EN09 after a rotation, with the old key gone, an older backup is refused and its rows stay shut", async () => {
    const directory = temporaryDirectory();
    const file = join(directory, "t.db");
    const store = open(file, testVault(testKey(1)));
    await store.log.commit([create("c-0"), say("c-0", userMessage("m-0"))]);
    await store.close();
    const backup = copyOf(directory);
    const next = open(file, testVault(testKey(2), testKey(1)));
    expect(await next.rotation.resume()).toBe(2);
    await next.erasures.erase("ada");
    await next.close();
    expect(() => open(join(backup, "t.db"), testVault(testKey(2)))).toThrow(StoreRefusal);
    const old = open(join(backup, "t.db"), testVault(testKey(1)));
    expect(await old.log.conversation("c-0")).toMatchObject({ title: "T" });
    await old.close();
  });
});
