// Proves that a message is kept and delivered exactly once, in order, over reloads, tabs, refusals and lost answers.
import fc from "fast-check";
import { IDBDatabase, indexedDB } from "fake-indexeddb";
import { beforeAll, expect, onTestFinished, test, vi } from "vitest";
import type { Environment, Tabs } from "../../src/client/environment.ts";
import { uuidAt } from "../../src/client/environment.ts";
import { indexedDbStore, memoryLocal, memoryStore, type OutboxStore } from "../../src/client/index.ts";
import { createOutbox, type Draft, type Gate, type Outbox, type Pending } from "../../src/client/outbox.ts";
import type { Result } from "../../src/client/requests.ts";
import { reject, type Command, type CommandOf, type Rejection } from "../../src/protocol/index.ts";
import { fakeSockets, handClock, settle, type HandClock } from "./sockets.ts";

beforeAll(() => {
  vi.stubGlobal("indexedDB", indexedDB);
});

/** Tabs of one browser: locks that end with their tab, and a channel between them. */
function browser() {
  const held = new Map<string, object>();
  const listeners = new Map<object, () => void>();
  return (): { tabs: Tabs; die: () => void } => {
    const tab = {};
    const die = (): void => {
      listeners.delete(tab);
      for (const [name, owner] of held) if (owner === tab) held.delete(name);
    };
    const tabs: Tabs = {
      post() {
        for (const [other, fn] of listeners) if (other !== tab) queueMicrotask(fn);
      },
      listen: (fn) => void listeners.set(tab, fn),
      hold: (name) => void held.set(name, tab),
      async ifFree(name, fn) {
        if (held.has(name)) return;
        held.set(name, tab);
        await fn();
        held.delete(name);
      },
      alone: (_, fn) => fn(),
      close: die,
    };
    return { tabs, die };
  };
}

type Sent = CommandOf<"message.send"> | CommandOf<"message.edit">;
type Answer = (command: Sent) => Result | "lost" | "done but lost";

let names = 0;
let ids = 0;

/** A page with an outbox, and a server that answers as the test says; what it has done is in `done`. */
function page(options: {
  store: OutboxStore;
  done: Sent[];
  clock?: HandClock;
  tab?: { tabs: Tabs; die: () => void };
  answer?: Answer;
  user?: () => string | undefined;
  fate?: (user: string) => "sent" | "shown" | "hidden";
  gate?: () => Gate;
}) {
  const { done, clock = handClock(), tab = browser()() } = options;
  const world = { answer: options.answer ?? ((): Result => ({ ok: true, ack: { seq: done.length } })), dead: false };
  const tried: Sent[] = [];
  const held: string[] = [];
  const environment: Environment = {
    clock,
    random: () => 0.5,
    uuid: () => uuidAt(clock.now(), Math.random, ids++),
    webSocket: fakeSockets().Socket,
    local: memoryLocal(),
    outbox: options.store,
    tabs: tab.tabs,
    isOnline: () => true,
    answers: () => Promise.resolve(false),
    isVisible: () => true,
    turns: () => () => undefined,
    kept: undefined,
    wakes: () => () => undefined,
  };
  const user = options.user ?? (() => "me");
  const outbox: Outbox = createOutbox({
    environment,
    user,
    fate: options.fate ?? ((name) => (name === user() ? "sent" : "shown")),
    gate: options.gate ?? (() => ({})),
    held: (conversation) => void held.push(conversation),
    delivered: () => undefined,
    send(command: Command) {
      if (world.dead) return new Promise(() => undefined);
      if (command.type !== "message.send" && command.type !== "message.edit") throw new Error(command.type);
      tried.push(command);
      const before = done.find((other) => other.id === command.id);
      if (before !== undefined) {
        const same = JSON.stringify(before) === JSON.stringify(command);
        return Promise.resolve(same ? { ok: true, ack: { seq: 1 } } : refused(reject("conflict", { field: "id" })));
      }
      const result = world.answer(command);
      if (result !== "lost" && (result === "done but lost" || result.ok)) done.push(command);
      return result === "lost" || result === "done but lost" ? new Promise(() => undefined) : Promise.resolve(result);
    },
  });
  const die = (): void => {
    world.dead = true;
    outbox.close();
    tab.die();
  };
  onTestFinished(die);
  const shown = (): Pending[] => outbox.items.getSnapshot().filter((item) => item.status !== "sent");
  return { outbox, world, tried, held, clock, die, shown };
}

