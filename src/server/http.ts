// Owns the HTTP face: upgrades to sockets, health, the way to the app's files. It knows no command and no conversation.
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import { WebSocketServer } from "ws";
import { closeCodes, filesPath, fileUrl, reject, type ErrorCode, type Limits } from "../protocol/index.ts";
import { clientAddress, type Range } from "./addresses.ts";
import type { AdminDoor, Guard } from "./admin.ts";
import type { Assets } from "./assets.ts";
import { accountPath, dataRoutes } from "./data-paths.ts";
import type { Engine } from "./engine.ts";
import type { FileRoutes } from "./file-routes.ts";
import {
  hasCredential,
  isVersion,
  offersOnlyOtherVersions,
  refuseUpgrade,
  socketPath,
  subprotocol,
  targetOf,
  type GateOptions,
  type Refusal,
} from "./gate.ts";
import type { Journal, Meter } from "./ports.ts";
import { secondsOf, sendProblem } from "./problem.ts";
import { ServerSocket, wireOf } from "./wire.ts";

export type HttpOptions = GateOptions & {
  readonly engine: Pick<Engine, "ready" | "sockets" | "accept" | "entrance">;
  readonly limits: Limits;
  /** Sockets at most, where that is less than what one process serves anyway. */
  readonly sockets?: number | undefined;
  readonly journal: Journal;
  /** Peers whose word about where a request comes from counts. */
  readonly trustedProxies: readonly Range[];
  readonly admin: AdminDoor;
  /** What is counted, as text, for whoever may read it; undefined: nothing is. */
  readonly metrics?: { readonly may: Guard; readonly type: string; readonly read: () => Promise<string> } | undefined;
  readonly meter?: Meter | undefined;
  /** Who may see the operator's page, which holds no figure by itself; undefined: nobody. */
  readonly adminPage?: Guard;
  /** What answers the paths of the server's documents about itself. */
  readonly documents?: Readonly<Record<string, (response: ServerResponse) => void>>;
  /** undefined: there are no files here. */
  readonly files?: FileRoutes | undefined;
  /** What is somebody's own: export, import, the end of the account. */
  readonly data?: FileRoutes | undefined;
  /** The app's pages and files; undefined: `/` belongs to somebody else. */
  readonly assets: Assets | undefined;
};

export type HttpFace = {
  /** The paths of its own. */
  readonly paths: readonly string[];
  /** The same with their methods, and with those below them. */
  readonly routes: readonly string[];
  /** Answers a request if its path is one of ours; false: it is somebody else's. */
  readonly request: (request: IncomingMessage, response: ServerResponse) => boolean;
  /** Takes an upgrade if its path is ours; false: it is somebody else's. */
  readonly upgrade: (request: IncomingMessage, socket: Duplex, head: Buffer) => boolean;
};

/** Sockets that one process serves at most, whatever it may open. */
const mostSockets = 30_000;
/** Fragments of one message, and how long (ms) a peer has to answer a close frame. */
const framing = { maxFragments: 1024, maxBufferedChunks: 16_384, closeTimeout: 4000, maxPendingAutoPongs: 1000 };

