// Owns a short way to the text of chunks that differ from one another in nothing but their text. It must never read one otherwise than JSON would.

type Fields = Readonly<Record<string, unknown>>;

export type PlainChunks = {
  /** The text of a chunk that is like the one learned from, and has nothing else to tell; undefined: parse it. */
  read(data: string): string | undefined;
  /** The text of the events that `stream` begins with, as far as they are such chunks, and how many characters those are. */
  skim(stream: string): { readonly text: string; readonly length: number };
  /** Takes a parsed chunk as the pattern of those to come, where it holds nothing but text. */
  learn(data: string, value: unknown): void;
};

/** Chunks that one stream is learned from at most: some servers put something else into each. */
const mostLearned = 4;
const probe = "\u2028throughline";
/** What a JSON string does not hold as it is, and a few more. Source: RFC 8259, section 7. */
const toBeParsed = /["\\\p{Cc}]/u;

/**
 * Most chunks of a stream are the same bytes around a text. Where the text of a chunk is one JSON string between a known
 * beginning and a known end, its value is that string: the rest would be parsed into what it was before.
 */
export function createPlainChunks(): PlainChunks {
  let before = "";
  let after = "";
  let head: string | undefined;
  let learned = 0;
  return {
    read(data) {
      if (before === "" || data.length < before.length + after.length) return undefined;
      if (!data.startsWith(before) || !data.endsWith(after)) return undefined;
      return valueOf(data.slice(before.length, data.length - after.length));
    },
    skim(stream) {
      let text = "";
      let length = 0;
      if (head === undefined) return { text, length };
      for (let start = head.length; stream.startsWith(head, length); start = length + head.length) {
        const end = stream.indexOf("\n\n", start);
        if (end - after.length < start || !stream.endsWith(after, end)) break;
        // Where a line ends in between, it is no JSON string: the break stands in it as it is.
        const piece = valueOf(stream.slice(start, end - after.length));
        if (piece === undefined) break;
        text += piece;
        length = end + 2;
      }
      return { text, length };
    },
    learn(data, value) {
      const text = onlyText(value);
      if (text === undefined || learned >= mostLearned) return;
      learned += 1;
      const literal = JSON.stringify(text).slice(1, -1);
      const at = data.lastIndexOf(`"${literal}"`) + 1;
      if (at === 0) return;
      const [start, end] = [data.slice(0, at), data.slice(at + literal.length)];
      if (onlyText(parse(start + probe + end)) !== probe) return;
      [before, after] = [start, end];
      head = /[\r\n]/.test(start + end) ? undefined : `data: ${start}`;
    },
  };
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** What the literal between two quotes says; undefined: it is none. */
function valueOf(literal: string): string | undefined {
  if (!toBeParsed.test(literal)) return literal;
  const value = parse(`"${literal}"`);
  return typeof value === "string" ? value : undefined;
}

const isFields = (value: unknown): value is Fields =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const isNone = (value: unknown): boolean => value === undefined || value === null;

/** The text of a chunk with one choice and nothing that would have to be looked at. */
function onlyText(chunk: unknown): string | undefined {
  if (!isFields(chunk) || !isNone(chunk["error"]) || !isNone(chunk["usage"])) return undefined;
  const choices = chunk["choices"];
  const choice: unknown = Array.isArray(choices) && choices.length === 1 ? choices[0] : undefined;
  if (!isFields(choice) || (choice["index"] !== undefined && choice["index"] !== 0) || !isNone(choice["finish_reason"]))
    return undefined;
  const { delta } = choice;
  if (!isFields(delta) || typeof delta["content"] !== "string") return undefined;
  const others = [delta["reasoning_content"], delta["reasoning"], delta["refusal"], delta["tool_calls"]];
  return others.every(isNone) ? delta["content"] : undefined;
}
