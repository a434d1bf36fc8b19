// Owns what every Log must do, as tests that run on any adapter. Must know no adapter.
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { applyEvents, emptyConversation, type Conversation } from "../../src/domain/conversation.ts";
import { merge, type Entry } from "../../src/domain/log.ts";
import type { Event, Message } from "../../src/protocol/index.ts";
import { reject } from "../../src/protocol/index.ts";
import type { Log, MessageRecord } from "../../src/server/ports.ts";
import {
  append,
  appended,
  at,
  c1,
  c2,
  conversation,
  create,
  done,
  known,
  listed,
  m1,
  readAll,
  say,
  start,
  t1,
  titled,
  turn,
  userMessage,
  work,
} from "./rows.ts";

/** A store under test, with nothing in it. */
export type OpenLog = () => Promise<{ log: Log; close: () => Promise<void> }>;

const folded = (entries: readonly Entry[]): Conversation =>
  entries.reduce((state, entry) => applyEvents(state, [entry.event], entry.last), emptyConversation);

const seqs = (entries: readonly Entry[]): number[] => entries.map((entry) => entry.last);

/** Text that breaks careless stores: NUL, halves of surrogate pairs, composed and decomposed, joined emoji, a BOM. */
const awkward = [
  "\u0000",
  "a\u0000b",
  "\ud800",
  "\udc00x",
  "é",
  "e\u0301",
  "👩‍👩‍👧‍👦🏳️‍🌈",
  "\ufeffbom",
  "\u2028\u2029",
  '"\\\n\r',
];

export function logContract(name: string, open: OpenLog): void {
  describe(`${name}: a Log`, () => {
    let log: Log;
    let close: () => Promise<void>;
    beforeEach(async () => ({ log, close } = await open()));
    afterEach(() => close());

    commits(() => log);
    idempotency(() => log);
    entriesAndCursors(() => log, open);
    rows(() => log);
    lists(() => log);
    turns(() => log);
    texts(() => log);
  });
}

