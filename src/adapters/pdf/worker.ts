// Owns the inside of the thread that reads one PDF. It fetches nothing and runs no script of the document.
import { parentPort, workerData } from "node:worker_threads";
import { extractText, getDocumentProxy } from "unpdf";

async function read(bytes: unknown): Promise<string | undefined> {
  if (!(bytes instanceof Uint8Array)) return undefined;
  const document = await getDocumentProxy(bytes, {
    disableFontFace: true,
    stopAtErrors: false,
  });
  const { text } = await extractText(document, { mergePages: false });
  return text.join("\n\n");
}

read(workerData).then(
  (text) => parentPort?.postMessage(text),
  () => parentPort?.postMessage(undefined),
);