const refused = (error: Rejection): Result => ({ ok: false, error });
const draft = (text: string, more: Partial<Draft> = {}): Draft => ({
  conversation: "c",
  message: uuidAt(0, Math.random, ids++),
  parts: [{ type: "text", text }],
  user: "me",
  ...more,
});
const textsOf = (list: readonly { parts: readonly { type: string; text?: string }[] }[]): string[] =>
  list.map((one) => one.parts.map((part) => part.text ?? "").join(""));
/** IndexedDB takes its time, and each of these takes one step of it. */
const calm = async (): Promise<void> => {
  for (let i = 0; i < 30; i++) await settle();
};
const stores: [string, () => OutboxStore][] = [
  ["memory", memoryStore],
  ["IndexedDB", () => indexedDbStore(`test ${names++}`)],
];

for (const [kind, makeStore] of stores) {
  test(`OU1 B27 ${kind}: what was sent and never answered goes again as it was after a reload, and is there once`, async () => {
    const store = makeStore();
    const done: Sent[] = [];
    let leaf = "first";
    const first = page({ store, done, gate: () => ({ parent: leaf }), answer: () => "done but lost" });
    await first.outbox.add(draft("Hello"));
    await calm();
    first.die();
    leaf = "second";
    const second = page({ store, done, gate: () => ({ parent: leaf }) });
    await calm();
    expect(textsOf(done)).toEqual(["Hello"]);
    expect(second.tried).toEqual(first.tried);
    expect(second.tried[0]).toMatchObject({ parent: "first" });
    expect(second.shown()).toEqual([]);
    expect(await store.all()).toEqual([]);
  });

  test(`OU2 ${kind}: messages of one conversation go one after the other, in their order; another's do not wait`, async () => {
    const done: Sent[] = [];
    const { outbox, tried, world } = page({ store: makeStore(), done });
    world.answer = () => "lost";
    await Promise.all([outbox.add(draft("1")), outbox.add(draft("2")), outbox.add(draft("x", { conversation: "d" }))]);
    await calm();
    expect(textsOf(tried)).toEqual(["1", "x"]);
  });
}

test("OU3 tabs: each sends its own; what a tab that is gone has left is taken over, by one of the others", async () => {
  const open = browser();
  const store = indexedDbStore(`test ${names++}`);
  const done: Sent[] = [];
  const left = page({ store, done, tab: open(), answer: () => "lost" });
  await left.outbox.add(draft("From the left"));
  await calm();
  const right = page({ store, done, tab: open() });
  await right.outbox.add(draft("From the right", { conversation: "d" }));
  await calm();
  // Both are shown in both; the one of a tab that lives is its own to send.
  expect(textsOf(right.tried)).toEqual(["From the right"]);
  expect(textsOf(right.shown())).toEqual(["From the left"]);
  left.die();
  const [a, b] = [page({ store, done, tab: open() }), page({ store, done, tab: open() })];
  await calm();
  expect(a.tried.length + b.tried.length).toBe(1);
  expect(textsOf(done)).toEqual(["From the right", "From the left"]);
  expect([...right.shown(), ...a.shown(), ...b.shown()]).toEqual([]);
});

