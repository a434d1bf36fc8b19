// Owns the matrix of access: for every command of the wire and every route of the server, who is answered what. The list of
// commands is that of the schemas: a new one without its row does not compile, and fails here.
import { request as httpRequest } from "node:http";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { memoryDisk, openMemoryStore } from "../../src/adapters/memory/store.ts";
import { commandSchemas, defaultLimits, reject, type CommandOf, type CommandType } from "../../src/protocol/index.ts";
import { createHttpFace } from "../../src/server/http.ts";
import { systemClock } from "../../src/server/clock.ts";
import { counting, sendTo, Stage, startBare, Talker, until, type Frame, type Served } from "../server/talker.ts";
import { Register, token, tokens } from "./sign-in.ts";

/** Words of the owner that nobody else may be sent. */
const mark = "For the owner's eyes";
const uuid = (): string => crypto.randomUUID();

/** What of the owner a command may name. */
type Aim = {
  conversation: string;
  message: string;
  /** A reply that was stopped, and its turn. */
  reply: string;
  turn: string;
  /** Another session of the owner. */
  session: string;
};
const nothing = (): Aim => ({ conversation: uuid(), message: uuid(), reply: uuid(), turn: uuid(), session: uuid() });

type Answer = "ack" | "conflict" | "not_found" | "unauthorized";
type Row<T extends CommandType> = {
  /** The command, aimed at somebody's things. */
  readonly say: (aim: Aim) => Omit<CommandOf<T>, "id">;
  /** To the owner of these things; to everybody else who is signed in, guests too; to anybody, for things that do not exist. */
  readonly owner: Answer;
  readonly others: Answer;
  readonly unknown: Answer;
};

const parts = [{ type: "text" as const, text: "hello" }];
const everybody = { owner: "ack", others: "ack", unknown: "ack" } as const;
const ownerOnly = { owner: "ack", others: "not_found", unknown: "not_found" } as const;

const matrix: { readonly [T in CommandType]: Row<T> } = {
  auth: { say: () => ({ type: "auth", guest: true }), owner: "conflict", others: "conflict", unknown: "conflict" },
  "auth.refresh": {
    say: () => ({ type: "auth.refresh", token: token("ann") }),
    owner: "ack",
    others: "unauthorized",
    unknown: "unauthorized",
  },
  "auth.logout": { say: () => ({ type: "auth.logout" }), ...everybody },
  "session.list": { say: () => ({ type: "session.list" }), ...everybody },
  "session.revoke": { say: ({ session }) => ({ type: "session.revoke", session }), ...ownerOnly },
  ping: { say: () => ({ type: "ping" }), ...everybody },
  "conversation.list": { say: () => ({ type: "conversation.list" }), ...everybody },
  // An id of one's own choosing: one that nobody has is free.
  "conversation.create": {
    say: ({ conversation }) => ({ type: "conversation.create", conversation }),
    owner: "conflict",
    others: "not_found",
    unknown: "ack",
  },
  "conversation.open": {
    say: ({ conversation }) => ({ type: "conversation.open", conversation, seq: 0 }),
    ...ownerOnly,
  },
  "conversation.close": { say: ({ conversation }) => ({ type: "conversation.close", conversation }), ...ownerOnly },
  "conversation.update": {
    say: ({ conversation }) => ({ type: "conversation.update", conversation, title: "x" }),
    ...ownerOnly,
  },
  "conversation.delete": { say: ({ conversation }) => ({ type: "conversation.delete", conversation }), ...ownerOnly },
  "conversation.history": { say: ({ conversation }) => ({ type: "conversation.history", conversation }), ...ownerOnly },
  "message.send": {
    say: ({ conversation }) => ({ type: "message.send", conversation, message: uuid(), parts }),
    owner: "ack",
    others: "not_found",
    unknown: "ack",
  },
  "message.edit": {
    say: ({ conversation, message }) => ({ type: "message.edit", conversation, message, replacement: uuid(), parts }),
    ...ownerOnly,
  },
  "message.react": {
    say: ({ conversation, message }) => ({ type: "message.react", conversation, message, reaction: "👍", on: true }),
    ...ownerOnly,
  },
  "turn.stop": { say: ({ conversation, turn }) => ({ type: "turn.stop", conversation, turn }), ...ownerOnly },
  "turn.retry": {
    say: ({ conversation, reply }) => ({ type: "turn.retry", conversation, message: reply }),
    ...ownerOnly,
  },
  "turn.continue": {
    say: ({ conversation, reply }) => ({ type: "turn.continue", conversation, message: reply }),
    ...ownerOnly,
  },
};
const types = Object.keys(commandSchemas) as CommandType[];
const rowOf = (type: CommandType): Row<CommandType> => matrix[type];
/** Those that name a conversation. */
const aimed = types.filter((type) => "conversation" in commandSchemas[type].entries);

