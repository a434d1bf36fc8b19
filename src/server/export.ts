// Owns what an export says: a conversation as JSON or Markdown, all of a person's data as one zip. Streamed; it writes nothing.
import { Readable } from "node:stream";
import { makeZip } from "client-zip";
import { owned } from "../domain/decide.ts";
import { isRejection, type ConversationRecord } from "../domain/records.ts";
import { fileIdOf, stamp, type Message, type Part, type Rejection } from "../protocol/index.ts";
import { asMarkdown, type FileNames } from "./export-markdown.ts";
import { cleanName } from "./file-names.ts";
import { BrokenFile, type Clock, type KeyedFile, type Log, type Sessions, type Users } from "./ports.ts";
import { wholeMessages } from "./replies.ts";
import type { Shelf } from "./shelf.ts";

/** Something to save. */
export type Given = { readonly name: string; readonly type: string; readonly body: Readable };

export type Exporter = {
  conversation(user: string, id: string, format: "json" | "markdown"): Promise<Given | Rejection>;
  everything(user: string): Promise<Given | Rejection>;
};

export type ExportOptions = {
  readonly log: Log;
  readonly users: Pick<Users, "find">;
  readonly sessions: Pick<Sessions, "list">;
  readonly shelf: Pick<Shelf, "find" | "read">;
  readonly clock: Clock;
};

/** What our own JSON says of itself. */
export const exportFormat = "throughline.conversation";
const exportVersion = 1;
/** Messages that are read at once: a page of the longest replies is a few megabytes. */
const pageMessages = 10;
const pageConversations = 100;
const mostSessions = 1000;
/** Characters that are gathered before they are given on. */
const gathered = 16_384;

/** A conversation as it was when its export began: what comes later is not in it. */
type Opened = {
  readonly record: ConversationRecord;
  /** The messages on the way to the newest one: what a person sees. */
  readonly shown: ReadonlySet<string>;
  /** How many there are. */
  readonly count: number;
  read(): AsyncGenerator<Message>;
};

export function createExporter(options: ExportOptions): Exporter {
  const { log, clock, shelf } = options;
  const breathe = (): Promise<void> => new Promise((resolve) => clock.soon(resolve));

  const open = async (record: ConversationRecord): Promise<Opened> => {
    const { id } = record;
    const last = (await log.messages(id, { limit: 1 }))?.messages[0]?.message.id;
    const parents = new Map<string, string | null>();
    // From the newest page to the oldest; only where each begins is kept.
    const befores: string[] = [];
    for (let before = last; before !== undefined;) {
      befores.push(before);
      const page = await log.messages(id, { before, limit: pageMessages });
      for (const { message } of page?.messages ?? []) parents.set(message.id, message.metadata.parent);
      before = page?.more === true ? page.messages[0]?.message.id : undefined;
      await breathe();
    }
    const newest = last === undefined ? undefined : (await log.path(id, last, 1))[0]?.message;
    if (newest !== undefined) parents.set(newest.id, newest.metadata.parent);
    const shown = new Set<string>();
    for (let at: string | null | undefined = newest?.id; at && !shown.has(at); at = parents.get(at)) shown.add(at);

    async function* read(): AsyncGenerator<Message> {
      for (const before of befores.toReversed()) {
        const page = await log.messages(id, { before, limit: pageMessages });
        // Deleted meanwhile.
        if (page === undefined) return;
        yield* await wholeMessages(log, id, page.messages, page.head);
        await breathe();
      }
      if (last === undefined) return;
      const head = (await log.conversation(id))?.head ?? 0;
      yield* await wholeMessages(log, id, await log.path(id, last, 1), head);
    }
    return { record, shown, count: parents.size, read };
  };

  /** Every conversation of a person once, archived ones too; what changed while they were listed is not missed. */
  const idsOf = async (user: string): Promise<string[]> => {
    const began = clock.now();
    const ids = new Set<string>();
    const walk = async (archived: boolean, since: number): Promise<void> => {
      for (let cursor: string | undefined; ;) {
        const page = await log.list(user, { cursor, limit: pageConversations, archived });
        if (isRejection(page)) return;
        for (const { id } of page.conversations) ids.add(id);
        cursor = page.cursor;
        if (cursor === undefined || (page.conversations.at(-1)?.updatedAt ?? 0) < since) return;
        await breathe();
      }
    };
    for (const since of [Number.NEGATIVE_INFINITY, began]) {
      for (const archived of [false, true]) await walk(archived, since);
    }
    return [...ids];
  };

  const archive = (user: string, person: object): AsyncGenerator<Entry> => {
    const files = new Map<string, KeyedFile & { path: string }>();
    const broken = new Set<string>();
    const noteFiles = async ({ parts }: Message): Promise<void> => {
      for (const id of parts.flatMap(fileOf)) {
        const file = files.has(id) ? undefined : await shelf.find(user, id);
        if (file === undefined || isRejection(file)) continue;
        files.set(id, { ...file, path: `files/${id.slice(0, 8)} ${cleanName(file.name)}` });
      }
    };
    const names: FileNames = (url) => {
      const path = files.get(fileIdOf(url) ?? "")?.path;
      return path === undefined ? undefined : `../${path}`;
    };
    const opened = async (id: string): Promise<Opened | undefined> => {
      const record = owned(await log.conversation(id), user);
      return isRejection(record) ? undefined : open(record);
    };
    const noted = async function* (conversation: Opened): AsyncGenerator<Message> {
      for await (const message of conversation.read()) {
        await noteFiles(message);
        yield message;
      }
    };
    const all = async function* (ids: readonly string[]): AsyncGenerator<string> {
      yield "[";
      let before = "\n";
      for (const id of ids) {
        const conversation = await opened(id);
        if (conversation === undefined) continue;
        yield before;
        before = ",\n";
        yield* asJson(conversation.record, noted(conversation));
      }
      yield "\n]\n";
    };
    /** A file that is not as it was written gives nothing more, and the list says so; the rest goes on. */
    const bytesOf = async function* (file: KeyedFile): AsyncGenerator<Uint8Array> {
      try {
        yield* shelf.read(file);
      } catch (error) {
        if (!(error instanceof BrokenFile)) throw error;
        broken.add(file.id);
      }
    };
    return (async function* () {
      yield { name: "README.txt", input: readme };
      yield { name: "account.json", input: `${JSON.stringify(person, undefined, 2)}\n` };
      const ids = await idsOf(user);
      yield { name: "conversations.json", input: gather(all(ids)) };
      for (const id of ids) {
        const conversation = await opened(id);
        if (conversation === undefined) continue;
        const { record, shown, count } = conversation;
        const name = `conversations/${nameOf(record)} ${id.slice(-8)}.md`;
        yield { name, input: gather(asMarkdown({ record, shown, count, names }, conversation.read())) };
      }
      for (const file of files.values()) yield { name: file.path, input: bytesOf(file) };
      const list = [...files.values()].map(({ id, name, mediaType, bytes, sha256, createdAt, path }) => {
        const kept = { id, name, mediaType, bytes, sha256, createdAt: stamp(createdAt), path };
        return broken.has(id) ? { ...kept, damaged: true } : kept;
      });
      yield { name: "files.json", input: `${JSON.stringify(list, undefined, 2)}\n` };
    })();
  };

  return {
    async conversation(user, id, format) {
      const record = owned(await log.conversation(id.toLowerCase()), user);
      if (isRejection(record)) return record;
      const opened = await open(record);
      const name = nameOf(record);
      const { shown, count } = opened;
      return format === "json"
        ? { name: `${name}.json`, type: "application/json", body: stream(asJson(record, opened.read())) }
        : {
            name: `${name}.md`,
            type: "text/markdown; charset=utf-8",
            body: stream(asMarkdown({ record, shown, count, names: () => undefined }, opened.read())),
          };
    },
    async everything(user) {
      const [person, sessions] = await Promise.all([
        options.users.find(user),
        options.sessions.list(user, mostSessions),
      ]);
      if (isRejection(person)) return person;
      const exportedAt = stamp(clock.now());
      const told = {
        exportedAt,
        user: { id: person.id, ...(person.name === undefined ? {} : { name: person.name }) },
        sessions: sessions.map(({ about, createdAt, lastSeenAt }) => {
          const { device, place } = about;
          return { device, place, createdAt: stamp(createdAt), lastSeenAt: stamp(lastSeenAt) };
        }),
      };
      return {
        name: `throughline-${exportedAt.slice(0, 10)}.zip`,
        type: "application/zip",
        body: Readable.from(chunksOf(makeZip(archive(user, told)))),
      };
    },
  };
}