test("OU4 where the reply is still being made the message is held, and goes when that has ended, under what is newest then", async () => {
  const done: Sent[] = [];
  let gate: Gate = { parent: "old" };
  const { outbox, world, tried, held } = page({ store: memoryStore(), done, gate: () => gate });
  world.answer = () => refused(reject("conflict", { field: "parent" }));
  await outbox.add(draft("Later"));
  await calm();
  expect(held).toEqual(["c"]);
  expect(tried).toHaveLength(1);
  world.answer = () => ({ ok: true, ack: { seq: 1 } });
  gate = "busy";
  outbox.freed("c");
  await calm();
  expect(tried).toHaveLength(1);
  gate = { parent: "new" };
  outbox.freed("c");
  await calm();
  expect(done).toMatchObject([{ parent: "new" }]);
});

test("OU5 a passing refusal is tried again after the time it says; a final one keeps the text and says why", async () => {
  const done: Sent[] = [];
  const { outbox, world, tried, clock, shown } = page({ store: memoryStore(), done });
  world.answer = () => refused(reject("rate_limited", { retryAfterMs: 5000 }));
  await outbox.add(draft("Busy"));
  await calm();
  clock.pass(4999);
  await calm();
  expect(tried).toHaveLength(1);
  world.answer = () => refused(reject("too_large"));
  clock.pass(2);
  await calm();
  expect(shown()).toMatchObject([{ status: "failed", error: { code: "too_large" } }]);
  // The next one is not held up by it.
  world.answer = () => ({ ok: true, ack: { seq: 1 } });
  await outbox.add(draft("Next"));
  await calm();
  expect(textsOf(done)).toEqual(["Next"]);
  const failed = shown()[0]?.message ?? "";
  expect(await outbox.change(failed, [{ type: "text", text: "Shorter" }])).toBe(true);
  await calm();
  expect(textsOf(done)).toEqual(["Next", "Shorter"]);
  expect(shown()).toEqual([]);
});

test("OU5 a refusal that does not pass is shown as failed in the end, and can be tried again", async () => {
  const done: Sent[] = [];
  const { outbox, world, tried, clock, shown } = page({ store: memoryStore(), done });
  const why = reject("unavailable", { retryAfterMs: 1500 });
  world.answer = () => refused(why);
  await outbox.add(draft("Again and again"));
  for (let i = 0; i < 20; i++) {
    await calm();
    clock.pass(20_000);
  }
  expect(tried).toHaveLength(6);
  // All that a person needs: the code, the sentence, whether and when it helps to try again.
  expect(shown()).toMatchObject([{ status: "failed", error: why }]);
  expect(Object.keys(why)).toEqual(["code", "message", "retryable", "retryAfterMs"]);
  world.answer = () => ({ ok: true, ack: { seq: 1 } });
  await outbox.retry(shown()[0]?.message ?? "");
  await calm();
  expect(textsOf(done)).toEqual(["Again and again"]);
});

test("OU12 RL01 a message that has to wait for a rate or an allowance is kept however often, says until when, and goes by itself", async () => {
  const done: Sent[] = [];
  const { outbox, world, tried, clock, shown } = page({ store: memoryStore(), done });
  const hour = 3_600_000;
  for (const [i, code] of (["rate_limited", "quota_exceeded"] as const).entries()) {
    world.answer = () => refused(reject(code, { retryAfterMs: hour }));
    await outbox.add(draft(code));
    for (let n = 1; n <= 10; n++) {
      await calm();
      expect(tried).toHaveLength(i * 11 + n);
      expect(shown()).toMatchObject([{ status: "waiting", waitsUntil: clock.now() + hour }]);
      clock.pass(hour - 1);
      await calm();
      expect(tried).toHaveLength(i * 11 + n);
      clock.pass(1);
    }
    world.answer = () => ({ ok: true, ack: { seq: 1 } });
    await calm();
    clock.pass(hour);
    await calm();
    expect(textsOf(done).at(-1)).toBe(code);
    expect(shown()).toEqual([]);
  }
});

