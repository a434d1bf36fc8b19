// Owns what the AI SDK's stream parts and errors mean here; must do no I/O and must take them as foreign input.
import type { Part } from "../../protocol/index.ts";
import { ModelFailure, type ModelPiece } from "../../server/ports.ts";
import { failureOfConnection, failureOfStatus } from "./failures.ts";

type Fields = Readonly<Record<string, unknown>>;
const isFields = (value: unknown): value is Fields => typeof value === "object" && value !== null;
const text = (value: unknown): string => (typeof value === "string" ? value : "");

/** What a stream part means: a piece, the end of the reply, a failure, or nothing that concerns a reader. */
export type Meaning =
  | { readonly kind: "piece"; readonly piece: ModelPiece }
  | { readonly kind: "finish"; readonly usage: ModelPiece | undefined; readonly failure: ModelFailure | undefined }
  | { readonly kind: "failure"; readonly failure: ModelFailure }
  | { readonly kind: "none" };

const none: Meaning = { kind: "none" };
const partPiece = (value: Part): Meaning => ({ kind: "piece", piece: { type: "part", value } });

/**
 * Reads a part of `doStream` (text in `delta`) or of `streamText` (text in `text`). Only the types named here mean
 * anything (LO13). Source: `LanguageModelV4StreamPart` of @ai-sdk/provider 4, `TextStreamPart` of ai 7.
 */
export function readSdkPart(part: unknown, secrets: readonly string[]): Meaning {
  if (!isFields(part)) return none;
  switch (part["type"]) {
    case "text-delta":
    case "reasoning-delta": {
      const said = text(part["delta"]) || text(part["text"]);
      const type = part["type"] === "text-delta" ? "text" : "reasoning";
      return said === "" ? none : { kind: "piece", piece: { type, text: said } };
    }
    case "source":
      return readSource(part);
    case "tool-call":
      return readTool(part, { state: "input-available" });
    case "tool-result": {
      const output = part["output"] ?? part["result"] ?? null;
      return readTool(part, { state: "output-available", output });
    }
    case "tool-error":
      // The tool's own words may hold anything; a person is told that it failed.
      return readTool(part, { state: "output-error", errorText: "The tool failed." });
    case "finish":
      return readFinish(part);
    case "error":
      return { kind: "failure", failure: failureOfSdk(part["error"], secrets) };
    default:
      return none;
  }
}

function readSource(part: Fields): Meaning {
  const title = text(part["title"]);
  const sourceId = text(part["id"]);
  if (part["sourceType"] === "url" && /^https?:/i.test(text(part["url"]))) {
    const named = title === "" ? {} : { title };
    return partPiece({ type: "source-url", sourceId, url: text(part["url"]), ...named });
  }
  if (part["sourceType"] !== "document") return none;
  return partPiece({ type: "source-document", sourceId, mediaType: text(part["mediaType"]), title });
}

/** A tool call in the shape of a UI message's `dynamic-tool` part; all its states share `toolCallId`. */
function readTool(part: Fields, state: Fields): Meaning {
  const [toolCallId, toolName] = [text(part["toolCallId"]), text(part["toolName"])];
  if (toolCallId === "" || toolName === "") return none;
  return partPiece({ type: "dynamic-tool", toolName, toolCallId, input: part["input"] ?? {}, ...state });
}

function readFinish(part: Fields): Meaning {
  const reason = part["finishReason"];
  const unified = isFields(reason) ? text(reason["unified"]) : text(reason);
  return { kind: "finish", usage: readUsage(part["totalUsage"] ?? part["usage"]), failure: failureOfFinish(unified) };
}

function readUsage(usage: unknown): ModelPiece | undefined {
  if (!isFields(usage)) return undefined;
  const count = (value: unknown): number | undefined => {
    const total = isFields(value) ? value["total"] : value;
    return typeof total === "number" && Number.isSafeInteger(total) && total >= 0 ? total : undefined;
  };
  const [inputTokens, outputTokens] = [count(usage["inputTokens"]), count(usage["outputTokens"])];
  const isKnown = inputTokens !== undefined || outputTokens !== undefined;
  return isKnown ? { type: "usage", usage: { inputTokens, outputTokens } } : undefined;
}

function failureOfFinish(reason: string): ModelFailure | undefined {
  if (reason === "content-filter") return new ModelFailure("model_refused", { retryable: false, detail: reason });
  const isCut = reason === "error" || reason === "interrupted";
  return isCut ? new ModelFailure("model_unavailable", { retryable: true, detail: `finished: ${reason}` }) : undefined;
}

/** What an error of the AI SDK means. Its `cause` is not kept: it holds the request, and with it a person's words. */
export function failureOfSdk(error: unknown, secrets: readonly string[]): ModelFailure {
  if (error instanceof ModelFailure) return error;
  if (!isFields(error)) return failureOfConnection(new Error(text(error)), secrets);
  if (error["name"] === "AI_RetryError") return failureOfSdk(error["lastError"], secrets);
  const name = text(error["name"]) || text(error["type"]);
  const message = text(error["message"]);
  const status = error["statusCode"];
  if (typeof status === "number" && status >= 400) {
    const headers = isFields(error["responseHeaders"]) ? error["responseHeaders"] : {};
    const header = (key: string): string | undefined => text(headers[key]) || undefined;
    const body = text(error["responseBody"]) || message;
    return failureOfStatus(status, header, body, { now: Date.now(), secrets });
  }
  // An `error` event inside a stream has no status: Anthropic's names, which are also those of its HTTP errors.
  const statuses: Readonly<Record<string, number>> = {
    rate_limit_error: 429,
    authentication_error: 401,
    permission_error: 403,
    invalid_request_error: 400,
    overloaded_error: 529,
    AI_LoadAPIKeyError: 401,
    AI_NoSuchModelError: 404,
    AI_UnsupportedFunctionalityError: 400,
    AI_InvalidPromptError: 400,
  };
  const known = statuses[name];
  if (known !== undefined) {
    return failureOfStatus(known, () => undefined, `${name} ${message}`, { now: 0, secrets });
  }
  return failureOfConnection(new Error(`${name} ${message}`), secrets);
}
