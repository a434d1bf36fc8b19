// Proves that what the SDK shows survives kills, cuts and reloads, against the real server over real sockets.
import { expect, onTestFinished, test } from "vitest";
import { WebSocket as NodeSocket } from "ws";
import { memoryLocal, memoryStore, until, type SocketFactory } from "../../src/client/index.ts";
import { expectedText, startModelServer } from "../support/model-server.ts";
import { startProxy } from "./proxy.ts";
import { startServer } from "./server.ts";
import { finished, guest, online, repliesOf, streaming, textOf, textsOf } from "./talk.ts";

const prompt = (chars: number, rate: number, more = ""): string => `{{chars=${chars} rate=${rate} ${more}}}`;

/** `prefill`: the model can go on with a reply that was begun; otherwise one that was broken off is made again. */
async function serverWithModel(prefill = true) {
  const model = await startModelServer({ prefill });
  onTestFinished(() => model.close());
  const server = await startServer({
    OPENAI_BASE_URL: model.url,
    MODEL: "openai-compatible:test-model",
    MODEL_PREFILL: prefill ? "on" : "off",
  });
  return { model, server };
}

test("RE1 a message is answered, chunk by chunk, and both are shown", async () => {
  const { server } = await serverWithModel();
  const client = guest(server.url);
  const conversation = client.conversation(client.newId());
  let changes = 0;
  conversation.subscribe(() => changes++);
  const message = conversation.send(prompt(400, 400));
  expect(textsOf(conversation.getSnapshot())).toEqual([]);
  const reply = await finished(conversation, message);
  expect(textOf(reply)).toBe(expectedText(1, 400));
  expect(reply.metadata.status).toBe("completed");
  expect(changes).toBeGreaterThan(5);
  expect(conversation.getSnapshot().running).toBeUndefined();
  expect(client.pending.getSnapshot()).toEqual([]);
});

test("B01 B03 a server killed in mid-reply and started again: the same text, nothing doubled", async () => {
  const { server } = await serverWithModel();
  const client = guest(server.url);
  const conversation = client.conversation(client.newId());
  const seen: string[] = [];
  conversation.subscribe(() => seen.push(textOf(repliesOf(conversation.getSnapshot()).at(-1))));
  const message = conversation.send(prompt(1200, 150));
  await streaming(conversation, message, 100);
  await server.kill("SIGKILL");
  await until(client.connection, (state) => (state.kind === "reconnecting" ? true : undefined));
  await server.start();
  const reply = await finished(conversation, message);
  expect(textOf(reply)).toBe(expectedText(1, 1200));
  // What was shown only ever grew: no chunk was taken back.
  for (const [i, text] of seen.entries()) if (i > 0) expect(text.startsWith(seen[i - 1] ?? "")).toBe(true);
});

test("B15 a reply that is made again after a crash is the same message and turn, one attempt later", async () => {
  const { server } = await serverWithModel(false);
  const client = guest(server.url);
  const conversation = client.conversation(client.newId());
  conversation.subscribe(() => undefined);
  const message = conversation.send(prompt(1500, 150));
  const begun = await streaming(conversation, message, 100);
  const attempts = new Set<number>();
  conversation.subscribe(() => attempts.add(conversation.getSnapshot().running?.attempt ?? 0));
  await server.kill("SIGKILL");
  await server.start();
  // Not after the wait that it drew: by then the reply may be whole again.
  client.tryNow();
  const reply = await finished(conversation, message);
  expect(textOf(reply)).toBe(expectedText(1, 1500));
  expect([reply.id, reply.metadata.turn]).toEqual([begun.id, begun.metadata.turn]);
  expect(attempts).toContain(2);
  expect(repliesOf(conversation.getSnapshot())).toHaveLength(1);
});

