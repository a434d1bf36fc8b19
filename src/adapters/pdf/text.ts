// Owns the reading of a PDF's words: in a thread of its own for each, with a bound on its time and memory. It keeps nothing.
import { Worker } from "node:worker_threads";

/** Bytes of a PDF that is read at all, time (ms) and memory that its thread has. What takes more has no words for a model. */
const most = { bytes: 32 * 1024 * 1024, ms: 20_000, memory: 256 * 1024 * 1024 };
const resourceLimits = { maxOldGenerationSizeMb: 256 };
/** How often (ms) it is looked at: what a packed stream unpacks to lies beside the heap, which `resourceLimits` alone bounds. */
const lookMs = 25;
/** Threads at once in this process; whoever comes then waits. */
const atOnce = 2;
/** The same file before the build and after it. */
const script = new URL(import.meta.url.endsWith(".ts") ? "./worker.ts" : "./worker.js", import.meta.url);

let free = atOnce;
const waiting: (() => void)[] = [];

async function enter(): Promise<void> {
  if (free > 0) free--;
  else await new Promise<void>((resolve) => void waiting.push(resolve));
}
/** Whoever waits takes the place over: it is never free in between. */
function leave(): void {
  const next = waiting.shift();
  if (next === undefined) free++;
  else next();
}

/** The words of a PDF, page after page. undefined: it is damaged, locked, too large or too slow. */
export async function textOfPdf(content: AsyncIterable<Uint8Array>): Promise<string | undefined> {
  // Nothing is read before there is a thread for it: who waits holds no memory.
  await enter();
  try {
    const parts: Uint8Array[] = [];
    let length = 0;
    for await (const part of content) {
      length += part.length;
      if (length > most.bytes) return undefined;
      parts.push(part);
    }
    return await askThread(Uint8Array.from(Buffer.concat(parts)));
  } finally {
    leave();
  }
}

async function askThread(bytes: Uint8Array<ArrayBuffer>): Promise<string | undefined> {
  const worker = new Worker(script, {
    resourceLimits,
    workerData: bytes,
    transferList: [bytes.buffer],
    env: {},
    stdout: true,
    stderr: true,
  });
  const late = setTimeout(() => void worker.terminate(), most.ms);
  const look = setInterval(() => {
    worker.getHeapStatistics().then(
      ({ external_memory: outside }) => void (outside > most.memory && worker.terminate()),
      // It has ended meanwhile.
      () => undefined,
    );
  }, lookMs);
  try {
    return await new Promise((resolve) => {
      worker.on("message", (text: unknown) => resolve(typeof text === "string" ? text : undefined));
      worker.on("error", () => resolve(undefined));
      worker.on("exit", () => resolve(undefined));
    });
  } finally {
    clearTimeout(late);
    clearInterval(look);
    await worker.terminate();
  }
}
