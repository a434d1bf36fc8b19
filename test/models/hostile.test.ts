// Owns the checks of what a broken or hostile model server can do: nothing but fail its own reply.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { createCompletionStream, type Dropped } from "../../src/adapters/models/completion-stream.ts";
import { expectedText, pieces, startModelServer, type ModelServer } from "../support/model-server.ts";
import { fieldsOf, hear, openAi, requestOf, say } from "./calls.ts";

let server: ModelServer;
beforeAll(async () => {
  server = await startModelServer();
});
afterAll(() => server.close());

/** Feeds a stream whose text is `wire`, cut at the given places, and returns what came out. */
function readCut(wire: string, cuts: readonly number[]) {
  const dropped: Dropped[] = [];
  const stream = createCompletionStream({ secrets: [], onDropped: (what) => dropped.push(what) });
  const bytes = Buffer.from(wire);
  const places = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].sort((a, b) => a - b);
  const said = [];
  for (const [i, place] of [0, ...places].entries()) {
    stream.feed(bytes.subarray(place, places[i] ?? bytes.length));
    said.push(...stream.take(false));
  }
  stream.end();
  said.push(...stream.take(true));
  const text = said.map((piece) => (piece.type === "text" ? piece.text : "")).join("");
  return { text, dropped, failure: stream.failure(), finish: stream.finish(), done: stream.done() };
}

const delta = (content: unknown): string => `data: ${JSON.stringify({ choices: [{ delta: { content } }] })}`;

describe("MD5 a stream is read the same however it is cut", () => {
  it("random texts, chunkings and line ends", () => {
    const text = fc.string({ unit: "binary", maxLength: 200 });
    const ends = fc.constantFrom("\n", "\r\n", "\r");
    const cuts = fc.array(fc.nat(20_000), { maxLength: 40 });
    fc.assert(
      fc.property(text, fc.integer({ min: 1, max: 9 }), ends, cuts, (said, size, end, at) => {
        const frames = [...pieces(said, size, true)].map(
          (piece) => `${delta(piece)}${end}${end}: keep-alive${end}${end}`,
        );
        const result = readCut(`${frames.join("")}data: [DONE]${end}${end}`, at);
        expect(result).toMatchObject({ text: said, dropped: [], failure: undefined, done: true });
      }),
      { numRuns: 300 },
    );
  });

  it("any bytes at all neither throw nor become text", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 500 }), (bytes) => {
        const stream = createCompletionStream({ secrets: [] });
        stream.feed(Buffer.from(bytes));
        stream.end();
        expect(stream.take(true)).toEqual([]);
      }),
    );
  });

  it("any JSON neither throws nor ends the reply", () => {
    fc.assert(
      fc.property(fc.array(fc.json(), { maxLength: 20 }), (values) => {
        const wire = values.map((value) => `data: ${value}\n\n`).join("");
        expect(readCut(`${wire}${delta("end")}\n\ndata: [DONE]\n\n`, []).text.endsWith("end")).toBe(true);
      }),
    );
  });
});