test("B01 B03 a connection cut again and again in mid-reply: every view is a beginning of the whole", async () => {
  const { server } = await serverWithModel();
  const proxy = await startProxy(server.port);
  const client = guest(proxy.url);
  const conversation = client.conversation(client.newId());
  const whole = expectedText(1, 1500);
  const wrong: string[] = [];
  let cuts = 0;
  conversation.subscribe(() => {
    const text = textOf(repliesOf(conversation.getSnapshot()).at(-1));
    if (!whole.startsWith(text)) wrong.push(text);
  });
  const message = conversation.send(prompt(1500, 300));
  for (const length of [10, 200, 400, 700, 1000, 1300]) {
    await streaming(conversation, message, length);
    proxy.cut();
    cuts++;
    client.tryNow();
  }
  expect(textOf(await finished(conversation, message))).toBe(whole);
  expect(wrong).toEqual([]);
  expect(cuts).toBe(6);
});

test("B11 fifty flaps of the network in mid-reply: one socket is listened to, no error, the text is whole", async () => {
  const { server } = await serverWithModel();
  const proxy = await startProxy(server.port);
  const client = guest(proxy.url);
  const conversation = client.conversation(client.newId());
  conversation.subscribe(() => undefined);
  const message = conversation.send(prompt(3000, 200));
  await streaming(conversation, message);
  for (let flap = 0; flap < 50; flap++) {
    proxy.cut();
    await until(client.connection, (state) => (state.kind === "online" ? undefined : true));
    client.tryNow();
    await online(client);
  }
  expect(proxy.open()).toBeLessThanOrEqual(2);
  expect(textOf(await finished(conversation, message))).toBe(expectedText(1, 3000));
  expect(repliesOf(conversation.getSnapshot())).toHaveLength(1);
});

test("B14 an end that came while nobody was connected is there afterwards: what was said, then why it ended", async () => {
  const { server } = await serverWithModel(false);
  const proxy = await startProxy(server.port);
  const other = guest(server.url, { storage: { local: memoryLocal() } });
  const client = guest(proxy.url);
  const conversation = client.conversation(client.newId());
  conversation.subscribe(() => undefined);
  const message = conversation.send(prompt(400, 100, "error=80 code=server_error"));
  await streaming(conversation, message, 20);
  proxy.refuse(true);
  proxy.cut();
  await until(client.connection, (state) => (state.kind === "reconnecting" ? true : undefined));
  // Time that passes while it is away is seen by another's conversation.
  const meanwhile = other.conversation(other.newId());
  meanwhile.subscribe(() => undefined);
  await finished(meanwhile, meanwhile.send(prompt(500, 100)));
  proxy.refuse(false);
  client.tryNow();
  const reply = await finished(conversation, message);
  expect(reply.metadata.status).toBe("failed");
  expect(reply.metadata.error?.message).toMatch(/\w/);
  expect(expectedText(1, 400).startsWith(textOf(reply))).toBe(true);
  expect(textOf(reply).length).toBeGreaterThan(20);
});

test("B27 a message typed while the server is down is kept over a reload and sent once, in its order", async () => {
  const { server, model } = await serverWithModel();
  const storage = { local: memoryLocal(), outbox: memoryStore() };
  const first = guest(server.url, { storage });
  first.connect();
  await online(first);
  await server.kill();
  await until(first.connection, (state) => (state.kind === "online" ? undefined : true));
  const id = first.newId();
  const conversation = first.conversation(id);
  conversation.subscribe(() => undefined);
  const messages = [conversation.send("one {{chars=20}}"), conversation.send("two {{chars=20}}")];
  await until(conversation, (view) => (view.entries[0]?.pending?.status === "waiting" ? true : undefined));
  expect(conversation.getSnapshot().queued.map((item) => item.message)).toEqual([messages[1]]);
  first.close();

  // The page is loaded anew: another client on the same storage.
  const second = guest(server.url, { storage });
  const again = second.conversation(id);
  again.subscribe(() => undefined);
  await until(again, (view) => (view.entries.length === 1 && view.queued.length === 1 ? true : undefined));
  await server.start();
  second.tryNow();
  await finished(again, messages[1] ?? "");
  expect(textsOf(again.getSnapshot())).toEqual([
    "one {{chars=20}}",
    expectedText(1, 20),
    "two {{chars=20}}",
    expectedText(1, 20),
  ]);
  expect(second.pending.getSnapshot()).toEqual([]);
  expect(model.requests).toHaveLength(2);
});

