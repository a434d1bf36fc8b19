// Proves what is shown of the last time before the server has spoken: it is a beginning, it is one person's, it is bounded.
import { indexedDB } from "fake-indexeddb";
import { beforeAll, expect, onTestFinished, test, vi } from "vitest";
import { createClient, memoryLocal, memoryStore, until } from "../../src/client/index.ts";
import { indexedDbKept } from "../../src/client/indexed-db.ts";
import { createKept, snapshotOf, type KeptItem, type KeptStore } from "../../src/client/kept.ts";
import { offline as keepOffline } from "../../src/client/offline.ts";
import { emptyConversation, type Conversation } from "../../src/domain/conversation.ts";
import { expectedText, startModelServer } from "../support/model-server.ts";
import { startServer } from "./server.ts";
import { fakeSockets, handClock, settle } from "./sockets.ts";
import { finished, guest, online, repliesOf, streaming, textOf, textsOf } from "./talk.ts";

beforeAll(() => {
  vi.stubGlobal("indexedDB", indexedDB);
});

let names = 0;
/** What one browser keeps: a page's clients share it. */
const browser = () => ({
  local: memoryLocal(),
  outbox: memoryStore(),
  kept: indexedDbKept(`browser ${names++}`),
});

async function serverWithModel() {
  const model = await startModelServer({ prefill: true });
  onTestFinished(() => model.close());
  return startServer({ OPENAI_BASE_URL: model.url, MODEL: "openai-compatible:test-model", MODEL_PREFILL: "on" });
}

/** A socket class that writes down the kinds of frames that come in, and the first that goes out. */
function listening() {
  const heard: string[] = [];
  const opened: unknown[] = [];
  class Listening extends WebSocket {
    constructor(url: string, protocols: string) {
      super(url, protocols);
      this.addEventListener("message", ({ data }) => {
        heard.push((JSON.parse(String(data)) as { type: string }).type);
      });
    }
    override send(text: string): void {
      const frame = JSON.parse(text) as { type: string; open?: unknown };
      if (frame.type === "auth") opened.push(frame.open);
      super.send(text);
    }
  }
  return { Listening, heard, opened };
}

test("RE16 opened without a server: the list and the conversation are shown as they were, then gone on with by cursor", async () => {
  const server = await serverWithModel();
  const storage = browser();
  const first = guest(server.url, { storage });
  const id = first.newId();
  first.conversations.subscribe(() => undefined);
  const before = first.conversation(id);
  before.subscribe(() => undefined);
  await finished(before, before.send("Hello {{chars=50}}"));
  await before.rename("Kept");
  await until(first.conversations, ({ rows }) => (rows[0]?.title === "Kept" ? true : undefined));
  const seen = before.getSnapshot();
  first.close();
  await server.kill();

  const { Listening, heard, opened } = listening();
  const second = guest(server.url, { storage, webSocket: Listening });
  const again = second.conversation(id);
  second.conversations.subscribe(() => undefined);
  again.subscribe(() => undefined);
  await until(again, (view) => (view.entries.length === 2 ? true : undefined));
  expect(again.getSnapshot()).toMatchObject({ status: "behind", title: "Kept", seq: seen.seq, more: false });
  expect(again.getSnapshot().entries).toEqual(seen.entries);
  expect(second.conversations.getSnapshot()).toMatchObject({ status: "behind", rows: [{ id, title: "Kept" }] });
  // What is written now waits, as it does in any conversation that is behind.
  const message = again.send("And now? {{chars=9}}");
  await until(again, (view) => (view.entries.length === 3 ? true : undefined));

  await server.start();
  second.tryNow();
  expect(textOf(await finished(again, message))).toBe(expectedText(1, 9));
  expect(opened.at(-1)).toMatchObject([{ conversation: id, seq: seen.seq }]);
  expect(heard).not.toContain("snapshot");
  await until(second.conversations, ({ status }) => (status === "live" ? true : undefined));
});

