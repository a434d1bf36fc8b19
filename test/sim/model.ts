// Owns the model of a world: drawn replies in drawn pieces, silences and failures. It writes down what it gave.
import { ModelFailure, type Model, type ModelPiece, type ModelRequest } from "../../src/server/ports.ts";
import type { Chance } from "./chance.ts";

/** One call as the model saw it. */
export type Call = {
  readonly turn: string;
  readonly conversation: string;
  readonly request: ModelRequest;
  readonly beganAt: number;
  /** Text that was given so far; reasoning is not counted. */
  text: string;
  state: "running" | "completed" | "failed" | "aborted";
  abortedAt: number | undefined;
};

export type ModelTemper = {
  /** Probabilities per call. */
  readonly failing: number;
  readonly stalling: number;
  readonly cutting: number;
  readonly longest: number;
  readonly pace: number;
};

export const calmTemper: ModelTemper = { failing: 0, stalling: 0, cutting: 0, longest: 5, pace: 10 };

const words = [
  "so ",
  "the ",
  "answer ",
  "is ",
  "forty-two. ",
  "\n\n",
  "```js\nx = 1\n```\n",
  "- item\n",
  "|a|b|\n",
  "naïve ",
  "e\u0301 ",
  "日本語",
  "مرحبا ",
  "🙂",
  "👩‍👩‍👧‍👦",
  "🏳️‍🌈",
  "𝒳𝒴",
  "𠮷野家 ",
  "🇩🇪🇫🇷",
  "\t",
  "\u200d",
  "\ufeff",
  "\r\n",
  "<b>&amp;</b> ",
  "$x^2$ ",
  "\u2028",
  "\\u0000 ",
] as const;

/** A text that is whole Unicode and bears the mark of its user. */
export function drawText(chance: Chance, mark: string, most: number): string {
  let text = chance.maybe(0.8) ? mark : "";
  for (let i = chance.whole(1, most); i > 0; i--) text += chance.pick(words);
  return text;
}

/** Cuts a text anywhere, surrogate pairs included. */
function cutUp(chance: Chance, text: string): string[] {
  const pieces: string[] = [];
  for (let at = 0; at < text.length;) {
    const length = chance.maybe(0.05) ? chance.whole(30, 200) : chance.whole(1, 9);
    pieces.push(text.slice(at, at + length));
    at += length;
    if (chance.maybe(0.02)) pieces.push("");
  }
  return pieces;
}

function drawPieces(chance: Chance, mark: string, longest: number): ModelPiece[] {
  const pieces: ModelPiece[] = [];
  const tool = `call_${chance.hex(6)}`;
  for (let runs = chance.whole(0, 3); runs >= 0; runs--) {
    const kind = chance.weighted({ text: 8, reasoning: 2, source: 1, tool: 1 });
    if (kind === "text" || kind === "reasoning") {
      const whole = drawText(chance, mark, longest);
      pieces.push(...cutUp(chance, whole).map((text) => ({ type: kind, text })));
    } else if (kind === "source") {
      pieces.push({
        type: "part",
        value: { type: "source-url", sourceId: chance.hex(8), url: "https://example.org/" },
      });
    } else {
      for (const state of ["input-streaming", "input-available", "output-available"]) {
        pieces.push({ type: "part", value: { type: "tool-clock", toolCallId: tool, state, mark } });
        if (chance.maybe(0.3)) pieces.push({ type: "text", text: `${mark}…` });
      }
    }
  }
  if (chance.maybe(0.7)) pieces.push({ type: "usage", usage: { inputTokens: 10, outputTokens: pieces.length } });
  return pieces;
}

const failures = [
  "model_unavailable",
  "model_rate_limited",
  "model_timeout",
  "model_refused",
  "context_overflow",
] as const;

