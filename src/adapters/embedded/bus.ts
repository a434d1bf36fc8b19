// Owns the bus of one process: hints go straight to the subscribers. Must not keep a hint and must not fail a publisher.
import type { Bus, Hint, Journal } from "../../server/ports.ts";

/** Delivers before `publish` returns. A subscriber that throws is written to the journal; the others still get the hint. */
export function localBus(journal?: Journal): Bus {
  const topics = new Map<string, Set<(hint: Hint) => void>>();
  return {
    publish(topic, hint) {
      const subscribers = topics.get(topic);
      if (subscribers === undefined) return;
      // A subscriber may come or go while hints are delivered.
      const present = [...subscribers];
      for (const receive of present) {
        if (!subscribers.has(receive)) continue;
        try {
          receive(hint);
        } catch (error) {
          journal?.error("bus_subscriber_failed", {
            hint: hint.kind,
            error: error instanceof Error ? error.name : typeof error,
          });
        }
      }
    },
    subscribe(topic, receive) {
      // A wrapper, so that the same function may subscribe twice and each stop ends its own.
      const own = (hint: Hint): void => receive(hint);
      const subscribers = topics.get(topic) ?? new Set();
      topics.set(topic, subscribers.add(own));
      return () => {
        subscribers.delete(own);
        if (subscribers.size === 0 && topics.get(topic) === subscribers) topics.delete(topic);
      };
    },
    close() {
      topics.clear();
      return Promise.resolve();
    },
  };
}
