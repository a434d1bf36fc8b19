// Proves what a server does that may open few files: who is in goes on, who is too many is told or turned away, and nothing dies.
import { createConnection, type Socket } from "node:net";
import { afterEach, beforeEach, expect, test } from "vitest";
import { expectedText, startModelServer, type ModelServer } from "../support/model-server.ts";
import { until, WireClient } from "../support/wire-client.ts";
import { ServerProcess } from "./server-process.ts";

const patience = 60_000;
let model: ModelServer;
let server: ServerProcess;
const people: WireClient[] = [];
const crowd: Socket[] = [];

beforeEach(async () => {
  model = await startModelServer();
  const silence = { MODEL_FIRST_TOKEN_MS: "600000", MODEL_BETWEEN_TOKENS_MS: "600000" };
  const settings = { MODEL: "openai-compatible:test", OPENAI_BASE_URL: model.url, ...silence };
  server = new ServerProcess(settings, ["bash", "-c", 'ulimit -n 120; exec "$0" "$@"']);
  await server.start();
});
afterEach(async () => {
  for (const person of people.splice(0)) person.cut();
  for (const socket of crowd.splice(0)) socket.destroy();
  await server.dispose();
  await model.close();
});

async function comeIn(): Promise<WireClient> {
  const person = await WireClient.connect(server.url);
  people.push(person);
  return person;
}

