// Owns who looks at which conversation in this process: hints in, one encoding, N viewers. It never reads the log itself.
import { encodeEvents } from "./frames.ts";
import type { Bus, Hint } from "./ports.ts";
import type { Viewer } from "./viewer.ts";

export type Tails = {
  /** Adds a viewer to a conversation. Returns what takes it out again. */
  follow(conversation: string, viewer: Viewer): () => void;
};

type Tail = { readonly viewers: Set<Viewer>; readonly stop: () => void };

export function createTails(bus: Bus): Tails {
  const tails = new Map<string, Tail>();

  const pass = (conversation: string, viewers: Set<Viewer>, hint: Hint): void => {
    const first = hint.kind === "entries" ? hint.entries[0] : undefined;
    if (hint.kind !== "entries" || first === undefined) return;
    const frame = encodeEvents(conversation, hint.entries);
    for (const viewer of viewers) viewer.offer(first.first, hint.head, frame);
  };

  return {
    follow(conversation, viewer) {
      let tail = tails.get(conversation);
      if (tail === undefined) {
        const viewers = new Set<Viewer>();
        const stop = bus.subscribe(`conversation/${conversation}`, (hint) => pass(conversation, viewers, hint));
        tail = { viewers, stop };
        tails.set(conversation, tail);
      }
      const { viewers, stop } = tail;
      viewers.add(viewer);
      return () => {
        viewers.delete(viewer);
        if (viewers.size > 0 || tails.get(conversation)?.viewers !== viewers) return;
        tails.delete(conversation);
        stop();
      };
    },
  };
}