test("B27 a connection that ends at any byte of a sent message: exactly one message", async () => {
  const { server, model } = await serverWithModel();
  const proxy = await startProxy(server.port);
  const client = guest(proxy.url);
  client.connect();
  await online(client);
  // The frame of this message has about 330 bytes.
  const cuts = [1, 5, 20, 80, 200, 320, 331, 345];
  for (const bytes of cuts) {
    const conversation = client.conversation(client.newId());
    conversation.subscribe(() => undefined);
    await until(conversation, (view) => (view.status === "new" ? true : undefined));
    proxy.cutAfter(bytes);
    const message = conversation.send("Hello {{chars=5}}");
    await until(conversation, (view) => (view.entries.length > 0 ? true : undefined));
    const looking = setInterval(() => client.tryNow(), 50);
    await finished(conversation, message);
    clearInterval(looking);
    expect(textsOf(conversation.getSnapshot())).toEqual(["Hello {{chars=5}}", expectedText(1, 5)]);
  }
  expect(model.requests).toHaveLength(cuts.length);
});

test("B18 two clients of one person on one conversation: both see everything, a stop from one ends it in both", async () => {
  const { server } = await serverWithModel();
  const storage = { local: memoryLocal() };
  const [left, right] = [guest(server.url, { storage }), guest(server.url, { storage })];
  left.connect();
  await online(left);
  const id = left.newId();
  const [a, b] = [left.conversation(id), right.conversation(id)];
  a.subscribe(() => undefined);
  const message = a.send(prompt(5000, 100));
  await streaming(a, message);
  b.subscribe(() => undefined);
  await streaming(b, message, 50);
  await b.stop();
  const [here, there] = await Promise.all([finished(a, message), finished(b, message)]);
  expect(here.metadata.status).toBe("stopped");
  expect(there).toEqual(here);
  const answer = b.send("And now? {{chars=30}}");
  await finished(a, answer);
  await finished(b, answer);
  expect(a.getSnapshot().entries.map((entry) => entry.message)).toEqual(
    b.getSnapshot().entries.map((entry) => entry.message),
  );
  expect(a.getSnapshot().entries).toHaveLength(4);
});

test("B07 a stop at once, before there is a reply to stop, stops it when it begins", async () => {
  const { server, model } = await serverWithModel();
  const client = guest(server.url);
  const conversation = client.conversation(client.newId());
  conversation.subscribe(() => undefined);
  const message = conversation.send(prompt(9000, 50));
  await conversation.stop();
  const reply = await finished(conversation, message);
  expect(reply.metadata.status).toBe("stopped");
  expect(textOf(reply).length).toBeLessThan(400);
  await expect
    .poll(() => model.requests.every((request) => request.outcome !== undefined), { timeout: 10_000 })
    .toBe(true);
});

test("RE5 what is sent while a reply is made waits for its end; Send now ends the reply", async () => {
  const { server } = await serverWithModel();
  const client = guest(server.url);
  const conversation = client.conversation(client.newId());
  conversation.subscribe(() => undefined);
  const first = conversation.send(prompt(4000, 50));
  await streaming(conversation, first);
  const second = conversation.send("Second");
  const third = conversation.send("Third {{chars=10}}");
  await until(conversation, (view) => (view.queued.length === 2 ? true : undefined));
  expect(await conversation.change(second, "Second, better {{chars=10}}")).toBe(true);
  await conversation.sendNow(third);
  await finished(conversation, third);
  await finished(conversation, second);
  expect(textsOf(conversation.getSnapshot()).filter((_, i) => i % 2 === 0)).toEqual([
    prompt(4000, 50),
    "Third {{chars=10}}",
    "Second, better {{chars=10}}",
  ]);
  expect(repliesOf(conversation.getSnapshot()).map((reply) => reply.metadata.status)).toEqual([
    "stopped",
    "completed",
    "completed",
  ]);
});

