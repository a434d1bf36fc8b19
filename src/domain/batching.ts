// Owns how pieces become events: the buffer of one reply, and when the next commit is due. No timers, no I/O.
import type { Event, Message, Part } from "../protocol/index.ts";
import { mergedTextLength } from "./log.ts";

/**
 * The tick: milliseconds between two commits of pieces at rest, and at most under load. Half of it, what timers are late and
 * the commit stay below 10 ms together.
 */
const shortestTick = 18;
const longestTick = 100;
/** What each reply of a commit adds to the next tick (ms): fifty-four cost none, a hundred make it 33 ms. */
const perReply = 1 / 3;
/** A reply that was silent for this long (ms) gets its next piece committed at once. */
export const quietAfter = 200;

/**
 * Milliseconds until pieces should be committed. A reply's first piece, or one after a silence, goes at once; the others
 * wait for the tick, which grows with what the last commit cost so that commits never fill the loop, and with how many
 * replies it held: each costs a row, a seal and a write to its readers, which fewer and larger pieces save.
 */
export function flushDelay(state: {
  now: number;
  lastAt: number;
  lastCost: number;
  lastReplies?: number;
  quiet: boolean;
}): number {
  const least = Math.max(shortestTick, state.lastCost * 6);
  // Where commits are dear nothing jumps the queue: a thousand slow replies would commit all the time.
  if (state.quiet && least === shortestTick) return 0;
  const wanted = state.quiet ? least : Math.max(least, (state.lastReplies ?? 0) * perReply);
  const tick = Math.min(longestTick, wanted);
  return Math.max(0, state.lastAt + tick - state.now);
}

type Run =
  | { readonly kind: "text"; readonly part: number; readonly type: "text" | "reasoning"; offset: number; text: string }
  | { readonly kind: "part"; readonly part: number; readonly value: Part };

/** What waits to be committed of one reply. Offsets continue the parts that the log already has. */
export type PieceBuffer = {
  addText(type: "text" | "reasoning", text: string): void;
  addPart(value: Part): void;
  /** Characters waiting. */
  size(): number;
  /** Length of all text parts, committed and waiting together. */
  textLength(): number;
  /**
   * Takes events out, at most 16 KiB of text in all, and how much text (not reasoning) they add. Half of a surrogate pair at
   * the very end waits for its other half unless `all`.
   */
  take(turn: string, message: string, at: string, all: boolean): { events: Event[]; grown: number };
};

/** A buffer that goes on after the parts a reply already has. */
export function createPieceBuffer(parts: Message["parts"]): PieceBuffer {
  const runs: Run[] = [];
  let count = parts.length;
  let size = 0;
  let total = 0;
  const last = parts.at(-1);
  // Where the parts are that may be set again, by their id.
  const places = new Map<unknown, number>();
  for (const [index, part] of parts.entries()) if (partId(part) !== undefined) places.set(partId(part), index);
  // The part that further text of the same type goes into.
  let open: { part: number; type: "text" | "reasoning"; length: number } | undefined;
  for (const part of parts) if (part.type === "text" && typeof part.text === "string") total += part.text.length;
  if (last !== undefined && (last.type === "text" || last.type === "reasoning") && typeof last.text === "string") {
    open = { part: count - 1, type: last.type === "text" ? "text" : "reasoning", length: last.text.length };
  }

  return {
    addText(type, text) {
      if (text.length === 0) return;
      if (open === undefined || open.type !== type) open = { part: count++, type, length: 0 };
      const run = runs.at(-1);
      if (run?.kind === "text" && run.part === open.part) run.text += text;
      else runs.push({ kind: "text", part: open.part, type, offset: open.length, text });
      open.length += text.length;
      size += text.length;
      if (type === "text") total += text.length;
    },
    addPart(value) {
      const id = partId(value);
      const part = (id === undefined ? undefined : places.get(id)) ?? count++;
      if (id !== undefined) places.set(id, part);
      runs.push({ kind: "part", part, value });
      if (part === count - 1) open = undefined;
      size += 1;
    },
    size: () => size,
    textLength: () => total,
    take(turn, message, at, all) {
      const events: Event[] = [];
      let grown = 0;
      let room = mergedTextLength;
      while (room > 0) {
        const run = runs[0];
        if (run === undefined) break;
        if (run.kind === "part") {
          events.push({ kind: "reply.part", at, turn, message, part: run.part, value: run.value });
          runs.shift();
          size -= 1;
          continue;
        }
        const taken = cut(run.text, room, all || runs.length > 1);
        if (taken === 0) break;
        const { part, type, offset } = run;
        events.push({ kind: "reply.appended", at, turn, message, part, type, offset, text: run.text.slice(0, taken) });
        run.text = run.text.slice(taken);
        run.offset += taken;
        if (run.text.length === 0) runs.shift();
        size -= taken;
        room -= taken;
        if (type === "text") grown += taken;
      }
      return { events, grown };
    },
  };
}

/** How many units to take of a text so that no surrogate pair is torn. */
function cut(text: string, room: number, all: boolean): number {
  const end = Math.min(text.length, room);
  const torn = isHigh(text.charCodeAt(end - 1)) && (end < text.length || !all);
  return torn ? end - 1 : end;
}

const isHigh = (unit: number): boolean => unit >= 0xd800 && unit <= 0xdbff;

/** A part that is set again and again (a tool call and its states) is known by its id. */
function partId(part: Part): unknown {
  if ("toolCallId" in part) return part.toolCallId;
  return "id" in part ? part.id : undefined;
}
