// Owns the way from a multipart request to the one file in it, as a stream. It keeps nothing and knows no person.
import type { IncomingMessage } from "node:http";
import { Busboy, type BusboyFileStream, type BusboyHeaders, type BusboyInstance } from "@fastify/busboy";
import { isRejection } from "../domain/records.ts";
import { reject, type Rejection } from "../protocol/index.ts";
import type { Clock } from "./ports.ts";

/** A body of which nothing comes for so long (ms) is given up. */
const silentMs = 30_000;
/** One file, few and short fields beside it, which nobody reads. */
const limits = { files: 1, fields: 10, fieldSize: 1024, parts: 12, headerPairs: 20, headerSize: 32 * 1024 };

/** The request ended before its file did. */
class CutOff extends Error {
  override readonly name = "CutOff";
}

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

/** Gives the first file of the body to `take`. Answers with what that made of it, at once where it was refused. */
export async function readMultipart<T extends object>(
  request: IncomingMessage,
  clock: Pick<Clock, "after">,
  take: (name: string, content: AsyncIterable<Uint8Array>) => Promise<T | Rejection>,
): Promise<T | Rejection> {
  const parser = parserOf(request);
  if (parser === undefined) return reject("invalid", { detail: "The multipart body has no boundary." });
  let cancelWatch = (): void => undefined;
  const watch = (): void => {
    cancelWatch();
    cancelWatch = clock.after(silentMs, () => request.destroy());
  };
  let taken: Promise<T | Rejection> | undefined;
  const { promise: whole, resolve: finished, reject: failed } = Promise.withResolvers<undefined>();
  whole.catch(() => undefined);
  const outcome = new Promise<T | Rejection | undefined>((resolve, fail) => {
    let stream: BusboyFileStream | undefined;
    const cut = (): void => {
      failed(new CutOff());
      stream?.destroy(new CutOff());
      fail(new CutOff());
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
    parser.on("error", cut);
    request.on("error", cut);
    request.on("close", () => {
      if (!request.complete) cut();
    });
  });
  request.on("data", watch);
  watch();
  request.pipe(parser);
  try {
    return (await outcome) ?? reject("invalid", { field: "file", detail: "There is no file in the body." });
  } catch (error) {
    // Whatever was begun has to be gone before it is told.
    await taken?.catch(() => undefined);
    if (error instanceof CutOff) return reject("invalid", { detail: "The body ended before the file did." });
    throw error;
  } finally {
    cancelWatch();
    request.off("data", watch);
    request.unpipe(parser);
  }
}
