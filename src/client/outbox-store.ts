// Owns what is kept of a message that is not delivered yet, and where. It must not know when one is sent.
import type { Command, Rejection, SentPart } from "../protocol/index.ts";

/** A message on its way. What is sent under one `id` is always the same: `parent` is fixed before the first sending. */
export type OutboxItem = {
  /** The command's id: its idempotency key. */
  readonly id: string;
  /** Sent in this order. */
  readonly order: number;
  /** Who wrote it; null: before anybody had signed in here. */
  readonly user: string | null;
  /** The tab that sends it. */
  readonly owner: string;
  readonly conversation: string;
  readonly message: string;
  readonly parts: readonly SentPart[];
  /** The message that this one is an edit of. */
  readonly editOf?: string | undefined;
  /** undefined: under the newest message, whichever that is then. */
  readonly parent?: string | null | undefined;
  /** Whether the writer chose the parent; otherwise it is chosen when the message is sent. */
  readonly fixed?: boolean | undefined;
  /** Milliseconds since 1970. */
  readonly createdAt: number;
  /** When it was first sent, milliseconds since 1970: from then on it may have been delivered. */
  readonly sentAt?: number | undefined;
  readonly error?: Rejection | undefined;
};

/** Keeps messages over a reload, for all tabs. Every change is one transaction. */
export interface OutboxStore {
  all(): Promise<readonly OutboxItem[]>;
  put(item: OutboxItem): Promise<void>;
  /** Replaces an item by what `change` makes of it; undefined leaves it. Resolves to what is then stored, undefined: nothing. */
  update(id: string, change: (item: OutboxItem) => OutboxItem | undefined): Promise<OutboxItem | undefined>;
  remove(id: string): Promise<void>;
  /** True where what is stored survives the page. */
  readonly durable: boolean;
}

/** A store that lives as long as the object. */
export function memoryStore(): OutboxStore {
  const items = new Map<string, OutboxItem>();
  return {
    durable: false,
    all: () => Promise.resolve([...items.values()]),
    async put(item) {
      items.set(item.id, item);
    },
    async update(id, change) {
      const item = items.get(id);
      const next = item === undefined ? undefined : (change(item) ?? item);
      if (next !== undefined) items.set(id, next);
      return next;
    },
    async remove(id) {
      items.delete(id);
    },
  };
}

/** As if it had never been sent: allowed only after the server has refused it. */
export function unsent(item: OutboxItem): OutboxItem {
  const { sentAt: _, error: __, ...rest } = item;
  return rest.fixed === true ? rest : { ...rest, parent: undefined };
}

export function commandOf(item: OutboxItem): Command {
  const { id, conversation, message, editOf } = item;
  const parts = [...item.parts];
  if (editOf !== undefined) {
    return { type: "message.edit", id, conversation, message: editOf, replacement: message, parts };
  }
  const { parent } = item;
  return { type: "message.send", id, conversation, message, parts, ...(parent === undefined ? {} : { parent }) };
}