const stage = new Stage();
const register = new Register();
let served: Served;
let expired: string;
beforeAll(async () => {
  const earlier = await stage.serve();
  expired = (await earlier.talk()).session;
  await earlier.host.close(0);
  // Its month has passed.
  const file = new DatabaseSync(join(stage.dataDir, "throughline.db"));
  file.exec("UPDATE sessions SET created_at = 1, last_seen_at = 1");
  file.close();
  served = await stage.serve({ identity: tokens, users: (inner) => register.over(inner), guests: true });
});
afterAll(() => stage.end());

const verdict = (answer: Frame): string =>
  answer.type === "ack" ? "ack" : ((answer["error"] as { code: string } | undefined)?.code ?? "nothing");
const bodyOf = (answer: Frame): string => JSON.stringify({ ...answer, id: "" });
const said = (talker: Talker): string => JSON.stringify(talker.frames);

/** Somebody with a conversation: a message, a reply that was stopped, and two sessions. */
async function furnish(who: string): Promise<{ talker: Talker; aim: Aim }> {
  const [talker, second] = [await served.talk({ token: token(who) }), await served.talk({ token: token(who) })];
  const conversation = uuid();
  await talker.ask({ type: "conversation.create", conversation, title: mark });
  const sent = await talker.ask(sendTo(conversation, `${mark}: 500 words every 20 ms`));
  const { message, reply, turn } = sent as unknown as Record<string, string>;
  await talker.ask({ type: "turn.stop", conversation, turn });
  const session = (second.frames[0]?.["session"] as { id: string } | undefined)?.id ?? "";
  return { talker, aim: { conversation, message: message ?? "", reply: reply ?? "", turn: turn ?? "", session } };
}
const others = {
  "another person": () => served.talk({ token: token("bob") }),
  "a guest": () => served.talk(),
};

test("PE10 every command of the schemas has its row", () => {
  expect(Object.keys(matrix).sort()).toEqual([...types].sort());
});

