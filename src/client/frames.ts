// Owns the edge to the server: the text of a frame to a frame, or nothing. A newer server's unknown frames and fields are let pass.
import type { Message, SessionRow, Rejection, ServerFrame } from "../protocol/index.ts";

/** What a server may add to its frames: the store's incarnation, and whose fault an error without an id is. */
export type Frame = ServerFrame & { readonly epoch?: string; readonly conversation?: string };
export type FrameOf<T extends Frame["type"]> = Extract<Frame, { type: T }>;

/** The fields of an ack beside `type` and `id`. */
export type Ack = Readonly<Record<string, unknown>>;

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null;
const isNumber = (value: unknown): boolean => typeof value === "number";
const isText = (value: unknown): boolean => typeof value === "string";

/** What every frame must have for anything here to look at it. */
const shapes: Readonly<Record<Frame["type"], (frame: Readonly<Record<string, unknown>>) => boolean>> = {
  ack: (frame) => isText(frame["id"]),
  error: (frame) => isRejection(frame["error"]),
  events: (frame) =>
    isText(frame["conversation"]) &&
    isNumber(frame["from"]) &&
    isNumber(frame["to"]) &&
    Array.isArray(frame["events"]) &&
    frame["events"].every((event) => isObject(event) && isText(event["kind"])),
  snapshot: (frame) => {
    const { state } = frame;
    if (!isText(frame["conversation"]) || !isNumber(frame["seq"]) || !isObject(state)) return false;
    return areMessages(state["messages"]) && Array.isArray(state["turns"]);
  },
  live: (frame) => isText(frame["conversation"]) && isNumber(frame["seq"]),
  conversation: (frame) => isText(frame["conversation"]) && isText(frame["updatedAt"]),
  notice: (frame) => isText(frame["code"]),
};

function isRejection(value: unknown): value is Rejection {
  return isObject(value) && isText(value["code"]) && isText(value["message"]);
}

/** True for a list of messages, as `conversation.history` answers it. */
export function areMessages(value: unknown): value is Message[] {
  return (
    Array.isArray(value) &&
    value.every(
      (item) => isObject(item) && isText(item["id"]) && Array.isArray(item["parts"]) && isObject(item["metadata"]),
    )
  );
}

function isFrame(value: unknown): value is Frame {
  if (!isObject(value)) return false;
  const { type } = value;
  return typeof type === "string" && Object.hasOwn(shapes, type) && shapes[type as Frame["type"]](value);
}

/** undefined: nothing that this version knows. Never throws. */
export function parseFrame(data: unknown): Frame | undefined {
  if (typeof data !== "string") return undefined;
  try {
    const value: unknown = JSON.parse(data);
    return isFrame(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** A text or a number of an ack; undefined where it is missing or something else. */
export const textOf = (ack: Ack, field: string): string | undefined => {
  const value = ack[field];
  return typeof value === "string" ? value : undefined;
};
export const numberOf = (ack: Ack, field: string): number | undefined => {
  const value = ack[field];
  return typeof value === "number" ? value : undefined;
};
export const objectOf = (ack: Ack, field: string): Ack => {
  const value = ack[field];
  return isObject(value) ? value : {};
};
export const listOf = (ack: Ack, field: string): readonly Ack[] => {
  const value = ack[field];
  return Array.isArray(value) ? value.filter(isObject) : [];
};

/** The rows of an answer to `session.list`. */
export const sessionsOf = (ack: Ack): readonly SessionRow[] =>
  listOf(ack, "sessions").filter((row): row is SessionRow => isText(row["id"]));
