// Owns the process that kills itself before the nth statement of a migration.
import { DatabaseSync } from "node:sqlite";
import { migrate, migrations } from "../../src/adapters/embedded/schema.ts";

const [file = "", nth = "0"] = process.argv.slice(2);
const db = new DatabaseSync(file);
db.exec("PRAGMA journal_mode = WAL");
let n = 0;
migrate(db, 0, migrations, () => {
  if (n++ === Number(nth)) process.kill(process.pid, "SIGKILL");
});
