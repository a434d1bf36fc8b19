// A speaker of WebSocket on a bare TCP socket: every bit of what it sends is the caller's, and it judges what it receives. Knows no command.
import { randomBytes } from "node:crypto";
import { createConnection, type Socket } from "node:net";

export type FrameShape = {
  readonly opcode?: number;
  readonly payload?: Uint8Array | string;
  readonly fin?: boolean;
  /** The three reserved bits, 0 to 7. */
  readonly rsv?: number;
  readonly masked?: boolean;
  /** Bits of the length field; default: the shortest that holds it. */
  readonly form?: 7 | 16 | 64;
  /** What the header claims, whatever the payload is. */
  readonly claims?: bigint;
};

const path = "/api/v1/async/chatbot";

/** The bytes of one frame, right or wrong. */
export function frame(shape: FrameShape = {}): Buffer {
  const { opcode = 1, fin = true, rsv = 0, masked = true } = shape;
  const payload = Buffer.from(shape.payload ?? "");
  const length = shape.claims ?? BigInt(payload.length);
  const form = shape.form ?? (length < 126n ? 7 : length < 65_536n ? 16 : 64);
  const head = Buffer.alloc(form === 7 ? 2 : form === 16 ? 4 : 10);
  head[0] = (fin ? 0x80 : 0) | (rsv << 4) | opcode;
  head[1] = (masked ? 0x80 : 0) | (form === 7 ? Number(length) : form === 16 ? 126 : 127);
  if (form === 16) head.writeUInt16BE(Number(length), 2);
  if (form === 64) head.writeBigUInt64BE(length, 2);
  if (!masked) return Buffer.concat([head, payload]);
  const mask = randomBytes(4);
  for (let i = 0; i < payload.length; i++) payload[i] = (payload[i] ?? 0) ^ (mask[i & 3] ?? 0);
  return Buffer.concat([head, mask, payload]);
}

/** The bytes of a close frame. */
export function closing(code: number, reason: Uint8Array | string = ""): Buffer {
  return frame({ opcode: 8, payload: Buffer.concat([Buffer.from([code >> 8, code & 0xff]), Buffer.from(reason)]) });
}

/** An upgrade request, with `more` header lines. */
export function upgradeRequest(more: readonly string[] = []): string {
  const key = randomBytes(16).toString("base64");
  const own = ["Host: 127.0.0.1", "Upgrade: websocket", "Connection: Upgrade", `Sec-WebSocket-Key: ${key}`];
  return `${[`GET ${path} HTTP/1.1`, ...own, "Sec-WebSocket-Version: 13", ...more].join("\r\n")}\r\n\r\n`;
}

export type Answer = { type: string; id?: string; error?: { code: string; field?: string } } & Record<string, unknown>;

export class Raw {
  readonly socket: Socket;
  readonly answers: Answer[] = [];
  /** What the server did that no server may. */
  readonly problems: string[] = [];
  /** The response's head; undefined until it is whole. */
  head: string | undefined;
  pings = 0;
  pongs: Buffer[] = [];
  /** The code of the server's close frame; 1005 where it had none. */
  closeCode: number | undefined;
  closeReason = "";
  closedAt: number | undefined;
  /** The connection is over, since when. */
  endedAt: number | undefined;
  /** Answers a close frame, as a peer should. */
  polite = true;
  #received: Buffer = Buffer.alloc(0);
  readonly #wakes = new Set<() => void>();

