// Proves that a message is one trace, what is in it and what is not, that the model's server can go on with it, and how it gets out.
import { once } from "node:events";
import { createServer, type IncomingHttpHeaders, type Server } from "node:http";
import { InMemorySpanExporter, SimpleSpanProcessor, TracerProvider } from "@opentelemetry/sdk-trace";
import { afterEach, beforeEach, expect, test } from "vitest";
import { openAiModel } from "../../src/adapters/models/openai.ts";
import { otelTracer } from "../../src/adapters/traces/otel.ts";
import type { Model } from "../../src/host.ts";
import { ServerProcess } from "../e2e/server-process.ts";
import { counting, sendTo, Stage, Talker, until } from "../server/talker.ts";

let stage: Stage;
const servers: Server[] = [];
beforeEach(() => void (stage = new Stage()));
afterEach(async () => {
  await stage.end();
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

/** A server that keeps what it is sent, and answers. */
async function listen(
  answer: string,
  type: string,
): Promise<{ url: string; got: { headers: IncomingHttpHeaders; body: string }[] }> {
  const got: { headers: IncomingHttpHeaders; body: string }[] = [];
  const server = createServer((request, response) => {
    let body = "";
    request.on("data", (chunk: Buffer) => (body += chunk.toString()));
    request.on("end", () => {
      got.push({ headers: request.headers, body });
      response.writeHead(200, { "Content-Type": type }).end(answer);
    });
  });
  servers.push(server);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  return { url: `http://127.0.0.1:${typeof address === "object" ? address?.port : ""}`, got };
}
const stream = (words: readonly string[]): string =>
  [
    ...words.map((content) => ({ choices: [{ delta: { content } }] })),
    { choices: [{ delta: {}, finish_reason: "stop" }] },
  ]
    .map((chunk) => `data: ${JSON.stringify(chunk)}\n\n`)
    .join("") + "data: [DONE]\n\n";
const modelAt = (url: string): Model =>
  openAiModel({ name: "openai:m", model: "m", baseUrl: `${url}/v1`, prefill: false, images: false });

function memory(): { exporter: InMemorySpanExporter; tracer: ReturnType<typeof otelTracer> } {
  const exporter = new InMemorySpanExporter();
  const provider = new TracerProvider({ spanProcessors: [new SimpleSpanProcessor({ exporter })] });
  return { exporter, tracer: otelTracer(provider.getTracer("test")) };
}

test("OB13 OB14 G13 a message is one trace down to the model's server, however many pieces the reply has, and no text or person is in it", async () => {
  const { url, got } = await listen(
    stream(Array.from({ length: 50 }, (_, i) => `reply-canary${i} `)),
    "text/event-stream",
  );
  const { exporter, tracer } = memory();
  const served = await stage.serve({ model: modelAt(url), tracer });
  const forged = `00-${"a".repeat(32)}-${"b".repeat(16)}-01`;
  const talker = await served.talk({ guest: true }, { headers: { traceparent: forged } });
  const conversation = crypto.randomUUID();
  const sent = await talker.ask({ ...sendTo(conversation, "text-canary", { parent: null }), traceparent: forged });
  await talker.ask({ type: "conversation.open", conversation, seq: 0 });
  await until(() => exporter.getFinishedSpans().some(({ name }) => name === "reply"), "the reply's span");
  const spans = exporter.getFinishedSpans();
  const find = (name: string) => spans.find((span) => span.name === name);
  expect(spans.map(({ name }) => name).sort()).toEqual(["commit", "message", "model call", "reply"]);
  const [message, commit, reply, call] = ["message", "commit", "reply", "model call"].map(find);
  expect(new Set(spans.map((span) => span.spanContext().traceId)).size).toBe(1);
  expect(message?.parentSpanContext).toBe(undefined);
  expect(message?.attributes).toEqual({ command: "message.send", outcome: "ok" });
  for (const inner of [commit, reply]) expect(inner?.parentSpanContext?.spanId).toBe(message?.spanContext().spanId);
  expect(call?.parentSpanContext?.spanId).toBe(reply?.spanContext().spanId);
  expect(reply?.attributes).toEqual({ turn: sent["turn"], resume: "first", outcome: "ended" });
  expect(call?.attributes).toEqual({ model: "openai:m", outcome: "completed" });
  expect(call?.events.map(({ name }) => name)).toEqual(["first piece"]);
  const { traceId, spanId } = call?.spanContext() ?? {};
  expect(got.map(({ headers }) => headers["traceparent"])).toEqual([`00-${traceId}-${spanId}-01`]);
  const told = JSON.stringify(spans.map(({ attributes, events, name }) => ({ attributes, events, name })));
  expect(told).not.toMatch(/canary|guest_/);
});

test("OB13 what is refused, repeated or stopped ends its spans with the code, and nothing is left open", async () => {
  const { exporter, tracer } = memory();
  const served = await stage.serve({ model: counting(), tracer });
  const talker = await served.talk();
  const conversation = crypto.randomUUID();
  const send = { ...sendTo(conversation, "4000 words every 5 ms", { parent: null }), id: "same" };
  const { turn } = await talker.ask(send);
  await talker.ask({ type: "turn.retry", conversation, message: crypto.randomUUID() });
  talker.say(send);
  const ended = (name: string): unknown[] =>
    exporter.getFinishedSpans().flatMap((span) => (span.name === name ? [span.attributes["outcome"]] : []));
  await until(() => ended("commit").length === 3, "three commits");
  await talker.ask({ type: "turn.stop", conversation, turn });
  await until(() => ended("reply").length === 1, "the reply's end");
  expect(ended("commit")).toEqual(["ok", "not_found", "repeated"]);
  expect(ended("message")).toEqual(["ok", "not_found", "ok"]);
  expect(ended("model call")).toEqual(["aborted"]);
  expect(ended("reply")).toEqual(["left"]);
});

test("OB13 OB14 without a tracer the model's server is sent no traceparent", async () => {
  const { url, got } = await listen(stream(["a"]), "text/event-stream");
  const served = await stage.serve({ model: modelAt(url) });
  const talker = await served.talk(
    { guest: true },
    { headers: { traceparent: `00-${"a".repeat(32)}-${"b".repeat(16)}-01` } },
  );
  await talker.ask(sendTo(crypto.randomUUID(), "hello"));
  await until(() => got.length === 1, "the call");
  expect(got[0]?.headers["traceparent"]).toBe(undefined);
});

test("OB15 a process sends its spans to the collector that the standard variables name, and leaves where it is away", async () => {
  const { url, got } = await listen("{}", "application/json");
  const server = new ServerProcess({ MODEL: "demo", DRAIN_MS: "500" });
  try {
    await server.start({
      OTEL_EXPORTER_OTLP_ENDPOINT: url,
      OTEL_SERVICE_NAME: "chat-of-a-test",
      OTEL_BSP_SCHEDULE_DELAY: "100",
    });
    const talker = await new Talker(new URL(server.url).host).opened();
    await talker.ask({ type: "auth", guest: true });
    await talker.ask(sendTo(crypto.randomUUID(), "hello"));
    await until(() => got.some(({ body }) => body.includes('"message"')), "the span of the message", 20_000);
    expect(got[0]?.body).toContain("chat-of-a-test");
    await server.end("SIGTERM");
    await server.start({ OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:9" });
    const again = await new Talker(new URL(server.url).host).opened();
    await again.ask({ type: "auth", guest: true });
    expect((await again.ask(sendTo(crypto.randomUUID(), "hello"))).type).toBe("ack");
    await server.end("SIGTERM");
    expect(server.deaths).toEqual([]);
  } finally {
    await server.dispose();
  }
}, 60_000);
