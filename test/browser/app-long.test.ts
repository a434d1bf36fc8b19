// Proves that a conversation of 2,000 messages opens at once, is read up to its beginning without a jump, and scrolls.
import { beforeAll, expect, test } from "vitest";
import { until, WireClient } from "../support/wire-client.ts";
import { useStage } from "./app-stage.ts";
import { soon, type Visitor } from "./app-visitor.ts";

const stage = useStage();
const turns = 1000;
const conversation = crypto.randomUUID();
let session = "";

beforeAll(async () => {
  const wire = await WireClient.connect(stage.server.url);
  session = wire.token;
  await wire.send(conversation, "{{prose chars=60 seed=1}}");
  const view = await wire.read(conversation);
  for (let i = 1; i < turns; i++) {
    await until(() => view.turns.size === 0, "the end of the reply");
    await wire.send(conversation, `Question ${i} {{prose chars=${60 + ((i * 97) % 900)} piece=1000 seed=${i}}}`);
  }
  await until(() => view.turns.size === 0, "the end of the last");
  wire.cut();
}, 60_000);

/** A person who has that conversation, before the page of it is opened. */
async function enter(): Promise<Visitor> {
  const visitor = await stage.visit();
  await visitor.page.evaluate(
    ([session]) => {
      const key = Object.keys(localStorage).find((name) => name.endsWith("/session")) ?? "";
      const kept = JSON.parse(localStorage.getItem(key) ?? "{}") as object;
      localStorage.setItem(key, JSON.stringify({ ...kept, session }));
    },
    [session],
  );
  return visitor;
}

test("UI8 2,000 messages open in under 1 s, from the navigation to the last message painted", async () => {
  const visitor = await enter();
  const { page } = visitor;
  await page.context().addInitScript(() => {
    const look = new MutationObserver(() => {
      const last = [...document.querySelectorAll(".tl-reply .tl-body")].at(-1);
      if ((last?.textContent?.length ?? 0) < 20) return;
      look.disconnect();
      // The frame after the one in which it is drawn: it has been painted.
      requestAnimationFrame(() => requestAnimationFrame(() => Reflect.set(globalThis, "painted", performance.now())));
    });
    look.observe(document, { subtree: true, childList: true, characterData: true });
  });
  const times: number[] = [];
  for (let i = 0; i < 3; i++) {
    await page.goto(`/c/${conversation}`);
    const painted = await page.waitForFunction(() => Reflect.get(globalThis, "painted") as number | undefined);
    times.push(Math.round((await painted.jsonValue()) ?? NaN));
    await soon(async () => (await visitor.place()).left).toBeLessThanOrEqual(1);
  }
  console.log(`2,000 messages: opened in ${times.join(", ")} ms`);
  // The best of three: what else this machine does is not the app's.
  expect(Math.min(...times)).toBeLessThan(1000);
});

test(
  "UI7 UI8 up to the beginning, page by page: what is looked at stays, to a pixel; far messages are not laid out",
  { timeout: 120_000 },
  async () => {
    const visitor = await enter();
    const { page } = visitor;
    await page.goto(`/c/${conversation}`);
    await visitor.replies.last().waitFor();
    await visitor.settled();
    const result = await visitor.log.evaluate(async (log, wanted) => {
      const frame = (): Promise<void> => new Promise((resolve) => requestAnimationFrame(() => resolve()));
      const articles = (): HTMLElement[] => [...log.querySelectorAll<HTMLElement>(".tl-message")];
      const edge = log.getBoundingClientRect().top;
      const jumps: number[] = [];
      const began = performance.now();
      for (let count = articles().length; count < wanted;) {
        // As a person does who pulls the bar up, almost to the beginning of what is there.
        log.scrollTop = 150;
        await frame();
        await frame();
        const held = articles().find((one) => one.getBoundingClientRect().bottom > edge + 20);
        if (held === undefined) throw new Error("nothing is in view");
        const top = held.getBoundingClientRect().top;
        let worst = 0;
        const end = performance.now() + 10_000;
        let calm = 0;
        while (calm < 3) {
          await frame();
          worst = Math.max(worst, Math.abs(held.getBoundingClientRect().top - top));
          const now = articles().length;
          calm = now > count || calm > 0 ? calm + 1 : 0;
          if (performance.now() > end) throw new Error(`no older page after ${count}`);
        }
        count = articles().length;
        jumps.push(Math.round(worst * 10) / 10);
      }
      const took = performance.now() - began;
      // Through all of it, a screen a frame.
      const frames: number[] = [];
      let before = performance.now();
      for (let y = log.scrollHeight; y > 0; y -= log.clientHeight) {
        log.scrollTop = y;
        await frame();
        const now = performance.now();
        frames.push(now - before);
        before = now;
      }
      frames.sort((a, b) => a - b);
      const skipped = articles().filter((one) => getComputedStyle(one).contentVisibility === "auto").length;
      return {
        jumps,
        took,
        frames,
        skipped,
        articles: articles().length,
        elements: document.querySelectorAll("*").length,
      };
    }, turns * 2);
    const at = (share: number): number =>
      Math.round(result.frames[Math.floor((result.frames.length - 1) * share)] ?? NaN);
    console.log(
      `${result.articles} messages, ${result.elements} elements: ${result.jumps.length} pages in ${Math.round(result.took)} ms; ` +
        `a screen a frame: median ${at(0.5)} ms, p95 ${at(0.95)} ms, worst ${at(1)} ms (${result.frames.length} frames)`,
    );
    expect(Math.max(...result.jumps)).toBeLessThanOrEqual(1);
    expect(result.articles).toBe(turns * 2);
    expect(result.skipped).toBeGreaterThan(turns * 2 - 20);
    expect(at(0.5)).toBeLessThan(50);
  },
);

test(
  "UI8 scrolls at the pace of the frames, up through pages that are loaded on the way",
  { timeout: 120_000 },
  async () => {
    const visitor = await enter();
    const { page } = visitor;
    await page.goto(`/c/${conversation}`);
    await visitor.replies.last().waitFor();
    await visitor.settled();
    const { frames, articles } = await visitor.log.evaluate(async (log) => {
      const frame = (): Promise<number> => new Promise((resolve) => requestAnimationFrame(resolve));
      const frames: number[] = [];
      let before = await frame();
      for (let i = 0; i < 400; i++) {
        // As fast as a quick flick of a wheel: 6,000 px in a second.
        log.scrollTop -= 100;
        const now = await frame();
        frames.push(now - before);
        before = now;
      }
      return { frames: frames.sort((a, b) => a - b), articles: log.querySelectorAll(".tl-message").length };
    });
    const at = (share: number): number =>
      Math.round((frames[Math.floor((frames.length - 1) * share)] ?? NaN) * 10) / 10;
    console.log(
      `400 frames of 100 px: median ${at(0.5)} ms, p95 ${at(0.95)} ms, worst ${at(1)} ms; ${articles} messages`,
    );
    expect(articles).toBeGreaterThan(100);
    // Every frame of 60 in a second on a machine that has time; never worse than every second one on this.
    expect(at(0.5)).toBeLessThan(34);
  },
);