test("RE5 a message to a conversation that nobody looks at waits too, and is sent", async () => {
  const { server } = await serverWithModel();
  const storage = { local: memoryLocal() };
  const [left, right] = [guest(server.url, { storage }), guest(server.url, { storage })];
  left.connect();
  await online(left);
  const id = left.newId();
  const a = left.conversation(id);
  a.subscribe(() => undefined);
  await streaming(a, a.send(prompt(300, 150)));
  const message = right.conversation(id).send("From elsewhere {{chars=5}}");
  expect(textOf(await finished(a, message))).toBe(expectedText(1, 5));
  await until(right.pending, (items) => (items.length === 0 ? true : undefined));
});

test("RE6 a session is gone on with after a reload; a client without one is another guest", async () => {
  const { server } = await serverWithModel();
  const storage = { local: memoryLocal() };
  const first = guest(server.url, { storage });
  first.connect();
  await online(first);
  const person = first.person.getSnapshot();
  first.close();
  const again = guest(server.url, { storage });
  expect(again.person.getSnapshot()).toEqual(person);
  again.connect();
  await online(again);
  expect(again.person.getSnapshot()).toEqual(person);
  const other = guest(server.url);
  other.connect();
  await online(other);
  expect(other.person.getSnapshot()?.id).not.toBe(person?.id);
  await again.logout();
  expect(again.connection.getSnapshot().kind).toBe("signed-out");
  expect(guest(server.url, { storage }).person.getSnapshot()).toBeUndefined();
  await expect(again.create()).rejects.toMatchObject({ code: "unauthorized" });
});

test("RE7 the list is live, and true again after a time away", async () => {
  const { server } = await serverWithModel();
  const storage = { local: memoryLocal() };
  const proxy = await startProxy(server.port);
  const [left, right] = [guest(server.url, { storage }), guest(proxy.url, { storage })];
  left.connect();
  await online(left);
  // The one behind the proxy has another address: it is given the same session.
  const key = (url: string): string => `throughline:${url.replace("http", "ws")}/api/v1/async/chatbot/session`;
  storage.local.setItem(key(proxy.url), storage.local.getItem(key(server.url)) ?? "");
  right.conversations.subscribe(() => undefined);
  const [one, two] = [await left.create("One"), await left.create("Two")];
  await until(right.conversations, (list) => (list.rows.length === 2 ? true : undefined));
  await two.rename("Zwei");
  await until(right.conversations, (list) => (list.rows[0]?.title === "Zwei" ? true : undefined));
  proxy.refuse(true);
  proxy.cut();
  await one.delete();
  await left.create("Three");
  proxy.refuse(false);
  await until(right.connection, (state) => (state.kind === "online" ? undefined : true));
  right.tryNow();
  await until(right.conversations, (list) =>
    list.rows.map((row) => row.title).join() === "Three,Zwei" ? true : undefined,
  );
});

test("RE7 a page that looks at a conversation before it exists sees it begin, on another device", async () => {
  const { server } = await serverWithModel();
  const storage = { local: memoryLocal() };
  const [left, right] = [guest(server.url, { storage }), guest(server.url, { storage })];
  left.connect();
  await online(left);
  const id = left.newId();
  const there = right.conversation(id);
  right.conversations.subscribe(() => undefined);
  there.subscribe(() => undefined);
  await until(there, (view) => (view.status === "new" ? true : undefined));
  await until(right.conversations, (list) => (list.status === "live" ? true : undefined));
  const message = left.conversation(id).send("First {{chars=9}}");
  expect(textOf(await finished(there, message))).toBe(expectedText(1, 9));
});

