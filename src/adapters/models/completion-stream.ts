// Owns the way from the bytes of a streamed chat completion to pieces; must do no I/O and must not throw on any input.
import { StringDecoder } from "node:string_decoder";
import { createParser, type EventSourceMessage } from "eventsource-parser";
import type { Usage } from "../../protocol/index.ts";
import { ModelFailure, type ModelPiece } from "../../server/ports.ts";
import { failureOfEvent, readError } from "./failures.ts";
import { createPlainChunks } from "./plain-chunks.ts";

/** Most bytes without a single event: bounds an event, a line and whatever else never ends. */
const eventBytes = 16 * 1024 * 1024;
/** Most events in a row that mean nothing, before the stream is given up. */
const rubbishInRow = 100;
/** The only event names that are looked at; servers that name their events at all use these (LO13). */
const eventNames = new Set([undefined, "message", "error", "chat.completion.chunk"]);

/** What came that was no part of a completion: unreadable, or something nobody asked for (tool calls, other events). */
export type Dropped = "malformed" | "foreign";

type Fields = Readonly<Record<string, unknown>>;
type TextPiece = { type: "text" | "reasoning"; text: string };

const isFields = (value: unknown): value is Fields =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const count = (value: unknown): number | undefined =>
  typeof value === "number" && Number.isSafeInteger(value) && value >= 0 ? value : undefined;

/** The usage of a chunk or a completion, as far as it can be read. */
function readUsage(value: unknown): Usage | undefined {
  if (!isFields(value)) return undefined;
  const [inputTokens, outputTokens] = [count(value["prompt_tokens"]), count(value["completion_tokens"])];
  return inputTokens === undefined && outputTokens === undefined ? undefined : { inputTokens, outputTokens };
}

/** A stream being read. */
export type CompletionStream = {
  feed(bytes: Buffer): void;
  /** Takes a whole completion, one that was not streamed. False: it is none. */
  feedWhole(completion: unknown): boolean;
  /** The stream has come to its end by itself: what waits for its last line break counts. */
  end(): void;
  /** What has come since the last call, neighbours of one type joined. Half a character at the end waits for its other half, unless `last`. */
  take(last: boolean): ModelPiece[];
  /** It said that it is done; nothing after that is looked at. */
  done(): boolean;
  finish(): string | undefined;
  usage(): Usage | undefined;
  /** Why it must not be read any further. What came before is still to be taken. */
  failure(): ModelFailure | undefined;
};

