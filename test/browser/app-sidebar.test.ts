// Proves the list of conversations: day, rename, archive, delete with a way back, search, drawer, and the address.
import { expect, test } from "vitest";
import { useStage } from "./app-stage.ts";
import { type Visitor, soon } from "./app-visitor.ts";

const stage = useStage();

/** Starts conversations with these titles; the last is shown. */
async function begin(visitor: Visitor, titles: readonly string[]): Promise<void> {
  const wire = await stage.wire(visitor.page);
  for (const [i, title] of titles.entries()) {
    if (i > 0) await visitor.button("New conversation").first().click();
    await visitor.ask(`{{prose chars=30 seed=${i + 1}}}`);
    await visitor.done(1);
    const conversation = new URL(visitor.page.url()).pathname.split("/").at(-1);
    await wire.ask({ type: "conversation.update", conversation, title });
    await visitor.page.getByRole("heading", { level: 1, name: title }).waitFor();
  }
  await soon(() => visitor.rows.count()).toBe(titles.length);
}

const row = (visitor: Visitor, title: string) => visitor.rows.filter({ hasText: title });
const openMenu = async (visitor: Visitor, title: string): Promise<void> => {
  await row(visitor, title).hover();
  await visitor.button(`More about ${title}`).click();
  await visitor.page.getByRole("menu").waitFor();
};

test("UI21 conversations stand under their day, the newest first; the one that is shown is marked, and its title is the page's", async () => {
  const visitor = await stage.visit();
  await begin(visitor, ["Aardvark", "Badger"]);
  const today = visitor.page.getByRole("region", { name: "Today" });
  await soon(() => today.locator(".app-row-title").allTextContents()).toEqual(["Badger", "Aardvark"]);
  await soon(() => visitor.page.locator('[aria-current="page"]').textContent()).toContain("Badger");
  await soon(() => visitor.page.title()).toBe("Badger · Throughline");
  await row(visitor, "Aardvark").click();
  await visitor.ask("{{prose chars=30 seed=9}}");
  await visitor.done(2);
  await soon(() => today.locator(".app-row-title").allTextContents()).toEqual(["Aardvark", "Badger"]);
});

test("UI21 rename in its place, seen in the other tab; Esc and an empty title leave it", async () => {
  const context = await stage.context();
  const visitor = await stage.visit({ context });
  const { page } = visitor;
  await begin(visitor, ["Camel"]);
  const other = await stage.visit({ context });
  await page.bringToFront();
  const field = page.getByRole("textbox", { name: "New title" });
  await openMenu(visitor, "Camel");
  await page.getByRole("menuitem", { name: "Rename" }).click();
  await soon(() => field.evaluate((input) => input === document.activeElement)).toBe(true);
  await page.keyboard.type("Dromedary");
  await page.keyboard.press("Enter");
  await row(visitor, "Dromedary").waitFor();
  await row(other, "Dromedary").waitFor();
  await page.getByRole("heading", { level: 1, name: "Dromedary" }).waitFor();
  for (const [text, key] of [
    ["Other", "Escape"],
    ["  ", "Enter"],
  ] as const) {
    await openMenu(visitor, "Dromedary");
    await page.getByRole("menuitem", { name: "Rename" }).click();
    await field.fill(text);
    await page.keyboard.press(key);
    await row(visitor, "Dromedary").waitFor();
  }
});

test("UI21 archive puts it aside, Undo brings it back, and the archive shows it", async () => {
  const visitor = await stage.visit();
  const { page } = visitor;
  await begin(visitor, ["Emu", "Finch"]);
  await openMenu(visitor, "Emu");
  await page.getByRole("menuitem", { name: "Archive" }).click();
  await soon(() => row(visitor, "Emu").count()).toBe(0);
  await visitor.button("Undo").click();
  await row(visitor, "Emu").waitFor();
  await openMenu(visitor, "Emu");
  await page.getByRole("menuitem", { name: "Archive" }).click();
  await soon(() => row(visitor, "Emu").count()).toBe(0);
  await visitor.button("Archived").click();
  await row(visitor, "Emu").waitFor();
  await soon(() => row(visitor, "Finch").count()).toBe(0);
  await openMenu(visitor, "Emu");
  await page.getByRole("menuitem", { name: "Take out of the archive" }).click();
  await soon(() => row(visitor, "Emu").count()).toBe(0);
  await visitor.button("Back to all conversations").click();
  await row(visitor, "Emu").waitFor();
});

