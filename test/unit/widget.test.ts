// Proves what can be known of the chat window without a browser: its attributes, its sizes, and that no message of it goes to any origin.
import { readdirSync, readFileSync } from "node:fs";
import { join, posix } from "node:path";
import { gzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { readSettings } from "../../src/widget/settings.ts";

const root = join(import.meta.dirname, "../..");

describe("attributes", () => {
  const around = {
    src: "https://chat.example/deep/widget.js?v=1",
    language: "de-AT",
    model: "m",
    titleFor: (language: string) => `title of ${language}`,
  };
  const read = (attributes: Record<string, string>) => readSettings((name) => attributes[name] ?? null, around);

  test("CW1 without any, the server is where the script is, the language the page's", () => {
    expect(read({})).toEqual({
      server: "https://chat.example/deep",
      mode: "shadow",
      side: "end",
      language: "de-AT",
      theme: "system",
      color: undefined,
      title: "title of de-AT",
      greeting: undefined,
      examples: [],
      model: "m",
      open: false,
    });
  });

  test("CW1 what is set counts; what makes no sense does not", () => {
    expect(
      read({
        "data-server": "https://other.example/",
        "data-mode": "iframe",
        "data-position": "start",
        "data-language": "ar",
        "data-theme": "dark",
        "data-color": " #0a5 ",
        "data-title": "Ask",
        "data-greeting": "Hello",
        "data-examples": "a|  |b c|",
        "data-open": "",
        "data-token": "never read",
      }),
    ).toEqual({
      server: "https://other.example",
      mode: "iframe",
      side: "start",
      language: "ar",
      theme: "dark",
      color: "#0a5",
      title: "Ask",
      greeting: "Hello",
      examples: ["a", "b c"],
      model: "m",
      open: true,
    });
    const odd = read({ "data-mode": "popup", "data-theme": "pink", "data-title": " ", "data-open": "false" });
    expect(odd).toMatchObject({ mode: "shadow", theme: "system", title: "title of de-AT", open: false });
  });
});

describe("sizes", () => {
  const built = join(root, "dist/public");
  const read = (path: string): string => readFileSync(join(built, path), "utf8");
  const packed = (text: string): number => gzipSync(text, { level: 9 }).length;

  test("CW2 the built loader is 5 kB packed at most, the window 60 kB with all it imports statically", () => {
    const loader = read("widget.js");
    expect(packed(loader)).toBeLessThanOrEqual(5000);
    const loaded = new Set(["/widget-window.js"]);
    for (const path of loaded) {
      for (const [, name = ""] of read(path).matchAll(/\b(?:import|from)\s*"(\.\/[\w./-]+\.js)"/g)) {
        loaded.add(posix.join(posix.dirname(path), name));
      }
    }
    const size = [...loaded].reduce((sum, path) => sum + packed(read(path)), 0);
    expect(size).toBeGreaterThan(20_000);
    expect(size).toBeLessThanOrEqual(60_000);
  });

  test("CW14 the loader knows no name that a newer build would change: a page may have been open for days", () => {
    expect(read("widget.js")).not.toContain("assets/");
    for (const name of ["window", "framing"]) {
      const [, path = ""] = /^export \* from "\.(\/assets\/[\w-]+\.js)";$/m.exec(read(`widget-${name}.js`)) ?? [];
      expect(read(path)).toMatch(/export\s*\{[^}]*\bmount\b/);
    }
  });
});

describe("messages between windows", () => {
  /** Calls of `postMessage` that say "*" anywhere in their brackets. */
  function toAnybody(source: string): number {
    let found = 0;
    for (const { index } of source.matchAll(/\bpostMessage\b/g)) {
      const from = source.indexOf("(", index);
      let depth = 0;
      let to = from;
      do {
        if (source[to] === "(") depth++;
        if (source[to] === ")") depth--;
        to++;
      } while (depth > 0 && to < source.length);
      if (/(["'`])\*\1/.test(source.slice(from, to))) found++;
    }
    return found;
  }

  test("WI03 CW9 no message goes to any origin: neither in the sources nor in what is built", () => {
    const files = ["src", "dist/public"].flatMap((folder) =>
      readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
        .filter((name) => /\.(tsx?|js|html)$/.test(name))
        .map((name) => join(folder, name)),
    );
    const texts = files.map((name) => ({ name, text: readFileSync(join(root, name), "utf8") }));
    expect(texts.filter(({ text }) => toAnybody(text) > 0).map(({ name }) => name)).toEqual([]);
    // In browsers three speak: to tabs of their own origin, and across the edge of the frame.
    const inBrowsers = texts.filter(({ name }) => /^src\/(ai-sdk|app|client|react|ui|widget)\//.test(name));
    expect(inBrowsers.flatMap(({ name, text }) => (/postMessage\(/.test(text) ? [name] : [])).sort()).toEqual([
      "src/client/environment.ts",
      "src/widget/frame.ts",
      "src/widget/framing.ts",
    ]);
    expect(readFileSync(join(root, "src/widget/framing.ts"), "utf8")).not.toContain('"*"');
  });

  test.each([
    'parent.postMessage(x, "*")',
    "frame.contentWindow?.postMessage({ a: [1, (2)] },\n  '*')",
    'window.parent.postMessage(x, { targetOrigin: "*" })',
    "const { postMessage } = parent; postMessage(f(x), `*`);",
    'target["postMessage"](x, "*")',
  ])("WI03 the look itself finds what is planted: %s", (planted) => {
    expect(toAnybody(`const a = 1;\n${planted};\nconst b = "*";`)).toBeGreaterThan(0);
    expect(toAnybody(planted.replace("*", "https://page.example"))).toBe(0);
  });
});
