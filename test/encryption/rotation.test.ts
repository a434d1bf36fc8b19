// Owns the change of the master key: under load, with the process killed anywhere, and what may be forgotten when.
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, expect, it } from "vitest";
import { MasterVault } from "../../src/adapters/embedded/master-vault.ts";
import { openStore, type Store } from "../../src/adapters/embedded/store.ts";
import type { Vault } from "../../src/adapters/embedded/vault.ts";
import { systemClock } from "../../src/server/clock.ts";
import { createHost } from "../../src/host.ts";
import { modelFrom } from "../../src/adapters/models/index.ts";
import { append, create, done, readAll, say, titled, userMessage } from "../contract/rows.ts";
import { startChild } from "../support/child.ts";
import { temporaryDirectory } from "../support/temporary.ts";
import { testKey, testVault } from "../support/vault.ts";

/** Lives that are ended by kill -9. */
const lives = Number(process.env["ROTATIONS"] ?? 8);

const open = (directory: string, vault: Vault): Store =>
  openStore({ file: join(directory, "t.db"), vault, durability: "process", clock: systemClock });
const fileVault = (directory: string): MasterVault =>
  new MasterVault({ keys: [], file: join(directory, "master.key") });
const keysIn = (directory: string): string[] => readFileSync(join(directory, "master.key"), "utf8").trim().split("\n");

/** How many data keys are under each master key, as a killed process would leave it. */
function mastersOf(directory: string): Record<string, number> {
  const copy = temporaryDirectory();
  // By another process: closing a second descriptor of the file here would free the store's lock (POSIX).
  execFileSync("bash", ["-c", 'cp "$0"/t.db* "$1"', directory, copy]);
  const db = new DatabaseSync(join(copy, "t.db"));
  const rows = db.prepare("SELECT master, count(*) AS n FROM keys GROUP BY master").all();
  db.close();
  return Object.fromEntries(rows.map((row) => [String(row["master"]), Number(row["n"])]));
}

