// Owns the proof that people can send and see files in the app: by button, drop and paste, whatever the network does.
import { readFileSync } from "node:fs";
import type { Locator, Page } from "playwright-core";
import { expect, test } from "vitest";
import { pdf, png } from "../files/samples.ts";
import { findings, overflows } from "./app-eyes.ts";
import { useStage } from "./app-stage.ts";
import { soon, type Visitor } from "./app-visitor.ts";

const stage = useStage();
const quick = (seed: number): string => `{{prose chars=60 seed=${seed}}}`;

const items = ({ page }: Visitor): Locator => page.locator(".tl-file");
const ready = ({ page }: Visitor): Locator => page.locator('.tl-file[data-state="ready"]');
const choose = ({ page }: Visitor, ...files: { name: string; mimeType: string; buffer: Buffer }[]): Promise<void> =>
  page.locator(".tl-picker").setInputFiles(files);
const picture = { name: "cat.png", mimeType: "image/png", buffer: png(64, 48) };
const notes = { name: "notes.md", mimeType: "text/markdown", buffer: Buffer.from("# Notes\nsome words") };

/** What a drop or a paste carries. */
async function carry(page: Page, files: readonly { name: string; type: string; text: string }[], text = "") {
  return page.evaluateHandle(
    ([given, plain]) => {
      const data = new DataTransfer();
      for (const { name, type, text: body } of given) data.items.add(new File([body], name, { type }));
      if (plain !== "") data.setData("text/plain", plain);
      return data;
    },
    [files, text] as const,
  );
}
const paste = async ({ page, box }: Visitor, files: Parameters<typeof carry>[1], text?: string): Promise<void> => {
  const data = await carry(page, files, text);
  await box.evaluate(
    (area, clipboardData) =>
      void area.dispatchEvent(new ClipboardEvent("paste", { clipboardData, bubbles: true, cancelable: true })),
    data,
  );
};

test("UI41 files chosen are shown on their way, sent with the words, given to the model, and shown in the message everywhere", async () => {
  const visitor = await stage.visit();
  await choose(visitor, picture, notes);
  await soon(() => ready(visitor).count()).toBe(2);
  await soon(() => items(visitor).first().locator("img").count()).toBe(1);
  await visitor.send(quick(1));
  await soon(() => items(visitor).count()).toBe(0);
  await visitor.done(1);
  const own = visitor.own.last();
  const image = own.getByRole("button", { name: "Show cat.png large" }).locator("img");
  await soon(() => image.evaluate((one) => (one instanceof HTMLImageElement ? one.naturalWidth : 0))).toBe(64);
  const asked = JSON.stringify(stage.model.requests.at(-1)?.body);
  expect(asked).toContain("some words");
  expect(asked).toContain(`data:image/png;base64,${picture.buffer.toString("base64")}`);

  const download = visitor.page.waitForEvent("download");
  await own.getByRole("button", { name: "Download notes.md" }).click();
  expect((await download).suggestedFilename()).toBe("notes.md");
  expect(readFileSync(await (await download).path(), "utf8")).toBe("# Notes\nsome words");

  await own.getByRole("button", { name: "Show cat.png large" }).click();
  await visitor.page.getByRole("dialog", { name: "cat.png" }).waitFor();
  await visitor.page.keyboard.press("Escape");
  await soon(() => visitor.page.getByRole("dialog").count()).toBe(0);

  // After a reload and in another tab it is the same.
  const second = await stage.visit({ context: visitor.page.context(), path: new URL(visitor.page.url()).pathname });
  await second.own.last().getByRole("button", { name: "Show cat.png large" }).locator("img").waitFor();
});

test("UI42 dropped anywhere and pasted; a long paste becomes a file that can become text again; Backspace takes the last away", async () => {
  const visitor = await stage.visit();
  const { page, box } = visitor;
  const dropped = await carry(page, [{ name: "dropped.txt", type: "text/plain", text: "one" }]);
  await page.dispatchEvent(".app-side, .tl-log, body", "dragover", { dataTransfer: dropped });
  await page.locator(".tl-drop").waitFor();
  await page.dispatchEvent("body", "drop", { dataTransfer: dropped });
  await soon(() => page.locator(".tl-drop").count()).toBe(0);
  await soon(() => ready(visitor).count()).toBe(1);
  await paste(visitor, [{ name: "shot.txt", type: "text/plain", text: "two" }]);
  await soon(() => ready(visitor).count()).toBe(2);
  await paste(visitor, [], "long ".repeat(2000));
  await soon(() => ready(visitor).count()).toBe(3);
  await soon(() => box.inputValue()).toBe("");
  await page.getByRole("button", { name: "As text" }).click();
  await soon(() => box.inputValue()).toBe("long ".repeat(2000));
  await soon(() => items(visitor).count()).toBe(2);
  await box.fill("");
  await box.press("Backspace");
  await soon(() => items(visitor).allTextContents()).toEqual([expect.stringContaining("dropped.txt")]);
  await box.press("Backspace");
  await soon(() => items(visitor).count()).toBe(0);
});

