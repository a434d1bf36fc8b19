import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";

const root = join(import.meta.dirname, "../..");
const spec = readFileSync(join(root, "SPEC.md"), "utf8");
const rules = new Set([...spec.matchAll(/^\| ([A-Z]{2}\d+) \|/gm)].map((match) => match[1] ?? ""));

const testFiles = readdirSync(join(root, "test"), { recursive: true, encoding: "utf8" }).filter((name) =>
  /\.tsx?$/.test(name),
);
const titles = testFiles.flatMap((name) => {
  const text = readFileSync(join(root, "test", name), "utf8");
  return [
    ...text.matchAll(/\b(?:test|it|describe)(?:\.\w+)*\(\s*(?:[^"'`()]*\)\s*\(\s*)?(["'`])((?:\\.|(?!\1).)*)\1/gs),
  ].map((match) => ({ name, title: match[2] ?? "" }));
});
const cited = (title: string): string[] => /^(?:[A-Z]+\d+ )+/.exec(`${title} `)?.[0].trim().split(" ") ?? [];

describe("SPEC.md", () => {
  test("AR6 every rule is cited by the title of a test", () => {
    const all = new Set(titles.flatMap(({ title }) => cited(title)));
    // Titles of parametrized suites are made by functions; they cite in their text all the same.
    const anywhere = testFiles.map((name) => readFileSync(join(root, "test", name), "utf8")).join("\n");
    const missing = [...rules].filter((rule) => !all.has(rule) && !new RegExp(`["\`' ]${rule} `).test(anywhere));
    expect(missing).toEqual([]);
  });

  test("AR6 every test title cites a rule or a fault", () => {
    const without = titles.filter(
      ({ name, title }) => name.endsWith(".test.ts") && /^[A-Z]{2}\d/.test(title) && cited(title).length === 0,
    );
    expect(without).toEqual([]);
  });
});