function commits(log: () => Log): void {
  it("LG1 numbers events 1, 2, 3 ... without a hole, over commits and works", async () => {
    await log().commit([create(c1), append(c1, titled("a"), titled("b")), create(c2), append(c1, titled("c"))]);
    await log().commit([append(c1, titled("d"))]);
    expect(seqs((await log().entries(c1, 0, 100)).entries)).toEqual([1, 2, 3, 4, 5]);
    expect((await log().entries(c1, 0, 100)).head).toBe(5);
    expect((await log().conversation(c1))?.head).toBe(5);
    expect((await log().conversation(c2))?.head).toBe(1);
  });

  it("AD1 gives each work a view with the effects of those before it", async () => {
    const heads: (number | undefined)[] = [];
    const look = work(c1, (view) => {
      heads.push(view.conversation?.head);
      return {};
    });
    await log().commit([look, create(c1), look, append(c1, titled("a")), look]);
    expect(heads).toEqual([undefined, 1, 2]);
  });

  it("LG4 a rejected work leaves the others alone and writes nothing", async () => {
    const refuse = { conversation: c1, decide: () => reject("conflict", { field: "x" }) };
    const outcomes = await log().commit([create(c1), refuse, append(c1, titled("a"))]);
    expect(outcomes.map((outcome) => outcome.ok)).toEqual([true, false, true]);
    expect(outcomes[1]).toEqual({ ok: false, rejection: reject("conflict", { field: "x" }) });
    expect((await log().entries(c1, 0, 10)).head).toBe(2);
  });

  it("LG4 a decision that throws is `internal`, and the others are committed", async () => {
    const bad = work(c1, () => {
      throw new Error("a bug");
    });
    const outcomes = await log().commit([create(c1), bad, append(c1, titled("a"))]);
    expect(outcomes.map((outcome) => outcome.ok)).toEqual([true, false, true]);
    expect(outcomes[1]).toEqual({ ok: false, rejection: reject("internal") });
    expect((await log().entries(c1, 0, 10)).head).toBe(2);
  });

  it("LG4 an effect that cannot be written is `internal`, wholly absent, and the others are committed once", async () => {
    const cyclic: Record<string, unknown> = { f: () => 1, n: 1n };
    cyclic["self"] = cyclic;
    const bad = work(
      c1,
      (view) => ({
        events: [titled("never")],
        conversation: { ...known(view), title: "never" },
        messages: [{ message: userMessage("m-bad") }],
        answer: cyclic,
      }),
      { key: { user: "ada", id: "k", hash: "h" } },
    );
    const outcomes = await log().commit([create(c1), append(c1, titled("a")), bad, append(c1, titled("b"))]);
    expect(outcomes.map((outcome) => outcome.ok)).toEqual([true, true, false, true]);
    const { head, entries } = await log().entries(c1, 0, 10);
    expect(head).toBe(3);
    expect(entries.slice(1).map((entry) => entry.event)).toEqual([titled("a"), titled("b")]);
    expect((await log().conversation(c1))?.title).toBe("T");
    expect((await log().messages(c1, { limit: 5 }))?.messages).toEqual([]);
  });

  it("LG4 an effect without a conversation to belong to is `internal`", async () => {
    const [outcome] = await log().commit([append(c1, titled("a"))]);
    expect(outcome).toEqual({ ok: false, rejection: reject("internal") });
    expect(await log().conversation(c1)).toBeUndefined();
  });

  it("AD2 reports the new entries, the row afterwards and the answer", async () => {
    const outcome = await done(log(), create(c1, { title: "Hello" }));
    expect(outcome).toEqual({
      ok: true,
      repeated: false,
      answer: { conversation: c1, seq: 1 },
      entries: [{ first: 1, last: 1, event: { kind: "conversation.created", at, title: "Hello" } }],
      conversation: conversation(c1, { title: "Hello", head: 1 }),
    });
    expect(await log().conversation(c1)).toEqual(outcome.conversation);
    expect(await log().commit([])).toEqual([]);
  });

  it("AD2 what a caller does to its objects afterwards changes nothing that is stored", async () => {
    const message = userMessage("m-1", null, "before");
    await log().commit([create(c1), say(c1, message)]);
    message.parts.push({ type: "text", text: "after" });
    message.metadata.parent = "elsewhere";
    const page = await log().messages(c1, { limit: 5 });
    expect(page?.messages[0]?.message).toEqual(userMessage("m-1", null, "before"));
    expect((await log().entries(c1, 1, 5)).entries[0]?.event).toMatchObject({
      message: userMessage("m-1", null, "before"),
    });
  });

  it("AD3 a view shows rows that were named, the newest message and running turns, and no others", async () => {
    await log().commit([
      create(c1),
      say(c1, userMessage("m-old")),
      start(c1),
      create(c2),
      say(c2, userMessage("m-c2")),
    ]);
    await done(
      log(),
      work(c1, () => ({ turns: [turn({ id: "t-ended", status: "stopped", startedSeq: 1 })] })),
    );
    const seen: unknown[] = [];
    const look = (needs: { messages?: string[]; turns?: string[] }) =>
      work(
        c1,
        (view) => {
          seen.push([
            view.message("m-old") !== undefined,
            view.message(m1)?.openSince,
            view.message("m-c2"),
            view.turn(t1)?.id,
            view.turn("t-ended")?.status,
            view.running.map((one) => one.id),
          ]);
          return {};
        },
        { needs },
      );
    await log().commit([look({}), look({ messages: ["m-old", "m-c2"], turns: ["t-ended"] }), look({ messages: [m1] })]);
    expect(seen).toEqual([
      [false, 3, undefined, t1, undefined, [t1]],
      [true, 3, undefined, t1, "stopped", [t1]],
      [false, 3, undefined, t1, undefined, [t1]],
    ]);
  });

  it("AD3 the last turn of a named message is in the view, though it has ended", async () => {
    await log().commit([create(c1), start(c1)]);
    await done(
      log(),
      work(c1, (view) => ({ turns: [{ ...turn(), ...view.turn(t1), status: "stopped" }] })),
    );
    let status: string | undefined;
    const look = work(
      c1,
      (view) => {
        status = view.turn(t1)?.status;
        return {};
      },
      { needs: { messages: [m1] } },
    );
    await done(log(), look);
    expect(status).toBe("stopped");
  });
}