test("UI21 delete is out of sight at once, can be undone, and is carried out also where the page is left at once", async () => {
  const visitor = await stage.visit();
  const { page } = visitor;
  await begin(visitor, ["Gnu", "Heron"]);
  await openMenu(visitor, "Heron");
  await page.getByRole("menuitem", { name: "Delete" }).click();
  await soon(() => row(visitor, "Heron").count()).toBe(0);
  // It was the one that is shown: a new one is, instead.
  await page.locator(".tl-welcome").waitFor();
  await soon(() => new URL(page.url()).pathname).toBe("/");
  await visitor.button("Undo").click();
  await row(visitor, "Heron").waitFor();
  await openMenu(visitor, "Heron");
  await page.getByRole("menuitem", { name: "Delete" }).click();
  await soon(() => row(visitor, "Heron").count()).toBe(0);
  await page.reload();
  await row(visitor, "Gnu").waitFor();
  await soon(() => row(visitor, "Heron").count()).toBe(0);
});

test("UI21 D2 the search finds, says how many, says when there is nothing, and Esc empties it", async () => {
  const visitor = await stage.visit();
  const { page } = visitor;
  await begin(visitor, ["Ibis of the river", "Jackal"]);
  await page.keyboard.press("Control+K");
  const field = page.getByRole("searchbox", { name: "Search" });
  await soon(() => field.evaluate((input) => input === document.activeElement)).toBe(true);
  await page.keyboard.type("IBIS");
  await page.getByText("1 result", { exact: true }).waitFor();
  await soon(() => visitor.rows.count()).toBe(1);
  await field.fill("quagga");
  await page.getByText("Nothing found").waitFor();
  await soon(() => visitor.rows.count()).toBe(0);
  await page.keyboard.press("Escape");
  await soon(() => visitor.rows.count()).toBe(2);
  await soon(() => field.inputValue()).toBe("");
});

test("UI22 on a phone the list is a drawer: focus in, focus back, closed by Esc, shade and choice", async () => {
  const visitor = await stage.visit({ device: "phone" });
  const { page } = visitor;
  const drawer = page.getByRole("navigation", { name: "Conversations" });
  expect(await drawer.count()).toBe(0);
  const menu = visitor.button("Show conversations");
  await menu.tap();
  await drawer.waitFor();
  const inside = (): Promise<boolean> =>
    page.evaluate(() => document.querySelector(".app-side")?.contains(document.activeElement) ?? false);
  await soon(inside).toBe(true);
  // Tab does not lead out of it.
  for (let i = 0; i < 8; i++) {
    await page.keyboard.press("Tab");
    expect(await page.evaluate(() => document.querySelector(".app-main")?.contains(document.activeElement))).toBe(
      false,
    );
  }
  await page.keyboard.press("Escape");
  await soon(() => drawer.count()).toBe(0);
  await soon(() => menu.evaluate((button) => button === document.activeElement)).toBe(true);
  await menu.tap();
  await drawer.waitFor();
  await page.touchscreen.tap(350, 400);
  await soon(() => drawer.count()).toBe(0);
  await visitor.ask("{{prose chars=30 seed=1}}");
  await visitor.done(1);
  await visitor.button("New conversation").tap();
  await page.locator(".tl-welcome").waitFor();
  await menu.tap();
  await visitor.rows.first().tap();
  await soon(() => drawer.count()).toBe(0);
  await visitor.replies.first().waitFor();
});

test("UI23 every conversation has its address; back and forward go without loading; an unknown one says so", async () => {
  const visitor = await stage.visit();
  const { page } = visitor;
  await begin(visitor, ["Koala", "Lynx"]);
  await page.evaluate(() => void Reflect.set(globalThis, "same", true));
  await row(visitor, "Koala").click();
  const heading = (name: string): Promise<void> => page.getByRole("heading", { level: 1, name }).waitFor();
  await heading("Koala");
  await page.goBack();
  await heading("Lynx");
  await page.goForward();
  await heading("Koala");
  await soon(() => page.evaluate(() => Reflect.get(globalThis, "same"))).toBe(true);
  const path = new URL(page.url()).pathname;
  // Somebody else's: not there, whoever asks.
  const stranger = await stage.visit({ path });
  await stranger.page.getByText("This conversation is not here").waitFor();
});
