// Proves that a reply is shown as it comes, and that no reload, no other tab and no other conversation does it harm.
import { expect, test } from "vitest";
import { proseText } from "../support/model-server.ts";
import { until } from "../support/wire-client.ts";
import { seenIn, watchPages } from "./app-probe.ts";
import { useStage } from "./app-stage.ts";
import { bare, textIn, soon } from "./app-visitor.ts";

const stage = useStage();

test("UI1 a first visit: the box in focus, three examples, the model; an example goes into the box", async () => {
  for (const device of ["desktop", "phone"] as const) {
    const visitor = await stage.visit({ device });
    const { page } = visitor;
    const examples = page.locator(".tl-example");
    await soon(() => examples.count()).toBe(3);
    await soon(() => page.locator(".tl-foot").textContent()).toContain("openai:test-model");
    // On touch a focus would bring up the keyboard over the examples.
    await soon(() => visitor.box.evaluate((box) => box === document.activeElement)).toBe(device === "desktop");
    const text = (await examples.nth(1).textContent()) ?? "";
    await examples.nth(1).click();
    await soon(() => visitor.box.inputValue()).toBe(text);
    await soon(() => visitor.box.evaluate((box) => box === document.activeElement)).toBe(true);
    expect(await page.getByRole("dialog").count()).toBe(0);
  }
});

test("UI2 B26 a reply over ten reloads: it goes on where it was, never shows less or other text, and ends whole", async () => {
  const context = await stage.context();
  await watchPages(context);
  const visitor = await stage.visit({ context });
  const { page } = visitor;
  const chars = 3000;
  // However slow this machine is: the reply goes on over each reload, and is not over before the next.
  const upTo = (step: number): number => Math.min((chars * (step + 1)) / 11, chars - 10);
  await visitor.ask(`{{prose chars=${chars} piece=10 rate=32 hold=${Math.floor(upTo(1))} seed=11}}`);
  const whole = bare(proseText(11, chars));
  const model = stage.model.requests.at(-1);
  for (let i = 1; i <= 10; i++) {
    await until(() => (model?.chars ?? 0) >= (chars * i) / 11, `${i}/11 of the reply`);
    const { violations, texts } = await seenIn(page);
    expect(violations).toEqual([]);
    for (const text of Object.values(texts)) expect(whole.startsWith(text)).toBe(true);
    const before = await textIn(visitor.replies.last());
    await page.reload();
    await visitor.seen(visitor.replies.last(), before.length);
    await visitor.button("Stop").waitFor();
    if (model !== undefined) model.hold = i < 10 ? upTo(i + 1) : undefined;
  }
  await visitor.done(1);
  const truth = await stage.truth(page);
  const [, reply] = [...truth.messages.values()];
  expect(truth.text(reply?.id)).toBe(proseText(11, chars));
  await soon(() => textIn(visitor.replies.last())).toBe(whole);
  expect((await seenIn(page)).violations).toEqual([]);
  expect(stage.model.requests.filter((request) => request.behaviour.seed === 11)).toHaveLength(1);
});

test("UI30 B06 two tabs and a phone show the same reply live; a stop in one ends it in all, and at the model", async () => {
  const context = await stage.context();
  await watchPages(context);
  const first = await stage.visit({ context });
  await first.ask("{{prose chars=60000 piece=10 rate=40 seed=12}}");
  const path = new URL(first.page.url()).pathname;
  const phone = await stage.context("phone", { storageState: await context.storageState() });
  await watchPages(phone);
  const others = [await stage.visit({ context, path }), await stage.visit({ context: phone, path })];
  const all = [first, ...others];
  for (const visitor of all) await visitor.seen(visitor.replies.last(), 100);
  const lengths = await Promise.all(all.map(async (visitor) => (await textIn(visitor.replies.last())).length));
  for (const [i, visitor] of all.entries()) await visitor.seen(visitor.replies.last(), (lengths[i] ?? 0) + 30);

  await first.page.close();
  await others[1]?.button("Stop").click();
  for (const visitor of others) await visitor.page.getByText("Stopped.").waitFor();
  const model = await until(() => stage.model.requests.find(({ behaviour, outcome }) => behaviour.seed === 12 && outcome), "the end at the model"); // prettier-ignore
  expect(model.outcome).toBe("aborted");
  const truth = await stage.truth(others[0]?.page ?? first.page);
  const reply = [...truth.messages.values()].at(-1);
  expect(reply?.metadata["status"]).toBe("stopped");
  for (const visitor of others) {
    await soon(() => textIn(visitor.replies.last())).toBe(bare(truth.text(reply?.id)));
    expect((await seenIn(visitor.page)).violations).toEqual([]);
    await soon(() => visitor.button("Stop").count()).toBe(0);
    await visitor.button("Continue").waitFor();
  }
});

