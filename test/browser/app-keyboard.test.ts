// Proves the way from the first visit to the sign-out without a mouse: every key, and where the focus is afterwards.
import { expect, test } from "vitest";
import { useStage } from "./app-stage.ts";
import { type Visitor, soon } from "./app-visitor.ts";

const stage = useStage();

const quick = (seed: number): string => `{{prose chars=60 seed=${seed}}}`;

/** What has the focus: its label or text; "page" where nothing has it. */
const focused = ({ page }: Visitor): Promise<string> =>
  page.evaluate(() => {
    const one = document.activeElement;
    if (one === null || one === document.body) return "page";
    return one.getAttribute("aria-label") ?? one.textContent?.trim() ?? one.tagName;
  });

/** Presses Tab (or Shift+Tab) until this has the focus. Fails where the focus runs in a circle without it. */
async function tabTo(visitor: Visitor, label: string | RegExp, key = "Tab"): Promise<void> {
  const passed: string[] = [];
  for (let i = 0; i < 60; i++) {
    await visitor.page.keyboard.press(key);
    const now = await focused(visitor);
    if (typeof label === "string" ? now === label : label.test(now)) return;
    passed.push(now);
  }
  throw new Error(`${String(label)} is not reached by ${key}: ${passed.join(" > ")}`);
}

test("UI25 from load to reply, stop, edit, versions, list, settings and sign-out with the keyboard alone", async () => {
  const visitor = await stage.visit();
  const { page } = visitor;
  const { keyboard } = page;
  await soon(() => focused(visitor)).toBe("Message");
  await keyboard.type("{{prose chars=60000 piece=10 rate=40 seed=91}}");
  await keyboard.press("Enter");
  await visitor.seen(visitor.replies.last(), 20);
  await soon(() => focused(visitor)).toBe("Message");
  await keyboard.press("Escape");
  await page.getByText("Stopped.").waitFor();
  await soon(() => focused(visitor)).toBe("Message");
  await keyboard.type(quick(92));
  await keyboard.press("Enter");
  await visitor.done(2);

  // Edit what was sent, and go between its versions.
  await keyboard.press("ArrowUp");
  await soon(() => focused(visitor)).toBe("Edit");
  await keyboard.press("Escape");
  await soon(() => focused(visitor)).not.toBe("page");
  await keyboard.press("Shift+Escape");
  await soon(() => focused(visitor)).toBe("Message");
  await keyboard.press("ArrowUp");
  await soon(() => focused(visitor)).toBe("Edit");
  await keyboard.press("Control+A");
  await keyboard.type(quick(93));
  await keyboard.press("Enter");
  await page.getByText("2/2").waitFor();
  await visitor.done(2);
  await soon(() => focused(visitor)).not.toBe("page");
  await keyboard.press("Shift+Escape");
  await tabTo(visitor, "Previous version", "Shift+Tab");
  await keyboard.press("Enter");
  await page.getByText("1/2").waitFor();
  await soon(() => focused(visitor)).not.toBe("page");

  // Tools of a message are shown to whoever comes to them by keys.
  await keyboard.press("Shift+Escape");
  await tabTo(visitor, "Good reply", "Shift+Tab");
  // They fade in.
  await soon(() =>
    page.evaluate(() => getComputedStyle(document.activeElement?.closest(".tl-tools") ?? document.body).opacity),
  ).toBe("1");
  await keyboard.press("Space");
  await soon(() => page.evaluate(() => document.activeElement?.getAttribute("aria-pressed"))).toBe("true");

  // Another conversation, by its key, and back by the list.
  await keyboard.press("Control+Shift+O");
  await page.locator(".tl-welcome").waitFor();
  await soon(() => focused(visitor)).toBe("Message");
  await keyboard.type(quick(94));
  await keyboard.press("Enter");
  await visitor.done(1);
  await soon(() => visitor.rows.count()).toBe(2);
  await keyboard.press("Control+K");
  await soon(() => page.evaluate(() => document.activeElement?.getAttribute("type"))).toBe("search");
  await tabTo(visitor, /^More about/);
  await keyboard.press("Enter");
  await soon(() => focused(visitor)).toBe("Rename");
  await keyboard.press("Enter");
  await soon(() => focused(visitor)).toBe("New title");
  await keyboard.type("Named by keys");
  await keyboard.press("Enter");
  await page.getByRole("heading", { level: 1, name: "Named by keys" }).waitFor();
  await soon(() => focused(visitor)).toBe("More about Named by keys");
  await keyboard.press("Enter");
  await soon(() => focused(visitor)).toBe("Rename");
  await keyboard.press("ArrowUp");
  await soon(() => focused(visitor)).toBe("Delete");
  await keyboard.press("Escape");
  await soon(() => focused(visitor)).toBe("More about Named by keys");
  await tabTo(visitor, /^(?!More).*/);
  await keyboard.press("Enter");
  await visitor.done(2);

  // The list of keys, the settings, and the way out.
  await keyboard.press("Control+/");
  await page.getByRole("dialog", { name: "Keyboard shortcuts" }).waitFor();
  await keyboard.press("Escape");
  await soon(() => page.getByRole("dialog").count()).toBe(0);
  await soon(() => focused(visitor)).not.toBe("page");
  await keyboard.press("Control+K");
  await tabTo(visitor, /Settings$/);
  await keyboard.press("Enter");
  const settings = page.getByRole("dialog", { name: "Settings" });
  await settings.waitFor();
  await page.getByRole("radio", { name: "As the device" }).focus();
  await keyboard.press("ArrowDown");
  await keyboard.press("ArrowDown");
  await soon(() => page.evaluate(() => document.documentElement.dataset["theme"])).toBe("dark");
  await tabTo(visitor, "Sign out");
  await keyboard.press("Enter");
  await page.locator('.tl-dot[data-state="signed-out"]').waitFor();
});