  constructor(url: string) {
    // Half open: a peer that does not answer a close must not be helped out by its own runtime.
    this.socket = createConnection({ port: Number(new URL(url).port), host: "127.0.0.1", allowHalfOpen: true });
    this.socket.setNoDelay(true);
    this.socket.on("data", (data) => this.#read(data));
    this.socket.on("error", () => undefined);
    this.socket.on("end", () => {
      if (this.polite) this.socket.end();
    });
    this.socket.on("close", () => {
      this.endedAt = performance.now();
      this.#wake();
    });
  }

  /** Connected, upgraded, and signed in as a new guest unless told otherwise. */
  static async connect(url: string, options: { auth?: boolean; headers?: readonly string[] } = {}): Promise<Raw> {
    const raw = new Raw(url);
    raw.write(upgradeRequest(options.headers));
    await raw.until(() => raw.head !== undefined || raw.endedAt !== undefined, "the upgrade");
    if (raw.head?.startsWith("HTTP/1.1 101") !== true) throw new Error(`no upgrade: ${raw.head ?? "cut"}`);
    if (options.auth !== false) await raw.ask({ type: "auth", id: "auth", guest: true });
    return raw;
  }

  get status(): number {
    return Number(this.head?.split(" ")[1] ?? 0);
  }

  write(bytes: Uint8Array | string): void {
    if (!this.socket.destroyed) this.socket.write(bytes);
  }

  say(command: object): void {
    this.write(frame({ payload: JSON.stringify(command) }));
  }

  /** Sends a command with an id and waits for its answer, or for the end. */
  async ask(command: { id: string } & Record<string, unknown>): Promise<Answer> {
    const from = this.answers.length;
    this.say(command);
    const found = (): Answer | undefined => this.answers.slice(from).find((answer) => answer.id === command.id);
    await this.until(() => found() !== undefined || this.endedAt !== undefined, `the answer to ${command.id}`);
    const answer = found();
    if (answer === undefined) throw new Error(`ended (${this.closeCode}) before the answer to ${command.id}`);
    return answer;
  }

  /** Waits for a condition; looked at whenever something arrives. */
  until(condition: () => boolean, what: string, ms = 15_000): Promise<void> {
    return new Promise((resolve, reject) => {
      const look = (): void => {
        if (!condition()) return;
        clearTimeout(timer);
        this.#wakes.delete(look);
        resolve();
      };
      const timer = setTimeout(() => {
        this.#wakes.delete(look);
        reject(new Error(`waited ${ms} ms for ${what}; closed ${this.closeCode}, ended ${this.endedAt}`));
      }, ms);
      this.#wakes.add(look);
      look();
    });
  }

  /** Waits for the end; gives the close code, 1006 where there was none. */
  async ended(ms?: number): Promise<number> {
    await this.until(() => this.endedAt !== undefined, "the end", ms);
    return this.closeCode ?? 1006;
  }

  cut(): void {
    this.socket.resetAndDestroy();
  }

  #wake(): void {
    for (const look of this.#wakes) look();
  }

  #read(data: Buffer): void {
    this.#received = this.#received.length === 0 ? data : Buffer.concat([this.#received, data]);
    if (this.head === undefined) {
      const end = this.#received.indexOf("\r\n\r\n");
      if (end === -1) return;
      this.head = this.#received.subarray(0, end).toString("latin1");
      this.#received = this.#received.subarray(end + 4);
    }
    if (this.status === 101) while (this.#readFrame());
    this.#wake();
  }

  #readFrame(): boolean {
    const bytes = this.#received;
    if (bytes.length < 2) return false;
    const [first = 0, second = 0] = bytes;
    const short = second & 0x7f;
    const headLength = short === 126 ? 4 : short === 127 ? 10 : 2;
    if (bytes.length < headLength) return false;
    const length = short === 126 ? bytes.readUInt16BE(2) : short === 127 ? Number(bytes.readBigUInt64BE(2)) : short;
    if (bytes.length < headLength + length) return false;
    const payload = bytes.subarray(headLength, headLength + length);
    this.#received = bytes.subarray(headLength + length);
    if ((first & 0x70) !== 0 || (second & 0x80) !== 0) this.problems.push("a reserved bit or a mask from the server");
    if (this.closeCode !== undefined) this.problems.push("a frame after the close frame");
    this.#take(first & 0x0f, payload, (first & 0x80) !== 0);
    return true;
  }

  #take(opcode: number, payload: Buffer, fin: boolean): void {
    if (opcode === 1 && fin) this.answers.push(JSON.parse(payload.toString()) as Answer);
    else if (opcode === 9) {
      this.pings++;
      this.write(frame({ opcode: 10, payload: Buffer.from(payload) }));
    } else if (opcode === 10) this.pongs.push(Buffer.from(payload));
    else if (opcode === 8) {
      this.closeCode = payload.length < 2 ? 1005 : payload.readUInt16BE(0);
      this.closeReason = payload.subarray(2).toString();
      this.closedAt = performance.now();
      if (this.polite) {
        this.write(frame({ opcode: 8, payload: Buffer.from(payload) }));
        this.socket.end();
      }
    } else this.problems.push(`opcode ${opcode}, fin ${fin} from the server`);
  }
}
