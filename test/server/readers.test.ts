import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Budget } from "../../src/server/outlet.ts";
import { systemClock } from "../../src/server/clock.ts";
import { createTails } from "../../src/server/tails.ts";
import { createWriter } from "../../src/server/writer.ts";
import { join } from "node:path";
import { openStore } from "../../src/adapters/embedded/store.ts";
import { plainVault } from "../../src/adapters/embedded/plain-vault.ts";
import { modelFrom } from "../../src/adapters/models/index.ts";
import { localBus } from "../../src/adapters/embedded/bus.ts";
import { createCommitter, type PieceSource } from "../../src/server/committer.ts";
import type { Work } from "../../src/domain/records.ts";
import type { Wire } from "../../src/server/wire.ts";
import { sendTo, Stage, startBare, until, words, type AnyEvent, type Frame } from "./talker.ts";

let stage: Stage;
beforeEach(() => void (stage = new Stage()));
afterEach(() => stage.end());
const uuid = (): string => crypto.randomUUID();
type SnapshotMessages = { parts: { text: string }[]; metadata: Record<string, unknown> }[];
const messagesOf = (frame: Frame): SnapshotMessages => (frame["state"] as { messages: SnapshotMessages }).messages;

/** A committer over a log that takes everything; `seen` is told of each commit. */
function committerOn(seen: (works: readonly Work[]) => void) {
  const commit = (works: readonly Work[]) => {
    seen(works);
    return Promise.resolve(works.map(() => ({ ok: true, answer: {}, entries: [], repeated: false }) as const));
  };
  return createCommitter({
    log: { commit } as never,
    clock: systemClock,
    journal: { warn: () => undefined, error: () => undefined } as never,
    meter: { note: () => undefined },
    published: () => undefined,
    broken: (failure) => expect(failure).toBeUndefined(),
  });
}

