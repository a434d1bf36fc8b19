// Owns the checks of the demo: the same prompt the same reply, at the pace that was asked for, and on from anywhere.
import { getEventListeners } from "node:events";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { demoReply } from "../../src/adapters/models/demo-text.ts";
import { demoModel } from "../../src/adapters/models/demo.ts";
import { fieldsOf, hear, say } from "./calls.ts";
import { handClock } from "./hand-clock.ts";

/** Hears the demo out, however long it takes by its clock. */
async function hearAll(prompt: Parameters<typeof hear>[1]) {
  const clock = handClock();
  const state = { done: false };
  const hearing = hear(demoModel({ clock }), prompt).finally(() => (state.done = true));
  for (let i = 0; !state.done && i < 2_000; i++) await clock.advance(100);
  return { ...(await hearing), ms: clock.monotonic(), pending: clock.pending() };
}

describe("DM1 what it says", () => {
  it("says that it is a demo, what it understands and how to get a real model", async () => {
    const { text, failure } = await hearAll("Hello, who are you?");
    expect(failure).toBeUndefined();
    expect(text).toMatch(/demo/);
    expect(text).toMatch(/no language model/);
    for (const word of ["`long`", "`slow`", "`stall`", "`table`", "MODEL=openai:"]) expect(text).toContain(word);
  });

  it.each([
    ["code please", /```ts/],
    ["a TABLE", /\| --- \|/],
    ["some maths", /\$\$/],
    ["show me markdown", /^## /m],
    ["short", /^This is the demo/],
    ["long", /^40\. /m],
  ])("%s", async (prompt, expected) => {
    expect((await hearAll(prompt)).text).toMatch(expected);
  });

  it("says exactly so many characters or words", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 20_000 }), (n) => {
        const { text } = demoReply(`${n} characters`);
        expect(text.length).toBe(n);
        expect(text.isWellFormed()).toBe(true);
      }),
    );
    expect(demoReply("300 words, fast").text.split(" ")).toHaveLength(300);
    expect(demoReply("999999999 characters").text.length).toBeLessThanOrEqual(200_000);
  });

  it("thinks first when asked to", async () => {
    const { reasoning, pieces } = await hearAll("short, with reasoning");
    expect(reasoning).toMatch(/demo/);
    expect(pieces[0]?.type).toBe("reasoning");
    expect(pieces.at(-1)?.type).toBe("usage");
  });

  it("fails, stalls and says nothing when asked to", async () => {
    const failed = await hearAll("please fail");
    expect(fieldsOf(failed.failure)).toMatchObject({ code: "model_unavailable", retryable: false });
    expect(failed.text.length).toBe(160);
    const empty = await hearAll("empty");
    expect(empty).toMatchObject({ failure: undefined, text: "" });

    const clock = handClock();
    const controller = new AbortController();
    let done = false;
    const hearing = hear(demoModel({ clock }), "stall", { signal: controller.signal }).finally(() => (done = true));
    await clock.advance(3_600_000);
    expect(done).toBe(false);
    controller.abort();
    expect(await hearing).toMatchObject({ failure: controller.signal.reason, text: failed.text });
  });
});

describe("DM2 going on", () => {
  it("from every place of a reply, it says exactly the rest", async () => {
    const prompt = "code and a table, 5000 tokens per second";
    const { text } = demoReply(prompt);
    for (let at = 1; at <= text.length; at += 37) {
      const { text: rest, reasoning } = await hearAll([say("user", prompt), say("assistant", text.slice(0, at))]);
      expect(text.slice(0, at) + rest).toBe(text);
      expect(reasoning).toBe("");
    }
  });

  it("below another model's words it starts anew", async () => {
    const { text } = await hearAll([say("user", "short"), say("assistant", "Something else")]);
    expect(text).toBe(`\n\n${demoReply("short").text}`);
  });
});

describe("DM3 pace", () => {
  it.each([
    ["400 characters", 40, 1],
    ["400 characters, slow", 5, 1],
    ["4000 characters, fast", 400, 4],
    ["40000 characters, 2000 tokens per second", 2_000, 15],
  ])("%s: %i pieces a second, at least %i at once", async (prompt, rate, atOnce) => {
    const { text, pieces, batches, ms, pending } = await hearAll(prompt);
    const count = pieces.length - 1;
    expect(count).toBeGreaterThan(text.length / 6);
    const due = (count * 1_000) / rate;
    expect(ms).toBeGreaterThanOrEqual(due - 25 - 1_000 / rate);
    expect(ms).toBeLessThanOrEqual(due + 225);
    expect(count / (batches.length - 1)).toBeGreaterThanOrEqual(atOnce * 0.9);
    expect(pending).toBe(0);
  });

  it("stops at once and leaves no timer", async () => {
    const clock = handClock();
    const controller = new AbortController();
    const hearing = hear(demoModel({ clock }), "long and slow", { signal: controller.signal });
    await clock.advance(2_000);
    expect(clock.pending()).toBe(1);
    expect(getEventListeners(controller.signal, "abort")).toHaveLength(1);
    controller.abort();
    const heard = await hearing;
    expect(heard.failure).toBe(controller.signal.reason);
    expect(heard.pieces.length).toBe(11);
    expect(clock.pending()).toBe(0);
  });
});
