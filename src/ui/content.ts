// Owns reading the text out of a message, and putting it into a box. It draws nothing.
import type { Client, Message, Pending } from "../client/index.ts";

/** The text parts of a message, as one text. */
export const textOf = (message: Pick<Message, "parts">): string =>
  message.parts.flatMap((part) => (part.type === "text" && "text" in part ? [String(part.text)] : [])).join("\n\n");

/** The same of a message that is not delivered. */
export const pendingText = (pending: Pending): string =>
  pending.parts.flatMap((part) => (part.type === "text" ? [part.text] : [])).join("\n\n");

/** Puts a text into the box of a conversation, below what stands there. */
export function addToDraft(client: Client, conversation: string, text: string): void {
  const draft = client.draft(conversation);
  const before = draft.getSnapshot();
  if (text !== "") draft.set(before.trim() === "" ? text : `${before}\n\n${text}`);
}
