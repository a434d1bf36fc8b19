// The limit (L2): a bare relay. HTTP response -> SSE -> JSON.parse -> {seq, delta} -> one send per piece. It keeps and checks nothing.
import { createServer } from "node:http";
import { createParser } from "eventsource-parser";
import { WebSocketServer, type WebSocket } from "ws";

const base = process.argv[2] ?? "";
const server = createServer();
const sockets = new WebSocketServer({ server, perMessageDeflate: false });
sockets.on("connection", (ws) => {
  ws.on("message", (data: Buffer) => void relay(ws, data.toString()));
});

async function relay(ws: WebSocket, prompt: string): Promise<void> {
  const response = await fetch(`${base}/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ model: "x", stream: true, messages: [{ role: "user", content: prompt }] }),
  });
  let seq = 0;
  const parser = createParser({
    onEvent({ data: text }) {
      if (text === "[DONE]") return ws.send('{"done":true}');
      const parsed = JSON.parse(text) as { choices?: { delta?: { content?: string } }[] };
      const delta = parsed.choices?.[0]?.delta?.content;
      if (delta) ws.send(JSON.stringify({ seq: ++seq, delta }));
    },
  });
  const decoder = new TextDecoder();
  for await (const chunk of response.body ?? []) parser.feed(decoder.decode(chunk, { stream: true }));
}

server.listen(0, "127.0.0.1", () => {
  const address = server.address();
  if (typeof address === "object" && address !== null) console.log(`http://127.0.0.1:${address.port}`);
});