describe.each(types)("PE10 %s", (type) => {
  const { say, ...expected } = rowOf(type);

  test("PE10 AZ01 is answered to its owner as the matrix says", async () => {
    const { talker, aim } = await furnish("ann");
    expect(verdict(await talker.ask(say(aim)))).toBe(expected.owner);
  });

  test.each(Object.entries(others))(
    "PE10 G9 AZ01 AZ03 to %s: as the matrix says, and in the very words for what does not exist",
    async (_, come) => {
      const { talker: owner, aim } = await furnish("ann");
      const before = bodyOf(await owner.ask({ type: "conversation.open", conversation: aim.conversation }));
      const talker = await come();
      const answer = await talker.ask(say(aim));
      expect(verdict(answer)).toBe(expected.others);
      if (type === "auth.logout") return;
      const unknown = await talker.ask(say(nothing()));
      expect(verdict(unknown)).toBe(expected.unknown);
      if (expected.others === "not_found" && expected.unknown === "not_found")
        expect(bodyOf(answer)).toBe(bodyOf(unknown));
      // Nothing of the owner's was said, or done.
      await talker.ask({ type: "ping" });
      expect(said(talker)).not.toContain(mark);
      expect(said(talker)).not.toContain(aim.conversation);
      expect(bodyOf(await owner.ask({ type: "conversation.open", conversation: aim.conversation }))).toBe(before);
      expect(owner.closed).toBeUndefined();
    },
  );

  const refusedAtTheDoor = async (auth: object | undefined): Promise<{ code: number; answers: Frame[] }> => {
    const { aim } = await furnish("ann");
    const talker = await new Talker(served.address).opened();
    if (auth !== undefined) talker.say({ id: "door", type: "auth", ...auth });
    talker.say({ id: "it", ...say(aim) });
    const { code } = await until(() => talker.closed, "the close");
    return { code, answers: talker.frames };
  };
  const one = (id: string, code: "unauthorized" | "blocked") => [{ type: "error", id, error: reject(code) }];

  test("PE10 HS06 AZ15 to whoever is not signed in, whose session has expired or was ended, who is blocked: nothing", async () => {
    // `auth` itself is how one signs in: a guest may.
    if (type !== "auth") {
      expect(await refusedAtTheDoor(undefined)).toEqual({ code: 4401, answers: one("it", "unauthorized") });
    }
    expect(await refusedAtTheDoor({ session: expired })).toEqual({ code: 4410, answers: one("door", "unauthorized") });
    const gone = await served.talk({ token: token("ann") });
    const { session } = gone;
    await gone.ask({ type: "auth.logout" });
    expect(await refusedAtTheDoor({ session })).toEqual({ code: 4410, answers: one("door", "unauthorized") });
    expect(await refusedAtTheDoor({ token: "rubbish" })).toEqual({ code: 4401, answers: one("door", "unauthorized") });
    // Blocked by the repository of users. Whoever blocks by other means (an operator's list) belongs here as well.
    register.says.set("mallory", reject("blocked"));
    expect(await refusedAtTheDoor({ token: token("mallory") })).toEqual({
      code: 4403,
      answers: one("door", "blocked"),
    });
  });
});

describe("PE10 things of another inside one's own conversation", () => {
  test("PE10 G9 AZ06 AZ08 messages, replies and turns of another are not there, in the words for what never was", async () => {
    const { aim } = await furnish("ann");
    const { talker, aim: own } = await furnish("bob");
    const inOwn = (foreign: Aim): Frame[] =>
      [
        rowOf("message.edit").say({ ...foreign, conversation: own.conversation }),
        rowOf("message.react").say({ ...foreign, conversation: own.conversation }),
        rowOf("turn.stop").say({ ...foreign, conversation: own.conversation }),
        rowOf("turn.retry").say({ ...foreign, conversation: own.conversation }),
        rowOf("turn.continue").say({ ...foreign, conversation: own.conversation }),
        { type: "conversation.history", conversation: own.conversation, before: foreign.message },
        sendTo(own.conversation, "x", { parent: foreign.message }),
        { ...sendTo(own.conversation, "x"), parts: [{ type: "file", file: foreign.message }] },
      ] as Frame[];
    const unknown = inOwn(nothing());
    for (const [i, command] of inOwn(aim).entries()) {
      const answer = await talker.ask(command);
      expect([command.type, verdict(answer)]).toEqual([command.type, "not_found"]);
      expect(bodyOf(answer)).toBe(bodyOf(await talker.ask(unknown[i] ?? {})));
    }
    expect(said(talker)).not.toContain(aim.conversation);
  });

  test("PE10 AZ03 AZ04 another's conversation in `auth.open`, with any cursor: an error, no byte of it, and nothing of what comes", async () => {
    const { talker: owner, aim } = await furnish("ann");
    const { conversation } = aim;
    for (const at of [{}, { seq: 0 }, { seq: 3 }, { seq: 2 ** 60 }, { seq: -1 }, { seq: 1, epoch: "other" }]) {
      const bob = await served.talk({
        token: token("bob"),
        open: [
          { conversation, ...at },
          { conversation: uuid(), ...at },
        ],
      });
      await owner.ask(sendTo(conversation, mark));
      await bob.ask({ type: "ping" });
      const errors = bob.frames.filter((frame) => frame.type === "error").map(({ error }) => error);
      const refusal = reject("not_found", { field: "conversation" });
      expect(errors).toEqual([refusal, refusal]);
      expect(bob.frames.some((frame) => ["events", "snapshot", "live"].includes(frame.type))).toBe(false);
      expect(said(bob)).not.toContain(mark);
    }
  });

  test("PE10 AZ17 two people behind one address, at once: each list and each answer is its own", async () => {
    const people = await Promise.all(
      Array.from({ length: 8 }, async (_, i) => ({
        name: `p${i}`,
        talker: await served.talk({ token: token(`p${i}`) }),
      })),
    );
    // The same ids of commands: they are unique per user only.
    await Promise.all(
      people.map(({ name, talker }) =>
        talker.ask({ type: "conversation.create", id: "same", conversation: uuid(), title: `title of ${name}` }),
      ),
    );
    for (const { name, talker } of people) {
      const { conversations } = (await talker.ask({ type: "conversation.list" })) as Frame & {
        conversations: object[];
      };
      expect(conversations).toMatchObject([{ title: `title of ${name}` }]);
    }
  });
});