describe("readers", () => {
  test("RD1 TU7 B01 B03 from every seq, in the middle of a reply and after it, a reader ends up with the same text", async () => {
    const { talk } = await stage.serve();
    const writer = await talk();
    const session = writer.session;
    const conversation = uuid();
    const { seq: started } = await writer.ask(sendTo(conversation, "60 words every 8 ms"));
    await writer.close();
    const reader = await talk({ session, open: [{ conversation, seq: 0 }] });
    await until(() => reader.text().length > 200, "half of it");
    const halfway = (reader.frames.findLast((frame) => frame.type === "events")?.to ?? 0) + 0;
    const joined = await talk({ session, open: [{ conversation, seq: halfway - 3 }] });
    await until(() => reader.events().some((event) => event.kind === "turn.finished"), "the end");
    expect(reader.text()).toBe(words(60));
    await until(() => joined.events().some((event) => event.kind === "turn.finished"), "the end for the other");
    const { seq: head } = await reader.ask({ type: "conversation.open", conversation, seq: 0 });
    for (let seq = Number(started); seq <= Number(head); seq++) {
      const cold = await talk({ session, open: [{ conversation, seq }] });
      await until(() => cold.frames.find((frame) => frame.type === "live"), "live");
      const own = cold
        .events()
        .map((event) => event.text ?? "")
        .join("");
      expect(words(60).endsWith(own)).toBe(true);
      const first = cold.events().find((event) => event.kind === "reply.appended");
      if (first !== undefined) expect(Number(first["offset"]) + own.length).toBe(words(60).length);
      cold.ws.terminate();
    }
  });

  test("RD2 AZ04 a cursor that no log has gets a snapshot; every other one the events behind it", async () => {
    const { talk } = await stage.serve();
    const talker = await talk();
    const conversation = uuid();
    await talker.ask(sendTo(conversation, "hi"));
    await talker.ask({ type: "conversation.open", conversation, seq: 0 });
    await until(() => talker.events().find((event) => event.kind === "turn.finished"), "the end");
    for (const more of [{}, { seq: -1 }, { seq: 2 ** 60 }, { seq: 999 }, { seq: 2, epoch: "other" }]) {
      const count = talker.frames.filter((frame) => frame.type === "snapshot").length;
      const { seq } = await talker.ask({ type: "conversation.open", conversation, ...more });
      const snapshot = await until(
        () => talker.frames.filter((frame) => frame.type === "snapshot")[count],
        "a snapshot",
      );
      expect(snapshot).toMatchObject({ seq, state: { more: false, turns: [] } });
      expect(messagesOf(snapshot).map((message) => message.parts[0]?.text)).toEqual(["hi", words(3)]);
    }
    const { epoch } = await talker.ask({ type: "conversation.open", conversation });
    const before = talker.events().length;
    await talker.ask({ type: "conversation.open", conversation, seq: 2, epoch });
    await until(() => talker.events().length > before, "events");
    expect(talker.events()[before]).toMatchObject({ kind: "turn.started" });
  });

  test("RD1 TU6 a snapshot in the middle of a reply holds what it has so far, and the rest follows without a hole", async () => {
    const { talk } = await stage.serve();
    const talker = await talk();
    const session = talker.session;
    const conversation = uuid();
    const { turn, reply } = await talker.ask(sendTo(conversation, "50 words every 8 ms"));
    await talker.ask({ type: "conversation.open", conversation, seq: 0 });
    await until(() => talker.text().length > 100, "some text");
    const late = await talk({ session, open: [{ conversation }] });
    const snapshot = await until(() => late.frames.find((frame) => frame.type === "snapshot"), "the snapshot");
    const begun = messagesOf(snapshot)[1]?.parts[0]?.text ?? "";
    expect(begun.length).toBeGreaterThan(50);
    expect(snapshot).toMatchObject({ state: { turns: [{ turn, message: reply, attempt: 1 }] } });
    expect(messagesOf(snapshot)[1]?.metadata).toMatchObject({ status: "running", turn });
    await until(() => late.events().some((event) => event.kind === "turn.finished"), "the end");
    expect(begun + late.text()).toBe(words(50));
    expect(late.frames.find((frame) => frame.type === "events")?.from).toBe(Number(snapshot["seq"]) + 1);
  });

  test("RD3 a live frame is encoded once for all readers", () => {
    const bus = localBus();
    const tails = createTails(bus);
    const got: Uint8Array[] = [];
    const viewer = {
      offer: (_from: number, _to: number, frame: Uint8Array) => void got.push(frame),
      close: () => undefined,
    };
    const stops = [tails.follow("c", { ...viewer }), tails.follow("c", { ...viewer })];
    const event = { kind: "conversation.created", at: "x" } as const;
    bus.publish("conversation/c", {
      kind: "entries",
      conversation: "c",
      head: 1,
      entries: [{ first: 1, last: 1, event }],
    });
    expect(got.length).toBe(2);
    expect(got[0]).toBe(got[1]);
    for (const stop of stops) stop();
    bus.publish("conversation/c", {
      kind: "entries",
      conversation: "c",
      head: 2,
      entries: [{ first: 2, last: 2, event }],
    });
    expect(got.length).toBe(2);
  });

  test("RD4 G8 FR13 the budget of a reader: no live frames at 256 KiB, dropped beyond 1 MiB, patience of 60 s", async () => {
    let buffered = 0;
    let exhausted = 0;
    let due: (() => void) | undefined;
    const wire = { send: () => undefined, buffered: () => buffered } as unknown as Wire;
    const clock = {
      ...systemClock,
      after: (ms: number, fn: () => void) => (expect(ms).toBe(60_000), (due = fn), () => (due = undefined)),
    };
    const budget = new Budget(wire, clock, () => exhausted++);
    expect(budget.hasRoom()).toBe(true);
    buffered = 256 * 1024;
    expect(budget.hasRoom()).toBe(false);
    const waiting = budget.room();
    expect(due).toBeDefined();
    buffered = 0;
    budget.drained();
    expect(await waiting).toBe(true);
    expect(due).toBeUndefined();
    buffered = 1024 * 1024 + 1;
    budget.send("x");
    expect(exhausted).toBe(1);
    const last = budget.room();
    budget.close();
    expect(await last).toBe(false);
  });

  test("RD5 B20 a long reply is caught up in frames of about 48 KiB of text, after and during the making", async () => {
    const { talk } = await stage.serve();
    const talker = await talk();
    const conversation = uuid();
    await talker.ask(sendTo(conversation, "60000 words every 0 ms"));
    await talker.ask({ type: "conversation.open", conversation, seq: 0 });
    await until(() => talker.events().some((event) => event.kind === "turn.finished"), "the end", 20_000);
    expect(talker.text()).toBe(words(60_000));
    const count = talker.frames.length;
    await talker.ask({ type: "conversation.open", conversation, seq: 0 });
    await until(() => talker.frames.slice(count).some((frame) => frame.type === "live"), "live");
    const sizes = talker.frames
      .slice(count)
      .filter((frame) => frame.type === "events")
      .map((frame) => JSON.stringify(frame).length);
    expect(Math.max(...sizes)).toBeLessThan(64 * 1024);
    expect(sizes.length).toBeGreaterThan(8);
  });

  test("RD6 a socket reads as many conversations at once as the limit says and no more, and closing one makes room", async () => {
    const { talk } = await stage.serve({ limits: { openConversations: 2 } });
    const talker = await talk();
    const ids = [uuid(), uuid(), uuid()];
    for (const conversation of ids) await talker.ask({ type: "conversation.create", conversation });
    for (const conversation of ids.slice(0, 2)) await talker.ask({ type: "conversation.open", conversation });
    expect(await talker.ask({ type: "conversation.open", conversation: ids[2] })).toMatchObject({
      error: { code: "too_large" },
    });
    await talker.ask({ type: "conversation.close", conversation: ids[0] });
    expect(await talker.ask({ type: "conversation.open", conversation: ids[2] })).toMatchObject({ type: "ack" });
  });

  test("RD7 rows of the list come to those who asked for it, at most once a second, the newest state last", async () => {
    const { talk } = await stage.serve();
    const [asked, stranger] = [await talk(), await talk()];
    const session = asked.session;
    const silent = await talk({ session });
    await asked.ask({ type: "conversation.list" });
    await stranger.ask({ type: "conversation.list" });
    const conversation = uuid();
    await silent.ask({ type: "conversation.create", conversation });
    for (let i = 0; i < 30; i++) await silent.ask({ type: "conversation.update", conversation, title: `t${i}` });
    const rows = (): Frame[] => asked.frames.filter((frame) => frame.type === "conversation");
    await until(() => rows().some((row) => row["title"] === "t29"), "the newest row");
    expect(rows().length).toBeLessThanOrEqual(3);
    for (const other of [silent, stranger])
      expect(other.frames.filter((frame) => frame.type === "conversation")).toEqual([]);
    await silent.ask({ type: "conversation.delete", conversation });
    expect(await until(() => rows().find((row) => row["deleted"] === true), "the deletion")).toMatchObject({
      conversation,
    });
  });

  test("TU5 TU6 after its end a reply is one row, its pieces are merged, and old cursors still hold", async () => {
    const { talk } = await stage.serve();
    const talker = await talk();
    const conversation = uuid();
    await talker.ask(sendTo(conversation, "40 words every 5 ms"));
    await talker.ask({ type: "conversation.open", conversation, seq: 0 });
    const finished = await until(() => talker.events().find((event) => event.kind === "turn.finished"), "the end");
    expect(finished).toMatchObject({ status: "completed", length: words(40).length });
    const live = talker.events().filter((event) => event.kind === "reply.appended").length;
    expect(live).toBeGreaterThan(5);
    const merged = await until(() => {
      const count = talker.frames.length;
      talker.say({ type: "conversation.open", id: `o${count}`, conversation, seq: 0 });
      const again = talker.frames.slice(0, count).findLast((frame) => frame.type === "events" && frame.from === 1);
      const pieces = (again?.["events"] as AnyEvent[] | undefined)?.filter((event) => event.kind === "reply.appended");
      return pieces?.length === 1 ? pieces[0] : undefined;
    }, "the merged piece");
    expect(merged.text).toBe(words(40));
  });

  test("TU8 a long reply's pieces are merged in the log while it is being made, and every cursor still holds", async () => {
    const store = openStore({
      file: join(stage.dataDir, "t.db"),
      vault: plainVault,
      durability: "process",
      clock: systemClock,
    });
    const model = modelFrom({
      name: "long",
      async *stream(_request, signal) {
        for (let i = 1; !signal.aborted; i++) {
          await new Promise((resolve) => setTimeout(resolve, 4));
          yield `word${i} `;
        }
      },
    });
    const { text: say, end } = await startBare(store, model);
    const conversation = uuid();
    say({ type: "auth", id: "a", guest: true });
    say({ id: "s", ...sendTo(conversation, "go") });
    const rows = async (): Promise<number> => (await store.log.entries(conversation, 0, 100_000)).entries.length;
    const { head } = await until(
      async () => {
        const page = await store.log.entries(conversation, 0, 1);
        return page.head > 330 && (await rows()) < 200 ? page : undefined;
      },
      "merged rows",
      20_000,
    );
    for (const seq of [4, 5, 100, 255, 256, 257, head - 1]) {
      const { entries } = await store.log.entries(conversation, seq, 100_000);
      const text = entries.map(({ event }) => (event.kind === "reply.appended" ? event.text : "")).join("");
      expect(entries[0]?.first).toBe(seq + 1);
      const before = (await store.log.entries(conversation, 0, 100_000)).entries
        .map(({ event }) => (event.kind === "reply.appended" ? event.text : ""))
        .join("");
      const whole = Array.from({ length: 3000 }, (_, i) => `word${i + 1} `).join("");
      expect(whole.startsWith(before) && before.endsWith(text)).toBe(true);
    }
    await end();
  });

  test("BA4 PR07 a reply with 256 Ki characters waiting is not read until some are committed", async () => {
    const offered: PieceSource[] = [];
    const committer = {
      submit: () => new Promise<never>(() => undefined),
      offer: (source: PieceSource) => void offered.push(source),
    };
    const claim = { id: "t", conversation: "c", fence: 1 };
    const writer = createWriter({
      claim,
      message: { id: "m", parts: [] },
      committer,
      clock: systemClock,
      onLost: () => undefined,
    });
    writer.add({ type: "text", text: "x".repeat(256 * 1024) });
    writer.offer();
    expect(writer.hasRoom()).toBe(false);
    let room = false;
    const waiting = writer.room().then(() => (room = true));
    await Promise.resolve();
    expect(room).toBe(false);
    expect(offered[0]?.collect()).toBeDefined();
    offered[0]?.committed({ ok: true, answer: {}, entries: [], conversation: undefined, repeated: false });
    await waiting;
    expect(writer.hasRoom()).toBe(true);
  });

  test("BA5 a model that brings all that had come is read again when a tick begins, and the tick commits what that brought", async () => {
    const commits: string[] = [];
    const committer = committerOn((works) => {
      const texts = works.map((work) => {
        const effect = work.decide({
          conversation: {},
          turn: () => ({ fence: 1, status: "running", length: 0 }),
        } as never);
        const [event] = "events" in effect ? effect.events : [];
        return event?.kind === "reply.appended" ? event.text : "";
      });
      commits.push(texts.join("+"));
    });
    const writer = createWriter({
      claim: { id: "t", conversation: "c", fence: 1 },
      message: { id: "m", parts: [] },
      committer,
      clock: systemClock,
      onLost: () => expect("lost").toBe(""),
    });
    const say = (text: string): void => {
      writer.add({ type: "text", text });
      writer.offer();
    };
    let reads = 0;
    const read = (text: string): Promise<void> =>
      new Promise((resolve) =>
        writer.due(() => {
          reads += 1;
          // As a model's iterator does: a moment later, by a promise.
          void Promise.resolve().then(() => (say(text), resolve()));
        }),
      );
    // Nothing waits: it is read at once. The first piece is committed at once, and more may be read from then on.
    await read("a");
    await read("b");
    expect(commits).toEqual(["a"]);
    // "b" waits for the tick. The next read does too, and is part of the same commit.
    const next = read("c");
    expect(reads).toBe(2);
    await next;
    await until(() => commits.length === 2 || undefined, "the tick");
    expect(commits).toEqual(["a", "bc"]);
    expect(reads).toBe(3);
    await writer.flushed();
  });

  /** Commits of one tick with 200 replies, and of a command that is sent at the first of them. */
  async function commitsOfTick(comingIn: boolean): Promise<string[][]> {
    const commits: string[][] = [];
    const work = (conversation: string): Work => ({ conversation, decide: () => ({ events: [], answer: {} }) });
    let answered: Promise<unknown> | undefined;
    const committer = committerOn((works) => {
      commits.push(works.map(({ conversation }) => conversation));
      // Asked while the others wait: answered with the next of them, not after all.
      if (commits.length === 1) answered = committer.submit(work("asked"));
    });
    if (comingIn) committer.cameIn();
    let due = 0;
    const left = new Set<string>();
    for (let i = 0; i < 200; i++) {
      const name = `c${i}`;
      left.add(name);
      const source: PieceSource = {
        due: () => void due++,
        collect: () => (left.has(name) ? work(name) : undefined),
        committed: (outcome) => {
          if (outcome?.ok === true) left.delete(name);
        },
      };
      committer.offer(source, false);
    }
    await until(() => left.size === 0 || undefined, "all of them");
    await answered;
    expect(new Set(commits.flat()).size).toBe(201);
    expect(due).toBeGreaterThanOrEqual(200);
    return commits;
  }
  const repliesOf = (commits: string[][]): number[] =>
    commits.map((names) => names.filter((name) => name !== "asked").length).filter((size) => size > 0);

  test("BA6 a tick of many replies is committed 64 at a time while people come in, and what is asked meanwhile is answered in between", async () => {
    const commits = await commitsOfTick(true);
    expect(commits.findIndex((names) => names.includes("asked"))).toBe(1);
    expect(repliesOf(commits)).toEqual([64, 64, 64, 8]);
  });

  test("BA6 a tick of many replies is one commit while nobody comes in", async () => {
    expect(repliesOf(await commitsOfTick(false))).toEqual([200]);
  });
});
