// Owns the thread that searches: made when it is first needed, made anew after it died. Must not read the store.
import type { KeyObject } from "node:crypto";
import { Worker } from "node:worker_threads";
import type { Snippet } from "../../protocol/index.ts";

/** A sealed message: `length` bytes of the batch, behind those of the one before. */
type SealedMessage = { readonly context: string; readonly length: number; readonly of: number };

/** What the thread is asked at once. `keys` are those of the conversations that `of` counts, undefined where nothing is sealed. */
export type Batch = {
  readonly needle: string;
  readonly bytes: ArrayBuffer;
  readonly messages: readonly SealedMessage[];
  readonly keys: readonly (KeyObject | undefined)[];
};

/** For each conversation of the batch, in its order: the first message that was hit. */
export type Hits = readonly (Snippet | undefined)[];

export type Question = { readonly id: number; readonly batch: Batch };
export type Answer = { readonly id: number; readonly hits: Hits };

/** Enough for the largest messages; a thread that needs more ends alone. */
const resourceLimits = { maxOldGenerationSizeMb: 256 };
/** The same file before the build and after it. */
const script = new URL(import.meta.url.endsWith(".ts") ? "./search-worker.ts" : "./search-worker.js", import.meta.url);

export class SearchThread {
  #worker: Worker | undefined;
  #closed = false;
  #next = 1;
  readonly #waiting = new Map<number, (hits: Hits | undefined) => void>();

  /** undefined: the thread died, or was closed. */
  ask(batch: Batch): Promise<Hits | undefined> {
    if (this.#closed) return Promise.resolve(undefined);
    const id = this.#next++;
    const question: Question = { id, batch };
    return new Promise((resolve) => {
      this.#waiting.set(id, resolve);
      this.#start().postMessage(question, [batch.bytes]);
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    const worker = this.#worker;
    this.#lost();
    await worker?.terminate();
  }

  #start(): Worker {
    if (this.#worker !== undefined) return this.#worker;
    const worker = new Worker(script, { resourceLimits });
    const gone = (): void => {
      if (this.#worker === worker) this.#lost();
    };
    worker.on("message", ({ id, hits }: Answer) => {
      this.#waiting.get(id)?.(hits);
      this.#waiting.delete(id);
    });
    // Also where it cannot start, or runs out of memory. `exit` comes after it.
    worker.on("error", gone);
    worker.on("exit", gone);
    // It keeps no process alive.
    worker.unref();
    this.#worker = worker;
    return worker;
  }

  #lost(): void {
    this.#worker = undefined;
    for (const resolve of this.#waiting.values()) resolve(undefined);
    this.#waiting.clear();
  }
}
