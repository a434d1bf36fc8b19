// Owns what an upgrade request must be like before it becomes a socket (HS rules). Pure but for reading the request.
import type { IncomingMessage } from "node:http";

/** The endpoint of the wire. */
export const socketPath = "/api/v1/async/chatbot";
/** The subprotocol: offered by clients that can, never demanded. */
export const subprotocol = "throughline.v1";

/** Why an upgrade is refused: an HTTP status, with headers that say what would be right. */
export type Refusal = {
  readonly status: number;
  readonly reason: string;
  readonly headers?: Readonly<Record<string, string>>;
};

export type GateOptions = {
  /** Exact origins, besides the own one; `*`: any. */
  readonly allowedOrigins: readonly string[] | "*";
  /** Bound to loopback: then only loopback names are the own origin, so that no foreign name can be pointed here. */
  readonly loopback: boolean;
};

/** Query parameters that would carry a credential into logs and histories. */
const credentials = new Set(["token", "access_token", "id_token", "auth", "session", "jwt", "authorization", "bearer"]);
const loopbackNames = new Set(["localhost", "127.0.0.1", "[::1]"]);

/** The path and query of a request, or undefined where they are not valid. */
export function targetOf(request: IncomingMessage): URL | undefined {
  const target = request.url ?? "/";
  return target.startsWith("/") ? (URL.parse(target.replace(/^\/+/, "/"), "http://localhost") ?? undefined) : undefined;
}

/** True where a URL carries a credential (HS04). */
export function hasCredential(url: URL): boolean {
  for (const name of url.searchParams.keys()) if (credentials.has(name.toLowerCase())) return true;
  return false;
}

/** True where a browser's Origin may open a socket. None at all is a native client: no cookie authenticates here (HS03). */
export function originAllowed(request: IncomingMessage, options: GateOptions): boolean {
  const { origin, host } = request.headers;
  if (origin === undefined) return true;
  if (options.allowedOrigins === "*" || options.allowedOrigins.includes(origin)) return true;
  const parsed = URL.parse(origin);
  if (parsed === null || host === undefined || parsed.origin !== origin) return false;
  if (options.loopback && !loopbackNames.has(parsed.hostname)) return false;
  return parsed.host === host.toLowerCase() || parsed.host === hostWithoutDefaultPort(host, parsed.protocol);
}

function hostWithoutDefaultPort(host: string, protocol: string): string {
  const port = protocol === "https:" ? ":443" : ":80";
  return host.endsWith(port) ? host.slice(0, -port.length) : host;
}

/** Checks an upgrade for the socket's path; undefined: it may go on. */
export function refuseUpgrade(request: IncomingMessage, url: URL, options: GateOptions): Refusal | undefined {
  if (request.method !== "GET") return { status: 405, reason: "Method Not Allowed", headers: { Allow: "GET" } };
  if (request.httpVersion !== "1.1") return { status: 400, reason: "Bad Request" };
  if (request.headers.upgrade?.toLowerCase() !== "websocket") return { status: 400, reason: "Bad Request" };
  if (request.headers["sec-websocket-version"] !== "13") {
    return {
      status: 426,
      reason: "Upgrade Required",
      headers: { "Sec-WebSocket-Version": "13", Upgrade: "websocket" },
    };
  }
  if (hasCredential(url)) return { status: 400, reason: "Bad Request" };
  if (!originAllowed(request, options)) return { status: 403, reason: "Forbidden" };
  return undefined;
}

/** True for a name that is some version of the subprotocol. */
export const isVersion = (name: string): boolean => /^throughline\.v\d+$/.test(name);

/** True where a client offers versions of the subprotocol, but none that is spoken here (JS08). */
export function offersOnlyOtherVersions(request: IncomingMessage): boolean {
  const offered = (request.headers["sec-websocket-protocol"] ?? "").split(",").map((name) => name.trim());
  return !offered.includes(subprotocol) && offered.some(isVersion);
}
