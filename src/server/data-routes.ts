// Owns the HTTP of what is somebody's own: who may, how often, export, import, the end of the account. It reads and deletes nothing itself.
import type { IncomingMessage, ServerResponse } from "node:http";
import { pipeline } from "node:stream/promises";
import { isGuest, isRejection } from "../domain/records.ts";
import { reject, type Limits, type Rejection } from "../protocol/index.ts";
import { accountPath, archivePath, exportedIdOf, importPath } from "./data-paths.ts";
import type { Entrance } from "./entrance.ts";
import type { Erasure } from "./erasure.ts";
import type { Exporter, Given } from "./export.ts";
import type { FileRoutes } from "./file-routes.ts";
import { disposition } from "./file-names.ts";
import { hasCredential, originAllowed, type GateOptions } from "./gate.ts";
import { errorName, ofRequest } from "./journal.ts";
import { countedBody } from "./import-body.ts";
import type { Importer } from "./import.ts";
import { readJson } from "./json-body.ts";
import { createPace } from "./pace.ts";
import type { Policy } from "./policy.ts";
import { StoreFailure, type Clock, type Journal } from "./ports.ts";
import { sendProblem } from "./problem.ts";
import { allowOrigin, answerPreflight, refuse, whoAsks } from "./requests.ts";
import type { UploadQuota } from "./upload-quota.ts";

export type DataRouteOptions = GateOptions & {
  readonly exporter: Exporter;
  readonly erasure: Pick<Erasure, "erase">;
  readonly entrance: Pick<Entrance, "recognize">;
  readonly importer: Importer;
  /** What is imported counts as what is sent in files. */
  readonly quota: Pick<UploadQuota, "begin">;
  readonly limits: Limits;
  readonly policy: Policy;
  readonly clock: Clock;
  readonly journal: Journal;
  /** False while this process leaves. */
  readonly accepting: () => boolean;
};

type Call = {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly url: URL;
  readonly user: string;
  /** That of the address. */
  readonly key: string;
  /** Aborted where the person goes, or the account ends. */
  readonly signal: AbortSignal;
};
type Act = (call: Call) => Promise<void | Rejection>;

/** Archives that this process makes at once: each keeps the store busy. */
const mostAtOnce = 4;
const hourMs = 3_600_000;