export function createCompletionStream(options: {
  readonly secrets: readonly string[];
  readonly onDropped?: ((what: Dropped) => void) | undefined;
}): CompletionStream {
  const decoder = new StringDecoder("utf8");
  let pieces: TextPiece[] = [];
  let usage: Usage | undefined;
  let finish: string | undefined;
  let done = false;
  let failure: ModelFailure | undefined;
  let inRow = 0;
  let bytesSinceEvent = 0;
  const plainChunks = createPlainChunks();
  /** What was fed ended with an event, so that the next begins with one. */
  let isBetween = true;

  const fail = (detail: string): void => {
    failure ??= new ModelFailure("model_unavailable", { retryable: true, detail });
  };
  const drop = (what: Dropped): void => {
    options.onDropped?.(what);
    if (++inRow > rubbishInRow) fail(`more than ${rubbishInRow} events in a row that are no part of a completion`);
  };
  const append = (type: TextPiece["type"], text: string): void => {
    const before = pieces.at(-1);
    if (text === "") return;
    if (before?.type === type) before.text += text;
    else pieces.push({ type, text });
  };

  /** Returns false where the delta is of no shape that this knows. */
  const readDelta = (delta: unknown): boolean => {
    if (delta === undefined || delta === null) return true;
    if (!isFields(delta)) return false;
    // Some servers send the same reasoning under both names.
    const reasoning = delta["reasoning_content"] ?? delta["reasoning"];
    if (typeof reasoning === "string") append("reasoning", reasoning);
    const content = delta["content"] ?? delta["refusal"];
    if (typeof content === "string") append("text", content);
    else if (Array.isArray(content)) return content.every(readPart);
    else if (content !== undefined && content !== null) return false;
    if (delta["tool_calls"] !== undefined && delta["tool_calls"] !== null) options.onDropped?.("foreign");
    return true;
  };
  const readPart = (part: unknown): boolean => {
    if (!isFields(part)) return false;
    if (part["type"] === "text" && typeof part["text"] === "string") append("text", part["text"]);
    else if (part["type"] === "thinking" && Array.isArray(part["thinking"])) {
      for (const thought of part["thinking"]) {
        if (isFields(thought) && typeof thought["text"] === "string") append("reasoning", thought["text"]);
      }
    } else options.onDropped?.("foreign");
    return true;
  };

  const readChunk = (chunk: unknown): void => {
    if (!isFields(chunk)) return drop("malformed");
    if (chunk["error"] !== undefined && chunk["error"] !== null) {
      const error = readError(chunk) ?? { code: "", message: "an error without words" };
      failure ??= failureOfEvent(error, options.secrets);
      return;
    }
    const counted = readUsage(chunk["usage"]);
    if (counted !== undefined) usage = counted;
    const choices = chunk["choices"];
    if (!Array.isArray(choices)) return counted === undefined ? drop("foreign") : undefined;
    if (!choices.every(readChoice)) drop("malformed");
    else if (choices.length > 0) inRow = 0;
  };
  const readChoice = (choice: unknown): boolean => {
    if (!isFields(choice)) return false;
    if (choice["index"] !== undefined && choice["index"] !== 0) return true; // One reply was asked for.
    if (typeof choice["finish_reason"] === "string") finish = choice["finish_reason"];
    return readDelta(choice["delta"]);
  };

  const readEvent = ({ event, data }: EventSourceMessage): void => {
    if (done || failure !== undefined || data === "") return;
    bytesSinceEvent = 0;
    if (data === "[DONE]") {
      done = true;
      return;
    }
    if (!eventNames.has(event)) return drop("foreign");
    const plain = event === undefined ? plainChunks.read(data) : undefined;
    if (plain !== undefined) {
      inRow = 0;
      return append("text", plain);
    }
    let value: unknown;
    try {
      value = JSON.parse(data);
    } catch {
      return drop("malformed");
    }
    if (event === undefined) plainChunks.learn(data, value);
    readChunk(event === "error" && isFields(value) && !("error" in value) ? { error: value } : value);
  };

  const parser = createParser({
    onEvent: readEvent,
    onError: (error) => {
      // llama.cpp names an error by the field: `error: {...}`.
      if (error.field === "error" && !done) readEvent({ event: "error", data: error.value ?? "" });
      else drop("malformed");
    },
  });

  /** Most events are plain, and need no parser of events either. */
  const readText = (fed: string): void => {
    const { text, length } = isBetween ? plainChunks.skim(fed) : { text: "", length: 0 };
    if (length > 0) bytesSinceEvent = inRow = 0;
    append("text", text);
    const rest = length > 0 ? fed.slice(length) : fed;
    if (rest === "") return;
    isBetween = rest.endsWith("\n\n");
    parser.feed(rest);
  };

  return {
    feed: (bytes) => {
      if (done || failure !== undefined) return;
      bytesSinceEvent += bytes.length;
      readText(decoder.write(bytes));
      if (bytesSinceEvent > eventBytes) fail(`more than ${eventBytes} bytes without an event`);
    },
    feedWhole: (completion) => {
      if (!isFields(completion)) return false;
      const { choices, usage } = completion;
      const [choice]: unknown[] = Array.isArray(choices) ? choices : [];
      const isWhole = isFields(choice) && isFields(choice["message"]);
      const isError = completion["error"] !== undefined && completion["error"] !== null;
      if (!isWhole && !isError) return false;
      readChunk(isWhole ? { usage, choices: [{ ...choice, delta: choice["message"] }] } : completion);
      done = true;
      return true;
    },
    end: () => {
      if (!done && failure === undefined) parser.feed(`${decoder.end()}\n\n`);
    },
    take: (last) => {
      const taken = pieces;
      const end = taken.at(-1);
      pieces = [];
      if (!last && end !== undefined && (end.text.charCodeAt(end.text.length - 1) & 0xfc00) === 0xd800) {
        pieces.push({ type: end.type, text: end.text.slice(-1) });
        end.text = end.text.slice(0, -1);
        if (end.text === "") taken.pop();
      }
      for (const piece of taken) piece.text = piece.text.toWellFormed();
      return taken;
    },
    done: () => done,
    finish: () => finish,
    usage: () => usage,
    failure: () => failure,
  };
}