test("RE8 older pages are loaded upwards, and branches are chosen", async () => {
  const { server } = await serverWithModel();
  const storage = { local: memoryLocal() };
  const writer = guest(server.url, { storage });
  const id = writer.newId();
  const written = writer.conversation(id);
  written.subscribe(() => undefined);
  let last = "";
  for (let i = 0; i < 30; i++) {
    last = written.send(`Message ${i} {{chars=3}}`);
    await finished(written, last);
  }
  // Another page of the same person has the newest messages only, until it asks for more.
  const client = guest(server.url, { storage });
  const conversation = client.conversation(id);
  conversation.subscribe(() => undefined);
  await until(conversation, (view) => (view.status === "live" ? true : undefined));
  expect([conversation.getSnapshot().entries.length, conversation.getSnapshot().more]).toEqual([50, true]);
  await Promise.all([conversation.loadMore(), conversation.loadMore()]);
  expect(conversation.getSnapshot().more).toBe(false);
  expect(textsOf(conversation.getSnapshot())).toEqual(textsOf(written.getSnapshot()));
  const reply = repliesOf(conversation.getSnapshot()).at(-1)?.id ?? "";
  const edited = conversation.edit(last, "Message 29, better {{chars=4}}");
  await finished(conversation, edited);
  const entry = conversation.getSnapshot().entries.at(-2);
  expect(entry?.branch).toEqual({ index: 1, siblings: [last, edited] });
  conversation.choose(last);
  expect(conversation.getSnapshot().entries.at(-1)?.message.id).toBe(reply);
  const { reply: second } = await conversation.retry(reply);
  await until(conversation, (view) => (view.entries.at(-1)?.message.id === second ? true : undefined));
  expect(conversation.getSnapshot().entries.at(-1)?.branch?.siblings).toEqual([reply, second]);
});

test("G12 B14 a server that leaves in mid-reply and is started again: the text is whole, the sign is shown meanwhile", async () => {
  const { server } = await serverWithModel();
  const client = guest(server.url);
  const conversation = client.conversation(client.newId());
  conversation.subscribe(() => undefined);
  const message = conversation.send(prompt(1800, 150));
  await streaming(conversation, message, 50);
  const kinds: string[] = [];
  client.connection.subscribe(() => {
    const state = client.connection.getSnapshot();
    kinds.push(state.kind === "online" && state.draining ? "draining" : state.kind);
  });
  await server.kill("SIGTERM");
  expect(kinds[0]).toBe("draining");
  await server.start();
  client.tryNow();
  expect(textOf(await finished(conversation, message))).toBe(expectedText(1, 1800));
  expect(kinds).not.toContain("stopped");
});

test("CO9 a network that swallows everything without a word is found out by the probe, and replaced", async () => {
  const { server } = await serverWithModel();
  const proxy = await startProxy(server.port);
  const client = guest(proxy.url);
  const conversation = client.conversation(client.newId());
  conversation.subscribe(() => undefined);
  const message = conversation.send(prompt(2000, 250));
  await streaming(conversation, message, 50);
  proxy.stall(true);
  // What a browser does when the network changes.
  client.tryNow();
  await until(client.connection, (state) => (state.kind === "online" ? undefined : true));
  proxy.stall(false);
  client.tryNow();
  expect(textOf(await finished(conversation, message))).toBe(expectedText(1, 2000));
});

test("B18 a message under an older one makes a branch: nothing of the other is touched", async () => {
  const { server } = await serverWithModel();
  const client = guest(server.url);
  const conversation = client.conversation(client.newId());
  conversation.subscribe(() => undefined);
  const first = conversation.send("One {{chars=5}}");
  const reply = await finished(conversation, first);
  const second = conversation.send("Two {{chars=6}}");
  await finished(conversation, second);
  // A device that knows of nothing after the first reply.
  const stale = conversation.send("Two, elsewhere {{chars=7}}", { parent: reply.id });
  await finished(conversation, stale);
  const { entries } = conversation.getSnapshot();
  expect(entries.map((entry) => entry.message.id).slice(0, 3)).toEqual([first, reply.id, stale]);
  expect(entries[2]?.branch?.siblings).toEqual([second, stale]);
  conversation.choose(second);
  expect(textsOf(conversation.getSnapshot()).slice(2)).toEqual(["Two {{chars=6}}", expectedText(1, 6)]);
});

