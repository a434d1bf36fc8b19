// Owns which languages there are and which one is used. The texts of a language other than English are fetched when it is chosen.
import { english, type Texts } from "./texts.ts";

export const languages = { en: "English", de: "Deutsch", ar: "العربية" } as const;
export type Language = keyof typeof languages;

const isLanguage = (name: string): name is Language => Object.hasOwn(languages, name);

/** The first of the wanted languages that there is; English otherwise. */
export function pickLanguage(wanted: readonly string[]): Language {
  for (const tag of wanted) {
    const name = tag.toLowerCase().split("-")[0] ?? "";
    if (isLanguage(name)) return name;
  }
  return "en";
}

export const directionOf = (language: Language): "ltr" | "rtl" => (language === "ar" ? "rtl" : "ltr");

/** Rejects where the texts cannot be fetched (offline, and never used before). */
export async function loadTexts(language: Language): Promise<Texts> {
  switch (language) {
    case "en":
      return english;
    case "de":
      return (await import("./texts-de.ts")).german;
    case "ar":
      return (await import("./texts-ar.ts")).arabic;
    default:
      return language satisfies never;
  }
}