test("OU12 while it waits it can be changed and taken back, and holds up no other conversation", async () => {
  const done: Sent[] = [];
  const { outbox, world, clock, shown } = page({ store: memoryStore(), done });
  world.answer = ({ conversation }) =>
    conversation === "c" ? refused(reject("rate_limited", { retryAfterMs: 60_000 })) : { ok: true, ack: { seq: 1 } };
  const [first, second] = [draft("1"), draft("2")];
  await Promise.all([outbox.add(first), outbox.add(second), outbox.add(draft("x", { conversation: "d" }))]);
  await calm();
  expect(textsOf(done)).toEqual(["x"]);
  expect(await outbox.change(first.message, [{ type: "text", text: "one" }])).toBe(true);
  expect(await outbox.remove(second.message)).toBe(true);
  expect(shown()).toMatchObject([{ status: "waiting", waitsUntil: clock.now() + 60_000 }]);
  world.answer = () => ({ ok: true, ack: { seq: 1 } });
  clock.pass(60_000);
  await calm();
  expect(textsOf(done)).toEqual(["x", "one"]);
});

test("OU6 what may have been delivered can be neither changed nor taken back; what cannot, can", async () => {
  const done: Sent[] = [];
  const { outbox, world, shown } = page({ store: memoryStore(), done });
  world.answer = () => "lost";
  const [first, second] = [draft("1"), draft("2")];
  await Promise.all([outbox.add(first), outbox.add(second)]);
  await calm();
  expect(await outbox.remove(first.message)).toBe(false);
  expect(await outbox.change(first.message, [{ type: "text", text: "other" }])).toBe(false);
  expect(await outbox.change(second.message, [{ type: "text", text: "two" }])).toBe(true);
  expect(textsOf(shown())).toEqual(["1", "two"]);
  expect(await outbox.remove(second.message)).toBe(true);
  expect(textsOf(shown())).toEqual(["1"]);
});

test("OU7 AZ18 nothing of one person is sent as another; what was written before anybody signed in is the first one's", async () => {
  const store = memoryStore();
  const done: Sent[] = [];
  let user: string | undefined;
  const { outbox, tried } = page({ store, done, user: () => user });
  await outbox.add(draft("Mine", { user: "me" }));
  await outbox.add(draft("Nobody's", { user: null, conversation: "d" }));
  user = "you";
  outbox.pump();
  await calm();
  expect(textsOf(tried)).toEqual(["Nobody's"]);
  user = "me";
  outbox.pump();
  await calm();
  expect(textsOf(done)).toEqual(["Nobody's", "Mine"]);
});

test("OU7 what another person wrote is not even shown; what the guest before wrote is shown, and not sent", async () => {
  let fate: "sent" | "shown" | "hidden" = "hidden";
  const { outbox, shown, tried } = page({ store: memoryStore(), done: [], fate: () => fate });
  await outbox.add(draft("Other", { user: "other" }));
  await calm();
  expect([shown(), tried]).toEqual([[], []]);
  fate = "shown";
  outbox.pump();
  await calm();
  expect([textsOf(shown()), tried]).toEqual([["Other"], []]);
  fate = "sent";
  outbox.pump();
  await calm();
  expect(textsOf(tried)).toEqual(["Other"]);
});

test("OU8 an answer that was lost and a message that was seen are the same: it is not sent again", async () => {
  const store = memoryStore();
  const done: Sent[] = [];
  const first = page({ store, done, answer: () => "done but lost" });
  const sent = draft("Seen");
  await first.outbox.add(sent);
  await calm();
  first.outbox.seen("c", 5, (message) => message === sent.message);
  await calm();
  expect([first.shown(), await store.all()]).toEqual([[], []]);
});

