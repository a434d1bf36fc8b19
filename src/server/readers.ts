// Owns which conversations one socket reads. It sends nothing itself.
import type { Opening } from "./commands.ts";
import type { Log, Meter } from "./ports.ts";
import type { Tails } from "./tails.ts";
import { openViewer, type Outlet, type Viewer } from "./viewer.ts";

export type Readers = {
  /** Begins to read; a conversation that is being read already is begun anew. */
  open(opening: Opening): void;
  close(conversation: string): void;
  closeAll(): void;
  has(conversation: string): boolean;
  count(): number;
};

type Open = { readonly viewer: Viewer; readonly unfollow: () => void };

export function createReaders(options: {
  log: Log;
  meter: Meter;
  tails: Tails;
  outlet: Outlet;
  failed: (error: unknown) => void;
}): Readers {
  const { tails, ...viewing } = options;
  const opened = new Map<string, Open>();
  const close = (conversation: string): void => {
    const item = opened.get(conversation);
    opened.delete(conversation);
    item?.viewer.close();
    item?.unfollow();
  };
  return {
    open({ conversation, from }) {
      close(conversation);
      const viewer = openViewer({ ...viewing, conversation, from });
      opened.set(conversation, { viewer, unfollow: tails.follow(conversation, viewer) });
    },
    close,
    closeAll() {
      for (const conversation of opened.keys()) close(conversation);
    },
    has: (conversation) => opened.has(conversation),
    count: () => opened.size,
  };
}
