// Proves the box: keys, composed words, queue, drafts, size, and what becomes of a message that is refused.
import { expect, test } from "vitest";
import { until } from "../support/wire-client.ts";
import { useStage } from "./app-stage.ts";
import { bare, soon } from "./app-visitor.ts";

const stage = useStage();

const slow = (seed: number): string => `{{prose chars=60000 piece=10 rate=40 seed=${seed}}}`;
const quick = (seed: number): string => `{{prose chars=40 seed=${seed}}}`;

test("UI10 Enter sends, Shift+Enter breaks, Enter twice sends once, and a composed word is not sent", async () => {
  const visitor = await stage.visit();
  const { page, box } = visitor;
  await box.click();
  await page.keyboard.type("first");
  await page.keyboard.press("Shift+Enter");
  await page.keyboard.type(`second ${quick(31)}`);
  await soon(() => box.inputValue()).toBe(`first\nsecond ${quick(31)}`);

  // A word is being composed: its Enter belongs to it.
  const keyboard = await page.context().newCDPSession(page);
  await keyboard.send("Input.imeSetComposition", { text: "にほん", selectionStart: 3, selectionEnd: 3 });
  await keyboard.send("Input.dispatchKeyEvent", {
    type: "rawKeyDown",
    key: "Enter",
    code: "Enter",
    windowsVirtualKeyCode: 13,
  });
  expect(await visitor.own.count()).toBe(0);
  await keyboard.send("Input.insertText", { text: "日本" });
  await soon(() => box.inputValue()).toBe(`first\nsecond ${quick(31)}日本`);

  await box.evaluate((area) => {
    const press = (): boolean =>
      area.dispatchEvent(new KeyboardEvent("keydown", { key: "Enter", bubbles: true, cancelable: true }));
    // Within one drawing, and again in the next.
    press();
    press();
    requestAnimationFrame(press);
  });
  await visitor.done(1);
  await soon(() => visitor.own.count()).toBe(1);
  expect(bare((await visitor.own.locator(".tl-body").textContent()) ?? "")).toBe(
    bare(`first second ${quick(31)} 日本`),
  );
  expect(stage.model.requests.filter(({ behaviour }) => behaviour.seed === 31)).toHaveLength(1);
  // Blank text is nothing.
  await box.fill("  \n ");
  await page.keyboard.press("Enter");
  await soon(() => visitor.own.count()).toBe(1);
});

test("UI9 UI10 on a phone Enter breaks, the box grows to 4 rows; on a desktop to 8; its type is 16 px and it is never closed", async () => {
  for (const [device, rows] of [
    ["phone", 4],
    ["desktop", 8],
  ] as const) {
    const visitor = await stage.visit({ device });
    const { box, page } = visitor;
    const height = (): Promise<number> => box.evaluate((area) => area.clientHeight - 12);
    const { size, line } = await box.evaluate((area) => {
      const { fontSize, lineHeight } = getComputedStyle(area);
      return { size: Number.parseFloat(fontSize), line: Number.parseFloat(lineHeight) };
    });
    const rowsHigh = async (): Promise<number> => Math.round((await height()) / line);
    expect(size).toBeGreaterThanOrEqual(16);
    await soon(rowsHigh).toBe(1);
    await box.click();
    await page.keyboard.type("a");
    if (device === "phone") {
      await page.keyboard.press("Enter");
      await soon(() => box.inputValue()).toBe("a\n");
      expect(await visitor.own.count()).toBe(0);
    }
    await box.fill(Array.from({ length: 3 }, () => "row").join("\n"));
    await soon(rowsHigh).toBe(3);
    await box.fill(Array.from({ length: 40 }, () => "row").join("\n"));
    await soon(rowsHigh).toBe(rows);
    await visitor.ask(slow(32));
    await soon(() => box.isEditable()).toBe(true);
    await soon(rowsHigh).toBe(1);
    await visitor.button("Stop").click();
    await page.getByText("Stopped.").waitFor();
  }
});

test("UI11 what is sent while a reply is made waits above the box: Edit, Delete, Send now", async () => {
  const visitor = await stage.visit();
  const { page, queue, box } = visitor;
  await visitor.ask(slow(33));
  for (const word of ["alpha", "beta", "gamma"]) {
    await box.fill(`${word} ${quick(34)}`);
    await box.press("Enter");
  }
  await soon(() => queue.count()).toBe(3);
  await soon(async () => (await queue.allTextContents()).map((text) => text.slice(0, 4))).toEqual([
    "alph",
    "beta",
    "gamm",
  ]);
  await soon(() => page.getByRole("region", { name: "3 messages wait" }).count()).toBe(1);
  // Both stand there: what stops the reply, and what sends what is in the box.
  await soon(() => visitor.button("Stop").count()).toBe(1);
  await visitor.button("Edit", queue.nth(0)).click();
  await soon(() => box.inputValue()).toBe(`alpha ${quick(34)}`);
  await soon(() => queue.count()).toBe(2);
  await visitor.button("Delete", queue.nth(0)).click();
  await soon(() => queue.count()).toBe(1);
  await soon(() => visitor.replies.last().getAttribute("data-status")).toBe("running");
  // The queue survives a reload too.
  await page.reload();
  await soon(() => queue.count()).toBe(1);
  await soon(() => box.inputValue()).toBe(`alpha ${quick(34)}`);
  await visitor.button("Send now", queue.nth(0)).click();
  await visitor.done(2);
  await soon(() => queue.count()).toBe(0);
  await soon(() => visitor.replies.first().getAttribute("data-status")).toBe("stopped");
  const truth = await stage.truth(page);
  const own = [...truth.messages.values()].filter(({ role }) => role === "user");
  expect(own.map(({ id }) => truth.text(id).split(" ")[0])).toEqual(["{{prose", "gamma"]);
});