function idempotency(log: () => Log): void {
  const keyed = (hash: string, user = "ada", id = "k1") =>
    work(c1, (view) => ({ events: [titled("x")], answer: { seq: known(view).head + 1 } }), { key: { user, id, hash } });

  it("LG6 JS11 the same command again is answered from the store and changes nothing", async () => {
    await done(log(), create(c1));
    const first = await done(log(), keyed("h"));
    const again = await done(log(), keyed("h"));
    expect(first).toMatchObject({ answer: { seq: 2 }, repeated: false });
    expect(again).toMatchObject({ answer: { seq: 2 }, repeated: true, entries: [] });
    expect(again.conversation?.head).toBe(2);
    expect((await log().entries(c1, 0, 10)).head).toBe(2);
  });

  it("LG6 JS11 the same id with other content is `conflict`", async () => {
    await log().commit([create(c1), keyed("h")]);
    expect(await log().commit([keyed("other")])).toEqual([
      { ok: false, rejection: reject("conflict", { field: "id" }) },
    ]);
    expect((await log().entries(c1, 0, 10)).head).toBe(2);
  });

  it("LG6 JS11 another user's command with the same id is another command", async () => {
    await log().commit([create(c1), keyed("h", "ada"), keyed("h", "bob")]);
    expect((await log().entries(c1, 0, 10)).head).toBe(3);
  });

  it("LG6 JS11 fifty at once have one effect and one answer", async () => {
    await done(log(), create(c1));
    const together = log().commit(Array.from({ length: 25 }, () => keyed("h")));
    const alone = Array.from({ length: 25 }, () => log().commit([keyed("h")]));
    const outcomes = (await Promise.all([together, ...alone])).flat();
    expect(outcomes).toHaveLength(50);
    expect(outcomes.every((outcome) => outcome.ok && outcome.answer["seq"] === 2)).toBe(true);
    expect(outcomes.filter((outcome) => outcome.ok && !outcome.repeated)).toHaveLength(1);
    expect((await log().entries(c1, 0, 10)).head).toBe(2);
  });

  it("LG6 JS11 a rejected command is not remembered: it may succeed later", async () => {
    const key = { user: "ada", id: "k1", hash: "h" };
    const refuse = { conversation: c1, key, decide: () => reject("not_found") };
    expect((await log().commit([refuse]))[0]?.ok).toBe(false);
    await log().commit([create(c1), keyed("h")]);
    expect((await log().entries(c1, 0, 10)).head).toBe(2);
  });

  it("LG6 JS11 after its time a command is forgotten, and would be done anew", async () => {
    await log().commit([create(c1), keyed("h")]);
    await log().forget(0);
    expect(await done(log(), keyed("h"))).toMatchObject({ repeated: true });
    await log().forget(Number.MAX_SAFE_INTEGER);
    expect(await done(log(), keyed("h"))).toMatchObject({ repeated: false, answer: { seq: 3 } });
  });

  it("JS10 ids that look alike stay different", async () => {
    await done(log(), create(c1));
    const ids = ["\ud800", "\ud801", "\ufffd", "\u0000", "\u0000a", "é", "e\u0301"];
    for (const id of ids) expect(await done(log(), keyed("h", "ada", id))).toMatchObject({ repeated: false });
    for (const id of ids) expect(await done(log(), keyed("h", "ada", id))).toMatchObject({ repeated: true });
  });
}

/** A random log: pieces of a reply with other events between them. */
const randomLog = fc
  .array(
    fc.oneof(
      { weight: 6, arbitrary: fc.string({ minLength: 1, maxLength: 6, unit: "grapheme" }) },
      fc.constant(undefined),
    ),
    {
      minLength: 1,
      maxLength: 30,
    },
  )
  .map((pieces): Event[] => {
    let offset = 0;
    return pieces.map((piece) => {
      if (piece === undefined) return titled(`at ${offset}`);
      offset += piece.length;
      return appended(offset - piece.length, piece);
    });
  });

