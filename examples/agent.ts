// An agent of your own as the model: any async generator of texts or pieces will do.
import { modelFrom } from "../src/adapters/models/custom.ts";

/** Looks a word up, tells the reader that it does (a tool call and its states), then answers. */
export const glossary = modelFrom({
  name: "glossary",
  async *stream({ messages }) {
    const question = messages.at(-1)?.content.find((part) => part.type === "text")?.text ?? "";
    const call = { type: "dynamic-tool", toolName: "lookUp", toolCallId: "1", input: { question } } as const;
    yield { type: "part", value: { ...call, state: "input-available" } };
    const found = Object.entries(words).find(([word]) => question.toLowerCase().includes(word));
    yield { type: "part", value: { ...call, state: "output-available", output: found ?? null } };
    if (found === undefined) yield "I know these words: " + Object.keys(words).join(", ") + ".";
    else yield* [`**${found[0]}**: `, found[1]];
  },
});

const words: Record<string, string> = {
  fence: "a number that grows with every owner of a turn; only the newest may write.",
  lease: "the right to write a turn, for a short time, to be renewed.",
  epoch: "which life of a store this is.",
};
