// Owns the proof that the linter really refuses what the layers forbid: each violation is planted in a tree laid out like src/.
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, expect, test } from "vitest";

const root = join(import.meta.dirname, "../..");
const trees: string[] = [];
afterAll(() => {
  for (const tree of trees) rmSync(tree, { recursive: true, force: true });
});

/** What the linter says of these files under the project's own configuration: one line per error, `path: rule`. */
function lint(files: Record<string, string>): string[] {
  const tree = mkdtempSync(join(tmpdir(), "throughline-layers-"));
  trees.push(tree);
  cpSync(join(root, ".oxlintrc.json"), join(tree, ".oxlintrc.json"));
  cpSync(join(root, "tsconfig.json"), join(tree, "tsconfig.json"));
  symlinkSync(join(root, "node_modules"), join(tree, "node_modules"));
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(tree, path)), { recursive: true });
    writeFileSync(join(tree, path), `${text}\n`);
  }
  const oxlint = join(root, "node_modules/.bin/oxlint");
  const { stdout, stderr } = spawnSync(oxlint, ["--format", "unix"], { cwd: tree, encoding: "utf8" });
  expect(stderr).toBe("");
  expect(stdout).not.toContain("tsconfig-error");
  const line = /^(?<path>src[^:]*):\d+:\d+: .*\[\w+\/(?<rule>[^\]]+)\]$/;
  return stdout
    .split("\n")
    .map((text) => line.exec(text)?.groups)
    .filter((groups) => groups !== undefined)
    .map(({ path, rule }) => `${path}: ${rule}`);
}

const b = "export const b = 1;";
const use = (from: string): string => `import { b } from "${from}";\nexport const a = b;`;
const imports = "eslint(no-restricted-imports)";
const globals = "eslint(no-restricted-globals)";

const allowed: Record<string, string> = {
  "src/protocol/a.ts": use("./b.ts"),
  "src/protocol/b.ts": b,
  "src/protocol/c.ts": 'import * as v from "valibot";\nexport const c = v.string();',
  "src/domain/a.ts": use("../protocol/b.ts"),
  "src/domain/c.ts": use("./conversation.ts"),
  "src/domain/conversation.ts": b,
  "src/server/a.ts": use("../domain/conversation.ts"),
  "src/server/c.ts": use("node:fs"),
  "src/server/ports.ts": b,
  "src/adapters/one/a.ts": use("../../server/ports.ts"),
  "src/adapters/one/c.ts": use("./b.ts"),
  "src/adapters/one/d.ts": use("../../protocol/b.ts"),
  "src/adapters/one/e.ts": use("jose"),
  "src/adapters/one/b.ts": b,
  "src/app/a.ts": use("../ui/b.ts"),
  "src/app/c.ts": use("../client/b.ts"),
  "src/app/d.ts": use("valibot"),
  "src/load/a.ts": use("../client/replica.ts"),
  "src/load/c.ts": use("../domain/conversation.ts"),
  "src/load/d.ts": use("node:util"),
  "src/client/a.ts": use("../domain/conversation.ts"),
  "src/client/c.ts": use("../protocol/b.ts"),
  "src/widget/a.ts": use("../client/b.ts"),
  "src/widget/c.ts": use("../ui/b.ts"),
  "src/widget/d.ts": use("../react/b.ts"),
  "src/ui/b.ts": b,
  "src/cli/a.ts": use("../protocol/b.ts"),
  "src/cli/c.ts": use("node:util"),
  "src/files/a.ts": use("../client/index.ts"),
  "src/files/b.ts": use("../protocol/b.ts"),
  "src/client/index.ts": b,
  "src/ui/a.ts": use("../client/b.ts"),
  "src/ui/c.ts": use("../react/b.ts"),
  "src/ui/drawn/a.ts": use("../../protocol/b.ts"),
  "src/ui/drawn/c.ts": use("marked"),
  "src/main.ts": `${use("./adapters/one/b.ts")}\nconsole.log(a);`,
  "src/domain/time.ts": "export const age = (now: number, then: number): number => now - then;",
};

