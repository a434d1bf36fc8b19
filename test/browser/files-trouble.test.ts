// Owns the proof that files in the app survive what networks, limits and people do to them.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { png } from "../files/samples.ts";
import { useStage } from "./app-stage.ts";
import { soon } from "./app-visitor.ts";
import { beside, choose, drop, notes, share, type Made } from "./files-hands.ts";

const folder = mkdtempSync(join(tmpdir(), "throughline-files-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const limits = join(folder, "limits.json");
writeFileSync(limits, JSON.stringify({ guest: { uploadBytesPerDay: 20_000_000, uploadsPerHour: 3 } }));
const stage = useStage({ LIMITS: limits });

const quick = (seed: number): string => `{{prose chars=60 seed=${seed}}}`;
const slow = (seed: number): string => `{{prose chars=6000 piece=10 rate=30 seed=${seed}}}`;
const picture = { name: "cat.png", mimeType: "image/png", buffer: png(64, 48) };
const large = (name: string, megabytes: number): Made => ({
  name,
  type: "text/plain",
  text: "x".repeat(1_000_000),
  times: megabytes,
});

test("UI43 FL6 FL7 too large a file, and one beyond the day's bytes, are refused before they have come, with the number", async () => {
  const visitor = await stage.visit();
  visitor.expectTrouble();
  await drop(visitor.page, [large("huge.txt", 106), large("much.txt", 30)]);
  await soon(() => beside(visitor, "failed").allTextContents()).toEqual([
    expect.stringMatching(/^huge\.txtFiles may have 100 MB at most\.$/),
    expect.stringMatching(/^much\.txtFiles of 19\.1 MB may be sent in a day\. Try again at /),
  ]);
  await choose(visitor, notes);
  await soon(() => beside(visitor, "ready").count()).toBe(1);
});

test("UI43 RL01 files of the hour are refused with their number and when; again is a button, and removing lets the message go", async () => {
  const visitor = await stage.visit();
  const { page } = visitor;
  visitor.expectTrouble();
  await choose(visitor, ...[1, 2, 3].map((i) => ({ ...notes, name: `${i}.md` })));
  await soon(() => beside(visitor, "ready").count()).toBe(3);
  await choose(visitor, { ...notes, name: "4.md" });
  const refused = beside(visitor, "failed");
  await soon(() => refused.allTextContents()).toEqual([
    expect.stringMatching(/^4\.md3 files may be sent in an hour\. Try again at /),
  ]);
  const answered = page.waitForResponse((response) => response.url().endsWith("/api/v1/files"));
  await page.getByRole("button", { name: "Send 4.md again" }).click();
  expect((await answered).status()).toBe(429);
  await soon(() => refused.count()).toBe(1);
  await page.getByRole("button", { name: "Remove 4.md" }).click();
  await visitor.send(quick(401));
  await soon(() =>
    visitor.own
      .last()
      .getByRole("button", { name: /^Download \d\.md$/ })
      .count(),
  ).toBe(3);
});

test("UI43 an empty file, and one that was taken away meanwhile, say that they cannot be read, and are not tried again", async () => {
  const visitor = await stage.visit();
  visitor.expectTrouble();
  await choose(visitor, { name: "empty.txt", mimeType: "text/plain", buffer: Buffer.alloc(0) });
  await soon(() => beside(visitor, "failed").count()).toBe(1);
  stage.cut();
  const path = join(folder, "gone.txt");
  writeFileSync(path, "words");
  await choose(visitor, path);
  rmSync(path);
  stage.reachable = true;
  await soon(() => beside(visitor, "failed").allTextContents(), { timeout: 20_000 }).toEqual([
    "empty.txtThis file is empty, or cannot be read.",
    "gone.txtThis file is empty, or cannot be read.",
  ]);
  expect(await visitor.page.getByRole("button", { name: /again$/ }).count()).toBe(0);
});

test("UI41 UI44 B2 on a slow network the bar grows while one writes; cut in the middle it begins anew, and all of it arrives", async () => {
  const visitor = await stage.visit();
  visitor.expectTrouble();
  stage.proxy.freeze("up", true);
  await drop(visitor.page, [large("slow.txt", 19)]);
  await soon(() => share(visitor)).toBeGreaterThan(0);
  // Its beginning is in the buffers of the way.
  expect(await share(visitor)).toBeLessThan(0.9);
  await visitor.box.pressSequentially("typed meanwhile");
  await soon(() => visitor.box.inputValue()).toBe("typed meanwhile");
  stage.cut();
  await soon(() => share(visitor)).toBe(0);
  stage.proxy.freeze("up", false);
  stage.reachable = true;
  await soon(() => beside(visitor, "ready").allTextContents(), { timeout: 30_000 }).toEqual(["slow.txt18.1 MB"]);
}, 60_000);

test("UI44 Send waits for a file; who goes on writing has not finished, and sends again", async () => {
  const visitor = await stage.visit();
  visitor.expectTrouble();
  const waits = visitor.page.getByText("Sends when the files are there.");
  stage.proxy.freeze("up", true);
  await drop(visitor.page, [large("slow.txt", 19)]);
  await visitor.box.fill("one");
  await visitor.button("Send").click();
  await waits.waitFor();
  await visitor.box.pressSequentially(" two");
  await waits.waitFor({ state: "detached" });
  stage.proxy.freeze("up", false);
  await soon(() => beside(visitor, "ready").count(), { timeout: 30_000 }).toBe(1);
  expect([await visitor.own.count(), await visitor.box.inputValue()]).toEqual([0, "one two"]);
  await visitor.button("Send").click();
  await soon(() => visitor.own.last().locator(".tl-own-text").textContent()).toBe("one two");
}, 60_000);

test("UI41 by keys alone, and told aloud: add, send, remove, look at, back to where one was", async () => {
  const visitor = await stage.visit();
  const { page, box } = visitor;
  const boxHasFocus = (): Promise<boolean> => box.evaluate((area) => document.activeElement === area);
  // Before the steps that lead to it: Chromium is told to hand choosers over, and that takes a moment.
  const chooser = page.waitForEvent("filechooser");
  await box.focus();
  await page.keyboard.press("Shift+Tab");
  await page.keyboard.press("Enter");
  await (await chooser).setFiles([picture, notes]);
  await soon(boxHasFocus).toBe(true);
  await soon(() => beside(visitor, "ready").count()).toBe(2);
  await soon(() => page.locator(".tl-hidden[role=status]").allTextContents()).toContainEqual(
    expect.stringMatching(/^(cat\.png|notes\.md) is ready\s?$/),
  );
  await page.getByRole("button", { name: "Remove notes.md" }).focus();
  await page.keyboard.press("Enter");
  await soon(() => beside(visitor).count()).toBe(1);
  await soon(boxHasFocus).toBe(true);
  await page.keyboard.type(quick(402));
  await page.keyboard.press("Enter");
  await visitor.done(1);
  const shown = visitor.own.last().getByRole("button", { name: "Show cat.png large" });
  await shown.focus();
  await page.keyboard.press("Enter");
  await page.getByRole("dialog", { name: "cat.png" }).waitFor();
  await page.keyboard.press("Escape");
  await soon(() => page.getByRole("dialog").count()).toBe(0);
  await soon(() => shown.evaluate((button) => document.activeElement === button)).toBe(true);
});

test("UI41 B2 G9 another tab shows the files as they come; another person is given nothing", async () => {
  const visitor = await stage.visit();
  await visitor.send(quick(403));
  await visitor.done(1);
  const path = new URL(visitor.page.url()).pathname;
  const second = await stage.visit({ context: visitor.page.context(), path });
  await second.done(1);
  await choose(visitor, picture, notes);
  await soon(() => beside(visitor, "ready").count()).toBe(2);
  // What stands beside a box is of its tab.
  expect(await beside(second).count()).toBe(0);
  await visitor.button("Send").click();
  await visitor.done(2);
  const image = second.own.last().getByRole("button", { name: "Show cat.png large" }).locator("img");
  await soon(() => image.evaluate((one) => (one instanceof HTMLImageElement ? one.naturalWidth : 0))).toBe(64);
  const asked = second.page.waitForRequest((request) => request.url().includes("/api/v1/files/"));
  const download = second.page.waitForEvent("download");
  await second.own.last().getByRole("button", { name: "Download notes.md" }).click();
  expect((await download).suggestedFilename()).toBe("notes.md");

  const stranger = await stage.visit();
  stranger.expectTrouble();
  const answers = await stranger.page.evaluate(
    async (url) => {
      const kept = Object.entries(localStorage).find(([key]) => key.endsWith("/session"))?.[1];
      const session = /"session":"([^"]+)"/.exec(kept ?? "")?.[1] ?? "";
      const bearing = await fetch(url, { headers: { Authorization: `Bearer ${session}` } });
      return [session.length > 0, bearing.status, (await fetch(url)).status];
    },
    (await asked).url(),
  );
  expect(answers).toEqual([true, 404, 401]);
});

