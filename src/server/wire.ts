// Owns the seam between a socket's bytes and the rest: what the server asks of a transport, and `ws` behind it.
import type { Writable } from "node:stream";
import { WebSocket, type RawData } from "ws";

/** A connected socket, as the server sees it. */
export interface Wire {
  /** Queues one text frame. Never blocks and never throws. */
  send(frame: Uint8Array | string): void;
  /** What is sent from here to the loop's next turn goes out in one write. */
  gather(): void;
  /** Bytes queued and not yet taken by the network. */
  buffered(): number;
  /** Stops and resumes reading, so that a flood is held back by the network itself. */
  pause(): void;
  resume(): void;
  ping(): void;
  /** Begins the closing handshake; what was queued goes out first. `reason` is cut to what a close frame holds. */
  close(code: number, reason: string): void;
  /** Drops the connection at once. */
  terminate(): void;
}

/** What a transport tells the server about a socket. */
export interface WireEvents {
  /** A whole text frame, and its size in bytes. */
  text(frame: string, bytes: number): void;
  binary(): void;
  /** A control frame (ping or pong) came. */
  control(): void;
  /** The queue is empty again. */
  drained(): void;
  closed(code: number): void;
}

/** Bytes of UTF-8 that a close frame's reason may have. Source: RFC 6455, section 5.5. */
const reasonBytes = 123;

/** Cuts a reason to 123 bytes on a character. */
function cutReason(reason: string): string {
  let cut = reason;
  while (Buffer.byteLength(cut) > reasonBytes) cut = Array.from(cut).slice(0, -1).join("");
  return cut;
}

/** The frame that was framed last: one that goes to many sockets is framed once. */
let latest: { payload: Uint8Array | string; framed: Buffer } = { payload: "", framed: Buffer.alloc(0) };

/** A text as one frame from a server: head and payload in one piece, so that it is one write. Source: RFC 6455, section 5.2. */
export function frameText(payload: Uint8Array | string): Buffer {
  if (latest.payload === payload && latest.framed.length > 0) return latest.framed;
  const length = typeof payload === "string" ? Buffer.byteLength(payload) : payload.byteLength;
  const head = length < 126 ? 2 : length < 65_536 ? 4 : 10;
  const framed = Buffer.allocUnsafe(head + length);
  framed[0] = 0x81;
  framed[1] = head === 2 ? length : head === 4 ? 126 : 127;
  if (head === 4) framed.writeUInt16BE(length, 2);
  if (head === 10) framed.writeBigUInt64BE(BigInt(length), 2);
  if (typeof payload === "string") framed.write(payload, head);
  else framed.set(payload, head);
  latest = { payload, framed };
  return framed;
}

/** A socket of `ws` that knows who is told of it, so that all sockets share their listeners. */
export class ServerSocket extends WebSocket {
  told: WireEvents | undefined;
}

const toldOf = (ws: WebSocket): WireEvents | undefined => (ws instanceof ServerSocket ? ws.told : undefined);
function tellText(this: WebSocket, data: RawData, isBinary: boolean): void {
  if (isBinary) return toldOf(this)?.binary();
  const bytes = Array.isArray(data) ? Buffer.concat(data) : Buffer.from(data as ArrayBuffer);
  toldOf(this)?.text(bytes.toString("utf8"), bytes.length);
}
function tellControl(this: WebSocket): void {
  toldOf(this)?.control();
}
function tellClosed(this: WebSocket, code: number): void {
  toldOf(this)?.closed(code);
}

/** A `ws` socket as a Wire. A class: a process has as many of these as sockets. */
class SocketWire implements Wire {
  readonly #ws: ServerSocket;
  readonly #socket: Writable;

  constructor(ws: ServerSocket, socket: Writable) {
    this.#ws = ws;
    this.#socket = socket;
  }

  listen(events: WireEvents): void {
    const ws = this.#ws;
    ws.told = events;
    // Also where it was `ws` that filled the socket, with pongs: whoever waits for room is told.
    this.#socket.on("drain", () => events.drained());
    ws.on("message", tellText).on("ping", tellControl).on("pong", tellControl).on("close", tellClosed);
    // `ws` closes with the right code by itself (1002, 1007, 1008, 1009); without a listener the error would be thrown.
    ws.on("error", ignore);
  }

  send(frame: Uint8Array | string): void {
    // Past `ws`: it would write head and payload apart. Nothing is compressed, so its own frames keep their order with these.
    if (this.#ws.readyState === this.#ws.OPEN) this.#socket.write(frameText(frame));
  }

  gather(): void {
    this.#socket.cork();
    setImmediate(() => this.#socket.uncork());
  }

  buffered(): number {
    return this.#socket.writableLength;
  }

  pause(): void {
    this.#ws.pause();
  }

  resume(): void {
    this.#ws.resume();
  }

  ping(): void {
    if (this.#ws.readyState === this.#ws.OPEN) this.#ws.ping(undefined, false, ignore);
  }

  close(code: number, reason: string): void {
    this.#ws.close(code, cutReason(reason));
  }

  terminate(): void {
    this.#ws.terminate();
  }
}

/** Makes a `ws` socket a Wire. `listen` is called once and gives where its events go. */
export function wireOf(ws: ServerSocket, socket: Writable, listen: (wire: Wire) => WireEvents): void {
  const wire = new SocketWire(ws, socket);
  wire.listen(listen(wire));
}

const ignore = (): void => undefined;
