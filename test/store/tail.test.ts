// Owns what becomes of pieces on their way from the tail to the entries, over a restart.
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { openStore, type Store } from "../../src/adapters/embedded/store.ts";
import { merge, type Entry } from "../../src/domain/log.ts";
import { beginAttempt, finishTurn, settle } from "../../src/domain/turn.ts";
import { systemClock } from "../../src/server/clock.ts";
import { append, create, done, readAll, start, titled, work } from "../contract/rows.ts";
import { temporaryDirectory } from "../support/temporary.ts";
import { pieceOf } from "./pieces.ts";
import { testVault } from "../support/vault.ts";

const claim = { id: "t-0", conversation: "c-0", fence: 1 };

/** A store with a turn in `c-0`, behind a piece of another that runs on: so that nothing of the tail is dropped. */
async function begin(): Promise<{ store: Store; reopen: () => Promise<Store> }> {
  const file = join(temporaryDirectory(), "t.db");
  const open = (): Store => openStore({ file, vault: testVault(), durability: "process", clock: systemClock });
  const store = open();
  await store.log.commit([create("c-pin"), start("c-pin", { id: "t-pin", message: "m-pin" }), pieceOf("c-pin", "pin")]);
  await store.log.commit([create("c-0"), start("c-0", { id: "t-0", message: "m-0" })]);
  const reopen = async (): Promise<Store> => {
    await store.close();
    return open();
  };
  return { store, reopen };
}

const ranges = (entries: readonly Entry[]): number[][] => entries.map((entry) => [entry.first, entry.last]);

describe("the tail of the embedded store", () => {
  it("TU6 LG1 a settled reply of one piece keeps it", async () => {
    const { store, reopen } = await begin();
    await done(store.log, pieceOf("c-0", "only"));
    await done(store.log, finishTurn(claim, { status: "completed" }, 1));
    const [row] = await store.log.unsettled(1);
    if (row === undefined) throw new Error("nothing to settle");
    const { entries } = await readAll(store.log, "c-0", row.startedSeq - 1);
    await done(store.log, settle(row, entries));
    const before = await readAll(store.log, "c-0");
    expect(ranges(before.entries)).toEqual([
      [1, 1],
      [2, 2],
      [3, 3],
      [4, 4],
    ]);
    const again = await reopen();
    expect(await readAll(again.log, "c-0")).toEqual(before);
    await again.close();
  });

  it("TU8 LG1 pieces that were merged while their turn runs are there once, whatever the turn does next", async () => {
    const { store, reopen } = await begin();
    for (const text of ["a", "b", "c"]) await done(store.log, pieceOf("c-0", text));
    const { entries } = await readAll(store.log, "c-0", 2);
    await done(
      store.log,
      work("c-0", () => ({ replace: merge(entries) })),
    );
    // Writes the turn's row anew.
    await done(store.log, beginAttempt(claim, "continue", 1));
    await done(store.log, pieceOf("c-0", "d"));
    const before = await readAll(store.log, "c-0");
    expect(ranges(before.entries)).toEqual([
      [1, 1],
      [2, 2],
      [3, 5],
      [6, 6],
      [7, 7],
    ]);
    const again = await reopen();
    expect(await readAll(again.log, "c-0")).toEqual(before);
    expect((await again.log.messages("c-0", { limit: 1 }))?.running[0]?.length).toBe(4);
    await again.close();
  });

  it("TU8 LG1 pieces that were merged in the middle are there once, and those before them still", async () => {
    const { store, reopen } = await begin();
    await done(store.log, pieceOf("c-0", "a"));
    await done(store.log, append("c-0", titled("x")));
    for (const text of ["b", "c"]) await done(store.log, pieceOf("c-0", text));
    const { entries } = await readAll(store.log, "c-0", 4);
    await done(
      store.log,
      work("c-0", () => ({ replace: merge(entries) })),
    );
    const before = await readAll(store.log, "c-0");
    expect(ranges(before.entries)).toEqual([
      [1, 1],
      [2, 2],
      [3, 3],
      [4, 4],
      [5, 6],
    ]);
    const again = await reopen();
    expect(await readAll(again.log, "c-0")).toEqual(before);
    await done(again.log, pieceOf("c-0", "d"));
    expect((await again.log.conversation("c-0"))?.head).toBe(7);
    await again.close();
  });
});
