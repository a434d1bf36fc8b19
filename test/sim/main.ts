// Owns the command line of the simulation: worlds by their seeds, counts, and how to repeat one.
import { parseArgs } from "node:util";
import { runWorld } from "./world.ts";

const { values } = parseArgs({
  options: {
    seed: { type: "string" },
    seeds: { type: "string", default: "1..500" },
    trace: { type: "boolean", default: false },
    titles: { type: "string", default: "off" },
    all: { type: "boolean", default: false },
    first: { type: "boolean", default: false },
  },
});

const [from = 1, to = from] = (values.seed ?? values.seeds).split("..").map(Number);
const began = performance.now();
let failures = 0;
let steps = 0;
let events = 0;
let worlds = 0;
let titles = 0;
for (let seed = from; seed <= to; seed++) {
  const verdict = await runWorld(seed, {
    ...(values.trace ? { trace: (line) => console.log(line) } : {}),
    ...(values.titles === "model" || values.titles === "words" ? { titles: values.titles } : {}),
  });
  titles += verdict.titles;
  worlds++;
  if (worlds % 50 === 0) console.error(`world ${seed}`);
  steps += verdict.steps;
  events += verdict.events;
  if (from === to) console.log(`digest ${verdict.digest}`);
  if (verdict.violations.length === 0) continue;
  failures++;
  console.log(`seed ${seed}: ${verdict.violations[0]}\n  repeat: node test/sim/main.ts --seed ${seed} --trace`);
  if (values.first || (!values.all && failures >= 20)) break;
}
const seconds = (performance.now() - began) / 1000;
console.log(
  `${worlds} worlds, ${failures} failed, ${steps} steps, ${events} events, ${titles} titles, ${seconds.toFixed(1)} s`,
);
process.exitCode = failures > 0 ? 1 : 0;
