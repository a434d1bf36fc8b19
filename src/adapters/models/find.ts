// Owns the way from the settings about models to a Model: what was asked for, else what there is. Reads no environment.
import type { Clock, Model } from "../../server/ports.ts";
import { aiSdkModel } from "./ai-sdk.ts";
import { demoModel } from "./demo.ts";
import { openAiModel, type OpenAiOptions } from "./openai.ts";
import { isProviderName, keySettingOf, loadProviderModel, type LoadProvider, type ProviderName } from "./providers.ts";

/** The settings MODEL, MODEL_FALLBACK, OPENAI_BASE_URL, the keys and MODEL_PREFILL, as texts. undefined: not set. */
export type ModelSettings = {
  readonly model?: string | undefined;
  readonly fallback?: string | undefined;
  readonly openaiBaseUrl?: string | undefined;
  readonly openaiApiKey?: string | undefined;
  readonly anthropicApiKey?: string | undefined;
  readonly googleApiKey?: string | undefined;
  readonly prefill: "auto" | "on" | "off";
};

/** Asks a URL for JSON. undefined: no answer in time, or none that can be read. Must not throw. */
type Probe = (
  url: string,
  options: { readonly timeoutMs: number; readonly headers: Readonly<Record<string, string>> },
) => Promise<unknown>;

export type FindOptions = {
  readonly clock: Clock;
  readonly probe?: Probe;
  readonly load?: LoadProvider;
  /** Where an Ollama of this machine would be. */
  readonly ollamaUrl?: string;
  readonly onDropped?: OpenAiOptions["onDropped"];
};

/** `refusal` names the setting, what is wrong with it, and what is allowed. */
export type Found = { readonly model: Model; readonly fallback: Model | undefined } | { readonly refusal: string };
type Made = { readonly model: Model } | { readonly refusal: string };

const openAiUrl = "https://api.openai.com/v1";
const defaultOpenAiModel = "gpt-5-mini";
const allowed =
  '"demo", or PROVIDER:MODEL with one of openai, anthropic, google, openai-compatible, ollama as PROVIDER, e.g. "openai:gpt-5-mini"';
/** Names of models that embed, rank, draw or listen instead of talking. */
const notForChat = /embed|bge-|minilm|rerank|whisper|tts|dall-e|image|moderation|transcribe|realtime/i;
const seesImages = /llava|vision|-vl\b|vl:|gemma3|moondream|minicpm-v|llama4|mistral-small3/i;

export async function findModel(settings: ModelSettings, options: FindOptions): Promise<Found> {
  const first = settings.model === undefined ? await whatThereIs(settings, options) : undefined;
  const made = first ?? (await make("MODEL", settings.model ?? "demo", settings, options));
  if ("refusal" in made) return made;
  if (settings.fallback === undefined) return { model: made.model, fallback: undefined };
  const other = await make("MODEL_FALLBACK", settings.fallback, settings, options);
  return "refusal" in other ? other : { model: made.model, fallback: other.model };
}

type ModelSetting = "MODEL" | "MODEL_FALLBACK";

async function make(setting: ModelSetting, text: string, settings: ModelSettings, options: FindOptions): Promise<Made> {
  const refuse = (why: string): Made => ({ refusal: `${setting}: ${JSON.stringify(text.slice(0, 100))} ${why}` });
  if (text === "demo") return { model: demo(settings, options) };
  const at = text.indexOf(":");
  const provider = text.slice(0, Math.max(0, at));
  const model = text.slice(at + 1).trim();
  if (at === -1 || model === "") return refuse(`is not known. Allowed: ${allowed}.`);
  const { openaiBaseUrl: base, openaiApiKey: key } = settings;
  if (provider === "openai") {
    if (base === undefined && key === undefined) return refuse("needs OPENAI_API_KEY (or OPENAI_BASE_URL); set it.");
    return openAi(text, model, settings, options);
  }
  if (provider === "openai-compatible") {
    if (base === undefined) return refuse("needs OPENAI_BASE_URL, e.g. http://127.0.0.1:8000/v1; set it.");
    return openAi(text, model, settings, options);
  }
  if (provider === "ollama") return { model: ollama(model, settings, options) };
  if (!isProviderName(provider)) return refuse(`is not known. Allowed: ${allowed}.`);
  const apiKey = keyOf(provider, settings);
  if (apiKey === undefined) return refuse(`needs ${keySettingOf(provider)}; set it.`);
  const loaded = await loadProviderModel(provider, model, apiKey, options.load);
  if ("refusal" in loaded) return refuse(loaded.refusal);
  const prefill = settings.prefill === "on";
  return { model: aiSdkModel({ name: text, model: loaded.model, prefill, images: true, secrets: [apiKey] }) };
}

