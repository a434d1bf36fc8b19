// Owns the operator's door: who may come in, how a request becomes an act, and its line in the journal. It knows no act itself.
import { createHash, timingSafeEqual } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { isRejection } from "../domain/records.ts";
import { reject, type Rejection } from "../protocol/index.ts";
import { isForwarded, isLoopback, locate } from "./addresses.ts";
import type { Entrance } from "./entrance.ts";
import { errorName, ofRequest } from "./journal.ts";
import { StoreFailure, type Journal } from "./ports.ts";
import { readJson } from "./json-body.ts";
import { sendProblem, statusOf } from "./problem.ts";

/** What an act gives: what it answers, and what its line in the journal says (no secret, no text of a person). */
type AdminAnswer =
  | {
      readonly status: 200 | 201 | 204;
      readonly body?: object;
      readonly audit?: Readonly<Record<string, string | number | boolean | undefined>>;
      /** Only looked at, again and again: no line for it. */
      readonly quiet?: true;
    }
  | Rejection;
/** One act of the operator. `body` is the JSON that was sent, not looked at yet; undefined: none. */
type AdminAct = (call: { readonly body: unknown; readonly query: URLSearchParams }) => Promise<AdminAnswer>;
/** Acts by method and the path behind `/api/v1/admin/`. */
export type AdminRoutes = { readonly [route: `${"GET" | "POST" | "DELETE"} ${string}`]: AdminAct };

export type AdminOptions = {
  readonly routes: AdminRoutes;
  /** undefined: only whoever is on this very machine comes in. */
  readonly token: string | undefined;
  readonly entrance: Pick<Entrance, "mayTry" | "failed">;
  readonly journal: Journal;
};

const prefix = "/api/v1/admin/";
/** A route as others name it: `GET blocks` is `GET /api/v1/admin/blocks`. */
export const operatorRoute = (route: string): string => route.replace(" ", ` ${prefix}`);
const loopbackHost = /^(localhost|127\.0\.0\.1|\[::1\])(:\d+)?$/i;
/** What a browser says of a request that its own page or its person made. */
const ownSites = new Set(["same-origin", "none"]);

/** Whether a request may know of what is the operator's: by the secret, or without one from this very machine. */
export type Guard = (request: IncomingMessage, address: string | undefined) => boolean;

export function createGuard({ token, entrance }: Pick<AdminOptions, "token" | "entrance">): Guard {
  return (request, address) => {
    if (token === undefined) return isThisMachine(request);
    if (!entrance.mayTry(address)) return false;
    const given = /^Bearer (\S+)$/i.exec(request.headers.authorization ?? "")?.[1];
    if (given !== undefined && isSame(given, token)) return true;
    if (given !== undefined) entrance.failed(address);
    return false;
  };
}

/** Answers a request for the door. false: it is for somebody else, or from nobody who may know of it (OP01). */
export type AdminDoor = (
  request: IncomingMessage,
  response: ServerResponse,
  url: URL,
  address: string | undefined,
) => boolean;

export function createAdminDoor(options: AdminOptions): AdminDoor {
  const { journal } = options;
  const mayEnter = createGuard(options);
  const routes: ReadonlyMap<string, AdminAct> = new Map(Object.entries(options.routes));

  const run = async (act: AdminAct, request: IncomingMessage, url: URL): Promise<AdminAnswer> => {
    try {
      const read = await readJson(request);
      return "wrong" in read ? read.wrong : await act({ body: read.json, query: url.searchParams });
    } catch (error) {
      if (error instanceof StoreFailure && error.kind === "full") return reject("unavailable", { retryAfterMs: 1000 });
      ofRequest(journal, request).error("admin_failed", { error: errorName(error) });
      return reject("internal");
    }
  };

  return (request, response, url, address) => {
    if (!url.pathname.startsWith(prefix) || !mayEnter(request, address)) return false;
    const route = `${request.method ?? "GET"} ${url.pathname.slice(prefix.length)}`;
    const act = routes.get(route);
    if (act === undefined) return false;
    const finish = async (): Promise<void> => {
      const answer = await run(act, request, url);
      const from = address ?? "local";
      if (isRejection(answer)) {
        ofRequest(journal, request).info("admin", { act: route, from, refused: answer.code });
        return sendProblem(response, statusOf(answer), answer);
      }
      const { status, body, audit, quiet } = answer;
      if (quiet !== true) ofRequest(journal, request).info("admin", { act: route, from, ...audit });
      response.writeHead(status, { "Cache-Control": "no-store", ...(body && { "Content-Type": "application/json" }) });
      response.end(body === undefined ? undefined : JSON.stringify(body));
    };
    void finish();
    return true;
  };
}

/** A program on this machine: not a page of another site in its browser, not a proxy that brings others. */
function isThisMachine({ socket, headers }: IncomingMessage): boolean {
  const peer = locate(socket.remoteAddress);
  if (peer === undefined || !isLoopback(peer) || isForwarded(headers)) return false;
  const { host = "", origin } = headers;
  if (!loopbackHost.test(host)) return false;
  if (origin !== undefined && origin !== `http://${host}`) return false;
  const site = headers["sec-fetch-site"];
  return site === undefined || ownSites.has(site);
}

const digest = (text: string): Buffer => createHash("sha256").update(text).digest();
const isSame = (a: string, b: string): boolean => timingSafeEqual(digest(a), digest(b));
