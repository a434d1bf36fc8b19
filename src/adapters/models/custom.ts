// Owns the short way to a Model of one's own: any async generator. Must add nothing but defaults.
import type { Model, ModelPiece, ModelRequest } from "../../server/ports.ts";

/** What such a generator may yield: a text, a piece, or several at once. */
export type Said = string | ModelPiece | readonly (string | ModelPiece)[];

/**
 * A Model from any async generator of texts or pieces: an agent, a script, another SDK. `signal` is aborted when nobody
 * wants the reply any more; a generator that waits for something should hand it on.
 */
export function modelFrom(options: {
  readonly name: string;
  readonly stream: (request: ModelRequest, signal: AbortSignal) => AsyncIterable<Said>;
  /** Default false: a request never ends with a part of the reply. */
  readonly prefill?: boolean;
  readonly images?: boolean;
}): Model {
  const { name, prefill = false, images = false } = options;
  async function* stream(request: ModelRequest, signal: AbortSignal): AsyncGenerator<readonly ModelPiece[]> {
    signal.throwIfAborted();
    for await (const said of options.stream(request, signal)) {
      signal.throwIfAborted();
      const all = isMany(said) ? said : [said];
      yield all.map((one): ModelPiece => (typeof one === "string" ? { type: "text", text: one } : one));
    }
  }
  return { name, capabilities: { prefill, images }, stream };
}

const isMany = (said: Said): said is readonly (string | ModelPiece)[] => Array.isArray(said);
