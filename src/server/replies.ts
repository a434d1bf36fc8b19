// Owns the reading of whole messages from the log: rows, with the entries of open ones folded over them. Writes nothing.
import type { Entry } from "../domain/log.ts";
import type { MessageRecord, TurnRecord } from "../domain/records.ts";
import { completed } from "../domain/turn.ts";
import type { Message, RunningTurn } from "../protocol/index.ts";
import type { Log } from "./ports.ts";

const pageLength = 512;

/** All entries after a seq up to the head, read in pages so that a long log does not hold the loop. */
export async function readEntries(log: Log, conversation: string, after: number): Promise<Entry[]> {
  const all: Entry[] = [];
  for (let seq = after; ;) {
    const { entries } = await log.entries(conversation, seq, pageLength);
    const last = entries.at(-1);
    if (last === undefined) return all;
    all.push(...entries);
    seq = last.last;
  }
}

/** The messages of records, whole, as they were at `head`. */
export async function wholeMessages(
  log: Log,
  conversation: string,
  records: readonly MessageRecord[],
  head: number,
): Promise<Message[]> {
  const entries = await readSince(log, conversation, openings(records));
  return records.map((record) => completed(record, entries, head));
}

/** A page of a conversation as it was at its head: the messages whole, and the running turns as their events tell them. */
export async function readPage(
  log: Log,
  conversation: string,
  page: { head: number; messages: readonly MessageRecord[]; running: readonly TurnRecord[] },
): Promise<{ messages: Message[]; turns: RunningTurn[] }> {
  const { head, running } = page;
  const starts = running.map((turn) => turn.startedSeq);
  const entries = await readSince(log, conversation, [...openings(page.messages), ...starts]);
  const messages = page.messages.map((record) => completed(record, entries, head));
  const turns = running.map(({ id, message }) => ({ turn: id, message, attempt: attemptAt(head, id, entries) }));
  return { messages, turns };
}

const openings = (records: readonly MessageRecord[]): number[] => records.flatMap((record) => record.openSince ?? []);

const readSince = async (log: Log, conversation: string, seqs: readonly number[]): Promise<Entry[]> =>
  seqs.length === 0 ? [] : readEntries(log, conversation, Math.min(...seqs) - 1);

/** The row also counts attempts that no reader was told of (a model that failed before its first piece). */
function attemptAt(head: number, turn: string, entries: readonly Entry[]): number {
  const told = entries.findLast(
    ({ last, event }) => last <= head && event.kind === "turn.resumed" && event.turn === turn,
  )?.event;
  return told?.kind === "turn.resumed" ? told.attempt : 1;
}

/** Characters of a page of messages, as JSON, at most; what does not fit is older and left for the next page. */
const pageCharacters = 256 * 1024;

/** The newest of a page that fit, at least one; `more` where any were left out. */
export function newestThatFit(messages: readonly Message[], more: boolean): { messages: Message[]; more: boolean } {
  let room = pageCharacters;
  const first = messages.findLastIndex((message) => (room -= JSON.stringify(message).length) < 0);
  const from = Math.min(first + 1, Math.max(0, messages.length - 1));
  return { messages: messages.slice(from), more: more || from > 0 };
}

/** One message, whole, with its row. undefined: it is not there. */
export async function readMessage(
  log: Log,
  conversation: string,
  id: string,
): Promise<{ record: MessageRecord; message: Message; entries: Entry[] } | undefined> {
  const [record] = await log.path(conversation, id, 1);
  if (record === undefined || record.message.id !== id) return undefined;
  const entries = record.openSince === undefined ? [] : await readEntries(log, conversation, record.openSince - 1);
  return { record, message: completed(record, entries, Number.POSITIVE_INFINITY), entries };
}
