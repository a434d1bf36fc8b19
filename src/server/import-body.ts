// Owns reading a large body: counted while it comes, ended where it is too much or falls silent. It does not look into it.
import type { IncomingMessage } from "node:http";
import { reject, type Rejection } from "../protocol/index.ts";
import type { Clock } from "./ports.ts";

/** A body of which nothing comes for so long (ms) is given up. */
const silentMs = 30_000;

export type CountedBody = {
  /** Ends early where it was refused. */
  readonly chunks: AsyncIterable<Uint8Array>;
  readonly bytes: () => number;
  /** Why it ended early. */
  readonly refused: () => Rejection | undefined;
};

/** `judge` is asked with all that has come so far. */
export function countedBody(
  request: IncomingMessage,
  clock: Pick<Clock, "after">,
  judge: (bytes: number) => Rejection | undefined,
): CountedBody {
  let bytes = 0;
  let refused: Rejection | undefined;
  async function* chunks(): AsyncGenerator<Uint8Array> {
    const late = (): void => void request.destroy();
    let cancel = clock.after(silentMs, late);
    try {
      // Whoever stops reading still answers: the request is not ended with it.
      for await (const chunk of request.iterator({ destroyOnReturn: false })) {
        cancel();
        if (!Buffer.isBuffer(chunk)) continue;
        bytes += chunk.length;
        refused = judge(bytes);
        if (refused !== undefined) return;
        yield chunk;
        cancel = clock.after(silentMs, late);
      }
    } catch {
      refused = reject("invalid", { detail: "The body ended before it was whole." });
    } finally {
      cancel();
    }
  }
  return { chunks: chunks(), bytes: () => bytes, refused: () => refused };
}
