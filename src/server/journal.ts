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
