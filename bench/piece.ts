// Measures what one streamed piece costs the server, in CPU microseconds, beside the bare relay; alternating runs, medians, text checked.
//   npm run bench -- --streams 100 --rate 50 --seconds 6 --runs 5
import { spawn, type ChildProcess } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { WebSocket } from "ws";
import { expectedText } from "../test/support/model-server.ts";

const { values } = parseArgs({
  options: {
    streams: { type: "string", default: "100" },
    rate: { type: "string", default: "50" },
    seconds: { type: "string", default: "6" },
    runs: { type: "string", default: "5" },
    profile: { type: "string" },
  },
});
const streams = Number(values.streams);
const rate = Number(values.rate);
const chars = Math.round(rate * Number(values.seconds)) * 4;
const prompt = (i: number): string => `{{seed=${i + 1} chars=${chars} rate=${rate} piece=4}}`;

type Program = { readonly process: ChildProcess; readonly url: string };
/** Starts a program and waits for the first URL it prints. */
function start(args: string[], env: Record<string, string> = {}): Promise<Program> {
  const child = spawn(process.execPath, args, {
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "inherit"],
  });
  return new Promise((resolve, reject) => {
    let out = "";
    child.stdout?.on("data", (data: Buffer) => {
      out += data.toString();
      const url = /http:\/\/127\.0\.0\.1:\d+[\w/.]*/.exec(out)?.[0];
      if (url !== undefined) resolve({ process: child, url });
    });
    child.on("exit", (code) => reject(new Error(`${args[0]} ended with ${code}`)));
  });
}

