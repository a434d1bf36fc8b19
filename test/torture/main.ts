// `npm run torture -- --scene storm --size 10000 --seed 7`: the rig from the command line. Ends with a table and an exit code.
import { readOptions, refuse, wholeNumber } from "../../scripts/options.ts";
import { badCounts, type Ledger } from "./ledger.ts";
import { runScene } from "./scene.ts";
import { scenes } from "./scenes.ts";

const help = `npm run torture -- [options]

  --scene NAME     ${[...scenes.keys()].join(", ")}, or all (cycles)
  --size N         how much of it: ${[...scenes.values()].map(({ name, unit, large }) => `${name} ${large} ${unit}`).join(", ")}
  --large          the large sizes (those above); without it and without --size, those of npm test
  --seconds S      where a scene waits by the clock
  --seed S         the draws
  --cycles N       of the scene cycles: the same as --size (20)
  --clients N      of the scene cycles (20)
`;

const values = readOptions(help, {
  scene: { type: "string", default: "cycles" },
  size: { type: "string" },
  seconds: { type: "string" },
  large: { type: "boolean", default: false },
  cycles: { type: "string" },
  clients: { type: "string", default: "20" },
  seed: { type: "string", default: String(Date.now() % 100_000) },
});

const number = (name: string, text: string | undefined): number | undefined =>
  text === undefined ? undefined : wholeNumber(name, text);

const wanted =
  values.scene === "all" ? [...scenes.values()] : [scenes.get(values.scene)].filter((one) => one !== undefined);
if (wanted.length === 0) refuse(`--scene: ${values.scene} is none of ${[...scenes.keys()].join(", ")}, all.`);
const { large } = values;
const seed = wholeNumber("seed", values.seed, 0);
const clients = wholeNumber("clients", values.clients);
const [cycles, sized, seconds] = [
  number("cycles", values.cycles),
  number("size", values.size),
  number("seconds", values.seconds),
];
const rows: (readonly [string, Ledger, number])[] = [];
for (const scene of wanted) {
  const own = scene.name === "cycles" ? (cycles ?? (large ? undefined : 20)) : undefined;
  const size = sized ?? own;
  const began = performance.now();
  const which = `${scene.name} of ${size ?? (large ? scene.large : scene.small)} ${scene.unit}, seed ${seed}`;
  console.log(`torture: ${which}`);
  const say = (line: string): void => console.log(`  ${line}`);
  const ledger = await runScene(scene, { seed, size, seconds, clients, large, say });
  console.log(JSON.stringify(ledger.facts));
  for (const problem of ledger.problems.slice(0, 20)) console.log(`- ${problem}`);
  rows.push([scene.name, ledger, Math.round((performance.now() - began) / 1000)]);
}
const names = ["cycles", "operations", ...badCounts, "seconds"];
console.log(`\n${"scene".padEnd(12)}${names.map((name) => name.padStart(12)).join("")}`);
for (const [name, { cycles, operations, counts }, seconds] of rows) {
  const cells = [cycles, operations, ...badCounts.map((bad) => counts[bad]), seconds];
  console.log(`${name.padEnd(12)}${cells.map((value) => String(value).padStart(12)).join("")}`);
}
const bad = rows.reduce((sum, [, ledger]) => sum + ledger.sum, 0);
const again = process.argv.slice(2).join(" ");
const seeded = again.includes("--seed") ? "" : ` --seed ${seed}`;
console.log(bad === 0 ? "all promises held" : `${bad} broken; again: npm run torture -- ${again}${seeded}`);
process.exit(bad === 0 ? 0 : 1);
