// Proves that a replica ends up equal to the log whatever happens to its frames, and is the fold of a beginning of it on the way.
import { isDeepStrictEqual } from "node:util";
import fc from "fast-check";
import { expect, onTestFinished, test } from "vitest";
import { createReplica, type Replica } from "../../src/client/replica.ts";
import { createClient, memoryLocal } from "../../src/client/index.ts";
import { applyEvents, emptyConversation, type Conversation } from "../../src/domain/conversation.ts";
import type { Event, ServerFrame } from "../../src/protocol/index.ts";
import { aLog, appended, at, finished, message, started } from "../unit/logs.ts";
import { fakeSockets, handClock, settle } from "./sockets.ts";

const id = "c";
const fold = (events: readonly Event[], seq: number): Conversation =>
  events.slice(0, seq).reduce((state, event, i) => applyEvents(state, [event], i + 1), emptyConversation);

/** A server in memory: a log that grows, and the frames that go to one reader, cut as the test says. */
function serverOf(log: readonly Event[], cut: () => number) {
  const queue: ServerFrame[] = [];
  const frames = (from: number, to: number): void => {
    for (let seq = from; seq < to;) {
      const end = Math.min(to, seq + 1 + cut());
      queue.push({ type: "events", conversation: id, from: seq + 1, to: end, events: log.slice(seq, end) });
      seq = end;
    }
  };
  // A conversation that can be opened has been created.
  let head = 1;
  return {
    queue,
    head: () => head,
    /** More is written, and told to a reader that is live. */
    write(count: number): void {
      const before = head;
      head = Math.min(log.length, head + count);
      frames(before, head);
    },
    open(seq: number | undefined): void {
      if (seq === undefined || seq > head) {
        const { title, createdAt = at, messages, turns } = fold(log, head);
        const state = { ...(title === undefined ? {} : { title }), createdAt, messages: [...messages], more: false };
        queue.push({ type: "snapshot", conversation: id, seq: head, state: { ...state, turns: [...turns] } });
      } else frames(seq, head);
      queue.push({ type: "live", conversation: id, seq: head });
    },
  };
}

const comparable = (state: Conversation): unknown =>
  JSON.parse(JSON.stringify({ ...state, mismatches: 0, more: false }));

type Fault = "pass" | "drop" | "double" | "later";
const aRun = fc.record({
  // A deleted conversation cannot be opened: there is nothing to converge to.
  log: aLog.map((log) => log.filter((event) => event.kind !== "conversation.deleted")),
  cuts: fc.array(fc.nat({ max: 5 }), { minLength: 1, maxLength: 20 }),
  writes: fc.array(fc.nat({ max: 6 }), { maxLength: 30 }),
  faults: fc.array(fc.constantFrom<Fault>("pass", "pass", "pass", "drop", "double", "later"), { maxLength: 80 }),
  reconnects: fc.array(fc.nat({ max: 40 }), { maxLength: 3 }),
});

test("RE2 B09 frames split, doubled, lost and late: every state is a beginning of the log, the last one is the log", () => {
  fc.assert(
    fc.property(aRun, ({ log, cuts, writes, faults, reconnects }) => {
      let turn = 0;
      const server = serverOf(log, () => cuts[turn++ % cuts.length] ?? 0);
      const wrong: number[] = [];
      const replica: Replica = createReplica({
        id,
        open: (item) => server.open(item.seq),
        changed() {
          const state = replica.state();
          if (state.seq === 0) return;
          if (!isDeepStrictEqual(comparable(state), comparable(fold(log, state.seq)))) wrong.push(state.seq);
        },
      });
      replica.opening();
      server.open(replica.wanted().seq);
      let delivered = 0;
      const deliver = (fault: Fault): void => {
        const frame = server.queue.shift();
        if (frame === undefined) return;
        if (fault === "later" && server.queue.length > 0) return void server.queue.push(frame);
        if (fault !== "drop") replica.receive(frame);
        if (fault === "double") replica.receive(frame);
        if (!reconnects.includes(delivered++)) return undefined;
        server.queue.length = 0;
        replica.lost();
        replica.opening();
        server.open(replica.wanted().seq);
        return undefined;
      };
      for (const [i, fault] of faults.entries()) {
        server.write(writes[i] ?? 0);
        deliver(fault);
      }
      // Quiet: what was lost is noticed by what comes after it.
      server.write(log.length);
      server.queue.push({ type: "live", conversation: id, seq: server.head() });
      for (let i = 0; server.queue.length > 0; i++) {
        if (i > 5000) throw new Error("it asks for ever");
        deliver("pass");
      }
      expect(wrong).toEqual([]);
      expect(replica.counts().mismatches).toBe(0);
      expect(replica.status()).toBe("live");
      expect(comparable(replica.state())).toEqual(comparable(fold(log, log.length)));
    }),
    { numRuns: Number(process.env["RUNS"] ?? 1500) },
  );
});

