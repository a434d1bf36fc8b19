// Proves what a connection does after every close code, in silence, in sleep and when it is woken. In memory, with a hand clock.
import fc from "fast-check";
import { expect, onTestFinished, test, vi } from "vitest";
import { afterClose, backoff } from "../../src/client/backoff.ts";
import { createClient, memoryLocal, socketUrl, type Client, type ClientOptions } from "../../src/client/index.ts";
import { closeCodes } from "../../src/protocol/index.ts";
import { fakeSockets, handClock, settle } from "./sockets.ts";

async function world(options: Partial<ClientOptions> = {}) {
  const clock = handClock();
  const net = fakeSockets();
  const local = memoryLocal();
  const client = createClient({
    url: "https://chat.example.com",
    guest: true,
    clock,
    random: () => 0.5,
    webSocket: net.Socket,
    storage: { local },
    ...options,
  });
  onTestFinished(() => client.close());
  client.connect();
  await settle();
  const state = (): string => client.connection.getSnapshot().kind;
  return { client, clock, net, local, state };
}

test("CO1 the wait is uniform between 0 and a bound that doubles from 0.5 to 20 seconds", () => {
  for (let attempt = 0; attempt < 2000; attempt += attempt < 20 ? 1 : 500) {
    const bound = Math.min(20_000, 500 * 2 ** attempt);
    expect(backoff(attempt, () => 0)).toBe(0);
    expect(backoff(attempt, () => 0.999)).toBeCloseTo(0.999 * bound);
  }
  fc.assert(
    fc.property(fc.nat(100), fc.double({ min: 0, max: 0.999, noNaN: true }), (attempt, chance) => {
      const wait = backoff(attempt, () => chance);
      return wait >= 0 && wait < 20_000;
    }),
  );
});

test("CO2 every close code of the table is obeyed; an unknown one is a reconnect", () => {
  const actions = Object.keys(closeCodes).map((code) => [Number(code), afterClose(Number(code), "", 0, () => 0.5).do]);
  expect(Object.fromEntries(actions)).toEqual({
    1000: "reconnect",
    1001: "reconnect",
    1002: "stop",
    1003: "stop",
    1006: "reconnect",
    1007: "stop",
    1008: "stop",
    1009: "reconnect",
    1011: "reconnect",
    1012: "reconnect",
    1013: "reconnect",
    4400: "stop",
    4401: "new-token",
    4403: "stop",
    4408: "reconnect",
    4410: "sign-in",
    4429: "reconnect",
  });
  expect(afterClose(4999, "", 0, () => 0.5).do).toBe("reconnect");
  expect(afterClose(1013, "", 0, () => 0)).toMatchObject({ wait: 2000, firm: true });
  expect(afterClose(4429, "7", 0, () => 0)).toMatchObject({ wait: 7000, firm: true });
  expect(afterClose(4429, "soon", 0, () => 0)).toMatchObject({ wait: 20_000 });
  expect(afterClose(4429, "-1", 0, () => 0)).toMatchObject({ wait: 20_000 });
});

test("CO3 connecting, authenticating, online; the first frame is auth, and nothing goes out before its answer", async () => {
  const { client, net, state } = await world();
  const kinds: string[] = [];
  client.connection.subscribe(() => kinds.push(state()));
  expect(state()).toBe("connecting");
  client.list({}).catch(() => undefined);
  net.last().opened();
  expect(net.last().sent.map((frame) => frame["type"])).toEqual(["auth"]);
  net.last().welcome();
  await settle();
  expect(kinds).toEqual(["authenticating", "authenticating", "online"].slice(kinds[1] === "online" ? 1 : 0));
  expect(
    net
      .last()
      .sent.map((frame) => frame["type"])
      .at(-1),
  ).toBe("conversation.list");
  expect(net.last().url).toBe("wss://chat.example.com/api/v1/async/chatbot");
});

