// Owns sending a body with its progress: by XMLHttpRequest, which alone tells of it, or by fetch where there is none.

/** `body`: the answer's JSON, with the seconds of its Retry-After; undefined: it has none. */
export type Sent = { readonly status: number; readonly body: unknown };

export type SendOptions = {
  readonly signal: AbortSignal | undefined;
  readonly onProgress: ((share: number) => void) | undefined;
};

function parse(text: string, retryAfter: string | null): unknown {
  try {
    const body: unknown = JSON.parse(text);
    return typeof body === "object" ? { ...body, retryAfter: Number(retryAfter ?? 0) } : undefined;
  } catch {
    return undefined;
  }
}

/** Rejects where there was no answer, or with the signal's reason. */
export function sendBody(
  url: string,
  headers: Readonly<Record<string, string>>,
  body: FormData,
  options: SendOptions,
): Promise<Sent> {
  return typeof XMLHttpRequest === "undefined"
    ? sendByFetch(url, headers, body, options)
    : sendByRequest(url, headers, body, options);
}

async function sendByFetch(
  url: string,
  headers: Readonly<Record<string, string>>,
  body: FormData,
  { signal, onProgress }: SendOptions,
): Promise<Sent> {
  const answer = await fetch(url, { method: "POST", headers, body, signal: signal ?? null });
  onProgress?.(1);
  return { status: answer.status, body: parse(await answer.text(), answer.headers.get("retry-after")) };
}

/** A request of which nothing was heard for so long (ms) is dead: a network that only swallows ends nothing. */
const silence = 120_000;

function sendByRequest(
  url: string,
  headers: Readonly<Record<string, string>>,
  body: FormData,
  { signal, onProgress }: SendOptions,
): Promise<Sent> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    const abort = (): void => request.abort();
    // From the first byte on: before it, it waits its turn behind others.
    let watch: ReturnType<typeof setTimeout> | undefined;
    const end = (): void => {
      clearTimeout(watch);
      signal?.removeEventListener("abort", abort);
    };
    request.open("POST", url);
    for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
    request.upload.addEventListener("progress", ({ loaded, total }) => {
      clearTimeout(watch);
      watch = setTimeout(abort, silence);
      onProgress?.(total > 0 ? loaded / total : 0);
    });
    request.addEventListener("load", () => {
      end();
      resolve({
        status: request.status,
        body: parse(request.responseText, request.getResponseHeader("retry-after")),
      });
    });
    for (const kind of ["error", "abort", "timeout"]) {
      request.addEventListener(kind, () => {
        end();
        const reason: unknown = signal?.aborted === true ? signal.reason : undefined;
        reject(reason instanceof Error ? reason : new Error("The server could not be reached."));
      });
    }
    signal?.addEventListener("abort", abort);
    request.send(body);
    // Only what was sent tells that it was ended.
    if (signal?.aborted === true) abort();
  });
}
