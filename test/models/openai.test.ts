// Owns the checks of the OpenAI-compatible adapter against a real server on a real socket.
import { createServer } from "node:net";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { expectedText, startModelServer, type ModelServer } from "../support/model-server.ts";
import { fieldsOf, hear, openAi, requestOf, say } from "./calls.ts";

let server: ModelServer;
beforeAll(async () => {
  server = await startModelServer();
});
afterAll(() => server.close());
const last = () => server.requests.at(-1);

describe("MD1 what a server says arrives whole", () => {
  it("streams text byte for byte, with usage at the end, several pieces of one read joined", async () => {
    const heard = await hear(openAi(server.url), "{{chars=20000}}");
    expect(heard.failure).toBeUndefined();
    expect(heard.text).toBe(expectedText(1, 20_000));
    expect(heard.pieces.at(-1)).toEqual({ type: "usage", usage: { inputTokens: 1, outputTokens: last()?.deltas } });
    // 5,000 deltas came in far fewer reads, and each read is one text.
    expect(heard.batches.length).toBeLessThan(500);
    expect(heard.pieces.length).toBeLessThanOrEqual(heard.batches.length + 1);
  });

  it.each([1, 2, 3, 5, 7, 64])("survives UTF-8 and frames split into writes of %i bytes", async (slice) => {
    const heard = await hear(openAi(server.url), `{{chars=60 piece=9 slice=${slice} seed=${slice}}}`);
    expect(heard).toMatchObject({ failure: undefined, text: expectedText(slice, 60) });
  });

  it("puts characters together whose halves come in different deltas, and never yields a half", async () => {
    const heard = await hear(openAi(server.url), "{{chars=2000 piece=1 pairs slice=200}}");
    expect(heard.text).toBe(expectedText(1, 2_000));
    expect(heard.pieces.every((piece) => piece.type !== "text" || piece.text.isWellFormed())).toBe(true);
  });

  it.each(["reasoning_content", "reasoning"])("yields %s as reasoning before the text", async (field) => {
    const heard = await hear(openAi(server.url), `{{reasoning=300 field=${field} chars=100}}`);
    expect(heard).toMatchObject({ failure: undefined, reasoning: expectedText(2, 300), text: expectedText(1, 100) });
    expect(heard.pieces[0]?.type).toBe("reasoning");
  });

  it("takes a completion that is not streamed", async () => {
    const heard = await hear(openAi(server.url), "{{plain chars=5000 reasoning=20}}");
    expect(heard).toMatchObject({ failure: undefined, text: expectedText(1, 5_000), reasoning: expectedText(2, 20) });
  });

  it("takes a stream under another content type, and one that closes behind its finish_reason", async () => {
    expect(await hear(openAi(server.url), "{{type=text/plain}}")).toMatchObject({
      failure: undefined,
      text: expectedText(1, 200),
    });
    expect(await hear(openAi(server.url), "{{nodone}}")).toMatchObject({
      failure: undefined,
      text: expectedText(1, 200),
    });
  });

  it("sends what it was given, and the key only in its header", async () => {
    const model = openAi(`${server.url}/?api-version=1`, { apiKey: "sk-test-key", images: true });
    const image = { type: "image", mediaType: "image/png", data: new Uint8Array([1, 2, 3]) } as const;
    await hear(model, [
      say("system", "Be brief."),
      { role: "user", content: [{ type: "text", text: "Look {{chars=5}}" }, image] },
    ]);
    expect(last()?.headers["authorization"]).toBe("Bearer sk-test-key");
    expect(last()?.body).toMatchObject({ model: "test-model", stream: true, stream_options: { include_usage: true } });
    const url = "data:image/png;base64,AQID";
    expect(last()?.messages).toEqual([
      { role: "system", content: "Be brief." },
      {
        role: "user",
        content: [
          { type: "text", text: "Look {{chars=5}}" },
          { type: "image_url", image_url: { url } },
        ],
      },
    ]);
    expect(JSON.stringify(last()?.body)).not.toContain("sk-test-key");
  });

  it("serves replies one after the other over one connection", async () => {
    const own = await startModelServer();
    try {
      const model = openAi(own.url);
      for (let i = 0; i < 4; i++) await hear(model, "{{chars=50}}");
      await hear(model, "{{fail=503}}");
      await hear(model, "{{chars=50}}");
      expect(own.connections()).toBe(1);
    } finally {
      await own.close();
    }
  });
});

