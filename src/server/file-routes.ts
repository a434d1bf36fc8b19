// Owns the HTTP of files: a multipart body in, bytes out, in the headers that keep them harmless. It keeps no file itself.
import type { IncomingMessage, ServerResponse } from "node:http";
import { pipeline } from "node:stream/promises";
import { isRejection } from "../domain/records.ts";
import { fileIdOf, filesPath, reject, type Limits, type Rejection } from "../protocol/index.ts";
import type { Entrance } from "./entrance.ts";
import { pictures } from "./file-kinds.ts";
import { disposition } from "./file-names.ts";
import { hasCredential, originAllowed, type GateOptions } from "./gate.ts";
import { errorName, ofRequest } from "./journal.ts";
import { readMultipart } from "./multipart.ts";
import { BrokenFile, type Clock, type Journal, type KeyedFile, type Meter } from "./ports.ts";
import { sendProblem } from "./problem.ts";
import { parseRange } from "./range.ts";
import { allowOrigin, answerPreflight, drain, refuse, whoAsks } from "./requests.ts";
import type { Shelf } from "./shelf.ts";

/** Answers a request for a file's path. false: it is for somebody else. */
export type FileRoutes = (
  request: IncomingMessage,
  response: ServerResponse,
  url: URL,
  address: string | undefined,
) => boolean;

export type FileRouteOptions = GateOptions & {
  readonly shelf: Shelf;
  readonly entrance: Pick<Entrance, "recognize">;
  readonly clock: Clock;
  readonly journal: Journal;
  readonly meter: Meter;
  readonly limits: Pick<Limits, "fileBytes">;
  /** False while this process leaves. */
  readonly accepting: () => boolean;
};

/** What a multipart body is longer than its file, about: that much of the announced length is nobody's bytes. */
const wrapping = 1024;
/** How long (ms) a reader may take for a piece of 64 KiB: until then the file is open for it. */
const stallMs = 60_000;
/** Where a file is shown, nothing in it may run, load or be framed (FI01). */
const policy = "sandbox; default-src 'none'";

