// Owns the proof that `npm test` tells the truth: its last line counts everything, and its exit code follows from it.
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";

const root = join(import.meta.dirname, "../..");
const folders: string[] = [];
afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

/** Runs the script over a suite of these files. */
function suite(files: Record<string, string>): { last: string | undefined; code: number | null; lines: number } {
  const folder = mkdtempSync(join(tmpdir(), "throughline-suite-"));
  folders.push(folder);
  symlinkSync(join(root, "node_modules"), join(folder, "node_modules"));
  for (const [name, text] of Object.entries(files)) {
    writeFileSync(join(folder, name), `import { expect, test } from "vitest";\n${text}\n`);
  }
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("VITEST")));
  const args = [join(root, "scripts/test.ts"), "--root", folder];
  const { stdout, status } = spawnSync(process.execPath, args, { env: { ...env, CI: "true" }, encoding: "utf8" });
  const lines = stdout.trimEnd().split("\n");
  return {
    last: lines.at(-1),
    code: status,
    lines: lines.filter((line) => /^\d+ passed, \d+ failed$/.test(line)).length,
  };
}
const good = 'test("a", () => expect(1).toBe(1));';
const bad = 'test("b", () => expect(1).toBe(2));';

test("AR7 a good suite passes, with one line of counts at the end", () => {
  expect(suite({ "a.test.ts": `${good}\ntest("c", () => expect(2).toBe(2));`, "b.test.ts": good })).toEqual({
    last: "3 passed, 0 failed",
    code: 0,
    lines: 1,
  });
});

test("AR7 failed tests, skipped tests and files that do not load are failures", () => {
  const skipped = 'test.skip("s", () => expect(1).toBe(1));\ntest.todo("t");';
  const files = { "a.test.ts": good + bad, "b.test.ts": `throw new Error("no");`, "c.test.ts": good + skipped };
  expect(suite(files)).toEqual({ last: "2 passed, 4 failed", code: 1, lines: 1 });
});

test("AR7 a suite of skipped tests only, or of none, has failed", () => {
  expect(suite({ "a.test.ts": 'test.skip("s", () => expect(1).toBe(1));' })).toMatchObject({
    last: "0 passed, 1 failed",
    code: 1,
  });
  expect(suite({})).toMatchObject({ last: "0 passed, 1 failed", code: 1 });
});

test("AR7 an error outside any test is a failure", () => {
  const stray =
    'test("r", async () => { void Promise.reject(new Error("stray")); await new Promise((r) => setTimeout(r, 50)); });';
  expect(suite({ "a.test.ts": good + stray })).toMatchObject({ last: "2 passed, 1 failed", code: 1 });
});
