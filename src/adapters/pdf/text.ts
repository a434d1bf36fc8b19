// Owns the reading of a PDF's words: in a thread of its own for each, with a bound on its time and memory. It keeps nothing.
import { Worker } from "node:worker_threads";

/** Bytes of a PDF that is read at all, time (ms) and memory that its thread has. What takes more has no words for a model. */
const most = { bytes: 32 * 1024 * 1024, ms: 20_000 };
const resourceLimits = { maxOldGenerationSizeMb: 256 };
/** Threads at once in this process; whoever comes then waits. */
const atOnce = 2;
/** The same file before the build and after it. */
const script = new URL(import.meta.url.endsWith(".ts") ? "./worker.ts" : "./worker.js", import.meta.url);

let running = 0;
const waiting: (() => void)[] = [];

/** The words of a PDF, page after page. undefined: it is damaged, locked, too large or too slow. */
export async function textOfPdf(content: AsyncIterable<Uint8Array>): Promise<string | undefined> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of content) {
    length += part.length;
    if (length > most.bytes) return undefined;
    parts.push(part);
  }
  if (running >= atOnce) await new Promise<void>((resolve) => void waiting.push(resolve));
  running++;
  try {
    return await askThread(Uint8Array.from(Buffer.concat(parts)));
  } finally {
    running--;
    waiting.shift()?.();
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
  try {
    return await new Promise((resolve) => {
      worker.on("message", (text: unknown) => resolve(typeof text === "string" ? text : undefined));
      worker.on("error", () => resolve(undefined));
      worker.on("exit", () => resolve(undefined));
    });
  } finally {
    clearTimeout(late);
    await worker.terminate();
  }
}