describe("PE10 the work and the time of a refusal", () => {
  test("PE10 AZ01 another's things and none at all cost the store the same calls", async () => {
    const store = openMemoryStore(memoryDisk(), { clock: systemClock });
    const calls: string[] = [];
    const counted = new Proxy(store.log, {
      get(log, name, receiver) {
        const value: unknown = Reflect.get(log, name, receiver);
        if (typeof value !== "function") return value;
        return (...rest: unknown[]): unknown => {
          calls.push(String(name));
          return Reflect.apply(value, log, rest);
        };
      },
    });
    const conversation = uuid();
    const record = { id: conversation, user: "ann", createdAt: 1, updatedAt: 1, head: 0, newest: null };
    const made = { kind: "conversation.created" as const, at: new Date(1).toISOString() };
    await store.log.commit([
      {
        conversation,
        decide: () => ({ events: [made], conversation: { ...record, archived: false, deleted: false }, answer: {} }),
      },
    ]);
    const { frames, text, end } = await startBare({ ...store, log: counted }, counting());
    text({ type: "auth", id: "in", guest: true });
    await until(() => frames.some(({ id }) => id === "in"), "the sign-in");
    const workOf = async (command: object): Promise<string[]> => {
      calls.length = 0;
      const id = uuid();
      text({ ...command, id });
      const answer = await until(() => frames.find((frame) => frame.id === id), "the answer");
      return [verdict(answer), ...calls];
    };
    for (const type of aimed.filter((type) => matrix[type].unknown === "not_found")) {
      const aim = nothing();
      const foreign = await workOf(rowOf(type).say({ ...aim, conversation }));
      expect([type, foreign]).toEqual([type, await workOf(rowOf(type).say(aim))]);
      expect(foreign[0]).toBe("not_found");
    }
    await end();
  });

  test("PE10 AZ01 and the same time: the middle of 100 refusals each, taken in turn, is within 5 ms", async () => {
    const { aim } = await furnish("ann");
    const bob = await served.talk({ token: token("bob") });
    const timed = async (command: object): Promise<number> => {
      const id = uuid();
      const before = performance.now();
      bob.say({ ...command, id });
      // Frames come in order: the newest is the answer.
      await new Promise<void>((resolve) => bob.ws.once("message", () => resolve()));
      return performance.now() - before;
    };
    const times: { foreign: number[]; unknown: number[] } = { foreign: [], unknown: [] };
    for (let i = 0; i < 100; i++) {
      times.foreign.push(await timed(rowOf("message.react").say(aim)));
      times.unknown.push(await timed(rowOf("message.react").say(nothing())));
    }
    const middle = (all: number[]): number => [...all].sort((a, b) => a - b)[all.length / 2] ?? Number.NaN;
    expect(Math.abs(middle(times.foreign) - middle(times.unknown))).toBeLessThan(5);
  });
});

