// Owns what watches a page from inside, at every change of it: replies that shrink or change, and how long trouble and banner
// last. It runs in the page and knows nothing of the tests.
import type { BrowserContext, Page } from "playwright-core";

/** A time of trouble, in ms of the page's clock. `banner`: when it came; undefined: it did not. */
export type Trouble = { readonly from: number; banner?: number; bannerGone?: number; to?: number };

type Seen = { readonly violations: string[]; readonly troubles: Trouble[]; readonly texts: Record<string, string> };

function watch(): void {
  const seen: Seen = { violations: [], troubles: [], texts: {} };
  Reflect.set(globalThis, "seen", seen);
  const bareOf = (element: Element | null): string => (element?.textContent ?? "").replaceAll(/\s+/g, "");
  const look = (): void => {
    for (const reply of document.querySelectorAll<HTMLElement>(".tl-reply")) {
      const id = reply.dataset["entry"] ?? "";
      const text = bareOf(reply.querySelector(".tl-body"));
      const before = seen.texts[id] ?? "";
      if (!text.startsWith(before)) {
        seen.violations.push(
          `${before.length} characters, then ${text.length}: …${before.slice(-40)} | …${text.slice(-40)}`,
        );
      }
      seen.texts[id] = text;
    }
    const now = performance.now();
    const state = document.querySelector<HTMLElement>(".tl-dot")?.dataset["state"];
    const last = seen.troubles.at(-1);
    const open = last !== undefined && last.to === undefined ? last : undefined;
    const banner = document.querySelector(".tl-banner") !== null;
    if (state !== undefined && state !== "online" && open === undefined) seen.troubles.push({ from: now });
    if (state === "online" && open !== undefined) open.to = now;
    if (banner && last !== undefined) last.banner ??= now;
    if (!banner && last?.banner !== undefined) last.bannerGone ??= now;
    if (banner && open === undefined && last?.bannerGone !== undefined)
      seen.violations.push("a banner without trouble");
  };
  new MutationObserver(look).observe(document, {
    subtree: true,
    childList: true,
    characterData: true,
    attributes: true,
  });
}

/** Every page of a context is watched from its beginning. */
export const watchPages = (context: BrowserContext): Promise<unknown> => context.addInitScript(watch);

/** What was seen in the life of this page so far. */
export const seenIn = (page: Page): Promise<Seen> => page.evaluate(() => Reflect.get(globalThis, "seen") as Seen);
