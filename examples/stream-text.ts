// A `streamText` call of the AI SDK as the model: its tools, its steps, any of its providers.
import { streamText, type LanguageModel } from "ai";
import { fromStreamText } from "../src/adapters/models/ai-sdk.ts";

/** `model` is any model of the AI SDK, e.g. `anthropic("claude-sonnet-5")`. */
export const assistant = (model: LanguageModel) =>
  fromStreamText(
    ({ messages }, abortSignal) => {
      const instructions = messages
        .filter((m) => m.role === "system")
        .map(textOf)
        .join("\n");
      return streamText({
        model,
        abortSignal,
        maxRetries: 0, // the server retries, and keeps what was already said
        ...(instructions === "" ? {} : { instructions }),
        messages: messages.filter((m) => m.role !== "system").map((m) => ({ role: m.role, content: textOf(m) })),
        onError: () => undefined, // the failure reaches the turn; nothing is printed here
      });
    },
    { name: "assistant" },
  );

type Message = { content: readonly { type: string; text?: string }[] };
const textOf = ({ content }: Message): string => content.map((part) => part.text ?? "").join("");
