// Owns which conversations are read on the connection, and which frame is for which. It must not know what is in them.
import type { ConversationHandle, ConversationOptions, HeldConversation } from "./conversation.ts";
import type { Environment } from "./environment.ts";
import type { Frame, FrameOf } from "./frames.ts";
import type { Kept } from "./kept.ts";
import type { OpenItem } from "./link.ts";
import type { Marks } from "./marks.ts";
import type { Gate, Outbox } from "./outbox.ts";

export type Reading = {
  handle(id: string): ConversationHandle;
  /** What the next socket reads from its beginning. */
  opening(): readonly OpenItem[];
  online(): void;
  lost(): void;
  received(frame: FrameOf<"events"> | FrameOf<"snapshot"> | FrameOf<"live">): void;
  answered(frame: FrameOf<"ack"> | FrameOf<"error">): void;
  gate(conversation: string): Gate;
  /** Reads a conversation until what waits for it is delivered. */
  hold(conversation: string): void;
  delivered(conversation: string): void;
  /** The server has this conversation now: another device, or this one, has made it. */
  made(conversation: string): void;
  /** Calls `fn` when the message is delivered. */
  afterDelivery(message: string, fn: () => void): void;
  refresh(): void;
  /** Conversations of which nothing is known begin with what was last seen. */
  restore(): void;
  /** Somebody looks at it here. */
  isLooked(conversation: string): boolean;
  /** Notes what is looked at now. */
  readonly look: () => void;
  reset(): void;
  close(): void;
};

type Slot = {
  readonly held: HeldConversation;
  watched: boolean;
  /** Something is to be sent here that waits for a reply to end. */
  waiting: boolean;
  open: boolean;
  cancelClose: () => void;
};

/** How long (ms) a conversation is read on after the last one has looked away: a page that comes back has missed nothing. */
const lingerMs = 5000;
/** What a server allows at once, and what the first frame holds of it, in characters. */
const mostOpen = 32;
const openRoom = 3500;