test("AZ18 a session that ends while a message waits: the message stays, and is never sent as somebody else", async () => {
  const { server, model } = await serverWithModel();
  const storage = { local: memoryLocal(), outbox: memoryStore() };
  const [left, right] = [guest(server.url, { storage }), guest(server.url, { storage: { local: storage.local } })];
  left.connect();
  await online(left);
  right.connect();
  await online(right);
  const conversation = left.conversation(left.newId());
  conversation.subscribe(() => undefined);
  await finished(conversation, conversation.send("Before {{chars=5}}"));
  await right.logout(true);
  await until(left.connection, (state) => (state.kind === "signed-out" ? true : undefined));
  expect(textsOf(conversation.getSnapshot())).toHaveLength(2);
  conversation.send("After");
  await until(left.pending, (items) => (items.length === 1 ? true : undefined));
  left.signIn();
  await online(left);
  await until(conversation, (view) => (view.status === "new" ? true : undefined));
  expect(left.pending.getSnapshot()).toMatchObject([{ status: "waiting" }]);
  expect(model.requests).toHaveLength(1);
});

test("RE13 a conversation that nobody looks at any more is left, and gone on with where it was", async () => {
  const { server } = await serverWithModel();
  const client = guest(server.url);
  const conversation = client.conversation(client.newId());
  const leave = conversation.subscribe(() => undefined);
  await streaming(conversation, conversation.send(prompt(800, 200)), 20);
  leave();
  const seen = conversation.getSnapshot().seq;
  await until(client.conversation(client.newId()), (view) => (view.status === "new" ? true : undefined));
  const texts: string[] = [];
  conversation.subscribe(() => texts.push(textOf(repliesOf(conversation.getSnapshot())[0])));
  await until(conversation, (view) => (view.running === undefined && view.seq > seen ? true : undefined));
  expect(texts.at(-1)).toBe(expectedText(1, 800));
});

test("RE14 a reaction is shown at once, stays when the log has it, and is taken back where it is refused", async () => {
  const { server } = await serverWithModel();
  const storage = { local: memoryLocal() };
  const proxy = await startProxy(server.port);
  const client = guest(proxy.url, { storage });
  const conversation = client.conversation(client.newId());
  conversation.subscribe(() => undefined);
  const reply = await finished(conversation, conversation.send("Hello {{chars=9}}"));
  const me = client.person.getSnapshot()?.id ?? "";
  const shown = (): unknown => repliesOf(conversation.getSnapshot())[0]?.metadata.reactions;
  const all: unknown[] = [];
  conversation.subscribe(() => all.push(shown()));

  const { seq } = conversation.getSnapshot();
  const liked = conversation.react(reply.id, "👍", true);
  expect(shown()).toEqual({ "👍": [me] });
  const entry = conversation.getSnapshot().entries[1];
  await conversation.rename("Something else happens");
  expect(conversation.getSnapshot().entries[1]?.message).toEqual(entry?.message);
  await liked;
  await until(conversation, (view) => (view.seq >= seq + 2 ? true : undefined));
  expect(shown()).toEqual({ "👍": [me] });
  // On its way it is one person once, also where the event came before the answer.
  expect(all.every((reactions) => JSON.stringify(reactions) === JSON.stringify({ "👍": [me] }))).toBe(true);

  // Away: on, off and on again are one wish.
  proxy.refuse(true);
  proxy.cut();
  await until(client.connection, ({ kind }) => (kind === "online" ? undefined : true));
  const wishes = [true, false, true].map((on) => conversation.react(reply.id, "🎉", on));
  wishes.push(conversation.react(reply.id, "👍", false));
  expect(shown()).toEqual({ "🎉": [me] });
  proxy.refuse(false);
  client.tryNow();
  await Promise.all(wishes);
  expect(shown()).toEqual({ "🎉": [me] });
  await until(conversation, (view) => (view.seq >= seq + 6 ? true : undefined));
  expect(shown()).toEqual({ "🎉": [me] });

  const refused = conversation.react(reply.id, "no emoji", true);
  expect(shown()).toEqual({ "🎉": [me], "no emoji": [me] });
  await expect(refused).rejects.toMatchObject({ code: "invalid" });
  expect(shown()).toEqual({ "🎉": [me] });
  const other = guest(server.url, { storage: { local: memoryLocal() } });
  other.connect();
  await online(other);
  const theirs = other.conversation(conversation.id).react(reply.id, "👍", true);
  await expect(theirs).rejects.toMatchObject({ code: "not_found" });
});