export function createDataRoutes(options: DataRouteOptions): FileRoutes {
  const { exporter, entrance, clock, journal, policy } = options;
  const archives = createPace(clock, hourMs);
  /** What is under way, by person: one at a time of what is large, and all of it ends with the account. */
  const busy = new Map<string, { readonly abort: AbortController; readonly done: Promise<unknown> }>();

  const turnBack = (request: IncomingMessage, response: ServerResponse, rejection: Rejection): void =>
    refuse(request, response, rejection, clock);

  /** One at a time of a person, few at a time of all. */
  const alone =
    (act: Act): Act =>
    async (call) => {
      if (busy.has(call.user)) {
        return reject("rate_limited", { retryAfterMs: 5000, detail: "An export or import of yours is under way." });
      }
      if (busy.size >= mostAtOnce) return reject("overloaded", { retryAfterMs: 5000 });
      const abort = new AbortController();
      const signal = AbortSignal.any([call.signal, abort.signal]);
      const done = act({ ...call, signal });
      busy.set(call.user, { abort, done });
      return done.finally(() => busy.delete(call.user));
    };

  const send = async ({ response, signal }: Call, { name, type, body }: Given): Promise<void> => {
    response.writeHead(200, {
      "Content-Type": type,
      "Content-Disposition": disposition("attachment", name),
      "X-Content-Type-Options": "nosniff",
      "Content-Security-Policy": "sandbox; default-src 'none'",
      "Cache-Control": "private, no-store",
    });
    await pipeline(body, response, { signal });
  };

  const archive: Act = async (call) => {
    const { exportsPerHour } = isGuest(call.user) ? policy.guest : policy.user;
    const wait = archives.take(call.user, exportsPerHour);
    const detail = `All data can be exported ${exportsPerHour} times in an hour.`;
    if (wait > 0) return reject("rate_limited", { retryAfterMs: wait, detail });
    const given = await exporter.everything(call.user);
    if (isRejection(given)) return given;
    ofRequest(journal, call.request).info("export_begun");
    return send(call, given);
  };

  const take: Act = async ({ request, response, user, key, signal }) => {
    if (!options.accepting()) return reject("unavailable", { retryAfterMs: 1000 });
    const { "content-type": type = "", "content-encoding": encoding = "identity" } = request.headers;
    if (!/^application\/json\b/i.test(type) || encoding !== "identity") {
      return reject("unsupported_media", { detail: "Send conversations.json as application/json, not compressed." });
    }
    const { fileBytes } = options.limits;
    const announced = Number(request.headers["content-length"] ?? 0);
    if (announced > fileBytes) return reject("too_large", tooLarge(fileBytes));
    const grant = options.quota.begin({ user, key, bytes: announced });
    if (isRejection(grant)) return grant;
    const body = countedBody(request, clock, (bytes) =>
      bytes > fileBytes ? reject("too_large", tooLarge(fileBytes)) : grant.reach(bytes),
    );
    try {
      const { tally, wrong } = await options.importer(user, body.chunks, signal);
      const { problems, ...counts } = tally;
      ofRequest(journal, request).info("import", counts);
      const refused = body.refused() ?? wrong;
      if (refused !== undefined) {
        const kept = tally.imported === 0 ? "" : ` ${tally.imported} conversations before it are imported.`;
        return { ...refused, message: refused.message + kept };
      }
      response.writeHead(200, { "Content-Type": "application/json", "Cache-Control": "no-store" });
      response.end(JSON.stringify({ ...counts, problems }));
      return undefined;
    } finally {
      grant.settle(body.bytes());
    }
  };

  const conversation =
    (id: string): Act =>
    async (call) => {
      const format = call.url.searchParams.get("format") ?? "json";
      if (format !== "json" && format !== "markdown") {
        return reject("invalid", { field: "format", detail: "There are the formats json and markdown." });
      }
      const given = await exporter.conversation(call.user, id, format);
      return isRejection(given) ? given : send(call, given);
    };

  const end: Act = async ({ request, response, user }) => {
    const read = await readJson(request);
    if ("wrong" in read) return read.wrong;
    const { confirm } = Object(read.json) as { confirm?: unknown };
    if (confirm !== "delete") {
      return reject("invalid", { field: "confirm", detail: 'Send {"confirm": "delete"} to delete the account.' });
    }
    const running = busy.get(user);
    running?.abort.abort();
    await running?.done.catch(() => undefined);
    await options.erasure.erase(user);
    response.writeHead(204, { "Cache-Control": "no-store" }).end();
    return undefined;
  };

  const actsOf = (path: string): Readonly<Record<string, Act>> | undefined => {
    if (path === accountPath) return { DELETE: end };
    if (path === archivePath) return { GET: alone(archive) };
    if (path === importPath) return { POST: alone(take) };
    const id = exportedIdOf(path);
    return id === undefined ? undefined : { GET: conversation(id) };
  };

  const perform = async (
    act: Act,
    call: Pick<Call, "request" | "response" | "url">,
    address: string | undefined,
  ): Promise<void> => {
    const { request, response } = call;
    const person = await whoAsks(request, address, entrance);
    if (isRejection(person)) return turnBack(request, response, person);
    const abort = new AbortController();
    response.once("close", () => abort.abort());
    // A body that nobody reads would never end.
    if (request.method === "GET") request.resume();
    const rejection = await act({ ...call, ...person, signal: abort.signal });
    if (rejection !== undefined) turnBack(request, response, rejection);
  };

  return (request, response, url, address) => {
    const acts = actsOf(url.pathname);
    if (acts === undefined) return false;
    if (hasCredential(url)) turnBack(request, response, reject("invalid"));
    else if (!originAllowed(request, options)) turnBack(request, response, reject("forbidden"));
    else {
      allowOrigin(request, response);
      const methods = Object.keys(acts).join(", ");
      const act = acts[request.method ?? "GET"];
      if (request.method === "OPTIONS") {
        answerPreflight(response, methods, "authorization, content-type");
      } else if (act === undefined) {
        response.setHeader("Allow", methods);
        request.resume();
        sendProblem(response, 405, reject("invalid"));
      } else {
        perform(act, { request, response, url }, address).catch((error: unknown) => {
          // Whoever asked has gone, or the account ended meanwhile: nobody is there to be told.
          if (response.destroyed || request.destroyed) return;
          ofRequest(journal, request).error("data_failed", { error: errorName(error) });
          const full = error instanceof StoreFailure && error.kind === "full";
          turnBack(request, response, full ? reject("unavailable", { retryAfterMs: 5000 }) : reject("internal"));
        });
      }
    }
    return true;
  };
}

const tooLarge = (bytes: number): { detail: string } => ({ detail: `At most ${bytes} bytes can be imported at once.` });