describe("MD2 stopping", () => {
  const cases = [
    "stall=-1",
    "header=60000",
    "stall=0",
    "stall=5",
    "rate=50 chars=5000",
    "endless",
    "stall=2 comments=10",
  ];
  it.each(cases)("G5 the signal ends the request within 500 ms: %s", async (directive) => {
    const controller = new AbortController();
    const before = server.requests.length;
    const hearing = hear(openAi(server.url), `{{${directive}}}`, { signal: controller.signal });
    await vi.waitUntil(() => server.requests.length > before, { interval: 5, timeout: 10_000 });
    if (/rate|endless|stall=[25]/.test(directive))
      await vi.waitUntil(() => (last()?.deltas ?? 0) > 1, { interval: 5, timeout: 10_000 });
    const at = Date.now();
    controller.abort();
    const heard = await hearing;
    expect(heard.failure).toBe(controller.signal.reason);
    await vi.waitUntil(() => last()?.outcome !== undefined, { interval: 5, timeout: 10_000 });
    expect(last()?.outcome).toBe("aborted");
    expect((last()?.endedAt ?? Infinity) - at).toBeLessThan(500);
  });

  it("a consumer that leaves the loop closes the request", async () => {
    for await (const _ of openAi(server.url).stream(
      requestOf(say("user", "{{endless}}")),
      new AbortController().signal,
    ))
      break;
    await vi.waitUntil(() => last()?.outcome === "aborted", { interval: 5, timeout: 10_000 });
  });

  it("an aborted signal sends nothing", async () => {
    const before = server.requests.length;
    const heard = await hear(openAi(server.url), "hello", { signal: AbortSignal.abort(new Error("no")) });
    expect(heard.failure).toEqual(new Error("no"));
    expect(server.requests.length).toBe(before);
  });
});

