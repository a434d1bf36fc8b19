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
  drained(): void;
  /** Ends all waiting. */
  close(): void;
};

/** `exhausted` is called once when the reader's time or budget is over. */
export function createBudget(wire: Wire, clock: Clock, exhausted: () => void): Budget {
  let waiters: ((open: boolean) => void)[] = [];
  let cancel: (() => void) | undefined;
  let closed = false;

  const release = (open: boolean): void => {
    cancel?.();
    cancel = undefined;
    const woken = waiters;
    waiters = [];
    for (const waiter of woken) waiter(open);
  };

  return {
    send(frame) {
      if (closed) return;
      if (wire.buffered() > mostBytes) return exhausted();
      wire.send(frame);
    },
    hasRoom: () => wire.buffered() < liveBytes,
    room() {
      if (closed) return Promise.resolve(false);
      if (wire.buffered() < readingBytes) return Promise.resolve(true);
      cancel ??= clock.after(patience, exhausted);
      return new Promise((resolve) => waiters.push(resolve));
    },
    drained() {
      if (!closed && wire.buffered() < readingBytes) release(true);
    },
    close() {
      closed = true;
      release(false);
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