export function createHttpFace(options: HttpOptions): HttpFace {
  const { engine, limits, journal, trustedProxies } = options;
  const most = Math.min(mostSockets, options.sockets ?? mostSockets);
  const sockets = new WebSocketServer({
    noServer: true,
    WebSocket: ServerSocket,
    clientTracking: false,
    perMessageDeflate: false,
    maxPayload: limits.frameBytes,
    ...framing,
    // A version that is not spoken is taken all the same, to be closed with a reason: browsers show nothing of a refusal.
    handleProtocols: (offered) => (offered.has(subprotocol) ? subprotocol : ([...offered].find(isVersion) ?? false)),
  });
  // What the gate lets through and `ws` still finds wrong: a key, the list of subprotocols (HS12).
  sockets.on("wsClientError", (_error, socket) => refuseSocket(socket, { status: 400, reason: "Bad Request" }));

  const routes: Record<string, (response: ServerResponse) => void> = {
    "/healthz": (response) => text(response, 200, "ok"),
    ...options.documents,
    "/readyz": (response) => (engine.ready() ? text(response, 200, "ready") : text(response, 503, "not ready")),
  };

  const reading = [socketPath, ...Object.keys(routes), "/metrics"].map((path) => `GET ${path}`);
  return {
    routes: [
      ...reading,
      ...(options.files === undefined ? [] : [`POST ${filesPath}`, `GET ${fileUrl("{id}")}`]),
      ...(options.data === undefined ? [] : dataRoutes),
    ],
    paths: [
      socketPath,
      ...Object.keys(routes),
      ...(options.files === undefined ? [] : [filesPath]),
      ...(options.data === undefined ? [] : [accountPath]),
    ],
    request(request, response) {
      const url = targetOf(request);
      if (url === undefined) {
        problem(response, 400, "invalid");
        return true;
      }
      const address = clientAddress(request, trustedProxies);
      if (options.files?.(request, response, url, address) === true) return true;
      if (options.data?.(request, response, url, address) === true) return true;
      if (options.admin(request, response, url, address)) return true;
      if (url.pathname === socketPath) {
        refuse(response, request.method === "GET" ? upgradeRequired : methodNotAllowed);
        return true;
      }
      if (url.pathname === "/metrics" && options.metrics?.may(request, address) === true) {
        if (request.method === "GET" && !hasCredential(url)) sendMetrics(response, options.metrics);
        else refuse(response, methodNotAllowed);
        return true;
      }
      const route = Object.hasOwn(routes, url.pathname) ? routes[url.pathname] : undefined;
      if (hasCredential(url) && (route !== undefined || options.assets !== undefined)) {
        problem(response, 400, "invalid");
        return true;
      }
      const reads = request.method === "GET" || request.method === "HEAD";
      if (url.pathname === "/admin" && options.adminPage?.(request, address) !== true) return false;
      if (route === undefined) return reads && (options.assets?.(request, response, url.pathname) ?? false);
      if (reads) route(response);
      else refuse(response, methodNotAllowed);
      return true;
    },
    upgrade(request, socket, head) {
      const url = targetOf(request);
      if (url?.pathname !== socketPath) return false;
      socket.on("error", destroyIt);
      const address = clientAddress(request, trustedProxies);
      const refusal = refuseUpgrade(request, url, options) ?? refuseUnready() ?? refuseAddress(address);
      if (refusal !== undefined) {
        refused(refusal.status);
        refuseSocket(socket, refusal);
        return true;
      }
      sockets.handleUpgrade(request, socket, head, (ws) => {
        if (offersOnlyOtherVersions(request)) return turnAway(ws, 4400, `: speak ${subprotocol}`);
        // Taken, to be told: a client that is refused by HTTP cannot know it from a network that blocks sockets (RO1).
        if (engine.sockets() >= most) {
          refused(503);
          return turnAway(ws, 1013);
        }
        wireOf(ws, socket, (wire) => engine.accept(wire, { address, agent: request.headers["user-agent"] }));
      });
      return true;
    },
  };

  function refused(status: number): void {
    journal.info("upgrade_refused", { status });
    options.meter?.note({ kind: "upgrade-refused", status });
  }

  function refuseUnready(): Refusal | undefined {
    if (engine.ready()) return undefined;
    return { status: 503, reason: "Service Unavailable", headers: { "Retry-After": "1" } };
  }

  function refuseAddress(address: string | undefined): Refusal | undefined {
    const away = engine.entrance.connect(address);
    if (away === undefined) return undefined;
    if (away.kind === "blocked") return { status: 403, reason: "Forbidden" };
    const headers = { "Retry-After": String(secondsOf(away.retryAfterMs)) };
    return { status: 429, reason: "Too Many Requests", headers };
  }
}

/** One for all sockets: what listens as long as they live must not hold the upgrade's request, 3 KB and more. */
function destroyIt(this: Duplex): void {
  this.destroy();
}

/** Closes a socket that was taken only to be told why. */
function turnAway(ws: ServerSocket, code: 4400 | 1013, more = ""): void {
  // A socket that breaks the framing tells of an error; without a listener it would end the process.
  ws.on("error", () => undefined);
  ws.close(code, `${closeCodes[code].meaning}${more}`);
}

const methodNotAllowed: Refusal = { status: 405, reason: "Method Not Allowed", headers: { Allow: "GET, HEAD" } };
const upgradeRequired: Refusal = {
  status: 426,
  reason: "Upgrade Required",
  headers: { Upgrade: "websocket", "Sec-WebSocket-Version": "13" },
};

function sendMetrics(response: ServerResponse, { type, read }: NonNullable<HttpOptions["metrics"]>): void {
  read().then(
    (body) => response.writeHead(200, { "Content-Type": type, "Cache-Control": "no-store" }).end(body),
    () => problem(response, 500, "internal"),
  );
}

function text(response: ServerResponse, status: number, body: string): void {
  response.writeHead(status, { "Content-Type": "text/plain; charset=utf-8", "Cache-Control": "no-store" }).end(body);
}

/** Answers with a problem in the words of its code. */
export function problem(response: ServerResponse, status: number, code: ErrorCode): void {
  sendProblem(response, status, reject(code));
}

function refuse(response: ServerResponse, { status, headers }: Refusal): void {
  for (const [name, value] of Object.entries(headers ?? {})) response.setHeader(name, value);
  problem(response, status, "invalid");
}

function refuseSocket(socket: Duplex, { status, reason, headers }: Refusal): void {
  const lines = Object.entries({ ...headers, Connection: "close", "Content-Length": "0" }).map(
    ([k, v]) => `${k}: ${v}`,
  );
  socket.end(`HTTP/1.1 ${status} ${reason}\r\n${lines.join("\r\n")}\r\n\r\n`);
  socket.once("finish", () => socket.destroy());
}
