// Owns what people do with files in the app's box, for tests. It must not test anything itself.
import type { JSHandle, Locator, Page } from "playwright-core";

/** A file made in the page: `text`, repeated. */
export type Made = { readonly name: string; readonly type: string; readonly text: string; readonly times?: number };

export const notes = {
  name: "notes.md",
  mimeType: "text/markdown",
  buffer: Buffer.from("# Notes\nsome words"),
};

type Given = string | { readonly name: string; readonly mimeType: string; readonly buffer: Buffer };

/** Chooses files, as behind the button; a text is the path of one. */
export const choose = ({ page }: { readonly page: Page }, ...files: Given[]): Promise<void> => {
  const paths = files.flatMap((one) => (typeof one === "string" ? [one] : []));
  const made = files.flatMap((one) => (typeof one === "string" ? [] : [one]));
  return page.locator(".tl-picker").setInputFiles(paths.length > 0 ? paths : made);
};

/** The files beside the box; `state`: only those that are sending, ready or failed. */
export const beside = ({ page }: { readonly page: Page }, state?: "sending" | "ready" | "failed"): Locator =>
  page.locator(state === undefined ? ".tl-file" : `.tl-file[data-state="${state}"]`);

/** What a drop or a paste carries. */
const carried = (page: Page, files: readonly Made[]): Promise<JSHandle<DataTransfer>> =>
  page.evaluateHandle((given) => {
    const data = new DataTransfer();
    for (const { name, type, text, times = 1 } of given) {
      // Large ones are the same bytes again and again: they take no memory.
      const part = new Blob([text]);
      data.items.add(
        new File(
          Array.from({ length: times }, () => part),
          name,
          { type },
        ),
      );
    }
    return data;
  }, files);

/** Drops files on an element of the page. */
export async function drop(page: Page, files: readonly Made[], on = "body"): Promise<void> {
  const dataTransfer = await carried(page, files);
  await page.dispatchEvent(on, "dragover", { dataTransfer });
  await page.dispatchEvent(on, "drop", { dataTransfer });
}

/** How far the first file that is on its way has come, 0 to 1. */
export const share = ({ page }: { readonly page: Page }): Promise<number> =>
  page
    .locator(".tl-file progress")
    .first()
    .evaluate((bar) => (bar instanceof HTMLProgressElement ? bar.value : 0));
