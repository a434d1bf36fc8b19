// Owns the checks of silence: no time limit of the adapter or of Node ends a request that the server still wants.
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { expectedText, startModelServer, type ModelServer } from "../support/model-server.ts";
import { hear, openAi, requestOf, say } from "./calls.ts";

/** Above Node's own limit for sockets of its global agent (5 s). SILENCE_MS=600000 for the whole ten minutes. */
const silenceMs = Number(process.env["SILENCE_MS"] ?? 5_400);

let server: ModelServer;
beforeAll(async () => {
  server = await startModelServer();
});
afterAll(() => server.close());

it(
  "B35 a model that is silent for long is still listened to",
  async () => {
    const heard = await hear(openAi(server.url), `{{header=${silenceMs} chars=100}}`);
    expect(heard).toMatchObject({ failure: undefined, text: expectedText(1, 100) });
  },
  silenceMs + 20_000,
);

it("PR05 keep-alive comments are no pieces: whoever watches for silence sees silence", async () => {
  const controller = new AbortController();
  const stream = openAi(server.url).stream(requestOf(say("user", "{{stall=3 comments=5}}")), controller.signal);
  const iterator = stream[Symbol.asyncIterator]();
  let said = "";
  while (said.length < 12) {
    const next = await iterator.next();
    for (const piece of [next.value].flat()) if (piece?.type === "text") said += piece.text;
  }
  let settled = false;
  const waiting = iterator.next().finally(() => (settled = true));
  const record = server.requests.at(-1);
  const before = record?.bytes ?? 0;
  await vi.waitUntil(() => (record?.bytes ?? 0) > before + 20 * 14, { interval: 5, timeout: 5_000 });
  expect(settled).toBe(false);
  controller.abort();
  await expect(waiting).rejects.toBe(controller.signal.reason);
});
