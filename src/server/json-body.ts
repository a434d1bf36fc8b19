// Owns the reading of a small JSON body. It knows no field of it.
import type { IncomingMessage } from "node:http";
import { reject, type Rejection } from "../protocol/index.ts";

const mostBytes = 16 * 1024;

/** The JSON of a request; undefined where there is none. */
export async function readJson(request: IncomingMessage): Promise<{ json: unknown } | { wrong: Rejection }> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request) {
    if (!Buffer.isBuffer(chunk)) continue;
    bytes += chunk.length;
    if (bytes > mostBytes) return { wrong: reject("too_large") };
    chunks.push(chunk);
  }
  if (bytes === 0) return { json: undefined };
  // Pages of other sites can send forms and texts without asking, but no JSON.
  if (!/^application\/json\b/i.test(request.headers["content-type"] ?? "")) {
    return { wrong: reject("unsupported_media", { detail: "Send application/json." }) };
  }
  try {
    const json: unknown = JSON.parse(Buffer.concat(chunks).toString("utf8"));
    return { json };
  } catch {
    return { wrong: reject("invalid", { detail: "The body is no JSON." }) };
  }
}