export function createFileRoutes(options: FileRouteOptions): FileRoutes {
  const { shelf, entrance, clock, journal, meter } = options;

  const turnBack = (request: IncomingMessage, response: ServerResponse, rejection: Rejection): void =>
    refuse(request, response, rejection, clock);
  const turnAway = (request: IncomingMessage, response: ServerResponse, rejection: Rejection): void => {
    meter.note({ kind: "upload", result: rejection.code, bytes: 0 });
    turnBack(request, response, rejection);
  };

  const receive = async (request: IncomingMessage, response: ServerResponse, address: string | undefined) => {
    const person = await whoAsks(request, address, entrance);
    if (isRejection(person)) return turnAway(request, response, person);
    if (!options.accepting()) return turnAway(request, response, reject("unavailable", { retryAfterMs: 1000 }));
    const { "content-type": type = "", "content-encoding": encoding = "identity" } = request.headers;
    if (!/^multipart\/form-data\s*;/i.test(type) || encoding !== "identity") {
      const detail = "Send the file as multipart/form-data, not compressed.";
      return turnAway(request, response, reject("unsupported_media", { detail }));
    }
    const announced = Number(request.headers["content-length"] ?? 0);
    const upload = shelf.begin({ ...person, bytes: Math.max(0, announced - wrapping) });
    if (isRejection(upload)) return turnAway(request, response, upload);
    const file = await readMultipart(request, clock, options.limits.fileBytes, (name, content) =>
      upload.take(name, content),
    ).finally(() => upload.release());
    if (isRejection(file)) return turnAway(request, response, file);
    meter.note({ kind: "upload", result: "ok", bytes: file.bytes });
    const { id, name, mediaType, bytes, sha256 } = file;
    ofRequest(journal, request).info("file_kept", { bytes, mediaType });
    response.writeHead(201, { "Content-Type": "application/json", "Cache-Control": "no-store" });
    response.end(JSON.stringify({ id, name, mediaType, bytes, sha256 }));
    drain(request, clock);
  };

  const give = async (request: IncomingMessage, response: ServerResponse, id: string, address: string | undefined) => {
    const person = await whoAsks(request, address, entrance);
    if (isRejection(person)) return turnBack(request, response, person);
    const file = await shelf.find(person.user, id);
    if (isRejection(file)) return turnBack(request, response, file);
    const etag = `"${file.sha256}"`;
    // A range of what is another file by now would be put together with the wrong bytes.
    const condition = request.headers["if-range"];
    const range =
      condition === undefined || condition === etag ? parseRange(request.headers.range, file.bytes) : "whole";
    if (range === "none") {
      response.setHeader("Content-Range", `bytes */${file.bytes}`);
      return sendProblem(response, 416, reject("invalid", { field: "range", detail: "The file has no such range." }));
    }
    const { start, end } = range === "whole" ? { start: 0, end: file.bytes } : range;
    // The first bytes come before the head: a file that is broken is told as such, not as an empty one.
    const bytes = shelf.read(file, { start, end })[Symbol.asyncIterator]();
    const first = request.method === "HEAD" ? undefined : await bytes.next();
    let cancel = (): void => undefined;
    try {
      response.writeHead(range === "whole" ? 200 : 206, {
        ...headersOf(file),
        ETag: etag,
        "Content-Length": end - start,
        ...(range === "whole" ? {} : { "Content-Range": `bytes ${start}-${end - 1}/${file.bytes}` }),
      });
      if (first === undefined) return void response.end();
      await pipeline(async function* () {
        for (let next = first; next.done !== true; next = await bytes.next()) {
          cancel();
          cancel = clock.after(stallMs, () => response.destroy());
          yield next.value;
        }
      }, response);
    } finally {
      cancel();
      // Whoever leaves in between leaves no file open.
      await bytes.return?.();
    }
  };

  const answer = (request: IncomingMessage, response: ServerResponse, url: URL, address: string | undefined): void => {
    allowOrigin(request, response);
    const { method = "GET" } = request;
    const methods = url.pathname === filesPath ? ["POST"] : ["GET", "HEAD"];
    if (method !== "POST" || url.pathname !== filesPath) drain(request, clock);
    if (method === "OPTIONS") {
      return answerPreflight(response, methods.join(", "), "authorization, content-type, range");
    }
    if (!methods.includes(method)) {
      response.setHeader("Allow", methods.join(", "));
      return sendProblem(response, 405, reject("invalid"));
    }
    const act =
      method === "POST"
        ? receive(request, response, address)
        : // Another spelling of an id is no id: somebody who may come in is told so in the same words.
          give(request, response, fileIdOf(url.pathname) ?? "", address);
    act.catch((error: unknown) => {
      // Whoever asked has gone: nobody is there to be told. (A request that has come whole is destroyed, too.)
      if (response.destroyed || response.socket?.destroyed === true) return;
      ofRequest(journal, request).error("file_failed", { error: errorName(error) });
      turnBack(request, response, reject(error instanceof BrokenFile ? "not_found" : "internal"));
    });
  };

  return (request, response, url, address) => {
    const isOurs = url.pathname === filesPath || url.pathname.startsWith(`${filesPath}/`);
    if (!isOurs) return false;
    if (hasCredential(url)) turnBack(request, response, reject("invalid"));
    else if (!originAllowed(request, options)) turnBack(request, response, reject("forbidden"));
    else answer(request, response, url, address);
    return true;
  };
}

function headersOf({ name, mediaType }: KeyedFile): Record<string, string> {
  return {
    "Content-Type": mediaType.startsWith("text/") ? `${mediaType}; charset=utf-8` : mediaType,
    "Content-Disposition": disposition(pictures.has(mediaType) ? "inline" : "attachment", name),
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": policy,
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "private, no-store",
    "Accept-Ranges": "bytes",
  };
}
