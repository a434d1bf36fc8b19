// Owns the run of the store suites on the memory store.
import { memoryDisk, openMemoryStore } from "../../src/adapters/memory/store.ts";
import { systemClock } from "../../src/server/clock.ts";
import { memoryFiles } from "../../src/adapters/memory/files.ts";
import { fileRowsContract, filesContract } from "./files-suite.ts";
import { logContract } from "./log-suite.ts";
import { adoptionContract, sessionsContract, usersContract } from "./people-suite.ts";

const open = async () => openMemoryStore(memoryDisk(), { clock: systemClock });

logContract("memory", open);
usersContract("memory", open);
sessionsContract("memory", open);
adoptionContract("memory", open);
fileRowsContract("memory", open);
filesContract("memory", async () => ({ files: memoryFiles(() => Date.now()), close: () => Promise.resolve() }));