export function createModel(options: {
  name: string;
  chance: Chance;
  prefill: boolean;
  temper: () => ModelTemper;
  /** Waits on the process that calls: never, once it is dead. */
  wait: (ms: number) => Promise<void>;
  now: () => number;
  mark: (conversation: string) => string;
  called: (call: Call) => void;
  stalled: (call: Call) => void;
}): Model {
  const { chance, wait, now } = options;

  async function* stream(
    request: ModelRequest,
    signal: AbortSignal,
  ): AsyncGenerator<ModelPiece | readonly ModelPiece[]> {
    const { turn, conversation } = request;
    const temper = options.temper();
    if (request.purpose === "title") {
      yield* drawTitle(request, signal);
      return;
    }
    const call: Call = {
      turn,
      conversation,
      request,
      beganAt: now(),
      text: "",
      state: "running",
      abortedAt: undefined,
    };
    let wake: () => void = () => undefined;
    const aborted = new Promise<void>((resolve) => (wake = resolve));
    signal.addEventListener("abort", () => {
      call.abortedAt ??= now();
      wake();
    });
    if (signal.aborted) call.abortedAt = now();
    options.called(call);
    const nap = (ms: number): Promise<void> => Promise.race([wait(ms), aborted]);
    const pieces = drawPieces(chance, options.mark(conversation), temper.longest);
    const stalls = chance.maybe(temper.stalling) ? chance.whole(0, pieces.length) : -1;
    const cuts = chance.maybe(temper.cutting) ? chance.whole(0, pieces.length) : -1;
    const fails = chance.maybe(temper.failing) ? chance.whole(0, Math.min(3, pieces.length)) : -1;
    try {
      await nap(chance.whole(0, temper.pace * 4));
      for (let at = 0; at <= pieces.length; at++) {
        if (signal.aborted) {
          // Some need a moment to notice.
          if (chance.maybe(0.3)) await wait(chance.whole(1, 300));
          call.state = "aborted";
          return;
        }
        if (at === stalls) {
          options.stalled(call);
          await aborted;
          at--;
          continue;
        }
        if (at === fails) {
          call.state = "failed";
          if (chance.maybe(0.15)) throw new TypeError("fetch failed");
          const retryAfterMs = chance.maybe(0.3) ? chance.pick([0, 10, 700, 3000, 90_000]) : undefined;
          throw new ModelFailure(chance.pick(failures), {
            retryable: chance.maybe(0.6),
            retryAfterMs,
            detail: "drawn",
          });
        }
        if (at === cuts) {
          call.state = "failed";
          throw new ModelFailure("model_unavailable", { retryable: true, detail: "cut" });
        }
        const many = chance.maybe(0.2) ? chance.whole(2, 6) : 1;
        const given = pieces.slice(at, at + many).slice(0, limit(at, stalls, cuts, fails));
        at += Math.max(1, given.length) - 1;
        for (const piece of given) if (piece.type === "text") call.text += piece.text;
        const [only] = given;
        if (given.length === 1 && only !== undefined && chance.maybe(0.8)) yield only;
        else if (given.length > 0) yield given;
        if (chance.maybe(0.9))
          await nap(chance.maybe(0.03) ? chance.whole(200, 900) : chance.whole(0, temper.pace * 2));
      }
      call.state = "completed";
    } finally {
      // Left by its reader in the middle.
      if (call.state === "running") call.state = "aborted";
    }
  }

  /** A title, or one of the ways in which none comes. */
  async function* drawTitle({ conversation }: ModelRequest, signal: AbortSignal): AsyncGenerator<ModelPiece> {
    const way = chance.weighted({ good: 5, late: 2, fails: 2, nonsense: 2, silent: 1 });
    const aborted = new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
    if (way === "fails") throw new ModelFailure("model_unavailable", { retryable: true, detail: "drawn" });
    await Promise.race([wait(way === "late" ? chance.whole(500, 9000) : chance.whole(0, 200)), aborted]);
    if (way === "silent") await aborted;
    if (signal.aborted) return;
    const text = way === "nonsense" ? "Sure!\n\nHere\nis one" : `Title: "${options.mark(conversation)} titled"`;
    for (const piece of cutUp(chance, text)) yield { type: "text", text: piece };
  }

  return { name: options.name, capabilities: { prefill: options.prefill, images: false }, stream };
}

/** Pieces that may be given at once without jumping over something that is to happen before one of them. */
function limit(at: number, ...marks: number[]): number {
  return Math.min(...marks.filter((mark) => mark > at).map((mark) => mark - at), Number.POSITIVE_INFINITY);
}
