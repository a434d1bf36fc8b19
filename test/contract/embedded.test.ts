// Owns the run of the store suites on the embedded store.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openStore } from "../../src/adapters/embedded/store.ts";
import { systemClock } from "../../src/server/clock.ts";
import { fairUseContract } from "./fair-use-suite.ts";
import { diskFiles } from "../../src/adapters/files/disk.ts";
import { fileRowsContract, filesContract } from "./files-suite.ts";
import { logContract } from "./log-suite.ts";
import { adoptionContract, sessionsContract, usersContract } from "./people-suite.ts";
import { testVault } from "../support/vault.ts";

async function open() {
  const directory = await mkdtemp(join(tmpdir(), "throughline-"));
  const file = join(directory, "throughline.db");
  const store = openStore({ file, vault: testVault(), durability: "process", clock: systemClock });
  const close = async (): Promise<void> => {
    await store.close();
    await rm(directory, { recursive: true });
  };
  return { ...store, close };
}

logContract("embedded", open);
usersContract("embedded", open);
sessionsContract("embedded", open);
adoptionContract("embedded", open);
fairUseContract("embedded", open);
fileRowsContract("embedded", open);
filesContract("disk", async () => {
  const directory = await mkdtemp(join(tmpdir(), "throughline-"));
  return { files: diskFiles(directory, "disk"), close: () => rm(directory, { recursive: true }) };
});