function entriesAndCursors(log: () => Log, open: OpenLog): void {
  it("LG2 B01 B03 B04 at every cursor, what was read before and what is read now fold to the same conversation", async () => {
    await fc.assert(
      fc.asyncProperty(
        randomLog,
        fc.integer({ min: 1, max: 7 }),
        fc.integer({ min: 0, max: 31 }),
        async (events, page, since) => {
          const store = await open();
          try {
            await store.log.commit([create(c1), start(c1), append(c1, ...events)]);
            const plain = (await readAll(store.log, c1)).entries;
            const whole = folded(plain);
            expect(whole.mismatches).toBe(0);
            expect(whole.seq).toBe(events.length + 2);
            // Merge everything behind some seq, as settling does.
            const merged = merge(plain.filter((entry) => entry.first > since));
            await done(
              store.log,
              work(c1, () => ({ replace: merged })),
            );
            for (let k = 0; k <= whole.seq; k++) {
              const rest = await readAll(store.log, c1, k, page);
              expect(rest.head).toBe(whole.seq);
              expect(rest.entries[0]?.first ?? k + 1).toBe(k + 1);
              const prefix = folded(plain.filter((entry) => entry.last <= k));
              const state = rest.entries.reduce(
                (state, entry) => applyEvents(state, [entry.event], entry.last),
                prefix,
              );
              expect(state).toEqual(whole);
            }
          } finally {
            await store.close();
          }
        },
      ),
      { numRuns: 15 },
    );
  });

  it("LG2 B03 a page of entries holds as many as asked for, and a cursor at or past the head gives none", async () => {
    await log().commit([create(c1), append(c1, titled("a"), titled("b"), titled("c"))]);
    expect(seqs((await log().entries(c1, 0, 2)).entries)).toEqual([1, 2]);
    expect(seqs((await log().entries(c1, 3, 2)).entries)).toEqual([4]);
    expect(await log().entries(c1, 4, 2)).toEqual({ head: 4, entries: [] });
    expect(await log().entries(c1, 1_000_000, 2)).toEqual({ head: 4, entries: [] });
    expect(await log().entries(c2, 0, 2)).toEqual({ head: 0, entries: [] });
  });

  it("LG2 replaced entries take the place of exactly those they cover", async () => {
    await log().commit([
      create(c1),
      start(c1),
      append(c1, appended(0, "a"), appended(1, "b"), titled("x"), appended(2, "c")),
    ]);
    const { entries } = await log().entries(c1, 2, 2);
    await done(
      log(),
      work(c1, () => ({ replace: merge(entries) })),
    );
    const after = (await log().entries(c1, 0, 10)).entries;
    expect(after.map((entry) => [entry.first, entry.last])).toEqual([
      [1, 1],
      [2, 2],
      [3, 4],
      [5, 5],
      [6, 6],
    ]);
    expect(after[2]?.event).toMatchObject({ offset: 0, text: "ab" });
    expect((await log().entries(c1, 3, 1)).entries).toMatchObject([
      { first: 4, last: 4, event: { offset: 1, text: "b" } },
    ]);
    await done(
      log(),
      work(c1, () => ({ replace: [] })),
    );
    expect((await log().entries(c1, 0, 10)).entries).toHaveLength(5);
  });

  it("CM10 erasing leaves a tombstone and nothing else", async () => {
    await log().commit([create(c1), say(c1, userMessage("m-1")), start(c1), create(c2)]);
    const gone: Event = { kind: "conversation.deleted", at };
    const erase = work(c1, (view) => ({
      events: [gone],
      conversation: { ...known(view), deleted: true },
      erase: true,
    }));
    const outcome = await done(log(), erase);
    expect(outcome.conversation).toEqual(conversation(c1, { head: 4, title: undefined, newest: null, deleted: true }));
    expect(await log().conversation(c1)).toEqual(outcome.conversation);
    expect((await log().entries(c1, 3, 10)).entries).toEqual([{ first: 4, last: 4, event: gone }]);
    expect((await log().entries(c1, 0, 10)).entries).toHaveLength(1);
    expect(await log().messages(c1, { limit: 10 })).toEqual({ head: 4, messages: [], more: false, running: [] });
    expect(await log().path(c1, "m-1", 10)).toEqual([]);
    expect((await listed(log(), { limit: 10 })).conversations.map((row) => row.id)).toEqual([c2]);
    expect(await log().claim({ owner: "n2", now: 1e9, leaseUntil: 2e9, all: true })).toEqual([]);
    let seen: unknown;
    await done(
      log(),
      work(
        c1,
        (view) => {
          seen = [view.conversation?.deleted, view.running.length, view.message("m-1"), view.turn(t1)];
          return {};
        },
        { needs: { messages: ["m-1"], turns: [t1] } },
      ),
    );
    expect(seen).toEqual([true, 0, undefined, undefined]);
  });
}

