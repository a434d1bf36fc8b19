// The limit (L2): a bare relay. HTTP response -> SSE -> JSON.parse -> {seq, delta} -> one send per piece. It keeps and checks nothing.
// `--auth`: a session is looked up by its token's hash before the handshake. `--lean`: node:http instead of fetch, and one write for what one read brought. `fan` as a text joins the viewers of every reply.
import { createHash } from "node:crypto";
import { createServer, request, type IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import { createParser, type EventSourceParser } from "eventsource-parser";
import { WebSocketServer, type WebSocket } from "ws";
import { frameText } from "../src/server/wire.ts";

const base = process.argv[2] ?? "";
const lean = process.argv.includes("--lean");
const server = createServer();
const hashOf = (token: string): string => createHash("sha256").update(token).digest("base64url");
const sessions = new Map([[hashOf("bench"), { user: "bench" }]]);
const isKnown = ({ headers }: IncomingMessage): boolean =>
  sessions.has(hashOf(headers.authorization?.replace("Bearer ", "") ?? ""));
const checking = process.argv.includes("--auth");
const sockets = new WebSocketServer({
  server,
  perMessageDeflate: false,
  ...(checking ? { verifyClient: ({ req }: { req: IncomingMessage }) => isKnown(req) } : {}),
});
const viewers = new Set<Socket>();
sockets.on("connection", (ws, upgrade) => {
  ws.on("message", (data: Buffer) => {
    const text = data.toString();
    if (text === "hello") ws.send("hello");
    else if (text === "fan") {
      viewers.add(upgrade.socket);
      ws.on("close", () => viewers.delete(upgrade.socket));
      ws.send("hello");
    } else void relay(text, lean ? gather(upgrade.socket) : outlet(ws));
  });
});

type Outlet = { readonly send: (text: string) => void; readonly flush: () => void };

/** One send per piece; with viewers one prepared frame to each of them. */
const outlet = (ws: WebSocket): Outlet => ({
  send(text) {
    if (viewers.size === 0) return ws.send(text);
    const framed = frameText(text);
    for (const viewer of viewers) viewer.write(framed);
  },
  flush: () => undefined,
});

/** One write for all that one read brought. */
function gather(socket: Socket): Outlet {
  let waiting: Buffer[] = [];
  return {
    send: (text) => void waiting.push(frameText(text)),
    flush() {
      if (waiting.length > 0) socket.write(waiting.length === 1 ? (waiting[0] ?? "") : Buffer.concat(waiting));
      waiting = [];
    },
  };
}

function parserTo({ send }: Outlet): EventSourceParser {
  let seq = 0;
  return createParser({
    onEvent({ data: text }) {
      if (text === "[DONE]") return send('{"done":true}');
      const parsed = JSON.parse(text) as { choices?: { delta?: { content?: string } }[] };
      const delta = parsed.choices?.[0]?.delta?.content;
      if (delta) send(JSON.stringify({ seq: ++seq, delta }));
    },
  });
}

async function relay(prompt: string, to: Outlet): Promise<void> {
  const parser = parserTo(to);
  const decoder = new TextDecoder();
  const body = JSON.stringify({ model: "x", stream: true, messages: [{ role: "user", content: prompt }] });
  const headers = { "content-type": "application/json" };
  const url = `${base}/chat/completions`;
  if (!lean) {
    const response = await fetch(url, { method: "POST", headers, body });
    for await (const chunk of response.body ?? []) parser.feed(decoder.decode(chunk, { stream: true }));
    return;
  }
  const read = (response: IncomingMessage): void => {
    response.on("data", (chunk: Buffer) => {
      parser.feed(decoder.decode(chunk, { stream: true }));
      to.flush();
    });
  };
  request(url, { method: "POST", headers }, read).end(body);
}

server.listen(0, "127.0.0.1", () => {
  const address = server.address();
  if (typeof address === "object" && address !== null) console.log(`http://127.0.0.1:${address.port}`);
});
