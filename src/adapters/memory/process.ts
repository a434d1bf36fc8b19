// Owns what a process adds to the disk: its faults, its delays and its death. Must not know what is stored.
import { StoreFailure, type Clock } from "../../server/ports.ts";

/** What a test may do to a store while it runs: read anew at every call. */
export type Faults = {
  /** While true, commits find no room. */
  full?: boolean;
  /** While true, every call finds a store that cannot be trusted. */
  broken?: boolean;
  /** Milliseconds between the writing of a commit and its answer. */
  commitDelay?: () => number;
  /** Awaited before a commit is decided and written, and after, before it is answered. */
  lag?: (point: "before" | "after") => Promise<void> | void;
};

export type MemoryProcess = {
  /** Runs `run` as a read. */
  read<T>(run: () => T): Promise<T>;
  /** Runs `run`, at once and as a whole, as a commit. */
  write<T>(run: () => T): Promise<T>;
  /** As kill -9: from now on nothing is written and no call is ever answered. */
  crash(): void;
};

const never = new Promise<never>(() => undefined);

export function memoryProcess(clock: Clock, faults: Faults): MemoryProcess {
  let dead = false;
  const check = (): void => {
    if (faults.broken === true) throw new StoreFailure("broken", new Error("injected"));
  };
  return {
    async read(run) {
      if (dead) return never;
      check();
      return run();
    },
    async write(run) {
      if (dead) return never;
      await faults.lag?.("before");
      if (dead) return never;
      check();
      if (faults.full === true) throw new StoreFailure("full", new Error("injected"));
      const result = run();
      const delay = faults.commitDelay?.() ?? 0;
      if (delay > 0) await new Promise<void>((resolve) => void clock.after(delay, resolve));
      if (dead) return never;
      await faults.lag?.("after");
      return dead ? never : result;
    },
    crash() {
      dead = true;
    },
  };
}
