// Owns the process that a crash test kills: commits without end, and says on stdout what has been acknowledged.
import { writeSync } from "node:fs";
import { openStore } from "../../src/adapters/embedded/store.ts";
import { finishTurn, settle } from "../../src/domain/turn.ts";
import { systemClock } from "../../src/server/clock.ts";
import { append, create, readAll, start, titled } from "../contract/rows.ts";
import { pieceOf } from "./pieces.ts";
import { testVault } from "../support/vault.ts";

const [file = "", first = "0", durability] = process.argv.slice(2);
const store = openStore({
  file,
  vault: testVault(),
  durability: durability === "disk" ? "disk" : "process",
  clock: systemClock,
  tailRows: 40,
});
const { log } = store;
const conversations = ["c-0", "c-1", "c-2"];
for (const id of conversations) if ((await log.conversation(id)) === undefined) await log.commit([create(id)]);

for (let n = Number(first); ; n++) {
  const id = conversations[n % 3] ?? "";
  const [last] = (await log.messages(id, { limit: 1 }))?.running ?? [];
  const turn = last?.id ?? `t-${n}`;
  const works = last === undefined ? [start(id, { id: turn, message: `m-${n}` })] : [];
  const outcomes = await log.commit([
    ...works,
    ...conversations.map((other) => pieceOf(other, `${n} `)),
    // A work of its own, so that what is acknowledged can be counted.
    { ...append(id, titled(String(n))), key: { user: "ada", id: `k-${n}`, hash: "h" } },
  ]);
  if (outcomes.at(-1)?.ok === true) writeSync(1, `${n}\n`);
  if (n % 17 === 0 && last !== undefined) {
    await log.commit([finishTurn(last, { status: "completed" }, 1)]);
    const [ended] = await log.unsettled(1);
    if (ended === undefined) continue;
    const { entries } = await readAll(log, ended.conversation, ended.startedSeq - 1);
    await log.commit([settle(ended, entries)]);
  }
}