test("CO4 the backoff starts from the shortest wait only after a connection that held ten seconds", async () => {
  const { client, clock, net } = await world();
  const waits: number[] = [];
  const drop = async (held: number): Promise<void> => {
    net.last().welcome();
    clock.pass(held);
    net.last().end(1006);
    const state = client.connection.getSnapshot();
    if (state.kind !== "reconnecting") throw new Error(state.kind);
    waits.push(state.at - clock.now());
    clock.pass(state.at - clock.now());
    await settle();
  };
  for (const held of [0, 9000, 5000, 10_000, 0]) await drop(held);
  expect(waits).toEqual([250, 500, 1000, 250, 500]);
});

test("CO5 4401 fetches a new token once, then stops; it never loops", async () => {
  const asked: boolean[] = [];
  const token = ({ fresh }: { fresh: boolean }): string => {
    asked.push(fresh);
    return `token ${asked.length}`;
  };
  const { client, clock, net, state } = await world({ token, guest: false });
  net.last().opened();
  net.last().end(4401);
  await settle();
  expect(asked).toEqual([false, true]);
  net.last().opened();
  expect(net.last().sent[0]).toMatchObject({ token: "token 2" });
  net.last().end(4401);
  await settle();
  clock.pass(3_600_000);
  await settle();
  expect(state()).toBe("signed-out");
  expect(net.sockets).toHaveLength(2);
  expect(net.open()).toEqual([]);
  client.signIn();
  await settle();
  expect([state(), net.sockets.length]).toEqual(["connecting", 3]);
});

test("CO5 with a fixed token that is refused the session is tried, once", async () => {
  const { net, state } = await world({ token: "fixed", guest: false });
  net.last().welcome();
  net.last().end(4401);
  await settle();
  net.last().opened();
  expect(net.last().sent[0]).not.toHaveProperty("token");
  expect(net.last().sent[0]).toMatchObject({ session: "session-token" });
  net.last().end(4401);
  await settle();
  expect(state()).toBe("signed-out");
});

test("CO5 nobody to be: signed out without a socket", async () => {
  const { net, state } = await world({ guest: false });
  expect([state(), net.sockets.length]).toEqual(["signed-out", 0]);
});

test("CO6 4410 signs out and forgets the session; stop codes stop; what waits is given an answer", async () => {
  for (const [code, kind, answer] of [
    [4410, "signed-out", "unauthorized"],
    [4403, "stopped", "unavailable"],
    [1008, "stopped", "unavailable"],
  ] as const) {
    const { client, clock, net, local, state } = await world();
    net.last().welcome();
    const waiting = client.list({}).catch((error: unknown) => error);
    net.last().end(code);
    expect(await waiting).toMatchObject({ code: answer });
    clock.pass(3_600_000);
    await settle();
    expect([state(), net.sockets.length]).toEqual([kind, 1]);
    expect(client.session() === undefined).toBe(kind === "signed-out");
    // Nor does a page that comes after it try that session.
    const next = await world({ storage: { local } });
    next.net.last().welcome();
    const [auth] = next.net.last().sent;
    expect([auth?.["type"], auth?.["session"] === undefined]).toEqual(["auth", kind === "signed-out"]);
  }
});

test("CO6 AZ16 a session that ends here takes nothing from the one that another tab has got at the same moment", async () => {
  const key = "throughline:wss://chat.example.com/api/v1/async/chatbot/session";
  const store = memoryLocal();
  // What another process writes is seen a little later: until then this tab reads what was there, and writes beside it.
  let stale: string | null = null;
  const local = { ...store, getItem: (name: string) => (name === key && stale !== null ? stale : store.getItem(name)) };
  const { client, net } = await world({ storage: { local } });
  net.last().welcome();
  stale = store.getItem(key);
  store.setItem(key, JSON.stringify({ session: "of another tab", user: { id: "ann" } }));
  net.last().end(4410);
  await settle();
  expect(client.session()).toBeUndefined();
  stale = null;
  expect(client.session()).toBe("of another tab");
});

