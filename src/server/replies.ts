// Owns the reading of whole messages from the log: rows, with the entries of open ones folded over them. Writes nothing.
import type { Entry } from "../domain/log.ts";
import type { MessageRecord } from "../domain/records.ts";
import { completed } from "../domain/turn.ts";
import type { Message } from "../protocol/index.ts";
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
  const since = Math.min(...records.map((record) => record.openSince ?? Number.POSITIVE_INFINITY));
  const entries = since === Number.POSITIVE_INFINITY ? [] : await readEntries(log, conversation, since - 1);
  return records.map((record) => completed(record, entries, head));
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
