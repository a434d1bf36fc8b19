// Proves that the list is kept in order without a mouse: search, archive and out of it, delete and back, and where the focus is.
import { expect, test } from "vitest";
import { useStage } from "./app-stage.ts";
import { soon, type Visitor } from "./app-visitor.ts";

const stage = useStage();

/** What has the focus: its label or text; "page" where nothing has it. */
const focused = ({ page }: Visitor): Promise<string> =>
  page.evaluate(() => {
    const one = document.activeElement;
    if (one === null || one === document.body) return "page";
    return one.getAttribute("aria-label") ?? one.textContent?.trim() ?? one.tagName;
  });

/** Presses Tab until this has the focus, and nothing in between was without one. */
async function tabTo(visitor: Visitor, label: string): Promise<void> {
  const passed: string[] = [];
  for (let i = 0; i < 60; i++) {
    await visitor.page.keyboard.press("Tab");
    const now = await focused(visitor);
    if (now === label) return;
    passed.push(now);
  }
  throw new Error(`${label} is not reached: ${passed.join(" > ")}`);
}

test("UI25 UI21 UI34 search, archive, take out, delete and undo, with the keyboard alone; the focus is never lost", async () => {
  const visitor = await stage.visit();
  const { page } = visitor;
  const { keyboard } = page;
  await keyboard.type("A numbat {{prose chars=40 seed=1}}");
  await keyboard.press("Enter");
  await visitor.done(1);
  const wire = await stage.wire(page);
  const conversation = new URL(page.url()).pathname.split("/").at(-1);
  await wire.ask({ type: "conversation.update", conversation, title: "Numbat" });
  await visitor.rows.getByText("Numbat").waitFor();
  const choose = async (label: string, steps: number): Promise<void> => {
    await tabTo(visitor, "More about Numbat");
    await keyboard.press("Enter");
    await soon(() => focused(visitor)).toBe("Rename");
    for (let i = 0; i < steps; i++) await keyboard.press("ArrowDown");
    await soon(() => focused(visitor)).toBe(label);
    await keyboard.press("Enter");
  };

  // The key leads into the field at once: what is typed next is what is searched for.
  await keyboard.press("Control+K");
  await keyboard.type("numbat");
  await page.locator(".app-snippet mark").waitFor();
  await keyboard.press("Tab");
  await keyboard.press("Enter");
  await soon(() => page.evaluate(() => document.activeElement?.classList.contains("tl-found"))).toBe(true);
  await keyboard.press("Control+K");
  await keyboard.press("Escape");
  await soon(() => page.locator(".app-snippet").count()).toBe(0);

  await choose("Archive", 1);
  await soon(() => visitor.rows.count()).toBe(0);
  await soon(() => focused(visitor)).not.toBe("page");
  await tabTo(visitor, "Archived");
  await keyboard.press("Enter");
  await visitor.rows.getByText("Numbat").waitFor();
  await keyboard.press("Control+K");
  await choose("Take out of the archive", 1);
  await soon(() => visitor.rows.count()).toBe(0);
  await soon(() => focused(visitor)).not.toBe("page");
  await keyboard.press("Control+K");
  await tabTo(visitor, "Back to all conversations");
  await keyboard.press("Enter");
  await visitor.rows.getByText("Numbat").waitFor();
  await soon(() => focused(visitor)).not.toBe("page");

  await keyboard.press("Control+K");
  await choose("Delete", 4);
  await soon(() => visitor.rows.count()).toBe(0);
  await soon(() => focused(visitor)).not.toBe("page");
  // There may be two of them: each says what it is about.
  const about = (): Promise<string | undefined> =>
    page.evaluate(() => {
      const ids = document.activeElement?.getAttribute("aria-describedby") ?? "";
      return document.getElementById(ids)?.textContent;
    });
  do await tabTo(visitor, "Undo");
  while ((await about()) !== "Conversation deleted");
  await keyboard.press("Enter");
  await visitor.rows.getByText("Numbat").waitFor();
  await soon(() => focused(visitor)).not.toBe("page");
  expect((await wire.ask({ type: "conversation.list" }))["conversations"]).toHaveLength(1);
});
