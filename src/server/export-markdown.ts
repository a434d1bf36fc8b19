// Owns how a conversation reads as Markdown: for people, and for programs that know no other. Pure; it changes no word of a message.
import type { ConversationRecord } from "../domain/records.ts";
import { stamp, type Message, type Part } from "../protocol/index.ts";

/** Where a file lies beside the text, by its `url`; undefined: it does not. */
export type FileNames = (url: string) => string | undefined;

export type MarkdownOptions = {
  readonly record: ConversationRecord;
  /** The messages that are written; the others are counted. */
  readonly shown: ReadonlySet<string>;
  readonly count: number;
  readonly names: FileNames;
};

const time = (iso: string): string => `${iso.slice(0, 10)} ${iso.slice(11, 16)} UTC`;
const line = (text: string): string => text.replaceAll(/\s+/g, " ").trim();
/** A text inside a link. */
const label = (text: string): string => line(text).replaceAll(/[[\]\\]/g, String.raw`\$&`);
/** An address inside a link: nothing in it ends the link. */
const target = (address: string): string => encodeURI(address).replaceAll("(", "%28").replaceAll(")", "%29");

export async function* asMarkdown(
  { record, shown, count, names }: MarkdownOptions,
  messages: AsyncIterable<Message>,
): AsyncGenerator<string> {
  yield `# ${line(record.title ?? "") || "Conversation"}\n\nBegun ${time(stamp(record.createdAt))}.\n`;
  for await (const message of messages) {
    if (shown.has(message.id)) yield `\n---\n\n${ofMessage(message, names)}`;
  }
  const others = count - shown.size;
  if (others > 0) yield `\n---\n\nNot shown here: ${others} other versions of messages. The JSON has them.\n`;
}

function ofMessage({ role, parts, metadata }: Message, names: FileNames): string {
  const { model, createdAt, status } = metadata;
  const who = role === "user" ? "You" : model === undefined ? "Assistant" : `Assistant (${line(model)})`;
  const body = parts.map((part) => ofPart(part, names)).filter((text) => text !== "");
  if (status !== undefined && status !== "completed") body.push(`*(${status})*`);
  return `## ${who}, ${time(createdAt)}\n\n${body.join("\n\n")}\n`;
}

function ofPart(part: Part, names: FileNames): string {
  const { type } = part;
  if (type === "text" && typeof part.text === "string") return closed(part.text);
  if (type === "reasoning" && typeof part.text === "string") {
    return ["Reasoning:", "", ...part.text.split("\n")].map((text) => `> ${text}`.trimEnd()).join("\n");
  }
  if (type === "file" && "url" in part && typeof part.url === "string") {
    const { filename, mediaType } = part;
    const name = label(typeof filename === "string" ? filename : "file");
    const path = names(part.url);
    return path === undefined ? `File: ${name} (${String(mediaType)})` : `File: [${name}](${target(path)})`;
  }
  if (type === "source-url" && "url" in part && typeof part.url === "string") {
    const name = "title" in part && typeof part.title === "string" ? part.title : part.url;
    return `Source: [${label(name)}](${target(part.url)})`;
  }
  return type === "step-start" ? "" : `(${line(type)})`;
}

/** A reply that was cut inside a block of code would swallow all that follows it. */
function closed(text: string): string {
  let fence: string | undefined;
  for (const [, marks = "", rest = ""] of text.matchAll(/^ {0,3}(`{3,}|~{3,})([^\n]*)$/gm)) {
    if (fence === undefined) fence = marks;
    else if (marks.startsWith(fence) && rest.trim() === "") fence = undefined;
  }
  return fence === undefined ? text : `${text}\n${fence}`;
}
