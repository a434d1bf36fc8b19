// Owns the structured log on standard output: one JSON line an event. It is handed names and numbers only (G13).
import { pino } from "pino";
import type { Journal } from "../../server/ports.ts";

type Fields = Readonly<Record<string, string | number | boolean | undefined>>;

/** Control characters (newlines, terminal escapes) never reach a terminal or break a line apart. */
function clean(fields: Fields | undefined): Record<string, unknown> {
  const entries = Object.entries(fields ?? {}).map(([name, value]) => [
    name,
    typeof value === "string" ? value.replace(/\p{Cc}/gu, " ").slice(0, 500) : value,
  ]);
  return Object.fromEntries(entries) as Record<string, unknown>;
}

/** A journal that writes lines from `level` on, or nothing for `silent`. */
export function pinoJournal(level: string, node: string): Journal {
  const logger = pino({ level, base: { node }, timestamp: pino.stdTimeFunctions.isoTime, messageKey: "event" });
  return {
    info: (event, fields) => logger.info(clean(fields), event),
    warn: (event, fields) => logger.warn(clean(fields), event),
    error: (event, fields) => logger.error(clean(fields), event),
  };
}