test("RE16 G4 a reload in mid-reply: what is shown only ever grows, and no snapshot is asked for", async () => {
  const server = await serverWithModel();
  const storage = browser();
  const first = guest(server.url, { storage });
  const id = first.newId();
  const before = first.conversation(id);
  before.subscribe(() => undefined);
  const message = before.send("Go {{chars=2500 rate=250}}");
  await streaming(before, message, 300);
  first.close();
  const shown = textOf(repliesOf(before.getSnapshot())[0]);

  const { Listening, heard } = listening();
  const second = guest(server.url, { storage, webSocket: Listening });
  const again = second.conversation(id);
  const texts: string[] = [];
  again.subscribe(() => texts.push(textOf(repliesOf(again.getSnapshot())[0])));
  expect(textOf(await finished(again, message))).toBe(expectedText(1, 2500));
  // The page that left kept what it had shown; nothing is missing at first, nothing is taken back later.
  expect(texts.find((text) => text !== "")?.startsWith(shown)).toBe(true);
  texts.forEach((text, i) => expect(text.startsWith(texts[i - 1] ?? "")).toBe(true));
  expect(heard).not.toContain("snapshot");
});

test("RE16 LG7 what was kept of a store that is no more gives way to a snapshot", async () => {
  const server = await serverWithModel();
  const storage = browser();
  const first = guest(server.url, { storage });
  const conversation = first.conversation(first.newId());
  conversation.subscribe(() => undefined);
  await finished(conversation, conversation.send("Hello {{chars=50}}"));
  first.close();
  const item = (await storage.kept.all()).find(({ id }) => id === conversation.id) as KeptItem;
  const frame = JSON.parse(item.text) as { seq: number; epoch: string };
  await storage.kept.put({ ...item, text: JSON.stringify({ ...frame, epoch: "another", seq: frame.seq + 40 }) });
  const second = guest(server.url, { storage });
  const again = second.conversation(conversation.id);
  again.subscribe(() => undefined);
  await until(again, ({ status, seq }) => (status === "live" && seq === frame.seq ? true : undefined));
  expect(textsOf(again.getSnapshot())).toEqual(["Hello {{chars=50}}", expectedText(1, 50)]);
});

test("RE17 after a sign-out nothing is left, in the page or in the store", async () => {
  const server = await serverWithModel();
  const storage = browser();
  const [one, two] = [guest(server.url, { storage }), guest(server.url, { storage })];
  const conversation = one.conversation(one.newId());
  conversation.subscribe(() => undefined);
  await finished(conversation, conversation.send("Secret {{chars=5}}"));
  two.conversation(conversation.id).subscribe(() => undefined);
  await until(two.conversation(conversation.id), (view) => (view.status === "live" ? true : undefined));
  await one.logout(true);
  await until(two.connection, ({ kind }) => (kind === "signed-out" ? true : undefined));
  two.close();
  one.close();
  await expect.poll(() => storage.kept.all(), { timeout: 10_000 }).toEqual([]);
});

/** A client that never gets a connection. */
function offline(storage: { local: ReturnType<typeof memoryLocal>; kept: KeptStore }, token?: string) {
  const net = fakeSockets();
  const client = createClient({
    url: "http://server",
    guest: true,
    token,
    clock: handClock(),
    webSocket: net.Socket,
    offline: keepOffline,
    storage: { ...storage, outbox: memoryStore() },
  });
  onTestFinished(() => client.close());
  return { client, net };
}

const c = "0190a0a0-0000-7000-8000-000000000001";
const message = (text: string, n = 0) => ({
  id: `m${n}`,
  role: "user" as const,
  parts: [{ type: "text" as const, text }],
  metadata: { createdAt: "x", parent: n === 0 ? null : `m${n - 1}` },
});
const stateOf = (texts: readonly string[]): Conversation => ({
  ...emptyConversation,
  seq: 9,
  createdAt: "x",
  messages: texts.map(message),
});
const itemOf = (id: string, person: string, text: string): KeptItem => ({ id, person, at: 1, text });
const keptText = (texts: readonly string[]): string =>
  JSON.stringify(snapshotOf({ conversation: c, seq: 9 }, stateOf(texts)));
