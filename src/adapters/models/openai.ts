// Owns the port to every server that speaks OpenAI's chat completions; must not know which server it is.
import { Agent as HttpAgent } from "node:http";
import { Agent as HttpsAgent } from "node:https";
import { ModelFailure, type Model, type ModelMessage, type ModelPiece, type ModelRequest } from "../../server/ports.ts";
import { createCompletionStream, type CompletionStream, type Dropped } from "./completion-stream.ts";
import { post, readText, type Exchange } from "./exchange.ts";
import { failureOfConnection, failureOfStatus, tidy } from "./failures.ts";

const errorBytes = 64 * 1024;
const completionBytes = 16 * 1024 * 1024;
/** After its finish_reason a stream has this long for usage and `[DONE]`; some servers never send them, and never close. */
const finishMs = 2_000;

/**
 * `baseUrl` ends before `/chat/completions`; a query in it is kept. `prefill`: the server goes on with a trailing
 * assistant message (Ollama, llama.cpp, vLLM with its default template). `agent` must fit the URL's protocol.
 */
export type OpenAiOptions = {
  readonly name: string;
  readonly model: string;
  readonly baseUrl: string;
  readonly apiKey?: string | undefined;
  readonly prefill: boolean;
  readonly images: boolean;
  readonly agent?: HttpAgent | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** Called for each thing in a stream that was not understood or not asked for, and left out. */
  readonly onDropped?: ((what: Dropped) => void) | undefined;
  /** Milliseconds since 1970, for Retry-After as a date. */
  readonly now?: (() => number) | undefined;
};

/** The model behind a chat completions server. An aborted stream throws the signal's reason; all else is a ModelFailure. */
export function openAiModel(options: OpenAiOptions): Model {
  const { name, prefill, images, apiKey } = options;
  const url = new URL(options.baseUrl);
  url.pathname = `${url.pathname.replace(/\/+$/, "")}/chat/completions`;
  const agent =
    options.agent ??
    (url.protocol === "https:" ? new HttpsAgent({ keepAlive: true }) : new HttpAgent({ keepAlive: true }));
  const headers = {
    "content-type": "application/json",
    accept: "text/event-stream",
    "accept-encoding": "identity",
    ...(apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` }),
    ...options.headers,
  };
  const secrets = [apiKey ?? "", ...Object.values(options.headers ?? {})].filter((secret) => secret !== "");
  const now = options.now ?? Date.now;

  async function* stream(request: ModelRequest, signal: AbortSignal): AsyncGenerator<readonly ModelPiece[]> {
    const body = JSON.stringify({
      model: options.model,
      messages: request.messages.flatMap((message) => encodeMessage(message, images)),
      stream: true,
      stream_options: { include_usage: true },
    });
    let exchange: Exchange | undefined;
    let whole = false;
    try {
      const { traceparent } = request;
      const sent = traceparent === undefined ? headers : { ...headers, traceparent };
      exchange = await post(url, body, { headers: sent, agent, signal });
      if (exchange.status < 200 || exchange.status > 299) {
        const { text, whole: all } = await readText(exchange, errorBytes);
        whole = all;
        throw failureOfStatus(exchange.status, exchange.header, text, { now: now(), secrets });
      }
      const reading = createCompletionStream({ secrets, onDropped: options.onDropped });
      let read = await readFirst(exchange, reading);
      // One generator and few promises: this runs for each read of each reply.
      for (let isOpen = true; isOpen; read = undefined) {
        if (reading.finish() !== undefined) read ??= await readLast(exchange);
        else read ??= exchange.take() ?? (await readNext(exchange));
        for (const chunk of read) reading.feed(chunk);
        if (read.length === 0) reading.end();
        isOpen = read.length > 0 && !reading.done() && reading.failure() === undefined;
        const pieces = reading.take(!isOpen);
        const usage = isOpen ? undefined : reading.usage();
        if (usage !== undefined) pieces.push({ type: "usage", usage });
        if (pieces.length > 0) yield pieces;
      }
      const failure = reading.failure() ?? failureOfFinish(reading.finish(), reading.done());
      if (failure !== undefined) throw failure;
      whole = true;
    } catch (error) {
      throw signal.aborted ? signal.reason : failureOfConnection(error, secrets);
    } finally {
      exchange?.close(whole);
    }
  }

  return { name, capabilities: { prefill, images, gathers: true }, stream };
}

/** Of an answer that does not say that it is a stream: its beginning, where it is one; else nothing, the whole being read. */
async function readFirst(exchange: Exchange, reading: CompletionStream): Promise<readonly Buffer[] | undefined> {
  if ((exchange.header("content-type") ?? "").includes("text/event-stream")) return undefined;
  const first = await readNext(exchange);
  if (/^\uFEFF?\s*(?:data|event|id|retry)?:/.test(Buffer.concat(first).toString())) return first;
  const { text } = await readText(exchange, completionBytes, first);
  if (!reading.feedWhole(parseJson(text))) throw noCompletion(exchange);
  return [];
}

/** The next bytes; none where the stream has ended. */
async function readNext(exchange: Exchange): Promise<readonly Buffer[]> {
  await exchange.arrived();
  return exchange.take() ?? [];
}

/** The next bytes of a stream that has said its last word; none where it has ended, then falls silent or is cut. */
async function readLast(exchange: Exchange): Promise<readonly Buffer[]> {
  try {
    await exchange.arrived(finishMs);
    return exchange.take() ?? [];
  } catch {
    return []; // Nothing is missing; an abort is seen by the caller.
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Most often a wrong base URL that leads to a page: the same again would bring the same. */
function noCompletion(exchange: Exchange): ModelFailure {
  const type = tidy(exchange.header("content-type") ?? "of no type");
  const detail = `HTTP ${exchange.status} with a body (${type}) that is no completion; is the base URL right?`;
  return new ModelFailure("model_unavailable", { retryable: false, detail });
}

function failureOfFinish(finish: string | undefined, isDone: boolean): ModelFailure | undefined {
  switch (finish) {
    case "content_filter":
      return new ModelFailure("model_refused", { retryable: false, detail: "finish_reason content_filter" });
    case "error":
      return new ModelFailure("model_unavailable", { retryable: true, detail: "finish_reason error" });
    case undefined: {
      const detail = "the stream ended before the reply did";
      return isDone ? undefined : new ModelFailure("model_unavailable", { retryable: true, detail });
    }
    default:
      return undefined;
  }
}

type EncodedPart =
  | { readonly type: "text"; readonly text: string }
  | { readonly type: "image_url"; readonly image_url: { readonly url: string } };

type EncodedMessage = { readonly role: ModelMessage["role"]; readonly content: string | readonly EncodedPart[] };

/** A message as the wire has it; none for an empty one, which many servers refuse. Plain text stays a string: all servers take that. */
function encodeMessage({ role, content }: ModelMessage, images: boolean): EncodedMessage[] {
  const parts = content.map((part): EncodedPart => {
    if (part.type === "text") return part;
    if (!images) return { type: "text", text: "[An image, which this model cannot see.]" };
    const url = `data:${part.mediaType};base64,${Buffer.from(part.data).toString("base64")}`;
    return { type: "image_url", image_url: { url } };
  });
  if (parts.some((part) => part.type === "image_url")) return [{ role, content: parts }];
  // The parts of a reply were one text before a tool call or a source came between.
  const glue = role === "assistant" ? "" : "\n\n";
  const text = parts.map((part) => (part.type === "text" ? part.text : "")).join(glue);
  return text === "" ? [] : [{ role, content: text }];
}
