// Owns one person's socket: coming in, requests until they are answered over however many sockets, frames to whoever reads. It decides nothing.
import { WebSocket } from "ws";
import { objectOf, parseFrame, textOf, type Ack, type Frame } from "../client/frames.ts";
import { socketUrl } from "../client/address.ts";
import type { Measures } from "./measure.ts";

export type LineOptions = {
  readonly url: string;
  readonly token: string | undefined;
  readonly patienceMs: number;
  readonly measures: Measures;
  readonly now: () => number;
  /** What the next socket reads from its beginning. */
  readonly opening: () => readonly object[];
  readonly received: (frame: Frame) => void;
};

/** A text: the code of an error that is not to be asked again. undefined: not answered in time, or the run is over. */
type Answer = Ack | string | undefined;
type Waiting = { readonly text: string; readonly since: number; readonly resolve: (answer: Answer) => void };

/** Waits (ms) before the next socket: doubled with every failure in a row. */
const [shortest, longest] = [250, 8000];
/** Milliseconds that a server has to answer the close of a socket. */
const farewell = 2000;

export class Line {
  readonly #options: LineOptions;
  readonly #waiting = new Map<string, Waiting>();
  #socket: WebSocket | undefined;
  #session: string | undefined;
  #online = false;
  #closed = false;
  #failures = 0;
  readonly #arrivals = new Set<() => void>();
  #timer: NodeJS.Timeout | undefined;

  constructor(options: LineOptions) {
    this.#options = options;
  }

  /** Opens a socket and comes in. */
  open(): void {
    clearTimeout(this.#timer);
    if (this.#closed) return;
    const { url, token, measures, now, opening } = this.#options;
    const began = now();
    const socket = new WebSocket(socketUrl(url), "throughline.v1", { perMessageDeflate: false });
    this.#socket = socket;
    const session = this.#session === undefined ? {} : { session: this.#session };
    const who = token === undefined ? { guest: true } : { token };
    socket.on("open", () =>
      socket.send(
        JSON.stringify({
          type: "auth",
          id: "auth",
          ...session,
          ...who,
          open: opening(),
          client: { name: "throughline-load" },
        }),
      ),
    );
    socket.on("error", (error) => measures.error(`socket: ${"code" in error ? String(error.code) : error.message}`));
    socket.on("close", (code) => this.#gone(socket, code));
    socket.on("message", (data: Buffer) => {
      if (socket !== this.#socket) return;
      const frame = parseFrame(data.toString());
      if (frame === undefined) return measures.error("a frame that cannot be read");
      if (frame.type === "ack" && frame.id === "auth") return this.#welcomed(frame, now() - began);
      if (frame.type === "ack" || frame.type === "error") return this.#answered(frame);
      try {
        return this.#options.received(frame);
      } catch (error) {
        measures.fault("crashed");
        return measures.problem(`a frame of type ${frame.type}: ${String(error)}`);
      }
    });
  }

  /** Resolves when this person has come in for the first time, or the run is over. */
  arrived(): Promise<void> {
    if (this.#session !== undefined || this.#closed) return Promise.resolve();
    return new Promise((resolve) => void this.#arrivals.add(resolve));
  }

  /** Sends a command until it is answered. */
  request(command: { readonly type: string; readonly id: string } & Record<string, unknown>): Promise<Answer> {
    const text = JSON.stringify(command);
    return new Promise((resolve) => {
      if (this.#closed) return resolve(undefined);
      const late = setTimeout(() => {
        this.#waiting.delete(command.id);
        this.#options.measures.error("no answer");
        resolve(undefined);
      }, this.#options.patienceMs);
      const settle = (answer: Answer): void => {
        clearTimeout(late);
        resolve(answer);
      };
      this.#waiting.set(command.id, { text, since: this.#options.now(), resolve: settle });
      if (this.#online) this.#socket?.send(text);
    });
  }

  /** Sends without waiting for an answer. */
  tell(command: object): void {
    if (this.#online) this.#socket?.send(JSON.stringify(command));
  }

  /** The network is gone, without a word, for a while (ms). */
  cut(awayMs: number): void {
    const socket = this.#socket;
    this.#leave();
    socket?.terminate();
    this.#timer = setTimeout(() => this.open(), awayMs);
  }

  /** Leaves for good. Resolves when the socket is gone. */
  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    const socket = this.#socket;
    this.#leave();
    for (const { resolve } of this.#waiting.values()) resolve(undefined);
    this.#waiting.clear();
    this.#arrive();
    if (socket === undefined || socket.readyState === WebSocket.CLOSED) return;
    await new Promise<void>((resolve) => {
      const late = setTimeout(() => socket.terminate(), farewell);
      socket.once("close", () => {
        clearTimeout(late);
        resolve();
      });
      socket.close(1000);
    });
  }

  #arrive(): void {
    for (const resolve of this.#arrivals) resolve();
    this.#arrivals.clear();
  }

  #leave(): void {
    if (this.#online) this.#options.measures.online(-1);
    this.#online = false;
    this.#socket = undefined;
  }

  #welcomed(ack: Ack, ms: number): void {
    const { measures } = this.#options;
    if (this.#session === undefined) measures.count("people");
    measures.time("connect", ms);
    measures.online(1);
    this.#failures = 0;
    this.#online = true;
    this.#session = textOf(objectOf(ack, "session"), "token") ?? this.#session;
    for (const { text } of this.#waiting.values()) this.#socket?.send(text);
    this.#arrive();
  }

  #answered(frame: Extract<Frame, { type: "ack" | "error" }>): void {
    const { measures, now } = this.#options;
    const { id } = frame;
    const waiting = id === undefined ? undefined : this.#waiting.get(id);
    if (frame.type === "error") {
      measures.error(frame.error.code);
      const { retryAfterMs } = frame.error;
      // What may be asked again later is: nothing was changed.
      if (waiting !== undefined && frame.error.retryable && retryAfterMs !== undefined) {
        setTimeout(() => this.#online && this.#socket?.send(waiting.text), retryAfterMs).unref();
        return;
      }
    }
    if (id === undefined || waiting === undefined) return;
    this.#waiting.delete(id);
    if (frame.type === "ack") measures.time("ack", now() - waiting.since);
    waiting.resolve(frame.type === "ack" ? frame : frame.error.code);
  }

  #gone(socket: WebSocket, code: number): void {
    if (socket !== this.#socket) return;
    this.#leave();
    if (this.#closed) return;
    const { measures } = this.#options;
    measures.count("closes");
    if (code !== 1012 && code !== 1013) measures.error(`closed ${code}`);
    const wait = Math.min(longest, shortest * 2 ** this.#failures++) * (0.5 + Math.random());
    this.#timer = setTimeout(() => this.open(), wait);
  }
}
