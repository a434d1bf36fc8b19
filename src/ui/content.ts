// Owns reading the text out of a message. It draws nothing.
import type { Message, Pending } from "../client/index.ts";

/** The text parts of a message, as one text. */
export const textOf = (message: Pick<Message, "parts">): string =>
  message.parts.flatMap((part) => (part.type === "text" && "text" in part ? [String(part.text)] : [])).join("\n\n");

/** The same of a message that is not delivered. */
export const pendingText = (pending: Pending): string =>
  pending.parts.flatMap((part) => (part.type === "text" ? [part.text] : [])).join("\n\n");
