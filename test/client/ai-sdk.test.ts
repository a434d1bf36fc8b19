// Proves that the AI SDK's own chat, unchanged, survives cuts and reloads on the transport, against the real server.
import { AbstractChat, type ChatState, type UIMessage, type UIMessageChunk } from "ai";
import { expect, onTestFinished, test } from "vitest";
import { throughlineTransport } from "../../src/ai-sdk/index.ts";
import { createChunker } from "../../src/ai-sdk/chunks.ts";
import { uuidFor } from "../../src/ai-sdk/ids.ts";
import { memoryLocal, until, type Client, type Message, type Part } from "../../src/client/index.ts";
import { expectedText, startModelServer } from "../support/model-server.ts";
import { startProxy } from "./proxy.ts";
import { startServer } from "./server.ts";
import { guest, online, streaming, textOf } from "./talk.ts";

/** The AI SDK's chat without React: state in plain fields. */
class PlainChat extends AbstractChat<UIMessage> {
  readonly errors: Error[] = [];
  constructor(client: Client, id: string, messages: UIMessage[] = []) {
    const state: ChatState<UIMessage> = {
      status: "ready",
      error: undefined,
      messages,
      pushMessage: (message) => void (state.messages = [...state.messages, message]),
      popMessage: () => void (state.messages = state.messages.slice(0, -1)),
      replaceMessage: (index, message) => void (state.messages = state.messages.with(index, structuredClone(message))),
      snapshot: (value) => structuredClone(value),
    };
    super({ id, state, transport: throughlineTransport({ client }), onError: (error) => void this.errors.push(error) });
  }
}

const said = (chat: PlainChat): string[] => chat.messages.map((message) => partsText(message.parts));
const partsText = (parts: UIMessage["parts"]): string =>
  parts.map((part) => (part.type === "text" ? part.text : "")).join("");

async function world(prefill = true) {
  const model = await startModelServer({ prefill });
  onTestFinished(() => model.close());
  const more = { MODEL_PREFILL: prefill ? "on" : "off" };
  const server = await startServer({ OPENAI_BASE_URL: model.url, MODEL: "openai-compatible:test-model", ...more });
  return { model, server };
}

test("AI1 a chat sends, and gets the reply with its id; only the new message is sent, under the one it answers", async () => {
  const { server, model } = await world();
  const chat = new PlainChat(guest(server.url), "chat one");
  await chat.sendMessage({ text: "One {{chars=50 reasoning=20}}" });
  expect(said(chat)).toEqual(["One {{chars=50 reasoning=20}}", expectedText(1, 50)]);
  expect(chat.messages[1]?.parts).toMatchObject([
    { type: "reasoning", text: expectedText(2, 20), state: "done" },
    { type: "text", text: expectedText(1, 50), state: "done" },
  ]);
  await chat.sendMessage({ text: "Two {{chars=30}}" });
  expect(said(chat)).toHaveLength(4);
  expect(chat.messages[3]?.metadata).toMatchObject({ status: "completed" });
  expect(model.requests.at(-1)?.messages.filter((message) => message.role !== "system")).toHaveLength(3);
  expect(chat.errors).toEqual([]);
});

test("AI2 B01 a stream spans cuts and a killed server, and ends only with the turn", async () => {
  const { server } = await world();
  const proxy = await startProxy(server.port);
  const client = guest(proxy.url);
  const chat = new PlainChat(client, "chat");
  const sending = chat.sendMessage({ text: "{{chars=1500 rate=250}}" });
  for (const length of [50, 400, 800]) {
    await expect.poll(() => (said(chat)[1] ?? "").length, { interval: 5, timeout: 10_000 }).toBeGreaterThan(length);
    proxy.cut();
    client.tryNow();
    expect(chat.status).toBe("streaming");
  }
  await server.kill();
  await server.start();
  client.tryNow();
  await sending;
  expect(said(chat)[1]).toBe(expectedText(1, 1500));
  expect(chat.messages).toHaveLength(2);
  expect(chat.errors).toEqual([]);
});