const sessionKey = "throughline:ws://server/api/v1/async/chatbot/session";
const jwt = (sub: string, more = ""): string =>
  `e30.${btoa(JSON.stringify({ iss: "https://issuer", sub, more })).replace(/=+$/, "")}.s`;
const sessionOf = (id: string, of?: string): string => JSON.stringify({ session: "s", user: { id }, of });

/** What a client without a server shows of what is kept. */
async function shown(session: string, items: KeptItem[], token?: string): Promise<string[]> {
  const storage = browser();
  storage.local.setItem(sessionKey, session);
  for (const item of items) await storage.kept.put(item);
  const { client, net } = offline(storage, token);
  const conversation = client.conversation(c);
  conversation.subscribe(() => undefined);
  client.conversations.subscribe(() => undefined);
  // A socket is opened only after what is kept has been read.
  await vi.waitUntil(() => net.sockets.length > 0, { timeout: 10_000 });
  return [...textsOf(conversation.getSnapshot()), ...client.conversations.getSnapshot().rows.map(({ id }) => id)];
}

test("RE17 what was kept is shown to the same person only, as far as that is certain", async () => {
  const items = [
    itemOf(c, "ann", keptText(["Hers"])),
    itemOf("list", "ann", `{"type":"ack","id":"list","conversations":[{"id":"x","updatedAt":"1","seq":1}]}`),
  ];
  const hers = ["Hers", "x"];
  expect(await shown(sessionOf("ann"), items)).toEqual(hers);
  expect(await shown(sessionOf("bob"), items)).toEqual([]);
  expect(await shown("", items)).toEqual([]);
  // With a token: the same subject, though not the same token.
  const of = JSON.stringify(["https://issuer", "ann"]);
  expect(await shown(sessionOf("ann", of), items, jwt("ann", "newer"))).toEqual(hers);
  expect(await shown(sessionOf("ann", of), items, jwt("bob"))).toEqual([]);
  expect(await shown(sessionOf("ann"), items, jwt("ann"))).toEqual([]);
  expect(await shown(sessionOf("ann", of), items, "opaque")).toEqual([]);
});

test("RE17 what is torn, of another format or no item at all is dropped, and harms nothing", async () => {
  const whole = keptText(["Hers"]);
  for (const text of [
    whole.slice(0, -5),
    "",
    "null",
    "[]",
    '{"type":"ack","id":"x"}',
    '{"type":"snapshot","conversation":"c","seq":1}',
    whole.replace('"parts"', '"pieces"'),
    whole.replace('"turns":[]', '"turns":1'),
    7 as unknown as string,
  ]) {
    expect(await shown(sessionOf("ann"), [itemOf(c, "ann", text), itemOf("list", "ann", text)])).toEqual([]);
  }
});

test("RE17 OU9 a store that fails, or never answers, holds nothing up", async () => {
  const fails = (): Promise<never> => Promise.reject(new Error("forbidden"));
  const broken: KeptStore = { all: fails, put: fails, remove: fails, clear: fails };
  const mute: KeptStore = { ...broken, all: () => new Promise(() => undefined) };
  for (const kept of [broken, mute]) {
    const clock = handClock();
    const net = fakeSockets();
    const local = memoryLocal();
    local.setItem(sessionKey, sessionOf("ann"));
    const storage = { local, outbox: memoryStore(), kept };
    const client = createClient({
      url: "http://server",
      guest: true,
      clock,
      webSocket: net.Socket,
      storage,
      offline: keepOffline,
    });
    client.connect();
    await settle();
    clock.pass(500);
    await settle();
    net.last().welcome({ user: { id: "ann" } });
    expect(client.connection.getSnapshot().kind).toBe("online");
    client.close();
    expect(clock.timers()).toBe(0);
  }
});

