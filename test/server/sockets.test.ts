import { createConnection } from "node:net";
import { once } from "node:events";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { modelFrom } from "../../src/adapters/models/index.ts";
import { counting, sendTo, Stage, Talker, until, words } from "./talker.ts";

let stage: Stage;
beforeEach(() => void (stage = new Stage()));
afterEach(() => stage.end());
const uuid = (): string => crypto.randomUUID();

describe("sockets", () => {
  test("SO2 frames are handled in order, and none after the decision to close", async () => {
    const { talk } = await stage.serve();
    const talker = await talk();
    const conversation = uuid();
    talker.say({ type: "conversation.create", id: "a", conversation });
    for (let i = 0; i < 20; i++) talker.say({ type: "conversation.update", id: `u${i}`, conversation, title: `t${i}` });
    talker.say({ type: "auth.logout", id: "out" });
    talker.say({ type: "conversation.create", id: "late", conversation: uuid() });
    const { code } = await until(() => talker.closed, "the close");
    expect(code).toBe(4410);
    const ids = talker.frames.filter((frame) => frame.type === "ack").map((frame) => frame.id);
    expect(ids.slice(1)).toEqual(["a", ...Array.from({ length: 20 }, (_, i) => `u${i}`), "out"]);
  });

  test("SO4 FR08 FR10 a binary frame closes 1003, a ping flood 4429, while others are served", async () => {
    const { talk } = await stage.serve();
    const [binary, flood, healthy] = [await talk(), await talk(), await talk()];
    binary.ws.send(Buffer.from([1, 2, 3]));
    for (let i = 0; i < 1000; i++) flood.ws.ping();
    expect((await until(() => binary.closed, "1003")).code).toBe(1003);
    expect((await until(() => flood.closed, "4429")).code).toBe(4429);
    expect(await healthy.ask({ type: "ping" })).toMatchObject({ type: "ack" });
  });

  test("SO5 FR14 a socket that answers nothing for two heartbeats is dropped, one that answers is not", async () => {
    const { talk } = await stage.serve({ heartbeatMs: 60 });
    const [deaf, healthy] = [await talk({ guest: true }, { autoPong: false }), await talk()];
    const began = performance.now();
    expect((await until(() => deaf.closed, "the drop")).code).toBe(1006);
    expect(performance.now() - began).toBeGreaterThan(100);
    expect(await healthy.ask({ type: "ping" })).toMatchObject({ type: "ack" });
  });

  test("SO6 a flood of commands is worked off in order without growing the server, all of them answered", async () => {
    const { talk } = await stage.serve({ policy: "off" });
    const talker = await talk();
    for (let i = 0; i < 5000; i++) talker.say({ type: "ping", id: `p${i}` });
    await until(() => talker.frames.find((frame) => frame.id === "p4999"), "the last answer");
    expect(talker.frames.filter((frame) => frame.id?.startsWith("p")).length).toBe(5000);
  });

  test("SO7 JS12 an exception in a handler is internal with a reference, without a word of it; the socket goes on", async () => {
    const boom = (): Promise<never> => Promise.reject(new Error("SECRET inside"));
    const ann = { issuer: "i", subject: "ann", expiresAt: Date.now() + 3_600_000 };
    const identity = { verify: (token: string) => (token === "boom" ? boom() : Promise.resolve(ann)) };
    const { talk, address } = await stage.serve({ identity });
    const talker = await talk({ token: "fine" });
    const answer = await talker.ask({ type: "auth.refresh", token: "boom" });
    expect(answer).toMatchObject({ type: "error", error: { code: "internal", retryable: true } });
    expect(await talker.ask({ type: "ping" })).toMatchObject({ type: "ack" });
    const stranger = await new Talker(address).opened();
    expect(await stranger.ask({ type: "auth", token: "boom" })).toMatchObject({ error: { code: "internal" } });
    expect((await until(() => stranger.closed, "the close")).code).toBe(1011);
    expect(JSON.stringify([talker.frames, stranger.frames])).not.toContain("SECRET");
  });

  test("SO8 G12 draining: told, a running reply is finished, sockets closed 1012, nothing new begins", async () => {
    const { host, talk, address } = await stage.serve();
    const talker = await talk();
    const conversation = uuid();
    await talker.ask(sendTo(conversation, "30 words every 10 ms"));
    await talker.ask({ type: "conversation.open", conversation, seq: 0 });
    const closing = host.close(5000);
    expect(host.ready()).toBe(false);
    expect(await talker.ask(sendTo(uuid(), "hi"))).toMatchObject({ error: { code: "unavailable" } });
    expect((await fetch(`http://${address}/readyz`)).status).toBe(503);
    expect((await fetch(`http://${address}/healthz`)).status).toBe(200);
    expect((await until(() => talker.closed, "the close")).code).toBe(1012);
    await closing;
    expect(talker.frames.find((frame) => frame["code"] === "draining")).toMatchObject({ type: "notice" });
    expect(talker.text()).toBe(words(30));
    expect(talker.events().at(-1)).toMatchObject({ kind: "turn.finished", status: "completed" });
  });

  test("SO8 TU3 G12 a reply that takes longer than the grace is handed over: the next start goes on with it", async () => {
    const slow = (): ReturnType<typeof counting> => ({
      ...counting(),
      capabilities: { prefill: false, images: false },
    });
    const first = await stage.serve({ model: slow() });
    const talker = await first.talk();
    const token = talker.session;
    const conversation = uuid();
    await talker.ask(sendTo(conversation, "100 words every 20 ms"));
    await first.host.close(600);
    const { talk } = await stage.serve({ model: slow() });
    const again = await talk({ session: token, open: [{ conversation, seq: 0 }] });
    const finished = await until(() => again.events().find((event) => event.kind === "turn.finished"), "the end");
    expect(finished).toMatchObject({ status: "completed", length: words(100).length });
    expect(again.events().filter((event) => event.kind === "turn.resumed")).toMatchObject([
      { attempt: 2, mode: "restart" },
    ]);
  });

  test("SE4 AZ15 a logout everywhere ends every socket of the person, and nobody else's", async () => {
    const { talk, address } = await stage.serve();
    const one = await talk();
    const session = one.session;
    const [two, three, stranger] = [await talk({ session }), await talk({ session }), await talk()];
    const began = performance.now();
    await one.ask({ type: "auth.logout", everywhere: true });
    for (const talker of [one, two, three]) expect((await until(() => talker.closed, "4410")).code).toBe(4410);
    expect(performance.now() - began).toBeLessThan(1000);
    const late = await new Talker(address).opened();
    await late.ask({ type: "auth", session });
    expect((await until(() => late.closed, "the refusal")).code).toBe(4410);
    expect(await stranger.ask({ type: "ping" })).toMatchObject({ type: "ack" });
  });

  test("SE1 SE2 an idle session ends, on the socket and for its token; an unknown token is 4401", async () => {
    const { talk, address } = await stage.serve({ sessionIdleMs: 400 });
    const talker = await talk();
    const session = talker.session;
    expect((await until(() => talker.closed, "the end")).code).toBe(4410);
    for (const [token, code] of [
      [session, 4410],
      ["x".repeat(43), 4401],
    ] as const) {
      const late = await new Talker(address).opened();
      expect(await late.ask({ type: "auth", session: token })).toMatchObject({ error: { code: "unauthorized" } });
      expect((await until(() => late.closed, "the refusal")).code).toBe(code);
    }
  });

  test("SO1 HS05 HS06 silence closes 4408, anything but auth 4401, a first frame above 16 KiB 1009", async () => {
    const { address } = await stage.serve({ authMs: 150 });
    const silent = await new Talker(address).opened();
    const eager = await new Talker(address).opened();
    eager.say({ type: "ping", id: "1" });
    const fat = await new Talker(address).opened();
    fat.say({ type: "auth", id: "1", token: "x".repeat(17_000) });
    expect((await until(() => silent.closed, "4408")).code).toBe(4408);
    expect((await until(() => eager.closed, "4401")).code).toBe(4401);
    expect((await until(() => fat.closed, "1009")).code).toBe(1009);
    expect(fat.frames).toEqual([]);
  });

  test("HT1 HT2 HS01 HS03 HS04 HS12 what an upgrade and a request must be like", async () => {
    const { address } = await stage.serve({ loopback: true, allowedOrigins: ["https://app.example"] });
    const port = Number(address.split(":")[1]);
    const raw = async (head: string): Promise<string> => {
      const socket = createConnection(port, "127.0.0.1");
      socket.write(head);
      const [data] = (await once(socket, "data")) as [Buffer];
      socket.destroy();
      return data.toString().split("\r\n")[0] ?? "";
    };
    const upgrade = (
      more: { method?: string; path?: string; http?: string; version?: string; origin?: string } = {},
    ): Promise<string> =>
      raw(
        `${more.method ?? "GET"} ${more.path ?? "/api/v1/async/chatbot"} HTTP/${more.http ?? "1.1"}\r\nHost: ${address}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: ${more.version ?? "13"}\r\n${more.origin === undefined ? "" : `Origin: ${more.origin}\r\n`}\r\n`,
      );
    expect(await upgrade()).toContain("101");
    expect(await upgrade({ origin: `http://${address}` })).toContain("101");
    expect(await upgrade({ origin: "https://app.example" })).toContain("101");
    for (const origin of [
      "https://evil.example",
      "https://app.example.evil.example",
      "https://app.example:444",
      "null",
      "http://127.0.0.1",
    ]) {
      expect([origin, await upgrade({ origin })]).toEqual([origin, expect.stringContaining("403")]);
    }
    for (const name of ["token", "access_token", "Session"]) {
      expect(await upgrade({ path: `/api/v1/async/chatbot?${name}=secret` })).toContain("400");
    }
    expect(await upgrade({ version: "12" })).toContain("426");
    expect(await upgrade({ version: "8" })).toContain("426");
    expect(await upgrade({ method: "POST" })).toContain("405");
    expect(await upgrade({ http: "1.0" })).toContain("400");
    expect((await fetch(`http://${address}/healthz`)).status).toBe(200);
    expect((await fetch(`http://${address}/healthz`, { method: "DELETE" })).status).toBe(405);
    const plain = await fetch(`http://${address}/api/v1/async/chatbot`);
    expect([plain.status, plain.headers.get("content-type")]).toEqual([426, "application/problem+json"]);
  });

  test("JS08 a client of another version only is told which is spoken; no subprotocol at all is fine", async () => {
    const { address } = await stage.serve();
    // The platform's own WebSocket, as a browser has it: it accepts a server that chooses no subprotocol.
    const closeOf = (protocols: string[]): Promise<{ code: number; reason: string }> =>
      new Promise((resolve) => {
        const socket = new WebSocket(`ws://${address}/api/v1/async/chatbot`, protocols);
        socket.addEventListener("close", ({ code, reason }) => resolve({ code, reason }));
        socket.addEventListener("open", () => socket.send("rubbish"));
      });
    const closed = await closeOf(["throughline.v9"]);
    expect((await closeOf(["throughline.v9", "throughline.v1"])).code).toBe(4401);
    expect((await closeOf([])).code).toBe(4401);
    // One that then breaks the framing hurts nobody: an unmasked frame on a socket that is being refused.
    const port = Number(address.split(":")[1]);
    const raw = createConnection(port, "127.0.0.1");
    raw.on("error", () => undefined);
    raw.write(
      `GET /api/v1/async/chatbot HTTP/1.1\r\nHost: ${address}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: throughline.v9\r\n\r\n`,
    );
    await once(raw, "data");
    raw.write(Buffer.from([0x81, 0x05, 1, 2, 3, 4, 5]));
    await once(raw, "close");
    expect((await closeOf([])).code).toBe(4401);
    expect(closed.code).toBe(4400);
    expect(closed.reason).toContain("throughline.v1");
  });

  test("MO7 B06 B07 a stop from another socket aborts the model within 500 ms and nothing follows it", async () => {
    let abortedAt = 0;
    const model = modelFrom({
      name: "endless",
      async *stream(_request, signal) {
        signal.addEventListener("abort", () => (abortedAt = performance.now()));
        for (let i = 0; ; i++) {
          await new Promise((resolve) => setTimeout(resolve, 2));
          yield `${i} `;
        }
      },
    });
    const { talk } = await stage.serve({ model });
    const first = await talk();
    const session = first.session;
    const conversation = uuid();
    const { turn } = await first.ask(sendTo(conversation, "go"));
    await first.close();
    const second = await talk({ session, open: [{ conversation, seq: 0 }] });
    await until(() => second.text().length > 50, "some text");
    const asked = performance.now();
    const stopped = await second.ask({ type: "turn.stop", conversation, turn });
    expect(stopped).toMatchObject({ type: "ack", status: "stopped" });
    await until(() => abortedAt > 0, "the abort");
    expect(abortedAt - asked).toBeLessThan(500);
    const end = second.events().at(-1);
    expect(end).toMatchObject({ kind: "turn.finished", status: "stopped", length: second.text().length });
    const { seq } = await second.ask({ type: "conversation.open", conversation, seq: stopped["seq"] });
    expect(seq).toBe(stopped["seq"]);
    expect(await second.ask({ type: "turn.stop", conversation, turn })).toMatchObject({ status: "stopped", seq });
  });
});
