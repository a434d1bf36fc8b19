// Proves what can be done with messages: versions, continue, retry, reactions, copy, and what is said where a reply is not whole.
import { expect, test } from "vitest";
import { proseText } from "../support/model-server.ts";
import { useStage } from "./app-stage.ts";
import { bare, textIn, soon } from "./app-visitor.ts";

const stage = useStage({ ON_CRASH: "interrupt", MODEL_PREFILL: "on" }, { prefill: true });

const quick = (seed: number, more = ""): string => `{{prose chars=80 seed=${seed}${more}}}`;

test("UI18 D4 an edit is a version beside the old one, with its own reply; both stay reachable, also after a reload", async () => {
  const visitor = await stage.visit();
  const { page, own } = visitor;
  await visitor.ask(quick(71));
  await visitor.done(1);
  await visitor.ask(`old ${quick(72)}`);
  await visitor.done(2);
  await own.nth(1).hover();
  await visitor.button("Edit", own.nth(1)).click();
  const editor = page.getByRole("textbox", { name: "Edit" });
  await soon(() => editor.inputValue()).toBe(`old ${quick(72)}`);
  await editor.fill(`new ${quick(73)}`);
  await visitor.button("Send", page.locator(".tl-editor")).click();
  await soon(() => own.nth(1).locator(".tl-body").textContent()).toContain("new");
  await visitor.done(2);
  await soon(() => textIn(visitor.replies.nth(1))).toBe(bare(proseText(73, 80)));
  const versions = page.getByRole("group", { name: "Version 2 of 2" });
  await soon(() => versions.textContent()).toBe("2/2");
  await soon(() => visitor.button("Next version", versions).isDisabled()).toBe(true);
  await visitor.button("Previous version", versions).click();
  await page.getByRole("group", { name: "Version 1 of 2" }).waitFor();
  await soon(() => textIn(visitor.replies.nth(1))).toBe(bare(proseText(72, 80)));
  // What is written now goes under what is looked at.
  await visitor.ask(quick(74));
  await visitor.done(3);
  await page.reload();
  await visitor.done(3);
  await soon(() => own.nth(1).textContent()).toContain("old");
  await soon(() => textIn(visitor.replies.nth(2))).toBe(bare(proseText(74, 80)));
  await visitor.button("Next version", own.nth(1)).click();
  await visitor.done(2);
  await soon(() => own.nth(1).textContent()).toContain("edited");
  await soon(() => own.nth(1).textContent()).toContain("new");
});

test("UI18 D3 a retry makes another reply, counted; three of them can be gone through, and another device sees them", async () => {
  const context = await stage.context();
  const visitor = await stage.visit({ context });
  await visitor.ask(quick(75));
  await visitor.done(1);
  for (const count of [2, 3]) {
    await visitor.button("Retry").click();
    await visitor.page.getByText(`${count}/${count}`).waitFor();
    await visitor.done(1);
  }
  const other = await stage.visit({ context, path: new URL(visitor.page.url()).pathname });
  await other.page.getByText("3/3").waitFor();
  await other.button("Previous version").click();
  await other.button("Previous version").click();
  await other.page.getByText("1/3").waitFor();
  await soon(() => visitor.page.getByText("3/3").count()).toBe(1);
});

test("UI14 UI19 D3 Continue after a stop goes on in the same reply, to its whole text", async () => {
  const visitor = await stage.visit();
  await visitor.ask("{{prose chars=900 piece=10 rate=60 hold=300 times=1 seed=76}}");
  await visitor.seen(visitor.replies.last(), 60);
  await visitor.button("Stop").click();
  await visitor.page.getByText("Stopped.").waitFor();
  const id = await visitor.replies.last().getAttribute("data-entry");
  await visitor.button("Continue").click();
  await soon(() => visitor.page.getByText("Stopped.").count()).toBe(0);
  await visitor.done(1);
  await soon(() => textIn(visitor.replies.last())).toBe(bare(proseText(76, 900)));
  await soon(() => visitor.replies.last().getAttribute("data-entry")).toBe(id);
});

test("UI19 E3 a reply that fails says why, in a sentence, with Retry; what was said before stays", async () => {
  const visitor = await stage.visit();
  const { page, replies } = visitor;
  await visitor.send("{{prose chars=90 seed=77 fail=401 times=1}}");
  await visitor.done(1);
  const notice = replies.last().locator(".tl-notice");
  await soon(() => notice.textContent()).toMatch(/^No reply\. The language model cannot be reached right now\./);
  expect(await visitor.button("Continue", notice).count()).toBe(0);
  expect(await page.locator("body").textContent()).not.toContain("It failed.");
  await visitor.button("Retry", notice).click();
  await soon(() => textIn(replies.last())).toBe(bare(proseText(77, 90)));
  await soon(() => page.locator(".tl-versions").textContent()).toBe("2/2");
});

