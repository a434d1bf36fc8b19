// Owns the process that holds a store open, or says why it may not. An argument `limited` makes it write until the disk fails.
import { writeSync } from "node:fs";
import { openStore } from "../../src/adapters/embedded/store.ts";
import { StoreFailure } from "../../src/server/ports.ts";
import { systemClock } from "../../src/server/clock.ts";
import { append, create, titled } from "../contract/rows.ts";
import { testVault } from "../support/vault.ts";

const [file = "", what = "", user = ""] = process.argv.slice(2);
const say = (line: string): void => void writeSync(1, `${line}\n`);
if (user !== "" && process.getuid?.() === 0) process.setuid?.(Number(user));
try {
  const store = openStore({ file, vault: testVault(), durability: "process", clock: systemClock });
  say("open");
  if (what === "limited") {
    await store.log.commit([create("c-0")]);
    for (let n = 0; n < 3; n++) {
      const failed = await fail(() => store.log.commit([append("c-0", titled("x".repeat(1_000_000)))]));
      say(`write ${failed}`);
    }
    say(`read ${await fail(() => store.log.entries("c-0", 0, 1))}`);
    process.exit(0);
  }
  setInterval(() => undefined, 1000);
} catch (error) {
  say(error instanceof Error ? `${error.name}: ${error.message}` : "?");
}

/** How a call fails, tried until it does. */
async function fail(call: () => Promise<unknown>): Promise<string> {
  try {
    for (let n = 0; n < 100; n++) await call();
    return "worked";
  } catch (error) {
    return error instanceof StoreFailure ? error.kind : "other";
  }
}
