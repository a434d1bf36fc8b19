// Owns the works that add pieces to whatever turn runs in a conversation. Must hold no expectation.
import { reject } from "../../src/protocol/index.ts";
import type { Work } from "../../src/server/ports.ts";
import { appended, known } from "../contract/rows.ts";

/** Adds one piece to the first running turn of a conversation. */
export function pieceOf(id: string, text: string): Work {
  return {
    conversation: id,
    decide(view) {
      const [turn] = view.running;
      if (turn === undefined) return reject("conflict");
      const event = appended(turn.length, text, { turn: turn.id, message: turn.message });
      return {
        events: [event],
        conversation: known(view),
        turns: [{ ...turn, length: turn.length + text.length }],
        answer: {},
      };
    },
  };
}
