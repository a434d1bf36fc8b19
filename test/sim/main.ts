// Owns the command line of the simulation: worlds by their seeds, counts, and how to repeat one.
import { readOptions, refuse, wholeNumber } from "../../scripts/options.ts";
import { runWorld } from "./world.ts";

const help = `node test/sim/main.ts [options]

  --seeds A..B     the worlds (1..500)
  --seed N         one of them
  --trace          every step of it
  --titles KIND    what names conversations: model, words or off (off)
  --first          ends with the first world that breaks a promise; without it with the twentieth
  --all            goes on however many do
`;
const values = readOptions(help, {
  seed: { type: "string" },
  seeds: { type: "string", default: "1..500" },
  trace: { type: "boolean", default: false },
  titles: { type: "string", default: "off" },
  all: { type: "boolean", default: false },
  first: { type: "boolean", default: false },
});

const [name, range] = values.seed === undefined ? ["seeds", values.seeds] : ["seed", values.seed];
const [from = 1, to = from] = range.split("..").map((text) => wholeNumber(name, text));
if (to < from) refuse(`--${name}: ${range} holds no world.`);
if (!["off", "model", "words"].includes(values.titles))
  refuse(`--titles: ${values.titles} is none of model, words, off.`);
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
