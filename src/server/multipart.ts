// Owns the way from a multipart request to the one file in it, as a stream. It keeps nothing and knows no person.
import type { IncomingMessage } from "node:http";
import { Busboy, type BusboyFileStream, type BusboyHeaders, type BusboyInstance } from "@fastify/busboy";
import { isRejection } from "../domain/records.ts";
import { reject, type Rejection } from "../protocol/index.ts";
import type { Clock } from "./ports.ts";

/** A body of which so few bytes come in so long (ms) is given up: it holds a place that others want. */
const slow = { bytes: 16 * 1024, ms: 30_000 };
/** What a body may be longer than its file. */
const wrapping = 64 * 1024;
/** One file, few and short fields beside it, which nobody reads. */
const limits = { files: 1, fields: 10, fieldSize: 1024, parts: 12, headerPairs: 20, headerSize: 32 * 1024 };

/** The body is none of a file: it ended before its file did, or goes on behind it. The message is for who sent it. */
class CutOff extends Error {
  override readonly name = "CutOff";
}
const ended = "The body ended before the file did.";

/** undefined: the body says no boundary, and nothing can be found in it. */
function parserOf({ headers }: IncomingMessage): BusboyInstance | undefined {
  const type = headers["content-type"] ?? "";
  try {
    return new Busboy({
      headers: { ...headers, "content-type": type } satisfies BusboyHeaders,
      limits,
      defCharset: "utf8",
    });
  } catch {
    return undefined;
  }
}

/** A file ends with its body, not before: one whose sender never saw the end of it is not kept. */
async function* untilWhole(file: AsyncIterable<Uint8Array>, whole: Promise<undefined>): AsyncGenerator<Uint8Array> {
  yield* file;
  await whole;
}

/**
 * Gives the first file of the body to `take`. Answers with what that made of it, at once where it was refused. `most`: bytes
 * that a file may have; a body has hardly more.
 */
export async function readMultipart<T extends object>(
  request: IncomingMessage,
  clock: Pick<Clock, "after">,
  most: number,
  take: (name: string, content: AsyncIterable<Uint8Array>) => Promise<T | Rejection>,
): Promise<T | Rejection> {
  const parser = parserOf(request);
  if (parser === undefined) return reject("invalid", { detail: "The multipart body has no boundary." });
  let came = 0;
  let cancelWatch = (): void => undefined;
  const watch = (before: number): void => {
    cancelWatch = clock.after(slow.ms, () => (came - before < slow.bytes ? request.destroy() : watch(came)));
  };
  let taken: Promise<T | Rejection> | undefined;
  const { promise: whole, resolve: finished, reject: failed } = Promise.withResolvers<undefined>();
  whole.catch(() => undefined);
  let count = (_data: Uint8Array): void => undefined;
  const outcome = new Promise<T | Rejection | undefined>((resolve, fail) => {
    let stream: BusboyFileStream | undefined;
    const cut = (why: string): void => {
      failed(new CutOff(why));
      stream?.destroy(new CutOff(why));
      fail(new CutOff(why));
    };
    count = (data) => {
      came += data.length;
      if (came > most + wrapping) cut("The body is longer than a file may be.");
    };
    parser.on("file", (_field, file, name: unknown) => {
      stream = file;
      // Destroyed before anybody reads it, it would throw where nobody listens.
      file.on("error", () => undefined);
      taken = take(typeof name === "string" ? name : "", untilWhole(file, whole));
      // A refusal does not wait for what is still coming.
      taken.then((made) => isRejection(made) && resolve(made), fail);
    });
    parser.on("finish", () => {
      finished(undefined);
      resolve(taken);
    });
    parser.on("error", () => cut(ended));
    request.on("error", () => cut(ended));
    request.on("close", () => {
      if (!request.complete) cut(ended);
    });
  });
  request.on("data", count).once("end", () => cancelWatch());
  watch(0);
  request.pipe(parser);
  try {
    return (await outcome) ?? reject("invalid", { field: "file", detail: "There is no file in the body." });
  } catch (error) {
    // Whatever was begun has to be gone before it is told.
    await taken?.catch(() => undefined);
    if (error instanceof CutOff) return reject("invalid", { detail: error.message });
    throw error;
  } finally {
    cancelWatch();
    request.off("data", count);
    request.unpipe(parser);
  }
}
