// Owns the process that a rotation test kills: writes without end while it changes the master key again and again.
import { writeSync } from "node:fs";
import { join } from "node:path";
import { MasterVault } from "../../src/adapters/embedded/master-vault.ts";
import { openStore } from "../../src/adapters/embedded/store.ts";
import { systemClock } from "../../src/server/clock.ts";
import { append, create, say, titled, userMessage } from "../contract/rows.ts";

const [directory = "", first = "0"] = process.argv.slice(2);
const vault = new MasterVault({ keys: [], file: join(directory, "master.key") });
const store = openStore({ file: join(directory, "t.db"), vault, durability: "process", clock: systemClock });

async function rotate(): Promise<never> {
  for (;;) {
    const rotated = await store.rotation.rotate();
    if ("code" in rotated) throw new Error(rotated.message);
    writeSync(1, "rotated\n");
  }
}

async function write(): Promise<never> {
  for (let n = Number(first); ; n++) {
    const outcomes = await store.log.commit([
      create(`c-${n}`, { title: `title ${n}` }),
      say(`c-${n}`, userMessage(`m-${n}`)),
      append(`c-${Math.floor(n / 2)}`, titled(String(n))),
    ]);
    if (outcomes.every((outcome) => outcome.ok)) writeSync(1, `${n}\n`);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

await store.rotation.resume();
await Promise.all([rotate(), write()]);
