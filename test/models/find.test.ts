// Owns the checks of which model the settings lead to, with real servers to ask.
import { createServer } from "node:net";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { findModel, type FindOptions, type ModelSettings } from "../../src/adapters/models/find.ts";
import { expectedText, startModelServer, type ModelServer } from "../support/model-server.ts";
import { hear } from "./calls.ts";
import { handClock } from "./hand-clock.ts";

let server: ModelServer;
let closedUrl = "";
beforeAll(async () => {
  server = await startModelServer({ models: ["nomic-embed-text", "qwen3:4b", "other"], prefill: true });
  const closed = await startModelServer();
  await closed.close();
  closedUrl = closed.origin;
});
afterAll(() => server.close());

const find = (settings: Partial<ModelSettings>, options: Partial<FindOptions> = {}) =>
  findModel({ prefill: "auto", ...settings }, { clock: handClock(), ollamaUrl: closedUrl, ...options });
const nameOf = async (...args: Parameters<typeof find>): Promise<string> => {
  const found = await find(...args);
  return "refusal" in found ? found.refusal : found.model.name;
};

describe("MF1 MODEL unset: what there is", () => {
  it("nothing there: the demo", async () => {
    expect(await nameOf({})).toBe("demo");
  });

  it("a local Ollama: its first model that talks, and it works", async () => {
    const found = await find({}, { ollamaUrl: server.origin });
    if ("refusal" in found) throw new Error(found.refusal);
    expect(found.model).toMatchObject({ name: "ollama:qwen3:4b", capabilities: { prefill: true, images: false } });
    expect((await hear(found.model, "{{chars=50}}")).text).toBe(expectedText(1, 50));
    expect(server.requests.at(-1)?.body["model"]).toBe("qwen3:4b");
  });

  it("an OPENAI_BASE_URL: the first model that it lists, else `default`", async () => {
    expect(await nameOf({ openaiBaseUrl: server.url })).toBe("openai-compatible:qwen3:4b");
    expect(await nameOf({ openaiBaseUrl: `${server.url}/` })).toBe("openai-compatible:qwen3:4b");
    expect(await nameOf({ openaiBaseUrl: `${closedUrl}/v1` })).toBe("openai-compatible:default");
    expect(await nameOf({ openaiBaseUrl: server.origin })).toBe("openai-compatible:default");
  });

  it("an OPENAI_API_KEY alone: OpenAI, nothing is asked", async () => {
    const probe = (): never => {
      throw new Error("asked");
    };
    expect(await nameOf({ openaiApiKey: "sk-x" }, { probe })).toBe("openai:gpt-5-mini");
    expect(await nameOf({ openaiApiKey: "sk-x", openaiBaseUrl: "https://api.openai.com/v1" }, { probe })).toBe(
      "openai:gpt-5-mini",
    );
  });

  it("a port that takes connections and says nothing costs 0.3 s, or 1 s where it was named", async () => {
    const sockets: { destroy(): void }[] = [];
    const mute = createServer((socket) => void sockets.push(socket));
    await new Promise<void>((resolve) => mute.listen(0, "127.0.0.1", resolve));
    const address = mute.address();
    const url = `http://127.0.0.1:${typeof address === "object" ? address?.port : 0}`;
    const began = performance.now();
    expect(await nameOf({}, { ollamaUrl: url })).toBe("demo");
    expect(performance.now() - began).toBeLessThan(800);
    expect(await nameOf({ openaiBaseUrl: url })).toBe("openai-compatible:default");
    expect(performance.now() - began).toBeLessThan(2_500);
    for (const socket of sockets) socket.destroy();
    mute.close();
  });

  it.each([null, 7, "x", [], { models: 7 }, { models: [null, { name: 7 }] }, { data: [{ id: "" }] }])(
    "an answer that makes no sense is none: %j",
    async (answer) => {
      const probe = async (): Promise<unknown> => answer;
      expect(await nameOf({}, { probe })).toBe("demo");
      expect(await nameOf({ openaiBaseUrl: closedUrl }, { probe })).toBe("openai-compatible:default");
    },
  );
});

