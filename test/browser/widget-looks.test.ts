// Proves that the chat window is fit for everybody: axe, both appearances and directions, phones, colours, and the demo page.
import axe from "axe-core";
import type { Frame, Page } from "playwright-core";
import { afterAll, expect, test } from "vitest";
import { useStage } from "./app-stage.ts";
import { soon } from "./app-visitor.ts";
import { Guest, serveHostPages, visitHost, type Mode } from "./widget-stage.ts";

const home = await serveHostPages();
afterAll(() => home.close());
const stage = useStage({ ALLOWED_ORIGINS: home.origin });
const modes: readonly Mode[] = ["shadow", "iframe"];
const tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];

async function findingsIn(where: Page | Frame): Promise<readonly string[]> {
  await where.evaluate(axe.source);
  return where.evaluate(async (tags) => {
    const found: Animation[] = [];
    const collect = (root: Document | ShadowRoot): void => {
      found.push(...root.getAnimations());
      for (const { shadowRoot } of root.querySelectorAll("*")) if (shadowRoot !== null) collect(shadowRoot);
    };
    collect(document);
    const ending = found.filter((one) => one.effect?.getTiming().iterations !== Infinity);
    await Promise.allSettled(ending.map((one) => one.finished));
    const { run } = Reflect.get(globalThis, "axe") as typeof axe;
    const { violations } = await run(document, {
      runOnly: { type: "tag", values: tags },
      resultTypes: ["violations"],
      // Each document is looked at by itself.
      iframes: false,
    });
    return violations.flatMap(({ id, nodes }) =>
      nodes.map(({ target, failureSummary }) => `${id}: ${target.join(" ")}: ${failureSummary ?? ""}`),
    );
  }, tags);
}

/** What axe finds on the page and in the frame, and what sticks out of the panel sideways. */
async function findings(guest: Guest): Promise<readonly string[]> {
  const frame = guest.page.frames()[1];
  const out = await guest.inner.locator(".tw").evaluateAll((panels) =>
    panels.flatMap((panel) => {
      const { left, right } = panel.getBoundingClientRect();
      return [...panel.querySelectorAll<HTMLElement>("*")]
        .filter((element) => element.closest('pre, table, svg, .tl-hidden, [class*="md-"]') === null)
        .filter((element) => getComputedStyle(element.parentElement ?? element).textOverflow !== "ellipsis")
        .filter((element) => {
          const box = element.getBoundingClientRect();
          return box.width > 0 && (box.left < left - 1 || box.right > right + 1);
        })
        .map((element) => `out of the panel: ${element.tagName}.${element.className}`);
    }),
  );
  return [...(await findingsIn(guest.page)), ...(frame === undefined ? [] : await findingsIn(frame)), ...out];
}

const cases = [
  { mode: "shadow", device: "desktop", scheme: "light", lang: "en" },
  { mode: "shadow", device: "phone", scheme: "dark", lang: "ar" },
  { mode: "iframe", device: "desktop", scheme: "dark", lang: "ar" },
  { mode: "iframe", device: "phone", scheme: "light", lang: "en" },
] as const;

for (const { mode, device, scheme, lang } of cases) {
  const name = `${mode} ${device} ${scheme} ${lang}`;
  test(`CW13 axe finds nothing and nothing is cut off: ${name}`, async () => {
    const guest = await visitHost(stage, home, {
      mode,
      device,
      hostile: false,
      lang,
      dir: lang === "ar" ? "rtl" : "ltr",
      options: { colorScheme: scheme },
      attributes: 'data-examples="One question|Another question"',
    });
    const found: string[] = [];
    const look = async (screen: string): Promise<void> => {
      const folder = process.env["SHOTS"];
      if (folder !== undefined) await guest.page.screenshot({ path: `${folder}/${name} ${screen}.png` });
      found.push(...(await findings(guest)).map((one) => `${screen}: ${one}`));
    };
    await guest.launch.waitFor();
    await look("closed");
    await guest.open();
    await look("welcome");
    await guest.box.fill("{{prose chars=700 seed=321}}");
    await guest.inner.locator(".tl-send").first().click();
    await guest.done(1);
    await look("reply");
    await guest.inner.locator(".tw-head button").first().click();
    await guest.inner.locator(".tw-recent li").waitFor();
    await look("list");
    expect(found).toEqual([]);
  });
}

test("CW13 the looks themselves find what is planted, in the shadow and in the frame", async () => {
  for (const mode of modes) {
    const guest = await visitHost(stage, home, { mode, hostile: false });
    await guest.open();
    await guest.inner.locator(".tw-head").evaluate((head) => {
      const planted = document.createElement("button");
      planted.style.cssText = "position: absolute; inset-inline-start: 2000px; inline-size: 10px; block-size: 10px";
      head.append(planted);
    });
    expect((await findings(guest)).join()).toMatch(/button-name.*out of the panel: BUTTON/s);
  }
});

