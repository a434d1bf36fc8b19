// Proves how every failure reads, and where: at the message, at the reply, in a toast, in the banner; with one thing to do.
import { expect, test } from "vitest";
import { errorCodes, type ErrorCode } from "../../src/protocol/rejections.ts";
import { arabic } from "../../src/ui/texts-ar.ts";
import { german } from "../../src/ui/texts-de.ts";
import { english } from "../../src/ui/texts.ts";
import { bend, type Bends, type Bent } from "./app-wire.ts";
import { useStage } from "./app-stage.ts";
import { soon, type Visitor } from "./app-visitor.ts";

const stage = useStage();
const codes = Object.keys(errorCodes) as ErrorCode[];
const refusal = (code: ErrorCode, more: object = {}) => ({
  type: "error",
  error: { code, message: "the server's own words", retryable: errorCodes[code].retryable, ...more },
});

test("UI37 every code has one sentence of its own in every language, and no language has others", () => {
  for (const { errors } of [english, german, arabic]) {
    expect(Object.keys(errors).sort()).toEqual([...codes].sort());
    expect(new Set(Object.values(errors)).size).toBe(codes.length);
    for (const sentence of Object.values(errors)) expect(sentence).toMatch(/^\P{Ll}.{8,}\.$/u);
  }
});

/** A page whose wire can be bent while it is open, with one reply in it. */
async function enter(): Promise<{ visitor: Visitor; bends: Bends; end: Bent["closeAll"] }> {
  const context = await stage.context();
  const bends: Bends = {};
  const { closeAll } = await bend(context, bends);
  const visitor = await stage.visit({ context });
  await visitor.ask("{{prose chars=30 seed=1}}");
  await visitor.done(1);
  return { visitor, bends, end: closeAll };
}

test("UI37 E3 whatever code a request is refused with, a toast says its sentence, once, and goes", async () => {
  const { visitor, bends } = await enter();
  const { page } = visitor;
  for (const code of codes) {
    bends.command = ({ type }) => (type === "turn.retry" ? refusal(code) : undefined);
    await visitor.button("Retry", visitor.replies.first()).click();
    const sentence = english.errors[code] + (errorCodes[code].retryable ? " Try again in a moment." : "");
    const toast = page.getByRole("alert").getByText(sentence, { exact: true });
    await toast.waitFor();
    await visitor
      .button("Close", page.locator(".tl-toast", { hasText: sentence }))
      .first()
      .click();
    await soon(() => toast.count()).toBe(0);
  }
  bends.command = ({ type }) =>
    type === "turn.retry" ? refusal("quota_exceeded", { retryAfterMs: 3_600_000 }) : undefined;
  await visitor.button("Retry", visitor.replies.first()).click();
  await soon(() => page.getByRole("alert").textContent()).toMatch(
    /^The allowance is used up for now\. Try again at .*\d\d:\d\d\.$/,
  );
  expect(await visitor.replies.count()).toBe(1);
});

test("UI37 UI13 E3 whatever code a message is refused with for good, it stands at the message, with Retry, Edit and Delete", async () => {
  const { visitor, bends } = await enter();
  // `conflict` of the place is waited out, and of the id it means that the message is there; who is not signed in is asked.
  for (const code of codes.filter((one) => !errorCodes[one].retryable && one !== "unauthorized")) {
    bends.command = ({ type }) => (type === "message.send" ? refusal(code) : undefined);
    await visitor.send(`refused as ${code}`);
    const own = visitor.own.filter({ hasText: `refused as ${code}` });
    const notice = own.getByRole("alert");
    await notice.waitFor();
    await soon(() => notice.locator("span").textContent()).toBe(`Not sent. ${english.errors[code]}`);
    await soon(() => notice.getByRole("button").allTextContents()).toEqual(["Retry", "Edit", "Delete"]);
    await visitor.button("Delete", notice).click();
    await soon(() => own.count()).toBe(0);
  }
});

test("UI37 UI19 E3 whatever code a reply fails with, it stands at the reply, with Retry", async () => {
  const { visitor, bends } = await enter();
  for (const [i, code] of codes.entries()) {
    bends.frame = (frame) => ({
      ...frame,
      ...(frame.type === "events" && {
        events: (frame["events"] as Record<string, unknown>[]).map((event) =>
          event["kind"] === "turn.finished" ? { ...event, status: "failed", error: refusal(code).error } : event,
        ),
      }),
    });
    await visitor.send(`{{prose chars=20 seed=${i + 10}}}`);
    await visitor.done(i + 2);
    const notice = visitor.replies.last().locator(".tl-notice");
    await soon(() => notice.locator("span").textContent()).toBe(`No reply. ${english.errors[code]}`);
    await soon(() => notice.getByRole("button").allTextContents()).toEqual(["Retry"]);
  }
});