test("AR1 what the layers allow is clean", () => {
  expect(lint(allowed)).toEqual([]);
});

const forbidden: readonly (readonly [path: string, from: string])[] = [
  ["src/protocol/a.ts", "../domain/conversation.ts"],
  ["src/protocol/a.ts", "./../domain/conversation.ts"],
  ["src/protocol/a.ts", "node:fs"],
  ["src/protocol/a.ts", "jose"],
  ["src/domain/a.ts", "node:fs"],
  ["src/domain/a.ts", "fs"],
  ["src/domain/a.ts", "jose"],
  ["src/domain/a.ts", "../server/ports.ts"],
  ["src/domain/a.ts", "../client/b.ts"],
  ["src/domain/a.ts", "../settings.ts"],
  ["src/server/a.ts", "../adapters/one/b.ts"],
  ["src/server/deep/a.ts", "../../adapters/one/b.ts"],
  ["src/server/a.ts", "../client/b.ts"],
  ["src/server/a.ts", "../main.ts"],
  ["src/server/a.ts", "../host.ts"],
  ["src/server/a.ts", "../settings.ts"],
  ["src/adapters/one/a.ts", "../two/b.ts"],
  ["src/adapters/one/a.ts", "./../two/b.ts"],
  ["src/adapters/one/a.ts", "../../adapters/two/b.ts"],
  ["src/adapters/one/a.ts", "../../server/clock.ts"],
  ["src/adapters/one/a.ts", "../../server/deep/ports.ts"],
  ["src/adapters/one/a.ts", "../../client/b.ts"],
  ["src/adapters/one/a.ts", "../../settings.ts"],
  ["src/app/a.ts", "node:fs"],
  ["src/app/a.ts", "../protocol/b.ts"],
  ["src/app/a.ts", "../server/ports.ts"],
  ["src/app/a.ts", "../domain/conversation.ts"],
  ["src/app/a.ts", "./../settings.ts"],
  ["src/app/a.ts", "../load/b.ts"],
  ["src/app/deep/a.ts", "../../adapters/one/b.ts"],
  ["src/load/a.ts", "../server/ports.ts"],
  ["src/load/a.ts", "../domain/decide.ts"],
  ["src/load/a.ts", "../host.ts"],
  ["src/load/a.ts", "../react/b.ts"],
  ["src/load/deep/a.ts", "../../ui/b.ts"],
  ["src/client/a.ts", "../server/ports.ts"],
  ["src/client/a.ts", "../domain/decide.ts"],
  ["src/client/a.ts", "../adapters/one/b.ts"],
  ["src/client/a.ts", "node:fs"],
  ["src/files/a.ts", "../server/ports.ts"],
  ["src/files/a.ts", "../client/replica.ts"],
  ["src/files/a.ts", "../ui/b.ts"],
  ["src/files/a.ts", "../settings.ts"],
  ["src/files/a.ts", "node:fs"],
  ["src/widget/a.ts", "../server/ports.ts"],
  ["src/widget/a.ts", "../domain/conversation.ts"],
  ["src/widget/a.ts", "../protocol/b.ts"],
  ["src/widget/a.ts", "../adapters/one/b.ts"],
  ["src/widget/a.ts", "../app/b.ts"],
  ["src/widget/a.ts", "./../app/b.ts"],
  ["src/widget/a.ts", "../settings.ts"],
  ["src/widget/a.ts", "node:fs"],
  ["src/cli/a.ts", "../server/ports.ts"],
  ["src/cli/a.ts", "../settings.ts"],
  ["src/cli/a.ts", "jose"],
  ["src/ui/a.ts", "../server/ports.ts"],
  ["src/ui/a.ts", "../domain/conversation.ts"],
  ["src/ui/a.ts", "../app/b.ts"],
  ["src/ui/a.ts", "../settings.ts"],
  ["src/ui/a.ts", "node:fs"],
  ["src/ui/drawn/a.ts", "../../adapters/one/b.ts"],
  ["src/ui/drawn/a.ts", "./../../widget/b.ts"],
];