test("CO7 4429 and 1013 are waited for, whatever the network does", async () => {
  const { client, clock, net } = await world();
  net.last().welcome();
  net.last().end(4429, "30");
  client.tryNow();
  clock.pass(29_000);
  await settle();
  expect(net.sockets).toHaveLength(1);
  clock.pass(2000);
  await settle();
  expect(net.sockets).toHaveLength(2);
});

test("CO8 after 1009 the frame is not repeated: it is refused as too large, the rest goes again", async () => {
  const { client, clock, net } = await world();
  net.last().welcome();
  const large = client.list({ query: "x".repeat(500) }).catch((error: unknown) => error);
  client.list({ query: "small" }).catch(() => undefined);
  net.last().end(1009);
  expect(await large).toMatchObject({ code: "too_large" });
  clock.pass(20_000);
  await settle();
  net.last().welcome();
  expect(net.last().sent.map((frame) => frame["query"])).toEqual([undefined, "small"]);
});

test("CO8 a frame above the server's limit is refused before it is sent", async () => {
  const { client, net } = await world();
  net.last().welcome({ limits: { frameBytes: 300 } });
  await expect(client.list({ query: "é".repeat(130) })).rejects.toMatchObject({ code: "too_large" });
  expect(net.last().sent).toHaveLength(1);
});

test("CO9 a probe replaces a dead socket; a frame of any kind is a sign of life", async () => {
  const { client, clock, net, state } = await world();
  net.last().welcome();
  client.tryNow();
  expect(net.last().sent.at(-1)).toMatchObject({ type: "ping" });
  net.last().say({ type: "notice", code: "whatever" });
  clock.pass(3000);
  expect(state()).toBe("online");
  client.tryNow();
  client.tryNow();
  expect(net.last().sent.filter((frame) => frame["type"] === "ping")).toHaveLength(2);
  clock.pass(2500);
  expect(state()).toBe("reconnecting");
  expect(net.sockets[0]?.closedWith).toBe(1000);
});

test("CO10 B30 silence of one and a half beats is asked about; a timer that comes late drops nobody", async () => {
  const { clock, net, state } = await world();
  net.last().welcome();
  const pings = (): number => net.last().sent.filter((frame) => frame["type"] === "ping").length;
  clock.pass(14_000);
  expect(pings()).toBe(0);
  clock.pass(1500);
  expect(pings()).toBe(1);
  // The page sleeps for an hour in the middle of the probe: the answer may be there, unread.
  clock.sleep(3_600_000);
  clock.pass(0);
  expect([state(), pings()]).toEqual(["online", 2]);
  net.last().say({ type: "ack", id: "any", now: "" });
  clock.pass(10_000);
  expect(state()).toBe("online");
  // And without an answer it is dead.
  clock.pass(15_000 + 2500);
  expect(net.sockets[0]?.closedWith).toBe(1000);
  expect(state()).not.toBe("online");
});

test("CO11 a hanging attempt is given up after 15 s, or at once when the network comes back", async () => {
  const { client, clock, net } = await world();
  clock.pass(2000);
  client.tryNow();
  expect(net.sockets).toHaveLength(1);
  clock.pass(1000);
  client.tryNow();
  await settle();
  expect(net.sockets).toHaveLength(2);
  expect(net.open()).toHaveLength(1);
  clock.pass(15_000 + 500);
  await settle();
  expect(net.sockets).toHaveLength(3);
  expect(net.open()).toHaveLength(1);
});

