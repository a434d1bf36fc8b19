// Owns what the sealing itself promises, and on which keys a store is opened. Not what is stored: at-rest.test.ts.
import { createSecretKey, randomBytes } from "node:crypto";
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { BrokenSeal, Seal } from "../../src/adapters/embedded/cipher.ts";
import { MasterVault } from "../../src/adapters/embedded/master-vault.ts";
import { openStore, StoreRefusal, type Store } from "../../src/adapters/embedded/store.ts";
import type { Vault } from "../../src/adapters/embedded/vault.ts";
import { systemClock } from "../../src/server/clock.ts";
import {
  append,
  create,
  done,
  known,
  listed,
  readAll,
  say,
  start,
  titled,
  userMessage,
  work,
} from "../contract/rows.ts";
import { startChild } from "../support/child.ts";
import { temporaryDirectory } from "../support/temporary.ts";
import { testKey, testVault } from "../support/vault.ts";

const open = (file: string, vault: Vault): Store =>
  openStore({ file, vault, durability: "process", clock: systemClock });

/** The sentence of a refusal. */
function refusal(file: string, vault: Vault): string {
  try {
    void open(file, vault).close();
  } catch (error) {
    if (error instanceof StoreRefusal) return error.message;
    throw error;
  }
  return "opened";
}

/** Bytes of all files of a directory. */
const contents = (directory: string): Record<string, string> =>
  Object.fromEntries(readdirSync(directory).map((name) => [name, readFileSync(join(directory, name)).toString("hex")]));

describe("a seal", () => {
  const seal = new Seal(createSecretKey(randomBytes(32)));
  const texts = fc.string({ unit: "grapheme", maxLength: 200 });

  it("VA2 EN02 gives back what was sealed; any flipped bit, cut, longer or moved bytes give an error and no text", () => {
    fc.assert(
      fc.property(texts, fc.string({ maxLength: 20 }), fc.nat(), fc.nat(7), (text, context, place, bit) => {
        const sealed = seal.seal(text, context);
        expect(seal.open(sealed, context)).toBe(text);
        const flipped = Buffer.from(sealed);
        const at = place % flipped.length;
        flipped[at] = (flipped[at] ?? 0) ^ (1 << bit);
        expect(() => seal.open(flipped, context)).toThrow(BrokenSeal);
        for (const end of [0, 1, 12, 28, at, sealed.length - 1].filter((end) => end < sealed.length)) {
          expect(() => seal.open(sealed.subarray(0, end), context)).toThrow(BrokenSeal);
          expect(() => seal.open(sealed.subarray(sealed.length - end), context)).toThrow(BrokenSeal);
        }
        expect(() => seal.open(Buffer.concat([sealed, Buffer.alloc(1)]), context)).toThrow(BrokenSeal);
        expect(() => seal.open(sealed, `${context} `)).toThrow(BrokenSeal);
        expect(() => new Seal(createSecretKey(randomBytes(32))).open(sealed, context)).toThrow(BrokenSeal);
      }),
      { numRuns: 300 },
    );
  });

  it("VA2 EN02 a hundred thousand mutations of stored bytes: every one is detected", () => {
    const stored = ["", "a", "🙂 text of a message", "x".repeat(500)].map((text, n) => ({
      text,
      context: `message:c:${n}`,
      sealed: Buffer.from(seal.seal(text, `message:c:${n}`)),
    }));
    const count = 100_000;
    const below = (end: number): number => Math.floor(Math.random() * end);
    const change = (bytes: Buffer, by: number): Buffer => {
      const at = below(bytes.length);
      bytes.writeUInt8(bytes.readUInt8(at) ^ by, at);
      return bytes;
    };
    const mutations: readonly ((bytes: Buffer) => Buffer)[] = [
      (bytes) => change(bytes, 1 << below(8)),
      (bytes) => change(bytes, 1 + below(255)),
      (bytes) => bytes.subarray(0, below(bytes.length)),
      (bytes) => Buffer.concat([bytes, randomBytes(1 + below(20))]),
      (bytes) => {
        const at = below(bytes.length);
        return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1)]);
      },
      (bytes) => randomBytes(bytes.length),
    ];
    let detected = 0;
    for (let n = 0; n < count; n++) {
      const { context, sealed } = stored[n % stored.length] ?? expect.fail();
      const mutated = mutations[below(mutations.length)]?.(Buffer.from(sealed)) ?? expect.fail();
      try {
        seal.open(mutated, context);
      } catch (error) {
        if (error instanceof BrokenSeal) detected++;
      }
    }
    expect(detected).toBe(count);
    // None of them has touched what is stored.
    for (const { text, context, sealed } of stored) expect(seal.open(sealed, context)).toBe(text);
  });

  it("VA2 an error names the row and nothing of the text", () => {
    const sealed = seal.seal("a secret text", "message:c:m");
    sealed[20] = (sealed[20] ?? 0) ^ 1;
    expect(() => seal.open(sealed, "message:c:m")).toThrow(/^message:c:m cannot be opened: it was changed, moved, or/);
  });

  it("VA3 EN04 two hundred thousand times the same text: no nonce and no ciphertext comes twice", () => {
    const nonces = new Set<string>();
    const bodies = new Set<string>();
    const count = 200_000;
    for (let n = 0; n < count; n++) {
      const sealed = Buffer.from(seal.seal("the same", "c"));
      nonces.add(sealed.toString("latin1", 1, 13));
      bodies.add(sealed.toString("latin1", 13));
    }
    expect([nonces.size, bodies.size]).toEqual([count, count]);
  });

  it("VA3 EN04 two processes that begin at once share no nonce", async () => {
    const script = join(import.meta.dirname, "nonces-child.ts");
    const children = [startChild(script, []), startChild(script, [])];
    await Promise.all(children.map((child) => child.ended));
    const nonces = children.flatMap((child) => child.lines);
    expect(nonces).toHaveLength(2 * 3_000);
    expect(new Set(nonces).size).toBe(nonces.length);
  });
});

