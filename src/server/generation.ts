// Owns the making of one reply: attempts, retries, fallback, end. All it knows of the outside are the log, a writer and models.
import { buildContext, lengthOf, type ContextPart } from "../domain/context.ts";
import { isRejection, type TurnRecord } from "../domain/records.ts";
import { afterFailure } from "../domain/retry.ts";
import { beginAttempt, compact, finishTurn, type AttemptMode, type Ending } from "../domain/turn.ts";
import type { Message } from "../protocol/index.ts";
import type { Committer } from "./committer.ts";
import type { Allowance } from "./allowance.ts";
import type { AttachmentReader } from "./attachments.ts";
import { callModel, type CallLimits, type CallResult } from "./model-call.ts";
import type { ModelPool } from "./model-pool.ts";
import type { Clock, Journal, Log, Meter, Model, Span, Tracer } from "./ports.ts";
import { readEntries, readMessage, wholeMessages } from "./replies.ts";
import { createWriter, type Writer } from "./writer.ts";

export type GenerationOptions = {
  readonly log: Log;
  readonly committer: Committer;
  readonly clock: Clock;
  readonly journal: Journal;
  readonly meter: Meter;
  /** undefined: nobody wants to know. */
  readonly tracer?: Tracer | undefined;
  readonly models: ModelPool;
  readonly allowance: Allowance;
  readonly call: CallLimits;
  readonly systemPrompt: string;
  /** Reads the files in messages; undefined: there are none here. */
  readonly attachments?: AttachmentReader | undefined;
  /** Characters of context that a model is given at most. */
  readonly contextLength: number;
  /** Runs one rewriting of the log after another, so that two never overlap. */
  readonly exclusively: (rewrite: () => Promise<void>) => Promise<void>;
};

/** Messages of context read at most. */
const contextMessages = 500;
/** Events of a running reply after which its pieces are merged in the log. */
const compactEvery = 256;

/**
 * Makes the reply of a turn that this process holds, to its end. `ended`: its `turn.finished` is committed, by us or by a
 * stop. `left`: aborted or fenced; the turn is somebody else's business.
 */
export async function generate(
  options: GenerationOptions,
  turn: TurnRecord,
  resume: "first" | "continue" | "restart",
  signal: AbortSignal,
  parent?: Span,
): Promise<"ended" | "left"> {
  const own = new AbortController();
  const abort = (): void => own.abort();
  signal.addEventListener("abort", abort);
  const span = options.tracer?.begin("reply", { turn: turn.id, resume }, parent);
  let outcome: "ended" | "left" | "failed" = "failed";
  try {
    if (signal.aborted) return (outcome = "left");
    const began = options.clock.monotonic();
    outcome = await attempts(options, turn, resume, own, span);
    if (outcome === "ended") options.meter.note({ kind: "reply", ms: options.clock.monotonic() - began });
    return outcome;
  } finally {
    span?.end(outcome);
    signal.removeEventListener("abort", abort);
  }
}

async function attempts(
  options: GenerationOptions,
  turn: TurnRecord,
  resume: "first" | "continue" | "restart",
  own: AbortController,
  span: Span | undefined,
): Promise<"ended" | "left"> {
  const { models, clock, journal } = options;
  const { signal } = own;
  let model = models.primary;
  let calls = 0;
  let produced = false;
  let mode: AttemptMode = await feasible(options, turn, resume, model);
  for (;;) {
    const begun = await begin(options, turn, mode, signal);
    if (begun !== "go") return begun;
    const writer = await openWriter(options, turn, own);
    if (writer === undefined) return "left";
    const before = writer.textLength();
    calls += 1;
    const result = models.allows(model)
      ? await call(options, turn, model, writer, signal, span)
      : ({ kind: "failed", code: "model_unavailable", retryable: false, detail: "circuit open" } satisfies CallResult);
    await writer.flushed();
    if (writer.lost() || result.kind === "aborted") return "left";
    if (result.kind === "completed") {
      models.note(model, true);
      return end(
        options,
        turn,
        { status: "completed", ...(result.usage === undefined ? {} : { usage: result.usage }) },
        signal,
      );
    }
    if (result.retryable && result.code !== "model_rate_limited") models.note(model, false);
    journal.warn("model_failed", { model: model.name, code: result.code, turn: turn.id, calls, detail: result.detail });
    // What an earlier turn left in the reply (`turn.continue`) was not produced by this one.
    produced ||= writer.committedEvents() > 0 || (resume !== "first" && before > 0);
    const step = afterFailure(
      {
        ...result,
        calls,
        produced,
        canContinue: model.capabilities.prefill,
        hasFallback: models.fallback !== undefined && model !== models.fallback,
      },
      clock.random(),
    );
    if (step.kind === "end") return end(options, turn, { status: "failed", error: step.error }, signal);
    options.meter.note({ kind: "model-again", model: model.name, how: step.kind === "again" ? "retry" : "fallback" });
    if (step.kind === "again") await sleep(clock, step.delayMs, signal);
    else {
      model = models.fallback ?? model;
      calls = 0;
    }
    if (signal.aborted) return "left";
    mode = produced ? "continue" : "again";
  }
}