test("CO12 draining: another socket is made beside the old one, which serves until then", async () => {
  const { client, clock, net, state } = await world();
  net.last().welcome();
  const [old] = net.sockets;
  old?.say({ type: "notice", code: "draining", afterMs: 1000 });
  expect(client.connection.getSnapshot()).toEqual({ kind: "online", draining: true });
  clock.pass(1500);
  await settle();
  expect(net.sockets).toHaveLength(2);
  net.last().end(1006);
  clock.pass(2000);
  await settle();
  expect(state()).toBe("online");
  expect(old?.closedWith).toBeUndefined();
  net.last().welcome();
  expect(old?.closedWith).toBe(1000);
  expect(client.connection.getSnapshot()).toEqual({ kind: "online", draining: false });
  old?.end(1012);
  expect(state()).toBe("online");
});

test("CO13 a token about to end is renewed over the open socket", async () => {
  let made = 0;
  const token = (): string => `token ${++made}`;
  const { net } = await world({ token });
  net.last().welcome();
  net.last().say({ type: "notice", code: "token_expiring", at: "" });
  await settle();
  expect(net.last().sent.at(-1)).toMatchObject({ type: "auth.refresh", token: "token 2" });
});

test("CO14 what is unanswered goes again under its id on every new socket, in its order; one answer settles it", async () => {
  const { client, clock, net } = await world();
  net.last().welcome();
  const answers = ["a", "b"].map((query) => client.list({ query }));
  const sent = (): unknown[] => net.last().sent.filter((frame) => frame["type"] === "conversation.list");
  const first = sent();
  net.last().end(1006);
  clock.pass(20_000);
  await settle();
  net.last().welcome();
  expect(sent()).toEqual(first);
  for (const frame of net.last().sent) {
    net.last().say({ type: "ack", id: frame["id"], conversations: [] });
    net.last().say({ type: "error", id: frame["id"], error: { code: "internal", message: "late", retryable: true } });
  }
  expect(await Promise.all(answers)).toEqual([
    { rows: [], cursor: undefined },
    { rows: [], cursor: undefined },
  ]);
});

test("CO18 another person on the same page: nothing of the first is shown, answered or asked for any more", async () => {
  const { client, clock, net } = await world();
  net.last().welcome();
  const conversation = client.conversation(client.newId());
  conversation.subscribe(() => undefined);
  const message = { id: "m", role: "user", parts: [], metadata: { createdAt: "", parent: null } };
  const state = { createdAt: "", messages: [message], more: false, turns: [] };
  net.last().say({ type: "snapshot", conversation: conversation.id, seq: 7, epoch: "e", state });
  net.last().say({ type: "live", conversation: conversation.id, seq: 7 });
  expect(conversation.getSnapshot().entries).toHaveLength(1);
  const waiting = client.list({}).catch((error: unknown) => error);
  net.last().end(1006);
  clock.pass(20_000);
  await settle();
  net.last().welcome({ user: { id: "other" } });
  expect(await waiting).toMatchObject({ code: "unauthorized" });
  expect(conversation.getSnapshot()).toMatchObject({ entries: [], seq: 0 });
  expect(client.person.getSnapshot()).toMatchObject({ id: "other" });
  net.last().end(1006);
  clock.pass(20_000);
  await settle();
  net.last().opened();
  expect(net.last().sent[0]?.["open"]).toEqual([{ conversation: conversation.id }]);
});

const shownOf = (client: Client, conversation: string): string => client.draft(conversation).getSnapshot();

test("SG14 whoever had signed in is asked to do so again when the session has ended, never made a guest unasked", async () => {
  let token: string | undefined = "token";
  const { client, net, local, state } = await world({ token: () => token, guest: true });
  net.last().welcome();
  expect(client.person.getSnapshot()).not.toHaveProperty("guest", true);
  token = undefined;
  net.last().end(1006);
  client.tryNow();
  await settle();
  net.last().opened();
  expect(net.last().sent[0]).toMatchObject({ session: "session-token" });
  expect(net.last().sent[0]).not.toHaveProperty("guest");
  net.last().end(4410);
  await settle();
  expect(state()).toBe("signed-out");
  // Nor by a reload. Asked, they may.
  const again = await world({ storage: { local }, guest: true });
  expect([again.state(), again.net.sockets.length]).toEqual(["signed-out", 0]);
  again.client.signIn();
  await settle();
  again.net.last().opened();
  expect(again.net.last().sent[0]).toMatchObject({ guest: true });
});