test("OU8 a message whose own reply is being made already is asked about at once, not when that has ended", async () => {
  const store = memoryStore();
  const done: Sent[] = [];
  const first = page({ store, done, answer: () => "done but lost" });
  await first.outbox.add(draft("Answered"));
  await calm();
  first.die();
  const second = page({ store, done, gate: () => "busy" });
  await calm();
  expect([second.tried.length, done.length, second.shown().length]).toEqual([1, 1, 0]);
});

test("OU8 an id that is taken means that it is there: after a day the server knows the command no more, but the message", async () => {
  for (const field of ["message", "replacement", "id"]) {
    const { outbox, shown } = page({
      store: memoryStore(),
      done: [],
      answer: () => refused(reject("conflict", { field })),
    });
    await outbox.add(draft("Yesterday's"));
    await calm();
    expect(shown()).toEqual([]);
  }
});

test("OU9 without IndexedDB, or when it breaks, a message still goes out", async () => {
  const store = indexedDbStore(`test ${names++}`);
  const done: Sent[] = [];
  const { outbox, world } = page({ store, done });
  world.answer = () => refused(reject("conflict", { field: "parent" }));
  await outbox.add(draft("Kept"));
  await calm();
  const broken = vi.spyOn(IDBDatabase.prototype, "transaction").mockImplementation(() => {
    throw new DOMException("gone", "InvalidStateError");
  });
  onTestFinished(() => broken.mockRestore());
  world.answer = () => ({ ok: true, ack: { seq: 1 } });
  outbox.freed("c");
  await outbox.add(draft("After", { conversation: "d" }));
  await calm();
  expect(textsOf(done).sort()).toEqual(["After", "Kept"]);
  expect(store.durable).toBe(false);
});

type Happening = "add" | "reload" | "tab" | "answer" | "time" | "close";

test("OU10 whatever happens: every message exactly once, those of a tab in their order", async () => {
  const happenings = fc.array(
    fc.record({
      what: fc.constantFrom<Happening>("add", "add", "add", "reload", "tab", "answer", "time", "close"),
      pick: fc.nat({ max: 5 }),
    }),
    { maxLength: 25 },
  );
  await fc.assert(
    fc.asyncProperty(happenings, async (list) => {
      const open = browser();
      const store = memoryStore();
      const done: Sent[] = [];
      const clock = handClock();
      let pick = 0;
      const answers: (Result | "lost" | "done but lost")[] = [
        { ok: true, ack: { seq: 1 } },
        "lost",
        "done but lost",
        refused(reject("overloaded")),
        refused(reject("conflict", { field: "parent" })),
        { ok: true, ack: { seq: 1 } },
      ];
      const answer: Answer = () => answers[pick] ?? "lost";
      const start = () => page({ store, done, clock, tab: open(), answer, gate: () => ({ parent: String(pick) }) });
      let pages = [start()];
      const added: string[] = [];
      for (const { what, pick: chosen } of list) {
        const one = pages[chosen % pages.length];
        if (what === "answer") pick = chosen;
        else if (what === "add") {
          const text = `${added.length}`;
          added.push(text);
          await one?.outbox.add(draft(text));
        } else if (what === "tab") pages.push(start());
        else if (what === "time") clock.pass(3000);
        else if (what === "reload" || pages.length > 1) {
          one?.die();
          pages = [...pages.filter((other) => other !== one), ...(what === "reload" ? [start()] : [])];
        }
        await settle();
      }
      // In the end one page is left, and the server is well.
      pick = 0;
      for (const one of pages) one.die();
      const last = start();
      for (let i = 0; i < 12; i++) {
        await calm();
        clock.pass(20_000);
        last.outbox.freed("c");
      }
      await calm();
      const isOneTab = !list.some(({ what }) => what === "tab");
      expect(isOneTab ? textsOf(done) : textsOf(done).sort()).toEqual(isOneTab ? added : added.sort());
      expect(new Set(done.map((command) => command.id)).size).toBe(done.length);
      expect(last.shown()).toEqual([]);
      last.die();
    }),
    { numRuns: 150 },
  );
});
