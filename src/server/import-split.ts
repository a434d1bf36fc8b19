// Owns finding the conversations in a JSON document while it comes: one at a time, whatever its size. It does not look into them.
import { reject, type Rejection } from "../protocol/index.ts";

/** One conversation, not looked at yet; or why it cannot be: alone (`element`), or the whole document from here on. */
export type Found = { readonly value: unknown } | { readonly wrong: Rejection; readonly of: "element" | "document" };

/** `bytes`: of one conversation. */
export type SplitLimits = { readonly bytes: number; readonly depth: number; readonly count: number };

const code = (character: string): number => character.charCodeAt(0);
const [quote, backslash, comma] = [code('"'), code("\\"), code(",")];
const opening = new Set([code("{"), code("[")]);
const closing = new Set([code("}"), code("]")]);
const space = new Set([0x20, 0x09, 0x0a, 0x0d]);
/** A byte order mark, as some editors leave it. */
const mark = new Set([0xef, 0xbb, 0xbf]);

const wrong = (detail: string): Found => ({ wrong: reject("invalid", { detail }), of: "document" });
const noList = (): Found => wrong("This is no list of conversations: a JSON array of objects is expected.");

/** The objects of an array, or the one object that is there instead. Ends with the first thing that is wrong with the whole. */
export async function* splitConversations(
  source: AsyncIterable<Uint8Array>,
  limits: SplitLimits,
): AsyncGenerator<Found> {
  let kept: Uint8Array[] = [];
  let size = 0;
  let depth = 0;
  let within: "nothing" | "array" | "end" = "nothing";
  let reading: "value" | "string" | "escape" = "value";
  let count = 0;
  let deepest = 0;
  /** The depth at which a conversation stands. */
  const floor = (): number => (within === "array" ? 1 : 0);
  const finish = (): Found => {
    const [parts, bytes, deep] = [kept, size, deepest];
    [kept, size, deepest] = [[], 0, 0];
    if (bytes > limits.bytes) {
      return { wrong: reject("too_large", { detail: `It has more than ${limits.bytes} bytes.` }), of: "element" };
    }
    if (deep > limits.depth) {
      const detail = `It is nested more than ${limits.depth} deep.`;
      return { wrong: reject("too_large", { detail }), of: "element" };
    }
    return parse(parts);
  };

  for await (const chunk of source) {
    let from = 0;
    for (let i = 0; i < chunk.length; i++) {
      const byte = chunk[i] ?? 0;
      if (reading === "escape") reading = "string";
      else if (reading === "string") {
        if (byte === backslash) reading = "escape";
        else if (byte === quote) reading = "value";
      } else if (depth > floor()) {
        if (byte === quote) reading = "string";
        else if (opening.has(byte)) deepest = Math.max(deepest, ++depth);
        else if (closing.has(byte) && --depth === floor()) {
          size += i + 1 - from;
          if (size <= limits.bytes) kept.push(chunk.subarray(from, i + 1));
          if (++count > limits.count) {
            yield wrong(`There are more than ${limits.count} conversations.`);
            return;
          }
          yield finish();
          if (within === "nothing") within = "end";
        }
      } else if (!space.has(byte) && !(mark.has(byte) && within === "nothing")) {
        if (within === "end") {
          yield wrong("Something stands behind the end of the list.");
          return;
        }
        if (within === "nothing" && byte === code("[")) {
          within = "array";
          depth = 1;
        } else if (byte === code("{")) {
          depth++;
          from = i;
        } else if (within === "array" && byte === code("]")) {
          within = "end";
          depth = 0;
        } else if (within !== "array" || byte !== comma) {
          yield noList();
          return;
        }
      }
    }
    if (depth > floor()) {
      size += chunk.length - from;
      // What is too large is read over, not kept.
      if (size <= limits.bytes) kept.push(chunk.subarray(from));
      else kept = [];
    }
  }
  if (within === "nothing" && depth === 0) yield noList();
  else if (within !== "end") yield wrong("The file ends in the middle: it is not whole.");
}

function parse(parts: readonly Uint8Array[]): Found {
  try {
    const value: unknown = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(Buffer.concat(parts)));
    return { value };
  } catch {
    return { wrong: reject("invalid", { detail: "It is no JSON." }), of: "element" };
  }
}
