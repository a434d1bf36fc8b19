// Throughline inside an Express app: its own identity and its own model, on the app's own HTTP server.
import { createServer, type Server } from "node:http";
import express from "express";
import { modelFrom } from "../src/adapters/models/index.ts";
import { createHost, type Host } from "../src/host.ts";

/** The app's own model: any async generator of texts or pieces. */
const shout = modelFrom({
  name: "shout",
  async *stream({ messages }) {
    const asked = messages.at(-1)?.content[0];
    for (const word of (asked?.type === "text" ? asked.text : "").split(" ")) yield `${word.toUpperCase()} `;
  },
});

export async function startExpressApp(dataDir: string): Promise<{ server: Server; host: Host }> {
  const app = express();
  app.get("/", (_request, response) => void response.send("my app"));
  const host = await createHost({ dataDir, model: shout, guests: true });
  app.use((request, response, next) => {
    if (!host.request(request, response)) next();
  });
  const server = createServer(app);
  host.attach(server);
  return { server, host };
}
