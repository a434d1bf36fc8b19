// Owns which messages rest before they are tried again, and until when. It sends none and knows nothing of why.

/** `tries`: how often it has failed. `told`: the server said how long, so people may be shown it. */
type Pause = { readonly tries: number; readonly until?: number; readonly cancel: (() => void) | undefined };

export type Pauses = {
  tries(id: string): number;
  isResting(id: string): boolean;
  /** When one goes by itself, milliseconds since 1970, where the server said so. */
  until(id: string): number | undefined;
  /** Lets one rest; `over` is called when it may go. */
  rest(id: string, ms: number, how: { tries?: number; told?: boolean }): void;
  /** Ends a rest that only waits for a reply to end: none that the server asked for, none after failures. */
  wake(id: string): void;
  forget(id: string): void;
  close(): void;
};

type Clock = { now(): number; after(ms: number, fn: () => void): () => void };

/** The longest rest (ms): the allowance of a day. */
const longest = 86_400_000;

export function createPauses(clock: Clock, over: () => void): Pauses {
  const pauses = new Map<string, Pause>();
  const forget = (id: string): void => {
    pauses.get(id)?.cancel?.();
    pauses.delete(id);
  };
  const tries = (id: string): number => pauses.get(id)?.tries ?? 0;
  return {
    tries,
    isResting: (id) => pauses.get(id)?.cancel !== undefined,
    until: (id) => pauses.get(id)?.until,
    rest(id, asked, how) {
      const ms = Math.min(asked, longest);
      const count = how.tries ?? tries(id);
      forget(id);
      const cancel = clock.after(ms, () => {
        pauses.set(id, { tries: count, cancel: undefined });
        over();
      });
      pauses.set(id, { tries: count, cancel, ...(how.told === true ? { until: clock.now() + ms } : {}) });
    },
    wake(id) {
      const pause = pauses.get(id);
      if (pause?.tries === 0 && pause.until === undefined) forget(id);
    },
    forget,
    close() {
      for (const { cancel } of pauses.values()) cancel?.();
    },
  };
}