describe("PE11 routes", () => {
  type Method = "GET" | "HEAD" | "POST" | "DELETE";
  /** What each route answers, with or without any credential: none of them is anybody's own. */
  const routes: Readonly<Record<string, Readonly<Record<Method, number>>>> = {
    "/api/v1/async/chatbot": { GET: 426, HEAD: 405, POST: 405, DELETE: 405 },
    "/healthz": { GET: 200, HEAD: 200, POST: 405, DELETE: 405 },
    "/readyz": { GET: 200, HEAD: 200, POST: 405, DELETE: 405 },
  };

  test("PE11 every path of the server has its row", () => {
    const entrance = { connect: never, enter: never, recognize: never, mayTry: never, failed: never };
    const engine = { ready: () => true, sockets: () => 0, accept: never, entrance };
    const face = createHttpFace({
      engine,
      limits: defaultLimits,
      journal: { info: () => undefined, warn: () => undefined, error: () => undefined },
      allowedOrigins: [],
      loopback: true,
      assets: undefined,
      admin: () => false,
      files: () => false,
      data: () => false,
      trustedProxies: [],
    });
    expect([...face.paths].sort()).toEqual([...Object.keys(routes), "/api/v1/files", "/api/v1/account"].sort());
  });

  test("PE11 G9 every route and method, by owner, by another, by nobody: the same answer; a credential in the URL is 400", async () => {
    const { talker, aim } = await furnish("ann");
    const bearers = [undefined, talker.session, token("bob"), "rubbish", "\u0001"];
    const statusOf = (method: string, path: string, bearer: string | undefined): Promise<number> =>
      new Promise((resolve, fail) => {
        const headers = bearer === undefined ? {} : { authorization: `Bearer ${encodeURIComponent(bearer)}` };
        httpRequest(`http://${served.address}${path}`, { method, headers }, (response) => {
          response.resume();
          resolve(response.statusCode ?? 0);
        })
          .on("error", fail)
          .end();
      });
    for (const [path, row] of Object.entries(routes)) {
      for (const [method, status] of Object.entries(row)) {
        const found = await Promise.all(bearers.map((bearer) => statusOf(method, path, bearer)));
        expect([path, method, ...found]).toEqual([path, method, ...found.map(() => status)]);
      }
      const leaky = await statusOf("GET", `${path}?token=${talker.session}`, undefined);
      expect([path, leaky]).toEqual([path, path.endsWith("chatbot") ? 426 : 400]);
    }
    for (const path of [`/c/${aim.conversation}`, `/api/v1/conversations`, "/admin"]) {
      expect([path, await statusOf("GET", path, talker.session)]).toEqual([path, 404]);
    }
  });
});

