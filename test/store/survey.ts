// Owns what is found in a store that a crash child has written to: it must be whole in itself, whatever it has.
import { expect } from "vitest";
import type { Store } from "../../src/adapters/embedded/store.ts";
import { applyEvents, emptyConversation, textLength } from "../../src/domain/conversation.ts";
import { readAll } from "../contract/rows.ts";

/** The conversations of crash-child.ts. */
const conversations = ["c-0", "c-1", "c-2"];

/** The numbers that were noted, in the order of their conversations. Fails where seq has a hole or a length is wrong. */
export async function survey({ log }: Store): Promise<number[]> {
  const noted: number[] = [];
  for (const id of conversations) {
    const { head, entries } = await readAll(log, id, 0, 50);
    const state = entries.reduce((fold, entry) => {
      expect(entry.first).toBe(fold.seq + 1);
      if (entry.event.kind === "conversation.updated") noted.push(Number(entry.event.title));
      return applyEvents(fold, [entry.event], entry.last);
    }, emptyConversation);
    expect([state.seq, state.mismatches]).toEqual([head, 0]);
    const running = (await log.messages(id, { limit: 5 }))?.running ?? [];
    expect(state.turns.map((turn) => turn.turn)).toEqual(running.map((turn) => turn.id));
    for (const turn of running) {
      const reply = state.messages.find((message) => message.id === turn.message);
      expect(turn.length).toBe(textLength(reply ?? { parts: [] }));
    }
  }
  return noted;
}
