// Owns the demo assistant as a Model: says a fixed text at a pace, and goes on where it was. Must not read the real clock.
import { ModelFailure, type Clock, type Model, type ModelPiece, type ModelRequest } from "../../server/ports.ts";
import { demoReply } from "./demo-text.ts";

const pieceLength = 4;
/** Shortest sleep, in milliseconds: at a high pace one wake-up brings several pieces. */
const shortestSleep = 10;

/** The model that needs no key, for trying everything else. It says what it is. */
export function demoModel({ clock, prefill = true }: { readonly clock: Clock; readonly prefill?: boolean }): Model {
  async function* stream(request: ModelRequest, signal: AbortSignal): AsyncGenerator<readonly ModelPiece[]> {
    signal.throwIfAborted();
    const prompt = textOf(request, "user");
    const { reasoning, text, rate, ending, at } = demoReply(prompt);
    const begun = request.messages.at(-1)?.role === "assistant" ? textOf(request, "assistant") : "";
    // Another model's beginning: there is no going on from it, only a new start below it.
    const rest = text.startsWith(begun) ? text.slice(begun.length) : `\n\n${text}`;
    const end = ending === "finish" ? rest.length : Math.max(0, at - begun.length);
    const pieces = [
      ...cut(begun === "" ? reasoning : "").map((piece): ModelPiece => ({ type: "reasoning", text: piece })),
      ...cut(rest.slice(0, end)).map((piece): ModelPiece => ({ type: "text", text: piece })),
    ];

    const started = clock.monotonic();
    for (let next = 0; next < pieces.length;) {
      const early = started + (next * 1_000) / rate - clock.monotonic();
      if (early > 0) await pause(clock, Math.max(early, shortestSleep), signal);
      signal.throwIfAborted();
      const due = Math.floor(((clock.monotonic() - started) * rate) / 1_000) + 1;
      yield pieces.slice(next, Math.max(next + 1, due));
      next = Math.max(next + 1, due);
    }
    if (ending === "stall") await pause(clock, undefined, signal);
    if (ending === "fail")
      throw new ModelFailure("model_unavailable", { retryable: false, detail: "the demo was asked to fail" });
    yield [{ type: "usage", usage: { inputTokens: tokens(prompt), outputTokens: tokens(rest) } }];
  }
  return { name: "demo", capabilities: { prefill, images: true }, stream };
}

/** The text of the last message of a role. */
function textOf({ messages }: ModelRequest, role: "user" | "assistant"): string {
  const content = messages.findLast((message) => message.role === role)?.content ?? [];
  return content.map((part) => (part.type === "text" ? part.text : "")).join("");
}

const tokens = (text: string): number => Math.ceil(text.length / pieceLength);

/** Pieces of about four characters, none of which begins or ends in half of one. */
function cut(text: string): string[] {
  const out: string[] = [];
  for (let at = 0; at < text.length;) {
    const isTorn = (text.charCodeAt(at + pieceLength - 1) & 0xfc00) === 0xd800;
    const end = at + pieceLength + (isTorn ? 1 : 0);
    out.push(text.slice(at, end));
    at = end;
  }
  return out;
}

/** Waits `ms`, or without end; rejects at once with the signal's reason. */
function pause(clock: Clock, ms: number | undefined, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    let cancel = (): void => undefined;
    const stop = (): void => {
      cancel();
      reject(signal.reason instanceof Error ? signal.reason : new Error("stopped"));
    };
    if (signal.aborted) return stop();
    signal.addEventListener("abort", stop, { once: true });
    if (ms === undefined) return undefined;
    cancel = clock.after(ms, () => {
      signal.removeEventListener("abort", stop);
      resolve();
    });
    return undefined;
  });
}