test("UI14 B07 stop after a reload, by Esc, and before the first piece; nothing is added afterwards", async () => {
  const visitor = await stage.visit();
  const { page } = visitor;
  await visitor.ask("{{prose chars=60000 piece=10 rate=40 seed=13}}");
  await page.reload();
  await visitor.seen(visitor.replies.last(), 20);
  await visitor.button("Stop").click();
  await page.getByText("Stopped.").waitFor();
  const text = await textIn(visitor.replies.last());
  await visitor.send("{{prose chars=2000 piece=10 rate=40 seed=14 header=30000}}");
  await visitor.button("Stop").waitFor();
  await page.keyboard.press("Escape");
  await soon(() => page.locator('[data-status="stopped"]').count()).toBe(2);
  await soon(() => textIn(visitor.replies.first())).toBe(text);
  await until(() => stage.model.requests.at(-1)?.outcome === "aborted", "the end at the model");
});

test("UI2 B08 PR10 going to another conversation, and leaving the page, stop nothing", async () => {
  const context = await stage.context();
  const visitor = await stage.visit({ context });
  const { page } = visitor;
  await visitor.ask("{{prose chars=900 piece=10 rate=40 hold=300 seed=15}}");
  const path = new URL(page.url()).pathname;
  await visitor.button("New conversation").first().click();
  await page.locator(".tl-welcome").waitFor();
  await page.locator(".app-mark-busy").waitFor();
  await page.close();
  const model = stage.model.requests.find(({ behaviour }) => behaviour.seed === 15);
  // The model goes on to where it is held, with nobody there.
  await soon(() => ({ ...model })).toMatchObject({ chars: 300, outcome: undefined });
  if (model !== undefined) model.hold = undefined;
  const again = await stage.visit({ context, path });
  await again.done(1);
  await soon(() => textIn(again.replies.last())).toBe(bare(proseText(15, 900)));
});

test("UI30 CO20 three tabs that open at once are one guest", async () => {
  const context = await stage.context();
  const tabs = await Promise.all([1, 2, 3].map(() => stage.visit({ context })));
  const users = await Promise.all(tabs.map(({ page }) => stage.wire(page)));
  expect(new Set(tabs.flatMap((tab) => tab.users)).size).toBe(1);
  expect(new Set(users.map(({ user }) => user)).size).toBe(1);
});

test("UI26 a reply is told to screen readers: that it is made, and then the whole of it, once; the log itself is silent", async () => {
  const visitor = await stage.visit();
  const { page } = visitor;
  const said = await page.evaluateHandle(() => {
    const status = document.querySelector('#app [aria-live="polite"]');
    const words: string[] = [];
    if (status !== null) {
      new MutationObserver(() => void words.push(status.textContent?.trim() ?? "")).observe(status, {
        subtree: true,
        childList: true,
        characterData: true,
      });
    }
    return words;
  });
  await visitor.ask("{{prose chars=300 piece=10 rate=60 seed=16}}");
  await visitor.done(1);
  await soon(() => said.jsonValue()).toHaveLength(2);
  const words = await said.jsonValue();
  expect(words[0]).toBe("Generating");
  expect(bare(words[1] ?? "")).toBe(bare(`Reply complete. ${proseText(16, 300)}`));
  const log = page.getByRole("log", { name: "Conversation" });
  await soon(() => log.getAttribute("aria-live")).toBe("off");
  await soon(() => log.getAttribute("tabindex")).toBe("0");
  for (const name of ["You", "Assistant"]) {
    await soon(() => log.getByRole("article", { name }).getByRole("heading", { name }).count()).toBe(1);
  }
  const time = log.locator("time").first();
  await soon(async () => Math.abs(Date.parse((await time.getAttribute("datetime")) ?? "") - Date.now())).toBeLessThan(
    60_000,
  );
  expect(((await time.getAttribute("title")) ?? "").length).toBeGreaterThan(((await time.textContent()) ?? "").length);
});
