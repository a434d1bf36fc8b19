// Owns which AI SDK provider packages can be named in MODEL, and loads one only when it is; they are optional to install.
import type { LanguageModelV4 } from "@ai-sdk/provider";

type Made = (model: string) => LanguageModelV4;

/** A provider: its package, the setting of its key, and how to make a model. */
const providers = {
  anthropic: {
    package: "@ai-sdk/anthropic",
    keySetting: "ANTHROPIC_API_KEY",
    load: async (apiKey: string): Promise<Made> => (await import("@ai-sdk/anthropic")).createAnthropic({ apiKey }),
  },
  google: {
    package: "@ai-sdk/google",
    keySetting: "GOOGLE_GENERATIVE_AI_API_KEY",
    load: async (apiKey: string): Promise<Made> => (await import("@ai-sdk/google")).createGoogle({ apiKey }),
  },
} as const;

export type ProviderName = keyof typeof providers;

/** How packages come in; another one in tests of a machine that lacks them. */
export type LoadProvider = (provider: ProviderName, apiKey: string) => Promise<Made>;
const loadInstalled: LoadProvider = (provider, apiKey) => providers[provider].load(apiKey);

export const isProviderName = (name: string): name is ProviderName => Object.hasOwn(providers, name);
export const keySettingOf = (provider: ProviderName): string => providers[provider].keySetting;

/** The language model `model` of a provider, or what to install. */
export async function loadProviderModel(
  provider: ProviderName,
  model: string,
  apiKey: string,
  load: LoadProvider = loadInstalled,
): Promise<{ readonly model: LanguageModelV4 } | { readonly refusal: string }> {
  try {
    const make = await load(provider, apiKey);
    return { model: make(model) };
  } catch (error) {
    const name = providers[provider].package;
    const isMissing = error instanceof Error && "code" in error && error.code === "ERR_MODULE_NOT_FOUND";
    if (isMissing) return { refusal: `needs the package ${name}. Install it beside Throughline: npm install ${name}` };
    const why = error instanceof Error ? error.name : "unknown";
    return { refusal: `cannot be used: ${name} could not be loaded (${why}). Reinstall it: npm install ${name}` };
  }
}
