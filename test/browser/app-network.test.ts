// Proves what a person sees and loses (nothing) when the network or the server goes: banner, draft, outbox, offline shell.
import type { Page } from "playwright-core";
import { expect, test } from "vitest";
import { proseText } from "../support/model-server.ts";
import { seenIn, watchPages, type Trouble } from "./app-probe.ts";
import { useStage } from "./app-stage.ts";
import { bare, textIn, type Visitor, soon } from "./app-visitor.ts";

const stage = useStage({ ON_CRASH: "restart" });

/** Resolves when the shell of the app is kept in this browser. */
const keptShell = async ({ page }: Visitor): Promise<unknown> =>
  page.evaluate(async () => (await navigator.serviceWorker.ready).active?.state);

/** What must hold of every time of trouble that is over, in ms. */
function expectQuiet(troubles: readonly Trouble[]): void {
  for (const { from, banner, bannerGone, to = Infinity } of troubles) {
    if (banner !== undefined) {
      expect(banner - from).toBeGreaterThan(1400);
      expect((bannerGone ?? Infinity) - to).toBeLessThan(200);
    } else expect(to - from).toBeLessThan(2500);
  }
}

/** What was sent is kept to be sent, no longer only as what stands in the box: until then a reload brings it back there. */
const keptToSend = (page: Page): Promise<void> =>
  soon(() => page.evaluate(() => Object.values(localStorage).some((text) => String(text).includes("{{prose")))).toBe(
    false,
  );

test("UI15 UI2 the network is cut in mid-reply and comes back: a banner after 1.5 s, the rest, no banner", async () => {
  const context = await stage.context();
  await watchPages(context);
  const visitor = await stage.visit({ context });
  const { page } = visitor;
  visitor.expectTrouble();
  await visitor.ask("{{prose chars=3000 piece=10 rate=50 seed=21}}");
  await visitor.seen(visitor.replies.last(), 100);
  stage.cut();
  await page.locator('.tl-dot:not([data-state="online"])').waitFor();
  await visitor.banner.waitFor();
  await soon(() => visitor.banner.textContent()).toMatch(
    /^Connection lost\. (Next attempt in \d+ s\.|Connecting again\.)/,
  );
  expect(await visitor.log.getByText(/connection/i).count()).toBe(0);
  expect(await page.getByRole("dialog").count()).toBe(0);
  // Nothing is locked meanwhile.
  await visitor.box.fill("typed while away");
  // Long enough before the next attempt that it is the button which brings it back.
  const seconds = async (): Promise<number> =>
    Number(/attempt in (\d+) s/.exec((await visitor.banner.textContent()) ?? "")?.[1] ?? 0);
  await soon(seconds, { timeout: 90_000 }).toBeGreaterThanOrEqual(4);
  stage.reachable = true;
  await visitor.button("Try now").click();
  await visitor.online();
  await soon(() => visitor.banner.count()).toBe(0);
  await visitor.done(1);
  await soon(() => textIn(visitor.replies.last())).toBe(bare(proseText(21, 3000)));
  await soon(() => visitor.box.inputValue()).toBe("typed while away");
  const { violations, troubles } = await seenIn(page);
  expect(violations).toEqual([]);
  expect(troubles.filter(({ banner }) => banner !== undefined)).toHaveLength(1);
  expectQuiet(troubles);
});

test("UI15 B26 the server is killed in mid-reply and started again: the reply is made anew, or gone on with, and whole", async () => {
  const visitor = await stage.visit();
  visitor.expectTrouble();
  await visitor.ask("{{prose chars=1500 piece=10 rate=50 hold=400 times=1 seed=23}}");
  await visitor.seen(visitor.replies.last(), 200);
  await stage.server.end("SIGKILL");
  await visitor.page.locator('.tl-dot:not([data-state="online"])').waitFor();
  await visitor.banner.waitFor();
  await visitor.box.fill("still here");
  await stage.server.start();
  await visitor.online();
  await visitor.done(1);
  await soon(() => visitor.banner.count()).toBe(0);
  await soon(() => textIn(visitor.replies.last())).toBe(bare(proseText(23, 1500)));
  await soon(() => visitor.box.inputValue()).toBe("still here");
});