test("SG15 a guest signs in over a living connection, with the session of the guest: one after the other, and the draft stays", async () => {
  const { client, net, local, state } = await world({ guest: true });
  net.last().welcome({ user: { id: "guest" } });
  expect(client.person.getSnapshot()).toMatchObject({ id: "guest", guest: true });
  const [own, other] = [client.newId(), client.newId()];
  client.draft(own).set("of the guest");
  client.signIn(() => "token");
  await settle();
  expect([state(), net.sockets.length]).toEqual(["online", 2]);
  net.last().opened();
  expect(net.last().sent[0]).toMatchObject({ token: "token", session: "session-token" });
  // The guest's session ends with it, and its socket may hear of that first.
  net.sockets[0]?.end(4410);
  expect(state()).not.toBe("signed-out");
  net.last().welcome({ user: { id: "ann" }, session: { token: "of ann" } });
  expect([state(), net.open().length]).toEqual(["online", 1]);
  expect(client.person.getSnapshot()).toMatchObject({ id: "ann", was: "guest" });
  expect(shownOf(client, own)).toBe("of the guest");
  client.draft(own).set("of ann");
  client.draft(other).set("of ann too");
  // A reload: what ann was is still known, and her drafts are hers.
  const again = await world({ storage: { local } });
  expect(again.client.person.getSnapshot()).toMatchObject({ id: "ann", was: "guest" });
  expect([shownOf(again.client, own), shownOf(again.client, other)]).toEqual(["of ann", "of ann too"]);
});

test("SG15 a token that is refused leaves the guest connected", async () => {
  const { client, net, state } = await world({ guest: true });
  net.last().welcome({ user: { id: "guest" } });
  client.signIn(({ fresh }) => (fresh ? undefined : "bad"));
  await settle();
  net.last().opened();
  net.last().end(4401);
  await settle();
  expect(state()).toBe("online");
  net.last().opened();
  expect(net.last().sent[0]).toMatchObject({ session: "session-token", guest: true });
  net.last().welcome({ user: { id: "guest" } });
  expect([state(), net.open().length]).toEqual(["online", 1]);
});

test("SG16 a draft is its writer's: another person neither sees nor overwrites it, and it is there when the writer is back", async () => {
  let token = "ann";
  const { client, net } = await world({ token: () => token, guest: false });
  const conversation = client.newId();
  const be = async (id: string): Promise<void> => {
    token = id;
    client.signIn(() => token);
    await settle();
    net.last().welcome({ user: { id } });
  };
  await be("ann");
  client.draft(conversation).set("ann's");
  await be("bob");
  expect(shownOf(client, conversation)).toBe("");
  client.draft(conversation).set("bob's");
  client.draft(conversation).set("");
  await be("ann");
  expect(shownOf(client, conversation)).toBe("ann's");
  const left = client.logout();
  net.last().end(4410);
  await left;
  expect(shownOf(client, conversation)).toBe("");
});

test("CO15 rubbish from the server, of any kind, breaks nothing", async () => {
  const { client, net, state } = await world();
  net.last().welcome();
  const conversation = client.conversation(client.newId());
  conversation.subscribe(() => undefined);
  fc.assert(
    fc.property(
      fc.oneof(
        fc.json(),
        fc.string(),
        fc
          .record({
            type: fc.constantFrom("ack", "error", "events", "snapshot", "live", "conversation", "notice", "new"),
            conversation: fc.constantFrom(conversation.id, "x", null),
            id: fc.oneof(fc.string(), fc.integer()),
            events: fc.oneof(fc.array(fc.record({ kind: fc.constantFrom("x", "future.kind") })), fc.string()),
            from: fc.integer(),
            to: fc.integer(),
            seq: fc.integer(),
            state: fc.oneof(fc.record({ messages: fc.array(fc.object()), turns: fc.anything() }), fc.anything()),
            error: fc.oneof(fc.anything(), fc.constant({ code: "later", message: "x" })),
            code: fc.constantFrom("draining_soon", "x", 1),
          })
          .map((frame) => JSON.stringify(frame)),
      ),
      (data) => net.last().onmessage?.(new MessageEvent("message", { data })),
    ),
    { numRuns: 1000 },
  );
  expect(state()).toBe("online");
  expect(conversation.getSnapshot().entries).toEqual([]);
});