function lone() {
  const opened: (number | undefined)[] = [];
  const replica = createReplica({ id, open: (item) => void opened.push(item.seq), changed: () => undefined });
  return { replica, opened };
}
const events = (from: number, list: Event[]): ServerFrame => ({
  type: "events",
  conversation: id,
  from,
  to: from + list.length - 1,
  events: list,
});
const begun = [message("u1"), started("t1", "m1", "u1"), appended("t1", "m1", 0, 0, "Hello")];

test("RE3 a piece that does not fit, or an end of another length, is counted and gets a snapshot; what is shown stays", () => {
  for (const bad of [appended("t1", "m1", 0, 3, "!"), finished("t1", "m1", 4)]) {
    const { replica, opened } = lone();
    replica.opening();
    replica.receive(events(1, begun));
    const before = replica.state();
    replica.receive(events(4, [bad]));
    expect(opened).toEqual([undefined]);
    expect(replica.counts()).toMatchObject({ mismatches: 1 });
    expect(replica.state()).toBe(before);
    // What comes until then is not applied to a state that may be wrong.
    replica.receive(events(4, [appended("t1", "m1", 0, 5, "!")]));
    replica.receive({ type: "live", conversation: id, seq: 4 });
    expect(replica.state()).toBe(before);
    const state = { createdAt: at, messages: [], more: false, turns: [] };
    replica.receive({ type: "snapshot", conversation: id, seq: 9, state });
    replica.receive({ type: "live", conversation: id, seq: 9 });
    expect([replica.state().seq, replica.status()]).toEqual([9, "live"]);
  }
});

test("RE2 a gap is asked about from where it begins, once", () => {
  const { replica, opened } = lone();
  replica.opening();
  replica.receive(events(1, begun));
  replica.receive({ type: "live", conversation: id, seq: 3 });
  for (const seq of [5, 6, 7]) replica.receive(events(seq, [appended("t1", "m1", 0, seq, "x")]));
  expect(opened).toEqual([3]);
  expect([replica.state().seq, replica.status(), replica.counts().gaps]).toEqual([3, "behind", 1]);
});

test("RE8 an older page goes before what is there, each message once, and only while it fits", () => {
  const { replica } = lone();
  const messageOf = (name: string) => {
    const event = message(name);
    if (event.kind !== "message.created") throw new Error(event.kind);
    return event.message;
  };
  const page = ["u3", "u4"].map(messageOf);
  const state = { createdAt: at, messages: page, more: true, turns: [] };
  replica.receive({ type: "snapshot", conversation: id, seq: 9, state });
  expect(replica.prepend("u3", ["u1", "u2", "u3"].map(messageOf), false)).toBe(true);
  expect(replica.prepend("u3", ["u0"].map(messageOf), false)).toBe(false);
  expect(replica.state().messages.map((one) => one.id)).toEqual(["u1", "u2", "u3", "u4"]);
  expect(replica.state().more).toBe(false);
});