const idsOf = (records: readonly MessageRecord[] | undefined): string[] | undefined =>
  records?.map((record) => record.message.id);

function rows(log: () => Log): void {
  const sayMany = async (): Promise<void> => {
    await done(log(), create(c1));
    // Ids that do not sort in the order of creation.
    const ids = ["m-9", "m-3", "m-7", "m-1", "m-5"];
    for (const [i, id] of ids.entries()) await done(log(), say(c1, userMessage(id, ids[i - 1] ?? null)));
  };

  it("AD4 pages of messages go back from the newest in the order of their creation", async () => {
    await sayMany();
    const first = await log().messages(c1, { limit: 2 });
    expect([idsOf(first?.messages), first?.more, first?.head]).toEqual([["m-1", "m-5"], true, 6]);
    const second = await log().messages(c1, { before: "m-1", limit: 3 });
    expect([idsOf(second?.messages), second?.more]).toEqual([["m-9", "m-3", "m-7"], false]);
    const end = await log().messages(c1, { before: "m-9", limit: 3 });
    expect([end?.messages, end?.more]).toEqual([[], false]);
    expect(await log().messages(c1, { before: "m-none", limit: 3 })).toBeUndefined();
    expect(await log().messages(c2, { limit: 3 })).toEqual({ head: 0, messages: [], more: false, running: [] });
  });

  it("AD4 a row that is written again keeps its place", async () => {
    await sayMany();
    const changed = userMessage("m-3", "m-9", "changed");
    await done(
      log(),
      work(c1, () => ({ messages: [{ message: changed, openSince: 7 }] })),
    );
    const page = await log().messages(c1, { limit: 10 });
    expect(idsOf(page?.messages)).toEqual(["m-9", "m-3", "m-7", "m-1", "m-5"]);
    expect(page?.messages[1]).toEqual({ message: changed, openSince: 7 });
  });

  it("AD4 messages of two conversations may have the same id", async () => {
    await log().commit([
      create(c1),
      create(c2),
      say(c1, userMessage("m-1", null, "one")),
      say(c2, userMessage("m-1", null, "two")),
    ]);
    const texts = await Promise.all(
      [c1, c2].map(async (id) => (await log().messages(id, { limit: 1 }))?.messages[0]?.message.parts),
    );
    expect(texts).toEqual([[{ type: "text", text: "one" }], [{ type: "text", text: "two" }]]);
  });

  it("AD4 running turns come with the page, oldest first", async () => {
    await log().commit([
      create(c1),
      start(c1, { id: "t-b", message: "m-b" }),
      start(c1, { id: "t-a", message: "m-a" }),
    ]);
    expect((await log().messages(c1, { limit: 1 }))?.running.map((one) => one.id)).toEqual(["t-b", "t-a"]);
  });

  it("AD5 a path goes from the root to the message, the newest of it if it is long, past branches", async () => {
    await sayMany();
    await done(log(), say(c1, userMessage("m-branch", "m-3")));
    expect(idsOf(await log().path(c1, "m-5", 10))).toEqual(["m-9", "m-3", "m-7", "m-1", "m-5"]);
    expect(idsOf(await log().path(c1, "m-5", 2))).toEqual(["m-1", "m-5"]);
    expect(idsOf(await log().path(c1, "m-branch", 10))).toEqual(["m-9", "m-3", "m-branch"]);
    expect(await log().path(c1, "m-none", 10)).toEqual([]);
    expect(await log().path(c2, "m-5", 10)).toEqual([]);
  });
}