test("UI19 B26 a reply whose server was killed says that it was interrupted, after a reload too, and is continued", async () => {
  const visitor = await stage.visit();
  visitor.expectTrouble();
  await visitor.ask("{{prose chars=900 piece=10 rate=60 hold=300 times=1 seed=78}}");
  await visitor.seen(visitor.replies.last(), 60);
  await stage.server.end("SIGKILL");
  await stage.server.start();
  await visitor.page.getByText("Interrupted: the server ended before the reply was complete.").waitFor();
  await visitor.page.reload();
  await visitor.page.getByText("Interrupted:").waitFor();
  expect(bare(proseText(78, 900)).startsWith(await textIn(visitor.replies.last()))).toBe(true);
  await visitor.button("Continue").click();
  await soon(() => textIn(visitor.replies.last()), { timeout: 10_000 }).toBe(bare(proseText(78, 900)));
});

test("UI19 reasoning is folded, and there when it is asked for", async () => {
  const visitor = await stage.visit();
  await visitor.ask(quick(79, " reasoning=60"));
  await visitor.done(1);
  const reasoning = visitor.replies.last().locator("details");
  await soon(() => reasoning.getAttribute("open")).toBeNull();
  await reasoning.getByText("Reasoning").click();
  await soon(() => reasoning.getAttribute("open")).not.toBeNull();
});

test("UI20 D5 reactions and thumbs: the other tab sees them, good and bad exclude each other, a second click takes back", async () => {
  const context = await stage.context();
  const visitor = await stage.visit({ context });
  const { page } = visitor;
  await visitor.ask(quick(80));
  await visitor.done(1);
  const other = await stage.visit({ context, path: new URL(page.url()).pathname });
  await page.bringToFront();
  const reply = visitor.replies.last();
  const [good, bad] = [visitor.button("Good reply", reply), visitor.button("Bad reply", reply)];
  await good.click();
  await soon(() => good.getAttribute("aria-pressed")).toBe("true");
  await bad.click();
  await soon(() => good.getAttribute("aria-pressed")).toBe("false");
  await soon(() => other.button("Bad reply").getAttribute("aria-pressed")).toBe("true");
  await soon(() => other.button("Good reply").getAttribute("aria-pressed")).toBe("false");

  // A choice of six, by the arrow keys; the focus comes back.
  const react = visitor.button("React", reply);
  await react.click();
  await soon(() => page.evaluate(() => document.activeElement?.getAttribute("aria-label"))).toBe("Reaction ❤️");
  await page.keyboard.press("ArrowRight");
  await page.keyboard.press("Enter");
  await visitor.button("Reaction 😂", reply).waitFor();
  await soon(() => react.evaluate((button) => button === document.activeElement)).toBe(true);
  await other.page.bringToFront();
  await other.button("Reaction 😂").click();
  await page.bringToFront();
  await soon(() => visitor.button("Reaction 😂", reply).count()).toBe(0);
  await react.click();
  await page.locator(".tl-choice").waitFor();
  await page.keyboard.press("Escape");
  await soon(() => page.locator(".tl-choice").count()).toBe(0);
  // One's own messages can be reacted to as well.
  await visitor.own.last().hover();
  await visitor.button("React", visitor.own.last()).click();
  await visitor.button("Reaction 🎉", visitor.own.last()).click();
  await page.reload();
  await visitor.button("Reaction 🎉", visitor.own.last()).waitFor();
  await soon(() => visitor.button("Bad reply").getAttribute("aria-pressed")).toBe("true");
});

test("UI20 UI24 copy puts the text on the clipboard, by its button and by its key, and says so", async () => {
  const context = await stage.context();
  await context.grantPermissions(["clipboard-read", "clipboard-write"]);
  const visitor = await stage.visit({ context });
  const { page } = visitor;
  await visitor.ask(quick(81));
  await visitor.done(1);
  await visitor.ask(quick(82));
  await visitor.done(2);
  const clipboard = (): Promise<string> => page.evaluate(() => navigator.clipboard.readText());
  await visitor.replies.first().hover();
  await visitor.button("Copy", visitor.replies.first()).click();
  await soon(clipboard).toBe(proseText(81, 80));
  await soon(() => page.locator('[aria-live="polite"]').first().textContent()).toContain("Copied");
  await page.keyboard.press("Control+Shift+C");
  await soon(clipboard).toBe(proseText(82, 80));
});

test("UI20 on touch the tools of a message are in sight, and big enough for a finger", async () => {
  const visitor = await stage.visit({ device: "phone" });
  await visitor.ask(quick(83));
  await visitor.done(1);
  for (const name of ["Copy", "Retry", "Good reply", "React"]) {
    const button = visitor.button(name, visitor.replies.last());
    const shown = (): Promise<string> =>
      button.evaluate((one) => getComputedStyle(one.closest(".tl-tools") ?? one).opacity);
    await soon(shown, { message: name }).toBe("1");
    const size = (): Promise<number> =>
      button.evaluate((one) => Math.min(one.getBoundingClientRect().width, one.getBoundingClientRect().height));
    await soon(size, { message: name }).toBeGreaterThanOrEqual(24);
  }
});
