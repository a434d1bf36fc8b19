// Owns a host page of another origin for tests of the chat window: its policy, its hostile styles, and a person who visits it in a real
// Chromium. Every error, broken policy, cookie and request to elsewhere fails the test. It must not test anything itself.
import { mkdirSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { chromium, type BrowserContext, type BrowserContextOptions, type FrameLocator } from "playwright-core";
import type { Locator, Page } from "playwright-core";
import { expect, onTestFinished } from "vitest";
import { temporaryDirectory } from "../support/temporary.ts";
import type { Stage } from "./app-stage.ts";
import { bare, soon } from "./app-visitor.ts";
import { findChromium } from "./chromium.ts";

export type Mode = "shadow" | "iframe";

/** What resets, frameworks and bad luck do to every element of a page. */
const hostileCss = `
* { all: unset !important; display: block !important; font-size: 40px !important; line-height: 3 !important; color: red !important;
    position: static !important; z-index: -1 !important; opacity: 0.5 !important; pointer-events: none !important; }
html { font-size: 50px !important; }
head, head * { display: none !important; }
body { transform: rotate(1deg) !important; filter: blur(1px) !important; }
#war { position: fixed !important; inset: 0 !important; z-index: 2147483647 !important; background: #fffc !important; }`;

export type HostPage = {
  readonly origin: string;
  /** Serves a text, and says where. */
  serve(type: "html" | "css" | "javascript", text: string, headers?: Readonly<Record<string, string>>): string;
  close(): void;
};

/** Pages of a site. Nothing of them is in their addresses. */
export async function serveHostPages(): Promise<HostPage> {
  const served: { readonly text: string; readonly headers: Readonly<Record<string, string>> }[] = [];
  const server = createServer((request, response) => {
    const { text, headers } = served[Number(request.url?.slice(1))] ?? { text: "", headers: {} };
    response.writeHead(200, headers).end(text);
  });
  await new Promise<void>((ready) => server.listen(0, "127.0.0.1", ready));
  return {
    // Another host name and another port: another site, as pages of customers are.
    origin: `http://localhost:${(server.address() as AddressInfo).port}`,
    serve(type, text, headers = {}) {
      served.push({ text, headers: { "Content-Type": `text/${type}; charset=utf-8`, ...headers } });
      return `/${served.length - 1}`;
    },
    close: () => void server.close(),
  };
}

export type HostOptions = {
  readonly mode?: Mode;
  /** Further attributes of the script's tag, `data-title="..."`. */
  readonly attributes?: string;
  /** Scripts of the page before and after that tag; its policy lets them through. */
  readonly early?: string;
  readonly late?: string;
  readonly style?: string;
  /** Further elements of the head. */
  readonly head?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly hostile?: boolean;
  readonly lang?: string;
  readonly dir?: string;
  readonly context?: BrowserContext;
  readonly device?: "desktop" | "phone";
  readonly options?: BrowserContextOptions;
  readonly host?: HostPage;
};

/** The policy that docs/widget.md asks for, with what the page itself needs (a style sheet of its own). */
const policyFor = (server: string, mode: Mode): string =>
  mode === "iframe"
    ? `default-src 'none'; script-src ${server}; frame-src ${server}; style-src 'self'; img-src data:; require-trusted-types-for 'script'; trusted-types 'none'`
    : `default-src 'none'; script-src ${server}; connect-src ${server} ${server.replace(/^http/, "ws")}; style-src 'self'; img-src data:; require-trusted-types-for 'script'; trusted-types 'none'`;

/** What Chromium writes when there is no server, or it refuses: the page cannot keep it from doing so. */
const noServer = /WebSocket connection to|net::ERR_|Failed to load resource/;

export class Guest {
  readonly page: Page;
  readonly inner: Page | FrameLocator;
  readonly requests: string[] = [];
  sockets = 0;
  readonly #problems: string[] = [];
  #expected = /^$/;

  constructor(page: Page, mode: Mode, origins: readonly string[]) {
    this.page = page;
    this.inner = mode === "iframe" ? page.frameLocator("iframe") : page;
    const own = (url: string): boolean =>
      /^(blob|data|about):/.test(url) || origins.some((origin) => new URL(origin).host === new URL(url).host);
    page.on("pageerror", (error) => this.#note(`error: ${error.stack ?? error.message}`));
    page.on("console", (message) => {
      if (message.type() === "error" || message.type() === "warning")
        this.#note(`${message.type()}: ${message.text()}`);
    });
    page.on("request", (request) => {
      this.requests.push(request.url());
      if (!own(request.url())) this.#note(`asked elsewhere: ${request.url()}`);
    });
    page.on("websocket", (socket) => {
      this.sockets++;
      if (!own(socket.url())) this.#note(`connected elsewhere: ${socket.url()}`);
    });
  }
  #note(problem: string): void {
    if (!this.#expected.test(problem)) this.#problems.push(problem);
  }
  problems(): readonly string[] {
    return this.#problems;
  }
  /** From here on the server may be away. `more`: what else is part of the test. */
  expectTrouble(more?: RegExp): void {
    this.#expected = more === undefined ? noServer : new RegExp(`${noServer.source}|${more.source}`);
  }

  get launch(): Locator {
    return this.page.locator(".launch");
  }
  get badge(): Locator {
    return this.page.locator(".badge");
  }
  get panel(): Locator {
    return this.page.locator(".box");
  }
  get box(): Locator {
    return this.inner.locator(".tl-box textarea");
  }
  get replies(): Locator {
    return this.inner.locator(".tl-reply");
  }
  get own(): Locator {
    return this.inner.locator(".tl-own");
  }
  button(name: string): Locator {
    return this.inner.getByRole("button", { name, exact: true });
  }
  async open(): Promise<void> {
    await this.launch.click();
    await this.online();
  }
  online(): Promise<void> {
    return this.inner.locator('.tl-dot[data-state="online"]').waitFor();
  }
  async send(text: string): Promise<void> {
    await this.box.fill(text);
    await this.button("Send").click();
  }
  async seen(length = 1): Promise<void> {
    await soon(async () => (await this.text()).length).toBeGreaterThanOrEqual(length);
  }
  async text(): Promise<string> {
    if ((await this.replies.count()) === 0) return "";
    return bare((await this.replies.last().locator(".tl-body").textContent()) ?? "");
  }
  async done(count: number): Promise<void> {
    const over = this.inner.locator('.tl-reply:not([data-status="running"])');
    await soon(() => over.count(), { timeout: 20_000 }).toBe(count);
    await soon(() => this.inner.locator('.tl-reply[data-status="running"]').count()).toBe(0);
  }
  /** Whether the focus is in the writing box, however deep. */
  async boxHasFocus(): Promise<boolean> {
    return this.box.evaluate((area) => {
      const root = area.getRootNode();
      return root instanceof ShadowRoot && root.activeElement === area && document.hasFocus();
    });
  }
  /** The class of what has the focus in the page's part of the window. */
  focused(): Promise<string> {
    return this.page.evaluate(() => document.activeElement?.shadowRoot?.activeElement?.className ?? "");
  }
  /** What the page's own script hears, from now on. */
  async listen(): Promise<void> {
    await this.page.evaluate(() => {
      const heard: unknown[] = [];
      Reflect.set(globalThis, "heard", heard);
      for (const type of ["ready", "open", "close", "message", "reply", "unread", "error"] as const) {
        window.Throughline?.on(type, (event) => heard.push(event));
      }
    });
  }
  heard(): Promise<readonly Readonly<Record<string, unknown>>[]> {
    return this.page.evaluate(() => Reflect.get(globalThis, "heard") as Record<string, unknown>[]);
  }
}

/**
 * A profile in which frames of another site have a storage, each site's its own. In those of `stage.context` Chromium gives them none, as
 * in private windows and where third-party data is blocked.
 */
export async function storingContext(): Promise<BrowserContext> {
  const executablePath = findChromium();
  const folder = temporaryDirectory();
  mkdirSync(join(folder, "Default"));
  const profile = { cookie_controls_mode: 0, block_third_party_cookies: false };
  writeFileSync(join(folder, "Default/Preferences"), JSON.stringify({ profile }));
  const context = await chromium.launchPersistentContext(folder, {
    ...(executablePath === undefined ? {} : { executablePath }),
    args: ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"],
    viewport: { width: 1280, height: 800 },
    locale: "en-GB",
  });
  context.setDefaultTimeout(10_000);
  onTestFinished(() => context.close());
  return context;
}

export async function visitHost(stage: Stage, home: HostPage, wanted: HostOptions = {}): Promise<Guest> {
  const { mode = "shadow", host = home, lang = "en", dir = "ltr" } = wanted;
  const server = stage.proxy.url;
  const context = wanted.context ?? (await stage.context(wanted.device ?? "desktop", wanted.options));
  const guest = new Guest(await context.newPage(), mode, [server, host.origin]);
  onTestFinished(async () => {
    expect(guest.problems(), "what went wrong in the page").toEqual([]);
    expect(await context.cookies(), "cookies").toEqual([]);
  });
  const tag = `<script src="${server}/widget.js" data-mode="${mode}" ${wanted.attributes ?? ""}></script>`;
  const { early, late, style } = wanted;
  const scriptOf = (code: string | undefined): string =>
    code === undefined ? "" : `<script src="${host.serve("javascript", code)}"></script>`;
  const sheets = [...((wanted.hostile ?? true) ? [hostileCss] : []), ...(style === undefined ? [] : [style])];
  const links = sheets.map((css) => `<link rel="stylesheet" href="${host.serve("css", css)}">`).join("");
  const own = early === undefined && late === undefined ? "script-src" : "script-src 'self'";
  const page = `<!doctype html><html lang="${lang}" dir="${dir}"><head>
    <meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="data:,">
    <title>Shop</title>${links}${scriptOf(early)}${tag}${scriptOf(late)}${wanted.head ?? ""}</head>
    <body><main><h1>Shop</h1><button id="own" type="button">Own</button><p>Text</p></main></body></html>`;
  const policy = policyFor(server, mode).replace("script-src", own);
  await guest.page.goto(
    host.origin + host.serve("html", page, { "Content-Security-Policy": policy, ...wanted.headers }),
  );
  return guest;
}
