// Owns the list of what is counted: names from closed sets and numbers, so that no person can add a series. Types only.
import type { CommandType, ErrorCode } from "../protocol/index.ts";

/** Something that happened. Times in milliseconds. `model` is one of the models that the operator chose, nothing else is free text. */
export type Measure =
  | { readonly kind: "socket-opened" }
  | { readonly kind: "signed-in"; readonly resumed: boolean }
  /** `code`: how it ended on the wire. */
  | { readonly kind: "socket-closed"; readonly signedIn: boolean; readonly code: number; readonly ms: number }
  | { readonly kind: "upgrade-refused"; readonly status: number }
  | {
      readonly kind: "command";
      readonly type: CommandType | "malformed";
      readonly result: "ok" | ErrorCode;
      readonly ms: number;
    }
  /** A reader began: without a cursor, behind the cursor it gave, or anew because that cursor is none of this log. */
  | { readonly kind: "reader"; readonly began: "fresh" | "resumed" | "reset" }
  | { readonly kind: "replayed"; readonly events: number }
  /** Live frames did not go on where a reader was, or had no room: it reads the log instead. `mismatch` MUST NOT happen in one process. */
  | { readonly kind: "reader-behind"; readonly why: "mismatch" | "no-room" }
  | { readonly kind: "slow-reader-dropped" }
  /** Bytes that wait for readers, all of them and the one with the most. */
  | { readonly kind: "queues"; readonly bytes: number; readonly most: number }
  | { readonly kind: "commit"; readonly works: number; readonly ms: number }
  | { readonly kind: "commit-failed"; readonly why: "full" | "broken" }
  | { readonly kind: "message"; readonly role: "user" | "assistant" }
  | { readonly kind: "turn"; readonly status: "completed" | "stopped" | "interrupted" | "failed" }
  /** A reply was made here from its begin to its end. */
  | { readonly kind: "reply"; readonly ms: number }
  /** From the commit of a stop to the end of the model's call. */
  | { readonly kind: "stopped"; readonly ms: number }
  | { readonly kind: "turns-taken-over"; readonly count: number }
  | { readonly kind: "model-first"; readonly model: string; readonly ms: number }
  /** A call's end. `gapMs`: the time between two reads with pieces, on average; undefined: fewer than two came. */
  | {
      readonly kind: "model-call";
      readonly model: string;
      readonly result: "completed" | "aborted" | ErrorCode;
      readonly gapMs: number | undefined;
      readonly longestGapMs: number | undefined;
      readonly inputTokens: number;
      readonly outputTokens: number;
    }
  | { readonly kind: "model-again"; readonly model: string; readonly how: "retry" | "fallback" }
  | { readonly kind: "circuit"; readonly model: string; readonly open: boolean }
  /** A file that was sent. `bytes`: how many of it were kept. */
  | { readonly kind: "upload"; readonly result: "ok" | ErrorCode; readonly bytes: number }
  | { readonly kind: "block"; readonly by: "operator" | "score" }
  | {
      readonly kind: "violation";
      readonly what: "malformedFrame" | "refusedConnection" | "failedSignIn" | "rateLimitClose";
    };
