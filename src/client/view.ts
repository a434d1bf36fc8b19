// Owns what a person sees of a conversation: the fold, the chosen branch and the messages on their way, as one snapshot. Pure.
import type { Conversation } from "../domain/conversation.ts";
import type { Message, RunningTurn } from "../protocol/index.ts";
import type { Pending } from "./outbox.ts";
import { branchOf, findPath, growTree, sameShape, type Branch, type Choices, type Tree } from "./thread.ts";

/**
 * How a replica stands to the log. `new`: the server has no such conversation (yet). `behind`: it was live, the connection is
 * gone or it is catching up. `gone`: deleted, or somebody else's.
 */
export type ReplicaStatus = "new" | "loading" | "live" | "behind" | "gone";

/** One message as it is shown. `pending`: it is on its way to the server. */
export type Entry = {
  readonly message: Message;
  readonly branch?: Branch | undefined;
  readonly pending?: Pending | undefined;
};

/** A conversation as it is shown. Its parts keep their identity until they change. */
export type ConversationView = {
  readonly id: string;
  readonly status: ReplicaStatus;
  readonly title: string | undefined;
  readonly createdAt: string | undefined;
  readonly archived: boolean;
  readonly seq: number;
  /** The chosen way through the branches, oldest first. */
  readonly entries: readonly Entry[];
  /** Messages that wait for a reply to end, or for those before them. */
  readonly queued: readonly Pending[];
  /** The reply that is being made on the chosen branch. */
  readonly running: RunningTurn | undefined;
  /** There are older messages. */
  readonly more: boolean;
  readonly loadingMore: boolean;
};

export type ViewInput = {
  readonly id: string;
  readonly status: ReplicaStatus;
  readonly state: Conversation;
  readonly choices: Choices;
  readonly pending: readonly Pending[];
  readonly loadingMore: boolean;
};

/** Builds views, each from the one before: what did not change is the same object. */
export function createViewer(): (input: ViewInput) => ConversationView {
  let grown: { messages: readonly Message[]; tree: Tree } | undefined;
  let last: ConversationView | undefined;
  let known = new Map<string, Entry>();

  return ({ id, status, state, choices, pending, loadingMore }) => {
    const { messages } = state;
    const tree = grown !== undefined && sameShape(grown.messages, messages) ? grown.tree : growTree(messages);
    grown = { messages, tree };
    const path = findPath(tree, messages, choices);
    const arrived = (item: Pending): boolean => tree.at.has(item.message);
    const waiting = pending.filter((item) => !arrived(item));

    const shown: Entry[] = path.flatMap((id) => {
      const message = messages[tree.at.get(id) ?? -1];
      return message === undefined ? [] : [{ message, branch: branchOf(tree, message) }];
    });
    const leaf = path.at(-1);
    const running = path
      .map((id) => state.turns.find((turn) => turn.message === id))
      .findLast((turn) => turn !== undefined);
    const busy = running !== undefined && running.message === leaf;
    const { front, queued } = partition(waiting, busy);
    for (const item of front) place(shown, item);

    const next: ConversationView = {
      id,
      status,
      title: state.title,
      createdAt: state.createdAt,
      archived: state.archived,
      seq: state.seq,
      entries: keep(shown),
      queued: sameList(last?.queued, queued),
      running: last?.running !== undefined && isEqual(last.running, running) ? last.running : running,
      more: state.more,
      loadingMore,
    };
    if (last === undefined || !isEqual(last, next)) last = next;
    return last;
  };

  function keep(shown: readonly Entry[]): readonly Entry[] {
    const entries = shown.map((entry) => {
      const before = known.get(entry.message.id);
      return before !== undefined && isSameEntry(before, entry) ? before : entry;
    });
    known = new Map(entries.map((entry) => [entry.message.id, entry]));
    return sameList(last?.entries, entries);
  }
}

/** What is on its way stands in the conversation; what has to wait for something else stands in the queue. */
function partition(waiting: readonly Pending[], busy: boolean): { front: Pending[]; queued: Pending[] } {
  const front: Pending[] = [];
  const queued: Pending[] = [];
  let first = !busy;
  for (const item of waiting) {
    const isFirst =
      item.status === "sending" || item.status === "sent" || item.status === "failed" || item.editOf !== undefined;
    if (isFirst || first) front.push(item);
    else queued.push(item);
    if (item.status !== "failed") first = false;
  }
  return { front, queued };
}

const previews = new WeakMap<Pending, Message>();

/** A message as the server will make it, until then. */
function previewOf(item: Pending): Message {
  const known = previews.get(item);
  if (known !== undefined) return known;
  const parts = item.parts.map((part) => (part.type === "text" ? part : { type: "data-upload", file: part.file }));
  const createdAt = new Date(item.createdAt).toISOString();
  const metadata = {
    createdAt,
    parent: item.parent ?? null,
    ...(item.editOf === undefined ? {} : { editOf: item.editOf }),
  };
  const message: Message = { id: item.message, role: "user", parts, metadata };
  previews.set(item, message);
  return message;
}

/** At the end, or, of an edit, in the place of what it edits. */
function place(shown: Entry[], item: Pending): void {
  const edited = item.editOf === undefined ? -1 : shown.findIndex((entry) => entry.message.id === item.editOf);
  const entry = { message: previewOf(item), pending: item };
  if (edited !== -1 && item.status !== "failed") shown.splice(edited, shown.length - edited, entry);
  else shown.push(entry);
}

function isSameEntry(a: Entry, b: Entry): boolean {
  if (a.message !== b.message || a.pending !== b.pending || a.branch?.index !== b.branch?.index) return false;
  const [x, y] = [a.branch?.siblings ?? [], b.branch?.siblings ?? []];
  return x.length === y.length && x.every((id, i) => id === y[i]);
}

/** The old list where the new one holds the same. */
function sameList<T>(before: readonly T[] | undefined, after: readonly T[]): readonly T[] {
  if (before === undefined || before.length !== after.length) return after;
  return after.every((item, i) => item === before[i]) ? before : after;
}

function isEqual<T extends object>(a: T, b: T | undefined): boolean {
  if (b === undefined) return false;
  return (Object.keys(b) as (keyof T)[]).every((key) => Object.is(a[key], b[key]));
}