describe("PE11 files", () => {
  type Who = "owner" | "another" | "guest" | "expired" | "revoked" | "blocked" | "nobody" | "rubbish";
  /** What is answered to whom: a file is sent, and one of the owner's is read. */
  const rows: Readonly<Record<Who, Readonly<Record<"POST" | "GET" | "HEAD", number>>>> = {
    owner: { POST: 201, GET: 200, HEAD: 200 },
    another: { POST: 201, GET: 404, HEAD: 404 },
    guest: { POST: 201, GET: 404, HEAD: 404 },
    expired: { POST: 401, GET: 401, HEAD: 401 },
    revoked: { POST: 401, GET: 401, HEAD: 401 },
    blocked: { POST: 403, GET: 403, HEAD: 403 },
    nobody: { POST: 401, GET: 401, HEAD: 401 },
    rubbish: { POST: 401, GET: 401, HEAD: 401 },
  };

  test("PE11 G9 FL5 sending and reading, by everybody there is, with a session or a token; foreign and unknown read the same", async () => {
    const ask = async (method: string, path: string, bearer: string | undefined): Promise<[number, string]> => {
      const body = new FormData();
      body.append("file", new Blob([mark]), "a.txt");
      const answer = await fetch(`http://${served.address}/api/v1/files${path}`, {
        method,
        headers: bearer === undefined ? {} : { authorization: `Bearer ${bearer}` },
        ...(method === "POST" ? { body } : {}),
      });
      return [answer.status, await answer.text()];
    };
    const owner = await served.talk({ token: token("eve") });
    const revoked = await served.talk({ token: token("eve") });
    await revoked.ask({ type: "auth.logout" });
    const blocked = (await served.talk({ token: token("oscar") })).session;
    register.says.set("oscar", reject("blocked"));
    const bearers: Record<Who, string | undefined> = {
      owner: owner.session,
      another: (await served.talk({ token: token("bob") })).session,
      guest: (await served.talk()).session,
      expired,
      revoked: revoked.session,
      blocked,
      nobody: undefined,
      rubbish: "rubbish",
    };
    const { id } = JSON.parse((await ask("POST", "", token("eve")))[1]) as { id: string };
    for (const [who, row] of Object.entries(rows) as [Who, (typeof rows)[Who]][]) {
      for (const [method, status] of Object.entries(row)) {
        const [found, body] = await ask(method, method === "POST" ? "" : `/${id}`, bearers[who]);
        expect([who, method, found]).toEqual([who, method, status]);
        if (method !== "GET") continue;
        expect(body.includes(mark)).toBe(who === "owner");
        if (who !== "owner") expect(await ask(method, `/${"0".repeat(32)}`, bearers[who])).toEqual([found, body]);
      }
    }
    register.says.delete("oscar");
  });
});

describe("PE11 the operator's routes", () => {
  const secret = "a-long-operators-token";
  const address = "203.0.113.7";
  type Act = { readonly body?: object; readonly query?: string; readonly operator: number };
  /** What each act answers to the operator, in this order. Whoever is not the operator is told that there is no such path. */
  const acts: Readonly<Record<string, Act>> = {
    "GET blocks": { operator: 200 },
    "POST blocks": { operator: 201, body: { address } },
    "DELETE blocks": { operator: 200, query: `?address=${address}` },
    "POST rotate-key": { operator: 200 },
    "GET figures": { operator: 200 },
    "GET connections": { operator: 200 },
    "GET people": { operator: 200 },
    "GET sessions": { operator: 200, query: "?user={user}" },
    "DELETE connections": { operator: 200, query: "?number={number}" },
    "DELETE sessions": { operator: 200, query: "?user={user}" },
  };

  test("PE11 every act of the operator has its row", () => {
    const ways = served.host.routes.filter((route) => route.includes(" /api/v1/admin/"));
    expect(ways.map((way) => way.replace("/api/v1/admin/", "")).sort()).toEqual(Object.keys(acts).sort());
  });

  test("PE11 OD2 OP01 nobody but the operator learns that an act exists, or does it: person, guest, rubbish, nobody", async () => {
    const own = new Stage();
    onTestFinished(() => own.end());
    const here = await own.serve({ identity: tokens, adminToken: secret });
    const aim = { user: "", number: "" };
    const ask = async (
      route: string,
      { body, query = "" }: Act,
      bearer: string | undefined,
    ): Promise<[number, string]> => {
      const [method, path] = route.split(" ");
      const aimed = query.replace("{user}", aim.user).replace("{number}", aim.number);
      const answer = await fetch(`http://${here.address}/api/v1/admin/${path}${aimed}`, {
        ...(method !== undefined && { method }),
        headers: {
          ...(bearer !== undefined && { authorization: `Bearer ${bearer}` }),
          ...(body && { "content-type": "application/json" }),
        },
        ...(body && { body: JSON.stringify(body) }),
      });
      return [answer.status, await answer.text()];
    };
    const { session } = await here.talk({ token: token("ann") });
    const others = [undefined, session, (await here.talk()).session, token("ann"), `${secret}x`];
    const connected = JSON.parse((await ask("GET connections", { operator: 200 }, secret))[1]) as {
      connections: { number: number; user?: string }[];
    };
    const one = connected.connections.find(({ user }) => user !== undefined);
    Object.assign(aim, { user: one?.user ?? "", number: String(one?.number) });
    for (const [route, act] of Object.entries(acts)) {
      for (const bearer of others) {
        const unknown = await ask(`${route}-that-is-none`, act, bearer);
        expect([route, ...(await ask(route, act, bearer))]).toEqual([
          route,
          404,
          unknown[1].replace("-that-is-none", ""),
        ]);
      }
    }
    const list = async (): Promise<unknown> => JSON.parse((await ask("GET blocks", { operator: 200 }, secret))[1]);
    // None of the others has done anything.
    expect(await list()).toEqual({ blocks: [] });
    for (const [route, act] of Object.entries(acts)) {
      expect([route, (await ask(route, act, secret))[0]]).toEqual([route, act.operator]);
    }
    expect(await list()).toEqual({ blocks: [] });
  });
});

