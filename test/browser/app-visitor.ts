// Owns a person at a page of the app: what they do in it, what they see, and everything that goes wrong in it meanwhile.
import type { Locator, Page } from "playwright-core";
import { expect } from "vitest";

/** What Chromium writes when there is no server. The app cannot keep it from doing so; a test says when it is expected. */
const noServer = /WebSocket connection to|net::ERR_|Failed to load resource/;

export class Visitor {
  readonly page: Page;
  /** Who this page was told that it is, once per connection. */
  readonly users: string[] = [];
  readonly #problems: string[] = [];
  #troubled = false;

  constructor(page: Page, origin: string) {
    this.page = page;
    const own = (url: string): boolean => new URL(url).host === new URL(origin).host || /^(blob|data):/.test(url);
    page.on("pageerror", (error) => void this.#problems.push(`error: ${error.stack ?? error.message}`));
    page.on("console", (message) => {
      if (message.type() !== "error" && message.type() !== "warning") return;
      if (this.#troubled && noServer.test(message.text())) return;
      this.#problems.push(`${message.type()}: ${message.text()}`);
    });
    page.on("request", (request) => {
      if (!own(request.url())) this.#problems.push(`asked elsewhere: ${request.url()}`);
    });
    page.on("websocket", (socket) => {
      if (!own(socket.url())) this.#problems.push(`connected elsewhere: ${socket.url()}`);
      socket.on("framereceived", ({ payload }) => {
        const user = /"session":.*"user":{"id":"([^"]+)"/.exec(payload.toString())?.[1];
        if (user !== undefined) this.users.push(user);
      });
    });
  }

  problems(): readonly string[] {
    return this.#problems;
  }

  /** From here on the server may be away. */
  expectTrouble(): void {
    this.#troubled = true;
  }

  get box(): Locator {
    return this.page.locator(".tl-box textarea");
  }
  get log(): Locator {
    return this.page.locator(".tl-log");
  }
  get replies(): Locator {
    return this.page.locator(".tl-reply");
  }
  get own(): Locator {
    return this.page.locator(".tl-own");
  }
  get banner(): Locator {
    return this.page.locator(".tl-banner");
  }
  get queue(): Locator {
    return this.page.locator(".tl-queue li");
  }
  get rows(): Locator {
    return this.page.locator(".app-row");
  }
  button(name: string, within: Locator | Page = this.page): Locator {
    return within.getByRole("button", { name, exact: true });
  }

  async online(): Promise<void> {
    await this.page.locator('.tl-dot[data-state="online"]').waitFor();
  }

  /** Writes into the box and presses Enter, or the button where Enter breaks the line. */
  async send(text: string): Promise<void> {
    await this.box.fill(text);
    await this.button("Send").click();
  }

  /** Sends, and waits until some of the reply is there. */
  async ask(text: string): Promise<void> {
    const before = await this.replies.count();
    await this.send(text);
    await soon(() => this.replies.count()).toBeGreaterThan(before);
    await this.seen(this.replies.last());
  }

  /** Waits until a reply has some text. */
  seen(reply: Locator, length = 1): Promise<void> {
    return soon(async () => (await textIn(reply)).length, { timeout: 15_000 }).toBeGreaterThanOrEqual(length);
  }

  /** How the transcript stands, in px: from its beginning, to its end, and how high the room below it is. */
  place(): Promise<{ top: number; left: number; spacer: number; view: number }> {
    return this.log.evaluate((log) => ({
      top: log.scrollTop,
      left: log.scrollHeight - log.clientHeight - log.scrollTop,
      spacer: log.lastElementChild?.clientHeight ?? 0,
      view: log.clientHeight,
    }));
  }

  /** Where a message stands below the upper edge of the transcript, px. */
  async topOf(message: Locator): Promise<number> {
    return message.evaluate((element) => {
      const log = element.closest(".tl-log");
      return element.getBoundingClientRect().top - (log?.getBoundingClientRect().top ?? 0);
    });
  }

  /** Turns the wheel over the transcript and waits until it stands still. */
  async wheel(by: number): Promise<void> {
    await this.log.hover({ position: { x: 40, y: 120 } });
    await this.page.mouse.wheel(0, by);
    await this.settled();
  }

  /** Waits until the transcript has stood still for some frames. */
  settled(): Promise<void> {
    return this.log.evaluate(
      (log) =>
        new Promise<void>((resolve) => {
          let [before, same] = [Number.NaN, 0];
          const look = (): void => {
            same = log.scrollTop === before ? same + 1 : 0;
            before = log.scrollTop;
            if (same > 4) resolve();
            else requestAnimationFrame(look);
          };
          requestAnimationFrame(look);
        }),
    );
  }

  /** Waits until no reply is being made and nothing is on its way. */
  async done(count: number): Promise<void> {
    const over = this.page.locator('.tl-reply:not([data-status="running"])');
    await soon(() => over.count(), { timeout: 20_000 }).toBe(count);
    await soon(() => this.page.locator('.tl-reply[data-status="running"]').count()).toBe(0);
  }
}

/** Text without its spaces: paragraphs are drawn as boxes, not as line breaks. */
export const bare = (text: string): string => text.replaceAll(/\s+/g, "");

/** What a message says, as it stands on the screen. */
export const textIn = async (message: Locator): Promise<string> =>
  bare((await message.locator(".tl-body").textContent()) ?? "");

/** What a page comes to show, when the machine gets to it. Where a time is what is tested, `expect.poll` has its own. */
export const soon: typeof expect.poll = (look, options) =>
  expect.poll(look, { timeout: 10_000, interval: 25, ...options });