/** A resumed turn goes on where the model can and there is text to go on with; else it begins again. */
async function feasible(
  options: GenerationOptions,
  turn: TurnRecord,
  resume: "first" | "continue" | "restart",
  model: Model,
): Promise<AttemptMode> {
  if (resume === "first" || turn.attempts === 0) return "first";
  const found = await readMessage(options.log, turn.conversation, turn.message);
  const prefill = model.capabilities.prefill && found?.message.parts.at(-1)?.type === "text";
  // Text from an earlier turn (`turn.continue`) must not be emptied by a restart of this one.
  const continued =
    found !== undefined &&
    (found.record.message.parts.length > 0 ||
      found.entries.some(
        ({ event }) => event.kind === "turn.started" && event.message === turn.message && event.turn !== turn.id,
      ));
  return continued || (prefill && resume === "continue") ? "continue" : "restart";
}

/** Writes the attempt down. `unavailable` (no room) is waited out: the turn must not be lost for it. */
async function begin(
  options: GenerationOptions,
  turn: TurnRecord,
  mode: AttemptMode,
  signal: AbortSignal,
): Promise<"go" | "ended" | "left"> {
  for (;;) {
    if (signal.aborted) return "left";
    const outcome = await options.committer.submit(beginAttempt(turn, mode, options.clock.now()));
    if (outcome.ok) return outcome.answer["go"] === true ? "go" : "ended";
    if (outcome.rejection.code !== "unavailable") return "left";
    await sleep(options.clock, 500, signal);
  }
}

async function end(
  options: GenerationOptions,
  turn: TurnRecord,
  ending: Ending,
  signal: AbortSignal,
): Promise<"ended" | "left"> {
  for (;;) {
    const outcome = await options.committer.submit(finishTurn(turn, ending, options.clock.now()));
    if (outcome.ok) return "ended";
    if (outcome.rejection.code !== "unavailable" || signal.aborted) return "left";
    await sleep(options.clock, 500, signal);
  }
}

async function openWriter(
  options: GenerationOptions,
  turn: TurnRecord,
  own: AbortController,
): Promise<Writer | undefined> {
  const { committer, clock, log } = options;
  const found = await readMessage(log, turn.conversation, turn.message);
  if (found === undefined) return undefined;
  return createWriter({ claim: turn, message: found.message, committer, clock, onLost: () => own.abort() });
}

async function call(
  options: GenerationOptions,
  turn: TurnRecord,
  model: Model,
  writer: Writer,
  signal: AbortSignal,
  parent: Span | undefined,
): Promise<CallResult> {
  const { log, clock, meter: counts } = options;
  const history = await readPath(log, turn);
  const partial = await readMessage(log, turn.conversation, turn.message);
  const messages = buildContext({
    systemPrompt: options.systemPrompt,
    path: history,
    partial: partial?.message,
    prefill: model.capabilities.prefill,
    budget: options.contextLength,
    attached: await readAttachments(options, turn, history, model),
  });
  const asked = messages.reduce((sum, { content }) => sum + lengthOf(content), 0);
  const meter = options.allowance.call(turn, asked, writer.textLength());
  if (isRejection(meter)) {
    const { code, retryAfterMs } = meter;
    return { kind: "failed", code, retryable: false, retryAfterMs, detail: "the tokens of the day are used up" };
  }
  const span = options.tracer?.begin("model call", { model: model.name }, parent);
  const { traceparent } = span ?? {};
  const request = { conversation: turn.conversation, turn: turn.id, messages, history, traceparent };
  const stopCompacting = compactWhileRunning(options, turn, writer);
  const result = await callModel({ model, request, writer, limits: options.call, meter, counts, clock, signal, span });
  span?.end(result.kind === "failed" ? result.code : result.kind);
  meter.settle(result);
  await stopCompacting();
  return result;
}

async function readAttachments(
  { attachments, log, contextLength }: GenerationOptions,
  turn: TurnRecord,
  history: readonly Message[],
  model: Model,
): Promise<ReadonlyMap<string, ContextPart>> {
  const isNone = !history.some(({ parts }) => parts.some(({ type }) => type === "file"));
  if (attachments === undefined || isNone) return new Map();
  const conversation = await log.conversation(turn.conversation);
  return conversation === undefined ? new Map() : attachments(conversation.user, history, model, contextLength);
}

async function readPath(log: Log, turn: TurnRecord): Promise<Message[]> {
  if (turn.parent === null) return [];
  const records = await log.path(turn.conversation, turn.parent, contextMessages);
  return wholeMessages(log, turn.conversation, records, Number.POSITIVE_INFINITY);
}

/** Keeps the number of rows of a long reply small while it is being made, so that opening it stays cheap. */
function compactWhileRunning(options: GenerationOptions, turn: TurnRecord, writer: Writer): () => Promise<void> {
  const { log, clock, committer } = options;
  let after = turn.startedSeq;
  let done = 0;
  let running: Promise<void> | undefined;
  const compactNow = async (): Promise<void> => {
    done = writer.committedEvents();
    const entries = await readEntries(log, turn.conversation, after);
    await committer.submit(compact(turn.conversation, entries));
    after = entries.at(-1)?.last ?? after;
  };
  const look = (): void => {
    cancel = clock.after(2000, look);
    if (running !== undefined || writer.committedEvents() - done < compactEvery) return;
    running = options.exclusively(compactNow).finally(() => {
      running = undefined;
    });
  };
  let cancel = clock.after(2000, look);
  return async () => {
    cancel();
    await running;
  };
}

/** Waits, or less if the signal says so. */
function sleep(clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      cancel();
      signal.removeEventListener("abort", done);
      resolve();
    };
    const cancel = clock.after(ms, done);
    signal.addEventListener("abort", done);
    if (signal.aborted) done();
  });
}
