// Owns the eyes of the browser tests: what axe finds on a page, and what sticks out of the window. It judges nothing itself.
import axe from "axe-core";
import type { Page } from "playwright-core";

const tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"];

/** What axe finds, one line each. Its source comes by evaluation, which the page's policy lets through. */
export async function findings(page: Page): Promise<readonly string[]> {
  await page.evaluate(axe.source);
  // What fades in is judged when it is there.
  await page.evaluate(async () => {
    const ending = document.getAnimations().filter((one) => one.effect?.getTiming().iterations !== Infinity);
    await Promise.allSettled(ending.map((one) => one.finished));
  });
  return page.evaluate(async (tags) => {
    const { run } = Reflect.get(globalThis, "axe") as typeof axe;
    const { violations } = await run(document, { runOnly: { type: "tag", values: tags }, resultTypes: ["violations"] });
    return violations.flatMap(({ id, nodes }) =>
      nodes.map(
        ({ target, failureSummary }) => `${id}: ${target.join(" ")}: ${failureSummary?.replaceAll(/\s+/g, " ") ?? ""}`,
      ),
    );
  }, tags);
}

/** Elements that stick out of the window sideways, and whether the page itself can be scrolled. */
export const overflows = (page: Page): Promise<readonly string[]> =>
  page.evaluate(() => {
    const wide = innerWidth;
    /** It is in what may be wide (code, tables, formulas), or is one line of text that ends in an ellipsis. */
    const mayStickOut = (element: Element): boolean => {
      for (let up: Element | null = element; up !== null; up = up.parentElement) {
        if (up.matches('pre, table, [class*="md-"]') || getComputedStyle(up).textOverflow === "ellipsis") return true;
      }
      return false;
    };
    const cut = [...document.querySelectorAll<HTMLElement>("#app *")].filter((element) => {
      const parent = element.parentElement;
      if (parent === null || mayStickOut(element) || element.closest(".tl-hidden, svg") !== null) return false;
      const [inner, outer] = [element.getBoundingClientRect(), parent.getBoundingClientRect()];
      if (inner.width === 0 || getComputedStyle(element).position !== "static") return false;
      return inner.right > outer.right + 9 || inner.left < outer.left - 9;
    });
    const out = [...document.querySelectorAll<HTMLElement>("#app *")].filter((element) => {
      const { left, right, width } = element.getBoundingClientRect();
      if (width === 0 || (left >= -1 && right <= wide + 1)) return false;
      if (getComputedStyle(element).visibility === "hidden") return false;
      return !mayStickOut(element);
    });
    const scrolls = document.documentElement.scrollWidth > wide ? ["the page scrolls sideways"] : [];
    return [...scrolls, ...[...cut, ...out].map((element) => `${element.tagName}.${element.className}`)];
  });
