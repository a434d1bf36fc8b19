// Owns the rows and works that the store suites are written in. Must hold no expectation.
import type { Event, Message } from "../../src/protocol/index.ts";
import type {
  CommandKey,
  ConversationRecord,
  Effect,
  Log,
  Outcome,
  TurnRecord,
  View,
  Work,
} from "../../src/server/ports.ts";

export const at = "2026-11-23T00:00:00.000Z";
export const c1 = "00000000-0000-7000-8000-0000000000c1";
export const c2 = "00000000-0000-7000-8000-0000000000c2";
export const t1 = "00000000-0000-7000-8000-0000000000t1";
export const m1 = "00000000-0000-7000-8000-0000000000m1";

export function conversation(id: string, more: Partial<ConversationRecord> = {}): ConversationRecord {
  const times = { createdAt: 1_000, updatedAt: 1_000 };
  return { id, user: "ada", title: "T", ...times, head: 0, newest: null, archived: false, deleted: false, ...more };
}

export function turn(more: Partial<TurnRecord> = {}): TurnRecord {
  return {
    id: t1,
    conversation: c1,
    user: "ada",
    message: m1,
    parent: null,
    model: "demo",
    status: "running",
    owner: "node-1",
    fence: 1,
    leaseUntil: 1_000,
    attempts: 0,
    stalls: 0,
    length: 0,
    attemptLength: 0,
    startedSeq: 1,
    finishedSeq: null,
    settled: false,
    ...more,
  };
}

export function userMessage(id: string, parent: string | null = null, text = `text of ${id}`): Message {
  return { id, role: "user", parts: [{ type: "text", text }], metadata: { createdAt: at, parent } };
}

export const titled = (title: string): Event => ({ kind: "conversation.updated", at, title });

export function appended(offset: number, text: string, more: { message?: string; turn?: string } = {}): Event {
  return { kind: "reply.appended", at, turn: t1, message: m1, part: 0, type: "text", offset, text, ...more };
}

type Decided = Partial<Effect>;

/** A work on one conversation. What `decide` leaves out is an effect that changes nothing. */
export function work(
  id: string,
  decide: (view: View) => Decided,
  more: { key?: CommandKey; needs?: Work["needs"] } = {},
): Work {
  return { conversation: id, ...more, decide: (view) => ({ events: [], answer: {}, ...decide(view) }) };
}

export const create = (id: string, more: Partial<ConversationRecord> = {}): Work =>
  work(id, () => ({
    events: [{ kind: "conversation.created", at, title: more.title ?? "T" }],
    conversation: conversation(id, more),
    answer: { conversation: id, seq: 1 },
  }));

/** Appends events to a conversation that is there. */
export const append = (id: string, ...events: Event[]): Work =>
  work(id, () => ({ events, answer: { n: events.length } }));

/** A message with its row, which becomes the newest. */
export const say = (id: string, message: Message, openSince?: number): Work =>
  work(id, (view) => ({
    events: [{ kind: "message.created", at, message }],
    conversation: { ...known(view), newest: message.id },
    messages: [openSince === undefined ? { message } : { message, openSince }],
  }));

/** The turn `t1` that writes `m1`, with its reply's row. */
export const start = (id: string, more: Partial<TurnRecord> = {}): Work =>
  work(id, (view) => {
    const startedSeq = known(view).head + 1;
    const row = turn({ conversation: id, startedSeq, ...more });
    const metadata = { createdAt: at, parent: row.parent, turn: row.id, status: "running", model: "demo" } as const;
    const message: Message = { id: row.message, role: "assistant", parts: [], metadata };
    return {
      events: [{ kind: "turn.started", at, turn: row.id, message: row.message, parent: row.parent, model: "demo" }],
      conversation: { ...known(view), newest: row.message },
      messages: [{ message, openSince: startedSeq }],
      turns: [row],
    };
  });

export function known(view: View): ConversationRecord {
  if (view.conversation === undefined) throw new Error("no such conversation");
  return view.conversation;
}

/** Commits one work and gives its outcome, which must be ok. */
export async function done(log: Log, one: Work): Promise<Extract<Outcome, { ok: true }>> {
  const [outcome] = await log.commit([one]);
  if (outcome?.ok !== true) throw new Error(`not done: ${outcome?.ok === false ? outcome.rejection.code : "nothing"}`);
  return outcome;
}

/** A page of ada's list, which must not be refused. */
export async function listed(
  log: Log,
  page: { limit: number; cursor?: string | undefined; query?: string | undefined; archived?: boolean },
  user = "ada",
) {
  const read = await log.list(user, { archived: false, ...page });
  if ("code" in read) throw new Error(`not listed: ${read.code}`);
  return read;
}

/** Every entry of a conversation from `after` on, read in pages. */
export async function readAll(log: Log, id: string, after = 0, page = 100) {
  const entries = [];
  for (let seq = after; ;) {
    const read = await log.entries(id, seq, page);
    entries.push(...read.entries);
    const last = read.entries.at(-1)?.last;
    if (last === undefined || last >= read.head) return { head: read.head, entries };
    seq = last;
  }
}