/** CPU seconds of a process so far, user and system (ticks of 10 ms). Source: proc(5). */
function cpuSeconds(child: ChildProcess): number {
  const fields = readFileSync(`/proc/${child.pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

type Reply = { text: string; first: number; done: number };
type Open = (url: string, i: number) => Promise<{ begin: () => Promise<Reply>; close: () => void }>;

const connect = (url: string): Promise<WebSocket> =>
  new Promise((resolve, reject) => {
    const ws = new WebSocket(url, { perMessageDeflate: false });
    ws.on("open", () => resolve(ws));
    ws.on("error", reject);
  });

const openRelay: Open = async (url, i) => {
  const ws = await connect(url);
  return {
    close: () => ws.close(),
    begin: () =>
      new Promise((resolve) => {
        const reply: Reply = { text: "", first: 0, done: 0 };
        const began = performance.now();
        ws.on("message", (data: Buffer) => {
          const frame = JSON.parse(data.toString()) as { delta?: string; done?: boolean };
          if (frame.delta !== undefined) reply.text += frame.delta;
          reply.first ||= performance.now() - began;
          if (frame.done) resolve({ ...reply, done: performance.now() - began });
        });
        ws.send(prompt(i));
      }),
  };
};

type Frame = {
  type: string;
  id?: string;
  to: number;
  from: number;
  events?: { kind: string; text?: string; offset?: number }[];
};
const openThroughline: Open = async (url, i) => {
  const ws = await connect(`${url}/api/v1/async/chatbot`);
  const send = (frame: object): void => ws.send(JSON.stringify(frame));
  const answered = (id: string): Promise<void> =>
    new Promise((resolve) => {
      const look = (data: Buffer): void => {
        if ((JSON.parse(data.toString()) as Frame).id !== id) return;
        ws.off("message", look);
        resolve();
      };
      ws.on("message", look);
    });
  const conversation = crypto.randomUUID();
  send({ type: "auth", id: "1", guest: true });
  await answered("1");
  send({ type: "conversation.create", id: "2", conversation });
  await answered("2");
  send({ type: "conversation.open", id: "3", conversation, seq: 1 });
  await answered("3");
  return {
    close: () => ws.close(),
    begin: () =>
      new Promise((resolve, reject) => {
        const reply: Reply = { text: "", first: 0, done: 0 };
        const began = performance.now();
        let seq = 1;
        ws.on("message", (data: Buffer) => {
          const frame = JSON.parse(data.toString()) as Frame;
          if (frame.type !== "events") return;
          if (frame.from !== seq + 1) reject(new Error(`gap: ${frame.from} after ${seq}`));
          seq = frame.to;
          for (const event of frame.events ?? []) {
            if (event.kind === "reply.appended") {
              if (event.offset !== reply.text.length) reject(new Error("an offset does not fit"));
              reply.text += event.text ?? "";
              reply.first ||= performance.now() - began;
            } else if (event.kind === "turn.finished") resolve({ ...reply, done: performance.now() - began });
          }
        });
        const parts = [{ type: "text", text: prompt(i) }];
        send({ type: "message.send", id: "4", conversation, message: crypto.randomUUID(), parts });
      }),
  };
};

/** One run: CPU microseconds of the server per piece, and the median time to the first piece (ms). */
async function run(program: Program, open: Open): Promise<{ cpu: number; first: number }> {
  const clients = await Promise.all(Array.from({ length: streams }, (_, i) => open(program.url, i)));
  const before = cpuSeconds(program.process);
  const replies = await Promise.all(
    clients.map(async (client, i) => {
      // Streams begin spread over one interval between pieces, as people do.
      await new Promise((resolve) => setTimeout(resolve, (i / streams) * (1000 / rate)));
      return client.begin();
    }),
  );
  const cpu = cpuSeconds(program.process) - before;
  replies.forEach((reply, i) => {
    if (reply.text !== expectedText(i + 1, chars)) throw new Error(`stream ${i}: a wrong byte; the run is void`);
  });
  for (const client of clients) client.close();
  const pieces = (chars / 4) * streams;
  return { cpu: (cpu / pieces) * 1e6, first: median(replies.map((reply) => reply.first)) };
}

const median = (list: readonly number[]): number =>
  list.toSorted((a, b) => a - b)[Math.floor(list.length / 2)] ?? Number.NaN;

const dataDir = mkdtempSync(join(tmpdir(), "throughline-bench-"));
const root = join(import.meta.dirname, "..");
const programs: ChildProcess[] = [];
try {
  const model = await start([join(root, "test/support/model-server.ts")]);
  const base = `${model.url.replace(/\/v1$/, "")}/v1`;
  const relay = await start([join(root, "bench/relay.ts"), base]);
  const profiling = values.profile === undefined ? [] : ["--cpu-prof", `--cpu-prof-dir=${values.profile}`];
  const server = await start([...profiling, join(root, "src/main.ts")], {
    PORT: "0",
    DATA_DIR: dataDir,
    LOG_LEVEL: "silent",
    // All the streams come from one address at once.
    LIMITS: "off",
    MODEL: "openai-compatible:bench",
    OPENAI_BASE_URL: base,
  });
  programs.push(model.process, relay.process, server.process);
  for (const program of programs) program.removeAllListeners("exit");
  const results = {
    relay: [] as number[],
    throughline: [] as number[],
    ratio: [] as number[],
    first: [] as number[][],
  };
  for (let i = -1; i < Number(values.runs); i++) {
    const bare = await run(relay, openRelay);
    const ours = await run(server, openThroughline);
    console.log(
      `${i < 0 ? "warm-up" : `run ${i + 1}`}: relay ${bare.cpu.toFixed(1)} us, throughline ${ours.cpu.toFixed(1)} us, ratio ${(ours.cpu / bare.cpu).toFixed(2)}; first piece ${bare.first.toFixed(1)} / ${ours.first.toFixed(1)} ms`,
    );
    if (i < 0) continue;
    results.relay.push(bare.cpu);
    results.throughline.push(ours.cpu);
    results.ratio.push(ours.cpu / bare.cpu);
    results.first.push([bare.first, ours.first]);
  }
  const machine = `${cpus().length} x ${cpus()[0]?.model ?? "?"}, Node ${process.version}`;
  const summary = {
    machine,
    load: `${streams} streams x ${rate} pieces/s`,
    relayUs: median(results.relay),
    throughlineUs: median(results.throughline),
    ratio: median(results.ratio),
    runs: results,
  };
  mkdirSync(join(root, "bench/results"), { recursive: true });
  writeFileSync(join(root, `bench/results/piece-${streams}x${rate}.json`), `${JSON.stringify(summary, null, 2)}\n`);
  console.log(
    `\n| CPU per piece, ${summary.load} | us | ratio |\n| --- | --- | --- |\n| bare relay, keeps nothing | ${summary.relayUs.toFixed(1)} | 1 |\n| throughline, durable before delivery | ${summary.throughlineUs.toFixed(1)} | ${summary.ratio.toFixed(2)} |\n(${machine})`,
  );
  server.process.kill("SIGTERM");
  await new Promise((resolve) => server.process.on("exit", resolve));
} finally {
  for (const program of programs) program.kill();
  rmSync(dataDir, { recursive: true, force: true });
}
