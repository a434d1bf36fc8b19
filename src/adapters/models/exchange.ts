// Owns one HTTP exchange with a model server: sent at once, read as fast as it is asked for; must know nothing of what is said in it.
import { request as requestHttp, type Agent, type ClientRequest, type IncomingMessage } from "node:http";
import { request as requestHttps } from "node:https";

/** What may wait here unread, in bytes; past it the socket is not read any further. */
const unreadBytes = 256 * 1024;
/** How long an answer that said all may take to end by itself, so that its connection can serve the next request. */
const endMs = 1_000;

export type Exchange = {
  readonly status: number;
  /** A header of the answer by its name in lower case. */
  readonly header: (name: string) => string | undefined;
  /**
   * All that has arrived since the last call. Empty: the answer has ended; undefined: nothing has come yet. Throws what
   * broke the connection, or the signal's reason.
   */
  take(): readonly Buffer[] | undefined;
  /** Resolves when `take` has something to give or to throw, or after `patienceMs` of silence. Never rejects. */
  arrived(patienceMs?: number): Promise<void>;
  /** No more is wanted. `whole`: all was said; the connection may be kept. Else it is destroyed at once. */
  close(whole: boolean): void;
};

/** Posts `body`; resolves with the head of the answer. No time limit of its own: silence is the caller's to judge (B35). */
export function post(
  url: URL,
  body: string,
  options: { readonly headers: Readonly<Record<string, string>>; readonly agent: Agent; readonly signal: AbortSignal },
): Promise<Exchange> {
  const { headers, agent, signal } = options;
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const send = url.protocol === "https:" ? requestHttps : requestHttp;
    const request = send(url, { method: "POST", headers, agent });
    const stop = (): void => void request.destroy();
    signal.addEventListener("abort", stop, { once: true });
    request.on("close", () => {
      signal.removeEventListener("abort", stop);
      reject(signal.aborted ? signal.reason : new Error("closed without an answer"));
    });
    request.on("error", (error) => reject(signal.aborted ? signal.reason : error));
    request.on("response", (response) => resolve(follow(request, response, signal)));
    request.end(body);
  });
}

function follow(request: ClientRequest, response: IncomingMessage, signal: AbortSignal): Exchange {
  let chunks: Buffer[] = [];
  let bytes = 0;
  let state: "open" | "ended" | { readonly broken: unknown } = "open";
  let isWanted = true;
  let wake: (() => void) | undefined;

  // Several chunks of one socket read come before the woken reader runs: it takes them together.
  response.on("data", (chunk: Buffer) => {
    if (!isWanted) return;
    chunks.push(chunk);
    bytes += chunk.length;
    if (bytes >= unreadBytes) response.pause();
    wake?.();
  });
  response.on("end", () => {
    state = "ended";
    wake?.();
  });
  response.on("error", (error) => {
    state = { broken: error };
    wake?.();
  });
  response.on("close", () => {
    if (state === "open") state = { broken: new Error("closed before its end") };
    wake?.();
  });

  return {
    status: response.statusCode ?? 0,
    header: (name) => {
      const value = response.headers[name];
      return Array.isArray(value) ? value[0] : value;
    },
    take: () => {
      signal.throwIfAborted();
      if (chunks.length > 0) {
        const taken = chunks;
        chunks = [];
        bytes = 0;
        if (response.isPaused()) response.resume();
        return taken;
      }
      if (state === "open") return undefined;
      if (state !== "ended") throw state.broken;
      return [];
    },
    arrived: (patienceMs) =>
      new Promise((resolve) => {
        if (chunks.length > 0 || state !== "open" || signal.aborted) return resolve();
        const timer = patienceMs === undefined ? undefined : setTimeout(() => wake?.(), patienceMs);
        wake = () => {
          clearTimeout(timer);
          wake = undefined;
          resolve();
        };
      }),
    close: (whole) => {
      isWanted = false;
      chunks = [];
      if (state === "ended") return;
      if (!whole) {
        request.destroy();
        return;
      }
      const timer = setTimeout(() => request.destroy(), endMs);
      timer.unref();
      response.once("close", () => clearTimeout(timer));
      response.resume();
    },
  };
}

/** The rest of an answer as text, after what was read of it already: at most `limit` bytes more, and whether that is all. */
export async function readText(
  exchange: Exchange,
  limit: number,
  before: readonly Buffer[] = [],
): Promise<{ text: string; whole: boolean }> {
  // One text of all bytes: a character may begin in one chunk and end in the next.
  const parts = [...before];
  let bytes = 0;
  for (;;) {
    const read = exchange.take();
    if (read === undefined) {
      await exchange.arrived();
      continue;
    }
    if (read.length === 0) return { text: Buffer.concat(parts).toString(), whole: true };
    for (const chunk of read) {
      parts.push(chunk);
      bytes += chunk.length;
    }
    if (bytes > limit) return { text: Buffer.concat(parts).subarray(0, limit).toString(), whole: false };
  }
}
