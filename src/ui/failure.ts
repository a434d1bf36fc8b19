// Owns which sentence a person reads about a failure. It must not invent codes: they are those of the one table.
import { RequestError } from "../client/index.ts";
import type { Formats } from "./formats.ts";
import type { Texts } from "./texts.ts";
import { countedDown } from "./times.ts";

export const rejectionText = (
  texts: Texts,
  { code, message }: { readonly code: string; readonly message: string },
): string => {
  const known: Readonly<Record<string, string>> = texts.errors;
  return known[code] ?? message;
};

/** The sentence for whatever a request was rejected with, and when it may be tried again, where that can help. */
export function failureText(texts: Texts, formats: Formats, error: unknown): string {
  if (!(error instanceof RequestError)) return `${texts.errors.internal} ${texts.tryAgain}`;
  const { rejection } = error;
  const sentence = rejectionText(texts, rejection);
  if (rejection.retryAfterMs === undefined) return rejection.retryable ? `${sentence} ${texts.tryAgain}` : sentence;
  const seconds = Math.ceil(rejection.retryAfterMs / 1000);
  const now = Date.now();
  const when = formats.soon(now + rejection.retryAfterMs, now);
  return `${sentence} ${seconds > countedDown ? texts.tryAgainAt(when) : texts.tryAgainIn(seconds)}`;
}
