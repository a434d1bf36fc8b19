// A peer: the relay over Socket.IO with connection state recovery. It keeps two minutes of packets in memory, and checks a token.
import { createHash } from "node:crypto";
import { createServer } from "node:http";
import { createParser } from "eventsource-parser";
import { Server } from "socket.io";

const base = process.argv[2] ?? "";
const hashOf = (token) => createHash("sha256").update(token).digest("base64url");
const sessions = new Map([[hashOf("bench"), { user: "bench" }]]);
const server = createServer();
// Who comes back is checked as who comes: so does what stands beside it.
const connectionStateRecovery = { maxDisconnectionDuration: 120_000, skipMiddlewares: false };
const io = new Server(server, { connectionStateRecovery, transports: ["websocket"] });
io.use((socket, next) => {
  const found = sessions.get(hashOf(String(socket.handshake.auth.token)));
  next(found === undefined ? new Error("unauthorized") : undefined);
});
io.on("connection", (socket) => {
  socket.on("fan", (done) => {
    void socket.join("fan");
    done();
  });
  socket.on("ask", (prompt) => void answer(prompt, socket));
});

async function answer(prompt, socket) {
  const to = io.sockets.adapter.rooms.has("fan") ? io.to("fan") : socket;
  const decoder = new TextDecoder();
  let seq = 0;
  const parser = createParser({
    onEvent({ data }) {
      const delta = data === "[DONE]" ? undefined : JSON.parse(data).choices?.[0]?.delta?.content;
      if (data === "[DONE]") to.emit("piece", { done: true });
      else if (delta) to.emit("piece", { seq: ++seq, delta });
    },
  });
  const body = JSON.stringify({ model: "x", stream: true, messages: [{ role: "user", content: prompt }] });
  const headers = { "content-type": "application/json" };
  const response = await fetch(`${base}/chat/completions`, { method: "POST", headers, body });
  for await (const chunk of response.body ?? []) parser.feed(decoder.decode(chunk, { stream: true }));
}

server.listen(0, "127.0.0.1", () => console.log(`http://127.0.0.1:${server.address().port}`));