test("UI16 C4 B27 sent while offline: shown as waiting, kept over a reload, delivered exactly once", async () => {
  const visitor = await stage.visit();
  const { page } = visitor;
  visitor.expectTrouble();
  await visitor.ask("{{prose chars=100 seed=24}}");
  await visitor.done(1);
  await keptShell(visitor);
  stage.cut();
  await page.locator('.tl-dot:not([data-state="online"])').waitFor();
  await visitor.send("one {{prose chars=120 seed=25}}");
  await visitor.send("two {{prose chars=120 seed=26}}");
  await visitor.box.fill("a draft");
  await soon(() => visitor.own.count()).toBe(2);
  await page.getByText("Waiting for the connection").waitFor();
  await keptToSend(page);
  await page.reload();
  // The conversation itself is not kept in the browser; what is not delivered is.
  await page.getByText("one {{prose").waitFor();
  await page.getByText("two {{prose").waitFor();
  await soon(() => visitor.box.inputValue()).toBe("a draft");
  await visitor.banner.waitFor();
  stage.reachable = true;
  await visitor.online();
  await visitor.done(3);
  const truth = await stage.truth(page);
  const texts = [...truth.messages.values()].map(({ id }) => truth.text(id));
  expect(texts.filter((text) => text.startsWith("one "))).toHaveLength(1);
  expect(texts.filter((text) => text.startsWith("two "))).toHaveLength(1);
  await soon(() => visitor.own.count()).toBe(3);
  for (const seed of [25, 26]) {
    expect(stage.model.requests.filter(({ behaviour }) => behaviour.seed === seed)).toHaveLength(1);
  }
  await soon(() => visitor.box.inputValue()).toBe("a draft");
});

test("UI16 B27 the wire is cut at the answer to a message, again and again: each is there once", async () => {
  const visitor = await stage.visit();
  visitor.expectTrouble();
  for (const [i, bytes] of [1, 40, 120, 200, 260, 400].entries()) {
    stage.proxy.cutAfter(i % 2 === 0 ? "up" : "down", bytes);
    await visitor.send(`number ${i} {{prose chars=30 seed=${300 + i}}}`);
    await visitor.done(i + 1);
  }
  const truth = await stage.truth(visitor.page);
  const texts = [...truth.messages.values()].filter(({ role }) => role === "user").map(({ id }) => truth.text(id));
  expect(texts.map((text) => text.slice(0, 8))).toEqual([0, 1, 2, 3, 4, 5].map((i) => `number ${i}`));
});

test("UI17 C4 the server is gone: the app opens all the same, keeps what is typed, and sends it when the server is back", async () => {
  const context = await stage.context();
  const visitor = await stage.visit({ context });
  await keptShell(visitor);
  await visitor.page.close();
  await stage.server.end("SIGKILL");
  const page = await context.newPage();
  const began = performance.now();
  await page.goto("/");
  const box = page.locator(".tl-box textarea");
  await box.fill("hello from nowhere {{prose chars=90 seed=27}}");
  console.log(`offline shell: ${Math.round(performance.now() - began)} ms until something can be typed`);
  await page.locator(".tl-banner").waitFor();
  await box.press("Enter");
  await page.locator(".tl-own").waitFor();
  await keptToSend(page);
  await page.reload();
  await page.locator(".tl-own").waitFor();
  await stage.server.start();
  await page.locator('.tl-dot[data-state="online"]').waitFor({ timeout: 60_000 }); // The longest wait between two tries is 20 s.
  await soon(() => page.locator('.tl-reply[data-status="completed"]').count(), { timeout: 15_000 }).toBe(1);
  await soon(() => textIn(page.locator(".tl-reply"))).toBe(bare(proseText(27, 90)));
  expect(stage.model.requests.filter(({ behaviour }) => behaviour.seed === 27)).toHaveLength(1);
});

test("UI15 without any network the state says so, and goes on by itself when it is back", async () => {
  const context = await stage.context();
  const visitor = await stage.visit({ context });
  visitor.expectTrouble();
  await context.setOffline(true);
  stage.cut();
  await visitor.page.locator('.tl-banner[data-state="offline"]').waitFor();
  await soon(() => visitor.banner.textContent()).toContain("You are offline. What you write is kept and sent later.");
  stage.reachable = true;
  const began = performance.now();
  await context.setOffline(false);
  await visitor.online();
  // At once, not when the next attempt is due.
  expect(performance.now() - began).toBeLessThan(3000);
});

test("UI32 AZ18 the session ends while something is typed: it is said, and neither what is typed nor what is sent then is lost", async () => {
  const visitor = await stage.visit();
  const { page } = visitor;
  await visitor.ask("{{prose chars=100 seed=28}}");
  await visitor.done(1);
  await visitor.box.fill("half a thought");
  const other = await stage.wire(page);
  await other.ask({ type: "auth.logout" });
  const banner = page.locator('.tl-banner[data-state="signed-out"]');
  await banner.waitFor();
  await soon(() => visitor.box.inputValue()).toBe("half a thought");
  await visitor.box.press("Enter");
  await visitor.own.getByText("half a thought").waitFor();
  await visitor.button("Sign in", banner).click();
  await page.getByRole("dialog").waitFor();
  await page.keyboard.press("Escape");
  await soon(() => page.getByRole("dialog").count()).toBe(0);
  await soon(() => visitor.own.getByText("half a thought").count()).toBe(1);
  await visitor.button("Sign in", banner).click();
  await visitor.button("Go on as a guest").click();
  await visitor.online();
  await soon(() => visitor.banner.count()).toBe(0);
});
