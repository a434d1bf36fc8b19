// Owns what becomes of a store that was written without encryption: sealed whole or not at all, and clean afterwards.
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, expect, it } from "vitest";
import { migrations } from "../../src/adapters/embedded/schema.ts";
import { openStore, type Store } from "../../src/adapters/embedded/store.ts";
import { systemClock } from "../../src/server/clock.ts";
import { done, listed, readAll, work } from "../contract/rows.ts";
import { pieceOf } from "../store/pieces.ts";
import { startChild } from "../support/child.ts";
import { temporaryDirectory } from "../support/temporary.ts";
import { testKey, testVault } from "../support/vault.ts";
import { findText } from "./files.ts";
import { answer, canary, events, messages, user, writeOldStore } from "./old-store.ts";

const open = (file: string): Store =>
  openStore({ file, vault: testVault(), durability: "process", clock: systemClock });

/** Everything that was in the old store is read from the new one, and goes on. */
async function expectWhole(store: Store): Promise<void> {
  const { log } = store;
  expect(await log.conversation("c-0")).toMatchObject({ title: canary, head: 6 });
  const { entries } = await readAll(log, "c-0");
  expect(entries.map(({ first, last }) => [first, last])).toEqual([
    [1, 1],
    [2, 2],
    [3, 3],
    [4, 5],
    [6, 6],
  ]);
  // Also from within the merged entry.
  expect((await log.entries("c-0", 4, 9)).entries.map((entry) => entry.event)).toEqual(events.slice(4));
  const page = await log.messages("c-0", { limit: 5 });
  expect(page?.messages.map(({ message }) => message)).toEqual(messages);
  expect(page?.running).toMatchObject([{ id: "t-1", status: "running" }]);
  expect(await store.users.resolve({ issuer: "i", subject: "s", expiresAt: 0 })).toEqual({
    id: user.id,
    name: user.name,
  });
  expect(await store.sessions.findByHash("h")).toMatchObject({ about: { device: canary } });
  const again = { ...work("c-0", () => ({})), key: { user: answer.user, id: answer.id, hash: answer.hash } };
  expect(await done(log, again)).toMatchObject({ repeated: true, answer: answer.value });
  const other = { ...again, key: { ...again.key, hash: "other" } };
  expect((await log.commit([other]))[0]).toMatchObject({ ok: false, rejection: { code: "conflict" } });
}

describe("a store without encryption", () => {
  it("VA5 EN07 its first start seals all of it; nothing is left in the file, the WAL or free pages, and nothing is lost", async () => {
    const directory = temporaryDirectory();
    const file = join(directory, "t.db");
    writeOldStore(file, 1_000);
    expect(findText(directory, canary)).toEqual(["t.db: utf8"]);
    expect(findText(directory, `${canary} gone`)).toEqual(["t.db: utf8"]);
    const store = open(file);
    expect(findText(directory, canary)).toEqual([]);
    await expectWhole(store);
    expect(
      (await listed(store.log, { limit: 100, query: `${canary} 7` })).conversations.map((row) => row.id),
    ).toContain("c-777");
    await done(store.log, pieceOf("c-0", "and on"));
    await store.close();
    expect(findText(directory, canary)).toEqual([]);
    const again = open(file);
    expect((await again.log.entries("c-0", 6, 9)).entries).toMatchObject([{ event: { text: "and on" } }]);
    await again.close();
  });

  it("VA5 ST13 killed before any statement, it is the old store or the new one; the next start cleans it", async () => {
    const count = (migrations[1]?.length ?? 0) + 4;
    const directory = temporaryDirectory();
    const kill = async (nth: number): Promise<void> => {
      const own = join(directory, String(nth));
      const file = join(own, "t.db");
      const child = startChild(join(import.meta.dirname, "upgrade-child.ts"), [own, String(nth)]);
      expect((await child.ended).signal).toBe("SIGKILL");
      const db = new DatabaseSync(file);
      const version = Number(db.prepare("PRAGMA user_version").get()?.["user_version"]);
      expect([nth, version]).toEqual([nth, nth < count ? 1 : 2]);
      db.close();
      const store = open(file);
      await expectWhole(store);
      expect([nth, findText(own, canary)]).toEqual([nth, []]);
      await store.close();
    };
    // One more than there are statements: before the file is cleaned. A few at a time: the machine may be small.
    for (let nth = 0; nth <= count; nth += 2) await Promise.all([nth, nth + 1].filter((n) => n <= count).map(kill));
  });

  it("VA4 VA5 with a key that cannot be used it is refused, and stays as it was", async () => {
    const file = join(temporaryDirectory(), "t.db");
    writeOldStore(file);
    const vault = testVault(testKey(1).subarray(1));
    expect(() => openStore({ file, vault, durability: "process", clock: systemClock })).toThrow(/must have 32 bytes/);
    const db = new DatabaseSync(file);
    expect(db.prepare("PRAGMA user_version").get()).toEqual({ user_version: 1 });
    db.close();
    const store = open(file);
    await expectWhole(store);
    await store.close();
  });
});