test("AI2 a reply that is made again after a crash replaces what was shown of it", async () => {
  const { server } = await world(false);
  const client = guest(server.url);
  const chat = new PlainChat(client, "chat");
  const sending = chat.sendMessage({ text: "{{chars=900 rate=200}}" });
  await expect.poll(() => (said(chat)[1] ?? "").length, { interval: 5, timeout: 10_000 }).toBeGreaterThan(100);
  await server.kill();
  await server.start();
  client.tryNow();
  await sending;
  expect(said(chat)[1]).toBe(expectedText(1, 900));
  expect(chat.messages[1]?.parts).toHaveLength(1);
});

test("AI3 B03 B08 leaving stops nothing; coming back shows the reply from its beginning and follows it", async () => {
  const { server, model } = await world();
  const storage = { local: memoryLocal() };
  const first = new PlainChat(guest(server.url, { storage }), "chat");
  const sending = first.sendMessage({ text: "{{chars=1200 rate=200}}" });
  await expect.poll(() => (said(first)[1] ?? "").length, { interval: 5, timeout: 10_000 }).toBeGreaterThan(100);
  await first.stop();
  await sending;
  expect(first.status).toBe("ready");

  const second = guest(server.url, { storage });
  const loaded = await throughlineTransport({ client: second }).load("chat");
  const chat = new PlainChat(second, "chat", loaded);
  await chat.resumeStream();
  expect(said(chat)).toEqual(["{{chars=1200 rate=200}}", expectedText(1, 1200)]);
  expect(chat.errors).toEqual([]);
  expect(model.requests).toHaveLength(1);
  await chat.resumeStream();
  expect(chat.status).toBe("ready");
  expect(said(chat)).toHaveLength(2);
});

test("AI4 B08 stop of the transport ends the turn on the server, and the stream with it, also from another page", async () => {
  const { server, model } = await world();
  const storage = { local: memoryLocal() };
  const chat = new PlainChat(guest(server.url, { storage }), "chat");
  const sending = chat.sendMessage({ text: "{{chars=9000 rate=100}}" });
  await expect.poll(() => (said(chat)[1] ?? "").length, { interval: 5, timeout: 10_000 }).toBeGreaterThan(40);
  const transport = throughlineTransport({ client: guest(server.url, { storage }) });
  await transport.load("chat");
  await transport.stop("chat");
  await sending;
  expect(chat.status).toBe("ready");
  expect(chat.messages[1]?.metadata).toMatchObject({ status: "stopped" });
  await expect.poll(() => model.requests[0]?.outcome).toBe("aborted");
});

test("AI5 regenerate is a retry, an edit is a branch, a failed turn is an error and its text stays", async () => {
  const { server } = await world(false);
  const client = guest(server.url);
  const chat = new PlainChat(client, "chat");
  await chat.sendMessage({ text: "One {{chars=20}}" });
  const first = chat.messages[1]?.id;
  await chat.regenerate();
  expect(said(chat)).toEqual(["One {{chars=20}}", expectedText(1, 20)]);
  expect(chat.messages[1]?.id).not.toBe(first);
  await chat.sendMessage({ text: "Better {{chars=25}}", messageId: chat.messages[0]?.id ?? "" });
  expect(said(chat)).toEqual(["Better {{chars=25}}", expectedText(1, 25)]);
  await chat.sendMessage({ text: "Broken {{chars=400 error=40 code=server_error}}" });
  expect(chat.status).toBe("error");
  expect(chat.errors).toHaveLength(1);
  expect((said(chat)[3] ?? "").length).toBeGreaterThan(20);
  const person = client.person.getSnapshot()?.id ?? "";
  const conversation = client.conversation(await uuidFor([person], "chat"));
  const branch = conversation.getSnapshot().entries[0]?.branch;
  expect(branch?.siblings).toHaveLength(2);
});

test("AI6 a message sent while the server is down is sent when it is there again, and streamed", async () => {
  const { server } = await world();
  const client = guest(server.url);
  client.connect();
  await online(client);
  await server.kill();
  await until(client.connection, (state) => (state.kind === "online" ? undefined : true));
  const chat = new PlainChat(client, "chat");
  const sending = chat.sendMessage({ text: "Late {{chars=40}}" });
  await until(client.pending, (items) => (items.length === 1 ? true : undefined));
  expect(chat.status).toBe("submitted");
  await server.start();
  client.tryNow();
  await sending;
  expect(said(chat)).toEqual(["Late {{chars=40}}", expectedText(1, 40)]);
});

