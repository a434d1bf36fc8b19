// Owns the making of logs for tests: single events, and random logs as a server would write them.
import fc from "fast-check";
import type { Event, EventOf } from "../../src/protocol/index.ts";

export const at = "2026-11-23T04:00:00.000Z";

export const message = (id: string, text = "Hi"): Event => ({
  kind: "message.created",
  at,
  message: { id, role: "user", parts: [{ type: "text", text }], metadata: { createdAt: at, parent: null } },
});
export const started = (turn: string, reply: string, parent: string | null): EventOf<"turn.started"> => ({
  kind: "turn.started",
  at,
  turn,
  message: reply,
  parent,
  model: "demo",
});
export const appended = (
  turn: string,
  reply: string,
  part: number,
  offset: number,
  text: string,
  type: "text" | "reasoning" = "text",
): EventOf<"reply.appended"> => ({ kind: "reply.appended", at, turn, message: reply, part, type, offset, text });
export const finished = (turn: string, reply: string, length: number): EventOf<"turn.finished"> => ({
  kind: "turn.finished",
  at,
  turn,
  message: reply,
  status: "completed",
  length,
});

/** Freezes a value all the way down, so that whoever changes it throws. */
export function deepFreeze<T>(value: T): T {
  if (typeof value === "object" && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const child of Object.values(value)) deepFreeze(child);
  }
  return value;
}

/** One reply as it grows: the parts it has, as far as their lengths matter. */
type Growing = { turn: string; reply: string; parts: { type: "text" | "reasoning" | "other"; length: number }[] };

type Step = { readonly pick: number; readonly reply: number; readonly text: string };

/** The event that a step makes of two replies in the making, which run side by side on two branches. */
function eventOf({ pick, reply, text }: Step, growing: Growing[]): Event {
  const grown = growing[reply % growing.length];
  if (grown === undefined || pick < 2) return message(`x${pick}`);
  const { turn, reply: id, parts } = grown;
  const last = parts.at(-1);
  if (pick < 3)
    return {
      kind: "reaction.changed",
      at,
      message: id,
      user: `user${text.length}`,
      reaction: "👍",
      on: pick % 2 === 0,
    };
  if (pick < 4) return { kind: "conversation.updated", at, title: text };
  if (pick < 5) {
    parts.length = 0;
    return { kind: "turn.resumed", at, turn, message: id, attempt: 2, mode: "restart" };
  }
  if (pick < 6) return { kind: "turn.resumed", at, turn, message: id, attempt: 3, mode: "continue" };
  if (pick < 7) {
    parts.push({ type: "other", length: 0 });
    return {
      kind: "reply.part",
      at,
      turn,
      message: id,
      part: parts.length - 1,
      value: { type: "source-url", url: text },
    };
  }
  if (last === undefined || last.type === "other" || pick < 9) {
    const type = pick % 2 === 0 ? "text" : "reasoning";
    parts.push({ type, length: text.length });
    return appended(turn, id, parts.length - 1, 0, text, type);
  }
  const event = appended(turn, id, parts.length - 1, last.length, text, last.type);
  last.length += text.length;
  return event;
}

const lengthOf = ({ parts }: Growing): number =>
  parts.reduce((sum, part) => sum + (part.type === "text" ? part.length : 0), 0);

/** A log as a server writes it: two replies grow side by side in pieces, with all that may come between. */
export const aLog: fc.Arbitrary<Event[]> = fc
  .record({
    steps: fc.array(
      fc.record({
        pick: fc.oneof({ weight: 1, arbitrary: fc.nat({ max: 9 }) }, { weight: 4, arbitrary: fc.constant(10) }),
        reply: fc.oneof({ weight: 5, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.constant(1) }),
        text: fc.string({ unit: "binary", maxLength: 6 }),
      }),
      { maxLength: 60 },
    ),
    ends: fc.boolean(),
    deleted: fc.boolean(),
  })
  .map(({ steps, ends, deleted }) => {
    const growing: Growing[] = [
      { turn: "t1", reply: "m1", parts: [] },
      { turn: "t2", reply: "m2", parts: [] },
    ];
    const events: Event[] = [{ kind: "conversation.created", at, title: "T" }, message("u1")];
    for (const { turn, reply } of growing) events.push(started(turn, reply, "u1"));
    for (const step of steps) events.push(eventOf(step, growing));
    if (ends) for (const grown of growing) events.push(finished(grown.turn, grown.reply, lengthOf(grown)));
    if (deleted) events.push({ kind: "conversation.deleted", at });
    return events;
  });
