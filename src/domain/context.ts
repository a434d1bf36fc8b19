// Owns what of a conversation a model is given: which messages, how much of them. Pure.
import type { Message } from "../protocol/index.ts";

/** A text, or a picture's bytes. */
export type ContextPart =
  | { readonly type: "text"; readonly text: string }
  | { readonly type: "image"; readonly mediaType: string; readonly data: Uint8Array };

/** A message for a model: the AI SDK's and OpenAI's roles. */
export type ContextMessage = {
  readonly role: "system" | "user" | "assistant";
  readonly content: readonly ContextPart[];
};

/** Asked of a model that cannot go on with a reply it is shown the beginning of. */
const continueRequest =
  "Your previous reply was cut off. Continue it exactly where it stopped. Do not repeat anything and do not comment on it.";

/** What a picture counts against the budget, in characters: about a thousand tokens. */
const pictureLength = 3000;

/** Characters that a message's content counts. */
export const lengthOf = (content: readonly ContextPart[]): number =>
  content.reduce((sum, part) => sum + (part.type === "text" ? part.text.length : pictureLength), 0);

/** A message's words in one piece, and its files as `attached` has them by their `url`. */
function contentOf(message: Message, attached: ReadonlyMap<string, ContextPart>): ContextPart[] {
  const words: string[] = [];
  const files: ContextPart[] = [];
  for (const part of message.parts) {
    if (part.type === "text" && typeof part.text === "string") words.push(part.text);
    const file = part.type === "file" && typeof part.url === "string" ? attached.get(part.url) : undefined;
    if (file !== undefined) files.push(file);
  }
  const text = words.join("");
  return text === "" ? files : [...files, { type: "text", text }];
}

const say = (role: ContextMessage["role"], text: string): ContextMessage => ({
  role,
  content: [{ type: "text", text }],
});

/**
 * The messages for a model call: system prompt, then the newest of `path` (root first) that fit into `budget` characters,
 * always with the last one whole. `partial` is the reply to go on with: as a prefill where the model can, else as a request.
 */
export function buildContext(options: {
  systemPrompt: string;
  path: readonly Message[];
  partial?: Message | undefined;
  prefill: boolean;
  budget: number;
  /** What is given for the files in messages, by the part's `url`; a file that it lacks is left out. */
  attached?: ReadonlyMap<string, ContextPart>;
}): ContextMessage[] {
  const { systemPrompt, path, partial, prefill, budget, attached = new Map<string, ContextPart>() } = options;
  const begun = partial === undefined ? "" : contentOf(partial, new Map()).map(textOf).join("");
  const asked: ContextMessage[] = [];
  let left = budget - systemPrompt.length - begun.length;
  for (const message of path.toReversed()) {
    const content = contentOf(message, attached);
    left -= lengthOf(content);
    if (left < 0 && asked.length > 0) break;
    if (content.length > 0) asked.push({ role: message.role, content });
  }
  const system = systemPrompt === "" ? [] : [say("system", systemPrompt)];
  const tail = begun === "" ? [] : [say("assistant", begun)];
  if (begun !== "" && !prefill) tail.push(say("user", continueRequest));
  return [...system, ...asked.toReversed(), ...tail];
}

const textOf = (part: ContextPart): string => (part.type === "text" ? part.text : "");
