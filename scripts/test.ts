// Owns `npm test`: sets up, runs the whole suite, and ends with one line `N passed, N failed`. Arguments go to vitest.
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as v from "valibot";

const root = join(import.meta.dirname, "..");

/** Runs a program of Node with this process's output. Resolves to its exit code, 1 where a signal ended it. */
function run(script: string, args: readonly string[]): Promise<number> {
  const child = spawn(process.execPath, [script, ...args], { cwd: root, stdio: ["ignore", "inherit", "inherit"] });
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => resolve(code ?? 1));
  });
}

const test = v.object({ status: v.string() });
const report = v.object({ testResults: v.array(v.object({ status: v.string(), assertionResults: v.array(test) })) });

/** Passed and failed tests of a run. What was skipped has not passed, and a file that could not be loaded is one failure. */
function count(text: string): { passed: number; failed: number } {
  const { testResults } = v.parse(report, JSON.parse(text));
  let [passed, failed] = [0, 0];
  for (const { status, assertionResults } of testResults) {
    const good = assertionResults.filter((result) => result.status === "passed").length;
    const bad = assertionResults.length - good;
    passed += good;
    failed += bad === 0 && (status !== "passed" || good === 0) ? 1 : bad;
  }
  return { passed, failed };
}

function readCounts(file: string): { passed: number; failed: number } {
  try {
    return count(readFileSync(file, "utf8"));
  } catch (error) {
    console.error(`The test run left no report: ${String(error)}`);
    return { passed: 0, failed: 0 };
  }
}

async function main(): Promise<number> {
  if ((await run(join(root, "scripts/setup-test.ts"), [])) !== 0) {
    console.log("0 passed, 1 failed");
    return 1;
  }
  const folder = mkdtempSync(join(tmpdir(), "throughline-test-"));
  const file = join(folder, "report.json");
  const reporters = ["--reporter=default", "--reporter=json", `--outputFile.json=${file}`];
  const code = await run(join(root, "node_modules/vitest/vitest.mjs"), ["run", ...reporters, ...process.argv.slice(2)]);
  const { passed, failed } = readCounts(file);
  rmSync(folder, { recursive: true, force: true });
  if (code !== 0 && failed === 0) console.error(`vitest ended with code ${code}: see its output above.`);
  if (passed === 0 && failed === 0) console.error("No test ran.");
  // An error outside any test, or a run without tests, is a failure that no test carries.
  const all = failed === 0 && (code !== 0 || passed === 0) ? 1 : failed;
  console.log(`${passed} passed, ${all} failed`);
  return all === 0 ? 0 : 1;
}

process.exitCode = await main();
