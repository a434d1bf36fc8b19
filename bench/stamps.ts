// A model for latency: an OpenAI-compatible stream whose every piece is its number and the time it was written. It keeps no record.
import { createServer, type ServerResponse } from "node:http";

/** `n@milliseconds `, wall clock. */
const piece = (n: number): string => `${n}@${(performance.timeOrigin + performance.now()).toFixed(2)} `;

function stream(response: ServerResponse, count: number, rate: number): void {
  response.writeHead(200, { "content-type": "text/event-stream" });
  const began = performance.now();
  let n = 0;
  const chunk = (delta: object, finish: string | null): string =>
    `data: ${JSON.stringify({ id: "chatcmpl-1", object: "chat.completion.chunk", created: 1_760_000_000, model: "stamps", choices: [{ index: 0, delta, finish_reason: finish }] })}\n\n`;
  const next = (): void => {
    if (response.destroyed) return;
    if (n === count) return void response.end(`${chunk({}, "stop")}data: [DONE]\n\n`);
    response.write(chunk({ content: piece(n++) }, null));
    setTimeout(next, Math.max(0, began + (n * 1000) / rate - performance.now()));
  };
  next();
}

const server = createServer((request, response) => {
  let body = "";
  request.on("data", (data: Buffer) => (body += data.toString()));
  request.on("end", () => {
    const [, count = "1", rate = "1"] = /stamps=(\d+) rate=(\d+)/.exec(body) ?? [];
    if (request.method === "POST") stream(response, Number(count), Number(rate));
    else response.writeHead(404).end();
  });
});
server.listen(0, "127.0.0.1", () => {
  const address = server.address();
  if (typeof address === "object" && address !== null) console.log(`http://127.0.0.1:${address.port}/v1`);
});
