// Proves files in the chat window on pages of another site, under a strict policy, without and in a frame.
import { readFileSync } from "node:fs";
import { afterAll, expect, test } from "vitest";
import { png } from "../files/samples.ts";
import { useStage } from "./app-stage.ts";
import { soon } from "./app-visitor.ts";
import { notes } from "./files-hands.ts";
import { serveHostPages, visitHost, type Guest } from "./widget-stage.ts";

const home = await serveHostPages();
afterAll(() => home.close());
const stage = useStage({ ALLOWED_ORIGINS: home.origin });
const quick = (seed: number): string => `{{prose chars=60 seed=${seed}}}`;
const picture = { name: "cat.png", mimeType: "image/png", buffer: png(64, 48) };

async function sendBoth(guest: Guest): Promise<void> {
  await guest.open();
  await guest.inner.locator(".tl-picker").setInputFiles([picture, notes]);
  await soon(() => guest.inner.locator('.tl-file[data-state="ready"]').count()).toBe(2);
  await guest.send(quick(501));
  await guest.done(1);
}
async function downloaded(guest: Guest, name: string): Promise<Buffer> {
  const download = guest.page.waitForEvent("download");
  await guest.own
    .last()
    .getByRole("button", { name: `Download ${name}` })
    .click();
  expect((await download).suggestedFilename()).toBe(name);
  return readFileSync(await (await download).path());
}
const widthOf = (guest: Guest): Promise<number> =>
  guest.own
    .last()
    .getByRole("button", { name: "Show cat.png large" })
    .locator("img")
    .evaluate((one) => (one instanceof HTMLImageElement ? one.naturalWidth : 0));

test.each(["shadow", "iframe"] as const)(
  "UI41 CW1 CW5 files go, pictures are shown and files downloaded in the window (%s) where the page lets pictures be drawn",
  async (mode) => {
    const guest = await visitHost(stage, home, { mode, headers: mode === "shadow" ? drawing() : {} });
    await sendBoth(guest);
    await soon(() => widthOf(guest)).toBe(64);
    expect((await downloaded(guest, "notes.md")).equals(notes.buffer)).toBe(true);
  },
);
/** The policy of docs/widget.md with the line for pictures. */
const drawing = (): Record<string, string> => {
  const server = stage.proxy.url;
  const connect = `connect-src ${server} ${server.replace(/^http/, "ws")}`;
  return {
    "Content-Security-Policy": `default-src 'none'; script-src ${server}; ${connect}; style-src 'self'; img-src data: blob:`,
  };
};

test("UI41 CW8 a page whose policy lets no picture be drawn gets it as a file, and nothing broken", async () => {
  const guest = await visitHost(stage, home);
  guest.expectTrouble(/Content Security Policy/);
  await sendBoth(guest);
  await soon(() => guest.own.last().locator(".tl-file-part").allTextContents()).toEqual(["cat.png", "notes.md"]);
  expect(await guest.own.last().locator("img").count()).toBe(0);
  expect((await downloaded(guest, "cat.png")).equals(picture.buffer)).toBe(true);
});

test("UI42 dropped on the window, a file is the window's; dropped on the page beside it, the page's", async () => {
  const guest = await visitHost(stage, home, { hostile: false });
  await guest.open();
  const carried = await guest.page.evaluateHandle(() => {
    const data = new DataTransfer();
    data.items.add(new File(["words"], "dropped.txt", { type: "text/plain" }));
    return data;
  });
  await guest.page.dispatchEvent("#own", "drop", { dataTransfer: carried });
  await guest.box.dispatchEvent("dragover", { dataTransfer: carried });
  await guest.inner.locator(".tl-drop").waitFor();
  await guest.box.dispatchEvent("drop", { dataTransfer: carried });
  await soon(() => guest.inner.locator('.tl-file[data-state="ready"]').allTextContents()).toEqual([
    "dropped.txt5 bytes",
  ]);
});
