// Owns that the cost of an append, and the tail, do not grow. Compares, never states microseconds.
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, expect, it } from "vitest";
import { openStore } from "../../src/adapters/embedded/store.ts";
import { finishTurn, settle } from "../../src/domain/turn.ts";
import { systemClock } from "../../src/server/clock.ts";
import { append, create, done, readAll, start, titled } from "../contract/rows.ts";
import { temporaryDirectory } from "../support/temporary.ts";
import { pieceOf } from "./pieces.ts";
import { testVault } from "../support/vault.ts";

const median = (values: number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0;

describe("the embedded store's costs", () => {
  it("AD12 an append costs the same in a log of a hundred thousand entries as in one of a thousand", async () => {
    const file = join(temporaryDirectory(), "t.db");
    const store = openStore({ file, vault: testVault(), durability: "process", clock: systemClock });
    const events = Array.from({ length: 1_000 }, (_, n) => titled(`entry ${n}`));
    await store.log.commit([create("c-short"), append("c-short", ...events), create("c-long")]);
    for (let n = 0; n < 100; n++) await done(store.log, append("c-long", ...events));
    for (const id of ["c-short", "c-long"]) await done(store.log, start(id, { id: `t-${id}`, message: `m-${id}` }));
    const times: Record<string, number[]> = { "c-short": [], "c-long": [] };
    // In turns, so that whatever else the machine does falls on both.
    for (let n = 0; n < 1_500; n++) {
      for (const id of n % 2 === 0 ? ["c-short", "c-long"] : ["c-long", "c-short"]) {
        const kind = n % 5 === 4 ? append(id, titled("n")) : pieceOf(id, "piece ");
        const began = performance.now();
        await store.log.commit([kind]);
        times[id]?.push(performance.now() - began);
      }
    }
    expect((await store.log.conversation("c-long"))?.head).toBe(100_000 + 1 + 1 + 1_500);
    expect(median(times["c-long"] ?? []) / median(times["c-short"] ?? [])).toBeLessThan(2);
    await store.close();
  });

  it("AD12 a piece of a running reply is one statement, whatever else is stored", async () => {
    const file = join(temporaryDirectory(), "t.db");
    const store = openStore({ file, vault: testVault(), durability: "process", clock: systemClock });
    const ids = Array.from({ length: 20 }, (_, n) => `c-${n}`);
    await store.log.commit(ids.flatMap((id) => [create(id), start(id, { id: `t-${id}`, message: `m-${id}` })]));
    await store.log.commit(ids.map((id) => pieceOf(id, "piece ")));
    await store.close();
    const db = new DatabaseSync(file);
    expect(db.prepare("SELECT count(*) AS n, count(DISTINCT cid) AS of FROM tail").get()).toEqual({ n: 20, of: 20 });
    // Nothing but the tail has grown: rows of entries and turns are those of before.
    expect(db.prepare("SELECT count(*) AS n FROM entries").get()).toEqual({ n: 40 });
    expect(db.prepare("SELECT max(length) AS n, max(length_seq) AS seq FROM turns").get()).toEqual({ n: 0, seq: 2 });
    db.close();
  });

  it("AD12 the tail is empty when all turns are settled, and bounded while one runs on", async () => {
    const file = join(temporaryDirectory(), "t.db");
    const store = openStore({ file, vault: testVault(), durability: "process", clock: systemClock, tailRows: 1_000 });
    const { log } = store;
    await log.commit([create("c-long"), start("c-long", { id: "t-long", message: "m-long" }), create("c-0")]);
    await done(log, pieceOf("c-long", "the first piece, which pins all that come after it. "));
    for (let turn = 0; turn < 30; turn++) {
      await done(log, start("c-0", { id: `t-${turn}`, message: `m-${turn}` }));
      for (let n = 0; n < 100; n++) await log.commit([pieceOf("c-0", `${n} `), pieceOf("c-long", `${n} `)]);
      await done(log, finishTurn({ id: `t-${turn}`, conversation: "c-0", fence: 1 }, { status: "completed" }, 1));
      for (const row of await log.unsettled(5))
        await done(log, settle(row, (await readAll(log, "c-0", row.startedSeq - 1)).entries));
    }
    expect(await reopened(file, store)).toBeLessThanOrEqual(1_600);
    const again = openStore({ file, vault: testVault(), durability: "process", clock: systemClock });
    const { head, entries } = await readAll(again.log, "c-long");
    expect([head, entries.length]).toEqual([3_003, 3_003]);
    await done(again.log, finishTurn({ id: "t-long", conversation: "c-long", fence: 1 }, { status: "completed" }, 1));
    const [row] = await again.log.unsettled(5);
    if (row === undefined) throw new Error("nothing to settle");
    await done(again.log, settle(row, (await readAll(again.log, "c-long", row.startedSeq - 1, 10_000)).entries));
    // What is dropped at once is bounded; the commits after it go on.
    for (let n = 0; n < 3; n++) await done(again.log, append("c-0", titled("x")));
    expect(await reopened(file, again)).toBe(0);
  });
});

/** Rows of the tail, read by another connection after the store was closed. */
async function reopened(file: string, store: { close(): Promise<void> }): Promise<number> {
  await store.close();
  const db = new DatabaseSync(file);
  const count = Number(db.prepare("SELECT count(*) AS n FROM tail").get()?.["n"]);
  db.close();
  return count;
}
