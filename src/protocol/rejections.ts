// Owns the one table of error codes and the one table of close codes; must not know who sends them.

/** What a person reads, and whether trying the same thing again can help. */
type CodeEntry = { readonly message: string; readonly retryable: boolean };

/** The ones that a client says itself, apart from the others, so that its bundle holds no more. */
export const clientErrors = {
  unauthorized: { message: "You are not signed in, or the sign-in is no longer valid.", retryable: false },
  too_large: { message: "This is larger than the limit.", retryable: false },
  unavailable: {
    message: "The server cannot do this right now. Nothing was lost; try again shortly.",
    retryable: true,
  },
} as const satisfies Record<string, CodeEntry>;

/** Every error code of the wire with its sentence. Nothing else in the product words an error. */
export const errorCodes = {
  ...clientErrors,
  invalid: { message: "The request is not valid.", retryable: false },
  forbidden: { message: "You may not do this.", retryable: false },
  not_found: { message: "There is no such thing here.", retryable: false },
  conflict: { message: "This does not fit what has happened in the meantime.", retryable: false },
  unsupported_media: { message: "This kind of file is not accepted.", retryable: false },
  rate_limited: { message: "Too many requests. Wait a moment before the next one.", retryable: true },
  quota_exceeded: { message: "The allowance is used up.", retryable: true },
  blocked: { message: "Access from here is blocked.", retryable: false },
  overloaded: { message: "The server is busy. Try again shortly.", retryable: true },
  model_unavailable: { message: "The language model cannot be reached right now.", retryable: true },
  model_rate_limited: { message: "The language model is receiving too many requests right now.", retryable: true },
  model_timeout: { message: "The language model did not answer in time.", retryable: true },
  model_refused: { message: "The language model declined to answer this.", retryable: false },
  context_overflow: { message: "The conversation is too long for the language model.", retryable: false },
  internal: { message: "Something went wrong on the server.", retryable: true },
} as const satisfies Record<string, CodeEntry>;

export type ErrorCode = keyof typeof errorCodes;

/** An expected failure as a value: what the `error` of an error frame carries. `retryAfterMs` in milliseconds. */
export type Rejection = {
  readonly code: ErrorCode;
  readonly message: string;
  readonly retryable: boolean;
  readonly retryAfterMs?: number;
  readonly field?: string;
  /** The number that was exceeded, in the unit of what was refused: bytes of a file. */
  readonly limit?: number;
};

/** Makes the rejection for a code. `detail` replaces the table's sentence and must hold no secret and no text of a user. */
export function reject(
  code: ErrorCode,
  more: { field?: string; retryAfterMs?: number; detail?: string; limit?: number } = {},
): Rejection {
  const entry = errorCodes[code];
  return {
    code,
    message: more.detail ?? entry.message,
    retryable: entry.retryable,
    ...(more.retryAfterMs === undefined ? {} : { retryAfterMs: Math.ceil(more.retryAfterMs) }),
    ...(more.field === undefined ? {} : { field: more.field }),
    ...(more.limit === undefined ? {} : { limit: more.limit }),
  };
}

/** What a client does after a close code. */
type CloseAction = "reconnect" | "reconnect-slower" | "stop" | "skip-frame" | "new-token" | "sign-in" | "wait";

/** Every close code of the wire, its meaning, and what a client does about it. */
export const closeCodes = {
  1000: { meaning: "gone", action: "reconnect" },
  1001: { meaning: "going away", action: "reconnect" },
  1002: { meaning: "framing violated", action: "stop" },
  1003: { meaning: "binary frame", action: "stop" },
  1006: { meaning: "lost", action: "reconnect" },
  1007: { meaning: "bad UTF-8", action: "stop" },
  1008: { meaning: "fragment or frame budget exceeded", action: "stop" },
  1009: { meaning: "frame too large", action: "skip-frame" },
  1011: { meaning: "failed", action: "reconnect" },
  1012: { meaning: "restarting", action: "reconnect" },
  1013: { meaning: "overloaded", action: "reconnect-slower" },
  4400: { meaning: "protocol violated", action: "stop" },
  4401: { meaning: "not authenticated", action: "new-token" },
  4403: { meaning: "blocked", action: "stop" },
  4408: { meaning: "no auth in time", action: "reconnect" },
  4410: { meaning: "session ended", action: "sign-in" },
  4429: { meaning: "rate limited", action: "wait" },
} as const satisfies Record<number, { meaning: string; action: CloseAction }>;

export type CloseCode = keyof typeof closeCodes;