function lists(log: () => Log): void {
  const walk = async (page: { query?: string; archived?: boolean; limit: number }): Promise<string[]> => {
    const ids: string[] = [];
    let cursor: string | undefined;
    do {
      const read = await listed(log(), { ...page, cursor });
      expect(read.conversations.length).toBeLessThanOrEqual(page.limit);
      ids.push(...read.conversations.map((row) => row.id));
      ({ cursor } = read);
    } while (cursor !== undefined);
    return ids;
  };

  it("AD6 lists a user's conversations, newest first, each once over all pages, ties by id", async () => {
    const ids = Array.from({ length: 25 }, (_, i) => `c-${String(i).padStart(2, "0")}`);
    await log().commit(ids.map((id, i) => create(id, { updatedAt: 1_000 + Math.floor(i / 3) })));
    await done(log(), create("c-of-bob", { user: "bob" }));
    const expected = ids.toSorted(
      (a, b) => Math.floor(Number(b.slice(2)) / 3) - Math.floor(Number(a.slice(2)) / 3) || (a < b ? -1 : 1),
    );
    for (const limit of [1, 2, 5, 24, 25, 26, 100]) expect(await walk({ limit })).toEqual(expected);
  });

  it("AD6 SR1 finds titles without case and accents, over all pages", async () => {
    const titles = ["Ä Öl", "straße", "ÄRGER", "e\u0301clair", "plain", "100%_\\"];
    await log().commit(
      Array.from({ length: 660 }, (_, i) => create(`c-${i}`, { title: `${titles[i % 6]} ${i}`, updatedAt: i })),
    );
    expect(await walk({ query: "är", limit: 4 })).toHaveLength(110);
    expect(await walk({ query: "STRASSE", limit: 100 })).toHaveLength(110);
    expect(await walk({ query: "ÉCLAIR", limit: 30 })).toHaveLength(110);
    expect(await walk({ query: " eclair", limit: 30 })).toHaveLength(110);
    expect(await walk({ query: "%_\\", limit: 100 })).toHaveLength(110);
    expect(await walk({ query: "PLAIN 46", limit: 2 })).toEqual(["c-466", "c-460", "c-46"]);
    expect(await walk({ query: "nowhere", limit: 1 })).toEqual([]);
  });

  it("SR1 SR2 finds texts of messages: of one's own, of the newest message that has it, each conversation once over all pages", async () => {
    const words = ["Ärger im Büro", "nothing here", "ÄRGERLICH", "a long story ".repeat(30)];
    await log().commit(
      Array.from({ length: 120 }, (_, n) => [
        create(`c-${n}`, { title: `title ${n}`, updatedAt: Math.floor(n / 3) }),
        ...[0, 1, 2].map((m) => say(`c-${n}`, userMessage(`m-${m}`, null, `${words[(n + m) % 4]} ${n}`))),
      ]).flat(),
    );
    await log().commit([
      create("c-bob", { user: "bob" }),
      say("c-bob", userMessage("m-0", null, "ärger")),
      create("c-old", { archived: true }),
      say("c-old", userMessage("m-0", null, "ärger")),
    ]);
    const expected = Array.from({ length: 120 }, (_, n) => n).map((n) => `c-${n}`);
    const newestFirst = expected.toSorted(
      (a, b) => Math.floor(Number(b.slice(2)) / 3) - Math.floor(Number(a.slice(2)) / 3) || (a < b ? -1 : 1),
    );
    // Messages 0, 1 and 2 of conversation n have the words n, n + 1 and n + 2: three of four have each.
    const having = (word: number): string[] =>
      newestFirst.filter((id) => [0, 1, 2].some((m) => (Number(id.slice(2)) + m) % 4 === word));
    for (const limit of [1, 7, 100]) {
      expect(await walk({ query: "ARGER IM", limit })).toEqual(having(0));
      expect(await walk({ query: "nothing", limit })).toEqual(having(1));
      expect(await walk({ query: "arger", limit })).toEqual(newestFirst);
      expect(await walk({ query: "nowhere", limit })).toEqual([]);
    }
    expect(await walk({ query: "ärger", limit: 9, archived: true })).toEqual(["c-old"]);
    const { conversations } = await listed(log(), { limit: 4, query: "arger" });
    expect(conversations.map((row) => [row.id, row.snippet])).toEqual([
      ["c-117", { message: "m-1", text: "ÄRGERLICH 117", at: [0, 5] }],
      ["c-118", { message: "m-2", text: "Ärger im Büro 118", at: [0, 5] }],
      ["c-119", { message: "m-1", text: "Ärger im Büro 119", at: [0, 5] }],
      ["c-114", { message: "m-2", text: "Ärger im Büro 114", at: [0, 5] }],
    ]);
    // Of the title alone, and without a query, there is none.
    expect((await listed(log(), { limit: 1, query: "title 7" })).conversations[0]).toEqual(
      conversation("c-78", { title: "title 78", updatedAt: 26, head: 4, newest: "m-2" }),
    );
    expect((await listed(log(), { limit: 1 })).conversations[0]).not.toHaveProperty("snippet");
  });

  it("SR3 a reply is found when its turn is settled; what was deleted is not", async () => {
    await log().commit([create(c1), start(c1), append(c1, appended(0, "the needle"))]);
    expect(await walk({ query: "needle", limit: 5 })).toEqual([]);
    const message: Message = { ...userMessage(m1), role: "assistant", parts: [{ type: "text", text: "the needle" }] };
    await done(
      log(),
      work(c1, () => ({ messages: [{ message }], turns: [turn({ status: "completed", settled: true })] })),
    );
    expect((await listed(log(), { limit: 5, query: "needle" })).conversations[0]?.snippet).toEqual({
      message: m1,
      text: "the needle",
      at: [4, 10],
    });
    const erase = work(c1, (view) => ({ conversation: { ...known(view), deleted: true }, erase: true }));
    await done(log(), erase);
    expect(await walk({ query: "needle", limit: 5 })).toEqual([]);
  });

  it("AD6 archived ones are a list of their own; a bad cursor begins anew", async () => {
    await log().commit([create("c-1"), create("c-2", { archived: true }), create("c-3", { title: undefined })]);
    expect(await walk({ limit: 10 })).toEqual(["c-1", "c-3"]);
    expect(await walk({ archived: true, limit: 10 })).toEqual(["c-2"]);
    for (const cursor of ["", "x", "\u0000", "AAAA", "9".repeat(200)]) {
      expect((await listed(log(), { cursor, limit: 10 })).conversations).toHaveLength(2);
    }
  });

  it("AD6 a row moves to the top when it changes, and names the turn that runs", async () => {
    await log().commit([create(c1, { updatedAt: 1 }), create(c2, { updatedAt: 2 })]);
    await log().commit([
      start(c1),
      work(c1, (view) => ({ conversation: { ...known(view), updatedAt: 3, title: "New" } })),
    ]);
    const { conversations } = await listed(log(), { limit: 10 });
    expect(conversations).toEqual([
      { ...conversation(c1, { updatedAt: 3, title: "New", head: 2, newest: m1 }), turn: t1 },
      conversation(c2, { updatedAt: 2, head: 1 }),
    ]);
  });
}

