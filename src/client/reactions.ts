// Owns reactions that are on their way: shown at once over the log's state, as sets, until it has them or they were refused. It sends nothing.
import { applyEvents, type Conversation } from "../domain/conversation.ts";
import type { EventOf, Message } from "../protocol/index.ts";

export type Reactions = {
  /** Shows one. Call what it returns with the seq at which the log has it; without one it is taken back. */
  put(user: string, message: string, reaction: string, on: boolean): (seq?: number) => void;
  /** The state with what is on its way. A message keeps its identity while nothing about it changes. */
  over(state: Conversation): Conversation;
};

type Item = { readonly event: EventOf<"reaction.changed">; seq: number };

export function createReactions(): Reactions {
  const items = new Map<string, Item>();
  const known = new WeakMap<Message, { readonly version: number; readonly message: Message }>();
  let version = 0;

  return {
    put(user, message, reaction, on) {
      const key = `${message} ${reaction}`;
      const event = { kind: "reaction.changed", at: "", message, user, reaction, on } as const;
      const item: Item = { event, seq: Number.POSITIVE_INFINITY };
      items.set(key, item);
      version++;
      return (seq) => {
        // A later wish for the same one stands in its place.
        if (items.get(key) !== item) return;
        version++;
        if (seq === undefined) items.delete(key);
        else item.seq = seq;
      };
    },
    over(state) {
      for (const [key, { seq }] of items) if (state.seq >= seq) items.delete(key);
      if (items.size === 0) return state;
      const events = [...items.values()].map((item) => item.event);
      const next = applyEvents(state, events, state.seq);
      const messages = next.messages.map((message, i) => {
        const base = state.messages[i];
        if (base === undefined || base === message) return message;
        const before = known.get(base);
        if (before?.version === version) return before.message;
        known.set(base, { version, message });
        return message;
      });
      return { ...next, messages };
    },
  };
}
