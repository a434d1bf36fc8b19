// Owns which messages rest before they are tried again, and until when. It sends none and knows nothing of why.

import type { ErrorCode } from "../protocol/index.ts";

/** Until when the server wants a message to wait, milliseconds since 1970, and why: people may be shown it. */
type Told = { readonly until: number; readonly why: ErrorCode };

/** `tries`: how often it has failed. */
type Pause = { readonly tries: number; readonly told?: Told; readonly cancel: (() => void) | undefined };

export type Pauses = {
  tries(id: string): number;
  isResting(id: string): boolean;
  /** Of one that the server itself wants to wait. */
  told(id: string): Told | undefined;
  /** Lets one rest; `over` is called when it may go. `why`: the server said how long. */
  rest(id: string, ms: number, how: { tries?: number; why?: ErrorCode }): void;
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
    told: (id) => pauses.get(id)?.told,
    rest(id, asked, how) {
      const ms = Math.min(asked, longest);
      const count = how.tries ?? tries(id);
      forget(id);
      const cancel = clock.after(ms, () => {
        pauses.set(id, { tries: count, cancel: undefined });
        over();
      });
      const told = how.why === undefined ? {} : { told: { until: clock.now() + ms, why: how.why } };
      pauses.set(id, { tries: count, cancel, ...told });
    },
    wake(id) {
      const pause = pauses.get(id);
      if (pause?.tries === 0 && pause.told === undefined) forget(id);
    },
    forget,
    close() {
      for (const { cancel } of pauses.values()) cancel?.();
    },
  };
}