for (const [code, reason] of [
  ["rate_limited", "Too many messages in a short time."],
  ["quota_exceeded", "The allowance is used up for now."],
] as const) {
  test(`UI36 OU12 ${code}: the message says why and until when, counts down, and goes by itself, once`, async () => {
    const { visitor, bends } = await enter();
    const { page } = visitor;
    let refused = 0;
    bends.command = ({ type }) =>
      type === "message.send" && refused++ === 0 ? refusal(code, { retryAfterMs: 2600 }) : undefined;
    const began = performance.now();
    await visitor.send("{{text=patience}}");
    const notice = visitor.own.last().locator(".tl-notice span");
    await notice.waitFor();
    const seen = new Set<string>();
    await soon(async () => {
      if ((await notice.count()) > 0) seen.add((await notice.textContent({ timeout: 500 }).catch(() => "")) ?? "");
      return visitor.replies.count();
    }).toBe(2);
    expect(performance.now() - began).toBeGreaterThan(2550);
    const counted = [...seen].flatMap((text) => /^(.*) Sends by itself in (\d) s\.$/.exec(text)?.slice(1, 3) ?? []);
    expect(new Set(counted.filter((_, i) => i % 2 === 0))).toEqual(new Set([reason]));
    const seconds = counted.filter((_, i) => i % 2 === 1).map(Number);
    expect(seconds.length).toBeGreaterThan(1);
    expect(seconds).toEqual([...seconds].sort((a, b) => b - a));
    await visitor.done(2);
    expect(refused).toBe(2);
    await soon(() => page.getByRole("alert").count()).toBe(0);
  });
}

test("UI36 a wait of hours is told as a time; the text can be taken back meanwhile, and what is behind it waits too", async () => {
  const { visitor, bends } = await enter();
  bends.command = ({ type }) =>
    type === "message.send" ? refusal("quota_exceeded", { retryAfterMs: 3 * 3_600_000 }) : undefined;
  await visitor.send("first");
  const notice = visitor.own.last().locator(".tl-notice");
  await soon(() => notice.locator("span").textContent()).toMatch(
    /^The allowance is used up for now\. Sends by itself at (\w+ )?\d\d:\d\d\.$/,
  );
  await visitor.send("second");
  await soon(() => visitor.queue.allTextContents()).toEqual([expect.stringContaining("second")]);
  await visitor.page.reload();
  await soon(() => visitor.own.last().textContent()).toContain("first");
  await notice.waitFor();
  await visitor.button("Edit", notice).click();
  await soon(() => visitor.box.inputValue()).toBe("first");
});

/** How each close of the table looks that a person has to know of. */
const closes = [
  { code: 4403, state: "stopped", text: "Access from here is blocked.", button: "Try now" },
  { code: 4400, state: "stopped", text: /^This page and the server no longer fit together\./, button: "Reload" },
  { code: 1008, state: "stopped", text: /^This page and the server no longer fit together\./, button: "Reload" },
  { code: 4410, state: "signed-out", text: "You are signed out. What you wrote is kept.", button: "Sign in" },
  { code: 4401, state: "signed-out", text: "You are signed out. What you wrote is kept.", button: "Sign in" },
  { code: 4429, reason: "3", state: "reconnecting", text: /Next attempt in [1-3] s\.$/, button: "Try now" },
  { code: 1013, state: "reconnecting", text: /^Connection lost\. /, button: "Try now" },
] as const;

for (const { code, state, text, button, ...more } of closes) {
  test(`UI38 UI15 E3 closed ${code}: the banner says it, with ${button}; nothing of it is in the transcript`, async () => {
    const { visitor, bends, end } = await enter();
    const { page } = visitor;
    await visitor.box.fill("half a thought");
    bends.close = { code, ...more };
    end(code, "reason" in more ? more.reason : "");
    const banner = page.locator(`.tl-banner[data-state="${state}"]`);
    await banner.waitFor();
    if (typeof text === "string") await soon(() => banner.locator("span").textContent()).toBe(text);
    else await soon(() => banner.locator("span").textContent()).toMatch(text);
    await soon(() => banner.getByRole("button").allTextContents()).toEqual([button]);
    expect(await visitor.log.locator(".tl-notice").count()).toBe(0);
    await soon(() => visitor.box.inputValue()).toBe("half a thought");
    bends.close = undefined;
    if (button === "Sign in") return;
    await visitor.button(button, banner).click();
    await visitor.online();
    await soon(() => visitor.banner.count()).toBe(0);
    await soon(() => visitor.box.inputValue()).toBe("half a thought");
  });
}

test("UI38 CO21 the server answers but lets no socket in: the banner says so, with the time of the next attempt", async () => {
  const context = await stage.context();
  const page = await context.newPage();
  await page.addInitScript(() => {
    // A refused upgrade: an error and a close, and never an open socket.
    class Refused extends EventTarget {
      readyState = 3;
      constructor() {
        super();
        setTimeout(() => {
          this.dispatchEvent(new Event("error"));
          const close = new CloseEvent("close", { code: 1006 });
          (this as { onclose?: (event: CloseEvent) => void }).onclose?.(close);
          this.dispatchEvent(close);
        });
      }
      send(): void {
        throw new Error("not open");
      }
      close(): void {
        this.readyState = 3;
      }
    }
    Reflect.set(globalThis, "WebSocket", Refused);
  });
  await page.goto("/");
  await soon(() => page.locator(".tl-banner span").textContent(), { timeout: 15_000 }).toMatch(
    /^The server is there, but connections from here do not come through\. Next attempt in [3-6]\d s\.$/,
  );
  await soon(() => page.locator(".tl-banner").getByRole("button").allTextContents()).toEqual(["Try now"]);
});

test("UI38 UI32 who has signed out on purpose is not told that anything is kept", async () => {
  const { visitor } = await enter();
  await visitor.page.locator(".app-person").click();
  await visitor.button("Sign out").click();
  await soon(() => visitor.banner.locator("span").textContent()).toBe("You are signed out.");
});
