// `npm run torture -- --cycles 200 --seed 1 --clients 20`: the rig from the command line. Ends with an exit code.
import { parseArgs } from "node:util";
import { badCounts, torture } from "./rig.ts";

const { values } = parseArgs({
  options: {
    cycles: { type: "string", default: "20" },
    seed: { type: "string", default: String(Date.now() % 100_000) },
    clients: { type: "string", default: "20" },
  },
});
const began = performance.now();
console.log(`torture: seed ${values.seed}, ${values.cycles} cycles, ${values.clients} clients`);
const report = await torture({
  cycles: Number(values.cycles),
  seed: Number(values.seed),
  clients: Number(values.clients),
  say: (line) => console.log(line),
});
const { problems, ...counts } = report;
console.log(JSON.stringify({ ...counts, seconds: Math.round((performance.now() - began) / 1000) }, null, 2));
for (const problem of problems.slice(0, 20)) console.log(`- ${problem}`);
const bad = badCounts.reduce((sum, name) => sum + report[name], 0);
console.log(
  bad === 0
    ? "all promises held"
    : `${bad} broken; again: npm run torture -- --cycles ${values.cycles} --seed ${values.seed} --clients ${values.clients}`,
);
process.exit(bad === 0 ? 0 : 1);
