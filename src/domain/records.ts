// Owns the rows that a store keeps beside the log, and what a decision reads and writes. Types only, no I/O.
import type { Event, Message, Rejection, TurnStatus } from "../protocol/index.ts";
import type { Entry } from "./log.ts";

/** A conversation's row. Times are milliseconds since 1970; `head` is the seq of its last event, 0 before the first. */
export type ConversationRecord = {
  readonly id: string;
  readonly user: string;
  readonly title?: string | undefined;
  readonly createdAt: number;
  readonly updatedAt: number;
  readonly head: number;
  /** The id of the message created last; null in an empty conversation. */
  readonly newest: string | null;
  readonly archived: boolean;
  readonly deleted: boolean;
};

/**
 * A turn's row: it exists before the model is called. `fence` grows with every owner; only the holder of the newest may
 * write. `attempts` counts calls of the model and is written before each; `stalls` counts those that brought nothing new.
 */
export type TurnRecord = {
  readonly id: string;
  readonly conversation: string;
  readonly user: string;
  /** The reply it writes. */
  readonly message: string;
  readonly parent: string | null;
  readonly model: string;
  readonly status: TurnStatus;
  readonly owner: string;
  readonly fence: number;
  readonly leaseUntil: number;
  readonly attempts: number;
  readonly stalls: number;
  /** Length of all text parts of the reply together, in UTF-16 units. */
  readonly length: number;
  /** `length` when the newest attempt began: tells whether it brought anything. */
  readonly attemptLength: number;
  /** seq of its `turn.started`. */
  readonly startedSeq: number;
  /** seq of its `turn.finished`; null while it runs. */
  readonly finishedSeq: number | null;
  /** Finished, and its reply's row holds the whole reply. */
  readonly settled: boolean;
};

/**
 * A message's row. While a turn writes the message, and until that turn is settled, `openSince` is the seq of the turn's
 * `turn.started`: the row holds the message before it, and the entries from that seq on must be folded over it.
 */
export type MessageRecord = { readonly message: Message; readonly openSince?: number | undefined };

/** A file's row: what a person sent, until a message has it (`conversation`) and after. Times are milliseconds since 1970. */
export type FileRecord = {
  readonly id: string;
  readonly user: string;
  readonly conversation?: string | undefined;
  readonly createdAt: number;
  readonly bytes: number;
  /** As it is shown: cleaned, 255 bytes at most. */
  readonly name: string;
  /** As its bytes say, never as its sender does. */
  readonly mediaType: string;
  /** Of its bytes, in hex. */
  readonly sha256: string;
};

/** What a decision may look at: read inside the very transaction that writes its effect. */
export interface View {
  readonly conversation: ConversationRecord | undefined;
  /** The running turns of this conversation. */
  readonly running: readonly TurnRecord[];
  /** A message that `needs` named, or the newest one. */
  message(id: string): MessageRecord | undefined;
  /** A turn of this conversation: one that `needs` named, a running one, or the last one of a message that `needs` named. */
  turn(id: string): TurnRecord | undefined;
  /** A file that `needs` named, whoever has sent it. */
  file(id: string): FileRecord | undefined;
}

/** What a decision does, all of it or nothing. Rows are written whole (inserted or replaced). */
export type Effect = {
  /** Appended after `conversation.head`, in this order. */
  readonly events: readonly Event[];
  /** The row afterwards; `head` is set by the store. */
  readonly conversation?: ConversationRecord;
  readonly messages?: readonly MessageRecord[];
  readonly turns?: readonly TurnRecord[];
  /** Ids of files that are the conversation's from now on. */
  readonly files?: readonly string[];
  /** Entries that take the place of all stored ones from the first's `first` to the last's `last`. */
  readonly replace?: readonly Entry[];
  /** Removes the conversation's entries, messages, turns and files; the row stays as a tombstone. */
  readonly erase?: true;
  /** What the ack says beside `type` and `id`; stored under the command's id. */
  readonly answer: Readonly<Record<string, unknown>>;
};

/** The identity of a command that changes something. `hash` is that of its content without the id. */
export type CommandKey = { readonly user: string; readonly id: string; readonly hash: string };

/** One unit of a commit: decided on and written inside one transaction. */
export type Work = {
  readonly conversation: string;
  readonly key?: CommandKey | undefined;
  readonly needs?: {
    readonly messages?: readonly string[];
    readonly turns?: readonly string[];
    readonly files?: readonly string[];
  };
  /** Pure: it may be called again if the store has to repeat the transaction. `now` in milliseconds since 1970. */
  decide(view: View): Effect | Rejection;
};

/** What became of a work. `entries` are the new ones; `repeated`: the same command had been done before. */
export type Outcome =
  | {
      readonly ok: true;
      readonly answer: Readonly<Record<string, unknown>>;
      readonly entries: readonly Entry[];
      readonly conversation: ConversationRecord | undefined;
      readonly repeated: boolean;
    }
  | { readonly ok: false; readonly rejection: Rejection };

export function isRejection(value: object): value is Rejection {
  return "code" in value;
}

/** The ids of guests begin so, and nobody else's do. */
export const guestPrefix = "guest_";
export const isGuest = (user: string): boolean => user.startsWith(guestPrefix);
