// Owns a value that can be watched: the one way in which anything of the SDK tells that it changed. It must not know what it holds.

/** A value to watch. The snapshot is immutable and keeps its identity until something in it changes. */
export type Readable<T> = {
  readonly getSnapshot: () => T;
  /** Calls `fn` after every change. Returns what ends it. */
  readonly subscribe: (fn: () => void) => () => void;
};

export type Cell<T> = Readable<T> & { set(value: T): void };

/** `watched` is told when the first subscriber comes (true) and when the last one has gone (false). */
export function createCell<T>(initial: T, watched: (on: boolean) => void = () => undefined): Cell<T> {
  let value = initial;
  const subscribers = new Set<{ readonly fn: () => void }>();
  return {
    getSnapshot: () => value,
    subscribe(fn) {
      const subscriber = { fn };
      subscribers.add(subscriber);
      if (subscribers.size === 1) watched(true);
      return () => {
        if (subscribers.delete(subscriber) && subscribers.size === 0) watched(false);
      };
    },
    set(next) {
      if (Object.is(value, next)) return;
      value = next;
      for (const { fn } of subscribers) {
        try {
          fn();
        } catch (error) {
          // A subscriber's mistake is its own: it is reported, and the others are still told.
          queueMicrotask(() => {
            throw error;
          });
        }
      }
    },
  };
}

/** Resolves with the first snapshot for which `found` gives something, now or later; rejects when `signal` is aborted. */
export function until<T, R>(cell: Readable<T>, found: (value: T) => R | undefined, signal?: AbortSignal): Promise<R> {
  return new Promise((resolve, reject) => {
    const abort = (): void => {
      stop();
      reject(signal?.reason instanceof Error ? signal.reason : new Error("aborted"));
    };
    const look = (): void => {
      const result = found(cell.getSnapshot());
      if (result === undefined) return;
      stop();
      signal?.removeEventListener("abort", abort);
      resolve(result);
    };
    const stop = cell.subscribe(look);
    if (signal?.aborted === true) return abort();
    signal?.addEventListener("abort", abort, { once: true });
    return look();
  });
}
