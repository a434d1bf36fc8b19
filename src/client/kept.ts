// Owns what was last seen and may be shown before the server has spoken: bounded, one person's, dropped when in doubt. It shows nothing itself.
import type { Conversation } from "../domain/conversation.ts";
import type { Environment } from "./environment.ts";
import { parseFrame, type Frame, type FrameOf } from "./frames.ts";
import type { OpenItem } from "./link.ts";

/** `text` is a frame as the server could have sent it: a snapshot, or the answer to `conversation.list`. */
export type KeptItem = {
  /** A conversation's id, or "list". */
  readonly id: string;
  readonly person: string;
  /** When it was kept, milliseconds since 1970. */
  readonly at: number;
  readonly text: string;
};

export interface KeptStore {
  all(): Promise<readonly KeptItem[]>;
  put(item: KeptItem): Promise<unknown>;
  remove(id: string): Promise<unknown>;
  clear(): Promise<unknown>;
}

export type Kept = {
  /** Reads what is there of this person; what is another's goes. Never rejects, and never takes long. */
  load(person: string): Promise<void>;
  find(id: string): Frame | undefined;
  /** Something has changed: it is kept a little later. `frame` is asked then; undefined: there is nothing to keep. */
  changed(id: string, frame: () => Frame | undefined): void;
  /** Forgets everything, here and in the store, until the next `load`. */
  clear(): void;
  /** The newest of a conversation as a frame that can be gone on from. */
  snapshotOf(item: OpenItem, state: Conversation): Frame | undefined;
  /** Keeps now what was to be kept later. */
  readonly flush: () => void;
  close(): void;
};

/** Makes what is kept for one server. See offline.ts. */
export type MakeKept = (environment: Pick<Environment, "clock" | "kept">, name: string) => Kept;

const mostItems = 21;
const mostMessages = 50;
/** Characters of one item, and of all. */
const longest = 256 * 1024;
const longestTotal = 2 * 1024 * 1024;
const keepEvery = 1000;
/** How long (ms) the first socket waits for the store at most. */
const patience = 500;

export function createKept({ kept: store, clock }: Pick<Environment, "kept" | "clock">): Kept {
  let person: string | undefined;
  let items = new Map<string, KeptItem>();
  const changes = new Map<string, () => Frame | undefined>();
  let cancel: (() => void) | undefined;
  const ignore = (): void => undefined;
  let hurry = ignore;

  const drop = (id: string): void => {
    if (items.delete(id)) store?.remove(id).catch(ignore);
  };
  const put = (id: string, frame: Frame | undefined): void => {
    const text = JSON.stringify(frame) ?? "";
    if (person === undefined || text === "" || text.length > longest) return drop(id);
    if (items.get(id)?.text === text) return undefined;
    const item = { id, person, at: clock.now(), text };
    items.delete(id);
    items.set(id, item);
    store?.put(item).catch(ignore);
    // The newest are kept, as many as fit.
    let room = longestTotal;
    [...items.values()].reverse().forEach((one, i) => {
      room -= one.text.length;
      if (i >= mostItems || room < 0) drop(one.id);
    });
    return undefined;
  };
  const flush = (): void => {
    cancel?.();
    cancel = undefined;
    for (const [id, frame] of changes) put(id, frame());
    changes.clear();
  };
  const clear = (): void => {
    person = undefined;
    items = new Map();
    changes.clear();
    store?.clear().catch(ignore);
  };

  const read = async (mine: string): Promise<void> => {
    const all = (await store?.all()) ?? [];
    if (person !== mine) return;
    const own = all.filter((item) => item.person === mine && typeof item.text === "string");
    // Of another person nothing stays, not even unseen.
    if (own.length < all.length) await store?.clear();
    for (const item of own.sort((a, b) => a.at - b.at)) if (!items.has(item.id)) items.set(item.id, item);
  };

  return {
    async load(next) {
      if (next === person) return;
      person = next;
      items = new Map();
      await new Promise<void>((resolve) => {
        const stop = clock.after(patience, resolve);
        hurry = () => {
          stop();
          resolve();
        };
        read(next).catch(ignore).finally(hurry);
      });
    },
    find(id) {
      const text = items.get(id)?.text;
      const frame = parseFrame(text);
      if (text !== undefined && frame === undefined) drop(id);
      return frame;
    },
    changed(id, frame) {
      changes.set(id, frame);
      cancel ??= clock.after(keepEvery, flush);
    },
    snapshotOf,
    clear,
    flush,
    close() {
      flush();
      hurry();
    },
  };
}

/** The newest of a conversation as a snapshot that can be gone on from. */
export function snapshotOf(item: OpenItem, state: Conversation): FrameOf<"snapshot"> | undefined {
  const { conversation, seq, epoch } = item;
  if (seq === undefined || state.createdAt === undefined || state.deleted) return undefined;
  const { title, createdAt, archived, turns } = state;
  let room = longest / 2;
  const messages = state.messages.slice(-mostMessages);
  const first = messages.findLastIndex((message) => (room -= JSON.stringify(message).length) < 0) + 1;
  return {
    type: "snapshot",
    conversation,
    seq,
    ...(epoch === undefined ? {} : { epoch }),
    state: {
      ...(title === undefined ? {} : { title }),
      createdAt,
      archived,
      messages: messages.slice(first),
      more: state.more || messages.length - first < state.messages.length,
      turns: [...turns],
    },
  };
}
