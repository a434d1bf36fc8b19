// Proves the chat window on pages of another site, in a real Chromium: under a strict policy and hostile styles, without and in a frame.
import { afterAll, expect, test } from "vitest";
import { proseText } from "../support/model-server.ts";
import { useStage } from "./app-stage.ts";
import { bare, soon } from "./app-visitor.ts";
import { storingContext, serveHostPages, visitHost, type Mode } from "./widget-stage.ts";

const home = await serveHostPages();
afterAll(() => home.close());
const stage = useStage({ ALLOWED_ORIGINS: home.origin, ON_CRASH: "restart" });

const slow = (seed: number, chars = 3000): string => `{{prose chars=${chars} piece=10 rate=60 seed=${seed}}}`;
const modes: readonly Mode[] = ["shadow", "iframe"];

for (const mode of modes) {
  test(`CW1 CW3 CW5 CW8 CW11 ${mode}: opens, answers, goes on over a reload and kill -9, closes by Esc`, async () => {
    const guest = await visitHost(stage, home, { mode, context: await storingContext() });
    const { page } = guest;
    await guest.launch.waitFor();
    const before = guest.requests.filter((url) => url.startsWith(stage.proxy.url));
    expect(before).toEqual([`${stage.proxy.url}/widget.js`]);
    expect(await guest.launch.getAttribute("aria-expanded")).toBe("false");
    await guest.open();
    expect(await guest.launch.getAttribute("aria-expanded")).toBe("true");
    await soon(() => guest.boxHasFocus()).toBe(true);
    const box = await guest.panel.boundingBox();
    expect(box).toMatchObject({ width: 400 });
    expect(await guest.box.evaluate((area) => getComputedStyle(area).fontSize)).toBe("16px");

    await guest.box.fill("kept");
    await page.reload();
    await soon(() => guest.box.inputValue()).toBe("kept");
    await guest.send(slow(301));
    await guest.seen(100);
    await page.reload();
    await guest.seen(200);
    guest.expectTrouble();
    await stage.server.end("SIGKILL");
    await guest.inner.locator('.tl-dot:not([data-state="online"])').waitFor();
    await stage.server.start();
    await guest.done(1);
    expect(await guest.text()).toBe(bare(proseText(301, 3000)));

    await guest.send(slow(302, 6000));
    await soon(() => guest.replies.count()).toBe(2);
    await guest.seen(20);
    await page.keyboard.press("Escape");
    await guest.done(2);
    expect(await guest.replies.last().getAttribute("data-status")).toBe("stopped");
    expect(await guest.panel.isVisible()).toBe(true);
    await page.keyboard.press("Escape");
    await guest.panel.waitFor({ state: "hidden" });
    const focused = (): Promise<string> =>
      page.evaluate(() => document.activeElement?.shadowRoot?.activeElement?.className ?? "");
    await soon(focused).toBe("launch");
    // Left closed, it is closed on the next page.
    await page.reload();
    await guest.launch.waitFor();
    expect(await guest.panel.isVisible()).toBe(false);
  });
}
