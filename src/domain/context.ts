// Owns what of a conversation a model is given: which messages, how much of them. Pure.
import type { Message } from "../protocol/index.ts";

/** A text message for a model: the AI SDK's and OpenAI's roles. */
export type ContextMessage = { readonly role: "system" | "user" | "assistant"; readonly text: string };

/** Asked of a model that cannot go on with a reply it is shown the beginning of. */
const continueRequest =
  "Your previous reply was cut off. Continue it exactly where it stopped. Do not repeat anything and do not comment on it.";

const textOf = (message: Message): string =>
  message.parts.flatMap((part) => (part.type === "text" && typeof part.text === "string" ? [part.text] : [])).join("");

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
}): ContextMessage[] {
  const { systemPrompt, path, partial, prefill, budget } = options;
  const begun = partial === undefined ? "" : textOf(partial);
  const asked: ContextMessage[] = [];
  let left = budget - systemPrompt.length - begun.length;
  for (const message of path.toReversed()) {
    const text = textOf(message);
    left -= text.length;
    if (left < 0 && asked.length > 0) break;
    if (text.length > 0) asked.push({ role: message.role, text });
  }
  const system: ContextMessage[] = systemPrompt === "" ? [] : [{ role: "system", text: systemPrompt }];
  const tail: ContextMessage[] = begun === "" ? [] : [{ role: "assistant", text: begun }];
  if (begun !== "" && !prefill) tail.push({ role: "user", text: continueRequest });
  return [...system, ...asked.toReversed(), ...tail];
}