test("UI11 UI46 a message with files waits behind a reply, goes back into the box with them, and out again", async () => {
  const visitor = await stage.visit();
  await visitor.ask(slow(404));
  await choose(visitor, notes);
  await soon(() => beside(visitor, "ready").count()).toBe(1);
  await visitor.send(quick(405));
  await soon(() => visitor.queue.allTextContents()).toEqual([expect.stringContaining("1 file")]);
  await soon(() => beside(visitor).count()).toBe(0);
  await visitor.queue.getByRole("button", { name: "Edit" }).click();
  await soon(() => beside(visitor, "ready").count()).toBe(1);
  await soon(() => visitor.box.inputValue()).toBe(quick(405));
  await visitor.button("Send").click();
  await soon(() => visitor.queue.count()).toBe(1);
  await visitor.button("Stop").click();
  await visitor.done(2);
  await soon(() => visitor.own.last().getByRole("button", { name: "Download notes.md" }).count()).toBe(1);
});

test("UI41 UI12 files belong to their conversation, go without a word, and more than twenty are too many", async () => {
  const visitor = await stage.visit();
  const { page } = visitor;
  await visitor.send(quick(406));
  await visitor.done(1);
  await choose(visitor, notes);
  await soon(() => beside(visitor, "ready").count()).toBe(1);
  await page.keyboard.press("ControlOrMeta+Shift+KeyO");
  await soon(() => visitor.own.count()).toBe(0);
  await soon(() => beside(visitor).count()).toBe(0);
  await choose(visitor, ...Array.from({ length: 21 }, (_, i) => ({ ...notes, name: `${i}.md` })));
  await page.getByText("One message takes 20 files at most.").waitFor();
  expect(await beside(visitor).count()).toBe(0);
  await visitor.rows.first().click();
  await soon(() => beside(visitor, "ready").allTextContents()).toEqual([expect.stringContaining("notes.md")]);
  await visitor.button("Send").click();
  await visitor.done(2);
  await soon(() => visitor.own.last().getByRole("button", { name: "Download notes.md" }).count()).toBe(1);
});

