// Owns how a rejection is told over HTTP: its status, and its body. It decides nothing.
import type { ServerResponse } from "node:http";
import type { ErrorCode, Rejection } from "../protocol/index.ts";

const statuses: Readonly<Partial<Record<ErrorCode, number>>> = {
  invalid: 400,
  unauthorized: 401,
  forbidden: 403,
  blocked: 403,
  not_found: 404,
  conflict: 409,
  too_large: 413,
  unsupported_media: 415,
  rate_limited: 429,
  quota_exceeded: 429,
  overloaded: 503,
  unavailable: 503,
};
export const statusOf = ({ code }: Pick<Rejection, "code">): number => statuses[code] ?? 500;

/** Seconds for a Retry-After header. */
export const secondsOf = (ms: number): number => Math.max(1, Math.ceil(ms / 1000));

/** Answers with `application/problem+json`. Source: RFC 9457. */
export function sendProblem(response: ServerResponse, status: number, rejection: Rejection): void {
  const { message, code, field, retryAfterMs, limit } = rejection;
  const headers = {
    "Content-Type": "application/problem+json",
    "Cache-Control": "no-store",
    ...(retryAfterMs === undefined ? {} : { "Retry-After": String(secondsOf(retryAfterMs)) }),
  };
  const body = {
    type: "about:blank",
    title: message,
    status,
    code,
    ...(field === undefined ? {} : { field }),
    ...(limit === undefined ? {} : { limit }),
  };
  response.writeHead(status, headers).end(JSON.stringify(body));
}
