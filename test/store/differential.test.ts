// Owns the comparison of the embedded store with the memory store: the same random life, every read equal after every step.
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { openStore, type Store } from "../../src/adapters/embedded/store.ts";
import { memoryDisk, openMemoryStore } from "../../src/adapters/memory/store.ts";
import { merge } from "../../src/domain/log.ts";
import { beginAttempt, finishTurn, settle } from "../../src/domain/turn.ts";
import { reject } from "../../src/protocol/index.ts";
import type { Log, TurnRecord, Work } from "../../src/server/ports.ts";
import { systemClock } from "../../src/server/clock.ts";
import {
  append,
  appended,
  at,
  known,
  listed,
  readAll,
  start,
  titled,
  turn,
  userMessage,
  say,
  work,
} from "../contract/rows.ts";
import { temporaryDirectory } from "../support/temporary.ts";
import { testVault } from "../support/vault.ts";

const conversations = ["c-0", "c-1", "c-2"];
const turnsOf = [0, 1, 2].map((i) => `t-${i}`);

/** One thing that happens. `c` is a conversation, `t` a turn (its id is made unique by the conversation). */
const where = { c: fc.nat(1), t: fc.nat(2) };
const step = fc.oneof(
  {
    weight: 14,
    arbitrary: fc.record({ kind: fc.constant("pieces" as const), ...where, n: fc.integer({ min: 1, max: 3 }) }),
  },
  { weight: 8, arbitrary: fc.record({ kind: fc.constant("several" as const), n: fc.integer({ min: 2, max: 5 }) }) },
  ...(
    ["start", "attempt", "restart", "finish", "settle", "both", "note", "bad", "erase", "merge", "replay"] as const
  ).map((kind) => ({
    weight: kind === "erase" ? 1 : 4,
    arbitrary: fc.record({ kind: fc.constant(kind), ...where }),
  })),
  ...(["reopen", "claim", "renew"] as const).map((kind) => ({
    weight: kind === "reopen" ? 6 : 2,
    arbitrary: fc.record({ kind: fc.constant(kind) }),
  })),
);
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

/** A turn's id within its conversation, with its reply's. */
const names = (c: number, t: number) => ({
  conversation: `c-${c}`,
  id: `${turnsOf[t]}-of-${c}`,
  message: `m-${t}-of-${c}`,
});

function pieces(c: number, t: number, n: number): Work {
  const { conversation, id, message } = names(c, t);
  return {
    conversation,
    needs: { turns: [id] },
    decide(view) {
      const row = view.turn(id);
      if (row === undefined || row.status !== "running") return reject("conflict");
      const texts = Array.from({ length: n }, (_, i) => `${row.length + i}é `);
      let offset = row.length;
      const events = texts.map((text) => {
        offset += text.length;
        return appended(offset - text.length, text, { turn: id, message });
      });
      return { events, conversation: known(view), turns: [{ ...row, length: offset }], answer: { length: offset } };
    },
  };
}

/** Makes the conversation, if it is not there, and a turn in it, unless there has been one of its name. */
function starting(c: number, t: number): Work[] {
  const { conversation, id, message } = names(c, t);
  return [
    work(conversation, (view) =>
      view.conversation === undefined
        ? { conversation: { ...turnless, id: conversation }, events: [titled("new")] }
        : {},
    ),
    {
      ...start(conversation, { id, message }),
      decide: (view) =>
        view.conversation?.deleted === true || view.turn(id) !== undefined
          ? reject("conflict")
          : start(conversation, { id, message }).decide(view),
      needs: { turns: [id] },
    },
  ];
}

