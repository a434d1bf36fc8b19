// Owns the checks of the AI SDK behind the port: a real provider package on a real socket, and `streamText` itself.
import { createServer, type Server, type ServerResponse } from "node:http";
import { createAnthropic } from "@ai-sdk/anthropic";
import type { LanguageModelV4StreamPart } from "@ai-sdk/provider";
import { stepCountIs, streamText, tool, jsonSchema } from "ai";
import { convertArrayToReadableStream, MockLanguageModelV4 } from "ai/test";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { glossary } from "../../examples/agent.ts";
import { assistant } from "../../examples/stream-text.ts";
import { aiSdkModel, fromStreamText } from "../../src/adapters/models/ai-sdk.ts";
import { modelFrom } from "../../src/adapters/models/custom.ts";
import { ModelFailure, type Model } from "../../src/server/ports.ts";
import { fieldsOf, hear, requestOf, say } from "./calls.ts";

/** A server that speaks Anthropic's wire, as far as these tests go. */
let server: Server;
let base = "";
let answer: (response: ServerResponse, body: string) => void;
let closed = 0;
beforeAll(async () => {
  server = createServer((request, response) => {
    let body = "";
    request.on("data", (chunk) => (body += String(chunk)));
    request.on("end", () => answer(response, body));
    response.on("close", () => closed++);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  base = `http://127.0.0.1:${typeof address === "object" ? address?.port : 0}/v1`;
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});

const events = (...list: { type: string; [field: string]: unknown }[]): string =>
  list.map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`).join("");
const begin = events(
  {
    type: "message_start",
    message: {
      id: "m",
      type: "message",
      role: "assistant",
      model: "x",
      content: [],
      stop_reason: null,
      stop_sequence: null,
      usage: { input_tokens: 7, output_tokens: 1 },
    },
  },
  { type: "content_block_start", index: 0, content_block: { type: "text", text: "" } },
);
const text = (said: string): string =>
  events({ type: "content_block_delta", index: 0, delta: { type: "text_delta", text: said } });
const finish = (reason: string): string =>
  events(
    { type: "content_block_stop", index: 0 },
    { type: "message_delta", delta: { stop_reason: reason, stop_sequence: null }, usage: { output_tokens: 9 } },
    { type: "message_stop" },
  );
const stream = (response: ServerResponse): ServerResponse =>
  response.writeHead(200, { "content-type": "text/event-stream" });

const key = "sk-ant-REDACT-ME-123456";
const claude = (): Model => {
  const model = createAnthropic({ apiKey: key, baseURL: base })("claude-x");
  return aiSdkModel({ name: "anthropic:claude-x", model, prefill: false, images: true, secrets: [key] });
};

describe("MD6 a provider of the AI SDK", () => {
  it("yields its text and usage, and is sent system, user, image and assistant", async () => {
    let asked = "";
    answer = (response, body) => {
      asked = body;
      stream(response).end(begin + text("Grüße ") + text("🙂") + finish("end_turn"));
    };
    const image = { type: "image", mediaType: "image/png", data: new Uint8Array([137, 80, 78, 71]) } as const;
    const heard = await hear(claude(), [
      say("system", "Be brief."),
      { role: "user", content: [{ type: "text", text: "Look" }, image] },
      say("assistant", "Yes?"),
      say("user", "And?"),
    ]);
    expect(heard).toMatchObject({ failure: undefined, text: "Grüße 🙂" });
    expect(heard.pieces.at(-1)).toEqual({ type: "usage", usage: { inputTokens: 7, outputTokens: 9 } });
    for (const part of ["Be brief.", "iVBORw==", "Yes?", '"stream":true']) expect(asked).toContain(part);
  });

  it.each([
    [
      "PR01",
      429,
      { type: "rate_limit_error", message: "slow" },
      { code: "model_rate_limited", retryable: true, retryAfterMs: 7_000 },
    ],
    [
      "PR02",
      401,
      { type: "authentication_error", message: `bad ${key}` },
      { code: "model_unavailable", retryable: false },
    ],
    [
      "PR03",
      529,
      { type: "overloaded_error", message: "busy" },
      { code: "model_unavailable", retryable: true, retryAfterMs: 7_000 },
    ],
    [
      "PR08",
      400,
      { type: "invalid_request_error", message: "prompt is too long: 9 tokens > 8 maximum" },
      { code: "context_overflow", retryable: false },
    ],
  ])("%s HTTP %i", async (_, status, error, expected) => {
    answer = (response) => {
      response.writeHead(status, { "content-type": "application/json", "retry-after": "7" });
      response.end(JSON.stringify({ type: "error", error }));
    };
    const { failure } = await hear(claude(), "my secret question");
    expect(fieldsOf(failure)).toEqual({ retryAfterMs: undefined, ...expected });
    // Neither the key nor a person's words may reach a log by way of the failure.
    expect(JSON.stringify([String(failure), failure instanceof Error ? failure.cause : ""])).not.toMatch(
      /REDACT|secret question/,
    );
  });

  it("PR03 an error in the stream, a cut one, and a server that is not there", async () => {
    answer = (response) =>
      void stream(response).end(
        begin + text("half") + events({ type: "error", error: { type: "overloaded_error", message: "busy" } }),
      );
    const failed = await hear(claude(), "hello");
    expect(failed.text).toBe("half");
    expect(fieldsOf(failed.failure)).toMatchObject({ code: "model_unavailable", retryable: true });

    answer = (response) =>
      void stream(response).write(begin + text("half"), () => setTimeout(() => response.destroy(), 20));
    const cut = await hear(claude(), "hello");
    expect(cut.text).toBe("half");
    expect(fieldsOf(cut.failure)).toMatchObject({ code: "model_unavailable", retryable: true });

    const nobody = createAnthropic({ apiKey: "k", baseURL: "http://127.0.0.1:9/v1" })("x");
    const heard = await hear(aiSdkModel({ name: "x", model: nobody, prefill: false, images: false }), "hello");
    expect(fieldsOf(heard.failure)).toMatchObject({ code: "model_unavailable", retryable: true });
  });

  it("PR08 a refusal is a refusal", async () => {
    answer = (response) => void stream(response).end(begin + finish("refusal"));
    expect(fieldsOf((await hear(claude(), "hello")).failure)).toMatchObject({
      code: "model_refused",
      retryable: false,
    });
  });

  it.each(["before the header", "in the stream"])("G5 the signal ends the request within 500 ms: %s", async (where) => {
    let isAsked = false;
    answer = (response) => {
      isAsked = true;
      if (where === "in the stream") stream(response).write(begin + text("half"));
    };
    const controller = new AbortController();
    const before = closed;
    let isHeard = where !== "in the stream";
    const hearing = hear(claude(), "hello", { signal: controller.signal, onBatch: () => void (isHeard = true) });
    await vi.waitUntil(() => isAsked && isHeard, { interval: 5, timeout: 10_000 });
    const at = performance.now();
    controller.abort();
    expect((await hearing).failure).toBe(controller.signal.reason);
    await vi.waitUntil(() => closed > before, { interval: 5, timeout: 10_000 });
    expect(performance.now() - at).toBeLessThan(500);
  });
});

it("MD6 a stream that just ends was cut; one that ignores the signal is cancelled", async () => {
  const cut = { doStream: async () => ({ stream: convertArrayToReadableStream<LanguageModelV4StreamPart>([]) }) };
  const heard = await hear(aiSdkModel({ name: "x", model: cut, prefill: false, images: false }), "hello");
  expect(fieldsOf(heard.failure)).toMatchObject({ code: "model_unavailable", retryable: true });

  let cancelled: unknown;
  const stream = new ReadableStream<LanguageModelV4StreamPart>({
    start: (control) => control.enqueue({ type: "text-delta", id: "1", delta: "half" }),
    cancel: (reason) => void (cancelled = reason),
  });
  const deaf = aiSdkModel({ name: "x", model: { doStream: async () => ({ stream }) }, prefill: false, images: false });
  const controller = new AbortController();
  const onBatch = (): void => void setImmediate(() => controller.abort());
  expect(await hear(deaf, "hello", { signal: controller.signal, onBatch })).toMatchObject({
    text: "half",
    failure: controller.signal.reason,
  });
  expect(cancelled).toBe(controller.signal.reason);
});

const usage = {
  inputTokens: { total: 3, noCache: 3, cacheRead: 0, cacheWrite: 0 },
  outputTokens: { total: 2, text: 2, reasoning: 0 },
};
const stop = { type: "finish", usage, finishReason: { unified: "stop", raw: "stop" } } as const;

describe("MD7 streamText as a model", () => {
  it("text, reasoning, sources and usage", async () => {
    const model = new MockLanguageModelV4({
      doStream: async () => ({
        stream: convertArrayToReadableStream([
          { type: "stream-start", warnings: [] },
          { type: "reasoning-start", id: "0" },
          { type: "reasoning-delta", id: "0", delta: "hm" },
          { type: "reasoning-end", id: "0" },
          { type: "text-start", id: "1" },
          { type: "text-delta", id: "1", delta: "Hello, " },
          { type: "text-delta", id: "1", delta: "world" },
          { type: "text-end", id: "1" },
          { type: "source", sourceType: "url", id: "s", url: "https://example.com", title: "Example" },
          { type: "source", sourceType: "url", id: "t", url: "javascript:alert(1)" },
          stop,
        ]),
      }),
    });
    const heard = await hear(assistant(model), [say("system", "Be brief."), say("user", "Hi")]);
    expect(heard).toMatchObject({ failure: undefined, text: "Hello, world", reasoning: "hm" });
    const parts = heard.pieces.filter((piece) => piece.type === "part").map((piece) => piece.value);
    expect(parts).toEqual([{ type: "source-url", sourceId: "s", url: "https://example.com", title: "Example" }]);
    expect(heard.pieces.at(-1)).toEqual({ type: "usage", usage: { inputTokens: 3, outputTokens: 2 } });
    expect(model.doStreamCalls[0]?.prompt.map((message) => message.role)).toEqual(["system", "user"]);
  });

  it("a tool call and its result are states of one part, over two steps", async () => {
    let step = 0;
    const model = new MockLanguageModelV4({
      doStream: async () => ({
        stream: convertArrayToReadableStream<LanguageModelV4StreamPart>(
          step++ === 0
            ? [
                { type: "tool-call", toolCallId: "c1", toolName: "add", input: '{"a":1,"b":2}' },
                { ...stop, finishReason: { unified: "tool-calls", raw: "tool_calls" } },
              ]
            : [
                { type: "text-start", id: "1" },
                { type: "text-delta", id: "1", delta: "3" },
                { type: "text-end", id: "1" },
                stop,
              ],
        ),
      }),
    });
    const add = tool({
      inputSchema: jsonSchema<{ a: number; b: number }>({ type: "object" }),
      execute: async ({ a, b }) => a + b,
    });
    const agent = fromStreamText((_, abortSignal) =>
      streamText({ model, prompt: "1 + 2", tools: { add }, stopWhen: stepCountIs(3), maxRetries: 0, abortSignal }),
    );
    const heard = await hear(agent, "1 + 2");
    expect(heard).toMatchObject({ failure: undefined, text: "3" });
    const call = { type: "dynamic-tool", toolName: "add", toolCallId: "c1", input: { a: 1, b: 2 } };
    expect(heard.pieces.filter((piece) => piece.type === "part").map((piece) => piece.value)).toEqual([
      { ...call, state: "input-available" },
      { ...call, state: "output-available", output: 3 },
    ]);
  });

  it("PR01 a failure inside streamText keeps its name", async () => {
    answer = (response) => {
      response.writeHead(429, { "content-type": "application/json", "retry-after": "3" });
      response.end(JSON.stringify({ type: "error", error: { type: "rate_limit_error", message: "slow" } }));
    };
    const heard = await hear(assistant(createAnthropic({ apiKey: key, baseURL: base })("x")), "hello");
    expect(fieldsOf(heard.failure)).toEqual({ code: "model_rate_limited", retryable: true, retryAfterMs: 3_000 });
  });

  it("PR01 also behind retries of its own", async () => {
    answer = (response) => {
      response.writeHead(429, { "content-type": "application/json", "retry-after-ms": "5" });
      response.end(JSON.stringify({ type: "error", error: { type: "rate_limit_error", message: "slow" } }));
    };
    const model = createAnthropic({ apiKey: key, baseURL: base })("x");
    const quiet = fromStreamText((_, abortSignal) =>
      streamText({ model, prompt: "x", maxRetries: 1, abortSignal, onError: () => undefined }),
    );
    expect(fieldsOf((await hear(quiet, "hello")).failure)).toMatchObject({
      code: "model_rate_limited",
      retryAfterMs: 5,
    });
  });

  it("G5 the signal ends it", async () => {
    answer = (response) => void stream(response).write(begin + text("half"));
    const controller = new AbortController();
    const before = closed;
    const model = assistant(createAnthropic({ apiKey: key, baseURL: base })("x"));
    const heard = await hear(model, "hello", { signal: controller.signal, onBatch: () => controller.abort() });
    expect(heard).toMatchObject({ text: "half", failure: controller.signal.reason });
    await vi.waitUntil(() => closed > before, { interval: 5, timeout: 10_000 });
  });
});

describe("MD8 any generator as a model", () => {
  it("the example agent shows its tool call and answers", async () => {
    const heard = await hear(glossary, "What is a lease?");
    expect(heard.text).toMatch(/^\*\*lease\*\*: the right/);
    const states = heard.pieces
      .map((piece) => (piece.type === "part" ? piece.value : undefined))
      .filter((part) => part !== undefined);
    expect(states).toMatchObject([{ state: "input-available" }, { state: "output-available" }]);
    expect((await hear(glossary, "Nothing")).text).toContain("lease");
  });

  it("texts, pieces and lists of both; what it throws comes through; it sees the signal", async () => {
    const failure = new ModelFailure("model_refused", { retryable: false });
    let seen: AbortSignal | undefined;
    const model = modelFrom({
      name: "own",
      async *stream(_, signal) {
        seen = signal;
        yield "a";
        yield ["b", { type: "reasoning", text: "r" }];
        yield { type: "text", text: "c" };
        throw failure;
      },
    });
    const controller = new AbortController();
    expect(await hear(model, "x", { signal: controller.signal })).toMatchObject({
      text: "abc",
      reasoning: "r",
      failure,
    });
    expect(seen).toBe(controller.signal);
    expect(model.capabilities).toEqual({ prefill: false, images: false });
  });

  it("one that ignores the signal is left at its next piece, and cleans up", async () => {
    const controller = new AbortController();
    let cleaned = false;
    const model = modelFrom({
      name: "own",
      async *stream() {
        try {
          for (;;) yield "x";
        } finally {
          cleaned = true;
        }
      },
    });
    const iterator = model.stream(requestOf(say("user", "x")), controller.signal)[Symbol.asyncIterator]();
    await iterator.next();
    controller.abort();
    await expect(iterator.next()).rejects.toBe(controller.signal.reason);
    expect(cleaned).toBe(true);
  });
});