describe("MF2 MODEL set: that one, or a sentence", () => {
  it.each([
    [{ model: "demo" }, "demo", true],
    [{ model: "ollama:llama3.2" }, "ollama:llama3.2", true],
    [
      { model: "openai-compatible:my/model:7b", openaiBaseUrl: "http://127.0.0.1:1/v1" },
      "openai-compatible:my/model:7b",
      false,
    ],
    [{ model: "openai:gpt-5-mini", openaiApiKey: "sk-x" }, "openai:gpt-5-mini", false],
    [{ model: "openai:x", openaiBaseUrl: "http://127.0.0.1:1/v1" }, "openai:x", false],
    [{ model: "anthropic:claude-sonnet-5", anthropicApiKey: "k" }, "anthropic:claude-sonnet-5", false],
    [{ model: "google:gemini-3-flash", googleApiKey: "k" }, "google:gemini-3-flash", false],
  ])("%j", async (settings, name, prefill) => {
    const found = await find(settings);
    if ("refusal" in found) throw new Error(found.refusal);
    expect(found.model.name).toBe(name);
    // B17: only where it is known to work, unless it is said.
    expect(found.model.capabilities.prefill).toBe(prefill);
    const [on, off] = [await find({ ...settings, prefill: "on" }), await find({ ...settings, prefill: "off" })];
    expect("model" in on && on.model.capabilities.prefill).toBe(true);
    expect("model" in off && off.model.capabilities.prefill).toBe(false);
  });

  it.each([
    [{ model: "gpt-5" }, /^MODEL: "gpt-5" is not known\. Allowed: "demo", or PROVIDER:MODEL/],
    [{ model: "openai:" }, /^MODEL: "openai:" is not known/],
    [{ model: "Demo" }, /^MODEL: "Demo" is not known/],
    [{ model: "hal:9000" }, /^MODEL: "hal:9000" is not known/],
    [{ model: "__proto__:x" }, /^MODEL: .* is not known/],
    [{ model: "openai:x" }, /^MODEL: "openai:x" needs OPENAI_API_KEY/],
    [{ model: "openai-compatible:x" }, /^MODEL: .* needs OPENAI_BASE_URL/],
    [{ model: "anthropic:x" }, /^MODEL: .* needs ANTHROPIC_API_KEY/],
    [{ model: "demo", fallback: "google:x" }, /^MODEL_FALLBACK: .* needs GOOGLE_GENERATIVE_AI_API_KEY/],
    [{ model: "demo", fallback: "nope" }, /^MODEL_FALLBACK: "nope" is not known/],
    [{ openaiBaseUrl: "localhost:8000" }, /^OPENAI_BASE_URL: .* Allowed:/],
    [{ openaiBaseUrl: "nothing" }, /^OPENAI_BASE_URL: .* Allowed:/],
    [{ model: "openai:x", openaiApiKey: "sk-with\nbreak" }, /^OPENAI_API_KEY: .* Allowed:/],
  ])("refuses %j", async (settings, expected) => {
    expect(await nameOf(settings)).toMatch(expected);
  });

  it("a provider whose package is missing names the package to install", async () => {
    const load = async (): Promise<never> => {
      throw Object.assign(new Error("Cannot find package"), { code: "ERR_MODULE_NOT_FOUND" });
    };
    const refusal = await nameOf({ model: "anthropic:x", anthropicApiKey: "secret-key" }, { load });
    expect(refusal).toContain("npm install @ai-sdk/anthropic");
    expect(refusal).not.toContain("secret-key");
  });

  it("a fallback is made like the first", async () => {
    const found = await find({ model: "ollama:x", fallback: "demo" });
    expect("fallback" in found && found.fallback?.name).toBe("demo");
  });
});
