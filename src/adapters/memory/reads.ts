// Owns what readers ask of the memory disk. Must not write.
import { after } from "../../domain/log.ts";
import { findSnippet, foldText, needleOf } from "../../domain/search.ts";
import type { Snippet } from "../../protocol/index.ts";
import type { ListedConversation, Log, MessageRecord } from "../../server/ports.ts";
import { runningOf } from "./commit.ts";
import type { MemoryDisk, Shelf } from "./disk.ts";
import type { MemoryProcess } from "./process.ts";

type Reads = Pick<Log, "conversation" | "entries" | "messages" | "path" | "list">;

export function createReads(disk: MemoryDisk, process: MemoryProcess): Reads {
  const read = <T>(run: () => T): Promise<T> => process.read(run);
  return {
    conversation: (id) => read(() => disk.shelves.get(id)?.record),
    entries: (conversation, from, limit) =>
      read(() => {
        const shelf = disk.shelves.get(conversation);
        const stored = shelf?.entries ?? [];
        const start = stored.findIndex((entry) => entry.last > from);
        const page = start === -1 ? [] : stored.slice(start, start + limit);
        return { head: shelf?.record.head ?? 0, entries: page.flatMap((entry) => after(entry, from) ?? []) };
      }),
    messages: (conversation, { before, limit }) =>
      read(() => {
        const shelf = disk.shelves.get(conversation);
        const all = [...(shelf?.messages.values() ?? [])];
        const end = before === undefined ? all.length : all.findIndex((record) => record.message.id === before);
        if (end === -1) return undefined;
        const start = Math.max(0, end - limit);
        const head = shelf?.record.head ?? 0;
        return { head, messages: all.slice(start, end), more: start > 0, running: runningOf(shelf) };
      }),
    path: (conversation, message, limit) =>
      read(() => {
        const messages = disk.shelves.get(conversation)?.messages;
        const up: MessageRecord[] = [];
        let next: string | null = message;
        while (next !== null && up.length < limit) {
          const found: MessageRecord | undefined = messages?.get(next);
          if (found === undefined) break;
          up.push(found);
          next = found.message.metadata.parent;
        }
        return up.reverse();
      }),
    list: (user, page) => read(() => listOf(disk, user, page)),
  };
}

function listOf(
  disk: MemoryDisk,
  user: string,
  { cursor, limit, query, archived }: Parameters<Log["list"]>[1],
): Awaited<ReturnType<Log["list"]>> {
  const needle = needleOf(query);
  const rows = [...disk.shelves.values()]
    .filter(({ record }) => record.user === user && record.archived === archived && !record.deleted)
    .flatMap((shelf): Hit[] => (needle === undefined ? [{ shelf }] : hitsIn(shelf, needle)))
    .sort(
      ({ shelf: a }, { shelf: b }) => b.record.updatedAt - a.record.updatedAt || (a.record.id < b.record.id ? -1 : 1),
    );
  // The cursor is the place behind which to go on, not a row: that one may have moved.
  const [, updatedAt, id] = /^(\d+) (.+)$/.exec(cursor ?? "") ?? [];
  const isBehind = (at: number, own: string): boolean =>
    updatedAt === undefined || id === undefined || at < Number(updatedAt) || (at === Number(updatedAt) && own > id);
  const left = rows.filter(({ shelf }) => isBehind(shelf.record.updatedAt, shelf.record.id));
  const conversations = left.slice(0, limit).map(({ shelf, snippet }): ListedConversation => {
    const turn = runningOf(shelf).at(-1)?.id;
    return { ...shelf.record, ...(turn === undefined ? {} : { turn }), ...(snippet === undefined ? {} : { snippet }) };
  });
  const last = conversations.at(-1);
  if (left.length <= limit || last === undefined) return { conversations };
  return { conversations, cursor: `${last.updatedAt} ${last.id}` };
}

type Hit = { readonly shelf: Shelf; readonly snippet?: Snippet };

/** A conversation whose title or newest fitting message has what is looked for. */
function hitsIn(shelf: Shelf, needle: string): Hit[] {
  for (const { message } of [...shelf.messages.values()].reverse()) {
    const snippet = findSnippet(message, needle);
    if (snippet !== undefined) return [{ shelf, snippet }];
  }
  return foldText(shelf.record.title ?? "").includes(needle) ? [{ shelf }] : [];
}
