import { execFileSync } from "node:child_process";
import { afterAll, beforeAll, expect, test } from "vitest";
import { expectedText, startModelServer, type ModelServer } from "../support/model-server.ts";
import { ChaosProxy } from "../support/proxy.ts";
import { until, WireClient } from "../support/wire-client.ts";
import { ServerProcess } from "./server-process.ts";

const stalled = 20;
const replies = Number(process.env["STALLED_REPLIES"] ?? 50);
/** Characters of a reply: the most that one may have. */
const chars = 1_000_000;
/** Replies that stream at once, and readers that read everything afterwards. */
const together = 10;
const reading = 4;

let model: ModelServer;
let server: ServerProcess;
beforeAll(async () => {
  model = await startModelServer();
  server = new ServerProcess({
    MODEL: "openai-compatible:test",
    OPENAI_BASE_URL: model.url,
    LOG_LEVEL: "warn",
    // A heap that has to collect: what it would let lie otherwise is noise of hundreds of MiB.
    NODE_OPTIONS: "--max-old-space-size=256 --max-semi-space-size=4",
  });
  await server.start();
});
afterAll(async () => {
  await model.close();
  await server.dispose();
});

/** Resident memory of the server that is its own, in MiB. */
const memory = (): number =>
  Number(execFileSync("ps", ["-o", "rss=", "-p", String(server.pid)], { encoding: "utf8" })) / 1024;

/** Lets replies stream into a conversation, some at a time; gives the most memory that was seen meanwhile. */
async function stream(writer: WireClient, conversation: string): Promise<number> {
  let most = 0;
  const looking = setInterval(() => (most = Math.max(most, memory())), 250);
  const view = writer.views.get(conversation) ?? (await writer.read(conversation));
  const one = async (seed: number): Promise<void> => {
    const sent = await writer.send(conversation, `{{seed=${seed} chars=${chars} piece=2000}}`, { parent: null });
    expect(sent.type).toBe("ack");
    await until(() => view.finished.has(String(sent["turn"])), "the reply's end", 60_000);
    expect(view.text(sent["reply"]) === expectedText(seed, chars)).toBe(true);
  };
  for (let from = 1; from <= replies; from += together)
    await Promise.all(Array.from({ length: together }, (_, i) => one(from + i)));
  clearInterval(looking);
  return Math.max(most, memory());
}

test(
  "G8 FR13 B35 RD4 twenty readers that stop reading while 50 MB stream cost 50 MiB together at most, the noise of a heap included, and then have it all",
  { timeout: 180_000 },
  async () => {
    const writer = await WireClient.connect(server.url);
    // Warm: the same without anybody who stalls, so that what is compared is the stalled readers alone.
    const other = crypto.randomUUID();
    await writer.ask({ type: "conversation.create", conversation: other });
    const warm = await stream(writer, other);
    await writer.leave(other);
    const proxy = await ChaosProxy.start(Number(new URL(server.url).port));
    const conversation = crypto.randomUUID();
    await writer.ask({ type: "conversation.create", conversation });
    const readers: WireClient[] = [];
    for (let i = 0; i < stalled; i++) {
      readers.push(await WireClient.connect(proxy.url, { auth: { session: writer.token }, open: [] }));
      await readers[i]?.read(conversation);
    }
    proxy.freeze("down", true);
    const began = performance.now();
    const busy = await stream(writer, conversation);
    const seconds = (performance.now() - began) / 1000;
    console.log(`stalled: ${warm.toFixed(0)} MiB without, ${busy.toFixed(0)} with ${stalled}; ${seconds.toFixed(0)} s`);
    // 1 MiB each, and 30 for a heap that is collected when it likes; without a bound it would be a gigabyte.
    expect(busy - warm).toBeLessThan(stalled + 30);
    for (const reader of readers.splice(reading)) reader.cut();
    proxy.freeze("down", false);
    const whole = writer.views.get(conversation);
    // Those that stood still for a minute or more may have been let go: they come back with their cursor.
    const back = await Promise.all(
      readers.map(async (reader) => {
        const view = reader.views.get(conversation);
        await until(() => view?.seq === whole?.seq || reader.closed !== undefined, "the rest, or the close", 60_000);
        if (reader.closed === undefined) return reader;
        expect([1006, 1013]).toContain(reader.closed.code);
        return WireClient.connect(server.url, { from: reader });
      }),
    );
    for (const reader of back) {
      const view = reader.views.get(conversation);
      await until(() => view?.seq === whole?.seq, "the rest", 60_000);
      expect(view?.canonical() === whole?.canonical()).toBe(true);
      expect(reader.anomalies).toEqual([]);
      expect(view?.largest).toBeLessThanOrEqual(65_536);
      reader.cut();
    }
    expect(writer.anomalies).toEqual([]);
    writer.cut();
    proxy.close();
  },
);
