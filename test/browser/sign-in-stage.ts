// Owns the stage of the sign-in's browser tests: a Chromium, pages that note everything they ask, say and keep, and a look by axe.
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import axe from "axe-core";
import { chromium, type Browser, type BrowserContext, type Page } from "playwright-core";
import { afterAll, beforeAll, expect, onTestFinished } from "vitest";

const root = join(import.meta.dirname, "../..");

export type Watched = {
  readonly page: Page;
  /** Addresses that were asked for. */
  readonly asked: string[];
  /** Text frames sent on sockets, by socket. */
  readonly sockets: string[][];
  readonly said: string[];
  /** What went wrong in the page. */
  readonly wrong: string[];
};

/** A browser for the tests of a file; the app is built first. */
export function useBrowser(): { context(options?: Parameters<Browser["newContext"]>[0]): Promise<BrowserContext> } {
  let browser: Browser;
  beforeAll(async () => {
    execFileSync(process.execPath, [join(root, "scripts/build-app.ts"), "--if-stale"], { cwd: root, stdio: "ignore" });
    browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: ["--no-sandbox", "--disable-gpu"] });
  });
  afterAll(() => browser.close());
  return {
    async context(options = {}) {
      const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...options });
      context.setDefaultTimeout(8000);
      onTestFinished(() => context.close());
      return context;
    },
  };
}

/** A page of a context that is listened to from its beginning. */
export async function watch(context: BrowserContext): Promise<Watched> {
  const page = await context.newPage();
  const watched: Watched = { page, asked: [], sockets: [], said: [], wrong: [] };
  page.on("request", (request) => void watched.asked.push(request.url()));
  page.on("pageerror", (error) => void watched.wrong.push(String(error)));
  page.on("console", (message) => {
    watched.said.push(message.text());
    if (message.type() === "error") watched.wrong.push(message.text());
  });
  page.on("websocket", (socket) => {
    const frames: string[] = [];
    watched.sockets.push(frames);
    watched.asked.push(socket.url());
    socket.on("framesent", ({ payload }) => void frames.push(String(payload)));
  });
  return watched;
}

export const online = (page: Page): Promise<unknown> => page.waitForSelector('.tl-dot[data-state="online"]');
export const signedOut = (page: Page): Promise<unknown> => page.waitForSelector('.tl-dot[data-state="signed-out"]');
export const box = (page: Page) => page.getByRole("textbox", { name: "Message" });

/** Writes and sends; resolves when it stands in a conversation with an address of its own. */
export async function say(page: Page, text: string): Promise<void> {
  await box(page).fill(text);
  await box(page).press("Enter");
  await page.waitForFunction(
    (text) => [...document.querySelectorAll(".tl-own")].some((own) => own.textContent.includes(text)),
    text,
  );
  await page.waitForURL(/\/c\//);
}

export async function expectAccessible(page: Page, what: string): Promise<void> {
  await page.evaluate(axe.source);
  const found = await page.evaluate<{ id: string; nodes: { html: string }[] }[]>(
    `axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"] }).then((r) => r.violations)`,
  );
  expect(
    found.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html).join(" ")}`),
    what,
  ).toEqual([]);
}

/** Everything that the page keeps in local and session storage, as one text each. */
export const storesOf = (page: Page): Promise<{ local: string; tab: string; cookie: string; name: string }> =>
  page.evaluate(() => ({
    local: JSON.stringify(Object.fromEntries(Object.entries(localStorage))),
    tab: JSON.stringify(Object.fromEntries(Object.entries(sessionStorage))),
    cookie: document.cookie,
    name: window.name,
  }));