export function createReading(options: {
  environment: Environment;
  outbox: Outbox;
  transmit: (text: string) => boolean;
  isOnline: () => boolean;
  kept: Kept;
  marks: Marks;
  make(id: string, more: Pick<ConversationOptions, "open" | "watched" | "changed">): HeldConversation;
}): Reading {
  const { environment, outbox, transmit, kept, marks } = options;
  const slots = new Map<string, Slot>();
  /** Ids of `conversation.open` on this socket, and whose they are. */
  let opens = new Map<string, string>();
  let inFirstFrame = new Set<string>();
  const afterwards = new Map<string, () => void>();

  const slotOf = (id: string): Slot => {
    const known = slots.get(id);
    if (known !== undefined) return known;
    const held = options.make(id, {
      open: (item) => sendOpen(item),
      watched: (on) => want(slot, on),
      changed: () => changed(slot),
    });
    const slot: Slot = { held, watched: false, waiting: false, open: false, cancelClose: () => undefined };
    slots.set(id, slot);
    restore(slot);
    return slot;
  };

  const sendOpen = (item: OpenItem): void => {
    const id = environment.uuid();
    if (transmit(JSON.stringify({ type: "conversation.open", id, ...item }))) opens.set(id, item.conversation);
  };
  const open = (slot: Slot): void => {
    slot.cancelClose();
    slot.cancelClose = () => undefined;
    if (slot.open) return;
    const others = [...slots.values()].filter((other) => other.open);
    if (others.length >= mostOpen)
      others
        .filter((other) => !other.watched)
        .slice(0, 1)
        .forEach(shut);
    slot.open = true;
    slot.held.replica.opening();
    if (options.isOnline()) sendOpen(slot.held.replica.wanted());
  };
  const shut = (slot: Slot): void => {
    if (!slot.open || slot.watched || slot.waiting) return;
    slot.open = false;
    slot.held.replica.lost();
    const { id } = slot.held.handle;
    transmit(JSON.stringify({ type: "conversation.close", id: environment.uuid(), conversation: id }));
  };
  const restore = ({ held }: Slot): void => {
    const frame = kept.find(held.handle.id);
    if (frame?.type === "snapshot") held.replica.restore(frame);
  };
  const isLooked = (slot: Slot | undefined): boolean => slot?.watched === true && environment.isVisible();
  const note = (slot: Slot): void => {
    const { handle, replica } = slot.held;
    // What was last seen may be old: only what is live says that nothing is being made any more.
    if (replica.status() === "live") marks.note(handle.id, replica.state().turns.length > 0, isLooked(slot));
  };
  const want = (slot: Slot, on: boolean): void => {
    slot.watched = on;
    note(slot);
    if (on) return open(slot);
    slot.cancelClose();
    slot.cancelClose = environment.clock.after(lingerMs, () => shut(slot));
    return undefined;
  };

  const isPending = (id: string): boolean =>
    outbox.items.getSnapshot().some((item) => item.conversation === id && item.status !== "failed");
  const changed = (slot: Slot): void => {
    const { handle, replica } = slot.held;
    const { id } = handle;
    note(slot);
    kept.changed(id, () =>
      replica.status() === "gone" ? undefined : kept.snapshotOf(replica.wanted(), replica.state()),
    );
    if (!isPending(id)) {
      const waited = slot.waiting;
      slot.waiting = false;
      if (waited && !slot.watched) want(slot, false);
    } else if (slot.held.gate() !== "busy") outbox.freed(id);
  };

  const made = (conversation: string): void => {
    const slot = slots.get(conversation);
    if (slot?.open !== true || slot.held.replica.status() !== "new") return;
    slot.held.replica.opening();
    sendOpen(slot.held.replica.wanted());
  };

  return {
    handle: (id) => slotOf(id).held.handle,
    opening() {
      let room = openRoom;
      inFirstFrame = new Set();
      const items: OpenItem[] = [];
      for (const { open, held } of slots.values()) {
        const item = held.replica.wanted();
        room -= JSON.stringify(item).length + 1;
        if (!open || room < 0 || items.length >= mostOpen) continue;
        inFirstFrame.add(item.conversation);
        items.push(item);
      }
      return items;
    },
    online() {
      opens = new Map();
      for (const slot of slots.values()) {
        if (!slot.open) continue;
        slot.held.replica.opening();
        if (!inFirstFrame.has(slot.held.handle.id)) sendOpen(slot.held.replica.wanted());
      }
      inFirstFrame = new Set();
    },
    lost() {
      for (const slot of slots.values()) slot.held.replica.lost();
    },
    received(frame) {
      const slot = slots.get(frame.conversation);
      if (slot?.open === true) slot.held.replica.receive(frame);
    },
    answered(frame: Frame) {
      if (frame.type !== "ack" && frame.type !== "error") return;
      const conversation = frame.id === undefined ? frame.conversation : opens.get(frame.id);
      if (frame.id !== undefined) opens.delete(frame.id);
      if (frame.type === "ack" || conversation === undefined) return;
      const slot = slots.get(conversation);
      if (slot === undefined) return;
      const { code, retryable, retryAfterMs } = frame.error;
      // Refused for now (too fast, too many at once): asked again a little later.
      if (!retryable && code !== "too_large") return slot.held.replica.missing();
      environment.clock.after(retryAfterMs ?? 1000, () => {
        if (slot.open && options.isOnline()) sendOpen(slot.held.replica.wanted());
      });
      return undefined;
    },
    gate(conversation) {
      const slot = slots.get(conversation);
      // Where nobody looks, the server knows best what is newest.
      return slot?.open === true ? slot.held.gate() : {};
    },
    hold(conversation) {
      const slot = slotOf(conversation);
      slot.waiting = true;
      open(slot);
    },
    delivered(conversation) {
      const items = outbox.items.getSnapshot();
      for (const [message, fn] of afterwards) {
        if (items.some((item) => item.message === message && item.status !== "sent")) continue;
        afterwards.delete(message);
        fn();
      }
      if (slots.get(conversation)?.open !== true) outbox.seen(conversation, Number.POSITIVE_INFINITY, () => false);
      made(conversation);
    },
    made,
    afterDelivery: (message, fn) => void afterwards.set(message, fn),
    refresh() {
      for (const slot of slots.values()) slot.held.refresh();
    },
    restore: () => slots.forEach(restore),
    isLooked: (conversation) => isLooked(slots.get(conversation)),
    look: () => slots.forEach(note),
    reset() {
      for (const slot of slots.values()) slot.held.replica.reset();
    },
    close() {
      for (const slot of slots.values()) slot.cancelClose();
    },
  };
}
