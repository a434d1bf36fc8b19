// @vitest-environment happy-dom
// Proves when a row is unread: replies that end while nobody looks, in tabs that share a browser. Sockets and time are the test's.
import { expect, onTestFinished, test, vi } from "vitest";
import { createClient, type Client } from "../../src/client/index.ts";
import { createMarks } from "../../src/client/marks.ts";
import { memoryLocal } from "../../src/client/environment.ts";
import { fakeSockets, handClock, settle, type FakeSocket } from "./sockets.ts";

const at = (second: number): string => new Date(second * 1000).toISOString();
type Tab = { client: Client; socket: FakeSocket; unread: () => string[] };

/** A tab that shows the list, with these rows; `turn`: a reply is being made. */
async function openTab(rows: object[], user = "user"): Promise<Tab> {
  const net = fakeSockets();
  const client = createClient({ url: "/chat", guest: true, clock: handClock(), webSocket: net.Socket });
  onTestFinished(() => client.close());
  client.conversations.subscribe(() => undefined);
  await vi.waitUntil(() => net.sockets.length > 0, { timeout: 10_000 });
  net.last().welcome({ user: { id: user } });
  const id = net.last().sent.findLast((frame) => frame["type"] === "conversation.list")?.["id"];
  net.last().say({ type: "ack", id, conversations: rows });
  await settle();
  const unread = (): string[] =>
    client.conversations.getSnapshot().rows.flatMap((row) => (row.unread === true ? [row.id] : []));
  return { client, socket: net.last(), unread };
}

const row = (id: string, second: number, turn?: string): object => ({
  id,
  createdAt: at(0),
  updatedAt: at(second),
  seq: second,
  ...(turn === undefined ? {} : { turn }),
});
const told = (tab: Tab, id: string, second: number, turn?: string): void => {
  tab.socket.say({ ...row(id, second, turn), type: "conversation", conversation: id });
};
/** Answers the opening of a conversation. */
async function opened(tab: Tab, conversation: string, turns: object[] = []): Promise<void> {
  await vi.waitUntil(() => tab.socket.sent.some((frame) => frame["conversation"] === conversation), {
    timeout: 10_000,
  });
  const { id } = tab.socket.sent.findLast((frame) => frame["type"] === "conversation.open") ?? {};
  tab.socket.say({ type: "ack", id, conversation, seq: 3 });
  const state = { createdAt: at(0), messages: [], more: false, turns };
  tab.socket.say({ type: "snapshot", conversation, seq: 3, state });
  tab.socket.say({ type: "live", conversation, seq: 3 });
}

const clean = (): void => {
  localStorage.clear();
  onTestFinished(() => void vi.restoreAllMocks());
};

test("RE15 a reply that ends while nobody looks makes its row unread, over a reload, until it is opened", async () => {
  clean();
  const tab = await openTab([row("a", 2, "t"), row("b", 1)]);
  told(tab, "b", 5);
  expect(tab.unread()).toEqual([]);
  const before = tab.client.conversations.getSnapshot().rows;
  told(tab, "a", 6);
  expect(tab.unread()).toEqual(["a"]);
  // What did not change keeps its identity.
  expect(tab.client.conversations.getSnapshot().rows[1]).toBe(before.find(({ id }) => id === "b"));
  tab.client.close();

  const again = await openTab([row("a", 6), row("b", 5)]);
  expect(again.unread()).toEqual(["a"]);
  const stop = again.client.conversation("a").subscribe(() => undefined);
  await opened(again, "a");
  expect(again.unread()).toEqual([]);
  stop();
  told(again, "a", 7, "u");
  told(again, "a", 8);
  expect(again.unread()).toEqual(["a"]);
});

test("RE15 a reply that ends between two loads of the page is unread afterwards; a title or a renaming is not", async () => {
  clean();
  const tab = await openTab([row("a", 2, "t"), row("b", 2)]);
  tab.client.close();
  const again = await openTab([row("a", 9), { ...row("b", 9), title: "Named" }]);
  expect(again.unread()).toEqual(["a"]);
});

test("RE15 what is looked at is read; in a hidden tab nobody looks, and seeing it again is looking", async () => {
  clean();
  const tab = await openTab([row("a", 2, "t")]);
  tab.client.conversation("a").subscribe(() => undefined);
  await opened(tab, "a", [{ turn: "t", message: "m", attempt: 1 }]);
  const end = { kind: "turn.finished", at: at(5), turn: "t", message: "m", status: "completed", length: 0 };
  tab.socket.say({ type: "events", conversation: "a", from: 4, to: 4, events: [end] });
  told(tab, "a", 5);
  expect(tab.unread()).toEqual([]);
  const visible = vi.spyOn(document, "visibilityState", "get").mockReturnValue("hidden");
  document.dispatchEvent(new Event("visibilitychange"));
  const start = { kind: "turn.started", at: at(6), turn: "u", message: "n", parent: "m", model: "x" };
  tab.socket.say({ type: "events", conversation: "a", from: 5, to: 5, events: [start] });
  tab.socket.say({ type: "events", conversation: "a", from: 6, to: 6, events: [{ ...end, turn: "u", message: "n" }] });
  expect(tab.unread()).toEqual(["a"]);
  visible.mockReturnValue("visible");
  document.dispatchEvent(new Event("visibilitychange"));
  expect(tab.unread()).toEqual([]);
});

test("RE15 of two tabs one looks: the row is unread in neither; what one opens is read in the other", async () => {
  clean();
  const [left, right] = [await openTab([row("a", 2, "t")]), await openTab([row("a", 2, "t")])];
  left.client.conversation("a").subscribe(() => undefined);
  await opened(left, "a");
  told(right, "a", 5);
  told(left, "a", 5);
  await vi.waitUntil(() => right.unread().length === 0 && left.unread().length === 0, { timeout: 10_000 });
  told(right, "b", 6, "t");
  told(right, "b", 7);
  expect(right.unread()).toEqual(["b"]);
  left.client.conversation("b").subscribe(() => undefined);
  await opened(left, "b");
  await vi.waitUntil(() => right.unread().length === 0, { timeout: 10_000 });
});

test("RE15 CO18 marks are one person's", async () => {
  clean();
  const tab = await openTab([row("a", 2, "t")]);
  told(tab, "a", 3);
  expect(tab.unread()).toEqual(["a"]);
  tab.client.close();
  const other = await openTab([row("a", 3)], "somebody else");
  expect(other.unread()).toEqual([]);
});

test("RE15 at most 200 are remembered, the newest; rubbish in the store is nothing", () => {
  const local = memoryLocal();
  local.setItem("k", "{broken");
  const marks = createMarks({ local, key: () => "k", changed: () => undefined });
  expect(marks.isUnread("c0")).toBe(false);
  for (let i = 0; i < 300; i++) {
    marks.note(`c${i}`, true, false);
    marks.note(`c${i}`, false, false);
  }
  expect([marks.isUnread("c0"), marks.isUnread("c100"), marks.isUnread("c299")]).toEqual([false, true, true]);
  expect(local.getItem("k")?.length).toBeLessThan(200 * 20);
});
