import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { expectedText, startModelServer, type ModelServer } from "../support/model-server.ts";
import { until } from "../server/talker.ts";
import { ServerProcess } from "./server-process.ts";
import { Stranger } from "./stranger.ts";

let model: ModelServer;
let server: ServerProcess;
beforeAll(async () => void (model = await startModelServer({ prefill: true })));
afterAll(() => model.close());
beforeEach(() => void (server = new ServerProcess({ MODEL: "openai-compatible:test", OPENAI_BASE_URL: model.url })));
afterEach(() => server.dispose());

const uuid = (): string => crypto.randomUUID();
const asking = (seed: number, chars: number, rate: number): string =>
  `{{seed=${seed} chars=${chars} rate=${rate} piece=4}}`;

describe("a client written from the protocol alone", () => {
  test("RD1 B06 G4 G5 sends, streams, is cut in mid-reply, resumes by seq, and a second viewer's stop ends it for both", async () => {
    await server.start();
    const first = await Stranger.connect(server.url);
    const conversation = uuid();
    const sent = await first.send(conversation, asking(5, 4000, 200));
    expect(sent).toMatchObject({ type: "ack", seq: 3 });
    const reply = String(sent["reply"]);
    await first.open(conversation);
    await until(() => (first.readers.get(conversation)?.texts.get(reply)?.length ?? 0) > 200, "some text");
    first.cut();
    await sleep(300);
    const second = await Stranger.connect(server.url, first);
    const viewer = await Stranger.connect(server.url, first);
    const textOf = (who: Stranger): string => who.readers.get(conversation)?.texts.get(reply) ?? "";
    await until(() => textOf(second).length > 600, "more text");
    const asked = performance.now();
    const stopped = await viewer.ask({ type: "turn.stop", conversation, turn: sent["turn"] });
    expect(stopped).toMatchObject({ type: "ack", status: "stopped", turn: sent["turn"] });
    const request = model.requests.at(-1);
    await until(() => request?.outcome === "aborted", "the model's request to be cancelled");
    expect(performance.now() - asked).toBeLessThan(500);
    await until(() => second.readers.get(conversation)?.finished.size === 1, "the end");
    await sleep(200);
    expect(textOf(second)).toBe(textOf(viewer));
    expect(expectedText(5, 4000).startsWith(textOf(second))).toBe(true);
    expect(second.readers.get(conversation)?.seq).toBe(stopped["seq"]);
    expect([...first.problems, ...second.problems, ...viewer.problems]).toEqual([]);
  });

  for (const [mode, resumed] of [
    ["continue", { mode: "continue", attempt: 2 }],
    ["restart", { mode: "restart", attempt: 2 }],
    ["interrupt", undefined],
  ] as const) {
    test(`TU3 B15 ST03 G1 G7 ON_CRASH=${mode}: kill -9 in mid-reply, and within 5 s of the start the reply goes on or is ended`, async () => {
      // A name that stays over restarts: the turn of the life before is not this life's own.
      const settings = { ON_CRASH: mode, MODEL_PREFILL: "on", NODE_NAME: "box" };
      await server.start(settings);
      const first = await Stranger.connect(server.url);
      const conversation = uuid();
      const sent = await first.send(conversation, asking(7, 900, 100));
      const reply = String(sent["reply"]);
      await first.open(conversation);
      await until(() => (first.readers.get(conversation)?.texts.get(reply)?.length ?? 0) > 100, "some text");
      await server.end("SIGKILL");
      expect(await server.start(settings)).toBeLessThan(5000);
      const second = await Stranger.connect(server.url, first);
      const reader = second.readers.get(conversation);
      const finished = await until(() => reader?.finished.get(String(sent["turn"])), "the end");
      expect(finished["status"]).toBe(mode === "interrupt" ? "interrupted" : "completed");
      expect(reader?.resumed).toMatchObject(resumed === undefined ? [] : [resumed]);
      const text = reader?.texts.get(reply) ?? "";
      if (mode === "interrupt") {
        expect(expectedText(7, 900).startsWith(text)).toBe(true);
        const again = await second.ask({ type: "turn.continue", conversation, message: reply });
        expect(again).toMatchObject({ type: "ack", reply });
        await until(() => reader?.finished.get(String(again["turn"])), "the continued end");
      }
      expect(reader?.texts.get(reply)).toBe(expectedText(7, 900));
      expect(second.problems).toEqual([]);
    });
  }

  test("TU4 B16 killed again and again without progress, the model is called a bounded number of times and the turn ends", async () => {
    await server.start();
    const first = await Stranger.connect(server.url);
    const conversation = uuid();
    const before = model.requests.length;
    const sent = await first.send(conversation, "{{stall=-1}}");
    await until(() => model.requests.length === before + 1, "the first call");
    for (let i = 0; i < 6; i++) {
      await server.end("SIGKILL");
      await server.start();
      await sleep(150);
    }
    const second = await Stranger.connect(server.url, first);
    const reader = await second.open(conversation);
    const finished = await until(() => reader.finished.get(String(sent["turn"])), "the end");
    expect(finished).toMatchObject({ status: "interrupted", error: { retryable: true } });
    expect(model.requests.length - before).toBe(4);
  });

  test("LG6 JS11 G2 every changing command repeated with its id gets the same answer and changes nothing, over a kill too", async () => {
    await server.start();
    const one = await Stranger.connect(server.url);
    const conversation = uuid();
    const message = uuid();
    const parts = [{ type: "text", text: asking(1, 40, 0) }];
    const commands: Record<string, unknown>[] = [
      { type: "conversation.create", id: "k1", conversation, title: "first" },
      { type: "message.send", id: "k2", conversation, message, parts },
    ];
    const answers = [await one.ask(commands[0] ?? {}), await one.ask(commands[1] ?? {})];
    const reply = answers[1]?.["reply"];
    const reader = await one.open(conversation);
    await until(() => reader.finished.size === 1, "the reply");
    const more = [
      { type: "message.edit", id: "k3", conversation, message, replacement: uuid(), parts },
      { type: "message.react", id: "k4", conversation, message, reaction: "👍", on: true },
      { type: "turn.retry", id: "k5", conversation, message: reply },
      { type: "turn.stop", id: "k6", conversation, turn: answers[1]?.["turn"] },
      { type: "conversation.update", id: "k7", conversation, title: "second" },
    ];
    for (const command of more) answers.push(await one.ask(command));
    commands.push(...more);
    await until(() => reader.finished.size === 3, "all replies");
    const head = reader.seq;
    await server.end("SIGKILL");
    await server.start();
    const two = await Stranger.connect(server.url, one);
    for (const [i, command] of commands.entries()) {
      expect(await two.ask(command)).toEqual(answers[i]);
      const changed = { ...command, conversation: uuid() };
      expect(await two.ask(changed)).toMatchObject({ error: { code: "conflict" } });
    }
    expect(await two.ask({ type: "conversation.open", conversation, seq: head })).toMatchObject({ seq: head });
    const sockets = await Promise.all(Array.from({ length: 10 }, () => Stranger.connect(server.url, two)));
    const fresh = { type: "message.send", id: "k8", conversation, message: uuid(), parts };
    const same = await Promise.all(sockets.map((socket) => socket.ask(fresh)));
    expect(new Set(same.map((answer) => JSON.stringify(answer))).size).toBe(1);
    expect(same[0]).toMatchObject({ type: "ack" });
    for (const socket of sockets) socket.cut();
  });

  test("B14 MO6 PR05 a failure that happens while nobody looks is there afterwards, in the words of the table", async () => {
    await server.start({ MODEL_FIRST_TOKEN_MS: "300", MODEL_BETWEEN_TOKENS_MS: "300" });
    const first = await Stranger.connect(server.url);
    const conversation = uuid();
    const sent = await first.send(conversation, "{{chars=400 piece=4 stall=10}}");
    first.cut();
    await sleep(1500);
    const second = await Stranger.connect(server.url, first);
    const reader = await second.open(conversation);
    const finished = await until(() => reader.finished.get(String(sent["turn"])), "the end");
    expect(finished).toMatchObject({ status: "failed", error: { code: "model_timeout", retryable: true }, length: 40 });
    expect(second.problems).toEqual([]);
  });

  test("B26 opened anew every 100 ms, every view is whole and live until the end", async () => {
    await server.start();
    const first = await Stranger.connect(server.url);
    const conversation = uuid();
    const sent = await first.send(conversation, asking(9, 1200, 150));
    const reply = String(sent["reply"]);
    const whole = expectedText(9, 1200);
    let last = 0;
    for (let i = 0; i < 15; i++) {
      const socket = await Stranger.connect(server.url, first);
      const reader = await socket.open(conversation);
      await until(() => reader.live, "live");
      const text = reader.texts.get(reply) ?? "";
      expect(whole.startsWith(text)).toBe(true);
      expect(text.length).toBeGreaterThanOrEqual(last);
      last = text.length;
      expect(socket.problems).toEqual([]);
      socket.cut();
      await sleep(100);
    }
    const end = await Stranger.connect(server.url, first);
    const reader = await end.open(conversation);
    await until(() => reader.finished.size === 1, "the end");
    expect(reader.texts.get(reply)).toBe(whole);
  });

  test("CM1 AZ01 AZ03 G9 another user's ids give not_found in every command and not a byte of content", async () => {
    await server.start();
    const ann = await Stranger.connect(server.url);
    const conversation = uuid();
    const message = uuid();
    const sent = await ann.ask({
      type: "message.send",
      conversation,
      message,
      parts: [{ type: "text", text: "TOPSECRET {{chars=50}}" }],
    });
    const bob = await Stranger.connect(server.url);
    const parts = [{ type: "text", text: "x" }];
    const attempts: Record<string, unknown>[] = [
      { type: "conversation.create", conversation },
      { type: "conversation.open", conversation },
      { type: "conversation.open", conversation, seq: 0 },
      { type: "conversation.close", conversation },
      { type: "conversation.update", conversation, title: "x" },
      { type: "conversation.delete", conversation },
      { type: "conversation.history", conversation },
      { type: "message.send", conversation, message: uuid(), parts },
      { type: "message.edit", conversation, message, replacement: uuid(), parts },
      { type: "message.react", conversation, message, reaction: "👍", on: true },
      { type: "turn.stop", conversation, turn: sent["turn"] },
      { type: "turn.retry", conversation, message: sent["reply"] },
      { type: "turn.continue", conversation, message: sent["reply"] },
    ];
    for (const attempt of attempts)
      expect([attempt["type"], await bob.ask(attempt)]).toMatchObject([
        attempt["type"],
        { error: { code: "not_found" } },
      ]);
    expect(await bob.ask({ type: "conversation.list" })).toMatchObject({ conversations: [] });
    expect(bob.readers.size).toBe(0);
    expect(await ann.ask({ type: "conversation.list" })).toMatchObject({ conversations: [{ id: conversation }] });
  });

  test("SO8 G12 SIGTERM in mid-reply: told, finished, closed 1012, exit 0", async () => {
    await server.start();
    const ann = await Stranger.connect(server.url);
    const conversation = uuid();
    const sent = await ann.send(conversation, asking(3, 800, 150));
    const reader = await ann.open(conversation);
    await until(() => (reader.texts.get(String(sent["reply"]))?.length ?? 0) > 50, "some text");
    expect(await server.end("SIGTERM")).toBe(0);
    await until(() => ann.closed !== undefined, "the close");
    expect(ann.closed).toBe(1012);
    expect(ann.notices).toMatchObject([{ code: "draining" }]);
    expect(reader.texts.get(String(sent["reply"]))).toBe(expectedText(3, 800));
    expect(ann.problems).toEqual([]);
  });

  test("SS3 a bad setting refuses the start with its name and what is allowed", async () => {
    await expect(server.start({ ON_CRASH: "maybe" })).rejects.toThrow(
      /ended with 1: .*ON_CRASH.*continue.*restart.*interrupt/s,
    );
    await expect(server.start({ MODEL: "nonsense:x" })).rejects.toThrow(/MODEL/);
  });

  test("ST10 a second process on the same folder is refused with a reason, and the first goes on", async () => {
    await server.start();
    const ann = await Stranger.connect(server.url);
    const other = new ServerProcess({});
    await expect(other.start({ DATA_DIR: server.dataDir })).rejects.toThrow(/ended with 1/);
    expect(await ann.ask({ type: "ping" })).toMatchObject({ type: "ack" });
    await other.dispose();
  });
});
