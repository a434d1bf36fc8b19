// Owns `npm run load` from a checkout.
import { loadCommand } from "../src/load/command.ts";

process.exitCode = await loadCommand(process.argv.slice(2), (line) => console.log(line));