describe("a store and its keys", () => {
  it("VA2 EN02 rows that were changed, cut or swapped are errors; all others stay as they are", async () => {
    const file = join(temporaryDirectory(), "t.db");
    const texts = ["one", "two", "three"];
    const first = open(file, testVault());
    for (const id of ["c-0", "c-1"]) {
      await first.log.commit([create(id), ...texts.map((text, n) => say(id, userMessage(`m-${n}`, null, text)))]);
    }
    await first.close();
    const intact = readFileSync(file);
    const page = async (store: Store, id: string): Promise<string> =>
      store.log.messages(id, { limit: 9 }).then(
        (read) => JSON.stringify(read?.messages.map(({ message }) => message.parts)),
        (error: Error) => error.name,
      );
    const whole = JSON.stringify(texts.map((text) => [{ type: "text", text }]));
    const swapped = (table: string, a: string, b: string, column = "body"): string =>
      `UPDATE ${table} SET ${column} = (SELECT o.${column} FROM ${table} o WHERE ${table}.${a} <> o.${a} AND o.${b}) WHERE ${b}`;
    const harms: Record<string, string> = {
      flipped:
        "UPDATE messages SET body = CAST(substr(body, 1, 20) || x'00' || substr(body, 22) AS BLOB) WHERE cid = 1",
      cut: "UPDATE messages SET body = substr(body, 1, length(body) - 1) WHERE cid = 1",
      empty: "UPDATE messages SET body = x'' WHERE cid = 1",
      "another message's": swapped("messages", "id", "cid = 1 AND id IN ('m-0', 'm-1')"),
      "another conversation's":
        "UPDATE messages SET body = (SELECT o.body FROM messages o WHERE o.id = messages.id AND o.cid = 2) WHERE cid = 1",
      "an entry's":
        "UPDATE messages SET body = (SELECT e.body FROM entries e WHERE e.cid = 1 AND e.last = 2) WHERE cid = 1",
      "another conversation with its key":
        "UPDATE keys SET wrapped = (SELECT o.wrapped FROM keys o WHERE o.cid = 2) WHERE cid = 1; UPDATE messages SET body = (SELECT o.body FROM messages o WHERE o.id = messages.id AND o.cid = 2) WHERE cid = 1",
      "a clear text": `UPDATE messages SET body = CAST('{"id":"m-0","parts":[],"metadata":{}}' AS BLOB) WHERE cid = 1`,
      "a clear text and no key": `DELETE FROM keys WHERE cid = 1; UPDATE messages SET body = CAST('{"id":"m-0","parts":[{"type":"text","text":"three"}],"metadata":{}}' AS BLOB) WHERE cid = 1`,
      "another key": "UPDATE keys SET wrapped = randomblob(61) WHERE cid = 1",
      "no key": "DELETE FROM keys WHERE cid = 1",
    };
    for (const [harm, statements] of Object.entries(harms)) {
      const directory = temporaryDirectory();
      const copy = join(directory, "t.db");
      writeFileSync(copy, intact);
      const db = new DatabaseSync(copy);
      db.exec(statements);
      db.close();
      const store = open(copy, testVault());
      expect([harm, await page(store, "c-0")]).toEqual([harm, "BrokenSeal"]);
      expect([harm, await page(store, "c-1")]).toEqual([harm, whole]);
      // Works on what is damaged are refused, and take none of the others with them.
      const reply = { ...start("c-0"), key: { user: "ada", id: "k", hash: "h" } };
      const outcomes = await store.log.commit([reply, say("c-0", userMessage("m-9")), say("c-1", userMessage("m-9"))]);
      expect([harm, outcomes.at(-1)?.ok]).toEqual([harm, true]);
      if (harm.includes("no key")) expect(outcomes.map((outcome) => outcome.ok)).toEqual([false, false, true]);
      // The list and the search pass by what is damaged.
      expect((await listed(store.log, { limit: 9 })).conversations.map((row) => row.id)).toEqual(["c-0", "c-1"]);
      const hits = (await listed(store.log, { limit: 9, query: "three" })).conversations.map((row) => row.id);
      expect([harm, hits]).toEqual([harm, harm === "another message's" ? ["c-0", "c-1"] : ["c-1"]]);
      await store.close();
    }
  });

  it("VA3 each conversation has its own key, which another conversation's row cannot use", async () => {
    const directory = temporaryDirectory();
    const file = join(directory, "t.db");
    const store = open(file, testVault());
    await store.log.commit(["c-0", "c-1", "c-2"].map((id) => create(id)));
    await store.close();
    const db = new DatabaseSync(file);
    const rows = db.prepare("SELECT cid, master, hex(wrapped) AS wrapped FROM keys ORDER BY cid").all();
    expect(rows.map((row) => row["cid"])).toEqual([0, 1, 2, 3]);
    expect(new Set(rows.map((row) => row["wrapped"])).size).toBe(4);
    expect(new Set(rows.map((row) => row["master"])).size).toBe(1);
    expect(JSON.stringify(rows)).not.toContain(Buffer.from(testKey(7)).toString("hex").toUpperCase());
    db.close();
  });

  it("VA3 a data key is opened for its owner alone, and only as it was wrapped", () => {
    const vault = testVault();
    expect(vault.unlock({ check: undefined, masters: [] })).toBeUndefined();
    const key = vault.create("c-0");
    const sealed = vault.unwrap(key, "c-0").seal("text", "row");
    expect(vault.unwrap(vault.rewrap(key, "c-0"), "c-0").open(sealed, "row")).toBe("text");
    expect(() => vault.unwrap(key, "c-1")).toThrow(BrokenSeal);
    expect(() => vault.rewrap(key, "c-1")).toThrow(BrokenSeal);
    expect(() => vault.unwrap({ ...key, master: "0123456789abcdef" }, "c-0")).toThrow(BrokenSeal);
    expect(() => vault.unwrap({ ...key, bytes: key.bytes.subarray(1) }, "c-0")).toThrow(BrokenSeal);
  });

  it("VA3 VA7 a deletion that was taken back leaves the conversation its key", async () => {
    const file = join(temporaryDirectory(), "t.db");
    const store = openStore({ file, vault: testVault(), durability: "process", clock: systemClock, maxPages: 80 });
    await store.log.commit([create("c-0"), say("c-0", userMessage("m-0", null, "stays")), create("c-1")]);
    const gone = work("c-0", (view) => ({
      events: [{ kind: "conversation.deleted", at: "" }],
      conversation: { ...known(view), deleted: true },
      erase: true,
    }));
    await expect(store.log.commit([gone, append("c-1", titled("x".repeat(400_000)))])).rejects.toMatchObject({
      kind: "full",
    });
    const texts = async (from: Store): Promise<unknown> =>
      (await from.log.messages("c-0", { limit: 5 }))?.messages.map(({ message }) => message.parts);
    expect(await texts(store)).toEqual([[{ type: "text", text: "stays" }]]);
    await done(store.log, say("c-0", userMessage("m-1", null, "and goes on")));
    await store.close();
    const again = open(file, testVault());
    expect(await texts(again)).toHaveLength(2);
    await again.close();
  });

  it("VA3 a conversation whose commit was taken back leaves no key to the one that gets its place", async () => {
    const file = join(temporaryDirectory(), "t.db");
    const store = openStore({ file, vault: testVault(), durability: "process", clock: systemClock, maxPages: 60 });
    const big = "x".repeat(400_000);
    await expect(store.log.commit([create("c-lost"), append("c-lost", titled(big))])).rejects.toMatchObject({
      kind: "full",
    });
    await done(store.log, create("c-kept", { title: "kept" }));
    await store.close();
    const again = open(file, testVault());
    expect(await again.log.conversation("c-kept")).toMatchObject({ title: "kept" });
    await again.close();
  });

  it("VA4 EN06 the key's file is made once, for its owner only, and opens the store again", async () => {
    const directory = temporaryDirectory();
    const vault = (): Vault => new MasterVault({ keys: [], file: join(directory, "master.key") });
    const store = open(join(directory, "t.db"), vault());
    await done(store.log, create("c-0"));
    await store.close();
    expect(statSync(join(directory, "master.key")).mode & 0o777).toBe(0o600);
    expect(readFileSync(join(directory, "master.key"), "utf8")).toMatch(/^[A-Za-z0-9+/]{43}=\n$/);
    expect(readdirSync(directory).sort()).toEqual(["incarnation.json", "master.key", "t.db"]);
    const before = readFileSync(join(directory, "master.key"), "utf8");
    const again = open(join(directory, "t.db"), vault());
    expect(await again.log.conversation("c-0")).toMatchObject({ title: "T" });
    await again.close();
    expect(readFileSync(join(directory, "master.key"), "utf8")).toBe(before);
  });

  it("VA4 EN06 a missing, wrong, short, empty or unreadable key refuses with its reason, and nothing is written", async () => {
    const directory = temporaryDirectory();
    const file = join(directory, "t.db");
    const keyFile = join(directory, "master.key");
    const fromFile = (): Vault => new MasterVault({ keys: [], file: keyFile });
    const store = open(file, testVault());
    await done(store.log, create("c-0"));
    await store.close();
    const encrypted = "The data is encrypted under the master key [0-9a-f]{16}, and the one in";
    const cases: [string | undefined, () => Vault, RegExp][] = [
      [
        undefined,
        fromFile,
        new RegExp(`^${encrypted} \\S+master.key is not there. Without it nothing can be read: put`),
      ],
      [
        undefined,
        () => testVault(testKey(1)),
        new RegExp(`^${encrypted} MASTER_KEY is another one \\([0-9a-f]{16}\\)\\. `),
      ],
      [undefined, () => testVault(testKey(1), testKey(2)), new RegExp(`^${encrypted} MASTER_KEY is another one`)],
      [undefined, () => testVault(new Uint8Array(31)), /^A master key must have 32 bytes, not 31\.$/],
      [Buffer.from(testKey(1)).toString("base64"), fromFile, new RegExp(`^${encrypted} \\S+master.key is another one`)],
      [Buffer.alloc(31).toString("base64"), fromFile, /line 1 is a key of 31 bytes, and must be one of 32\. Put back/],
      ["not a key", fromFile, /holds no master key: line 1 is no base64\. Put back/],
      [`${Buffer.from(testKey(7)).toString("base64")}\n???`, fromFile, /holds no master key: line 2 is no base64/],
      ["\n", fromFile, /holds no master key: it is empty\. Put back/],
    ];
    for (const [text, vault, sentence] of cases) {
      if (text !== undefined) writeFileSync(keyFile, text);
      const before = contents(directory);
      expect(refusal(file, vault())).toMatch(sentence);
      expect(contents(directory)).toEqual(before);
    }
    // The right one, wherever it comes from, opens it again.
    writeFileSync(keyFile, `${Buffer.from(testKey(7)).toString("base64")}\n`);
    expect(refusal(file, fromFile())).toBe("opened");
    expect(refusal(file, testVault())).toBe("opened");
  });

  it("VA4 EN06 a key file of rubbish, or one that cannot be made, leaves no store behind", () => {
    const directory = temporaryDirectory();
    writeFileSync(join(directory, "master.key"), "rubbish");
    const vault = (name: string): Vault => new MasterVault({ keys: [], file: join(directory, name) });
    expect(refusal(join(directory, "t.db"), vault("master.key"))).toMatch(/line 1 is no base64/);
    expect(refusal(join(directory, "t.db"), vault("missing/master.key"))).toMatch(
      /cannot be written to .* \(ENOENT\)\.$/,
    );
    const db = new DatabaseSync(join(directory, "t.db"));
    expect(db.prepare("SELECT count(*) AS n FROM sqlite_schema").get()).toEqual({ n: 0 });
    db.close();
  });

  it("VA4 EN06 a key that was half replaced is refused until both keys are given", async () => {
    const file = join(temporaryDirectory(), "t.db");
    const store = open(file, testVault(testKey(1)));
    await store.log.commit(["c-0", "c-1"].map((id) => create(id)));
    await store.close();
    // As after a crash in the middle of a rotation.
    const vault = testVault(testKey(2), testKey(1));
    const both = open(file, vault);
    await done(both.log, create("c-2"));
    await both.close();
    expect(refusal(file, testVault(testKey(2)))).toMatch(
      /^Some of what is stored is still under an older master key \([0-9a-f]{16}\), because its rotation has not come to an end\. Set MASTER_KEY to both, the new one first, until it has\.$/,
    );
    const again = open(file, testVault(testKey(2), testKey(1)));
    for (const id of ["c-0", "c-1", "c-2"]) expect(await again.log.conversation(id)).toMatchObject({ title: "T" });
    expect((await readAll(again.log, "c-0")).entries).toHaveLength(1);
    await again.close();
  });

  it("VA4 a damaged store key is said to be one", async () => {
    const file = join(temporaryDirectory(), "t.db");
    await open(file, testVault()).close();
    const db = new DatabaseSync(file);
    db.exec("UPDATE keys SET wrapped = randomblob(61) WHERE cid = 0");
    db.close();
    expect(refusal(file, testVault())).toBe("The store's key is damaged. Restore it from a backup.");
  });

  it("VA4 of two that make the file at once, both have the same key", () => {
    const directory = temporaryDirectory();
    const file = join(directory, "master.key");
    const vaults = [1, 2].map(() => new MasterVault({ keys: [], file }));
    for (const vault of vaults) expect(vault.unlock({ check: undefined, masters: [] })).toBeUndefined();
    expect(new Set(vaults.map((vault) => vault.current)).size).toBe(1);
    expect(readdirSync(directory)).toEqual(["master.key"]);
  });
});