describe("PE11 what is somebody's own", () => {
  type Who = "owner" | "another" | "guest" | "expired" | "revoked" | "blocked" | "nobody" | "rubbish";
  /** What is answered to whom: the owner's conversation, one's own archive, an import, the end of one's account without the word. */
  const rows: Readonly<Record<Who, readonly [conversation: number, archive: number, take: number, end: number]>> = {
    owner: [200, 200, 200, 400],
    another: [404, 200, 200, 400],
    guest: [404, 200, 200, 400],
    expired: [401, 401, 401, 401],
    revoked: [401, 401, 401, 401],
    blocked: [403, 403, 403, 403],
    nobody: [401, 401, 401, 401],
    rubbish: [401, 401, 401, 401],
  };

  test("PE11 G9 AZ14 an export by everybody there is, with a session or a token; foreign and unknown read the same", async () => {
    const ask = async (method: string, path: string, bearer: string | undefined): Promise<[number, string]> => {
      const headers: Record<string, string> = bearer === undefined ? {} : { authorization: `Bearer ${bearer}` };
      const body = method === "POST" ? { body: "[]" } : {};
      if ("body" in body) headers["content-type"] = "application/json";
      const answer = await fetch(`http://${served.address}/api/v1${path}`, { method, headers, ...body });
      return [answer.status, await answer.text()];
    };
    const { talker, aim } = await furnish("zoe");
    const revoked = await served.talk({ token: token("zoe") });
    await revoked.ask({ type: "auth.logout" });
    const blocked = (await served.talk({ token: token("oscar") })).session;
    register.says.set("oscar", reject("blocked"));
    const bearers: Record<Who, string | undefined> = {
      owner: talker.session,
      another: token("stan"),
      guest: (await served.talk()).session,
      expired,
      revoked: revoked.session,
      blocked,
      nobody: undefined,
      rubbish: "rubbish",
    };
    for (const [who, row] of Object.entries(rows) as [Who, (typeof rows)[Who]][]) {
      const one = await ask("GET", `/conversations/${aim.conversation}/export`, bearers[who]);
      const archive = await ask("GET", "/account/export", bearers[who]);
      const take = await ask("POST", "/account/import", bearers[who]);
      const end = await ask("DELETE", "/account", bearers[who]);
      expect([who, one[0], archive[0], take[0], end[0]]).toEqual([who, ...row]);
      for (const [, body] of [one, archive]) expect([who, body.includes(mark)]).toEqual([who, who === "owner"]);
      if (who !== "owner") expect(await ask("GET", `/conversations/${uuid()}/export`, bearers[who])).toEqual(one);
    }
    for (const [method, path] of [
      ["POST", "/account"],
      ["GET", "/account"],
      ["DELETE", "/account/export"],
      ["GET", "/account/import"],
      ["POST", `/conversations/${aim.conversation}/export`],
    ] as const) {
      expect([method, path, (await ask(method, path, talker.session))[0]]).toEqual([method, path, 405]);
    }
    register.says.delete("oscar");
  });
});

const never = (): never => expect.fail();
