// Proves that every screen is fit for everybody: axe, both appearances, both directions, three widths, three languages.
import { expect, test } from "vitest";
import { findings, overflows } from "./app-eyes.ts";
import { useStage } from "./app-stage.ts";
import { type Visitor, soon } from "./app-visitor.ts";

const stage = useStage();

type Names = { readonly edit: string; readonly react: string; readonly open: string; readonly settings: RegExp };
const english: Names = { edit: "Edit", react: "React", open: "Show conversations", settings: /Settings/ };
const arabic: Names = { edit: "تعديل", react: "تفاعل", open: "إظهار المحادثات", settings: /الإعدادات/ };

/** Goes through the screens and looks at each. */
async function lookAround(
  visitor: Visitor,
  names: Names,
  phone: boolean,
  look: (screen: string) => Promise<void>,
): Promise<void> {
  const { page } = visitor;
  await look("welcome");
  const ask = async (text: string): Promise<void> => {
    await visitor.box.fill(text);
    await page.locator(".tl-send").first().click();
  };
  await ask("{{prose chars=700 seed=61}}");
  await visitor.done(1);
  await ask("{{fail=401 reasoning=40}}");
  await visitor.done(2);
  await look("done and failed");
  await visitor.replies.first().locator(`[aria-label="${names.react}"]`).click();
  await page.locator(".tl-choice").waitFor();
  await look("reactions");
  await page.locator(".tl-choice button").first().click();
  await page.locator(".tl-reaction").waitFor();
  await visitor.own.first().hover();
  await visitor.own.first().locator(`[aria-label="${names.edit}"]`).click();
  await look("editing");
  await page.keyboard.press("Escape");
  await ask("{{prose chars=60000 piece=10 rate=30 seed=62}}");
  await visitor.seen(visitor.replies.last(), 20);
  for (const word of ["one", "two"]) {
    await visitor.box.fill(`${word} that waits, and is rather long, so that it does not fit on the line that it has`);
    await visitor.box.press("Enter");
    if (phone) await page.locator(".tl-send:not(.tl-stop)").click();
  }
  await soon(() => visitor.queue.count()).toBe(2);
  await look("streaming with a queue");
  for (let left = 1; left >= 0; left--) {
    await visitor.queue.first().locator("button").last().click();
    await soon(() => visitor.queue.count()).toBe(left);
  }
  await page.locator(".tl-stop").click();
  await page.locator('[data-status="stopped"]').waitFor();
  await look("stopped");
  if (phone) {
    await page.locator(".app-menu").click();
    await page.locator(".app-side .app-row").first().waitFor();
    await look("drawer");
  }
  await visitor.rows.first().hover();
  await page.locator(".app-row-more").first().click();
  await page.getByRole("menu").waitFor();
  await look("menu");
  await page.keyboard.press("Escape");
  await page.getByRole("searchbox").fill("nothing like it");
  await page.locator(".app-found").waitFor();
  await look("search");
  await page.getByRole("searchbox").fill("");
  await page.locator(".app-person").click();
  await page.getByRole("dialog", { name: names.settings }).waitFor();
  await look("settings");
  await page.locator(".app-settings-foot button").click();
  await page.locator(".app-keys").waitFor();
  await look("keys");
  await page.keyboard.press("Escape");
  await soon(() => page.locator(".app-keys").count()).toBe(0);
  visitor.expectTrouble();
  stage.cut();
  await visitor.banner.waitFor();
  await look("banner");
  stage.reachable = true;
}

const cases = [
  { name: "desktop, light, English", device: "desktop", scheme: "light", locale: "en-GB", names: english },
  { name: "phone, dark, English", device: "phone", scheme: "dark", locale: "en-GB", names: english },
  { name: "desktop, dark, Arabic", device: "desktop", scheme: "dark", locale: "ar", names: arabic },
  { name: "phone, light, Arabic", device: "phone", scheme: "light", locale: "ar", names: arabic },
] as const;

for (const { name, device, scheme, locale, names } of cases) {
  test(`UI27 UI31 axe finds nothing and nothing is cut off on any screen: ${name}`, { timeout: 120_000 }, async () => {
    const visitor = await stage.visit({ device, options: { colorScheme: scheme, locale } });
    const { page } = visitor;
    await soon(() => page.evaluate(() => document.documentElement.dir)).toBe(locale === "ar" ? "rtl" : "ltr");
    const found: string[] = [];
    await lookAround(visitor, names, device === "phone", async (screen) => {
      const folder = process.env["SHOTS"];
      if (folder !== undefined)
        await page.screenshot({ path: `${folder}/${name} ${screen}.png`.replaceAll(", ", "-") });
      found.push(...(await findings(page)).map((one) => `${screen}: ${one}`));
      found.push(...(await overflows(page)).map((one) => `${screen}: out of the window: ${one}`));
    });
    expect(found).toEqual([]);
  });
}

test("UI27 UI31 the looks themselves find what is planted", async () => {
  const { page } = await stage.visit();
  await page.evaluate(() => {
    const planted = document.createElement("button");
    planted.style.cssText = "position: absolute; inset-inline-start: 2000px; inline-size: 10px; block-size: 10px";
    document.querySelector(".tl-chat")?.append(planted);
  });
  expect((await findings(page)).join()).toContain("button-name");
  expect((await overflows(page)).join()).toContain("BUTTON");
});

test("UI31 a tablet shows list and conversation beside each other, with nothing cut off", async () => {
  const visitor = await stage.visit({ device: "tablet" });
  await visitor.ask("{{chars=900 seed=63}}");
  await visitor.done(1);
  await soon(() => visitor.page.getByRole("navigation", { name: "Conversations" }).isVisible()).toBe(true);
  await soon(() => overflows(visitor.page)).toEqual([]);
});

test("UI28 language and appearance are chosen in the settings, take effect at once, and are kept", async () => {
  const visitor = await stage.visit();
  const { page } = visitor;
  const choose = async (language: string): Promise<void> => {
    await page.locator(".app-person").click();
    await page.locator(".tl-dialog select").selectOption(language);
    await soon(() => page.evaluate(() => document.documentElement.lang)).toBe(language);
    await page.keyboard.press("Escape");
    await soon(() => page.getByRole("dialog").count()).toBe(0);
  };
  const background = (): Promise<string> => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const light = await background();
  await choose("de");
  await page.getByRole("textbox", { name: "Nachricht" }).waitFor();
  await page.locator(".app-person").click();
  await page.locator('.tl-dialog input[type="radio"]').nth(2).check();
  await page.keyboard.press("Escape");
  await soon(() => background()).not.toBe(light);
  await page.reload();
  await page.getByRole("textbox", { name: "Nachricht" }).waitFor();
  await soon(() => background()).not.toBe(light);
  await choose("ar");
  await soon(async () => {
    const [list, main] = await Promise.all([".app-side", ".app-main"].map((part) => page.locator(part).boundingBox()));
    return (list?.x ?? 0) - (main?.x ?? Infinity);
  }).toBeGreaterThan(0);
  // Each message has its own direction.
  await visitor.box.fill("{{text=English}}");
  await page.locator(".tl-send").click();
  await visitor.done(1);
  await soon(() =>
    visitor.replies
      .last()
      .locator(".tl-body")
      .evaluate((body) => getComputedStyle(body).direction),
  ).toBe("ltr");
  await choose("en");
  await soon(() => page.evaluate(() => document.documentElement.dir)).toBe("ltr");
});
