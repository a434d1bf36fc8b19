// Owns the process that has a store open and may open nothing more: does what the store does at its largest, and says how it went.
import { openSync, writeSync } from "node:fs";
import { openStore } from "../../src/adapters/embedded/store.ts";
import { systemClock } from "../../src/server/clock.ts";
import { StoreFailure } from "../../src/server/ports.ts";
import { append, create, start, titled } from "../contract/rows.ts";
import { testVault } from "../support/vault.ts";
import { pieceOf } from "./pieces.ts";

const [file = ""] = process.argv.slice(2);
const say = (line: string): void => void writeSync(1, `${line}\n`);
const store = openStore({ file, vault: testVault(), durability: "process", clock: systemClock, tailRows: 40 });
const { log } = store;
const ids = Array.from({ length: 1500 }, (_, n) => `c-${n}`);
await log.commit(ids.map((id) => create(id, { user: "guest_1" })));
await log.commit(ids.map((id) => start(id, { user: "guest_1" })));

try {
  for (;;) openSync("/dev/null", "r");
} catch {
  say("full");
}
await report("write", () => log.commit(ids.map((id) => append(id, titled("x".repeat(2000))))));
await report("pieces", () => log.commit(ids.map((id) => pieceOf(id, "piece "))));
await report("list", () => log.list("guest_1", { limit: 100, archived: false }));
await report("adopt", () => store.sessions.adopt({ guest: "guest_1", user: "ada", at: 9 }));
await report("renew", () => log.renew("node-1", 99_999));
await report("claim", () => log.claim({ owner: "node-2", now: 999_999, leaseUntil: 1_999_999, all: true }));
await report("erase", () => store.erasures.erase("ada"));
await report("last", () => log.commit([create("c-last")]));
process.exit(0);

async function report(what: string, call: () => Promise<unknown>): Promise<void> {
  const how = await call().then(
    () => "worked",
    (error: unknown) => (error instanceof StoreFailure ? error.kind : String(error)),
  );
  say(`${what} ${how}`);
}
