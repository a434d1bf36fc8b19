// Owns how much a peer may cost: the budget of one socket's unsent bytes (G8) and of its control frames. It knows no conversation.
import type { Clock } from "./ports.ts";
import type { Outlet } from "./viewer.ts";
import type { Wire } from "./wire.ts";

/** Unsent bytes up to which live frames are queued, and below which a reader counts as reading again. */
const liveBytes = 256 * 1024;
const readingBytes = 64 * 1024;
/** Unsent bytes at which a socket is dropped, whatever they are: it sends commands but reads no answer. */
const mostBytes = 1024 * 1024;
/** Milliseconds that a reader may not read while frames wait for it. */
const patience = 60_000;

export type Budget = Outlet & {
  /** Queues an answer. Never refused: a socket that takes none of them is dropped. */
  send(frame: string): void;
  hasRoom(): boolean;
  drained(): void;
  /** Ends all waiting. */
  close(): void;
};

/** `exhausted` is called once when the reader's time or budget is over. */
export function createBudget(wire: Wire, clock: Clock, exhausted: () => void): Budget {
  const waiters: ((open: boolean) => void)[] = [];
  let cancel: (() => void) | undefined;
  let closed = false;

  /** Lets one waiter go on at a time: together they would fill the socket again with one frame each. */
  const release = (): void => {
    if (closed || wire.buffered() >= readingBytes) return;
    cancel?.();
    cancel = undefined;
    waiters.shift()?.(true);
    if (waiters.length > 0) clock.soon(wait);
  };
  const wait = (): void => {
    if (waiters.length > 0 && !closed) cancel ??= clock.after(patience, exhausted);
    release();
  };

  return {
    send(frame) {
      if (closed) return;
      if (wire.buffered() > mostBytes) return exhausted();
      wire.send(frame);
    },
    push(frame) {
      if (closed || wire.buffered() >= liveBytes) return false;
      wire.send(frame);
      return true;
    },
    hasRoom: () => wire.buffered() < liveBytes,
    room() {
      if (closed) return Promise.resolve(false);
      if (waiters.length === 0 && wire.buffered() < readingBytes) return Promise.resolve(true);
      cancel ??= clock.after(patience, exhausted);
      return new Promise((resolve) => waiters.push(resolve));
    },
    drained: release,
    close() {
      closed = true;
      cancel?.();
      for (const waiter of waiters.splice(0)) waiter(false);
    },
  };
}

/** Control frames a second, and at once, that one socket may send (FR10). */
const controlRate = 50;
const controlBurst = 200;

/** A token bucket. Each call is one frame; false: too many. */
export function createControlMeter(clock: Clock): () => boolean {
  let tokens = controlBurst;
  let at = clock.monotonic();
  return () => {
    const now = clock.monotonic();
    tokens = Math.min(controlBurst, tokens + ((now - at) / 1000) * controlRate) - 1;
    at = now;
    return tokens >= 0;
  };
}
