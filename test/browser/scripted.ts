// Owns a server in the test's own process, whose model says what a test gives it, at a given speed. Everything else is real.
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { createHost } from "../../src/host.ts";
import { temporaryDirectory } from "../support/temporary.ts";

const app = join(import.meta.dirname, "../../dist/public");

/** `reply`: the pieces of the reply to a message. `pause`: milliseconds between two of them. */
export async function startScripted(script: {
  reply: (asked: string) => readonly string[];
  pause?: () => number;
}): Promise<{ url: string; close: () => Promise<void> }> {
  const host = await createHost({
    dataDir: temporaryDirectory(),
    app,
    loopback: true,
    guests: true,
    model: {
      name: "scripted",
      capabilities: { prefill: false, images: false },
      async *stream({ messages }) {
        const asked =
          messages
            .at(-1)
            ?.content.map((part) => (part.type === "text" ? part.text : ""))
            .join("") ?? "";
        const began = performance.now();
        let sent = 0;
        for (const text of script.reply(asked)) {
          yield { type: "text", text };
          const wait = began + ++sent * (script.pause?.() ?? 0) - performance.now();
          if (wait > 1) await new Promise((resolve) => setTimeout(resolve, wait));
        }
      },
    },
  });
  const server = createServer((request, response) => {
    if (!host.request(request, response)) response.writeHead(404).end();
  });
  host.attach(server);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    url,
    async close() {
      await host.close(0);
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
