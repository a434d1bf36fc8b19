// Owns the list of a person's conversations, kept live. It must not open any of them.
import type { ConversationRow } from "../protocol/index.ts";
import { createCell, type Readable } from "./cell.ts";
import { listOf, textOf, type Ack, type FrameOf } from "./frames.ts";

/** The list as it is loaded: newest first. */
export type ConversationList = {
  readonly status: "loading" | "live";
  readonly rows: readonly ConversationRow[];
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
  reset(): void;
};

const nothing: ConversationList = { status: "loading", rows: [], more: false };

/** A page of the list. Rejects with RequestError. */
export type ListPage = (page: { cursor?: string }) => Promise<Ack>;

export function createConversations(options: { page: ListPage; watched: () => void }): HeldConversations {
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
    const { rows } = cell.getSnapshot();
    cursor = textOf(ack, "cursor");
    // The first page is the truth about all that is as new as its last row; what is older stays as it was loaded.
    const oldest = page.at(-1)?.updatedAt ?? "";
    const kept = from === undefined ? rows.filter((row) => cursor !== undefined && row.updatedAt < oldest) : rows;
    cell.set({ status: "live", rows: merge(kept, page), more: cursor !== undefined });
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
    changed(frame) {
      const list = cell.getSnapshot();
      const { conversation: id, title, updatedAt, seq, turn: running, archived, deleted } = frame;
      const before = list.rows.find((row) => row.id === id);
      const others = list.rows.filter((row) => row.id !== id);
      if (deleted === true || archived === true) return cell.set({ ...list, rows: others });
      const row: ConversationRow = {
        id,
        createdAt: before?.createdAt ?? updatedAt,
        updatedAt,
        seq,
        ...(title === undefined ? {} : { title }),
        ...(running === undefined ? {} : { turn: running }),
      };
      return cell.set({ ...list, rows: merge(others, [row]) });
    },
    reset() {
      turn++;
      cursor = undefined;
      cell.set(nothing);
    },
  };
}

/** The rows of an answer. */
export const rowsOf = (ack: Ack): readonly ConversationRow[] =>
  listOf(ack, "conversations").filter((row): row is ConversationRow => {
    const { id, updatedAt, seq } = row;
    return typeof id === "string" && typeof updatedAt === "string" && typeof seq === "number";
  });

/** Newest first; of two rows of one conversation the later one counts. */
function merge(rows: readonly ConversationRow[], newer: readonly ConversationRow[]): readonly ConversationRow[] {
  const fresh = new Set(newer.map((row) => row.id));
  return [...rows.filter((row) => !fresh.has(row.id)), ...newer].sort((a, b) =>
    a.updatedAt < b.updatedAt ? 1 : a.updatedAt > b.updatedAt ? -1 : 0,
  );
}