/** Does something until it works. */
async function repeat(what: string, act: () => Promise<boolean>): Promise<void> {
  const end = performance.now() + patience;
  while (!(await act())) {
    if (performance.now() > end) throw new Error(`${what} does not work any more`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** Asks for a reply; with `hold` it waits, so many characters on, for the test's word. */
async function ask(person: WireClient, seed: number, more: string): Promise<Asked> {
  const conversation = crypto.randomUUID();
  const sent = await person.send(conversation, `{{seed=${seed} chars=400 ${more}}}`);
  expect(sent.type).toBe("ack");
  await person.open(conversation, { seq: 0 });
  return { view: conversation, reply: String(sent["reply"]) };
}

type Asked = { view: string; reply: string };
const none: Asked = { view: "", reply: "" };
const textOf = (person: WireClient, { view, reply }: Asked): string => person.views.get(view)?.text(reply) ?? "";
const ended = (person: WireClient, { view, reply }: Asked): unknown => {
  const status = person.views.get(view)?.status(reply);
  return status === "running" ? undefined : status;
};

/** Goes on with every reply that waits. */
function release(): void {
  for (const request of model.requests) request.hold = undefined;
}

/** Knocks like a browser; undefined where the connection ended without an answer. */
function knock(upgrade: boolean): Promise<string | undefined> {
  const { hostname, port, host } = new URL(server.url);
  const socket = createConnection(Number(port), hostname);
  crowd.push(socket);
  let answer = "";
  socket.on("error", () => undefined);
  if (upgrade) {
    const head = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n";
    const key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    socket.write(`GET /api/v1/async/chatbot HTTP/1.1\r\nHost: ${host}\r\n${head}${key}`);
  }
  return new Promise((resolve) => {
    socket.on("data", (data) => {
      answer += data.toString("latin1");
      if (answer.includes("\r\n\r\n")) resolve(answer);
    });
    socket.once("close", () => resolve(answer === "" ? undefined : answer));
    if (!upgrade) socket.once("connect", () => resolve("connected"));
  });
}

test("ST14 RO1 more sockets than the process may have files: who is in goes on, and who leaves makes room", async () => {
  const inside = await Promise.all(Array.from({ length: 5 }, comeIn));
  const replies = await Promise.all(inside.map((person, i) => ask(person, i + 1, "hold=100")));
  await until(
    () => inside.every((person, i) => textOf(person, replies[i] ?? none).length > 0),
    "the beginnings",
    patience,
  );

  // Twice as many as there are files, of both kinds, and they stay.
  const answers = await Promise.all(Array.from({ length: 240 }, (_, i) => knock(i % 3 > 0)));
  expect(answers).toContain("connected");
  expect(answers).toContain(undefined);
  for (const [i, person] of inside.entries()) {
    expect((await person.ask({ type: "ping" })).type).toBe("ack");
    const more = await ask(person, i + 10, "rate=500");
    await until(() => ended(person, more), "a reply in the crowd", patience);
    expect([ended(person, more), textOf(person, more)]).toEqual(["completed", expectedText(i + 10, 400)]);
  }
  release();
  for (const [i, person] of inside.entries()) {
    await until(() => ended(person, replies[i] ?? none), "a reply of before", patience);
    expect(textOf(person, replies[i] ?? none)).toBe(expectedText(i + 1, 400));
    expect([person.closed, person.anomalies]).toEqual([undefined, []]);
  }
  for (const socket of crowd) socket.destroy();
  await repeat("coming in", async () => (await comeIn()).hello.type === "ack");
  const newcomer = people.at(-1) ?? inside[0];
  if (newcomer === undefined) throw new Error("nobody");
  const first = await ask(newcomer, 99, "rate=500");
  await until(() => ended(newcomer, first), "the newcomer's reply", patience);
  expect(textOf(newcomer, first)).toBe(expectedText(99, 400));
}, 200_000);

test("ST14 RO1 G11 a full house: one more is told 1013, HTTP is answered, and who leaves makes room", async () => {
  // 120 files: 56 connections, 4 of them kept for HTTP.
  const inside = await Promise.all(Array.from({ length: 52 }, comeIn));
  expect(inside.map(({ hello }) => hello.type)).toEqual(inside.map(() => "ack"));
  const tooMany = await comeIn();
  await until(() => tooMany.closed, "the end of one too many", patience);
  expect(tooMany.closed?.code).toBe(1013);
  expect((await fetch(`${server.url}/readyz`)).status).toBe(200);
  for (const person of inside) expect((await person.ask({ type: "ping" })).type).toBe("ack");
  inside[0]?.cut();
  await repeat("coming in", async () => (await comeIn()).hello.type === "ack");
}, 200_000);

test("ST14 RO2 more replies than the process may have files: each ends, what had begun is whole, and then all is as before", async () => {
  const [person, other] = [await comeIn(), await comeIn()];
  const before = await ask(other, 500, "rate=500");
  await until(() => ended(other, before), "a reply before", patience);

  const asked: { seed: number; view: string; reply: string }[] = [];
  for (let seed = 1; seed <= 130; seed++) asked.push({ seed, ...(await ask(person, seed, "hold=100")) });
  const settled = (one: (typeof asked)[number]): boolean =>
    textOf(person, one).length > 0 || ended(person, one) !== undefined;
  await until(() => asked.every(settled), "every beginning or end", patience);
  const failed = asked.filter((one) => ended(person, one) === "failed");
  expect(failed.length).toBeGreaterThan(0);
  // Nothing can be opened now. What needs no file goes on; what needs one is refused for the moment, and no more.
  const search = { type: "conversation.list", query: expectedText(500, 400).slice(0, 12) };
  const refused = await other.ask(search);
  expect([refused.type, refused.error?.code]).toEqual(["error", "unavailable"]);
  expect((await other.ask({ type: "conversation.list" })).type).toBe("ack");
  expect((await other.send(before.view, "{{chars=4}}")).type).toBe("ack");

  release();
  for (const one of asked.filter((one) => !failed.includes(one))) {
    await until(() => ended(person, one), "a reply's end", patience);
    expect([ended(person, one), textOf(person, one)]).toEqual(["completed", expectedText(one.seed, 400)]);
  }
  // The model counts as away for some seconds (MO4).
  await repeat("a reply", async () => {
    const again = await ask(other, 7, "rate=500");
    return (await until(() => ended(other, again), "a reply's end", patience)) === "completed";
  });
  // Idle connections to the model are kept for the next replies until it ends them.
  await model.close();
  await repeat("a search", async () => (await other.ask(search)).type === "ack");
  expect([person.closed, person.anomalies, other.closed, other.anomalies]).toEqual([undefined, [], undefined, []]);
}, 300_000);