/** What a reader of the chunks has in the end. */
function readChunks(chunks: readonly UIMessageChunk[]): string[] {
  const open = new Map<string, number>();
  let texts: string[] = [];
  for (const chunk of chunks) {
    if (chunk.type === "reset-step") {
      texts = [];
      open.clear();
    }
    if (chunk.type === "text-start" || chunk.type === "reasoning-start") {
      open.set(chunk.id, texts.length);
      texts.push("");
    }
    if (chunk.type === "text-delta" || chunk.type === "reasoning-delta") {
      const index = open.get(chunk.id);
      if (index === undefined) throw new Error(`${chunk.type} for a part that is not open`);
      texts[index] += chunk.delta;
    }
    if (chunk.type === "text-end" || chunk.type === "reasoning-end") {
      if (!open.delete(chunk.id)) throw new Error(`${chunk.type} for a part that is not open`);
    }
  }
  if (open.size > 0) throw new Error("a part was left open");
  return texts;
}

test("AI7 B01 B03 whatever states of a reply are seen on the way, the chunks make the whole", () => {
  const whole = [
    { type: "reasoning", text: "thought about it" },
    { type: "text", text: "Hello, world" },
    { type: "reasoning", text: "again" },
    { type: "text", text: "and more" },
  ] as const;
  const at = (length: number): Part[] => {
    let left = length;
    return whole.flatMap((part) => {
      const text = part.text.slice(0, Math.max(0, left));
      left -= part.text.length;
      return text === "" ? [] : [{ ...part, text }];
    });
  };
  const total = whole.reduce((sum, part) => sum + part.text.length, 0);
  const reply = (parts: Part[], status: "running" | "completed"): Message => ({
    id: "r",
    role: "assistant",
    parts,
    metadata: { createdAt: "", parent: null, status },
  });
  for (let a = 0; a <= total; a++) {
    for (let b = 0; b <= total; b += 3) {
      const chunker = createChunker();
      // From b < a on it was made again, in another attempt.
      const chunks = [
        ...chunker(reply(at(a), "running"), 1),
        ...chunker(reply(at(b), "running"), b < a ? 2 : 1),
        ...chunker(reply(at(total), "completed"), 2),
      ];
      expect(readChunks(chunks)).toEqual(whole.map((part) => part.text));
    }
  }
});

test("AI8 ids of a chat UI become the same UUIDs everywhere, and others for another person", async () => {
  const id = await uuidFor(["user"], "chat");
  expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  expect(await uuidFor(["user"], "chat")).toBe(id);
  expect(await uuidFor(["other"], "chat")).not.toBe(id);
  expect(await uuidFor(["user", "a"], "b")).not.toBe(await uuidFor(["user"], "a b"));
  expect(await uuidFor(["user"], "0190AAAA-0000-7000-8000-000000000000")).toBe("0190aaaa-0000-7000-8000-000000000000");
});

test("AI4 B07 a turn that this page only resumed is stopped too", async () => {
  const { server } = await world();
  const storage = { local: memoryLocal() };
  const writer = guest(server.url, { storage });
  writer.connect();
  await online(writer);
  const person = writer.person.getSnapshot()?.id ?? "";
  const conversation = writer.conversation(await uuidFor([person], "chat"));
  conversation.subscribe(() => undefined);
  await streaming(conversation, conversation.send("{{chars=9000 rate=100}}"), 40);
  const reader = guest(server.url, { storage });
  const transport = throughlineTransport({ client: reader });
  const chat = new PlainChat(reader, "chat", await transport.load("chat"));
  const resumed = chat.resumeStream();
  await expect.poll(() => chat.status, { timeout: 10_000 }).toBe("streaming");
  await transport.stop("chat");
  await resumed;
  expect(chat.status).toBe("ready");
  expect(textOf(conversation.getSnapshot().entries.at(-1)?.message)).toBe(said(chat)[1]);
});
