// Owns what the builds for browsers have in common, so that what is measured is what is built.
import { join } from "node:path";
import type { Plugin } from "vite";

const source = join(import.meta.dirname, "../src");

/** React's API by preact, for everything that browsers get from us. */
export const alias = {
  "react-dom/client": "preact/compat/client",
  "react-dom": "preact/compat",
  "react/jsx-runtime": "preact/jsx-runtime",
  react: "preact/compat",
};

/** What the chat window is made for: style sheets of mid-2024, which are not rewritten. */
export const windowStyles = ["chrome123", "firefox128", "safari18"];

/** In the chat window the Markdown comes after the panel, in a chunk of its own. */
export function lateMarkdown(): Plugin {
  const late = join(source, "widget/late-markdown.tsx");
  let found = false;
  return {
    name: "late-markdown",
    enforce: "pre",
    resolveId(name, importer) {
      if (!name.endsWith("/markdown/Markdown.tsx") || importer === undefined || importer === late) return null;
      found = true;
      return late;
    },
    buildEnd(error) {
      if (error === undefined && !found) throw new Error("Nothing in the chat window draws Markdown: has it moved?");
    },
  };
}
