// Owns reading what the page wants from the attributes of the script's tag. There is no attribute for a token: it would stand in the
// page's source, in caches and in front of every other script; `identify` takes it (WI05).
import type { Settings } from "./contract.ts";

export type Around = {
  /** The address of the script. */
  readonly src: string;
  /** The language of the page, then of the browser. */
  readonly language: string;
  /** What the server put into the script. */
  readonly model: string;
  readonly titleFor: (language: string) => string;
};

export function readSettings(attribute: (name: string) => string | null, around: Around): Settings {
  const text = (name: string): string | undefined => attribute(`data-${name}`)?.trim() || undefined;
  const language = text("language") ?? around.language;
  const theme = text("theme");
  return {
    server: (text("server") ?? new URL(".", around.src).href).replace(/\/+$/, ""),
    mode: text("mode") === "iframe" ? "iframe" : "shadow",
    side: text("position") === "start" ? "start" : "end",
    language,
    theme: theme === "light" || theme === "dark" ? theme : "system",
    color: text("color"),
    title: text("title") ?? around.titleFor(language),
    greeting: text("greeting"),
    examples: examplesOf(text("examples") ?? ""),
    model: around.model,
    open: attribute("data-open") !== null && attribute("data-open") !== "false",
  };
}

/** Without the methods of arrays: pages change those. */
function examplesOf(list: string): readonly string[] {
  const found: string[] = [];
  const each = /[^|]+/g;
  for (let match = each.exec(list); match !== null; match = each.exec(list)) {
    const example = match[0].trim();
    if (example !== "") found[found.length] = example;
  }
  return found;
}
