// Owns a real browser for tests, and a page in it that watches itself: errors, violated policies, requests to elsewhere. Must not know the app.
import { existsSync } from "node:fs";
import { chromium, type Browser, type BrowserContextOptions, type Page } from "playwright-core";

/** Where Chromium is: `CHROMIUM_PATH`, or the places where distributions put it. */
export function findChromium(): string | undefined {
  const places = ["chromium", "chromium-browser", "google-chrome"].map((name) => `/usr/bin/${name}`);
  return [process.env["CHROMIUM_PATH"], ...places].find((path) => path !== undefined && existsSync(path));
}

export function launch(): Promise<Browser> {
  const executablePath = findChromium();
  if (executablePath === undefined) throw new Error("Chromium is missing: run npm run setup:test.");
  return chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"] });
}

/** A page of its own context, and what it did that it must not do. */
export type Watched = { readonly page: Page; readonly faults: string[]; close(): Promise<void> };

/** `allowed`: origins that may be asked; everything else is a fault. Console errors of a server that is away on purpose are none. */
export async function openPage(
  browser: Browser,
  allowed: readonly string[],
  options: BrowserContextOptions = {},
): Promise<Watched> {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, locale: "en", ...options });
  const page = await context.newPage();
  const faults: string[] = [];
  page.on("pageerror", (error) => faults.push(`error: ${error.message}`));
  page.on("dialog", (dialog) => {
    faults.push(`dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  page.on("request", (request) => {
    const { origin, protocol } = new URL(request.url());
    if (protocol.startsWith("http") && !allowed.includes(origin)) faults.push(`request: ${request.url()}`);
  });
  page.on("console", (message) => {
    if (message.type() === "error" && !/ERR_CONNECTION|ERR_INTERNET|WebSocket connection/.test(message.text())) {
      faults.push(`console: ${message.text()}`);
    }
  });
  await page.addInitScript(() => {
    addEventListener("securitypolicyviolation", (event) => {
      console.error(`policy violated: ${event.violatedDirective} ${event.blockedURI} ${event.sample}`);
    });
  });
  return { page, faults, close: () => context.close() };
}
