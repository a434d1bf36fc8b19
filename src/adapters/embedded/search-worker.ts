// Owns the inside of the searching thread: opens messages and looks into them. Must not keep a text or a key.
import { parentPort } from "node:worker_threads";
import { findSnippet } from "../../domain/search.ts";
import type { Snippet } from "../../protocol/index.ts";
import { openText } from "./cipher.ts";
import { isMessage } from "./codec.ts";
import type { Answer, Batch, Hits, Question } from "./search-thread.ts";

function search({ needle, bytes, messages, keys }: Batch): Hits {
  const hits: (Snippet | undefined)[] = keys.map(() => undefined);
  let start = 0;
  for (const { context, length, of } of messages) {
    const sealed = new Uint8Array(bytes, start, length);
    start += length;
    hits[of] ??= look(keys[of], sealed, context, needle);
  }
  return hits;
}

function look(key: Batch["keys"][number], sealed: Uint8Array, context: string, needle: string): Snippet | undefined {
  let message: unknown;
  try {
    message = JSON.parse(openText(key, sealed, context));
  } catch {
    // A damaged row is found when it is read; the others are searched all the same.
    return undefined;
  }
  return isMessage(message) ? findSnippet(message, needle) : undefined;
}

parentPort?.on("message", ({ id, batch }: Question) => {
  const answer: Answer = { id, hits: search(batch) };
  parentPort?.postMessage(answer);
});
