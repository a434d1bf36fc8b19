// Owns how tests of models call one and gather what it says.
import {
  ModelFailure,
  type Model,
  type ModelMessage,
  type ModelPiece,
  type ModelRequest,
} from "../../src/server/ports.ts";
import { openAiModel, type OpenAiOptions } from "../../src/adapters/models/openai.ts";

export const say = (role: ModelMessage["role"], text: string): ModelMessage => ({
  role,
  content: [{ type: "text", text }],
});

export const requestOf = (...messages: ModelMessage[]): ModelRequest => ({
  conversation: "c",
  turn: "t",
  messages,
  history: [],
});

export type Heard = {
  text: string;
  reasoning: string;
  /** All pieces, and how many came at once. */
  pieces: ModelPiece[];
  batches: number[];
  failure: unknown;
};

/** Calls the model to its end, or to its failure. */
export async function hear(
  model: Model,
  prompt: string | readonly ModelMessage[],
  options: { signal?: AbortSignal; onBatch?: (heard: Heard) => void | Promise<void> } = {},
): Promise<Heard> {
  const messages = typeof prompt === "string" ? [say("user", prompt)] : prompt;
  const heard: Heard = { text: "", reasoning: "", pieces: [], batches: [], failure: undefined };
  try {
    for await (const said of model.stream(requestOf(...messages), options.signal ?? new AbortController().signal)) {
      const pieces = isMany(said) ? said : [said];
      heard.batches.push(pieces.length);
      for (const piece of pieces) {
        heard.pieces.push(piece);
        if (piece.type === "text") heard.text += piece.text;
        if (piece.type === "reasoning") heard.reasoning += piece.text;
      }
      await options.onBatch?.(heard);
    }
  } catch (error) {
    heard.failure = error;
  }
  return heard;
}

const isMany = (said: ModelPiece | readonly ModelPiece[]): said is readonly ModelPiece[] => Array.isArray(said);

/** The failure as plain fields, for comparing. */
export function fieldsOf(failure: unknown): { code: string; retryable: boolean; retryAfterMs?: number | undefined } {
  if (!(failure instanceof ModelFailure)) throw new Error("no ModelFailure", { cause: failure });
  const { code, retryable, retryAfterMs } = failure;
  return { code, retryable, retryAfterMs };
}

export const openAi = (baseUrl: string, more: Partial<OpenAiOptions> = {}): Model =>
  openAiModel({ name: "test", model: "test-model", baseUrl, prefill: false, images: false, ...more });
