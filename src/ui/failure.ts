// Owns which sentence a person reads about a failure. It must not invent codes: they are those of the one table.
import { RequestError } from "../client/index.ts";
import type { Texts } from "./texts.ts";

export const rejectionText = (
  texts: Texts,
  { code, message }: { readonly code: string; readonly message: string },
): string => {
  const known: Readonly<Record<string, string>> = texts.errors;
  return known[code] ?? message;
};

/** The sentence for whatever a request was rejected with. */
export const failureText = (texts: Texts, error: unknown): string =>
  error instanceof RequestError ? rejectionText(texts, error.rejection) : texts.errors.internal;