describe("MD3 what can go wrong has a name", () => {
  it.each([
    ["PR01 seconds", "fail=429 retry=20", { code: "model_rate_limited", retryable: true, retryAfterMs: 20_000 }],
    [
      "PR01 a day is cut to an hour",
      "fail=429 retry=86400",
      { code: "model_rate_limited", retryable: true, retryAfterMs: 3_600_000 },
    ],
    ["PR01 none", "fail=429", { code: "model_rate_limited", retryable: true, retryAfterMs: undefined }],
    ["PR01 junk", "fail=429 retry=soon", { code: "model_rate_limited", retryable: true, retryAfterMs: undefined }],
    ["PR01 milliseconds", "fail=429 retry=ms:150", { code: "model_rate_limited", retryable: true, retryAfterMs: 150 }],
    ["PR02 no more money", "fail=429 code=insufficient_quota retry=5", { code: "model_unavailable", retryable: false }],
    ["PR02 spend cap", "fail=400 code=billing_hard_limit_reached", { code: "model_unavailable", retryable: false }],
    ["PR02 401", "fail=401", { code: "model_unavailable", retryable: false }],
    ["PR02 403", "fail=403", { code: "model_unavailable", retryable: false }],
    ["PR02 404", "fail=404", { code: "model_unavailable", retryable: false }],
    ["PR03 500", "fail=500", { code: "model_unavailable", retryable: true }],
    ["PR03 502", "fail=502", { code: "model_unavailable", retryable: true }],
    ["PR03 503 says when", "fail=503 retry=3", { code: "model_unavailable", retryable: true, retryAfterMs: 3_000 }],
    ["PR03 529", "fail=529", { code: "model_unavailable", retryable: true }],
    ["PR03 408", "fail=408", { code: "model_unavailable", retryable: true }],
    ["PR08 too long", "fail=400 code=context_length_exceeded", { code: "context_overflow", retryable: false }],
    ["PR08 too long, 413", "fail=413", { code: "context_overflow", retryable: false }],
    ["PR08 refused", "fail=400 code=content_policy_violation", { code: "model_refused", retryable: false }],
    ["PR08 filtered at the end", "finish=content_filter", { code: "model_refused", retryable: false }],
    ["PR08 filtered, not streamed", "plain finish=content_filter", { code: "model_refused", retryable: false }],
    ["PR03 an error in the stream", "error=3", { code: "model_unavailable", retryable: true }],
    [
      "PR01 an error in the stream",
      "error=3 code=rate_limit_exceeded",
      { code: "model_rate_limited", retryable: true },
    ],
    [
      "PR08 an error in the stream",
      "error=3 code=context_length_exceeded",
      { code: "context_overflow", retryable: false },
    ],
    ["PR03 cut in the middle of a line", "cut=3", { code: "model_unavailable", retryable: true }],
    ["PR03 ends without an end", "nodone nofinish", { code: "model_unavailable", retryable: true }],
    ["a 400 without a name", "fail=400", { code: "model_unavailable", retryable: false }],
    ["a redirect", "fail=302", { code: "model_unavailable", retryable: false }],
  ])("%s: %s", async (_, directive, expected) => {
    const heard = await hear(openAi(server.url), `{{${directive}}}`);
    expect(fieldsOf(heard.failure)).toEqual({ retryAfterMs: undefined, ...expected });
  });

  it("PR01 a date", async () => {
    const heard = await hear(openAi(server.url), "{{fail=429 retry=date:30}}");
    const { retryAfterMs = 0 } = fieldsOf(heard.failure);
    expect(retryAfterMs).toBeGreaterThan(27_000);
    expect(retryAfterMs).toBeLessThanOrEqual(30_000);
  });

  it("PR03 what was said before a cut or an error is kept", async () => {
    for (const fault of ["cut", "error"]) {
      const { text, failure } = await hear(openAi(server.url), `{{${fault}=50 chars=400}}`);
      expect(fieldsOf(failure).retryable).toBe(true);
      expect(text.length).toBeGreaterThanOrEqual(200);
      expect(expectedText(1, 400).startsWith(text)).toBe(true);
    }
  });

  it("PR03 nobody there, or one who hangs up", async () => {
    const closed = await startModelServer();
    await closed.close();
    expect(fieldsOf((await hear(openAi(closed.url), "hello")).failure)).toMatchObject({
      code: "model_unavailable",
      retryable: true,
    });

    const rude = createServer((socket) => socket.once("data", () => socket.resetAndDestroy()));
    await new Promise<void>((resolve) => rude.listen(0, "127.0.0.1", resolve));
    const address = rude.address();
    const port = typeof address === "object" ? address?.port : 0;
    const heard = await hear(openAi(`http://127.0.0.1:${port}/v1`), "hello");
    expect(fieldsOf(heard.failure)).toMatchObject({ code: "model_unavailable", retryable: true });
    rude.close();
  });

  it("PR08 an empty reply is an empty reply", async () => {
    const heard = await hear(openAi(server.url), "{{empty}}");
    expect(heard).toMatchObject({ failure: undefined, text: "" });
    expect(heard.pieces.map((piece) => piece.type)).toEqual(["usage"]);
  });

  it("a page instead of a completion is no reply, and asking again would not help", async () => {
    const heard = await hear(openAi(server.origin), "hello");
    expect(fieldsOf(heard.failure)).toMatchObject({ code: "model_unavailable", retryable: false });
  });

  it("G13 the detail of a failure holds no key, no control characters and 200 characters at most", async () => {
    const own = await startModelServer({ key: "other" });
    const key = "opaque.key.without.prefix";
    const heard = await hear(openAi(own.url, { apiKey: key }), "hello");
    expect(String(heard.failure)).toContain("401");
    expect(String(heard.failure)).not.toContain(key);
    await own.close();
    server.enqueue({ fail: 500, message: `line\r\nforged ${"x".repeat(500)}\u202e sk-proj-abcdefghijklmnop` });
    const failed = await hear(openAi(server.url), "hello");
    const detail = failed.failure instanceof Error ? failed.failure.message : "";
    expect(detail.length).toBeLessThanOrEqual(200);
    // The provider's words stay out altogether: they may repeat a person's.
    expect(detail).toBe("HTTP 500 test_error");
  });
});

describe("MD4 going on with a reply", () => {
  it("B05 B17 cut again and again, a model with prefill is brought to the whole text", async () => {
    const own = await startModelServer({ prefill: true });
    const model = openAi(own.url, { prefill: true });
    let text = "";
    let attempts = 0;
    for (let done = false; !done && attempts < 50; attempts++) {
      const messages = [say("user", "{{chars=1000 piece=7 cut=20}}"), ...(text === "" ? [] : [say("assistant", text)])];
      const heard = await hear(model, messages);
      text += heard.text;
      done = heard.failure === undefined;
    }
    expect(text).toBe(expectedText(1, 1_000));
    expect(attempts).toBeGreaterThan(5);
    expect(own.requests.some((request) => request.mismatch)).toBe(false);
    await own.close();
  });

  it("B17 a provider that refuses prefill says so at once, and is not asked again", async () => {
    const heard = await hear(openAi(server.url), [say("user", "hello"), say("assistant", "half")]);
    expect(fieldsOf(heard.failure)).toMatchObject({ code: "model_unavailable", retryable: false });
  });
});
