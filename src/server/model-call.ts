// Owns one call of a model: pulls pieces into the writer, watches silence, size and time. It never ends a turn.
import type { ErrorCode, Usage } from "../protocol/index.ts";
import { errorName } from "./journal.ts";
import {
  ModelFailure,
  type Clock,
  type Meter,
  type Model,
  type ModelPiece,
  type ModelRequest,
  type Span,
} from "./ports.ts";
import type { CallMeter } from "./allowance.ts";
import type { Writer } from "./writer.ts";

/** Bounds of one call: milliseconds of silence before the first piece and between pieces, of the whole; characters of text. */
export type CallLimits = {
  readonly firstTokenMs: number;
  readonly betweenTokensMs: number;
  readonly wholeMs: number;
  readonly outputLength: number;
};

export type CallResult =
  | { readonly kind: "completed"; readonly usage: Usage | undefined }
  | { readonly kind: "aborted" }
  | {
      readonly kind: "failed";
      readonly code: ErrorCode;
      readonly retryable: boolean;
      readonly retryAfterMs?: number | undefined;
      readonly detail: string;
    };

/** What interrupts a call from within. */
class CallLimit extends Error {
  readonly code: ErrorCode;
  readonly retryable: boolean;
  constructor(code: ErrorCode, detail: string, retryable: boolean) {
    super(detail);
    this.code = code;
    this.retryable = retryable;
  }
}

/** Calls the model and feeds the writer until the end, a failure or `signal`. Never throws. */
export async function callModel(options: {
  model: Model;
  request: ModelRequest;
  writer: Pick<Writer, "add" | "offer" | "due" | "hasRoom" | "room" | "textLength">;
  limits: CallLimits;
  /** What the person's allowance grants, beside the limits. */
  meter?: Pick<CallMeter, "grant" | "produced">;
  counts?: Meter;
  /** Is told of the first piece. */
  span?: Pick<Span, "mark"> | undefined;
  clock: Clock;
  signal: AbortSignal;
}): Promise<CallResult> {
  const { model, request, writer, limits, meter, counts, clock, signal, span } = options;
  if (signal.aborted) return { kind: "aborted" };
  const inner = new AbortController();
  let interrupt: (reason: unknown) => void = () => undefined;
  let interrupted: unknown;
  const abort = (reason: unknown): void => {
    interrupted ??= reason;
    inner.abort();
    interrupt(interrupted);
  };
  const onAbort = (): void => abort(signal);
  signal.addEventListener("abort", onAbort);
  const began = clock.monotonic();
  let lastAt = began;
  let waiting = true;
  let produced = false;
  let usage: Usage | undefined;
  /** Reads with pieces, when the first and the latest came, and the longest silence between two: what is counted at the end. */
  let reads = 0;
  let firstAt = began;
  let readAt = began;
  let longestGap = 0;
  /** Characters of text and reasoning, with what the reply had before. */
  let length = writer.textLength();
  const grant = (): number => Math.min(limits.outputLength, meter?.grant(length) ?? Number.POSITIVE_INFINITY);
  let granted = grant();

  // One timer for all silences: it looks when it fires and sets itself again, so that a piece costs no timer.
  let cancelWatch: () => void = () => undefined;
  const watch = (): void => {
    const now = clock.monotonic();
    const allowed = produced ? limits.betweenTokensMs : limits.firstTokenMs;
    const silent = waiting ? now - lastAt : 0;
    if (silent >= allowed) return abort(new CallLimit("model_timeout", `silent for ${Math.round(silent)} ms`, true));
    const whole = limits.wholeMs - (now - began);
    if (whole <= 0) return abort(new CallLimit("model_timeout", "the whole reply took too long", false));
    cancelWatch = clock.after(Math.max(1, Math.min(allowed - silent, limits.betweenTokensMs, whole)), watch);
  };
  watch();

  let result: CallResult = { kind: "aborted" };
  let iterator: AsyncIterator<ModelPiece | readonly ModelPiece[]> | undefined;
  try {
    iterator = model.stream(request, inner.signal)[Symbol.asyncIterator]();
    const source = iterator;
    for (;;) {
      const next = await new Promise<IteratorResult<ModelPiece | readonly ModelPiece[]>>((resolve, reject) => {
        interrupt = reject;
        if (interrupted !== undefined) return reject(interrupted);
        const pull = (): void => {
          if (interrupted !== undefined) return;
          lastAt = clock.monotonic();
          waiting = true;
          source.next().then(resolve, reject);
        };
        // What had come is here: what comes until the tick is read by then, all together.
        if (model.capabilities.gathers === true) writer.due(pull);
        else pull();
      });
      waiting = false;
      if (next.done === true) break;
      const pieces: readonly ModelPiece[] = isMany(next.value) ? next.value : [next.value];
      for (const piece of pieces) {
        if (piece.type === "usage") usage = { ...usage, ...piece.usage };
        else if (piece.type === "part") writer.add(piece);
        else {
          length += piece.text.length;
          if (length > granted) granted = grant();
          const over = length - granted;
          if (over <= 0) writer.add(piece);
          else {
            writer.add({ ...piece, text: piece.text.slice(0, Math.max(0, piece.text.length - over)) });
            writer.offer();
            if (length > limits.outputLength) throw new CallLimit("too_large", "the reply is too long", false);
            throw new CallLimit("quota_exceeded", "the tokens of the day are used up", false);
          }
        }
      }
      if (pieces.length > 0) {
        if (!produced) span?.mark("first piece");
        produced = true;
        const now = clock.monotonic();
        if (reads++ === 0) counts?.note({ kind: "model-first", model: model.name, ms: (firstAt = now) - began });
        else if (now - readAt > longestGap) longestGap = now - readAt;
        readAt = now;
      }
      writer.offer();
      if (!writer.hasRoom()) await writer.room();
      if (interrupted !== undefined) throw interrupted;
    }
    return (result = { kind: "completed", usage });
  } catch (error) {
    inner.abort();
    return (result = outcomeOf(interrupted ?? error, signal));
  } finally {
    cancelWatch();
    meter?.produced(length);
    counts?.note({
      kind: "model-call",
      model: model.name,
      result: result.kind === "failed" ? result.code : result.kind,
      gapMs: reads < 2 ? undefined : (readAt - firstAt) / (reads - 1),
      longestGapMs: reads < 2 ? undefined : longestGap,
      inputTokens: usage?.inputTokens ?? 0,
      outputTokens: usage?.outputTokens ?? 0,
    });
    signal.removeEventListener("abort", onAbort);
    closeQuietly(iterator);
  }
}

const isMany = (value: ModelPiece | readonly ModelPiece[]): value is readonly ModelPiece[] => Array.isArray(value);

function outcomeOf(error: unknown, signal: AbortSignal): CallResult {
  if (error === signal || signal.aborted) return { kind: "aborted" };
  if (error instanceof CallLimit) {
    const { code, retryable, message: detail } = error;
    return { kind: "failed", code, retryable, detail };
  }
  if (error instanceof ModelFailure) {
    const { code, retryable, retryAfterMs, message: detail } = error;
    return { kind: "failed", code, retryable, retryAfterMs, detail };
  }
  const detail = errorName(error);
  return { kind: "failed", code: "model_unavailable", retryable: true, detail };
}

/** Lets a generator clean up. One that ignores its signal may hang in there: nobody waits for it. */
function closeQuietly(iterator: AsyncIterator<unknown> | undefined): void {
  const ignore = (): void => undefined;
  Promise.resolve()
    .then(() => iterator?.return?.())
    .then(ignore, ignore);
}
