// Owns the way to the thread that speaks with Firestore: questions and answers, their time limit, and another thread for one that fails.
import { Worker } from "node:worker_threads";
import * as v from "valibot";
import type { Clock, Journal } from "../../server/ports.ts";

/** What the thread is given. `accounts`: Firebase Auth is asked as well. Emulators as HOST:PORT. */
export type Setup = {
  readonly project: string;
  readonly accounts: boolean;
  readonly emulator?: string | undefined;
  readonly authEmulator?: string | undefined;
};

/** A person's account in Firebase Auth; `none`: there is none (any more). */
const account = v.union([v.literal("none"), v.object({ disabled: v.boolean(), validAfter: v.optional(v.number()) })]);
export type Account = v.InferOutput<typeof account>;

const row = v.variant("exists", [
  v.object({ exists: v.literal(false) }),
  v.object({
    exists: v.literal(true),
    disabled: v.boolean(),
    displayName: v.optional(v.string()),
    name: v.optional(v.string()),
    nameFromToken: v.boolean(),
    validAfter: v.optional(v.number()),
    account: v.optional(account),
  }),
]);
export type Row = v.InferOutput<typeof row>;
export type Answer = { readonly rows: readonly Row[] };

type Ask =
  | { readonly ask: "read"; readonly ids: readonly string[] }
  | { readonly ask: "create"; readonly id: string; readonly name: string | undefined }
  | { readonly ask: "rename"; readonly id: string; readonly name: string };
export type Question = Ask & { readonly number: number };

const message = v.union([
  v.literal("ready"),
  v.object({ number: v.number(), rows: v.array(row) }),
  v.object({ number: v.number(), failed: v.string() }),
]);

/** firebase-admin cannot be loaded. */
export class MissingPackage extends Error {}

export type Link = {
  /** Resolves once the thread has loaded what it needs. Rejects with MissingPackage. */
  ready(): Promise<void>;
  /** undefined: it cannot be told now. */
  ask(question: Ask): Promise<readonly Row[] | undefined>;
  close(): Promise<void>;
};

/** How long (ms) a question may take, a thread may take to load, and the least time between two threads. */
const defaultAskMs = 3000;
const loadMs = 20_000;
const restMs = 1000;
/** Questions on their way at once. */
const mostWaiting = 500;

type Waiting = { readonly resolve: (rows: readonly Row[] | undefined) => void; readonly cancel: () => void };
type Thread = { readonly worker: Worker; readonly waiting: Map<number, Waiting>; readonly loaded: Promise<unknown> };

export function createLink(
  setup: Setup,
  outside: {
    clock: Pick<Clock, "after" | "monotonic">;
    journal?: Pick<Journal, "warn"> | undefined;
    askMs?: number | undefined;
  },
): Link {
  const { clock, journal, askMs = defaultAskMs } = outside;
  let thread: Thread | undefined;
  let begunAt = Number.NEGATIVE_INFINITY;
  let number = 0;
  let closed = false;

  /** Lets go of a thread: all that waits for it is told that it cannot be told. */
  const drop = (old: Thread, why: string): void => {
    if (thread === old) thread = undefined;
    for (const { resolve, cancel } of old.waiting.values()) {
      cancel();
      resolve(undefined);
    }
    old.waiting.clear();
    if (!closed) journal?.warn("users_unreachable", { why });
    void old.worker.terminate();
  };

  const begin = (): Thread => {
    begunAt = clock.monotonic();
    const ending = import.meta.filename.endsWith(".ts") ? "ts" : "js";
    const file = new URL(`./firestore-thread.${ending}`, import.meta.url);
    // What the driver prints is no line of our log, and may hold anything.
    const worker = new Worker(file, { workerData: setup, stdout: true, stderr: true });
    worker.stdout.resume();
    worker.stderr.resume();
    worker.unref();
    const waiting = new Map<number, Waiting>();
    let load: (failure?: unknown) => void = () => undefined;
    const loaded = new Promise((resolve) => (load = resolve));
    const begun: Thread = { worker, waiting, loaded };
    worker.on("message", (value: unknown) => {
      const parsed = v.parse(message, value);
      if (parsed === "ready") return load();
      const one = waiting.get(parsed.number);
      if (one === undefined) return;
      waiting.delete(parsed.number);
      one.cancel();
      if ("failed" in parsed) journal?.warn("users_unreachable", { why: parsed.failed });
      one.resolve("rows" in parsed ? parsed.rows : undefined);
    });
    worker.on("error", (error) => {
      load(error);
      drop(begun, "thread_failed");
    });
    worker.on("exit", () => {
      load(new Error("it ended"));
      if (thread === begun) drop(begun, "thread_ended");
    });
    return begun;
  };

  /** The thread there is, or another one where the last is long enough ago. */
  const current = (): Thread | undefined => {
    if (thread === undefined && !closed && clock.monotonic() - begunAt >= restMs) thread = begin();
    return thread;
  };

  return {
    async ready() {
      const first = current();
      const limit = new Promise((resolve) => void clock.after(loadMs, () => resolve(new Error("it takes too long"))));
      const failure = await Promise.race([first?.loaded, limit]);
      if (failure !== undefined) throw new MissingPackage("firebase-admin cannot be loaded", { cause: failure });
    },
    async ask(question) {
      const asked = current();
      if (asked === undefined || asked.waiting.size >= mostWaiting) return undefined;
      const own = ++number;
      return new Promise((resolve) => {
        // Its connection is as good as dead, or its waits are too long for us: another thread begins anew.
        const cancel = clock.after(askMs, () => drop(asked, "timeout"));
        asked.waiting.set(own, { resolve, cancel });
        asked.worker.postMessage({ ...question, number: own });
      });
    },
    async close() {
      closed = true;
      const last = thread;
      if (last === undefined) return;
      drop(last, "closed");
      await last.worker.terminate();
    },
  };
}
