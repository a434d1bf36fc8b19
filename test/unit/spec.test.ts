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
const cited = (title: string): string[] => /^(?:[A-Z]+\d{1,2} )+/.exec(`${title} `)?.[0].trim().split(" ") ?? [];

describe("SPEC.md", () => {
  test("AR6 every rule is cited by the title of a test", () => {
    const all = new Set(titles.flatMap(({ title }) => cited(title)));
    // Titles of parametrized suites are made by functions; they cite in their text all the same.
    const anywhere = testFiles.map((name) => readFileSync(join(root, "test", name), "utf8")).join("\n");
    const missing = [...rules].filter((rule) => !all.has(rule) && !new RegExp(`["\`' ]${rule} `).test(anywhere));
    expect(missing).toEqual([]);
  });

  test("AR6 what a title cites is a rule of the page, a guarantee, or a row of the list of faults", () => {
    const fault = /^(?:B\d\d|(?:HS|FR|JS|AZ|RL|FI|LO|WI|EN|ST|CL|PR|OP)\d\d|G\d\d?|[A-J]\d)$/;
    const unknown = titles.flatMap(({ name, title }) =>
      cited(title).flatMap((id) => (rules.has(id) || fault.test(id) ? [] : [`${name}: ${id}`])),
    );
    expect(unknown).toEqual([]);
  });
});
