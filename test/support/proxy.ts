// Owns a TCP proxy that breaks connections in every way that networks do. Must not understand what passes through it.
import { connect, createServer, type Socket } from "node:net";

/** From the client to the server, or back. */
export type Direction = "up" | "down";

type Pair = { readonly up: Socket; readonly down: Socket; lost: boolean };

export class ChaosProxy {
  port = 0;
  /** Connections so far. */
  connections = 0;
  /** Milliseconds that every chunk takes. */
  delay = 0;
  /** Bytes of each write; 0: as it comes. */
  slice = 0;
  readonly #target: () => number;
  readonly #pairs = new Set<Pair>();
  readonly #frozen = new Map<Direction, { gate: Promise<void>; open: () => void }>();
  #allowance: { direction: Direction; bytes: number } | undefined;
  readonly #server = createServer({ allowHalfOpen: true }, (near) => this.#join(near));

  private constructor(target: () => number) {
    this.#target = target;
  }

  static async start(target: number | (() => number)): Promise<ChaosProxy> {
    const proxy = new ChaosProxy(typeof target === "number" ? () => target : target);
    await new Promise<void>((resolve) => void proxy.#server.listen(0, "127.0.0.1", resolve));
    const address = proxy.#server.address();
    if (address === null || typeof address === "string") throw new Error("no port");
    proxy.port = address.port;
    return proxy;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Resets connections; `which` chooses. Says how many. What `cutAfter` still waits for is forgotten. */
  cut(which: () => boolean = () => true): number {
    this.#allowance = undefined;
    const chosen = [...this.#pairs].filter(() => which());
    for (const pair of chosen) this.#reset(pair);
    return chosen.length;
  }

  /** From now on swallows all of a connection both ways, ends included: each side believes that the other is there. */
  lose(which: () => boolean = () => true): number {
    const chosen = [...this.#pairs].filter((pair) => !pair.lost && which());
    for (const pair of chosen) pair.lost = true;
    return chosen.length;
  }

  /** Cuts whichever connection has carried the last of so many bytes in a direction, counted from now; once. */
  cutAfter(direction: Direction, bytes: number): void {
    this.#allowance = { direction, bytes };
  }

  /** While frozen, nothing is read from the sender of a direction: its own buffers fill, and nobody is told. */
  freeze(direction: Direction, on: boolean): void {
    const frozen = this.#frozen.get(direction);
    this.#frozen.delete(direction);
    frozen?.open();
    if (!on) return;
    let open: () => void = () => undefined;
    const gate = new Promise<void>((resolve) => (open = resolve));
    this.#frozen.set(direction, { gate, open });
  }

  close(): void {
    this.freeze("up", false);
    this.freeze("down", false);
    this.cut();
    this.#server.close();
  }

  #join(near: Socket): void {
    this.connections++;
    const far = connect({ port: this.#target(), host: "127.0.0.1", allowHalfOpen: true });
    const pair: Pair = { up: near, down: far, lost: false };
    this.#pairs.add(pair);
    for (const socket of [near, far]) {
      socket.setNoDelay(true);
      // The end of one side is the end of the other, except where nobody is to know.
      socket.on("error", () => this.#end(pair));
      socket.on("close", () => {
        if (this.#pairs.has(pair)) this.#end(pair);
      });
    }
    void this.#carry(pair, near, far, "up");
    void this.#carry(pair, far, near, "down");
  }

  async #carry(pair: Pair, source: Socket, sink: Socket, direction: Direction): Promise<void> {
    try {
      for await (const chunk of source) {
        await this.#frozen.get(direction)?.gate;
        if (this.delay > 0) await new Promise((resolve) => setTimeout(resolve, this.delay));
        if (pair.lost) continue;
        const { bytes, last } = this.#allowed(direction, chunk as Buffer);
        await this.#write(sink, bytes);
        if (!last) continue;
        // What was let through has to arrive before the end does.
        this.#pairs.delete(pair);
        sink.end(() => sink.destroySoon());
        source.destroy();
        return;
      }
      if (!pair.lost) sink.end();
    } catch {
      this.#end(pair);
    }
  }

  async #write(sink: Socket, bytes: Buffer): Promise<void> {
    const size = this.slice > 0 ? this.slice : Math.max(1, bytes.length);
    for (let at = 0; at < bytes.length && !sink.destroyed; at += size) {
      const room = sink.write(bytes.subarray(at, at + size));
      if (this.slice > 0) await new Promise((resolve) => setImmediate(resolve));
      if (!room && !sink.destroyed) await free(sink);
    }
  }

  /** The part of a chunk that may still pass, and whether it is the last. */
  #allowed(direction: Direction, chunk: Buffer): { bytes: Buffer; last: boolean } {
    const allowance = this.#allowance;
    if (allowance?.direction !== direction) return { bytes: chunk, last: false };
    const bytes = chunk.subarray(0, allowance.bytes);
    allowance.bytes -= bytes.length;
    const last = allowance.bytes === 0;
    if (last) this.#allowance = undefined;
    return { bytes, last };
  }

  #end(pair: Pair): void {
    if (pair.lost) return;
    this.#pairs.delete(pair);
    pair.up.destroy();
    pair.down.destroy();
  }

  #reset(pair: Pair): void {
    this.#pairs.delete(pair);
    pair.up.resetAndDestroy();
    pair.down.resetAndDestroy();
  }
}

/** Resolves when a socket takes more, or never will. */
function free(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      socket.off("drain", done).off("close", done);
      resolve();
    };
    socket.on("drain", done).on("close", done);
  });
}
