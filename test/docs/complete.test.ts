// Owns the proof that the documents name everything that there is, and nothing else. Must not say what the words should be.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { closeCodes, commandSchemas, errorCodes } from "../../src/protocol/index.ts";
import { event } from "../../src/protocol/events.ts";
import { serverFrame } from "../../src/protocol/frames.ts";
import { readSettings } from "../../src/settings.ts";

const root = join(import.meta.dirname, "../..");
const read = (path: string): string => readFileSync(join(root, path), "utf8");

/** The text under a heading, up to the next one of the same depth. */
function section(page: string, heading: string): string {
  const from = page.indexOf(`\n## ${heading}\n`);
  if (from === -1) throw new Error(`There is no section "${heading}".`);
  const to = page.indexOf("\n## ", from + 1);
  return page.slice(from, to === -1 ? undefined : to);
}

/** The cells of the rows below the table whose head begins with `head`. */
function table(text: string, head: string): string[][] {
  const lines = text.split("\n");
  const from = lines.findIndex((line) => line.startsWith(`| ${head} |`));
  if (from === -1) throw new Error(`There is no table of "${head}".`);
  const length = lines.slice(from).findIndex((line) => !line.startsWith("|"));
  const rows = lines.slice(from + 2, length === -1 ? undefined : from + length);
  return rows.map((line) =>
    line
      .split(/(?<!\\)\|/)
      .slice(1, -1)
      .map((cell) => cell.trim()),
  );
}
const first = (rows: string[][]): string[] => rows.map(([cell = ""]) => cell);
const coded = (text: string): string[] => [...text.matchAll(/`([^`]+)`/g)].map(([, name = ""]) => name);
const numbers = (cells: string[]): string[] => cells.flatMap((cell) => cell.split(",").map((part) => part.trim()));
const sorted = (names: readonly string[]): string[] => names.toSorted();

describe("docs/configuration.md", () => {
  const source = read("src/settings.ts");
  /** Each setting's name in the environment, with the name of the field that it fills. */
  const fields = new Map(
    [...source.matchAll(/(\w+): (?:(?:take|hide)\("([A-Z_]+)"|env\["([A-Z_]+)"\] \?\?)/g)].map(
      ([, field = "", taken, raw]) => [taken ?? raw ?? "", field] as const,
    ),
  );
  const rows = table(read("docs/configuration.md"), "setting");
  const plain = readSettings({});
  if (!plain.ok) throw new Error("The defaults do not start.");
  const defaults = new Map<string, unknown>(Object.entries(plain.settings));

  test("DO1 it has every setting, and no other", () => {
    expect(fields.size).toBe(defaults.size);
    expect(sorted(coded(first(rows).join(" ")))).toEqual(sorted([...fields.keys()]));
  });

  test("DO1 the default of each is the true one: set to it, the settings are those without it", () => {
    for (const [name = "", value = "", meaning = ""] of rows) {
      const [setting = ""] = coded(name);
      expect(meaning, setting).not.toBe("");
      const [said] = coded(value);
      if (said !== undefined) {
        expect(readSettings({ [setting]: said }), setting).toEqual(plain);
        expect(defaults.get(fields.get(setting) ?? ""), setting).not.toBeUndefined();
      } else {
        expect(value, setting).toBe("–");
        expect([undefined, "own", "[]"], setting).toContain(bare(defaults.get(fields.get(setting) ?? "")));
      }
    }
  });
});

/** An empty list as a word, anything else as it is. */
const bare = (value: unknown): unknown => (Array.isArray(value) && value.length === 0 ? "[]" : value);

describe("docs/troubleshooting.md", () => {
  const page = read("docs/troubleshooting.md");
  const errors = table(section(page, "Error codes"), "code");
  const closes = table(section(page, "Close codes"), "code");

  test("DO2 every error code and every close code has its row, and no other", () => {
    expect(sorted(coded(first(errors).join(" ")))).toEqual(sorted(Object.keys(errorCodes)));
    expect(sorted(first(closes))).toEqual(sorted(Object.keys(closeCodes)));
  });

  test("DO2 each row says cause, command and remedy", () => {
    for (const row of [...errors, ...closes]) {
      expect(row, row[0]).toHaveLength(4);
      expect(
        row.every((cell) => cell.length > 3),
        row[0],
      ).toBe(true);
    }
  });

  test("DO2 the events of the log that it searches for are logged somewhere", () => {
    const searched = [...page.matchAll(/grep (?:-E "([^"]+)"|([a-z_]+)) throughline\.log/g)].flatMap(
      ([, several, one = ""]) => several?.split(String.raw`\|`) ?? [one],
    );
    const sources = [
      "main.ts",
      "server/http.ts",
      "server/committer.ts",
      "server/generation.ts",
      "server/turns.ts",
      "server/socket.ts",
      "server/admin.ts",
      "adapters/users/firestore.ts",
      "adapters/users/firestore-link.ts",
    ]
      .map((file) => read(`src/${file}`))
      .join("\n");
    expect(searched.length).toBeGreaterThan(10);
    expect(searched.filter((name) => !sources.includes(`"${name}"`))).toEqual([]);
  });
});

describe("docs/protocol.md", () => {
  const page = read("docs/protocol.md");

  test("DO3 every command, and no other", () => {
    const commands = table(page, "command");
    expect(sorted(coded(first(commands).join(" ")))).toEqual(sorted(Object.keys(commandSchemas)));
  });

  test("DO3 every kind of event, and no other", () => {
    const kinds = event.options.map(({ entries }) => entries.kind.literal);
    expect(sorted(coded(first(table(page, "kind")).join(" ")))).toEqual(sorted(kinds));
  });

  test("DO3 every frame of the server, and no other", () => {
    const frames = serverFrame.options.map(({ entries }) => entries.type.literal);
    // Its transcript has commands too; a server plays it (DO10).
    const named = [...page.replaceAll(/^```text\n.*?^```$/gms, "").matchAll(/\{"type":"([a-z]+)"/g)].map(
      ([, name = ""]) => name,
    );
    expect(sorted([...new Set(named)])).toEqual(sorted(frames));
  });

  test("DO3 every error code and every close code, and no other", () => {
    const list = section(page, "Errors").split(". ")[0] ?? "";
    expect(sorted(coded(list).filter((name) => name !== "field"))).toEqual(sorted(Object.keys(errorCodes)));
    expect(sorted(numbers(first(table(page, "code"))))).toEqual(sorted(Object.keys(closeCodes)));
  });
});