test("AR1 every import against the layers is an error, type imports and re-exports too", () => {
  const files: Record<string, string> = {};
  const expected: string[] = [];
  for (const [i, [path, from]] of forbidden.entries()) {
    const place = path.replace("a.ts", `a${i}.ts`);
    files[place] = use(from);
    files[place.replace(".ts", "-type.ts")] = `import type { B } from "${from}";\nexport type A = B;`;
    files[place.replace(".ts", "-again.ts")] = `export { b } from "${from}";`;
    expected.push(
      ...[place, place.replace(".ts", "-type.ts"), place.replace(".ts", "-again.ts")].map(
        (name) => `${name}: ${imports}`,
      ),
    );
  }
  expect(lint(files).sort()).toEqual(expected.sort());
});

test("AR2 the domain has no clock, timer, chance or world", () => {
  const found = lint({
    "src/domain/date.ts": "export const a = (): number => Date.now();",
    "src/domain/made.ts": "export const a = (): Date => new Date(0);",
    "src/domain/timer.ts": "export const a = (fn: () => void): void => void setTimeout(fn, 1);",
    "src/domain/chance.ts": "export const a = (): number => Math.random();",
    "src/domain/world.ts": "export const a = (): unknown => fetch('x');",
    "src/domain/env.ts": "export const a = (): unknown => process.env;",
    "src/domain/uuid.ts": "export const a = (): string => crypto.randomUUID();",
    "src/domain/round.ts": "export const a = (): unknown => globalThis.Date;",
  });
  const names = ["date", "env", "made", "round", "timer", "uuid", "world"];
  expect(new Set(found)).toEqual(
    new Set([
      ...names.map((name) => `src/domain/${name}.ts: ${globals}`),
      "src/domain/chance.ts: eslint(no-restricted-properties)",
    ]),
  );
});

test("AR3 a circle of imports is an error, through values and types", () => {
  const found = lint({
    "src/server/a.ts": 'import { b } from "./b.ts";\nexport const a = (): number => b();',
    "src/server/b.ts": 'import { c } from "./c.ts";\nexport const b = (): number => c();',
    "src/server/c.ts": 'import { a } from "./a.ts";\nexport const c = (): number => a();',
  });
  expect(new Set(found)).toEqual(new Set(["a", "b", "c"].map((name) => `src/server/${name}.ts: import(no-cycle)`)));
});

test("AR4 a source file of 301 lines is an error, one of 300 is not, nor a long test", () => {
  const long = (n: number): string => Array.from({ length: n }, (_, i) => `export const a${i} = ${i};`).join("\n");
  const found = lint({ "src/server/a.ts": long(301), "src/server/b.ts": long(300), "test/c.ts": long(400) });
  expect(found).toEqual(["src/server/a.ts: eslint(max-lines)"]);
});

test("AR5 any, console and a forgotten promise are errors", () => {
  const found = lint({
    "src/server/any.ts": "export const a = (b: any): unknown => b;",
    "src/server/console.ts": 'console.log("x");',
    "src/server/promise.ts": "export function a(b: () => Promise<void>): void {\n  b();\n}",
  });
  expect(found.map((line) => line.replace(/.*\((.*)\)/, "$1")).sort()).toEqual([
    "no-console",
    "no-explicit-any",
    "no-floating-promises",
  ]);
});

test("AR5 WI03 a message to another window names its origin, in all that browsers get", () => {
  const post = "export const a = (to: Window): void => to.postMessage(1);";
  const exact = 'export const a = (to: Window): void => to.postMessage(1, "https://a.example");';
  const found = lint({
    "src/ui/a.ts": post,
    "src/app/a.ts": post,
    "src/widget/a.ts": post,
    "src/client/a.ts": post,
    "src/ui/b.ts": exact,
  });
  expect(new Set(found)).toEqual(
    new Set(["app", "ui", "widget"].map((name) => `src/${name}/a.ts: unicorn(require-post-message-target-origin)`)),
  );
});