type Entry = { readonly name: string; readonly input: string | AsyncIterable<Uint8Array> };

const fileOf = (part: Part): string[] => {
  const id = part.type === "file" && typeof part.url === "string" ? fileIdOf(part.url) : undefined;
  return id === undefined ? [] : [id];
};

/** What a conversation's file is called: its title, where it has one. */
const nameOf = ({ title, createdAt }: ConversationRecord): string =>
  cleanName(
    `${stamp(createdAt).slice(0, 10)} ${(title ?? "conversation").replaceAll(/\s+/g, " ").replaceAll(/[/\\]/g, "-").slice(0, 80)}`,
  );

/** A conversation as one JSON object, a message a line. */
async function* asJson(record: ConversationRecord, messages: AsyncIterable<Message>): AsyncGenerator<string> {
  const { id, title, archived } = record;
  const head = {
    format: exportFormat,
    version: exportVersion,
    id,
    ...(title === undefined ? {} : { title }),
    createdAt: stamp(record.createdAt),
    updatedAt: stamp(record.updatedAt),
    archived,
  };
  yield `${JSON.stringify(head).slice(0, -1)},"messages":[`;
  let before = "\n";
  for await (const message of messages) {
    yield before + JSON.stringify(message);
    before = ",\n";
  }
  yield "\n]}";
}

/** Small texts together, as bytes. */
async function* gather(texts: AsyncIterable<string>): AsyncGenerator<Uint8Array> {
  let kept = "";
  for await (const text of texts) {
    kept += text;
    if (kept.length < gathered) continue;
    yield Buffer.from(kept);
    kept = "";
  }
  if (kept !== "") yield Buffer.from(kept);
}
const stream = (texts: AsyncIterable<string>): Readable => Readable.from(gather(texts));

/** A web stream as what Node reads; whoever stops reading ends it. */
async function* chunksOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<Uint8Array> {
  const reader = stream.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield value;
    }
  } finally {
    // The zip tells its sources by an error, which comes back from here.
    await reader.cancel().catch(() => undefined);
  }
}

const readme = `This is everything that Throughline keeps of you.

account.json         who you are here, and where you are signed in
conversations.json   every conversation with every message, also other versions and what was archived; can be imported again
conversations/       the same to read, as Markdown: of each conversation what was shown last
files/, files.json   the files in your messages, and what they are called

Not in it: a file that you sent in the last hour and that no message has.
`;
