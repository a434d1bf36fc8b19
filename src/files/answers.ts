// Owns what the server's answers about files mean. Pure.
import { errorCodes, type ErrorCode, type Rejection } from "../protocol/rejections.ts";

/** A file as the server keeps it. `mediaType` is what its bytes are, whatever its sender called it; `sha256` in hex. */
export type StoredFile = {
  readonly id: string;
  readonly name: string;
  readonly mediaType: string;
  readonly bytes: number;
  readonly sha256: string;
};

const fieldsOf = (value: unknown): Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null ? Object.fromEntries(Object.entries(value)) : {};

/** undefined: it is no such answer. */
export function storedFileOf(body: unknown): StoredFile | undefined {
  const { id, name, mediaType, bytes, sha256 } = fieldsOf(body);
  const isWhole =
    typeof id === "string" &&
    typeof name === "string" &&
    typeof mediaType === "string" &&
    typeof bytes === "number" &&
    typeof sha256 === "string";
  return isWhole ? { id, name, mediaType, bytes, sha256 } : undefined;
}

const isCode = (code: unknown): code is ErrorCode => typeof code === "string" && Object.hasOwn(errorCodes, code);
/** What a proxy's answer without a code of ours means. */
const byStatus: Readonly<Record<number, ErrorCode>> = { 401: "unauthorized", 404: "not_found", 413: "too_large" };

/** The rejection in a problem; `retryAfter` in seconds. */
export function problemOf(status: number, body: unknown): Rejection {
  const { code, title, limit, field, retryAfter } = fieldsOf(body);
  const known = isCode(code) ? code : (byStatus[status] ?? "unavailable");
  const entry = errorCodes[known];
  return {
    code: known,
    message: typeof title === "string" ? title : entry.message,
    retryable: entry.retryable,
    ...(typeof limit === "number" ? { limit } : {}),
    ...(typeof field === "string" ? { field } : {}),
    ...(typeof retryAfter === "number" && retryAfter > 0 ? { retryAfterMs: retryAfter * 1000 } : {}),
  };
}
