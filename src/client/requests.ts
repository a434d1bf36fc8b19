// Owns the commands that wait for their answer: each is sent again, under the same id, until it is answered once.
import type { Command, ErrorCode, Rejection } from "../protocol/index.ts";
import { clientErrors } from "../protocol/rejections.ts";
import type { Ack, FrameOf } from "./frames.ts";

/** What became of a command. `unknown`: given up here without an answer; the server may have done it. */
export type Result =
  | { readonly ok: true; readonly ack: Ack }
  | { readonly ok: false; readonly error: Rejection; readonly unknown?: true };

/** A command that the server, or the SDK itself, refused. */
export class RequestError extends Error {
  readonly code: ErrorCode;
  readonly rejection: Rejection;
  constructor(rejection: Rejection) {
    super(rejection.message);
    this.name = "RequestError";
    this.code = rejection.code;
    this.rejection = rejection;
  }
}

/** A refusal that the SDK itself gives. */
export const refuse = (code: keyof typeof clientErrors): Rejection => ({ code, ...clientErrors[code] });

export type Requests = {
  /** Resolves once answered, however many connections that takes. */
  send(command: Command): Promise<Result>;
  /** Sends everything unanswered again, in its order: on every new connection. */
  resend(): void;
  answered(frame: FrameOf<"ack"> | FrameOf<"error">): void;
  /** Refuses the largest frame that waits: what the server closed the connection for. */
  refuseLargest(): void;
  /** Gives up all that waits. */
  giveUp(error: Rejection): void;
  readonly size: () => number;
};

type Waiting = { readonly text: string; readonly resolve: (result: Result) => void };

const bytes = new TextEncoder();

/** `transmit` gives a text to the socket, if there is one; `frameBytes` is the largest frame that the server takes. */
export function createRequests(transmit: (text: string) => boolean, frameBytes: () => number): Requests {
  const waiting = new Map<string, Waiting>();
  const settle = (id: string, result: Result): void => {
    const request = waiting.get(id);
    if (request === undefined) return;
    waiting.delete(id);
    request.resolve(result);
  };
  return {
    send(command) {
      const text = JSON.stringify(command);
      const limit = frameBytes();
      // Three bytes are the most that one character takes.
      if (text.length * 3 > limit && bytes.encode(text).length > limit) {
        return Promise.resolve({ ok: false, error: refuse("too_large") });
      }
      return new Promise((resolve) => {
        waiting.set(command.id, { text, resolve });
        transmit(text);
      });
    },
    resend() {
      for (const { text } of waiting.values()) transmit(text);
    },
    answered(frame) {
      if (frame.type === "ack") settle(frame.id, { ok: true, ack: frame });
      else if (frame.id !== undefined) settle(frame.id, { ok: false, error: rejectionOf(frame.error) });
    },
    refuseLargest() {
      const [largest] = [...waiting].sort(([, a], [, b]) => b.text.length - a.text.length);
      if (largest !== undefined) settle(largest[0], { ok: false, error: refuse("too_large") });
    },
    giveUp(error) {
      for (const id of waiting.keys()) settle(id, { ok: false, error, unknown: true });
    },
    size: () => waiting.size,
  };
}

/** A rejection as it came; a code of a newer server is kept, its sentence is what a person needs. */
function rejectionOf(error: FrameOf<"error">["error"]): Rejection {
  return { ...error, code: error.code as ErrorCode };
}