for (const mode of modes) {
  test(`CW4 ${mode}: on a phone it has the whole screen, the page behind is inert and does not scroll`, async () => {
    const guest = await visitHost(stage, home, {
      mode,
      device: "phone",
      hostile: false,
      attributes: "data-open",
      style: "throughline-chat::part(panel) { max-block-size: none; inline-size: 480px; block-size: 90px; }",
    });
    const { page } = guest;
    const behind = (): Promise<unknown> =>
      page.evaluate(() => [document.body.inert, getComputedStyle(document.documentElement).overflowY]);
    await guest.online();
    await soon(() => guest.panel.boundingBox()).toEqual({ x: 0, y: 0, width: 360, height: 740 });
    await soon(() => guest.panel.getAttribute("aria-modal")).toBe("true");
    await soon(() => guest.launch.isVisible()).toBe(false);
    await soon(() => behind()).toEqual([true, "hidden"]);
    await page.setViewportSize({ width: 800, height: 740 });
    await soon(behind).toEqual([false, "visible"]);
    await soon(() => guest.panel.boundingBox()).toMatchObject({ width: 480, height: 90 });
    await page.setViewportSize({ width: 360, height: 740 });
    await soon(behind).toEqual([true, "hidden"]);
    await guest.button("Close").click();
    await guest.panel.waitFor({ state: "hidden" });
    await soon(() => behind()).toEqual([false, "visible"]);
    await soon(() => guest.focused()).toBe("launch");
  });
}

test("CW8 any colour becomes one that can be read, in both appearances; tokens and parts are the page's to set", async () => {
  const guest = await visitHost(stage, home, {
    hostile: false,
    attributes: 'data-color="rebeccapurple"',
    style: `throughline-chat { --tl-bg: rgb(1, 2, 3); }
      throughline-chat::part(button) { border-radius: 3px; } throughline-chat::part(header) { padding-top: 17px; }`,
  });
  await guest.open();
  await soon(() => guest.launch.evaluate((button) => getComputedStyle(button).borderRadius)).toBe("3px");
  await soon(() => guest.inner.locator(".tw-head").evaluate((head) => getComputedStyle(head).paddingTop)).toBe("17px");
  await soon(() => guest.inner.locator(".tw").evaluate((panel) => getComputedStyle(panel).backgroundColor)).toBe(
    "rgb(1, 2, 3)",
  );
  const colours = ["#ffff00", "#000080", "#ff0000", "#00ff00", "#777", "#fff", "#000", "orange", "hsl(200 90% 60%)"];
  for (const scheme of ["light", "dark"] as const) {
    await guest.page.emulateMedia({ colorScheme: scheme });
    for (const colour of colours) {
      // As the loader does it: the formula is its own, read back from what it has set.
      const measured = await guest.launch.evaluate((button, colour) => {
        const root = button.getRootNode();
        if (!(root instanceof ShadowRoot) || !(root.host instanceof HTMLElement)) throw new Error("no shadow");
        const { style } = root.host;
        const before = style.getPropertyValue("--tl-accent");
        style.setProperty("--tl-accent", before.replaceAll("rebeccapurple", colour));
        const drawn = (value: string): number[] => {
          const context = document.createElement("canvas").getContext("2d");
          if (context === null) throw new Error("no canvas");
          context.fillStyle = value;
          context.fillRect(0, 0, 1, 1);
          return Array.from(context.getImageData(0, 0, 1, 1).data.subarray(0, 3));
        };
        const { backgroundColor, color } = getComputedStyle(button);
        const pair = [drawn(backgroundColor), drawn(color)];
        style.setProperty("--tl-accent", before);
        return pair;
      }, colour);
      const [accent = [], ink = []] = measured;
      expect(contrast(accent, ink), `${colour} under its ink, ${scheme}`).toBeGreaterThanOrEqual(4.5);
      const ground = scheme === "light" ? [0xfb, 0xfa, 0xf7] : [0x2a, 0x28, 0x24];
      expect(contrast(accent, ground), `${colour} on its ground, ${scheme}`).toBeGreaterThanOrEqual(4.5);
    }
  }
});

/** Source: WCAG 2.2, "contrast ratio" and "relative luminance". */
function contrast(a: readonly number[], b: readonly number[]): number {
  const linear = (value = 0): number => (value <= 10 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4);
  const luminance = ([r, g, b]: readonly number[]): number =>
    0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
  const [x, y] = [luminance(a), luminance(b)].sort((one, other) => other - one);
  return ((x ?? 0) + 0.05) / ((y ?? 0) + 0.05);
}

for (const mode of modes) {
  test(`CW15 WI07 ${mode}: the demo page embeds the window by its own words, and its buttons work`, async () => {
    const context = await stage.context();
    const guest = new Guest(await context.newPage(), mode, [stage.proxy.url]);
    // Own origin: there the sandbox holds nothing back, which Chromium says.
    guest.expectTrouble(/allow-same-origin for its sandbox/);
    const { page } = guest;
    const answer = await page.goto(`/widget-demo?mode=${mode}`);
    const policy = answer?.headers()["content-security-policy"] ?? "";
    expect(policy).toContain("default-src 'none'; script-src 'self'; style-src 'self'; frame-src 'self'");
    expect(policy).not.toMatch(/unsafe|\*/);
    await soon(() => page.locator("#line").textContent()).toContain(`${stage.proxy.url}/widget.js`);
    await page.locator("#hostile").click();
    await page.evaluate(() => document.querySelector<HTMLElement>("[data-call=send]")?.click());
    await guest.done(1);
    await soon(() => guest.own.first().locator(".tl-body").textContent()).toBe("a table");
    await soon(() => page.locator("#events").textContent()).toContain('"reply"');
    expect(guest.problems()).toEqual([]);
    expect(await context.cookies()).toEqual([]);
  });
}
