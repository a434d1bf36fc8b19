// Owns the proof that every code of the wire is really given: one scene for each, played on real sockets and requests.
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { ModelFailure, type Model } from "../../src/host.ts";
import { closeCodes, errorCodes, reject, type CloseCode, type ErrorCode } from "../../src/protocol/index.ts";
import { defaultPolicy, type Policy } from "../../src/server/policy.ts";
import { frame, Raw } from "../hostile/raw.ts";
import { sendTo, Stage, Talker, until, type Served } from "../server/talker.ts";
import { Register, token, tokens } from "./sign-in.ts";

let stage: Stage;
beforeEach(() => void (stage = new Stage()));
afterEach(() => stage.end());

const uuid = (): string => crypto.randomUUID();
const register = (away = false): Register => Object.assign(new Register(), { away });
const serve = (more: Parameters<Stage["serve"]>[0] = {}): Promise<Served> => stage.serve({ identity: tokens, ...more });
/** A guest says something; what it was sent. */
const says = async (...commands: object[]): Promise<Talker> => {
  const talker = await (await serve()).talk();
  for (const command of commands) await talker.ask(command);
  return talker;
};
/** Somebody tries to come in, and is turned away. */
const enters = async (auth: object, more: Parameters<Stage["serve"]>[0] = {}): Promise<Talker> => {
  const talker = await new Talker((await serve(more)).address).opened();
  talker.say({ type: "auth", id: "in", ...auth });
  await until(() => talker.closed, "the close");
  return talker;
};
/** A model that fails so; the talker has read its reply to the end. */
const failing = async (code: ModelFailure["code"]): Promise<Talker> => {
  const failure = new ModelFailure(code, { retryable: false });
  const stream: Model["stream"] = () => ({ [Symbol.asyncIterator]: () => ({ next: () => Promise.reject(failure) }) });
  const model: Model = { name: "failing", capabilities: { prefill: false, images: false }, stream };
  const talker = await (await serve({ model })).talk();
  const conversation = uuid();
  await talker.ask(sendTo(conversation, "hello"));
  await talker.ask({ type: "conversation.open", conversation, seq: 0 });
  await until(() => talker.events().find((event) => event.kind === "turn.finished"), "the end");
  return talker;
};

const blocked = (): Register => {
  const people = register();
  people.says.set("ann", reject("blocked"));
  return people;
};

/** A guest whose numbers are these says something twice. */
const bounded = async (numbers: Partial<Policy["guest"]>): Promise<Talker> => {
  const policy = { ...defaultPolicy, guest: { ...defaultPolicy.guest, ...numbers } };
  const talker = await (await serve({ policy })).talk();
  for (const words of ["one", "two"]) await talker.ask(sendTo(uuid(), words));
  return talker;
};

const errorScenes: { readonly [C in ErrorCode]: () => Promise<Talker> } = {
  invalid: () => says({ type: "conversation.create", conversation: "x" }),
  unauthorized: () => enters({ token: "rubbish" }),
  async forbidden() {
    const talker = await (await serve()).talk();
    const conversation = uuid();
    const { reply } = await talker.ask(sendTo(conversation, "hello"));
    const parts = [{ type: "text", text: "x" }];
    await talker.ask({ type: "message.edit", conversation, message: reply, replacement: uuid(), parts });
    return talker;
  },
  not_found: () => says({ type: "conversation.open", conversation: uuid() }),
  conflict: () => says({ type: "auth", guest: true }),
  too_large: () => says(sendTo(uuid(), "x".repeat(131_073))),
  async blocked() {
    const people = blocked();
    return enters({ token: token("ann") }, { users: (inner) => people.over(inner) });
  },
  async unavailable() {
    const people = register(true);
    return enters({ token: token("ann") }, { users: (inner) => people.over(inner) });
  },
  rate_limited: () => bounded({ messagesPerMinute: 1 }),
  quota_exceeded: () => bounded({ tokensPerDay: 1 }),
  async overloaded() {
    const { talk } = await serve();
    const talkers = await Promise.all(Array.from({ length: 40 }, () => talk()));
    await Promise.all(talkers.map((talker) => talker.ask(sendTo(uuid(), "hello"))));
    const searches = talkers.map((talker) => talker.ask({ type: "conversation.list", query: "no such word" }));
    const answers = await Promise.all(searches);
    const refused = talkers[answers.findIndex(({ type }) => type === "error")];
    if (refused === undefined) throw new Error("forty searches at once, and none was refused");
    return refused;
  },
  async unsupported_media() {
    const { address, talk } = await serve();
    const talker = await talk();
    const body = new FormData();
    body.append("file", new Blob([Buffer.from([0, 1, 2, 3])], { type: "image/png" }), "a.png");
    const headers = { authorization: `Bearer ${talker.session}` };
    const answer = await fetch(`http://${address}/api/v1/files`, { method: "POST", headers, body });
    const { code }: { code?: unknown } = JSON.parse(await answer.text());
    talker.frames.push({ type: "problem", error: { code } });
    return talker;
  },
  model_unavailable: () => failing("model_unavailable"),
  model_rate_limited: () => failing("model_rate_limited"),
  model_timeout: () => failing("model_timeout"),
  model_refused: () => failing("model_refused"),
  context_overflow: () => failing("context_overflow"),
  internal: () => enters({ token: "x" }, { identity: { verify: () => Promise.reject(new Error("a bug")) } }),
};

