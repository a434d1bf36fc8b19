// Owns the structured log on standard output: one line an event, JSON or, in a terminal, for people. It is handed names and numbers only (G13).
import { pino } from "pino";
import type { Journal } from "../../server/ports.ts";

type Fields = Readonly<Record<string, string | number | boolean | undefined>>;

/** What breaks a line apart, moves a terminal's cursor or turns the direction of its text. */
const unprintable = /[\p{C}\u2028\u2029]/gu;
const clean = (text: string): string => text.replace(unprintable, " ").slice(0, 500).toWellFormed();

/** Only texts, numbers and yes or no: anything else, whatever the types say, would be printed with all it holds. */
function cleanFields(fields: Fields | undefined): Record<string, unknown> {
  const plain = (value: unknown): unknown => {
    if (typeof value === "string") return clean(value);
    return typeof value === "number" || typeof value === "boolean" || value === undefined ? value : "[not printed]";
  };
  return Object.fromEntries(Object.entries(fields ?? {}).map(([name, value]) => [name, plain(value)]));
}

const levels: Readonly<Record<string, string>> = { "30": "info ", "40": "WARN ", "50": "ERROR" };

/** `12:00:00.000 WARN  model_failed model=demo calls=1`, for whoever watches a terminal. */
function lineForPeople(json: string): string {
  const { time, level, event, node: _, ...fields } = JSON.parse(json) as Record<string, unknown>;
  const told = Object.entries(fields).map(([name, value]) => ` ${name}=${JSON.stringify(value)}`);
  return `${String(time).slice(11, 23)} ${levels[String(level)] ?? String(level)} ${String(event)}${told.join("")}\n`;
}

/** A journal that writes lines from `level` on, or nothing for `silent`. `forPeople`: as text; by itself in a terminal. */
export function pinoJournal(level: string, node: string, forPeople = process.stdout.isTTY): Journal {
  const options = { level, base: { node }, timestamp: pino.stdTimeFunctions.isoTime, messageKey: "event" };
  const terminal = { write: (line: string) => void process.stdout.write(lineForPeople(line)) };
  const logger = forPeople ? pino(options, terminal) : pino(options);
  return {
    info: (event, fields) => logger.info(cleanFields(fields), event),
    warn: (event, fields) => logger.warn(cleanFields(fields), event),
    error: (event, fields) => logger.error(cleanFields(fields), event),
  };
}
