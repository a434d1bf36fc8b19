// Owns the way from a frame's text to a command and back; must do no I/O and must never throw on input.
import * as v from "valibot";
import { commandSchemas, isCommandType, type Command } from "./commands.ts";
import type { Limits } from "./limits.ts";
import { reject, type Rejection } from "./rejections.ts";

/** What a frame turned out to be. `malformed`: no JSON object or no known type, which counts against the socket. */
export type Decoded =
  | { readonly ok: true; readonly command: Command }
  | { readonly ok: false; readonly id?: string; readonly malformed: boolean; readonly rejection: Rejection };

const malformed = (detail: string, id?: string): Decoded => ({
  ok: false,
  malformed: true,
  ...(id === undefined ? {} : { id }),
  rejection: reject("invalid", { detail }),
});

/**
 * Counts nesting and nodes of JSON text without parsing it, so that a hostile text never reaches a recursive parser.
 * Returns what is exceeded, or undefined.
 */
export function exceeds(text: string, limits: Pick<Limits, "depth" | "nodes">): "depth" | "nodes" | undefined {
  let depth = 0;
  let nodes = 0;
  let quoted = false;
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (quoted) {
      if (c === 92) i++;
      else if (c === 34) quoted = false;
    } else if (c === 34) quoted = true;
    else if (c === 123 || c === 91) {
      if (++depth > limits.depth) return "depth";
      nodes++;
    } else if (c === 125 || c === 93) depth--;
    else if (c === 44 && ++nodes > limits.nodes) return "nodes";
  }
  return nodes > limits.nodes ? "nodes" : undefined;
}

const forbiddenKeys = new Set(["__proto__", "constructor", "prototype"]);

/** True where any key at any depth could reach a prototype. Walks without recursion. */
function hasForbiddenKey(root: object): boolean {
  const stack: object[] = [root];
  for (let value = stack.pop(); value !== undefined; value = stack.pop()) {
    for (const [key, child] of Object.entries(value)) {
      if (forbiddenKeys.has(key)) return true;
      if (typeof child === "object" && child !== null) stack.push(child);
    }
  }
  return false;
}

function parseObject(text: string): Record<string, unknown> | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
  return isObject ? Object.fromEntries(Object.entries(value as object)) : undefined;
}

/** Turns the text of a frame into a command, or says what is wrong with it. Never throws. */
export function decode(text: string, limits: Limits): Decoded {
  const excess = exceeds(text, limits);
  if (excess !== undefined) return malformed(`The frame exceeds the limit of ${limits[excess]} for ${excess}.`);
  const object = parseObject(text);
  if (object === undefined) return malformed("A frame is one JSON object.");
  const id = typeof object["id"] === "string" && object["id"].length <= 64 ? object["id"] : undefined;
  if (hasForbiddenKey(object)) return malformed("The frame has a key that is not allowed.", id);
  const type = object["type"];
  if (typeof type !== "string" || !isCommandType(type)) return malformed("The frame is of no known type.", id);
  const parsed = v.safeParse(commandSchemas[type], object, { abortEarly: true });
  if (parsed.success) return checkTexts(parsed.output, limits);
  const field = v.getDotPath(parsed.issues[0]);
  const rejection = field === null ? reject("invalid") : notValid(field);
  return { ok: false, malformed: false, rejection, ...(id === undefined ? {} : { id }) };
}

const notValid = (field: string): Rejection => reject("invalid", { field, detail: `The field ${field} is not valid.` });

/** The way to the first text that no store keeps as it is: one with a NUL or half a surrogate pair. Depth is the schema's. */
function findBrokenText(value: unknown, way: string): string | undefined {
  if (typeof value === "string") return value.includes("\0") || !value.isWellFormed() ? way : undefined;
  if (typeof value !== "object" || value === null) return undefined;
  for (const [key, child] of Object.entries(value)) {
    const found = findBrokenText(child, way === "" ? key : `${way}.${key}`);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** What the shape does not say: whole texts (JS10), and the lengths that an operator may set. */
function checkTexts(command: Command, limits: Limits): Decoded {
  const broken = findBrokenText(command, "");
  if (broken !== undefined) {
    const rejection = reject("invalid", { field: broken, detail: `The field ${broken} is no whole Unicode text.` });
    return { ok: false, malformed: false, rejection, ...(broken === "id" ? {} : { id: command.id }) };
  }
  const parts = "parts" in command ? command.parts : [];
  const title = "title" in command ? (command.title ?? "") : "";
  const over = parts.length > limits.parts ? "parts" : title.length > limits.titleLength ? "title" : undefined;
  if (over !== undefined) return { ok: false, malformed: false, id: command.id, rejection: notValid(over) };
  const long = parts.findIndex((part) => part.type === "text" && part.text.length > limits.textLength);
  if (long === -1) return { ok: true, command };
  const detail = `A text may have ${limits.textLength} characters at most.`;
  const rejection = reject("too_large", { field: `parts.${long}.text`, detail });
  return { ok: false, malformed: false, id: command.id, rejection };
}

/** The text of an answer frame: `ack` with its result, or `error`. */
export const encodeAck = (id: string, result: object): string => JSON.stringify({ type: "ack", id, ...result });
export const encodeError = (id: string | undefined, error: Rejection): string =>
  JSON.stringify(id === undefined ? { type: "error", error } : { type: "error", id, error });
