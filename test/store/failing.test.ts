// Owns what the embedded store does when the disk is full or fails.
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { openStore } from "../../src/adapters/embedded/store.ts";
import { systemClock } from "../../src/server/clock.ts";
import { StoreFailure } from "../../src/server/ports.ts";
import { append, create, done, known, readAll, start, titled, work } from "../contract/rows.ts";
import { startChild } from "../support/child.ts";
import { temporaryDirectory } from "../support/temporary.ts";
import { pieceOf } from "./pieces.ts";
import { testVault } from "../support/vault.ts";

const kindOf = async (call: Promise<unknown>): Promise<string> =>
  call.then(
    () => "worked",
    (error: unknown) => (error instanceof StoreFailure ? error.kind : String(error)),
  );

describe("the embedded store and a failing disk", () => {
  it("LG8 ST08 full: nothing of the commit is there, reads go on, and it heals without a restart", async () => {
    const file = join(temporaryDirectory(), "t.db");
    const options = { file, vault: testVault(), durability: "process", clock: systemClock } as const;
    const store = openStore({ ...options, maxPages: 80 });
    const { log } = store;
    await log.commit([create("c-0"), create("c-1"), start("c-1")]);
    const big = (id: string) => append(id, titled("z".repeat(20_000)));
    let written = 0;
    while ((await kindOf(log.commit([big("c-0")]))) === "worked") written++;
    expect(written).toBeGreaterThan(3);
    const before = await Promise.all([log.conversation("c-0"), readAll(log, "c-1"), log.messages("c-1", { limit: 5 })]);

    // Works that would fit go down with the one that does not: all or nothing. Running replies keep their place.
    for (let n = 0; n < 5; n++) {
      expect(await kindOf(log.commit([pieceOf("c-1", "lost"), big("c-0"), append("c-1", titled("lost"))]))).toBe(
        "full",
      );
      expect(
        await Promise.all([log.conversation("c-0"), readAll(log, "c-1"), log.messages("c-1", { limit: 5 })]),
      ).toEqual(before);
    }
    expect((await log.conversation("c-0"))?.head).toBe(written + 1);

    await done(
      log,
      work("c-0", (view) => ({ conversation: { ...known(view), deleted: true }, erase: true })),
    );
    for (let n = 0; n < 20; n++) await done(log, pieceOf("c-1", `piece ${n} `));
    await done(log, big("c-1"));
    await store.close();

    const again = openStore(options);
    const { head, entries } = await readAll(again.log, "c-1");
    expect(entries.map((entry) => entry.last)).toEqual(Array.from({ length: head }, (_, i) => i + 1));
    expect(head).toBe(2 + 20 + 1);
    await again.close();
  });

  it("LG8 ST09 a disk that fails: the store stays broken, for writing and for reading, and never retries", async () => {
    const file = join(temporaryDirectory(), "t.db");
    // Writes past 3 MB fail with EFBIG: an error of the disk as SQLite sees it.
    const child = startChild(
      join(import.meta.dirname, "holder.ts"),
      [file, "limited"],
      ["bash", "-c", 'ulimit -f 3000; exec "$0" "$@"'],
    );
    await child.ended;
    expect(child.lines).toEqual(["open", "write broken", "write broken", "write broken", "read broken"]);
    const store = openStore({ file, vault: testVault(), durability: "process", clock: systemClock });
    const { head, entries } = await readAll(store.log, "c-0");
    expect(head).toBeGreaterThan(1);
    expect(entries).toHaveLength(head);
    await store.close();
  });

  it("RO2 ST14 no file left to open: whatever it does, it needs none", async () => {
    const file = join(temporaryDirectory(), "t.db");
    const limited = ["bash", "-c", 'ulimit -n 100; exec "$0" "$@"'];
    const child = startChild(join(import.meta.dirname, "no-files-child.ts"), [file], limited);
    await child.ended;
    const acts = ["write", "pieces", "list", "adopt", "renew", "claim", "erase", "last"];
    expect(child.lines).toEqual(["full", ...acts.map((act) => `${act} worked`)]);
    const store = openStore({ file, vault: testVault(), durability: "process", clock: systemClock });
    expect((await store.log.conversation("c-last"))?.head).toBe(1);
    await store.close();
  });
});
