// Owns what of the memory store outlives a process: plain tables of frozen rows. Must not decide anything.
import type {
  ConversationRecord,
  Entry,
  KeyedFile,
  MessageRecord,
  SessionRecord,
  TurnRecord,
  User,
} from "../../server/ports.ts";

type Answer = { readonly hash: string; readonly at: number; readonly answer: Readonly<Record<string, unknown>> };

/** One conversation's tables. `messages` is in the order of creation. */
export type Shelf = {
  record: ConversationRecord;
  entries: Entry[];
  readonly messages: Map<string, MessageRecord>;
  readonly turns: Map<string, TurnRecord>;
};

/** The durable state: what a store that is opened after a crash finds. Rows in it are frozen. */
export type MemoryDisk = {
  epoch: string;
  commits: number;
  readonly shelves: Map<string, Shelf>;
  readonly answers: Map<string, Answer>;
  readonly users: Map<string, { readonly user: User; readonly who: string | undefined; readonly createdAt: number }>;
  readonly sessions: Map<string, SessionRecord>;
  /** undefined: dropped, and its bytes may still be there. */
  readonly files: Map<string, KeyedFile | undefined>;
};

export function memoryDisk(epoch = "epoch-1"): MemoryDisk {
  return {
    epoch,
    commits: 0,
    shelves: new Map(),
    answers: new Map(),
    users: new Map(),
    sessions: new Map(),
    files: new Map(),
  };
}

/** A backup: shares the frozen rows, none of the tables. */
export function copyDisk(disk: MemoryDisk, epoch = disk.epoch): MemoryDisk {
  const shelves = [...disk.shelves].map(([id, shelf]): [string, Shelf] => [
    id,
    { ...shelf, entries: [...shelf.entries], messages: new Map(shelf.messages), turns: new Map(shelf.turns) },
  ]);
  return {
    epoch,
    commits: disk.commits,
    shelves: new Map(shelves),
    answers: new Map(disk.answers),
    users: new Map(disk.users),
    sessions: new Map(disk.sessions),
    files: new Map(disk.files),
  };
}

/** A copy that nobody can change and that shares nothing with the original: as if it had been written to a disk. */
export function frozenCopy<T extends object>(value: T): T {
  // By way of JSON, as on a real disk: what JSON cannot hold throws here as it would there.
  const copy: T = JSON.parse(JSON.stringify(value));
  return freeze(copy);
}

function freeze<T extends object>(value: T): T {
  for (const child of Object.values(value)) {
    if (typeof child === "object" && child !== null && !Object.isFrozen(child)) freeze(child);
  }
  return Object.freeze(value);
}
