// Owns the way from a reply that grows to the AI SDK's chunks: what is new since the last look. It must not know where replies come from.
import type { UIMessageChunk } from "ai";
import type { Message, Part } from "../client/index.ts";

/** The chunks that bring a stream's reader from what it was told to this state of the reply. */
export type Chunker = (reply: Message, attempt: number) => UIMessageChunk[];

/** What was told of a part. `open`: its end was not. */
type Told = { readonly part: Part; open: boolean };

/** One for every stream: the first call tells the reply from its beginning, so that a reader may come in anywhere (B03). */
export function createChunker(): Chunker {
  let told: Told[] | undefined;
  let lastAttempt = 0;

  return (reply, attempt) => {
    const chunks: UIMessageChunk[] = [];
    const { metadata } = reply;
    const ended = metadata.status !== "running";
    if (told === undefined) chunks.push({ type: "start", messageId: reply.id, messageMetadata: metadata });
    // A reply is only ever made anew in another attempt; otherwise it grows, and lengths are enough.
    else if ((attempt !== lastAttempt || ended) && !continues(told, reply.parts)) {
      chunks.push({ type: "reset-step" });
      told = [];
    }
    const known = (told ??= []);
    lastAttempt = attempt;
    for (const [index, part] of reply.parts.entries()) {
      const before = known[index];
      if (before?.part === part) continue;
      if (before === undefined) chunks.push(...known.flatMap(endOf));
      known[index] = { part, open: before?.open ?? isGrowing(part) };
      chunks.push(...(isGrowing(part) ? growth(part, index, before?.part) : whole(part)));
    }
    if (!ended) return chunks;
    chunks.push(...known.flatMap(endOf));
    return [...chunks, ...lastOf(reply)];
  };
}

type Growing = Part & { readonly type: "text" | "reasoning"; readonly text: string };
const isGrowing = (part: Part): part is Growing =>
  (part.type === "text" || part.type === "reasoning") && typeof part.text === "string";

/** True where the parts go on from what was told. */
function continues(told: readonly Told[], parts: readonly Part[]): boolean {
  return told.every(({ part: before }, index) => {
    const part = parts[index];
    if (part?.type !== before.type) return false;
    return !isGrowing(before) || (isGrowing(part) && part.text.startsWith(before.text));
  });
}

const idOf = (index: number): string => `part-${index}`;

function growth(part: Growing, index: number, before: Part | undefined): UIMessageChunk[] {
  const id = idOf(index);
  const length = before !== undefined && isGrowing(before) ? before.text.length : 0;
  const start: UIMessageChunk[] = before === undefined ? [{ type: `${part.type}-start`, id }] : [];
  if (part.text.length === length) return start;
  return [...start, { type: `${part.type}-delta`, id, delta: part.text.slice(length) }];
}

function endOf(item: Told, index: number): UIMessageChunk[] {
  if (!item.open || !isGrowing(item.part)) return [];
  item.open = false;
  return [{ type: `${item.part.type}-end`, id: idOf(index) }];
}

/** The end of a reply, as it ended. */
function lastOf({ metadata }: Message): UIMessageChunk[] {
  const news = { type: "message-metadata", messageMetadata: metadata } as const;
  switch (metadata.status) {
    case "stopped":
      return [news, { type: "abort" }];
    case "failed":
      return [news, { type: "error", errorText: metadata.error?.message ?? "The reply could not be made." }];
    case "interrupted":
      return [{ type: "finish", finishReason: "interrupted", messageMetadata: metadata }];
    case "completed":
    case "running":
    case undefined:
      return [{ type: "finish", finishReason: "stop", messageMetadata: metadata }];
    default:
      return metadata.status satisfies never;
  }
}

/** A part that is told as a whole: a source, a file, data, a tool call in its present state. Others are not shown. */
function whole(part: Part): UIMessageChunk[] {
  const fields: Readonly<Record<string, unknown>> = { ...part };
  const text = (name: string): string => {
    const value = fields[name];
    return typeof value === "string" ? value : "";
  };
  const title = fields["title"] === undefined ? {} : { title: text("title") };
  switch (part.type) {
    case "file":
      return [{ type: "file", url: text("url"), mediaType: text("mediaType") }];
    case "source-url":
      return [{ type: "source-url", sourceId: text("sourceId"), url: text("url"), ...title }];
    case "source-document":
      return [
        { type: "source-document", sourceId: text("sourceId"), mediaType: text("mediaType"), title: text("title") },
      ];
    default:
      break;
  }
  if (part.type.startsWith("data-")) {
    const id = fields["id"] === undefined ? {} : { id: text("id") };
    return [{ type: `data-${part.type.slice(5)}`, ...id, data: fields["data"] }];
  }
  if (part.type.startsWith("tool-") || part.type === "dynamic-tool") return toolChunks(part.type, fields, text);
  return [];
}

function toolChunks(
  type: string,
  fields: Readonly<Record<string, unknown>>,
  text: (name: string) => string,
): UIMessageChunk[] {
  const dynamic = type === "dynamic-tool";
  const toolName = dynamic ? text("toolName") : type.slice(5);
  // The server, or the model's provider, runs the tools: a client is never asked to.
  const call = { toolCallId: text("toolCallId"), providerExecuted: true, dynamic };
  if (text("state") === "input-streaming") return [{ type: "tool-input-start", toolName, ...call }];
  const asked: UIMessageChunk = { type: "tool-input-available", toolName, input: fields["input"], ...call };
  switch (text("state")) {
    case "output-available":
      return [asked, { type: "tool-output-available", output: fields["output"], ...call }];
    case "output-error":
      return [asked, { type: "tool-output-error", errorText: text("errorText"), ...call }];
    default:
      return [asked];
  }
}