/** The works of a step. */
async function worksOf(log: Log, one: Step): Promise<Work[]> {
  if (!("c" in one)) {
    if (one.kind !== "several") return [];
    return Array.from({ length: one.n }, (_, i) => pieces(i % 3, Math.floor(i / 3), 1));
  }
  const { c, t } = one;
  const { conversation, id } = names(c, t);
  const running = (await log.messages(conversation, { limit: 1 }))?.running.find((row) => row.id === id);
  const claim = { id, conversation, fence: running?.fence ?? 0 };
  switch (one.kind) {
    case "pieces":
      return [pieces(c, t, one.n)];
    case "start":
      return starting(c, t);
    case "attempt":
      return [beginAttempt(claim, "continue", 0)];
    case "restart":
      return [beginAttempt(claim, "restart", 0)];
    case "finish":
      return [...(t === 0 ? [] : [pieces(c, t, 2)]), finishTurn(claim, { status: "completed" }, 5)];
    case "settle":
      return settling(log, await log.unsettled(1));
    case "both":
      // Pieces and a new title in one: not the short way of pieces alone.
      return [
        work(conversation, (view) => {
          const [row] = view.running;
          if (row === undefined) return {};
          const event = appended(row.length, "both ", { turn: row.id, message: row.message });
          const renamed = { ...known(view), title: `at ${row.length}` };
          return { events: [event], conversation: renamed, turns: [{ ...row, length: row.length + 5 }] };
        }),
      ];
    case "note":
      return [say(conversation, userMessage(`note-${c}-${t}`)), append(conversation, titled("noted"))];
    case "bad":
      // What comes before and after it must be there once, and nothing of itself.
      return [
        pieces(c, t, 2),
        work(conversation, () => ({
          events: [titled("bad")],
          turns: [turn({ id: "never" })],
          messages: [{ message: { ...userMessage("x"), extra: 1n } as never }],
        })),
        pieces((c + 1) % 3, t, 1),
      ];
    case "erase":
      return [
        work(conversation, (view) => ({
          events: [{ kind: "conversation.deleted", at }],
          conversation: { ...known(view), deleted: true },
          erase: true,
        })),
      ];
    case "merge":
      return merging(log, conversation, 2 * t);
    case "replay": {
      const key = { user: "ada", id: `k-${c}-${t}`, hash: "h" };
      return [{ ...pieces(c, t, 1), key }];
    }
    default:
      return one satisfies never;
  }
}

const turnless = {
  user: "ada",
  title: "new",
  createdAt: 1,
  updatedAt: 1,
  head: 0,
  newest: null,
  archived: false,
  deleted: false,
};

async function settling(log: Log, rows: readonly TurnRecord[]): Promise<Work[]> {
  return Promise.all(
    rows.map(async (row) => {
      const { entries } = await readAll(log, row.conversation, row.startedSeq - 1);
      return settle(row, entries);
    }),
  );
}

/** Merges what can be merged behind a seq, without settling anything. */
async function merging(log: Log, conversation: string, since: number): Promise<Work[]> {
  const { entries } = await readAll(log, conversation, since);
  const dense = entries.filter((entry, i) => i === 0 || entry.first === (entries[i - 1]?.last ?? 0) + 1);
  return [work(conversation, (view) => (view.conversation === undefined ? {} : { replace: merge(dense) }))];
}

/** Everything that can be read. */
async function look(log: Log): Promise<unknown> {
  const each = await Promise.all(
    conversations.map(async (id) => ({
      row: await log.conversation(id),
      entries: await readAll(log, id, 0, 7),
      behind: await log.entries(id, 5, 3),
      page: await log.messages(id, { limit: 10 }),
    })),
  );
  const { conversations: list } = await listed(log, { limit: 10 });
  const unsettled = (await log.unsettled(100)).map((row) => row.id).sort();
  return { each, list, unsettled };
}

describe("the embedded store", () => {
  it("AD8 reads, after any life with reopenings and bad works, the same as the memory store", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { minLength: 5, maxLength: 60 }),
        fc.constantFrom(3, 20, 16_384),
        async (steps, tailRows) => {
          const file = join(temporaryDirectory(), "t.db");
          const open = (): Store =>
            openStore({ file, vault: testVault(), durability: "process", clock: systemClock, tailRows });
          let store = open();
          const model = openMemoryStore(memoryDisk(), { clock: systemClock });
          try {
            for (const one of steps) {
              if (one.kind === "reopen") {
                await store.close();
                store = open();
              } else if (one.kind === "claim") {
                const claim = { owner: "n2", now: 2_000, leaseUntil: 1_500, all: true };
                const [a, b] = await Promise.all([store.log.claim(claim), model.log.claim(claim)]);
                const byId = (rows: readonly TurnRecord[]) => rows.toSorted((x, y) => (x.id < y.id ? -1 : 1));
                expect(byId(a)).toEqual(byId(b));
              } else if (one.kind === "renew") {
                await store.log.renew("n2", 9_000);
                await model.log.renew("n2", 9_000);
              } else {
                const works = await worksOf(model.log, one);
                expect(await store.log.commit(works)).toEqual(await model.log.commit(works));
              }
              expect(await look(store.log)).toEqual(await look(model.log));
            }
          } finally {
            await store.close();
          }
        },
      ),
      {
        numRuns: Number(process.env["RUNS"] ?? 60),
        // A merge that began inside a merged entry: it took the beginning of that entry away.
        examples: [
          [
            [
              { kind: "start", c: 0, t: 0 },
              { kind: "several", n: 2 },
              { kind: "replay", c: 0, t: 0 },
              { kind: "pieces", c: 0, t: 0, n: 1 },
              { kind: "merge", c: 0, t: 0 },
              { kind: "merge", c: 0, t: 2 },
              { kind: "restart", c: 0, t: 0 },
            ],
            3,
          ],
        ],
      },
    );
  });
});
