// Owns what the server adds to lines of the journal, and what of an error may be written down: its name, never its text (G13).
import type { Journal } from "./ports.ts";

/** An error's text may hold somebody's words; its name does not. */
export const errorName = (error: unknown): string => (error instanceof Error ? error.name : "unknown");

/** A journal whose lines all carry these fields. */
export function tagged(journal: Journal, tags: Readonly<Record<string, string | number>>): Journal {
  return {
    info: (event, fields) => journal.info(event, { ...tags, ...fields }),
    warn: (event, fields) => journal.warn(event, { ...tags, ...fields }),
    error: (event, fields) => journal.error(event, { ...tags, ...fields }),
  };
}

const numbers = new WeakMap<object, number>();
let latest = 0;

/** A journal whose lines carry the number of an HTTP request: always the same of one, in the order in which they are asked for. */
export function ofRequest(journal: Journal, request: object): Journal {
  const number = numbers.get(request) ?? ++latest;
  numbers.set(request, number);
  return tagged(journal, { http: number });
}
