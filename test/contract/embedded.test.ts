// Owns the run of the store suites on the embedded store.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { plainVault } from "../../src/adapters/embedded/plain-vault.ts";
import { openStore } from "../../src/adapters/embedded/store.ts";
import { systemClock } from "../../src/server/clock.ts";
import { fairUseContract } from "./fair-use-suite.ts";
import { logContract } from "./log-suite.ts";
import { sessionsContract, usersContract } from "./people-suite.ts";

async function open() {
  const directory = await mkdtemp(join(tmpdir(), "throughline-"));
  const file = join(directory, "throughline.db");
  const store = openStore({ file, vault: plainVault, durability: "process", clock: systemClock });
  const close = async (): Promise<void> => {
    await store.close();
    await rm(directory, { recursive: true });
  };
  return { ...store, close };
}

logContract("embedded", open);
usersContract("embedded", open);
sessionsContract("embedded", open);
fairUseContract("embedded", open);
