// Owns the process that kills itself before the nth statement of the upgrade of an old store; after the last, before it is cleaned.
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { migrate, migrations } from "../../src/adapters/embedded/schema.ts";
import { sealing, unlock } from "../../src/adapters/embedded/sealing.ts";
import { testVault } from "../support/vault.ts";
import { writeOldStore } from "./old-store.ts";

const [directory = "", nth = "0"] = process.argv.slice(2);
mkdirSync(directory);
const file = join(directory, "t.db");
writeOldStore(file, 20);
const db = new DatabaseSync(file);
db.exec("PRAGMA journal_mode = WAL");
const vault = testVault();
unlock(db, 1, vault);
sealing(db, vault);
let n = 0;
migrate(db, 1, migrations, () => {
  if (n++ === Number(nth)) process.kill(process.pid, "SIGKILL");
});
process.kill(process.pid, "SIGKILL");