test("UI41 A2 G1 the server dies while files are beside the box: they are sent when it is back, and there after a reload", async () => {
  const visitor = await stage.visit();
  await choose(visitor, picture);
  await soon(() => beside(visitor, "ready").count()).toBe(1);
  visitor.expectTrouble();
  await stage.server.end("SIGKILL");
  await visitor.page.locator('.tl-dot:not([data-state="online"])').waitFor();
  await visitor.send(quick(407));
  await soon(() => visitor.own.count()).toBe(1);
  await stage.server.start();
  await visitor.done(1);
  await visitor.page.reload();
  const image = visitor.own.last().getByRole("button", { name: "Show cat.png large" }).locator("img");
  await soon(() => image.evaluate((one) => (one instanceof HTMLImageElement ? one.naturalWidth : 0))).toBe(64);
});

test("UI44 a network that only swallows: the upload is given up and begun anew, and arrives", async () => {
  const visitor = await stage.visit();
  const { page } = visitor;
  visitor.expectTrouble();
  // No other connection is kept, which the second attempt might be sent into.
  stage.cut();
  await page.locator('.tl-dot:not([data-state="online"])').waitFor();
  stage.reachable = true;
  await visitor.online();
  await page.clock.install();
  stage.proxy.freeze("up", true);
  await drop(page, [large("slow.txt", 19)]);
  await soon(() => share(visitor)).toBeGreaterThan(0);
  stage.proxy.lose();
  stage.proxy.freeze("up", false);
  // All of it has gone, and no answer comes.
  await soon(() => share(visitor)).toBe(1);
  expect(await beside(visitor, "ready").count()).toBe(0);
  // A connection that the browser had kept beside it swallows as well: then the next attempt is given up too.
  for (let attempt = 0; attempt < 4 && (await beside(visitor, "ready").count()) === 0; attempt++) {
    await page.clock.fastForward(125_000);
    const arrived = beside(visitor, "ready").waitFor({ timeout: 10_000 });
    await arrived.catch(() => undefined);
  }
  await soon(() => beside(visitor, "ready").allTextContents()).toEqual(["slow.txt18.1 MB"]);
});
