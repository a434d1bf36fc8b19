// Owns how one reply of the test model goes over the wire; must not know about routes or records.
import type { ServerResponse } from "node:http";
import { setTimeout as sleep } from "node:timers/promises";
import type { Behaviour } from "./model-server-behaviour.ts";
import { pieces } from "./model-server-text.ts";

/** What a reply tells about itself while it goes out. */
/** `hold`: no more than so many characters go out now; undefined: all. */
export type Progress = { deltas: number; chars: number; bytes: number; hold: number | undefined };

type Delta = { readonly content?: string; readonly [field: string]: unknown };

const frame = (delta: Delta, finish: string | null = null, more: object = {}): string =>
  `data: ${JSON.stringify({
    id: "chatcmpl-7f3a9c2e51d84b06a1",
    object: "chat.completion.chunk",
    created: 1760000000,
    model: "test-model",
    system_fingerprint: "fp_44709d6fcb",
    choices: [{ index: 0, delta, logprobs: null, finish_reason: finish }],
    ...more,
  })}\n\n`;

const rubbish = [
  "data: {not json",
  "data: 17",
  'data: {"choices":"none"}',
  "nonsense",
  "data:",
  'data: {"choices":[{"delta":7}]}',
];
const hostile = [
  'event: execute\ndata: {"type":"execute","data":{"code":"alert(1)"}}',
  'data: {"event":{"type":"execute","data":{"code":"alert(1)"}}}',
  'data: {"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"c1","type":"function","function":{"name":"rm","arguments":"{}"}}]}}]}',
  'event: chat.completion.execute\ndata: {"choices":[{"index":0,"delta":{"content":"INJECTED"}}]}',
  'data: {"__proto__":{"polluted":true},"choices":[]}',
];

/** Waits until `open` says otherwise or the time is over. */
async function wait(ms: number, response: ServerResponse): Promise<void> {
  const closed = new AbortController();
  const stop = (): void => closed.abort();
  response.once("close", stop);
  await sleep(ms, undefined, { signal: closed.signal }).catch(() => undefined);
  response.off("close", stop);
}

function drained(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      response.off("drain", done).off("close", done);
      resolve();
    };
    response.on("drain", done).on("close", done);
  });
}

/** Sends `text` (and `reasoning` before it) as the behaviour asks. Resolves when all is out or the client is gone. */
export async function sendReply(
  response: ServerResponse,
  behaviour: Behaviour,
  said: { readonly text: string; readonly reasoning: string; readonly promptTokens: number },
  progress: Progress,
): Promise<void> {
  const gone = (): boolean => response.destroyed || response.writableEnded;
  const write = async (data: string): Promise<void> => {
    const bytes = Buffer.from(data);
    const size = behaviour.slice ?? bytes.length;
    for (let at = 0; at < bytes.length && !gone(); at += size) {
      const part = bytes.subarray(at, at + size);
      progress.bytes += part.length;
      const room = response.write(part);
      if (behaviour.slice !== undefined) await new Promise((resolve) => setImmediate(resolve));
      if (!room && !gone()) await drained(response);
    }
  };
  const silence = async (): Promise<void> => {
    while (!gone()) {
      await wait(behaviour.comments ?? 60_000, response);
      if (behaviour.comments !== undefined && !gone()) await write(": keep-alive\n\n");
    }
  };

  if (behaviour.stall === -1) return silence();
  if (behaviour.header !== undefined) await wait(behaviour.header, response);
  if (gone()) return;
  response.writeHead(200, { "content-type": behaviour.type ?? "text/event-stream; charset=utf-8" });
  response.flushHeaders();
  if (behaviour.line === true) return endlessLine(write, gone);

  const size = behaviour.piece ?? 4;
  let started = performance.now();
  const send = async (delta: Delta, text: string): Promise<boolean> => {
    if (behaviour.stall === progress.deltas) await silence();
    const held = performance.now();
    while (progress.chars >= (progress.hold ?? Infinity) && !gone()) {
      // Thousands may be held at once, and for long.
      await wait(performance.now() - held < 1000 ? 10 : 100, response);
    }
    started += performance.now() - held;
    if (behaviour.cut === progress.deltas) {
      const whole = frame({ content: "never seen" });
      await write(whole.slice(0, Math.floor(whole.length * 0.6)));
      await wait(20, response); // so that the half line is on its way before the reset
      response.destroy();
    }
    if (behaviour.truncate === progress.deltas) response.end();
    if (behaviour.error === progress.deltas && !gone()) {
      const error = {
        message: behaviour.message ?? "It broke.",
        type: "server_error",
        code: behaviour.code ?? "server_error",
      };
      await write(`data: ${JSON.stringify({ error })}\n\n`);
      response.end();
    }
    if (gone()) return false;
    if (behaviour.rubbish !== undefined) {
      for (let i = 0; i < behaviour.rubbish; i++) await write(`${rubbish[i % rubbish.length]}\n\n`);
    }
    if (behaviour.hostile === true) await write(`${hostile[progress.deltas % hostile.length]}\n\n`);
    if (behaviour.rate !== undefined && behaviour.rate > 0) {
      const due = started + (progress.deltas * 1000) / behaviour.rate - performance.now();
      if (due > 1) await wait(due, response);
    }
    if (gone()) return false;
    await write(frame(delta));
    progress.deltas++;
    progress.chars += text.length;
    return true;
  };

  await write(frame({ role: "assistant", content: "" }));
  for (const piece of pieces(said.reasoning, size)) {
    if (!(await send({ [behaviour.field ?? "reasoning_content"]: piece }, ""))) return;
  }
  while (behaviour.endless === true) {
    const flood = "flood ".repeat(Math.ceil(size / 6)).slice(0, size);
    if (!(await send({ content: flood }, flood))) return;
  }
  for (const piece of pieces(said.text, size, behaviour.pairs)) {
    if (!(await send({ content: piece }, piece))) return;
  }
  // A fault that is due behind the last delta.
  if (
    [behaviour.stall, behaviour.cut, behaviour.truncate, behaviour.error].includes(progress.deltas) &&
    !(await send({}, ""))
  )
    return;
  if (gone()) return;
  if (behaviour.nofinish !== true) await write(frame({}, behaviour.finish ?? "stop"));
  const usage = {
    prompt_tokens: said.promptTokens,
    completion_tokens: progress.deltas,
    total_tokens: said.promptTokens + progress.deltas,
  };
  if (behaviour.nodone !== true) await write(`data: ${JSON.stringify({ choices: [], usage })}\n\ndata: [DONE]\n\n`);
  response.end();
}

async function endlessLine(write: (data: string) => Promise<void>, gone: () => boolean): Promise<void> {
  await write("data: ");
  const flood = "x".repeat(65_536);
  while (!gone()) await write(flood);
}
