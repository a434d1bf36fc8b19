// Owns the port to the AI SDK: a provider's language model, or a whole `streamText` call, as a Model. Imports types of it only.
import type {
  LanguageModelV4,
  LanguageModelV4FilePart,
  LanguageModelV4Message,
  LanguageModelV4TextPart,
} from "@ai-sdk/provider";
import { ModelFailure, type Model, type ModelMessage, type ModelPiece, type ModelRequest } from "../../server/ports.ts";
import { failureOfSdk, readSdkPart } from "./sdk-parts.ts";

/**
 * A language model of an AI SDK provider package, by its `doStream`. Its HTTP is the provider's: Node's `fetch` ends a
 * connection after five minutes of silence, unless the provider was given another. An aborted stream throws the signal's reason.
 */
export function aiSdkModel(options: {
  readonly name: string;
  readonly model: Pick<LanguageModelV4, "doStream">;
  readonly prefill: boolean;
  readonly images: boolean;
  /** What must not get into a log, should the provider repeat it: the key. */
  readonly secrets?: readonly string[];
}): Model {
  const { name, model, prefill, images, secrets = [] } = options;
  async function* stream(request: ModelRequest, signal: AbortSignal): AsyncGenerator<ModelPiece> {
    signal.throwIfAborted();
    const prompt = request.messages.flatMap((message) => encodeMessage(message, images));
    let parts: ReadableStream<unknown>;
    try {
      ({ stream: parts } = await model.doStream({ prompt, abortSignal: signal }));
    } catch (error) {
      throw signal.aborted ? signal.reason : failureOfSdk(error, secrets);
    }
    yield* readParts(parts, signal, secrets);
  }
  return { name, capabilities: { prefill, images }, stream };
}

/** What `streamText` of `ai` 5 to 7, or an agent's `stream()`, gives back, as far as it matters here. */
export type StreamTextLike =
  | { readonly stream: ReadableStream<unknown> }
  | { readonly fullStream: ReadableStream<unknown> };

/**
 * A `streamText` call as a Model: tools, steps and all. Hand `signal` on as `abortSignal`, and set `maxRetries: 0`: calls
 * are repeated by the server, which keeps what was already said.
 */
export function fromStreamText(
  run: (request: ModelRequest, signal: AbortSignal) => StreamTextLike | PromiseLike<StreamTextLike>,
  options: { readonly name?: string; readonly prefill?: boolean; readonly images?: boolean } = {},
): Model {
  const { name = "streamText", prefill = false, images = false } = options;
  async function* stream(request: ModelRequest, signal: AbortSignal): AsyncGenerator<ModelPiece> {
    signal.throwIfAborted();
    let result: StreamTextLike;
    try {
      result = await run(request, signal);
    } catch (error) {
      throw signal.aborted ? signal.reason : failureOfSdk(error, []);
    }
    yield* readParts("stream" in result ? result.stream : result.fullStream, signal, []);
  }
  return { name, capabilities: { prefill, images }, stream };
}

async function* readParts(
  parts: ReadableStream<unknown>,
  signal: AbortSignal,
  secrets: readonly string[],
): AsyncGenerator<ModelPiece> {
  const reader = parts.getReader();
  const ignore = (): void => undefined; // The stream is given up; how it takes that is its own affair.
  const stop = (): void => void reader.cancel(signal.reason).catch(ignore);
  signal.addEventListener("abort", stop, { once: true });
  if (signal.aborted) stop();
  let isFinished = false;
  try {
    for (;;) {
      const next = await reader.read();
      signal.throwIfAborted();
      if (next.done) break;
      const meaning = readSdkPart(next.value, secrets);
      if (meaning.kind === "piece") yield meaning.piece;
      else if (meaning.kind === "failure") throw meaning.failure;
      else if (meaning.kind === "finish") {
        isFinished = true;
        if (meaning.usage !== undefined) yield meaning.usage;
        if (meaning.failure !== undefined) throw meaning.failure;
      }
    }
    if (!isFinished) throw new ModelFailure("model_unavailable", { retryable: true, detail: "the stream was cut" });
  } catch (error) {
    throw signal.aborted ? signal.reason : failureOfSdk(error, secrets);
  } finally {
    signal.removeEventListener("abort", stop);
    if (!isFinished) stop();
  }
}

/** A message as a provider takes it; none for an empty one, which many refuse. */
function encodeMessage({ role, content }: ModelMessage, images: boolean): LanguageModelV4Message[] {
  const texts = content.flatMap((part) => (part.type === "text" && part.text !== "" ? [part] : []));
  switch (role) {
    case "system":
      return texts.length === 0 ? [] : [{ role, content: texts.map((part) => part.text).join("\n\n") }];
    case "assistant":
      return texts.length === 0 ? [] : [{ role, content: [{ type: "text", text: texts.map((p) => p.text).join("") }] }];
    case "user": {
      const parts = content.flatMap((part): (LanguageModelV4TextPart | LanguageModelV4FilePart)[] => {
        if (part.type === "text") return part.text === "" ? [] : [part];
        if (!images) return [{ type: "text", text: "[An image, which this model cannot see.]" }];
        return [{ type: "file", mediaType: part.mediaType, data: { type: "data", data: part.data } }];
      });
      return parts.length === 0 ? [] : [{ role, content: parts }];
    }
    default:
      return role satisfies never;
  }
}
