// Owns the list of a person's conversations, kept live. It must not open any of them.
import type { ConversationRow } from "../protocol/index.ts";
import { createCell, type Readable } from "./cell.ts";
import { listOf, textOf, type Ack, type FrameOf } from "./frames.ts";

/** A row as it is shown. */
export type ListedConversation = ConversationRow & {
  /** A reply came while nobody looked. */
  readonly unread?: true;
  /** Of a search: where it was found. `at`: from and to in `text`. */
  readonly snippet?: { readonly message: string; readonly text: string; readonly at: readonly [number, number] };
};

/** The list as it is loaded: newest first. `behind`: what was last seen, until the server has spoken. */
export type ConversationList = {
  readonly status: "loading" | "behind" | "live";
  readonly rows: readonly ListedConversation[];
  readonly more: boolean;
};

export type Conversations = Readable<ConversationList> & {
  /** Loads the next page. */
  loadMore(): Promise<void>;
};

export type HeldConversations = {
  readonly handle: Conversations;
  /** A new connection is there: the server tells changes only to sockets that have asked. */
  online(): void;
  changed(frame: FrameOf<"conversation">): void;
  /** Begins with what was last seen, if nothing is known yet. */
  restore(rows: readonly ListedConversation[]): void;
  /** Which rows are unread may have changed. */
  readonly remark: () => void;
  reset(): void;
};

const nothing: ConversationList = { status: "loading", rows: [], more: false };

/** A page of the list. Rejects with RequestError. */
export type ListPage = (page: { cursor?: string }) => Promise<Ack>;

export function createConversations(options: {
  page: ListPage;
  watched: () => void;
  /** A row came from the server. */
  noted: (row: ListedConversation) => void;
  isUnread: (conversation: string) => boolean;
  /** The rows have changed, by what the server says. */
  changed: (rows: readonly ListedConversation[]) => void;
}): HeldConversations {
  let asked = false;
  let cursor: string | undefined;
  let loading: Promise<void> | undefined;
  /** Changes with every new connection or person: an answer to the one before is no longer of use. */
  let turn = 0;
  const cell = createCell<ConversationList>(nothing, (on) => {
    if (!on || asked) return;
    asked = true;
    options.watched();
    refresh();
  });

  const refresh = (): void => {
    turn++;
    loading = undefined;
    load(undefined).catch(() => undefined);
  };
  const load = async (from: string | undefined): Promise<void> => {
    const mine = turn;
    const ack = await options.page(from === undefined ? {} : { cursor: from });
    if (mine !== turn) return;
    const page = rowsOf(ack);
    page.forEach(options.noted);
    const { rows, status } = cell.getSnapshot();
    cursor = textOf(ack, "cursor");
    // The first page is the truth about all that is as new as its last row; what is older stays as it was loaded.
    const oldest = page.at(-1)?.updatedAt ?? "";
    const kept =
      from === undefined
        ? rows.filter((row) => status === "live" && cursor !== undefined && row.updatedAt < oldest)
        : rows;
    show({ status: "live", rows: merge(kept, page), more: cursor !== undefined });
  };
  const show = (list: ConversationList): void => {
    const rows = list.rows.map((row) => {
      if (options.isUnread(row.id) === (row.unread ?? false)) return row;
      const { unread, ...rest } = row;
      return unread === true ? rest : { ...rest, unread: true as const };
    });
    cell.set({ ...list, rows });
    if (list.status === "live") options.changed(rows);
  };

  return {
    handle: {
      getSnapshot: cell.getSnapshot,
      subscribe: cell.subscribe,
      loadMore() {
        if (cursor === undefined) return Promise.resolve();
        loading ??= load(cursor).finally(() => (loading = undefined));
        return loading;
      },
    },
    online() {
      if (asked) refresh();
    },
    restore(rows) {
      if (cell.getSnapshot().status === "loading") show({ status: "behind", rows, more: false });
    },
    remark: () => show(cell.getSnapshot()),
    changed(frame) {
      const list = cell.getSnapshot();
      const { conversation: id, title, updatedAt, seq, turn: running, archived, deleted } = frame;
      const before = list.rows.find((row) => row.id === id);
      const others = list.rows.filter((row) => row.id !== id);
      if (deleted === true || archived === true) return show({ ...list, rows: others });
      const row: ConversationRow = {
        id,
        createdAt: before?.createdAt ?? updatedAt,
        updatedAt,
        seq,
        ...(title === undefined ? {} : { title }),
        ...(running === undefined ? {} : { turn: running }),
      };
      options.noted(row);
      return show({ ...list, rows: merge(others, [row]) });
    },
    reset() {
      turn++;
      cursor = undefined;
      cell.set(nothing);
    },
  };
}

/** The rows of an answer. */
export const rowsOf = (ack: Ack): readonly ListedConversation[] =>
  listOf(ack, "conversations")
    .filter((row): row is ListedConversation => {
      const { id, updatedAt, seq } = row;
      return typeof id === "string" && typeof updatedAt === "string" && typeof seq === "number";
    })
    .map((row) => {
      const { snippet, ...rest } = row;
      return typeof snippet?.text === "string" && Array.isArray(snippet.at) ? row : rest;
    });

/** Newest first; of two rows of one conversation the later one counts. */
function merge(
  rows: readonly ListedConversation[],
  newer: readonly ListedConversation[],
): readonly ListedConversation[] {
  const fresh = new Set(newer.map((row) => row.id));
  return [...rows.filter((row) => !fresh.has(row.id)), ...newer].sort((a, b) =>
    a.updatedAt < b.updatedAt ? 1 : a.updatedAt > b.updatedAt ? -1 : 0,
  );
}