test("RE16 at most 20 conversations, 50 messages of each and 2 Mi characters are kept, the newest", async () => {
  const clock = handClock();
  const store = indexedDbKept(`bounds ${names++}`);
  const kept = createKept({ kept: store, clock });
  const keep = async (id: string, texts: readonly string[]): Promise<void> => {
    kept.changed(id, () => snapshotOf({ conversation: id, seq: 9, epoch: "e" }, stateOf(texts)));
    clock.pass(1000);
    await settle();
  };
  const ids = async (): Promise<string[]> => (await store.all()).map(({ id }) => id).sort();
  await kept.load("ann");
  for (let i = 10; i < 60; i++) await keep(`c${i}`, ["Hello"]);
  await expect.poll(ids, { timeout: 10_000 }).toEqual(Array.from({ length: 21 }, (_, i) => `c${i + 39}`));

  await keep(
    "long",
    Array.from({ length: 80 }, (_, i) => `message ${i}`),
  );
  const long = kept.find("long");
  if (long?.type !== "snapshot") throw new Error("not kept");
  expect(long.state.messages.map(({ id }) => id)).toEqual(Array.from({ length: 50 }, (_, i) => `m${i + 30}`));
  expect(long.state.more).toBe(true);

  // Long ones: fewer messages of each, and fewer conversations.
  for (let i = 0; i < 20; i++) await keep(`big${i}`, ["x".repeat(100_000), "y".repeat(120_000)]);
  const big = kept.find("big19");
  if (big?.type !== "snapshot") throw new Error("not kept");
  expect(big.state.messages.map(({ id }) => id)).toEqual(["m1"]);
  await expect
    .poll(async () => (await store.all()).reduce((sum, { text }) => sum + text.length, 0))
    .toBeLessThan(2_097_152);
  // What is gone is not kept.
  kept.changed("big19", () => undefined);
  kept.flush();
  await expect.poll(ids, { timeout: 10_000 }).not.toContain("big19");
});

test("RE17 CO18 a person who comes in where another's things are shown: they are gone before anything is said", async () => {
  const storage = browser();
  storage.local.setItem(sessionKey, sessionOf("ann"));
  await storage.kept.put(itemOf(c, "ann", keptText(["Hers"])));
  const net = fakeSockets();
  const clock = handClock();
  const client = createClient({
    url: "http://server",
    guest: true,
    clock,
    webSocket: net.Socket,
    storage,
    offline: keepOffline,
  });
  onTestFinished(() => client.close());
  const conversation = client.conversation(c);
  conversation.subscribe(() => undefined);
  await until(conversation, ({ entries }) => (entries.length > 0 ? true : undefined));
  await vi.waitUntil(() => net.sockets.length > 0, { timeout: 10_000 });
  net.last().welcome({ user: { id: "bob" } });
  await until(conversation, ({ entries }) => (entries.length === 0 ? true : undefined));
  await expect.poll(() => storage.kept.all(), { timeout: 10_000 }).toEqual([]);
  // Nor is what was hers kept as his.
  clock.pass(5000);
  await settle();
  expect(await storage.kept.all()).toEqual([]);
});

test("RE11 RE16 a message sent right before the page goes, kept by nothing but its draft, is in the box afterwards", async () => {
  const storage = browser();
  const never = { ...memoryStore(), durable: true, put: () => new Promise<void>(() => undefined) };
  const first = createClient({ url: "http://server", storage: { ...storage, outbox: never }, offline: keepOffline });
  first.draft("c").set("Almost lost");
  expect(first.sendDraft("c")).toBeTypeOf("string");
  expect(first.draft("c").getSnapshot()).toBe("");
  first.close();
  const second = createClient({ url: "http://server", storage, offline: keepOffline });
  onTestFinished(() => second.close());
  expect(second.draft("c").getSnapshot()).toBe("Almost lost");
});

test("RE16 CO16 online again, a client goes on keeping; closed, it keeps what it has at once", async () => {
  const server = await serverWithModel();
  const storage = browser();
  const client = guest(server.url, { storage });
  client.connect();
  await online(client);
  const conversation = client.conversation(client.newId());
  conversation.subscribe(() => undefined);
  await finished(conversation, conversation.send("Hello {{chars=5}}"));
  client.close();
  await expect.poll(async () => (await storage.kept.all())[0]?.text, { timeout: 10_000 }).toContain(expectedText(1, 5));
});
