// Owns the process that kills itself before the nth statement of a migration.
import { DatabaseSync } from "node:sqlite";
import { migrate, migrations } from "../../src/adapters/embedded/schema.ts";
import { sealing, unlock } from "../../src/adapters/embedded/sealing.ts";
import { testVault } from "../support/vault.ts";

const [file = "", nth = "0", version = "0"] = process.argv.slice(2);
const db = new DatabaseSync(file);
db.exec("PRAGMA journal_mode = WAL");
const vault = testVault();
unlock(db, Number(version), vault);
sealing(db, vault);
let n = 0;
migrate(db, Number(version), migrations, () => {
  if (n++ === Number(nth)) process.kill(process.pid, "SIGKILL");
});