describe("the rotation of the master key", () => {
  it(
    "VA6 EN05 under write load and kill -9: nothing is unreadable, and no key is forgotten that something is under",
    async () => {
      const directory = temporaryDirectory();
      const acknowledged = new Set<number>();
      let rotations = 0;
      let halfway = 0;
      let next = 0;
      for (let life = 0; life < lives; life++) {
        const child = startChild(join(import.meta.dirname, "rotation-child.ts"), [directory, String(next)]);
        await child.printed(10 + Math.floor(Math.random() * 400));
        child.process.kill("SIGKILL");
        expect(await child.ended).toEqual({ code: null, signal: "SIGKILL" });
        const fresh = child.lines.filter((line) => line !== "rotated").map(Number);
        rotations += child.lines.length - fresh.length;
        for (const n of fresh) acknowledged.add(n);
        const vault = fileVault(directory);
        const store = open(directory, vault);
        const masters = Object.keys(mastersOf(directory));
        if (masters.length > 1) halfway++;
        const newest = Math.max(-1, ...acknowledged);
        for (const n of [...(life === lives - 1 ? acknowledged : fresh), newest + 1]) {
          const id = `c-${n}`;
          const record = await store.log.conversation(id);
          if (record === undefined) {
            expect(acknowledged.has(n)).toBe(false);
            continue;
          }
          expect(record.title).toBe(`title ${n}`);
          expect((await store.log.messages(id, { limit: 5 }))?.messages).toHaveLength(1);
          expect((await readAll(store.log, id)).entries).toHaveLength(record.head);
        }
        next = (await store.log.conversation(`c-${newest + 1}`)) === undefined ? newest + 1 : newest + 2;
        // Every other time the rotation is left to the next process.
        if (life % 2 === 0) {
          await store.rotation.resume();
          expect(mastersOf(directory)).toEqual({ [vault.current]: expect.any(Number) });
          expect(keysIn(directory)).toHaveLength(1);
        }
        await store.close();
      }
      expect(acknowledged.size).toBeGreaterThan(lives * 5);
      expect(rotations).toBeGreaterThan(0);
      expect(halfway).toBeGreaterThan(0);
    },
    30_000 + lives * 5_000,
  );

  it("VA6 EN05 the old key is in the file until nothing on the disk is under it, and not a moment longer", async () => {
    const directory = temporaryDirectory();
    const store = open(directory, fileVault(directory));
    const ids = Array.from({ length: 1_000 }, (_, n) => `c-${n}`);
    await store.log.commit(ids.map((id) => create(id)));
    const [before] = keysIn(directory);
    const rotating = store.rotation.rotate();
    const over = new AbortController();
    void rotating.then(() => over.abort());
    let looked = 0;
    // Writes go on between its steps, and what they make is under the new key.
    for (let n = 0; !over.signal.aborted; n++) {
      await done(store.log, create(`new-${n}`));
      const keys = keysIn(directory);
      const [current = ""] = keys;
      expect(current).not.toBe(before);
      if (keys.length === 2 && n % 3 === 0) {
        expect(keys[1]).toBe(before);
        looked += Object.keys(mastersOf(directory)).length === 2 ? 1 : 0;
      }
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(looked).toBeGreaterThan(1);
    expect(await rotating).toEqual({ rewrapped: 1_001 });
    expect(keysIn(directory)).toHaveLength(1);
    expect(Object.keys(mastersOf(directory))).toHaveLength(1);
    // The old wrapping is in no file, and the old key neither.
    await store.close();
    const again = open(directory, fileVault(directory));
    for (const id of ["c-0", "c-999", "new-0"]) expect(await again.log.conversation(id)).toMatchObject({ title: "T" });
    await again.close();
    writeFileSync(join(directory, "master.key"), `${before}\n`);
    expect(() => open(directory, fileVault(directory))).toThrow(/is another one/);
  });

  it("VA6 two that ask at once have one rotation; the texts themselves are not touched", async () => {
    const directory = temporaryDirectory();
    const store = open(directory, fileVault(directory));
    await store.log.commit([create("c-0"), say("c-0", userMessage("m-0")), append("c-0", titled("x"))]);
    const bodies = (): unknown => {
      const copy = temporaryDirectory();
      execFileSync("bash", ["-c", 'cp "$0"/t.db* "$1"', directory, copy]);
      const db = new DatabaseSync(join(copy, "t.db"));
      const rows = db.prepare("SELECT hex(body) AS body FROM entries UNION ALL SELECT hex(body) FROM messages").all();
      db.close();
      return rows;
    };
    const before = bodies();
    const master = keysIn(directory);
    const both = await Promise.all([store.rotation.rotate(), store.rotation.rotate()]);
    expect(both).toEqual([{ rewrapped: 2 }, { rewrapped: 2 }]);
    expect(keysIn(directory)).not.toEqual(master);
    expect(bodies()).toEqual(before);
    expect(await store.rotation.resume()).toBe(0);
    await store.close();
  });

  it("VA6 a key of the settings is changed by a restart with both; asked to rotate, it says so", async () => {
    const directory = temporaryDirectory();
    const old = open(directory, testVault(testKey(1)));
    await old.log.commit([create("c-0"), create("c-1")]);
    expect(await old.rotation.rotate()).toMatchObject({
      code: "conflict",
      message: expect.stringMatching(/^The master key comes from MASTER_KEY\. Restart with MASTER_KEY=NEW,OLD/),
    });
    await old.close();
    const both = open(directory, testVault(testKey(2), testKey(1)));
    expect(await both.rotation.resume()).toBe(3);
    await both.close();
    const fresh = open(directory, testVault(testKey(2)));
    expect(await fresh.log.conversation("c-1")).toMatchObject({ title: "T" });
    await fresh.close();
  });

  it("VA6 a disk without room for the new key: the old one stays in use, and nothing is under another", async () => {
    const directory = temporaryDirectory();
    const store = open(directory, new MasterVault({ keys: [], file: join(directory, "master.key") }));
    await done(store.log, create("c-0"));
    const before = mastersOf(directory);
    // The place of the new file is taken by a directory: it cannot be written.
    execFileSync("mkdir", ["-p", join(directory, "master.key.new", "x")]);
    expect(await store.rotation.rotate()).toMatchObject({
      code: "conflict",
      message: expect.stringMatching(/written/),
    });
    expect(mastersOf(directory)).toEqual(before);
    await done(store.log, create("c-1"));
    await store.close();
  });

  it("VA6 VA8 a host rotates its key and erases a person while it runs", async () => {
    const dataDir = temporaryDirectory();
    const model = modelFrom({
      name: "test",
      async *stream() {
        yield "hello";
      },
    });
    const host = await createHost({ dataDir, model });
    const [before] = keysIn(dataDir);
    expect(await host.rotateKey()).toEqual({ rewrapped: 1 });
    expect(keysIn(dataDir)).not.toEqual([before]);
    await host.eraseUser("nobody");
    await host.close(0);
    const given = await createHost({ dataDir, model, masterKeys: [testKey(3)] });
    expect(await given.rotateKey()).toMatchObject({ code: "conflict" });
    await given.close(0);
  });
});
