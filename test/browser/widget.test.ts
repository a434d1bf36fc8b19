// Proves the chat window on pages of another site, in a real Chromium: under a strict policy and hostile styles, without and in a frame.
import { afterAll, expect, test } from "vitest";
import { proseText } from "../support/model-server.ts";
import { useStage } from "./app-stage.ts";
import { bare, soon } from "./app-visitor.ts";
import { storingContext, serveHostPages, visitHost, type Guest } from "./widget-stage.ts";

const home = await serveHostPages();
afterAll(() => home.close());
const stage = useStage({ ALLOWED_ORIGINS: home.origin, ON_CRASH: "restart" });

const slow = (seed: number, chars: number): string => `{{prose chars=${chars} piece=10 rate=60 seed=${seed}}}`;

test("CW1 CW3 CW5 CW8 CW11 in both modes: opens, answers, goes on over a reload and kill -9, closes by Esc", async () => {
  const guests = await Promise.all(
    (["shadow", "iframe"] as const).map(async (mode) =>
      visitHost(stage, home, { mode, context: await storingContext() }),
    ),
  );
  const all = (act: (guest: Guest) => Promise<unknown>): Promise<unknown> => Promise.all(guests.map(act));
  await all(async (guest) => {
    const { page } = guest;
    await guest.launch.waitFor();
    const before = guest.requests.filter((url) => url.startsWith(stage.proxy.url));
    expect(before).toEqual([`${stage.proxy.url}/widget.js`]);
    await soon(() => guest.launch.getAttribute("aria-expanded")).toBe("false");
    await guest.open();
    await soon(() => guest.launch.getAttribute("aria-expanded")).toBe("true");
    await soon(() => guest.boxHasFocus()).toBe(true);
    await soon(() => guest.panel.boundingBox()).toMatchObject({ width: 400 });
    await soon(() => guest.box.evaluate((area) => getComputedStyle(area).fontSize)).toBe("16px");
    await guest.box.fill("kept");
    await page.reload();
    await soon(() => guest.box.inputValue()).toBe("kept");
    await guest.send(slow(301, 1800));
    await guest.seen(100);
    await page.reload();
    await guest.seen(150);
    guest.expectTrouble();
  });
  await stage.server.end("SIGKILL");
  await all((guest) => guest.inner.locator('.tl-dot:not([data-state="online"])').waitFor());
  await stage.server.start();
  await all(async (guest) => {
    await guest.done(1);
    await soon(() => guest.text()).toBe(bare(proseText(301, 1800)));
    await guest.send(slow(302, 60_000));
    await soon(() => guest.replies.count()).toBe(2);
    await guest.seen(20);
  });
  // One after the other: only one page at a time has the focus.
  for (const guest of guests) {
    const { page } = guest;
    await page.bringToFront();
    await page.keyboard.press("Escape");
    await guest.done(2);
    await soon(() => guest.replies.last().getAttribute("data-status")).toBe("stopped");
    await soon(() => guest.panel.isVisible()).toBe(true);
    await page.keyboard.press("Escape");
    await guest.panel.waitFor({ state: "hidden" });
    await soon(() => guest.focused()).toBe("launch");
    // Left closed, it is closed on the next page.
    await page.reload();
    await guest.launch.waitFor();
    expect(await guest.panel.isVisible()).toBe(false);
  }
});

test("CW3 the focus goes back to where it was, also to a button of the page", async () => {
  const guest = await visitHost(stage, home, {
    hostile: false,
    late: `document.addEventListener("DOMContentLoaded", () =>
      document.querySelector("#own").addEventListener("click", () => Throughline.open()));`,
  });
  const { page } = guest;
  await page.locator("#own").focus();
  await page.keyboard.press("Enter");
  await soon(() => guest.boxHasFocus()).toBe(true);
  // Wherever in the panel the focus is, Esc stops the reply first.
  await guest.send(slow(304, 60_000));
  await guest.seen(20);
  await guest.button("New conversation").focus();
  await page.keyboard.press("Escape");
  await guest.done(1);
  await soon(() => guest.replies.last().getAttribute("data-status")).toBe("stopped");
  await page.keyboard.press("Escape");
  await soon(() => page.evaluate(() => document.activeElement?.id)).toBe("own");
  await page.keyboard.press("Enter");
  await soon(() => guest.boxHasFocus()).toBe(true);
  await page.reload();
  await guest.online();
  expect(await page.evaluate(() => document.activeElement?.tagName)).toBe("BODY");
});

test("CW5 the list leads back to an older conversation, a new one begins empty", async () => {
  const guest = await visitHost(stage, home);
  await guest.open();
  await guest.send("{{prose chars=60 seed=303}}");
  await guest.done(1);
  await guest.button("New conversation").click();
  await soon(() => guest.own.count()).toBe(0);
  await guest.page.keyboard.press("Tab");
  await guest.button("Show conversations").click();
  const row = guest.inner.locator(".tw-recent li button");
  await soon(() => row.count()).toBe(1);
  await guest.page.keyboard.press("Escape");
  await soon(() => row.count()).toBe(0);
  await soon(() => guest.panel.isVisible()).toBe(true);
  await guest.button("Show conversations").click();
  await row.click();
  await guest.done(1);
  await guest.page.reload();
  await guest.done(1);
});
