// Proves where the transcript stands: pinned, held, raised, and never moved under the eyes of whoever reads.
import type { Locator } from "playwright-core";
import { expect, test } from "vitest";
import { useStage } from "./app-stage.ts";
import { textIn, type Visitor, soon } from "./app-visitor.ts";

const stage = useStage();

const prose = (seed: number, chars: number, rate = 0): string =>
  `{{prose chars=${chars} piece=20${rate > 0 ? ` rate=${rate}` : ""} seed=${seed}}}`;

/**
 * Watches, in every picture from now on, how far a message (by its place) or the end is from where it was; returns the most (px).
 * A picture is what stands when every callback of its frame has run: the size of a probe changes in each frame, and the observer
 * of it, being the youngest, is told last.
 */
async function watchFrames(visitor: Visitor, what: "end" | number): Promise<() => Promise<number>> {
  const seen = await watchPictures(visitor, what);
  return async () => (await seen()).px;
}

/** The same, with every height (px) of the room below, and the movement seen as long as there was room. */
async function watchPictures(visitor: Visitor, what: "end" | number): Promise<() => Promise<Pictures>> {
  const worst = await visitor.log.evaluateHandle((log, what) => {
    const distance = (): number => {
      if (what === "end") return log.scrollHeight - log.clientHeight - log.scrollTop;
      const message = log.querySelectorAll(".tl-message")[what];
      return (message?.getBoundingClientRect().top ?? NaN) - log.getBoundingClientRect().top;
    };
    const began = what === "end" ? 0 : distance();
    const worst = { px: 0, inRoom: 0, rooms: new Array<number>() };
    const look = (): void => {
      const off = Math.abs(distance() - began);
      worst.px = Number.isNaN(off) ? Infinity : Math.max(worst.px, off);
      const room = log.lastElementChild?.clientHeight ?? 0;
      if (room > 0) worst.inRoom = worst.px;
      if (room !== worst.rooms.at(-1)) worst.rooms.push(room);
    };
    const probe = document.body.appendChild(document.createElement("i"));
    probe.style.cssText = "position: fixed; width: 1px; height: 1px";
    new ResizeObserver(look).observe(probe);
    const next = (): void => {
      probe.style.width = probe.style.width === "1px" ? "2px" : "1px";
      requestAnimationFrame(next);
    };
    next();
    look();
    return worst;
  }, what);
  return () => worst.jsonValue();
}

type Pictures = { readonly px: number; readonly inRoom: number; readonly rooms: readonly number[] };

/** Brings something into the middle, so that a click on it has nothing to scroll. */
const centre = (element: Locator): Promise<void> => element.evaluate((one) => one.scrollIntoView({ block: "center" }));

/** Waits until the last reply has grown by so much. */
async function grown(visitor: Visitor, by: number): Promise<void> {
  const before = (await textIn(visitor.replies.last())).length;
  await visitor.seen(visitor.replies.last(), before + by);
}

test("UI4 UI3 a sent message goes near the top, the room below shrinks, and then the end is followed", async () => {
  const visitor = await stage.visit();
  await visitor.ask(prose(51, 2500));
  await visitor.done(1);
  await visitor.ask(prose(52, 5000, 60));
  const own = visitor.own.last();
  await soon(() => visitor.topOf(own)).toBeLessThan(40);
  await soon(() => visitor.topOf(own)).toBeGreaterThanOrEqual(0);
  const seen = await watchPictures(visitor, 2);
  await soon(async () => (await visitor.place()).spacer, { timeout: 20_000 }).toBe(0);
  const { rooms, inRoom } = await seen();
  expect(rooms.length).toBeGreaterThan(2);
  expect(rooms).toEqual([...rooms].sort((a, b) => b - a));
  // As long as there is room nothing moves.
  expect(inRoom).toBeLessThanOrEqual(1);
  const behind = await watchFrames(visitor, "end");
  await grown(visitor, 600);
  expect(await behind()).toBeLessThanOrEqual(1);
  await soon(() => visitor.topOf(own)).toBeLessThan(0);
  await visitor.button("Stop").click();
});

test("UI3 a wheel up unpins at once and for good; within 60 px of the end it is pinned again; UI6 the way to the newest", async () => {
  const visitor = await stage.visit();
  const { page } = visitor;
  const newest = visitor.button("To the newest message");
  await visitor.ask(prose(53, 3000));
  await visitor.done(1);
  await visitor.ask(prose(54, 40_000, 60));
  await soon(async () => (await visitor.place()).spacer, { timeout: 15_000 }).toBe(0);
  await grown(visitor, 200);

  // A little, so that it is still near the end.
  await visitor.wheel(-30);
  const moved = await watchFrames(visitor, 3);
  await grown(visitor, 400);
  expect(await moved()).toBeLessThanOrEqual(1);
  expect((await visitor.place()).left).toBeGreaterThan(60);
  await grown(visitor, 800);
  await newest.waitFor();
  expect(await moved()).toBeLessThanOrEqual(1);

  // Down, but not to the end: not pinned.
  await visitor.wheel(40);
  const still = await watchFrames(visitor, 3);
  await grown(visitor, 200);
  expect(await still()).toBeLessThanOrEqual(1);
  // To the end: pinned.
  await visitor.wheel(5000);
  await soon(() => newest.count()).toBe(0);
  const behind = await watchFrames(visitor, "end");
  await grown(visitor, 400);
  expect(await behind()).toBeLessThanOrEqual(1);

  // Keys unpin as well.
  await visitor.log.focus();
  await page.keyboard.press("PageUp");
  await soon(async () => (await visitor.place()).left).toBeGreaterThan(200);
  await grown(visitor, 200);
  expect((await visitor.place()).left).toBeGreaterThan(200);
  await newest.click();
  await soon(async () => (await visitor.place()).left).toBeLessThanOrEqual(1);
  await soon(() => newest.count()).toBe(0);
  const again = await watchFrames(visitor, "end");
  await grown(visitor, 300);
  expect(await again()).toBeLessThanOrEqual(1);
  await visitor.button("Stop").click();
});