test("RE18 a message far up, on another branch, is reached; one that is not there is not", async () => {
  const { server } = await serverWithModel();
  const storage = { local: memoryLocal() };
  const writer = guest(server.url, { storage });
  const id = writer.newId();
  const written = writer.conversation(id);
  written.subscribe(() => undefined);
  const first = written.send("Root {{chars=3}}");
  const root = await finished(written, first);
  const left = written.send("Left {{chars=3}}");
  const deep = written.send("Deep in the left {{chars=3}}");
  await finished(written, deep);
  let last = written.edit(left, "Right {{chars=3}}");
  for (let i = 0; i < 60; i++) {
    await finished(written, last);
    last = written.send(`Right ${i} {{chars=3}}`);
  }
  await finished(written, last);

  const client = guest(server.url, { storage });
  const conversation = client.conversation(id);
  // Nobody looks at it yet: it is opened for that.
  expect(await conversation.reach(deep)).toBe(true);
  conversation.subscribe(() => undefined);
  expect(conversation.getSnapshot().entries.map(({ message }) => message.id)).toEqual([
    first,
    root.id,
    left,
    conversation.find(deep)?.metadata.parent,
    deep,
    conversation.replies(deep)[0]?.id,
  ]);
  expect(await conversation.reach(last)).toBe(true);
  expect(conversation.getSnapshot().entries.at(-2)?.message.id).toBe(last);
  expect(await conversation.reach(client.newId())).toBe(false);
  expect(await client.conversation(client.newId()).reach(deep)).toBe(false);
});

test("RE19 a conversation that is not open is renamed, archived, found again and deleted, and is never opened", async () => {
  const { server } = await serverWithModel();
  const storage = { local: memoryLocal() };
  const client = guest(server.url, { storage });
  client.conversations.subscribe(() => undefined);
  const other = guest(server.url, { storage: { local: memoryLocal() } });
  const { id } = await client.create("One");
  const handle = client.conversation(id);
  await handle.rename("Two");
  await until(client.conversations, ({ rows }) => (rows[0]?.title === "Two" ? true : undefined));
  await expect(handle.rename("")).rejects.toMatchObject({ code: "invalid" });
  await handle.archive();
  await until(client.conversations, ({ rows }) => (rows.length === 0 ? true : undefined));
  expect((await client.list({ archived: true })).rows).toMatchObject([{ id, title: "Two" }]);
  expect((await client.list({ query: "tw" })).rows).toEqual([]);
  await handle.archive(false);
  await until(client.conversations, ({ rows }) => (rows.length === 1 ? true : undefined));
  expect((await client.list({ query: "tw" })).rows).toMatchObject([{ id }]);
  expect(handle.getSnapshot().status).toBe("loading");
  await expect(other.conversation(id).delete()).rejects.toMatchObject({ code: "not_found" });
  await handle.delete();
  await until(client.conversations, ({ rows }) => (rows.length === 0 ? true : undefined));
  await expect(handle.rename("Three")).rejects.toMatchObject({ code: "not_found" });
});

test("CO21 HS01 an origin that the server refuses is told as that, not as a network that is gone", async () => {
  const server = await startServer();
  /** As a browser on a page of somebody else's. */
  class Foreign extends NodeSocket {
    constructor(url: string, protocols: string) {
      super(url, protocols, { origin: "https://elsewhere.example" });
    }
  }
  const client = guest(server.url, { webSocket: Foreign as unknown as SocketFactory, random: () => 0 });
  client.connect();
  const state = await until(client.connection, (now) =>
    now.kind === "reconnecting" && now.blocked === true ? now : undefined,
  );
  expect(state.attempt).toBeGreaterThanOrEqual(3);
  expect(state.at - Date.now()).toBeGreaterThan(25_000);
});