describe("LO13 only what belongs to a completion is looked at", () => {
  it("drops and counts events and tool calls that nobody asked for", async () => {
    const dropped: Dropped[] = [];
    const heard = await hear(openAi(server.url, { onDropped: (what) => dropped.push(what) }), "{{hostile chars=400}}");
    expect(heard).toMatchObject({ failure: undefined, text: expectedText(1, 400) });
    expect(heard.pieces.every((piece) => piece.type === "text" || piece.type === "usage")).toBe(true);
    // Four of the five hostile events count; the fifth is a chunk without a choice.
    expect(dropped.length).toBeGreaterThanOrEqual(Math.floor((server.requests.at(-1)?.deltas ?? 0) * 0.75));
    expect(Object.hasOwn(Object.prototype, "polluted")).toBe(false);
  });

  it("skips and counts rubbish lines, and gives up behind more than 100 in a row", async () => {
    const dropped: Dropped[] = [];
    const onDropped = (what: Dropped): void => void dropped.push(what);
    const heard = await hear(openAi(server.url, { onDropped }), "{{rubbish=60 chars=100}}");
    expect(heard).toMatchObject({ failure: undefined, text: expectedText(1, 100) });
    expect(dropped.length).toBeGreaterThan(1_000);
    const given = await hear(openAi(server.url), "{{rubbish=150 chars=100}}");
    expect(fieldsOf(given.failure)).toMatchObject({ code: "model_unavailable", retryable: true });
  });

  it.each([
    ["a list", "data: []"],
    ["a delta that is a number", 'data: {"choices":[{"delta":7}]}'],
    ["content that is an object", 'data: {"choices":[{"delta":{"content":{"a":1}}}]}'],
    ["a choice that is null", 'data: {"choices":[null]}'],
    ["deep nesting", `data: ${"[".repeat(50_000)}${"]".repeat(50_000)}`],
    ["cut JSON", 'data: {"choices":[{"delta":{"content":"x"'],
  ])("counts %s as rubbish", (_, line) => {
    const { text, dropped, failure } = readCut(`${delta("a")}\n\n${line}\n\n${delta("b")}\n\n`, []);
    expect({ text, count: dropped.length, failure }).toEqual({ text: "ab", count: 1, failure: undefined });
  });

  it("takes other dialects: content in parts, a refusal in words, errors by event and by field", () => {
    const parts = [
      { type: "thinking", thinking: [{ type: "text", text: "hm" }] },
      { type: "text", text: "so" },
    ];
    expect(readCut(`${delta(parts)}\n\n`, []).text).toBe("so");
    expect(readCut('data: {"choices":[{"delta":{"refusal":"No."}}]}\n\n', []).text).toBe("No.");
    const limited = '{"message":"slow down","code":429}';
    for (const wire of [
      `event: error\ndata: ${limited}\n\n`,
      `error: {"error":${limited}}\n\n`,
      `data: {"error":${limited}}\n\n`,
    ]) {
      expect(fieldsOf(readCut(wire, []).failure)).toMatchObject({ code: "model_rate_limited", retryable: true });
    }
  });

  it("hears nothing behind [DONE]", () => {
    expect(readCut(`${delta("a")}\n\ndata: [DONE]\n\n${delta("b")}\n\n`, [])).toMatchObject({ text: "a", done: true });
  });
});

describe("PR07 size", () => {
  it("one delta of 10 MB comes through", async () => {
    const text = "0123456789".repeat(1_000_000);
    server.enqueue({ text, piece: text.length });
    const heard = await hear(openAi(server.url), "hello");
    expect(heard.failure).toBeUndefined();
    expect(heard.text === text).toBe(true);
  });

  it("an event above 16 MiB, and a line without an end, fail the reply", async () => {
    const text = "0123456789".repeat(1_800_000);
    server.enqueue({ text, piece: text.length });
    const code = "model_unavailable";
    expect(fieldsOf((await hear(openAi(server.url), "hello")).failure)).toMatchObject({ code });
    expect(fieldsOf((await hear(openAi(server.url), "{{line}}")).failure)).toMatchObject({ code });
    await vi.waitUntil(() => server.requests.at(-1)?.outcome === "aborted", { interval: 5, timeout: 10_000 });
    expect(server.requests.at(-1)?.bytes).toBeLessThan(64 * 1024 * 1024);
  });

  it("a flood that nobody reads stops at the sender, and goes on when it is read", async () => {
    const controller = new AbortController();
    const said = openAi(server.url).stream(requestOf(say("user", "{{endless piece=4000}}")), controller.signal);
    const iterator = said[Symbol.asyncIterator]();
    await iterator.next();
    const record = server.requests.at(-1);
    const sent = (): number => record?.bytes ?? 0;
    // Full is when the count has stood still for a while: the buffers of both sockets, and little of ours.
    const standsStill = async (): Promise<number> => {
      let before = -1;
      await vi.waitUntil(() => before === (before = sent()), { interval: 150, timeout: 20_000 });
      return sent();
    };
    const full = await standsStill();
    expect(full).toBeLessThan(24 * 1024 * 1024);
    let length = 0;
    // Above what one event may have: many small ones are no large one.
    while (length < Math.max(full * 1.5, 20 * 1024 * 1024)) {
      const next = await iterator.next();
      for (const piece of [next.value].flat()) if (piece?.type === "text") length += piece.text.length;
    }
    expect(await standsStill()).toBeGreaterThan(full);
    controller.abort();
    await expect(iterator.next()).rejects.toBe(controller.signal.reason);
  });
});

