// Owns the state machine of one socket: what a frame may do in which state. Pure.
import {
  reject,
  type CloseCode,
  type Command,
  type CommandOf,
  type Decoded,
  type Rejection,
} from "../protocol/index.ts";

/** Who speaks on a socket. Times in milliseconds since 1970; `tokenExpiresAt` where an ID token let it in. */
export type Speaker = {
  readonly user: string;
  readonly session: string;
  readonly sessionCreatedAt: number;
  readonly lastSeenAt: number;
  readonly tokenExpiresAt?: number | undefined;
  readonly warned: boolean;
};

export type SocketState =
  | { readonly kind: "waiting" }
  | { readonly kind: "open"; readonly speaker: Speaker; readonly malformed: number }
  | { readonly kind: "closed" };

/** What the shell has to do about a frame. */
export type Step =
  | { readonly do: "authenticate"; readonly command: CommandOf<"auth"> }
  | { readonly do: "handle"; readonly command: Exclude<Command, { type: "auth" }>; readonly speaker: Speaker }
  | { readonly do: "answer"; readonly id: string | undefined; readonly rejection: Rejection }
  | { readonly do: "close"; readonly code: CloseCode; readonly id?: string | undefined; readonly rejection?: Rejection }
  | { readonly do: "ignore" };

/** Malformed frames that one socket may send before it is closed. */
const malformedFrames = 10;

/** The next state and step for a frame. */
export function receiveFrame(state: SocketState, decoded: Decoded): { state: SocketState; step: Step } {
  switch (state.kind) {
    case "closed":
      return { state, step: { do: "ignore" } };
    case "waiting":
      return waitingFrame(state, decoded);
    case "open":
      return openFrame(state, decoded);
    default:
      return state satisfies never;
  }
}

function waitingFrame(state: SocketState, decoded: Decoded): { state: SocketState; step: Step } {
  if (decoded.ok && decoded.command.type === "auth")
    return { state, step: { do: "authenticate", command: decoded.command } };
  const id = decoded.ok ? decoded.command.id : decoded.id;
  return { state, step: { do: "close", code: 4401, id, rejection: reject("unauthorized") } };
}

function openFrame(
  state: Extract<SocketState, { kind: "open" }>,
  decoded: Decoded,
): { state: SocketState; step: Step } {
  if (decoded.ok) {
    const { command } = decoded;
    if (command.type !== "auth") return { state, step: { do: "handle", command, speaker: state.speaker } };
    const rejection = reject("conflict", { detail: "This connection is signed in already." });
    return { state, step: { do: "answer", id: command.id, rejection } };
  }
  const { id, rejection } = decoded;
  const malformed = state.malformed + (decoded.malformed ? 1 : 0);
  if (malformed >= malformedFrames) {
    return { state, step: { do: "close", code: 4400, id, rejection } };
  }
  return { state: { ...state, malformed }, step: { do: "answer", id, rejection } };
}

/** Milliseconds before a token's end at which its holder is warned, and after it until the socket is closed. */
const warnBefore = 60_000;
const graceAfter = 30_000;

/** The time (ms since 1970), and how old a session may become: unused, and at all (ms). */
export type Ages = { readonly now: number; readonly idleMs: number; readonly maxMs: number };

/** What time does to an open socket: nothing, a warning, or its end. */
export function tick(speaker: Speaker, limits: Ages): "nothing" | "warn" | { readonly close: 4401 | 4410 } {
  const { now } = limits;
  if (now >= sessionEnd(speaker.sessionCreatedAt, speaker.lastSeenAt, limits)) return { close: 4410 };
  const { tokenExpiresAt } = speaker;
  if (tokenExpiresAt === undefined) return "nothing";
  if (now >= tokenExpiresAt + graceAfter) return { close: 4401 };
  return now >= tokenExpiresAt - warnBefore && !speaker.warned ? "warn" : "nothing";
}

/** When a session ends if nothing more happens: by idleness or by age, whichever is first. */
export function sessionEnd(createdAt: number, lastSeenAt: number, limits: { idleMs: number; maxMs: number }): number {
  return Math.min(lastSeenAt + limits.idleMs, createdAt + limits.maxMs);
}