const closes = async (act: (talker: Talker) => void, more: Parameters<Stage["serve"]>[0] = {}): Promise<Talker> => {
  const talker = await (await serve(more)).talk();
  act(talker);
  await until(() => talker.closed, "the close");
  return talker;
};
/** Bytes as they are, and the code of the close frame that answers them. */
const raw = async (bytes: Buffer): Promise<number> => {
  const { address } = await serve();
  const socket = await Raw.connect(`http://${address}`);
  socket.write(bytes);
  return socket.ended();
};
const fragments = (count: number): Buffer =>
  Buffer.concat([
    frame({ fin: false, opcode: 1, payload: "x" }),
    ...Array.from({ length: count }, () => frame({ fin: false, opcode: 0, payload: "x" })),
  ]);

const closeScenes: { readonly [C in CloseCode]: () => Promise<Talker | number> } = {
  1000: () => closes((talker) => talker.ws.close(1000)),
  1001: () => closes((talker) => talker.ws.close(1001)),
  1002: () => raw(frame({ opcode: 3 })),
  1003: () => closes((talker) => talker.ws.send(Buffer.from([1]))),
  1006: async () => {
    const talker = await (await serve({ heartbeatMs: 40 })).talk({ guest: true }, { autoPong: false });
    await until(() => talker.closed, "the drop");
    return talker;
  },
  1007: () => raw(frame({ payload: Buffer.from([0xff, 0xfe]) })),
  1008: () => raw(fragments(1100)),
  1009: () => closes((talker) => talker.ws.send("x".repeat(300_000))),
  1011: errorScenes.internal,
  async 1012() {
    const { host, talk } = await serve();
    const talker = await talk();
    await host.close(100);
    await until(() => talker.closed, "the close");
    return talker;
  },
  1013: errorScenes.unavailable,
  4400: () =>
    closes((talker) => {
      for (let i = 0; i < 10; i++) talker.ws.send("rubbish");
    }),
  4401: errorScenes.unauthorized,
  4403: errorScenes.blocked,
  async 4408() {
    const { address } = await serve({ authMs: 30 });
    const talker = await new Talker(address).opened();
    await until(() => talker.closed, "the close");
    return talker;
  },
  4410: () => closes((talker) => talker.say({ type: "auth.logout", id: "out" })),
  4429: () =>
    closes((talker) => {
      for (let i = 0; i < 1000; i++) talker.ws.ping();
    }),
};

describe.each(Object.entries(errorScenes))("PE12 the error %s", (code, play) => {
  test("PE12 is given in its scene", async () => {
    const talker = await play();
    expect(JSON.stringify(talker.frames)).toContain(`"error":{"code":"${code}"`);
  });
});

describe.each(Object.entries(closeScenes))("PE12 the close code %s", (code, play) => {
  test("PE12 is given in its scene", async () => {
    const end = await play();
    expect(typeof end === "number" ? end : end.closed?.code).toBe(Number(code));
  });
});

test("PE12 every code of the tables has a scene", () => {
  expect(Object.keys(errorScenes).sort()).toEqual(Object.keys(errorCodes).sort());
  expect(Object.keys(closeScenes)).toEqual(Object.keys(closeCodes));
});
