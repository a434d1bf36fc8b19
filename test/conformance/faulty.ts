// Owns a server with a planted fault: a proxy before a sound one that breaks one promise. It exists so that the checks can fail.
import { createServer } from "node:http";
import { WebSocket, WebSocketServer } from "ws";
import type { Json } from "../support/wire-view.ts";
import { socketPath } from "./visit.ts";

/** One client's connection, as a fault sees it. */
export type Link = {
  /** Connections are counted from 1. */
  readonly number: number;
  /** The command that an answer answers. */
  readonly asked: (frame: Json) => Json | undefined;
  /** Frames of its own, to the client and to the server. */
  readonly tell: (frame: Json) => void;
  readonly say: (frame: Json) => void;
};
/** What comes instead of a frame: it, another, several, none. */
type Instead = Json | readonly Json[] | undefined;

/** What goes wrong; each breaks one promise and nothing else. */
export type Fault = {
  /** A frame from the server as the client gets it. */
  readonly down?: (frame: Json, link: Link) => Instead;
  /** A command as the server gets it. */
  readonly up?: (frame: Json, link: Link) => Instead;
  /** The code that a client is closed with; undefined: it is not. */
  readonly close?: (code: number) => number | undefined;
  /** A client's connection was full, and is no more. */
  readonly relieved?: () => void;
  /** hoards: keeps all for who does not read; jams: nobody gets anything while one does not read. */
  readonly flow?: "hoards" | "jams";
  /** swallowed: the client gets none; answered: by the proxy, whatever the client does. */
  readonly pings?: "swallowed" | "answered";
  /** Takes up no subprotocol; takes text that is none. */
  readonly lax?: "subprotocol" | "UTF-8";
  /** A response over HTTP, as JSON where it is any. */
  readonly http?: (status: number, body: Buffer, path: string) => { status?: number; body?: Buffer; type?: string };
};

/** Unsent bytes at which a side is full. */
const full = 128 * 1024;
const listOf = (instead: Instead): readonly Json[] =>
  instead === undefined ? [] : Array.isArray(instead) ? (instead as readonly Json[]) : [instead as Json];

function parse(text: string): Json | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Json) : undefined;
  } catch {
    return undefined; // Rubbish is passed on as it is.
  }
}

/** Stands before the server at `target` (ws://...) with one fault. */
export async function startFaulty(target: string, fault: Fault): Promise<{ url: string; close: () => void }> {
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const path = request.url ?? "/";
      const headers = new Headers();
      for (const name of ["authorization", "content-type", "range"]) {
        const value = request.headers[name];
        if (typeof value === "string") headers.set(name, value);
      }
      const body = request.method === "POST" ? Buffer.concat(chunks) : null;
      const passOn = async (): Promise<void> => {
        const found = await fetch(target.replace(/^ws/, "http") + path, {
          method: request.method ?? "GET",
          headers,
          body,
        });
        const sound = Buffer.from(await found.arrayBuffer());
        const own = fault.http?.(found.status, sound, path) ?? {};
        const type = own.type ?? found.headers.get("content-type") ?? "";
        response.writeHead(own.status ?? found.status, { "content-type": type }).end(own.body ?? sound);
      };
      passOn().catch(() => response.destroy());
    });
  });
  const sockets = new WebSocketServer({
    server,
    perMessageDeflate: false,
    autoPong: false,
    skipUTF8Validation: fault.lax === "UTF-8",
    ...(fault.lax === "subprotocol" ? { handleProtocols: () => false } : {}),
  });
  let number = 0;
  /** Backs that wait for their own client, or for anybody's. */
  const held = new Set<WebSocket>();
  /** Those whose client does not read, also after it was closed for that. */
  const unread = new Set<WebSocket>();
  sockets.on("connection", (front) => {
    const back = new WebSocket(`${target}${socketPath}`, ["throughline.v1"], { autoPong: false });
    const commands = new Map<unknown, Json>();
    const flowTo = (to: WebSocket, from: WebSocket, data: string | Buffer, binary: boolean): void => {
      if (to.readyState === WebSocket.CONNECTING) return void to.once("open", () => flowTo(to, from, data, binary));
      to.send(data, { binary }, (error) => {
        if (error instanceof Error || to.bufferedAmount > 0 || !held.delete(from)) return;
        unread.delete(from);
        from.resume();
        if (to === front) fault.relieved?.();
      });
      if (fault.flow === "hoards" || to.bufferedAmount <= full) return;
      held.add(from);
      if (to === front) unread.add(from);
      from.pause();
    };
    const tell = (frame: Json): void => flowTo(front, back, JSON.stringify(frame), false);
    const say = (frame: Json): void => flowTo(back, front, JSON.stringify(frame), false);
    const asked = (frame: Json): Json | undefined => commands.get(frame["id"]);
    const link: Link = { number: ++number, asked, tell, say };
    front.on("message", (data: Buffer, binary) => {
      const frame = binary ? undefined : parse(data.toString());
      if (frame === undefined) return flowTo(back, front, binary ? data : data.toString(), binary);
      commands.set(frame["id"], frame);
      if (fault.up === undefined) flowTo(back, front, data, binary);
      else for (const own of listOf(fault.up(frame, link))) say(own);
    });
    const down = (data: Buffer): void => {
      if (fault.flow === "jams" && unread.size > 0) return void setTimeout(down, 20, data);
      if (fault.down === undefined) return flowTo(front, back, data, false);
      for (const own of listOf(fault.down(JSON.parse(data.toString()) as Json, link))) tell(own);
    };
    back.on("message", down);
    back.on("ping", (data: Buffer) => {
      if (fault.pings === "answered") back.pong(data);
      if (fault.pings !== "swallowed" && front.readyState === WebSocket.OPEN) front.ping(data);
    });
    front.on("pong", (data: Buffer) => {
      if (fault.pings !== "answered" && back.readyState === WebSocket.OPEN) back.pong(data);
    });
    back.on("close", (code, reason) => {
      const own = fault.close === undefined ? code : fault.close(code);
      if (own === 1006 || own === 1005) front.terminate();
      else if (own !== undefined) front.close(own, reason.toString());
    });
    back.on("error", () => front.terminate());
    front.on("error", () => undefined);
    front.on("close", () => {
      if (held.delete(back)) fault.relieved?.();
      back.terminate();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  const close = (): void => {
    for (const client of sockets.clients) client.terminate();
    server.closeAllConnections();
    server.close();
  };
  return { url: `ws://127.0.0.1:${port}`, close };
}
