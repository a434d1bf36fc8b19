// Owns the proof that a person can take their data along, bring some, and end the account, in a real Chromium.
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { findText } from "../encryption/files.ts";
import { until } from "../support/wire-client.ts";
import { arabic } from "../../src/ui/texts-ar.ts";
import { findings, overflows } from "./app-eyes.ts";
import { useStage } from "./app-stage.ts";
import { soon, textIn } from "./app-visitor.ts";

const stage = useStage();
const chatgpt = join(import.meta.dirname, "../data/chatgpt.json");

test("AC13 AC5 AC6 D7 from the row's menu a conversation is saved as Markdown and as JSON, from the settings everything as a zip", async () => {
  const visitor = await stage.visit();
  const { page } = visitor;
  await visitor.ask("What are tides? {{chars=300}}");
  await visitor.done(1);
  await soon(() => visitor.rows.count()).toBe(1);
  const save = async (name: string): Promise<{ name: string; text: string }> => {
    await visitor.rows.first().locator(".app-row-more").click();
    const [download] = await Promise.all([
      page.waitForEvent("download"),
      page.getByRole("menuitem", { name, exact: true }).click(),
    ]);
    return { name: download.suggestedFilename(), text: readFileSync(await download.path(), "utf8") };
  };
  const markdown = await save("Export as Markdown");
  expect(markdown.name).toMatch(/^\d{4}-\d\d-\d\d .+\.md$/);
  expect(markdown.text).toContain("What are tides?");
  const json = await save("Export as JSON");
  expect(json.name).toMatch(/\.json$/);
  expect(JSON.parse(json.text)).toMatchObject({ format: "throughline.conversation", messages: [{}, {}] });
  await page.locator(".app-person").click();
  const everything = visitor.button("Export my data");
  await everything.waitFor();
  const [download] = await Promise.all([page.waitForEvent("download"), everything.click()]);
  expect(download.suggestedFilename()).toMatch(/^throughline-.+\.zip$/);
  const names = execFileSync("python3", [
    "-c",
    "import sys,zipfile; print(zipfile.ZipFile(sys.argv[1]).namelist())",
    await download.path(),
  ]).toString();
  expect(names).toContain("conversations.json");
});

test("AC13 AC9 AC10 ChatGPT's export is imported from the settings; what is none is refused in words", async () => {
  const visitor = await stage.visit();
  const { page } = visitor;
  await page.locator(".app-person").click();
  const choose = async (file: Parameters<ReturnType<typeof page.locator>["setInputFiles"]>[0]): Promise<void> => {
    const picker = page.locator('.app-account input[type="file"]');
    await picker.waitFor({ state: "attached" });
    await picker.setInputFiles(file);
  };
  const said = page.locator(".app-account [role=status]");
  await choose(chatgpt);
  await soon(() => said.textContent()).toBe("2 imported, 0 there already, 0 not taken");
  await choose(chatgpt);
  await soon(() => said.textContent()).toBe("0 imported, 2 there already, 0 not taken");
  visitor.expectTrouble();
  await choose({ name: "conversations.json", mimeType: "application/json", buffer: Buffer.from("no list") });
  await soon(() => said.textContent()).toContain("This file cannot be imported. This is no list of conversations");
  await page.keyboard.press("Escape");
  await visitor.rows.getByText("Tides, explained").click();
  await soon(() => visitor.replies.count()).toBe(2);
  await soon(() => textIn(visitor.replies.last())).toContain("Nonetospeakof.");
});

test("AC13 AC1 AC2 the account ends only with the word; then every tab is out, and the server has nothing of it", async () => {
  const context = await stage.context();
  const visitor = await stage.visit({ context });
  const { page } = visitor;
  await visitor.ask("My secret question {{chars=100}}");
  await visitor.done(1);
  const other = await stage.visit({ context });
  const user = visitor.users.at(-1) ?? "";
  expect(findText(stage.server.dataDir, user)).not.toEqual([]);
  visitor.expectTrouble();
  other.expectTrouble();
  await page.locator(".app-person").click();
  await visitor.button("Delete account").click();
  const sure = visitor.button("Delete everything for ever");
  await sure.waitFor();
  expect(await sure.isDisabled()).toBe(true);
  const word = page.getByLabel('Type "delete" to confirm');
  await word.fill("delet");
  expect(await sure.isDisabled()).toBe(true);
  await word.fill("Delete");
  await sure.click();
  await soon(() => page.locator("dialog").count()).toBe(0);
  await soon(() => visitor.rows.count()).toBe(0);
  await other.page.getByText("You are signed out").first().waitFor();
  await until(() => findText(stage.server.dataDir, user).length === 0, "no byte with the id");
  // Nor is anything left in the browser.
  await other.page.reload();
  await other.page.locator(".tl-dot").waitFor();
  await soon(() => other.rows.count()).toBe(0);
});

test("AC13 AC1 AC6 in Arabic and on a phone the part is whole, and a machine that looks for barriers finds none", async () => {
  const visitor = await stage.visit({ device: "phone", options: { locale: "ar" } });
  const { page } = visitor;
  await visitor.button(arabic.openSidebar).click();
  await page.locator(".app-person").click();
  await page.getByRole("button", { name: "حذف الحساب" }).click();
  await page.getByLabel("اكتب «حذف» للتأكيد").fill("حذف");
  await soon(() => page.getByRole("button", { name: "حذف كل شيء إلى الأبد" }).isEnabled()).toBe(true);
  expect(await findings(page)).toEqual([]);
  expect(await overflows(page)).toEqual([]);
});