test("CO21 HS01 a server that answers HTTP but never lets a socket in is told from a network that is gone", async () => {
  const clock = handClock();
  const net = fakeSockets();
  const asked: string[] = [];
  let answer: () => Promise<Response> = () => Promise.reject(new TypeError("failed to fetch"));
  vi.stubGlobal("fetch", (url: string) => {
    asked.push(url);
    return answer();
  });
  onTestFinished(() => void vi.unstubAllGlobals());
  const url = "https://chat.example/base";
  const client = createClient({ url, guest: true, clock, random: () => 0.5, webSocket: net.Socket });
  onTestFinished(() => client.close());
  client.connect();
  const refuse = async (): Promise<number> => {
    await settle();
    net.last().end(1006);
    await settle();
    const state = client.connection.getSnapshot();
    if (state.kind !== "reconnecting") throw new Error(state.kind);
    const wait = state.at - clock.now();
    clock.pass(wait);
    return wait;
  };
  const waits = [await refuse(), await refuse()];
  expect(asked).toEqual([]);
  // There is no network: attempts go on as they do.
  waits.push(await refuse());
  expect(asked).toEqual(["https://chat.example/base/readyz"]);
  expect(Math.max(...waits)).toBeLessThan(5000);
  // A server that is not ready is not one that refuses.
  answer = () => Promise.resolve(new Response("not ready", { status: 503 }));
  expect(await refuse()).toBeLessThan(10_000);
  // It may have come back since the attempt: nobody waits for long before another one has failed, too.
  answer = () => Promise.resolve(new Response("ready"));
  expect(await refuse()).toBeLessThan(20_000);
  answer = () => Promise.resolve(new Response("not ready", { status: 503 }));
  expect(await refuse()).toBeLessThan(20_000);
  answer = () => Promise.resolve(new Response("ready"));
  expect(await refuse()).toBeLessThan(20_000);
  expect(await refuse()).toBe(45_000);
  await settle();
  net.last().end(1006);
  await settle();
  expect(client.connection.getSnapshot()).toMatchObject({ kind: "reconnecting", blocked: true });
  // A person may try at once, and where it is let in all is well.
  client.tryNow();
  await settle();
  net.last().welcome();
  expect(client.connection.getSnapshot()).toEqual({ kind: "online", draining: false });
  net.last().end(1006);
  expect(client.connection.getSnapshot()).not.toHaveProperty("blocked");
  const before = asked.length;
  for (let i = 0; i < 5; i++) await refuse();
  expect(asked).toHaveLength(before);
});

test("CO16 after close no timer is left", async () => {
  const { client, clock, net } = await world();
  net.last().welcome();
  const stop = client.conversation(client.newId()).subscribe(() => undefined);
  stop();
  net.last().end(1006);
  client.close();
  expect(clock.timers()).toBe(0);
  clock.pass(100_000);
  await settle();
  expect(net.sockets).toHaveLength(1);
});

test("CO17 an address as people write it becomes the socket's", () => {
  expect(socketUrl("http://localhost:8787")).toBe("ws://localhost:8787/api/v1/async/chatbot");
  expect(socketUrl("https://example.com/chat/")).toBe("wss://example.com/chat/api/v1/async/chatbot");
  expect(socketUrl("wss://example.com/api/v1/async/chatbot")).toBe("wss://example.com/api/v1/async/chatbot");
});