function turns(log: () => Log): void {
  /** A work that goes through only under the newest fence. */
  const write = (fence: number) =>
    ({
      conversation: c1,
      needs: { turns: [t1] },
      decide: (view: Parameters<Parameters<typeof work>[1]>[0]) =>
        view.turn(t1)?.fence === fence ? { events: [titled("w")], answer: {} } : reject("conflict", { field: "turn" }),
    }) as const;

  it("AD7 G6 a claim takes the next fence, and the owner before can write no more", async () => {
    await log().commit([create(c1), start(c1, { leaseUntil: 5_000 })]);
    expect((await log().commit([write(1)]))[0]?.ok).toBe(true);
    expect(await log().claim({ owner: "n2", now: 5_000, leaseUntil: 9_000, all: false })).toEqual([]);
    const claimed = await log().claim({ owner: "n2", now: 5_001, leaseUntil: 9_000, all: false });
    expect(claimed).toEqual([turn({ startedSeq: 2, owner: "n2", fence: 2, leaseUntil: 9_000 })]);
    expect((await log().commit([write(1), write(2)])).map((outcome) => outcome.ok)).toEqual([false, true]);
    expect((await log().messages(c1, { limit: 1 }))?.running).toEqual(claimed);
  });

  it("AD7 G6 of many that claim at once, one gets the turn", async () => {
    await log().commit([create(c1), start(c1, { leaseUntil: 0 })]);
    const claims = await Promise.all(
      Array.from({ length: 10 }, (_, i) => log().claim({ owner: `n${i}`, now: 1, leaseUntil: 100, all: false })),
    );
    expect(claims.flat()).toHaveLength(1);
    expect(claims.flat()[0]?.fence).toBe(2);
  });

  it("AD7 G7 at a start, every turn that is not one's own is taken over, whatever its lease says", async () => {
    await log().commit([
      create(c1),
      start(c1, { leaseUntil: 1e12 }),
      create(c2),
      start(c2, { id: "t-2", owner: "me", leaseUntil: 1e12 }),
    ]);
    const claimed = await log().claim({ owner: "me", now: 1, leaseUntil: 2, all: true });
    expect(claimed.map((one) => [one.id, one.conversation, one.fence, one.owner])).toEqual([[t1, c1, 2, "me"]]);
  });

  it("AD7 G7 renewing extends the leases of an owner's running turns only", async () => {
    await log().commit([
      create(c1),
      start(c1, { id: "t-1", leaseUntil: 10 }),
      start(c1, { id: "t-2", owner: "n2", leaseUntil: 10 }),
      start(c1, { id: "t-3", status: "stopped", leaseUntil: 10 }),
    ]);
    await log().renew("node-1", 50);
    expect((await log().claim({ owner: "n3", now: 40, leaseUntil: 90, all: false })).map((one) => one.id)).toEqual([
      "t-2",
    ]);
    expect((await log().claim({ owner: "n3", now: 51, leaseUntil: 90, all: false })).map((one) => one.id)).toEqual([
      "t-1",
    ]);
  });

  it("AD7 G7 ended turns are unsettled until their row says otherwise", async () => {
    await log().commit([create(c1), start(c1), start(c1, { id: "t-2", message: "m-2" })]);
    expect(await log().unsettled(10)).toEqual([]);
    const set = (settled: boolean) =>
      work(c1, (view) => ({ turns: [{ ...turn(), ...view.turn(t1), status: "stopped", finishedSeq: 4, settled }] }), {
        needs: { turns: [t1] },
      });
    await done(log(), set(false));
    expect(await log().unsettled(10)).toEqual([turn({ startedSeq: 2, status: "stopped", finishedSeq: 4 })]);
    expect(await log().unsettled(0)).toEqual([]);
    await done(log(), set(true));
    expect(await log().unsettled(10)).toEqual([]);
  });

  it("AD7 G7 a turn's row is written whole: every field is there again", async () => {
    await log().commit([create(c1), start(c1)]);
    const row = turn({
      parent: "m-0",
      message: "m-x",
      model: "other:x",
      owner: "o",
      fence: 7,
      leaseUntil: 8,
      attempts: 9,
      stalls: 10,
      length: 11,
      attemptLength: 12,
      startedSeq: 13,
      finishedSeq: 14,
      user: "bob",
    });
    for (const next of [row, { ...row, length: 99, leaseUntil: 98, attempts: 97, stalls: 96, attemptLength: 95 }]) {
      await done(
        log(),
        work(c1, (view) => (void view.running, { turns: [next] })),
      );
      expect((await log().messages(c1, { limit: 1 }))?.running).toEqual([next]);
    }
  });
}

function texts(log: () => Log): void {
  it("JS10 every text comes back as it was: NUL, lone surrogates, emoji, composed and decomposed", async () => {
    const all = awkward.join("");
    const message = userMessage("m-1", null, all);
    const events: Event[] = awkward.map((text) => titled(text));
    const key = { user: "ada", id: "k", hash: "h" };
    await log().commit([create(c1, { title: all }), say(c1, message), append(c1, ...events)]);
    await done(
      log(),
      work(c1, () => ({ answer: { all } }), { key }),
    );
    expect((await log().conversation(c1))?.title).toBe(all);
    expect((await log().messages(c1, { limit: 1 }))?.messages[0]?.message).toEqual(message);
    expect((await log().entries(c1, 2, 100)).entries.map((entry) => entry.event)).toEqual(events);
    expect(
      await done(
        log(),
        work(c1, () => ({}), { key }),
      ),
    ).toMatchObject({ answer: { all }, repeated: true });
  });

  it("JS10 a text of a million characters comes back as it was", async () => {
    const message = userMessage("m-1", null, "ab\u0000😀".repeat(200_000));
    await log().commit([create(c1), say(c1, message)]);
    expect((await log().messages(c1, { limit: 1 }))?.messages[0]?.message).toEqual(message);
  });
}
