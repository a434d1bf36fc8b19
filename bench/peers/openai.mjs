// A peer: the openai client, one send on a `ws` socket for each piece. It keeps nothing.
import { createServer } from "node:http";
import OpenAI from "openai";
import { WebSocketServer } from "ws";

const client = new OpenAI({ baseURL: process.argv[2], apiKey: "none" });
const server = createServer();
new WebSocketServer({ server, perMessageDeflate: false }).on("connection", (ws) => {
  const answer = async (data) => {
    const prompt = Buffer.isBuffer(data) ? data.toString("utf8") : "";
    const messages = [{ role: "user", content: prompt }];
    let seq = 0;
    for await (const chunk of await client.chat.completions.create({ model: "bench", messages, stream: true })) {
      const delta = chunk.choices[0]?.delta?.content;
      if (delta) ws.send(JSON.stringify({ seq: ++seq, delta }));
    }
    ws.send('{"done":true}');
  };
  ws.on("message", (data) => void answer(data));
});
server.listen(0, "127.0.0.1", () => console.log(`http://127.0.0.1:${server.address().port}`));
