// Owns what every imported conversation is held to: ids, times, titles, lengths. Pure.
import type { Limits, Part } from "../protocol/index.ts";

export type ImportContext = {
  readonly user: string;
  /** Milliseconds since 1970: nothing is newer. */
  readonly now: number;
  readonly limits: Limits;
  /** Longest text of one reply, in characters. */
  readonly replyLength: number;
  /** The id here of a message there: always the same one. */
  readonly idOf: (source: string) => string;
  /** Something was longer than is kept. */
  readonly cut: () => void;
};

/** Milliseconds since 1970 of an ISO time, or of seconds; in the past and after 1970, or else what is given instead. */
export function timeOf(time: unknown, { now }: ImportContext, instead = now): number {
  const ms = typeof time === "number" ? time * 1000 : typeof time === "string" ? Date.parse(time) : Number.NaN;
  return Number.isFinite(ms) && ms >= 0 ? Math.min(Math.trunc(ms), now) : instead;
}

/** A title of one line that fits; undefined: there is none. */
export function cleanTitle(title: unknown, most = 200): string | undefined {
  if (typeof title !== "string") return undefined;
  const line = plain(title).replaceAll(/[\p{C}\p{Zl}\p{Zp}\s]+/gu, " ");
  const cut = Array.from(line.trim()).slice(0, most).join("").slice(0, most).toWellFormed().trim();
  return cut === "" ? undefined : cut;
}

/** Texts as the wire has them: well-formed, without NUL; and not longer than what can be sent, or a model may say. */
export function keptParts(parts: readonly Part[], role: "user" | "assistant", context: ImportContext): Part[] {
  let room = role === "user" ? context.limits.textLength : context.replyLength;
  const kept: Part[] = [];
  for (const part of parts) {
    if (!("text" in part) || typeof part.text !== "string") {
      // A source: an address and a title, both short.
      if (JSON.stringify(part).length <= longestSource) kept.push(part);
      continue;
    }
    const text = plain(part.text);
    if (text.length > room) context.cut();
    if (text !== "" && room > 0) kept.push({ ...part, text: text.slice(0, room).toWellFormed() });
    room = Math.max(0, room - text.length);
  }
  return kept;
}

/** What stands where something was that is not in the document. */
export const missing = (name: string): string => `[Not imported: ${name}]`;
export const notImported = /\[Not imported: [^\]]*\]/g;

const longestSource = 4096;
const plain = (text: string): string => text.toWellFormed().replaceAll("\0", "");
