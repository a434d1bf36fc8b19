// Owns what to do when a model call fails: again, another model, or the end; and when a model is left alone. Pure.
import { reject, type ErrorCode, type Rejection } from "../protocol/index.ts";

/** What a failed call is judged by. `produced`: this turn has shown pieces to readers already. */
export type FailedCall = {
  readonly code: ErrorCode;
  readonly retryable: boolean;
  readonly retryAfterMs?: number | undefined;
  /** Calls of this model in this run so far, this one included. */
  readonly calls: number;
  readonly produced: boolean;
  readonly canContinue: boolean;
  readonly hasFallback: boolean;
};

export type NextStep =
  | { readonly kind: "again"; readonly delayMs: number }
  | { readonly kind: "fallback" }
  | { readonly kind: "end"; readonly error: Rejection };

/** Calls of one model for one turn, at most. */
export const maxCalls = 3;
/** The longest wait (ms) that a Retry-After may ask of a turn; beyond it the person is told. */
const longestWait = 20_000;
const firstDelay = 500;

/** Exponential with full jitter. Source: AWS Architecture Blog, "Exponential Backoff And Jitter". `random` in [0, 1). */
function backoff(calls: number, random: number): number {
  return Math.round(random * firstDelay * 2 ** Math.min(calls, 6));
}

export function afterFailure(call: FailedCall, random: number): NextStep {
  const wait = call.retryAfterMs ?? backoff(call.calls, random);
  const mayRepeat = call.retryable && (!call.produced || call.canContinue);
  if (mayRepeat && call.calls < maxCalls && wait <= longestWait) {
    // A little jitter on top of what the server asked for, so that waiting turns do not come back together.
    return { kind: "again", delayMs: call.retryAfterMs === undefined ? wait : wait + random * 250 };
  }
  const another =
    call.code === "model_unavailable" || call.code === "model_rate_limited" || call.code === "model_timeout";
  if (call.hasFallback && another && !call.produced) return { kind: "fallback" };
  const { retryAfterMs } = call;
  return { kind: "end", error: reject(call.code, retryAfterMs === undefined ? {} : { retryAfterMs }) };
}

/** A circuit breaker for one model: closed, open until a time, or half open after it. Times in monotonic milliseconds. */
export type Breaker = { readonly failures: number; readonly openUntil: number };
export const closedBreaker: Breaker = { failures: 0, openUntil: 0 };
const failuresToOpen = 5;
const openFor = 10_000;

export function allows(breaker: Breaker, now: number): boolean {
  return now >= breaker.openUntil;
}

/** The breaker after a call. In half open (after `openUntil`) one more failure opens it again. */
export function record(breaker: Breaker, ok: boolean, now: number): Breaker {
  if (ok) return closedBreaker;
  const failures = breaker.failures + 1;
  return { failures, openUntil: failures >= failuresToOpen ? now + openFor : 0 };
}
