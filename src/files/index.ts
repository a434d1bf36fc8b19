// Owns files as the SDK sends and reads them, over HTTP beside a client's socket: `throughline/files`. It shows nothing.
import { RequestError, until, type Client } from "../client/index.ts";
import { fileIdOf, filesPath, fileUrl } from "../protocol/files.ts";
import { problemOf, storedFileOf, type StoredFile } from "./answers.ts";
import { sendBody, type Sent } from "./sending.ts";

export { fileIdOf } from "../protocol/files.ts";
export type { StoredFile } from "./answers.ts";

export type UploadOptions = {
  /** The share that has been sent, 0 to 1. Only browsers tell on the way. */
  readonly onProgress?: (share: number) => void;
  /** Ends it: nothing is kept. The promise rejects with the signal's reason. */
  readonly signal?: AbortSignal;
  /** What it is called; by default the name of a `File`. */
  readonly name?: string;
};

/** Files of the person who is signed in. Promises reject with RequestError, or the reason of the signal. */
export type Files = {
  /**
   * Sends a file. Where the network is lost on the way it begins anew once the connection is back. A message takes it by
   * `{type: "file", file: id}`, within half an hour.
   */
  upload(file: Blob, options?: UploadOptions): Promise<StoredFile>;
  /** The bytes behind the `url` of a file part. */
  read(url: string, signal?: AbortSignal): Promise<Blob>;
};

/** How often a file is begun anew after the network was lost, and how long (ms) is waited before that. */
const again = { most: 5, wait: 500 };

/** A folder cannot, nor a file that has been changed or removed since it was chosen. */
const canBeRead = (file: Blob): Promise<boolean> =>
  file
    .slice(0, 1)
    .arrayBuffer()
    .then(
      () => true,
      () => false,
    );

/** Rests so long (ms), or until the signal. */
const pause = (ms: number, signal: AbortSignal | undefined): Promise<void> =>
  new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal?.addEventListener("abort", end);
  });

export function createFiles(client: Client): Files {
  const origin = client.url.replace(/^ws/, "http").replace(/\/api\/v1\/async\/chatbot$/, "");

  /** The session, once there is one. null: nobody is signed in. */
  const session = (signal: AbortSignal | undefined): Promise<string | null> => {
    client.connect();
    return until(
      client.connection,
      ({ kind }) =>
        kind === "signed-out" || kind === "stopped" ? null : kind === "online" ? client.session() : undefined,
      signal,
    );
  };
  const authorized = async (signal: AbortSignal | undefined): Promise<{ Authorization: string }> => {
    const secret = await session(signal);
    if (secret === null) throw new RequestError(problemOf(401, undefined));
    return { Authorization: `Bearer ${secret}` };
  };

  const send = async (file: Blob, options: UploadOptions): Promise<Sent> => {
    const { signal, onProgress } = options;
    const body = new FormData();
    body.append("file", file, options.name ?? ("name" in file ? String(file.name) : "file"));
    for (let attempt = 0; ; attempt++) {
      const headers = await authorized(signal);
      try {
        return await sendBody(origin + filesPath, headers, body, { signal, onProgress });
      } catch (error) {
        if (signal?.aborted === true || attempt >= again.most) throw error;
        if (!(await canBeRead(file))) throw new RequestError({ ...problemOf(400, { code: "invalid" }), field: "file" });
        // The connection is probed at once; where it is gone, this waits for the next one.
        client.tryNow();
        onProgress?.(0);
        await pause(again.wait * 2 ** attempt, signal);
      }
    }
  };

  return {
    async upload(file, options = {}) {
      const { status, body } = await send(file, options);
      const stored = status === 201 ? storedFileOf(body) : undefined;
      if (stored === undefined) throw new RequestError(problemOf(status, body));
      return stored;
    },
    async read(url, signal) {
      // A part is a model's or another program's word: a session goes to files of this server, and nowhere else.
      const id = fileIdOf(url);
      if (id === undefined) throw new RequestError(problemOf(404, undefined));
      const headers = await authorized(signal);
      const answer = await fetch(origin + fileUrl(id), {
        headers,
        signal: signal ?? null,
        credentials: "omit",
        cache: "no-store",
      });
      if (!answer.ok) throw new RequestError(problemOf(answer.status, await answer.json().catch(() => undefined)));
      return answer.blob();
    },
  };
}
