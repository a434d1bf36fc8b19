// Owns one reader's cursor in one conversation: live frames while they fit, else catching up from the log (RD rules).
import { merge, type Entry } from "../domain/log.ts";
import { encodeEvents, encodeLive, encodeSnapshot } from "./frames.ts";
import type { Log, Meter } from "./ports.ts";
import { newestThatFit, readPage } from "./replies.ts";

/** What a viewer needs of its socket. */
export type Outlet = {
  /** Queues a frame; false: there is no room, nothing was queued. */
  push(frame: Uint8Array | string): boolean;
  /** Resolves when a reader that stopped reading reads again; false when the socket is gone. */
  room(): Promise<boolean>;
};

export type Viewer = {
  /** Takes a live frame that covers `from`..`to`, or notes that there is more to read. */
  offer(from: number, to: number, frame: Uint8Array): void;
  close(): void;
};

/** Entries read at once while catching up: few where they are long, so that a page stays near 128 Ki characters. */
const fewestEntries = 8;
const mostEntries = 256;
const pageLength = 128 * 1024;
/** Characters of text in one catch-up frame. */
const frameLength = 48 * 1024;
/** Messages in a snapshot. */
const snapshotMessages = 50;

type ViewerOptions = {
  readonly conversation: string;
  readonly log: Log;
  readonly meter: Meter;
  readonly outlet: Outlet;
  readonly from: number | undefined;
  readonly failed: (error: unknown) => void;
};

class LogViewer implements Viewer {
  readonly #options: ViewerOptions;
  #state: "catching-up" | "live" | "closed" = "catching-up";
  /** The last seq that the reader has been sent. */
  #seq: number;
  #knownHead = 0;

  constructor(options: ViewerOptions) {
    this.#options = options;
    this.#seq = options.from ?? 0;
  }

  offer(from: number, to: number, frame: Uint8Array): void {
    if (to > this.#knownHead) this.#knownHead = to;
    if (this.#state !== "live" || to <= this.#seq) return;
    if (from === this.#seq + 1 && this.#options.outlet.push(frame)) {
      this.#seq = to;
      return;
    }
    // A gap, or a reader that does not read: from here on it is served from the log.
    const why = from === this.#seq + 1 ? "no-room" : "mismatch";
    this.#options.meter.note({ kind: "reader-behind", why });
    this.#state = "catching-up";
    this.#catchUp(this.#seq).catch(this.#options.failed);
  }

  close(): void {
    this.#state = "closed";
  }

  #isClosed(): boolean {
    return this.#state === "closed";
  }

  async start(): Promise<void> {
    const { conversation, log, outlet, from } = this.#options;
    if (from !== undefined) return this.#catchUp(from);
    const before = await log.conversation(conversation);
    const page = await log.messages(conversation, { limit: snapshotMessages });
    if (before === undefined || page === undefined || this.#isClosed()) return;
    const { messages: whole, turns } = await readPage(log, conversation, page);
    const { messages, more } = newestThatFit(whole, page.more);
    const record = await log.conversation(conversation);
    if (record === undefined || this.#isClosed()) return;
    // Of what was erased meanwhile only the last event is left; a row that changed meanwhile is not that of the page.
    if (record.deleted) return this.#catchUp(record.head - 1);
    if (record.title !== before.title || record.archived !== before.archived) return this.start();
    if (outlet.push(encodeSnapshot(record, page.head, log.epoch, { messages, more, turns }))) {
      return this.#catchUp(page.head);
    }
    return (await outlet.room()) ? this.start() : undefined;
  }

  /** Sends what comes after `seq` until there is no more. Nothing is held while the reader does not read. */
  async #catchUp(seq: number): Promise<void> {
    const { conversation, log, meter, outlet } = this.#options;
    let at = seq;
    let limit = fewestEntries;
    while (!this.#isClosed() && (await outlet.room()) && !this.#isClosed()) {
      const { head, entries } = await log.entries(conversation, at, limit);
      if (this.#isClosed()) return;
      if (entries.length === 0 && head >= this.#knownHead && outlet.push(encodeLive(conversation, at, log.epoch))) {
        this.#state = "live";
        this.#seq = at;
        return;
      }
      let length = 0;
      const before = at;
      for (const group of inFrames(merge(entries))) {
        const frame = encodeEvents(conversation, group);
        if (!outlet.push(frame)) break;
        length += frame.length;
        at = group.at(-1)?.last ?? at;
      }
      this.#seq = at;
      if (at > before) meter.note({ kind: "replayed", events: at - before });
      limit = length < pageLength ? Math.min(mostEntries, limit * 2) : Math.max(fewestEntries, limit / 2);
    }
  }
}

/** Opens a reader at `from`; undefined: with a snapshot. `failed` is told if the log cannot be read. */
export function openViewer(options: ViewerOptions): Viewer {
  const viewer = new LogViewer(options);
  viewer.start().catch(options.failed);
  return viewer;
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
