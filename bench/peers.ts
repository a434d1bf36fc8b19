// Owns the peers: their package is installed at first use, so that the product depends on none of them; and how they are spoken to.
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { openSocketIo, wallClock, type Open, type Reply } from "./clients.ts";
import type { Side } from "./measures.ts";
import { start, type Program } from "./program.ts";

/** Each on the model at `base`. `http`: speaks AI SDK's UI message stream; else the relays' `{seq, delta}` on a socket. */
export async function preparePeers(
  folder: string,
  base: string,
): Promise<{ name: string; program: Program; http: boolean }[]> {
  install(folder);
  const streamText = join(folder, "stream-text.mjs");
  const peers = [
    { name: "ai streamText", program: await start([streamText, base]), http: true },
    { name: "openai to ws", program: await start([join(folder, "openai.mjs"), base]), http: false },
  ];
  const redis = await startRedis();
  if (redis === undefined) console.log("P2: no redis-server on this machine, so nothing beside resumable-stream");
  else {
    const program = await start([streamText, base, redis.url]);
    const end = (): Promise<void> => program.end().finally(redis.end);
    peers.push({ name: "ai, resumable", program: { ...program, end }, http: true });
  }
  return peers;
}

/** Socket.IO with connection state recovery, on the model at `base`. `node`: arguments before the program. */
export async function socketIoOn(folder: string, base: string, node: readonly string[] = []): Promise<Side> {
  install(folder);
  const program = await start([...node, join(folder, "socket-io.mjs"), base]);
  return { name: "socket.io", program, open: openSocketIo };
}

/** As its lock says; again where something was added to it. */
function install(folder: string): void {
  if (existsSync(join(folder, "node_modules/socket.io"))) return;
  execFileSync("npm", ["ci", "--no-audit", "--no-fund"], { cwd: folder, stdio: "inherit" });
}

/** A Redis of its own that keeps nothing on the disk, and ends with this process at the latest; undefined: there is none to start. */
async function startRedis(): Promise<{ url: string; end: () => void } | undefined> {
  if (spawnSync("redis-server", ["--version"]).error !== undefined) return undefined;
  const port = await freePort();
  const options = ["--port", `${port}`, "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", "/tmp"];
  const child = spawn("redis-server", options, { stdio: ["ignore", "pipe", "inherit"] });
  const end = (): void => void child.kill();
  process.once("exit", end);
  await new Promise<void>((resolve, reject) => {
    child.once("exit", (code) => reject(new Error(`redis-server ended with ${code}`)));
    child.stdout.on("data", (data: Buffer) => {
      if (data.includes("Ready to accept connections")) resolve();
    });
  });
  return { url: `redis://127.0.0.1:${port}`, end };
}

const freePort = (): Promise<number> =>
  new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const address = server.address();
      const port = typeof address === "object" && address !== null ? address.port : 0;
      server.close(() => resolve(port));
    });
  });

/** A POST that is answered by AI SDK's UI message stream. */
export const openStream: Open = (url) =>
  Promise.resolve({
    close: () => undefined,
    async ask(prompt) {
      const reply: Reply = { text: "", came: [] };
      const response = await fetch(url, { method: "POST", body: prompt });
      const decoder = new TextDecoder();
      let open = "";
      let finished = false;
      for await (const chunk of response.body ?? []) {
        const lines = (open + decoder.decode(chunk, { stream: true })).split("\n");
        open = lines.pop() ?? "";
        for (const line of lines) {
          if (!line.startsWith("data: {")) continue;
          const part = JSON.parse(line.slice(6)) as { type: string; delta?: string };
          finished ||= part.type === "finish";
          if (part.type !== "text-delta" || part.delta === undefined) continue;
          reply.text += part.delta;
          reply.came.push({ at: wallClock(), text: part.delta });
        }
      }
      if (!finished) throw new Error("the stream ended before the reply did");
      return reply;
    },
  });
