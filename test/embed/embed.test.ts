import { createServer } from "node:http";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { MockLanguageModelV4, simulateReadableStream } from "ai/test";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { glossary } from "../../examples/agent.ts";
import { startExpressApp } from "../../examples/express.ts";
import { startFastifyApp } from "../../examples/fastify.ts";
import { assistant } from "../../examples/stream-text.ts";
import { createHost, ModelFailure, type Host, type Model } from "../../src/host.ts";
import { ask, listen } from "./speak.ts";

let dataDir = "";
let cleanup: (() => Promise<void> | void)[] = [];
beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), "throughline-embed-"));
  cleanup = [];
});
afterEach(async () => {
  for (const step of cleanup) await step();
  rmSync(dataDir, { recursive: true, force: true });
});

const serve = async (model: Model, more: object = {}): Promise<{ address: string; host: Host }> => {
  const host = await createHost({ dataDir, model, ...more });
  const server = createServer((request, response) => {
    if (!host.request(request, response)) response.writeHead(404).end();
  });
  host.attach(server);
  cleanup.push(
    () => host.close(100),
    () => void server.close(),
  );
  return { address: await listen(server), host };
};

describe("embedding", () => {
  test("HT3 an Express app keeps its own routes and gets the socket and health", async () => {
    const { server, host } = await startExpressApp(dataDir);
    cleanup.push(
      () => host.close(100),
      () => void server.close(),
    );
    const address = await listen(server);
    expect(await (await fetch(`http://${address}/`)).text()).toBe("my app");
    expect((await fetch(`http://${address}/readyz`)).status).toBe(200);
    expect((await fetch(`http://${address}/nothing`)).status).toBe(404);
    expect(await ask(address, { guest: true }, "hello there")).toMatchObject({ text: "HELLO THERE " });
  });

  test("HT3 SE5 a Fastify app brings its own identity: its people come in, guests and strangers do not", async () => {
    const { server, host } = await startFastifyApp(dataDir, glossary);
    cleanup.push(
      () => host.close(100),
      () => void server.close(),
    );
    const address = await listen(server);
    expect(await (await fetch(`http://${address}/`)).text()).toBe("my app");
    const answer = await ask(address, { token: "user:ann" }, "what is a fence?");
    expect(answer).toMatchObject({ user: { name: "ann" }, finished: { status: "completed" } });
    expect(answer.text).toContain("only the newest may write");
    expect(answer.kinds.filter((kind) => kind === "reply.part").length).toBe(2);
    await expect(ask(address, { guest: true }, "x")).rejects.toThrow("unauthorized");
    await expect(ask(address, { token: "forged" }, "x")).rejects.toThrow("unauthorized");
  });

  test("HT3 upgrades of other paths are left to their owners", async () => {
    const { host } = await serve(glossary);
    const server = createServer();
    host.attach(server);
    server.on("upgrade", (request, socket) => {
      if (request.url === "/hmr") socket.end("HTTP/1.1 418 Mine\r\nConnection: close\r\n\r\n");
    });
    cleanup.push(() => void server.close());
    const address = await listen(server);
    const headers = { Connection: "Upgrade", Upgrade: "x" };
    const { request } = await import("node:http");
    const status = await new Promise((resolve) => {
      request(`http://${address}/hmr`, { headers }, (response) => resolve(response.statusCode)).end();
    });
    expect(status).toBe(418);
  });

  test("MD7 a streamText result of the AI SDK serves as the model", async () => {
    const model = new MockLanguageModelV4({
      doStream: () =>
        Promise.resolve({
          stream: simulateReadableStream({
            chunks: [
              { type: "text-start" as const, id: "1" },
              { type: "text-delta" as const, id: "1", delta: "from " },
              { type: "text-delta" as const, id: "1", delta: "streamText" },
              { type: "text-end" as const, id: "1" },
            ],
          }),
        }),
    });
    const { address } = await serve(assistant(model));
    expect(await ask(address, { guest: true }, "hi")).toMatchObject({ text: "from streamText" });
  });

  test("MO6 JS12 what a model throws reaches a person as a sentence of the table, and the turn ends", async () => {
    const throwing = (error: unknown): Model => ({
      name: "throwing",
      capabilities: { prefill: false, images: false },
      stream: () => {
        throw error;
      },
    });
    const refused = new ModelFailure("model_refused", { retryable: false, detail: "SECRET provider text" });
    const { address } = await serve(throwing(refused));
    const answer = await ask(address, { guest: true }, "hi");
    expect(answer.finished).toMatchObject({ status: "failed", error: { code: "model_refused", retryable: false } });
    expect(JSON.stringify(answer)).not.toContain("SECRET");
  });

  test("MO2 PR05 a generator that never yields and ignores its signal is ended by the silence limit", async () => {
    const deaf: Model = {
      name: "deaf",
      capabilities: { prefill: false, images: false },
      stream: () => ({ [Symbol.asyncIterator]: () => ({ next: () => new Promise(() => undefined) }) }),
    };
    const call = { firstTokenMs: 50, betweenTokensMs: 50, wholeMs: 10_000, outputLength: 1000 };
    const { address } = await serve(deaf, { call });
    const answer = await ask(address, { guest: true }, "hi");
    expect(answer.finished).toMatchObject({ status: "failed", error: { code: "model_timeout" } });
  });

  test("MO5 PR07 an endless reply ends at its limit with what it had", async () => {
    const endless: Model = {
      name: "endless",
      capabilities: { prefill: false, images: false },
      async *stream() {
        for (;;) {
          await new Promise((resolve) => setImmediate(resolve));
          yield { type: "text", text: "x".repeat(1000) };
        }
      },
    };
    const call = { firstTokenMs: 5000, betweenTokensMs: 5000, wholeMs: 60_000, outputLength: 200_000 };
    const { address } = await serve(endless, { call });
    const answer = await ask(address, { guest: true }, "hi");
    expect(answer.finished).toMatchObject({ status: "failed", error: { code: "too_large" }, length: 200_000 });
    expect(answer.text.length).toBe(200_000);
  });

  test("MO3 the fallback answers where the first model cannot be reached", async () => {
    const down: Model = {
      name: "down",
      capabilities: { prefill: false, images: false },
      stream: () => {
        throw new ModelFailure("model_unavailable", { retryable: false });
      },
    };
    const { address } = await serve(down, { fallback: glossary });
    expect((await ask(address, { guest: true }, "lease")).text).toContain("the right to write a turn");
  });
});
