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

/** The unsent bytes of one socket. `exhausted` is called when the reader's time or budget is over. */
export class Budget implements Outlet {
  readonly #wire: Wire;
  readonly #clock: Clock;
  readonly #exhausted: () => void;
  /** Made at need: nearly all sockets are read as fast as they are written. */
  #waiters: ((open: boolean) => void)[] | undefined;
  #cancel: (() => void) | undefined;
  #closed = false;

  constructor(wire: Wire, clock: Clock, exhausted: () => void) {
    this.#wire = wire;
    this.#clock = clock;
    this.#exhausted = exhausted;
  }

  /** Queues an answer. Never refused: a socket that takes none of them is dropped. */
  send(frame: string): void {
    if (this.#closed) return;
    if (this.#wire.buffered() > mostBytes) return this.#exhausted();
    this.#wire.send(frame);
  }

  push(frame: Uint8Array | string): boolean {
    if (this.#closed || this.#wire.buffered() >= liveBytes) return false;
    this.#wire.send(frame);
    return true;
  }

  hasRoom(): boolean {
    return this.#wire.buffered() < liveBytes;
  }

  room(): Promise<boolean> {
    if (this.#closed) return Promise.resolve(false);
    const waiters = (this.#waiters ??= []);
    if (waiters.length === 0 && this.#wire.buffered() < readingBytes) return Promise.resolve(true);
    this.#cancel ??= this.#clock.after(patience, this.#exhausted);
    return new Promise((resolve) => waiters.push(resolve));
  }

  drained(): void {
    this.#release();
  }

  /** Ends all waiting. */
  close(): void {
    this.#closed = true;
    this.#cancel?.();
    for (const waiter of this.#waiters?.splice(0) ?? []) waiter(false);
  }

  /** Lets one waiter go on at a time: together they would fill the socket again with one frame each. */
  #release(): void {
    if (this.#closed || this.#wire.buffered() >= readingBytes) return;
    this.#cancel?.();
    this.#cancel = undefined;
    const waiters = this.#waiters;
    waiters?.shift()?.(true);
    if (waiters === undefined || waiters.length === 0) this.#waiters = undefined;
    else this.#clock.soon(() => this.#wait());
  }

  #wait(): void {
    if (this.#waiters !== undefined && !this.#closed) this.#cancel ??= this.#clock.after(patience, this.#exhausted);
    this.#release();
  }
}

/** Control frames a second, and at once, that one socket may send (FR10). */
const controlRate = 50;
const controlBurst = 200;

/** The control frames of one socket: a token bucket. */
export class ControlMeter {
  #tokens = controlBurst;
  #at: number;

  constructor(clock: Clock) {
    this.#at = clock.monotonic();
  }

  /** Counts one frame; false: too many. */
  allows(clock: Clock): boolean {
    const now = clock.monotonic();
    this.#tokens = Math.min(controlBurst, this.#tokens + ((now - this.#at) / 1000) * controlRate) - 1;
    this.#at = now;
    return this.#tokens >= 0;
  }
}
