// Owns one reader's cursor in one conversation: live frames while they fit, else catching up from the log (RD rules).
import { merge, type Entry } from "../domain/log.ts";
import type { RunningTurn } from "../protocol/index.ts";
import { encodeEvents, encodeLive, encodeSnapshot } from "./frames.ts";
import type { Log } from "./ports.ts";
import { wholeMessages } from "./replies.ts";

/** What a viewer needs of its socket. */
export type Outlet = {
  /** Queues a frame. Never blocks. */
  send(frame: Uint8Array | string): void;
  /** True while live frames may still be queued. */
  hasRoom(): boolean;
  /** Resolves when a reader that stopped reading reads again; false when the socket is gone. */
  room(): Promise<boolean>;
};

export type Viewer = {
  /** Takes a live frame that covers `from`..`to`, or notes that there is more to read. */
  offer(from: number, to: number, frame: Uint8Array): void;
  close(): void;
};

/** Entries read at once while catching up, and characters of text in one catch-up frame. */
const pageLength = 64;
const frameLength = 48 * 1024;
/** Messages in a snapshot. */
const snapshotMessages = 50;

type State =
  | { readonly kind: "catching-up"; readonly seq: number }
  | { readonly kind: "live"; readonly seq: number }
  | { readonly kind: "closed" };

/** Opens a reader at `from`; undefined: with a snapshot. `failed` is told if the log cannot be read. */
export function openViewer(options: {
  conversation: string;
  log: Log;
  outlet: Outlet;
  from: number | undefined;
  failed: (error: unknown) => void;
}): Viewer {
  const { conversation, log, outlet, failed } = options;
  let state: State = { kind: "catching-up", seq: options.from ?? 0 };
  let knownHead = 0;
  const isClosed = (): boolean => state.kind === "closed";

  const catchUp = async (seq: number): Promise<void> => {
    for (let at = seq; ;) {
      if (isClosed() || !(await outlet.room()) || isClosed()) return;
      const { head, entries } = await log.entries(conversation, at, pageLength);
      if (isClosed()) return;
      if (entries.length === 0) {
        if (head < knownHead) continue;
        state = { kind: "live", seq: at };
        return outlet.send(encodeLive(conversation, at, log.epoch));
      }
      for (const group of inFrames(merge(entries))) {
        if (!(await outlet.room()) || isClosed()) return;
        outlet.send(encodeEvents(conversation, group));
        at = group.at(-1)?.last ?? at;
        state = { kind: "catching-up", seq: at };
      }
    }
  };

  const start = async (): Promise<void> => {
    if (options.from !== undefined) return catchUp(options.from);
    const page = await log.messages(conversation, { limit: snapshotMessages });
    const record = await log.conversation(conversation);
    if (page === undefined || record === undefined || isClosed()) return;
    const messages = await wholeMessages(log, conversation, page.messages, page.head);
    const turns: RunningTurn[] = page.running.map(({ id, message, attempts }) => ({
      turn: id,
      message,
      attempt: Math.max(1, attempts),
    }));
    if (isClosed()) return;
    outlet.send(encodeSnapshot(record, page.head, log.epoch, { messages, more: page.more, turns }));
    return catchUp(page.head);
  };
  start().catch(failed);

  return {
    offer(from, to, frame) {
      if (to > knownHead) knownHead = to;
      if (state.kind !== "live" || to <= state.seq) return;
      if (from === state.seq + 1 && outlet.hasRoom()) {
        outlet.send(frame);
        state = { kind: "live", seq: to };
        return;
      }
      // A gap, or a reader that does not read: from here on it is served from the log.
      const { seq } = state;
      state = { kind: "catching-up", seq };
      catchUp(seq).catch(failed);
    },
    close() {
      state = { kind: "closed" };
    },
  };
}

/** Entries in groups that fit a frame each. */
function* inFrames(entries: readonly Entry[]): Generator<readonly Entry[]> {
  let group: Entry[] = [];
  let length = 0;
  for (const entry of entries) {
    const own = lengthOf(entry);
    if (group.length > 0 && length + own > frameLength) {
      yield group;
      group = [];
      length = 0;
    }
    group.push(entry);
    length += own;
  }
  if (group.length > 0) yield group;
}

/** About how long an entry is on the wire, in characters. */
function lengthOf({ event }: Entry): number {
  if (event.kind === "reply.appended") return 150 + event.text.length;
  return event.kind === "message.created" || event.kind === "reply.part" ? JSON.stringify(event).length : 200;
}
