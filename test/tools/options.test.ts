// Proves that the commands of a checkout refuse what they do not know, before they begin anything.
import { expect, test } from "vitest";
import { spawnSync } from "node:child_process";

const run = (file: string, args: readonly string[]): { code: number | null; output: string } => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [file, ...args], {
    encoding: "utf8",
    timeout: 60_000,
  });
  return { code: status, output: stdout + stderr };
};
const files = [
  "bench/main.ts",
  "test/torture/main.ts",
  "test/torture/sabotage.ts",
  "test/sim/sabotage.ts",
  "test/sim/main.ts",
  "test/conformance/main.ts",
];

test.each(files)("CD5 %s tells what there is, and refuses an option that is none", (file) => {
  const told = run(file, ["--help"]);
  expect(told).toEqual({ code: 0, output: expect.stringMatching(/^(npm run|node) .* --/s) as string });
  const refused = run(file, ["--colour", "red"]);
  expect(refused.code).toBe(2);
  expect(refused.output).toMatch(/--colour.*\n--help tells what there is\.\n$/s);
  expect(refused.output).not.toContain("node:internal");
});

test.each([
  ["bench/main.ts", ["--only", "P1,P99"], "--only: P99 is none of"],
  ["bench/main.ts", ["--runs", "many"], '--runs: "many" is no whole number from 1 on.'],
  ["bench/main.ts", ["--entries", "0"], '--entries: "0" is no whole number from 1 on.'],
  ["test/torture/main.ts", ["--scene", "picnic"], "--scene: picnic is none of cycles, "],
  ["test/torture/main.ts", ["--size", "0"], '--size: "0" is no whole number from 1 on.'],
  ["test/torture/main.ts", ["--seed", "-1"], "--seed"],
  ["test/torture/sabotage.ts", ["--scene", "picnic"], "--scene: picnic is none of "],
  ["test/sim/sabotage.ts", ["--only", "no such bug"], '--only: no planted bug has "no such bug" in its name.'],
  ["test/sim/sabotage.ts", ["--at", "0"], '--at: "0" is no whole number from 1 on.'],
  ["test/sim/main.ts", ["--seeds", "a..b"], '--seeds: "a" is no whole number from 1 on.'],
  ["test/sim/main.ts", ["--seeds", "9..3"], "--seeds: 9..3 holds no world."],
  ["test/conformance/main.ts", ["--only", "CG4,CX9"], '--only: "CX9" is none of CN1, '],
  ["test/conformance/main.ts", ["--skip", "cg4"], '--skip: "cg4" is none of CN1, '],
  ["test/conformance/main.ts", ["--only", "CG4", "--skip", "CG4"], "--skip: nothing of --only is left."],
  ["test/conformance/main.ts", ["--patience", "soon"], '--patience: "soon" is no whole number from 1 on.'],
  ["test/conformance/main.ts", ["--at-once", "0"], '--at-once: "0" is no whole number from 1 on.'],
  ["test/conformance/main.ts", ["--url", "http://x"], '--url: "http://x" is no address like ws://HOST:PORT'],
  ["test/conformance/main.ts", ["--url", "nowhere"], '--url: "nowhere" is no address like ws://HOST:PORT'],
])("CD5 %s %j is refused in a sentence", (file, args, sentence) => {
  const { code, output } = run(file, args);
  expect([code, output]).toEqual([2, expect.stringContaining(sentence)]);
});

test("CF2 a server that cannot be reached is one sentence and the exit code 3", () => {
  const { code, output } = run("test/conformance/main.ts", ["--url", "ws://127.0.0.1:9"]);
  expect({ code, output }).toEqual({
    code: 3,
    output: "No server answers at ws://127.0.0.1:9: connect ECONNREFUSED 127.0.0.1:9\n",
  });
});