test("UI43 what is refused says why with the limit in numbers, and stops nothing; typing goes on meanwhile", async () => {
  const visitor = await stage.visit();
  const { page } = visitor;
  // Chromium writes a line about an answer that is no success.
  visitor.expectTrouble();
  await choose(visitor, { name: "a.exe", mimeType: "image/png", buffer: Buffer.from([77, 90, 0, 1]) }, notes);
  await visitor.box.pressSequentially("words");
  const refused = page.locator('.tl-file[data-state="failed"]');
  await soon(() => refused.textContent()).toContain("Only pictures (PNG, JPEG, GIF, WebP), PDF and text are taken.");
  await visitor.button("Send").click();
  await page.getByText("A file was not sent.").waitFor();
  await page.getByRole("button", { name: "Remove a.exe" }).click();
  await soon(() => ready(visitor).count()).toBe(1);
  await visitor.button("Send").click();
  await visitor.done(1);
  await visitor.own.last().getByRole("button", { name: "Download notes.md" }).waitFor();
});

test("UI44 the network is cut while a file goes: it begins anew by itself, and Send waits for it; a cancelled one is gone", async () => {
  const visitor = await stage.visit();
  visitor.expectTrouble();
  stage.cut();
  await choose(visitor, { ...notes, name: "late.md" }, { ...notes, name: "unwanted.md" });
  await soon(() => items(visitor).count()).toBe(2);
  await visitor.box.fill(quick(4));
  await visitor.button("Send").click();
  await visitor.page.getByText("Sends when the files are there.").waitFor();
  await visitor.page.getByRole("button", { name: "Remove unwanted.md" }).click();
  expect(await visitor.own.count()).toBe(0);
  stage.reachable = true;
  await soon(() => visitor.own.count(), { timeout: 30_000 }).toBe(1);
  await visitor.done(1);
  await visitor.own.last().getByRole("button", { name: "Download late.md" }).waitFor();
  const truth = await stage.truth(visitor.page);
  expect(truth.canonical().split('"filename":"late.md"')).toHaveLength(2);
});

test("FI01 FI02 FI03 UI45 hostile files do nothing: HTML called a picture, SVG with a script, a name that turns around", async () => {
  const visitor = await stage.visit();
  const script = "<script>document.title='owned'</script>";
  await choose(
    visitor,
    { name: "a.png", mimeType: "image/png", buffer: Buffer.from(`<!doctype html>${script}`) },
    {
      name: "b.svg",
      mimeType: "image/svg+xml",
      buffer: Buffer.from(`<svg xmlns="http://www.w3.org/2000/svg">${script}</svg>`),
    },
    { name: "invoice\u202Efdp.exe.txt", mimeType: "text/plain", buffer: Buffer.from("x") },
    { name: "<img src=x onerror=alert(1)>.pdf", mimeType: "application/pdf", buffer: pdf("words") },
  );
  await soon(() => ready(visitor).count()).toBe(4);
  await visitor.send(quick(5));
  await visitor.done(1);
  const parts = visitor.own.last().locator(".tl-file-part");
  await soon(() => parts.count()).toBe(4);
  await soon(() => parts.allTextContents()).toEqual([
    "a.png",
    "b.svg",
    "invoicefdp.exe.txt",
    "_img src=x onerror=alert(1)_.pdf",
  ]);
  expect(await visitor.own.last().locator("img").count()).toBe(0);
  expect(await visitor.page.title()).not.toBe("owned");
});

test("UI46 an edited message keeps its files", async () => {
  const visitor = await stage.visit();
  await choose(visitor, notes);
  await soon(() => ready(visitor).count()).toBe(1);
  await visitor.send(quick(6));
  await visitor.done(1);
  await visitor.own.last().hover();
  await visitor.own.last().getByRole("button", { name: "Edit" }).click();
  const editor = visitor.page.locator(".tl-editor textarea");
  await editor.fill(quick(7));
  await editor.press("Enter");
  await visitor.page.getByText("2/2").waitFor();
  await visitor.own.last().getByRole("button", { name: "Download notes.md" }).waitFor();
});

test.each([
  ["desktop", "light"],
  ["phone", "dark"],
  ["tablet", "light"],
] as const)("UI27 UI31 files on a %s, %s: axe finds nothing, nothing sticks out", async (device, colorScheme) => {
  const visitor = await stage.visit({ device, options: { colorScheme } });
  const { page } = visitor;
  visitor.expectTrouble();
  const long = { ...notes, name: `${"a rather long name of a document ".repeat(5)}.md` };
  await choose(visitor, picture, long, { name: "a.exe", mimeType: "x/y", buffer: Buffer.from([77, 90, 0]) });
  await soon(() => ready(visitor).count()).toBe(2);
  await soon(() => page.locator('.tl-file[data-state="failed"]').count()).toBe(1);
  expect([...(await findings(page)), ...(await overflows(page))]).toEqual([]);
  await page.getByRole("button", { name: "Remove a.exe" }).click();
  await visitor.send(quick(8));
  await visitor.done(1);
  await visitor.own.last().locator(".tl-picture img").waitFor();
  expect([...(await findings(page)), ...(await overflows(page))]).toEqual([]);
});