test("UI24 the list of keys names every key that there is, and Esc stops only where nothing else is open", async () => {
  const visitor = await stage.visit();
  const { page } = visitor;
  await visitor.ask("{{prose chars=60000 piece=10 rate=40 seed=95}}");
  await page.keyboard.press("Control+/");
  const dialog = page.getByRole("dialog", { name: "Keyboard shortcuts" });
  await dialog.waitFor();
  const keys = await dialog
    .locator("dl > div")
    .evaluateAll((rows) => rows.map((row) => [...row.querySelectorAll("kbd")].map((key) => key.textContent).join("+")));
  expect(keys.sort()).toEqual(
    ["Ctrl+/", "Ctrl+K", "Ctrl+Shift+C", "Ctrl+Shift+O", "Enter", "Esc", "Shift+Enter", "Shift+Esc", "↑"].sort(),
  );
  await page.keyboard.press("Escape");
  await soon(() => dialog.count()).toBe(0);
  expect(await visitor.replies.last().getAttribute("data-status")).toBe("running");
  // From the list of conversations too: the reply is what Esc is for, wherever the focus is.
  await page.keyboard.press("Shift+Escape");
  await soon(() => focused(visitor)).toBe("Message");
  expect(await visitor.replies.last().getAttribute("data-status")).toBe("running");
  await page.keyboard.press("Escape");
  await page.getByText("Stopped.").waitFor();
});

test("UI25 the first Tab of a page offers the way to the box; the log can be scrolled by keys", async () => {
  const visitor = await stage.visit();
  const { page } = visitor;
  await visitor.ask("{{prose chars=9000 seed=96}}");
  await visitor.done(1);
  await page.reload();
  await visitor.done(1);
  await page.evaluate(() => (document.activeElement as HTMLElement | null)?.blur());
  await page.evaluate(() => getSelection()?.removeAllRanges());
  await tabTo(visitor, "Skip to the message box");
  await soon(() => visitor.button("Skip to the message box").isVisible()).toBe(true);
  await page.keyboard.press("Enter");
  await soon(() => focused(visitor)).toBe("Message");
  await visitor.log.focus();
  await page.keyboard.press("Home");
  await soon(async () => (await visitor.place()).top).toBe(0);
});

test("UI32 after a sign-out nothing of the person is on the screen, nor in what the next one sees", async () => {
  const visitor = await stage.visit();
  const { page } = visitor;
  await visitor.ask(`private ${quick(97)}`);
  await visitor.done(1);
  await visitor.box.fill("a private draft");
  await page.locator(".app-person").click();
  await visitor.button("Sign out").click();
  await page.locator('.tl-dot[data-state="signed-out"]').waitFor();
  const everything = (): Promise<string> =>
    page.evaluate(
      () =>
        `${document.body.textContent} ${[...document.querySelectorAll("textarea")].map((box) => box.value).join(" ")} ${document.title}`,
    );
  await soon(everything).not.toContain("private");
  await soon(() => visitor.rows.count()).toBe(0);
  await visitor.button("Sign in", visitor.banner).click();
  await visitor.button("Go on as a guest").click();
  await visitor.online();
  expect(await everything()).not.toContain("private");
});
