// Owns what a person chose for this browser: appearance and language, kept in local storage and told to the page's root.
import { createCell, type Readable } from "../client/index.ts";
import { directionOf, languages, pickLanguage, type Language } from "../ui/language.ts";

export type Theme = "system" | "light" | "dark";
export type Preferences = { readonly theme: Theme; readonly language: Language | "device" };

const key = "throughline/preferences";

const isTheme = (value: unknown): value is Theme => value === "system" || value === "light" || value === "dark";
const isLanguage = (value: unknown): value is Language => typeof value === "string" && Object.hasOwn(languages, value);

function read(): Preferences {
  try {
    const value: unknown = JSON.parse(localStorage.getItem(key) ?? "{}");
    const kept = typeof value === "object" && value !== null ? Object.fromEntries(Object.entries(value)) : {};
    return {
      theme: isTheme(kept["theme"]) ? kept["theme"] : "system",
      language: isLanguage(kept["language"]) ? kept["language"] : "device",
    };
  } catch {
    return { theme: "system", language: "device" };
  }
}

const cell = createCell(read());
export const preferences: Readable<Preferences> = cell;

export const languageOf = ({ language }: Preferences): Language =>
  language === "device" ? pickLanguage(navigator.languages) : language;

/** The language as the device has it, if it does: its region says how times are written. */
export const localeOf = (language: Language): string =>
  navigator.languages.find((tag) => tag.toLowerCase().split("-")[0] === language) ?? language;

export function choose(change: Partial<Preferences>): void {
  cell.set({ ...cell.getSnapshot(), ...change });
  apply();
  try {
    localStorage.setItem(key, JSON.stringify(cell.getSnapshot()));
  } catch {
    // A store that is full or forbidden costs the choice at the next visit, nothing else.
    return;
  }
}

/** Puts appearance and language on the page's root. */
export function apply(): void {
  const chosen = cell.getSnapshot();
  const root = document.documentElement;
  if (chosen.theme === "system") delete root.dataset["theme"];
  else root.dataset["theme"] = chosen.theme;
  const language = languageOf(chosen);
  root.lang = language;
  root.dir = directionOf(language);
}