describe("PR05 PR08 servers that never come to an end", () => {
  let raw: Server;
  let base = "";
  let answer: (request: IncomingMessage, response: ServerResponse) => void = () => undefined;
  beforeAll(async () => {
    raw = createServer((request, response) => answer(request, response));
    await new Promise<void>((resolve) => raw.listen(0, "127.0.0.1", resolve));
    const address = raw.address();
    base = `http://127.0.0.1:${typeof address === "object" ? address?.port : 0}`;
  });
  afterAll(() => {
    raw.closeAllConnections();
    raw.close();
  });

  it("an error body without end is read to 64 KiB and closed", async () => {
    let sent = 0;
    let isClosed = false;
    answer = (_, response) => {
      response.writeHead(500);
      const pump = (): void => {
        while (!response.destroyed && response.write("x".repeat(1_024))) sent += 1_024;
        if (!response.destroyed) response.once("drain", pump);
      };
      response.once("close", () => (isClosed = true));
      pump();
    };
    const heard = await hear(openAi(base), "hello");
    expect(fieldsOf(heard.failure)).toMatchObject({ code: "model_unavailable", retryable: true });
    await vi.waitUntil(() => isClosed, { interval: 5, timeout: 10_000 });
    expect(sent).toBeLessThan(24 * 1024 * 1024);
  });

  it("a stream that neither says [DONE] nor closes ends soon behind its finish_reason", async () => {
    answer = (_, response) => {
      response.writeHead(200, { "content-type": "text/event-stream" });
      response.write(`${delta("all")}\n\ndata: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\n`);
    };
    const began = performance.now();
    expect(await hear(openAi(base), "hello")).toMatchObject({ failure: undefined, text: "all" });
    expect(performance.now() - began).toBeLessThan(4_000);
  });

  it("an answer that ends a moment behind [DONE] leaves its connection for the next request", async () => {
    const ports = new Set<number | undefined>();
    answer = (request, response) => {
      ports.add(request.socket.remotePort);
      response.writeHead(200, { "content-type": "text/event-stream" });
      response.write(`${delta("all")}\n\ndata: [DONE]\n\n`);
      setTimeout(() => response.end(), 20);
    };
    const model = openAi(base);
    for (let i = 0; i < 3; i++) {
      expect(await hear(model, "hello")).toMatchObject({ failure: undefined, text: "all" });
      await new Promise((resolve) => setTimeout(resolve, 60));
    }
    expect(ports.size).toBe(1);
  });

  it("a connection kept open behind [DONE] is given up", async () => {
    let isClosed = false;
    answer = (request, response) => {
      response.writeHead(200, { "content-type": "text/event-stream" });
      response.write(`${delta("all")}\n\ndata: [DONE]\n\n`);
      request.socket.once("close", () => (isClosed = true));
    };
    expect(await hear(openAi(base), "hello")).toMatchObject({ failure: undefined, text: "all" });
    await vi.waitUntil(() => isClosed, { interval: 20, timeout: 4_000 });
  });

  it("a whole completion that arrives cut inside a character keeps it", async () => {
    const text = "Grüße, 世界 🙂";
    const body = Buffer.from(JSON.stringify({ choices: [{ message: { content: text }, finish_reason: "stop" }] }));
    for (const at of [body.indexOf("ü") + 1, body.indexOf("世") + 2, body.indexOf("🙂") + 1]) {
      answer = (_, response) => {
        response.writeHead(200, { "content-type": "application/json" });
        response.write(body.subarray(0, at));
        setTimeout(() => response.end(body.subarray(at)), 20);
      };
      expect(await hear(openAi(base), "hello")).toMatchObject({ failure: undefined, text });
    }
  });

  it("a 200 that is a page, cut or compressed without being asked is no reply", async () => {
    for (const body of ["<html>", '{"choices":[{"message":{"content":"x"', "", '{"choices":[]}']) {
      answer = (_, response) => response.writeHead(200, { "content-type": "application/json" }).end(body);
      expect(fieldsOf((await hear(openAi(base), "hello")).failure)).toMatchObject({ code: "model_unavailable" });
    }
  });
});
