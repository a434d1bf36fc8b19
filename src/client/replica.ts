// Owns one conversation's copy of the log: frames in, the fold out, and asking again where something is missing. It knows no socket.
import { applyEvents, emptyConversation, fromSnapshot, receive, textLength } from "../domain/conversation.ts";
import type { Conversation } from "../domain/conversation.ts";
import type { Event, Message } from "../protocol/index.ts";
import type { Frame, FrameOf } from "./frames.ts";
import type { OpenItem } from "./link.ts";
import type { ReplicaStatus } from "./view.ts";

/** What is asked of the server: to be read from `seq`, or, without one, from a snapshot. */
export type ReplicaOptions = {
  readonly id: string;
  /** Sends `conversation.open`. */
  readonly open: (item: OpenItem) => void;
  /** The state or the status changed; `settled`: nothing more is known to come at once. */
  readonly changed: (settled: boolean) => void;
};

type ReplicaCounts = { readonly gaps: number; readonly mismatches: number; readonly snapshots: number };

export type Replica = {
  state(): Conversation;
  status(): ReplicaStatus;
  counts(): ReplicaCounts;
  /** From where it wants to be read. */
  wanted(): OpenItem;
  /** It is being opened, by `auth` or by `conversation.open`. */
  opening(): void;
  /** It was told that there is no such conversation. */
  missing(): void;
  /** The connection is gone. */
  lost(): void;
  receive(frame: Frame): void;
  /** Begins with what was last seen, if nothing is known yet. */
  restore(frame: FrameOf<"snapshot">): void;
  /** Puts an older page before what is there. False: the page no longer fits. */
  prepend(before: string, messages: readonly Message[], more: boolean): boolean;
  /** Forgets everything: another person is signed in. */
  reset(): void;
};

/** Openings in a row that bring nothing, before everything is asked for anew. */
const fruitless = 3;

export function createReplica({ id, open, changed }: ReplicaOptions): Replica {
  let state: Conversation = emptyConversation;
  let status: ReplicaStatus = "loading";
  let epoch: string | undefined;
  /** Holds a state that may be gone on from. */
  let known = false;
  /** It was opened again because something was missing: until the answer, what does not fit is no news. */
  let reopened = false;
  let snapshotWanted = false;
  let vain = 0;
  let counts = { gaps: 0, mismatches: 0, snapshots: 0 };

  const wanted = (): OpenItem => {
    const seq = known && !snapshotWanted ? { seq: state.seq } : {};
    return { conversation: id, ...seq, ...(epoch === undefined ? {} : { epoch }) };
  };
  const reopen = (): void => {
    reopened = true;
    if (++vain >= fruitless) snapshotWanted = true;
    if (status === "live") status = "behind";
    open(wanted());
  };
  const settle = (next: ReplicaStatus): void => {
    const news = status !== next;
    status = next;
    if (news) changed(true);
  };

  const applyFrame = (from: number, to: number, events: readonly Event[]): void => {
    // After a mismatch nothing but a snapshot can be trusted.
    if (!known && from !== 1) return;
    if (snapshotWanted) return;
    const reception = receive(state.seq, from, to);
    if (reception === "drop") return;
    if (reception === "gap") {
      if (reopened) return;
      counts = { ...counts, gaps: counts.gaps + 1 };
      return reopen();
    }
    const next = applyEvents(state, events, to);
    if (next.mismatches > state.mismatches || !endsWell(next, events)) {
      counts = { ...counts, mismatches: counts.mismatches + 1 };
      snapshotWanted = true;
      return reopen();
    }
    known = true;
    state = next;
    vain = 0;
    if (next.deleted) status = "gone";
    changed(status === "live" || status === "gone");
  };

  return {
    state: () => state,
    status: () => status,
    counts: () => counts,
    wanted,
    opening() {
      reopened = true;
      vain = 0;
      settle(known ? "behind" : "loading");
    },
    missing() {
      reopened = false;
      // What had been there and is there no more was deleted, or is no longer this person's.
      settle(known ? "gone" : "new");
    },
    lost() {
      reopened = false;
      if (status === "live") settle("behind");
    },
    receive(frame) {
      if (frame.type === "events") return applyFrame(frame.from, frame.to, frame.events);
      if (frame.type === "snapshot") {
        // One that was asked for before what is here came: what was seen is not taken back.
        if (known && !snapshotWanted && frame.epoch === epoch && frame.seq < state.seq) return undefined;
        epoch = frame.epoch ?? epoch;
        state = fromSnapshot(frame.seq, frame.state);
        known = true;
        snapshotWanted = reopened = false;
        vain = 0;
        counts = { ...counts, snapshots: counts.snapshots + 1 };
        return changed(false);
      }
      if (frame.type === "live") {
        epoch = frame.epoch ?? epoch;
        // The end of a catch-up that this copy did not get whole.
        if (snapshotWanted || frame.seq > state.seq) return reopen();
        reopened = false;
        known = true;
        status = state.deleted ? "gone" : "live";
        return changed(true);
      }
      return undefined;
    },
    restore(frame) {
      if (known || status !== "loading") return;
      ({ epoch } = frame);
      state = fromSnapshot(frame.seq, frame.state);
      known = true;
      settle("behind");
    },
    prepend(before, messages, more) {
      if (state.messages[0]?.id !== before) return false;
      const present = new Set(state.messages.map((message) => message.id));
      const older = messages.filter((message) => !present.has(message.id));
      state = { ...state, messages: [...older, ...state.messages], more };
      changed(true);
      return true;
    },
    reset() {
      state = emptyConversation;
      known = reopened = snapshotWanted = false;
      epoch = undefined;
      status = "loading";
      vain = 0;
      changed(true);
    },
  };
}

/** The last check: a reply that ended has as many characters as the server says. A reply that is not loaded cannot be checked. */
function endsWell(state: Conversation, events: readonly Event[]): boolean {
  return events.every((event) => {
    if (event.kind !== "turn.finished") return true;
    const reply = state.messages.findLast((message) => message.id === event.message);
    // A turn that went on with the same reply in this very frame has changed its length since.
    const latest = reply?.metadata.turn === event.turn;
    return reply === undefined || !latest || textLength(reply) === event.length;
  });
}
