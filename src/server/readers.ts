// Owns which conversations one socket reads. It sends nothing itself.
import type { Opening } from "./commands.ts";
import type { Log, Meter } from "./ports.ts";
import type { Tails } from "./tails.ts";
import { openViewer, type Outlet, type Viewer } from "./viewer.ts";

/** What all readers of a process have in common. */
export type ReadersOptions = { readonly log: Log; readonly meter: Meter; readonly tails: Tails };

type Open = { readonly viewer: Viewer; readonly unfollow: () => void };

export class Readers {
  readonly #options: ReadersOptions;
  readonly #outlet: Outlet;
  readonly #failed: (error: unknown) => void;
  /** Made at need: many sockets are there for the list alone. */
  #opened: Map<string, Open> | undefined;

  constructor(options: ReadersOptions, outlet: Outlet, failed: (error: unknown) => void) {
    this.#options = options;
    this.#outlet = outlet;
    this.#failed = failed;
  }

  /** Begins to read; a conversation that is being read already is begun anew. */
  open({ conversation, from }: Opening): void {
    this.close(conversation);
    const { log, meter, tails } = this.#options;
    const viewer = openViewer({ log, meter, conversation, from, outlet: this.#outlet, failed: this.#failed });
    (this.#opened ??= new Map()).set(conversation, { viewer, unfollow: tails.follow(conversation, viewer) });
  }

  close(conversation: string): void {
    const item = this.#opened?.get(conversation);
    this.#opened?.delete(conversation);
    item?.viewer.close();
    item?.unfollow();
  }

  closeAll(): void {
    for (const conversation of this.#opened?.keys() ?? []) this.close(conversation);
  }

  has(conversation: string): boolean {
    return this.#opened?.has(conversation) === true;
  }

  count(): number {
    return this.#opened?.size ?? 0;
  }
}
