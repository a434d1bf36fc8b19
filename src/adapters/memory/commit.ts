// Owns how works are decided on and applied to the memory disk. Must be sync: nothing comes between a decision and its effect.
import { number } from "../../domain/log.ts";
import { isRejection } from "../../domain/records.ts";
import { reject } from "../../protocol/index.ts";
import type { Clock, Effect, Outcome, TurnRecord, View, Work } from "../../server/ports.ts";
import { frozenCopy, type MemoryDisk, type Shelf } from "./disk.ts";

export function commitTo(disk: MemoryDisk, works: readonly Work[], clock: Clock): Outcome[] {
  return works.map((work) => perform(disk, work, clock));
}

const answerKey = (user: string, id: string): string => JSON.stringify([user, id]);

function perform(disk: MemoryDisk, work: Work, clock: Clock): Outcome {
  const { key } = work;
  const shelf = disk.shelves.get(work.conversation);
  const before = key && disk.answers.get(answerKey(key.user, key.id));
  if (before !== undefined) {
    if (before.hash !== key?.hash) return { ok: false, rejection: reject("conflict", { field: "id" }) };
    return { ok: true, answer: before.answer, entries: [], conversation: shelf?.record, repeated: true };
  }
  let effect: Effect;
  try {
    const decided = work.decide(viewOf(disk, shelf, work));
    if (isRejection(decided)) return { ok: false, rejection: decided };
    effect = frozenCopy(decided);
    if (effect.conversation === undefined && shelf === undefined && changesRows(effect)) {
      throw new Error("an effect without a conversation");
    }
  } catch {
    // A bug of one decision is its own: the others go on.
    return { ok: false, rejection: reject("internal") };
  }
  disk.commits++;
  if (key !== undefined) {
    disk.answers.set(answerKey(key.user, key.id), { hash: key.hash, at: clock.now(), answer: effect.answer });
  }
  return { ok: true, answer: effect.answer, repeated: false, ...apply(disk, work, effect) };
}

const changesRows = (effect: Effect): boolean =>
  [effect.events, effect.messages, effect.turns, effect.replace].some((rows) => rows !== undefined && rows.length > 0);

function apply(
  disk: MemoryDisk,
  work: Work,
  effect: Effect,
): Pick<Extract<Outcome, { ok: true }>, "entries" | "conversation"> {
  const known = disk.shelves.get(work.conversation);
  const row = effect.conversation ?? known?.record;
  const start = known?.record.head ?? 0;
  const entries = frozenCopy(number(start, effect.events));
  if (row === undefined) return { entries, conversation: undefined };
  const tombstone = effect.erase === true ? { title: undefined, newest: null, deleted: true } : {};
  const record = Object.freeze({ ...row, head: start + effect.events.length, ...tombstone });
  const shelf: Shelf = known ?? { record, entries: [], messages: new Map(), turns: new Map() };
  if (effect.erase === true) {
    shelf.entries = [];
    shelf.messages.clear();
    shelf.turns.clear();
    for (const [id, file] of disk.files) if (file?.conversation === record.id) disk.files.set(id, undefined);
  }
  shelf.record = record;
  shelf.entries.push(...entries);
  replace(shelf, effect.replace ?? []);
  for (const message of effect.messages ?? []) shelf.messages.set(message.message.id, message);
  for (const turn of effect.turns ?? []) shelf.turns.set(turn.id, turn);
  for (const id of effect.files ?? []) {
    const file = disk.files.get(id);
    if (file !== undefined) disk.files.set(id, Object.freeze({ ...file, conversation: record.id }));
  }
  disk.shelves.set(work.conversation, shelf);
  return { entries, conversation: record };
}

function replace(shelf: Shelf, entries: NonNullable<Effect["replace"]>): void {
  const [first, last] = [entries[0]?.first, entries.at(-1)?.last];
  if (first === undefined || last === undefined) return;
  // Another process has merged over an edge of this meanwhile; what is stored says the same.
  if (shelf.entries.some((entry) => [first - 1, last].some((edge) => entry.first <= edge && entry.last > edge))) return;
  const older = shelf.entries.filter((entry) => entry.last < first);
  const newer = shelf.entries.filter((entry) => entry.last > last);
  shelf.entries = [...older, ...entries, ...newer];
}

/** The running turns of a conversation, oldest first. */
export function runningOf(shelf: Shelf | undefined): TurnRecord[] {
  const running = [...(shelf?.turns.values() ?? [])].filter((turn) => turn.status === "running");
  return running.sort((a, b) => a.startedSeq - b.startedSeq);
}

/** Shows only what the work's `needs` named: so it is on every adapter. */
function viewOf(disk: MemoryDisk, shelf: Shelf | undefined, work: Work): View {
  const { messages = [], turns = [], files = [] } = work.needs ?? {};
  const message: View["message"] = (id) =>
    messages.includes(id) || id === shelf?.record.newest ? shelf?.messages.get(id) : undefined;
  return {
    conversation: shelf?.record,
    running: runningOf(shelf),
    message,
    turn(id) {
      const turn = shelf?.turns.get(id);
      if (turn === undefined || turn.status === "running" || turns.includes(id)) return turn;
      const last = messages.includes(turn.message) && message(turn.message)?.message.metadata.turn === id;
      return last ? turn : undefined;
    },
    file(id) {
      const file = files.includes(id) ? disk.files.get(id) : undefined;
      if (file === undefined) return undefined;
      const { key: _, ...record } = file;
      return record;
    },
  };
}