test("UI11 a queue of three goes out by itself, one after the other, each under the reply before it", async () => {
  const visitor = await stage.visit();
  await visitor.ask("{{prose chars=400 piece=10 rate=40 seed=35}}");
  for (const word of ["one", "two", "three"]) {
    await visitor.box.fill(`${word} ${quick(36)}`);
    await visitor.box.press("Enter");
  }
  await visitor.done(4);
  const truth = await stage.truth(visitor.page);
  const all = [...truth.messages.values()];
  expect(all.map(({ role }) => role[0]).join("")).toBe("uauauaua");
  for (const [i, message] of all.entries()) expect(message.metadata["parent"]).toBe(all[i - 1]?.id ?? null);
});

test("UI12 a draft belongs to its conversation and survives a reload; a sent one leaves nothing behind", async () => {
  const visitor = await stage.visit();
  const { page, box } = visitor;
  await box.fill("not yet begun");
  await page.reload();
  await soon(() => box.inputValue()).toBe("not yet begun");
  await visitor.ask(quick(37));
  await visitor.done(1);
  await box.fill("in the first");
  await page.reload();
  await soon(() => box.inputValue()).toBe("in the first");
  await visitor.button("New conversation").first().click();
  await page.locator(".tl-welcome").waitFor();
  await soon(() => box.inputValue()).toBe("");
  await box.fill("in the second");
  await page.goBack();
  await soon(() => box.inputValue()).toBe("in the first");
  await page.goForward();
  await soon(() => box.inputValue()).toBe("in the second");
  await visitor.ask(quick(38));
  await visitor.done(1);
  const drafts = (): Promise<[string, string][]> =>
    page.evaluate(() => Object.entries(localStorage).filter(([key]) => key.includes("/draft/")));
  await soon(async () => (await drafts()).map(([, text]) => text)).toEqual(["in the first"]);
});

test("UI13 a message that is refused keeps its text, with the reason and what can be done", async () => {
  const visitor = await stage.visit();
  const { page } = visitor;
  await visitor.ask(quick(39));
  await visitor.done(1);
  await visitor.send("x".repeat(131_073));
  const notice = page.getByRole("alert").filter({ hasText: "Not sent." });
  await notice.waitFor();
  await soon(() => notice.textContent()).toContain("That is too long to send.");
  await soon(() => visitor.own.last().getAttribute("data-status")).toBe("failed");
  // It is nobody's parent: what is written after it goes out.
  await visitor.send(quick(40));
  await visitor.done(2);
  await visitor.button("Retry", notice).click();
  await soon(() => notice.count()).toBe(1);
  await visitor.button("Edit", notice).click();
  await soon(() => visitor.box.inputValue()).toHaveLength(131_073);
  await soon(() => notice.count()).toBe(0);
  await visitor.box.fill("");
  await visitor.send("y".repeat(131_073));
  await notice.waitFor();
  await visitor.button("Delete", notice).click();
  await soon(() => notice.count()).toBe(0);
  await soon(() => visitor.own.count()).toBe(2);
});

test("UI13 what is sent stands there at once, before the server has said anything", async () => {
  const visitor = await stage.visit();
  await visitor.ask(quick(41));
  await visitor.done(1);
  stage.proxy.freeze("up", true);
  await visitor.send(`held ${quick(42)}`);
  await visitor.own.nth(1).waitFor();
  await soon(() => visitor.own.nth(1).getAttribute("data-status")).toMatch(/sending|waiting/);
  await soon(() => visitor.box.inputValue()).toBe("");
  await visitor.button("Stop").count();
  stage.proxy.freeze("up", false);
  await visitor.done(2);
  await soon(() => visitor.own.nth(1).getAttribute("data-status")).toBeNull();
});

test("UI24 ArrowUp in an empty box edits the last message; Esc leaves it as it was", async () => {
  const visitor = await stage.visit();
  const { page, box } = visitor;
  await visitor.ask(`one ${quick(43)}`);
  await visitor.done(1);
  await visitor.ask(`two ${quick(44)}`);
  await visitor.done(2);
  await box.fill("not empty");
  await box.press("ArrowUp");
  expect(await page.locator(".tl-editor").count()).toBe(0);
  await box.fill("");
  await box.press("ArrowUp");
  const editor = page.locator(".tl-editor textarea");
  await soon(() => editor.inputValue()).toBe(`two ${quick(44)}`);
  await soon(() => editor.evaluate((area) => area === document.activeElement)).toBe(true);
  await editor.fill("changed");
  await page.keyboard.press("Escape");
  await soon(() => editor.count()).toBe(0);
  await soon(() => visitor.own.count()).toBe(2);
  await soon(() => visitor.own.last().textContent()).toContain(quick(44));
  await until(() => stage.model.requests.length >= 2, "both replies");
});