function keyOf(provider: ProviderName, settings: ModelSettings): string | undefined {
  return provider === "anthropic" ? settings.anthropicApiKey : settings.googleApiKey;
}

/** MODEL is not set: what OPENAI_* name, else a local Ollama, else the demo. */
async function whatThereIs(settings: ModelSettings, options: FindOptions): Promise<Made> {
  const { openaiBaseUrl: base, openaiApiKey: key } = settings;
  if (base !== undefined && !isOpenAi(base)) {
    if (!URL.canParse(base)) return openAi("openai-compatible:default", "default", settings, options);
    const url = new URL(base);
    url.pathname = `${url.pathname.replace(/\/+$/, "")}/models`;
    const listed = namesIn(await probeOf(options)(url.href, { timeoutMs: 1_000, headers: bearer(key) }), "data", "id");
    const model = listed.find((name) => !notForChat.test(name)) ?? "default";
    return openAi(`openai-compatible:${model}`, model, settings, options);
  }
  if (base !== undefined || key !== undefined) {
    return openAi(`openai:${defaultOpenAiModel}`, defaultOpenAiModel, settings, options);
  }
  const tags = await probeOf(options)(`${ollamaUrl(options)}/api/tags`, { timeoutMs: 300, headers: {} });
  const local = namesIn(tags, "models", "name").find((name) => !notForChat.test(name));
  return { model: local === undefined ? demo(settings, options) : ollama(local, settings, options) };
}

function openAi(name: string, model: string, settings: ModelSettings, { onDropped }: FindOptions): Made {
  const { openaiBaseUrl: baseUrl = openAiUrl, openaiApiKey: apiKey, prefill } = settings;
  if (!URL.canParse(baseUrl) || !/^https?:$/.test(new URL(baseUrl).protocol)) {
    return { refusal: `OPENAI_BASE_URL: the value is no http(s) URL. Allowed: e.g. http://127.0.0.1:8000/v1` };
  }
  // A header takes printable ASCII only; anything else is a slip of copy and paste.
  if (apiKey !== undefined && !/^[\x21-\x7e]+$/.test(apiKey)) {
    return {
      refusal: "OPENAI_API_KEY: the value holds a character that no key has. Allowed: printable ASCII, no spaces.",
    };
  }
  return { model: openAiModel({ name, model, baseUrl, apiKey, prefill: prefill === "on", images: true, onDropped }) };
}

function ollama(model: string, settings: ModelSettings, options: FindOptions): Model {
  const prefill = settings.prefill !== "off";
  const images = seesImages.test(model);
  const baseUrl = `${ollamaUrl(options)}/v1`;
  return openAiModel({ name: `ollama:${model}`, model, baseUrl, prefill, images, onDropped: options.onDropped });
}

const demo = (settings: ModelSettings, { clock }: FindOptions): Model =>
  demoModel({ clock, prefill: settings.prefill !== "off" });
const ollamaUrl = (options: FindOptions): string => options.ollamaUrl ?? "http://127.0.0.1:11434";
const probeOf = (options: FindOptions): Probe => options.probe ?? probeByFetch;
const bearer = (key: string | undefined): Record<string, string> =>
  key === undefined ? {} : { authorization: `Bearer ${key}` };
const isOpenAi = (base: string): boolean => URL.canParse(base) && new URL(base).hostname === "api.openai.com";

/** The texts under `field` of the objects in the list under `list`. */
function namesIn(answer: unknown, list: string, field: string): string[] {
  const fields = (value: unknown): Readonly<Record<string, unknown>> =>
    typeof value === "object" && value !== null ? { ...value } : {};
  const items = fields(answer)[list];
  const all: unknown[] = Array.isArray(items) ? items : [];
  return all.flatMap((item) => {
    const name = fields(item)[field];
    return typeof name === "string" && name !== "" ? [name] : [];
  });
}

const probeByFetch: Probe = async (url, { timeoutMs, headers }) => {
  try {
    const response = await fetch(url, { headers, signal: AbortSignal.timeout(timeoutMs), redirect: "error" });
    const text = response.ok ? await response.text() : "";
    return text === "" ? undefined : JSON.parse(text);
  } catch {
    return undefined; // Nobody there, or nobody who speaks this.
  }
};