/** A client whose frames a test hands over, with one conversation that is watched. */
async function watching(frame: (fn: () => void) => void) {
  const net = fakeSockets();
  const clock = { ...handClock(), frame };
  const storage = { local: memoryLocal() };
  const client = createClient({ url: "http://x", guest: true, clock, webSocket: net.Socket, storage });
  onTestFinished(() => client.close());
  const conversation = client.conversation("0190aaaa-0000-7000-8000-000000000000");
  const shown: number[] = [];
  conversation.subscribe(() => shown.push(conversation.getSnapshot().seq));
  await settle();
  net.last().welcome();
  const say = (more: object): void => net.last().say({ conversation: conversation.id, ...more });
  return { clock, conversation, shown, say };
}

const manyEvents = (count: number): Event[] => [
  ...begun.slice(0, 2),
  ...Array.from({ length: count }, (_, i) => appended("t1", "m1", 0, i, "x")),
];

test("B12 20,000 events in 400 frames are shown at most once per frame that is drawn, and once when they end", async () => {
  const drawn: (() => void)[] = [];
  const { conversation, shown, say } = await watching((fn) => void drawn.push(fn));
  const draw = (): void => drawn.splice(0).forEach((fn) => fn());
  const log = manyEvents(20_000);
  say({ type: "events", from: 1, to: 2, events: log.slice(0, 2) });
  draw();
  shown.length = 0;
  for (let seq = 2; seq < log.length; seq += 50) {
    const list = log.slice(seq, seq + 50);
    say({ type: "events", from: seq + 1, to: seq + list.length, events: list });
  }
  expect(drawn.length).toBeLessThanOrEqual(1);
  say({ type: "live", seq: log.length });
  expect(drawn).toHaveLength(1);
  draw();
  expect(shown).toEqual([log.length]);
  expect(conversation.getSnapshot()).toMatchObject({ status: "live", running: { turn: "t1" } });
});

test("B12 where nothing is drawn a catch-up is shown at most ten times a second, and once when it ends", async () => {
  const { clock, shown, say } = await watching((fn) => fn());
  const log = manyEvents(2000);
  shown.length = 0;
  for (let seq = 0; seq < log.length; seq += 20) {
    clock.sleep(5);
    const list = log.slice(seq, seq + 20);
    say({ type: "events", from: seq + 1, to: seq + list.length, events: list });
  }
  say({ type: "live", seq: log.length });
  // 101 frames over half a second.
  expect(shown.length).toBeLessThanOrEqual(7);
  expect(shown.at(-1)).toBe(log.length);
});

test("B30 where no frame is ever drawn, what comes is shown all the same, by what comes", async () => {
  const { clock, shown, say } = await watching(() => undefined);
  const log = manyEvents(20);
  say({ type: "events", from: 1, to: 2, events: log.slice(0, 2) });
  say({ type: "live", seq: 2 });
  shown.length = 0;
  for (let seq = 2; seq < log.length; seq++) {
    clock.sleep(60);
    say({ type: "events", from: seq + 1, to: seq + 1, events: [log[seq]] });
  }
  expect(shown.length).toBeGreaterThan(5);
});

test("B09 a snapshot keeps its identity while nothing changes, and what did not change keeps its own", async () => {
  const { conversation, shown, say } = await watching((fn) => fn());
  const log = manyEvents(3);
  say({ type: "events", from: 1, to: 4, events: log.slice(0, 4) });
  say({ type: "live", seq: 4 });
  const before = conversation.getSnapshot();
  const count = shown.length;
  say({ type: "events", from: 1, to: 4, events: log.slice(0, 4) });
  say({ type: "live", seq: 4 });
  expect(conversation.getSnapshot()).toBe(before);
  expect(shown).toHaveLength(count);
  say({ type: "events", from: 5, to: 5, events: log.slice(4) });
  const after = conversation.getSnapshot();
  expect(after).not.toBe(before);
  expect(after.entries[0]).toBe(before.entries[0]);
  expect(after.entries[1]).not.toBe(before.entries[1]);
  expect([after.running, after.queued]).toEqual([before.running, before.queued]);
  expect(after.running).toBe(before.running);
});