test("UI3 a finger on a phone unpins too", async () => {
  const visitor = await stage.visit({ device: "phone" });
  await visitor.ask(prose(55, 20_000, 60));
  await soon(async () => (await visitor.place()).top, { timeout: 15_000 }).toBeGreaterThan(300);
  const finger = await visitor.page.context().newCDPSession(visitor.page);
  const touch = (type: "touchStart" | "touchMove" | "touchEnd", y?: number): Promise<unknown> =>
    finger.send("Input.dispatchTouchEvent", { type, touchPoints: y === undefined ? [] : [{ x: 180, y }] });
  await touch("touchStart", 300);
  for (let y = 310; y <= 400; y += 10) await touch("touchMove", y);
  await touch("touchEnd");
  await visitor.settled();
  const moved = await watchFrames(visitor, 1);
  await grown(visitor, 400);
  expect(await moved()).toBeLessThanOrEqual(1);
  await visitor.button("To the newest message").tap();
  await soon(async () => (await visitor.place()).left).toBeLessThanOrEqual(1);
  await visitor.button("Stop").tap();
});

test("UI6 under reduced motion the way to the newest is one step", async () => {
  const visitor = await stage.visit({ options: { reducedMotion: "reduce" } });
  await visitor.ask(prose(56, 9000));
  await visitor.done(1);
  await visitor.wheel(-100_000);
  const button = visitor.button("To the newest message");
  await button.waitFor();
  const left = await button.evaluate((element) => {
    const log = document.querySelector(".tl-log");
    if (element instanceof HTMLElement) element.click();
    return log === null ? NaN : log.scrollHeight - log.clientHeight - log.scrollTop;
  });
  expect(left).toBeLessThanOrEqual(1);
});

test("UI5 retry and the change of versions move nothing that is looked at, whatever their lengths", async () => {
  const visitor = await stage.visit();
  const { own, replies } = visitor;
  for (const [i, chars] of [1500, 1200, 700].entries()) {
    await visitor.ask(prose(57 + i, chars));
    await visitor.done(i + 1);
  }
  const hold = async (what: string, index: number, action: () => Promise<unknown>): Promise<void> => {
    await visitor.settled();
    const moved = await watchFrames(visitor, index);
    await action();
    await visitor.settled();
    expect(await moved(), what).toBeLessThanOrEqual(1);
  };
  const retry = async (reply: number, count: number): Promise<void> => {
    await visitor.button("Retry", replies.nth(reply)).click();
    await visitor.button("Next version", replies.nth(reply)).waitFor();
    await visitor.done(count);
  };
  // At the end, where it is pinned.
  await hold("retry at the end", 5, () => retry(2, 3));
  await hold("versions at the end", 5, () => visitor.button("Previous version", replies.nth(2)).click());
  // In the middle: what follows is on another branch and goes.
  const tools = visitor.button("Retry", replies.nth(1));
  // Its beginning is in view: what is made anew is empty at first, and would else be brought into view.
  await tools.evaluate((one) => one.scrollIntoView({ block: "end" }));
  await soon(() => visitor.topOf(replies.nth(1))).toBeGreaterThan(0);
  await hold("retry in the middle", 3, () => retry(1, 2));
  await hold("a shorter branch", 3, () => visitor.button("Previous version", replies.nth(1)).click());
  await visitor.done(3);
  // An edit makes another question with a longer answer, and one with a shorter one.
  for (const [i, chars] of [6000, 100].entries()) {
    await centre(own.nth(1));
    await visitor.button("Edit", own.nth(1)).click();
    await visitor.page.locator(".tl-editor textarea").fill(prose(67 + i, chars));
    await visitor.page.keyboard.press("Enter");
    await soon(() => own.nth(1).textContent()).toContain(`chars=${chars}`);
    await visitor.done(2);
    await visitor.settled();
  }
  for (const name of ["Previous version", "Previous version", "Next version", "Next version"]) {
    await centre(own.nth(1));
    await hold(name, 2, () => visitor.button(name, own.nth(1)).click());
  }
});

test("UI5 a long reply that is made anew under the eyes of a reader begins in view, not above an empty room", async () => {
  const visitor = await stage.visit();
  await visitor.ask(prose(70, 300));
  await visitor.done(1);
  await visitor.ask(prose(71, 5000, 80));
  await visitor.done(2);
  await soon(() => visitor.topOf(visitor.replies.last())).toBeLessThan(-200);
  await visitor.button("Retry", visitor.replies.last()).click();
  await visitor.button("Stop").waitFor();
  await soon(() => visitor.topOf(visitor.replies.last())).toBeGreaterThanOrEqual(0);
  await soon(() => visitor.topOf(visitor.replies.last())).toBeLessThan((await visitor.place()).view / 2);
  await grown(visitor, 100);
  await visitor.button("Stop").click();
});
