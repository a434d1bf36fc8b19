// Owns one connection: frames both ways with latency, cuts, half-open silence, and a reader that stops reading.
import type { Wire, WireEvents } from "../../src/server/wire.ts";
import type { Chance } from "./chance.ts";
import { createOwner, type Owner, type Scheduler } from "./scheduler.ts";

/** What a client hears of its connection. */
type ClientEnd = { frame(text: string): void; ping(): void; closed(code: number, reason: string): void };

export type LinkOptions = {
  readonly scheduler: Scheduler;
  readonly chance: Chance;
  /** The server's process: what is due to it does not happen once it is dead. */
  readonly server: Owner;
  readonly latency: () => number;
  /** Bytes that the network takes before they count as unsent. */
  readonly window: number;
  /** Every byte counts as so many, so that little text fills a buffer. */
  readonly weight: number;
  readonly client: ClientEnd;
  /** Told of every frame that the server sends, before it goes anywhere. */
  readonly sending: (text: string, unsent: number) => void;
  /** Told of what must not happen. */
  readonly wrong: (rule: string, detail: string) => void;
  readonly closing: (code: number) => void;
};

type Item =
  | { readonly kind: "frame"; readonly text: string; readonly bytes: number }
  | { readonly kind: "ping" }
  | { readonly kind: "close"; readonly code: number; readonly reason: string };

export type Link = ReturnType<typeof createLink>;

const texts = new WeakMap<Uint8Array, string>();
function textOf(frame: Uint8Array | string): string {
  if (typeof frame === "string") return frame;
  const known = texts.get(frame);
  if (known !== undefined) return known;
  const text = Buffer.from(frame).toString("utf8");
  texts.set(frame, text);
  return text;
}

export function createLink(options: LinkOptions) {
  const { scheduler, server, client, weight, window, wrong } = options;
  /** The network itself, which nobody pauses or kills. */
  const network = createOwner();
  const unsent: Item[] = [];
  const flight: Item[] = [];
  let unsentBytes = 0;
  let flightBytes = 0;
  let events: WireEvents | undefined;
  let phase: "open" | "closing" | "gone" = "open";
  /** The server has decided to close. */
  let ended = false;
  let clientOpen = true;
  let serverTold = false;
  let reading = true;
  let silentUp = false;
  let silentDown = false;
  let stalled = false;
  const up: { text: string; kind: "text" | "binary" | "pong" }[] = [];
  let upLast = 0;
  let downLast = 0;
  /** Frames of the way up that the network may still deliver. */
  let arrived = 0;

  const bytesOf = (item: Item): number => (item.kind === "frame" ? item.bytes : 0);

  const tellServer = (code: number, ms: number): void => {
    if (serverTold) return;
    serverTold = true;
    scheduler.after(server, ms, () => events?.closed(code));
  };
  const tellClient = (code: number, reason: string, ms: number): void => {
    scheduler.after(
      network,
      ms,
      () => {
        if (!clientOpen) return;
        clientOpen = false;
        client.closed(code, reason);
      },
      { quick: true },
    );
  };

  const fill = (): void => {
    const had = unsent.length > 0;
    while (unsent.length > 0 && (flightBytes < window || bytesOf(unsent[0] as Item) === 0)) {
      const item = unsent.shift() as Item;
      unsentBytes -= bytesOf(item);
      flightBytes += bytesOf(item);
      flight.push(item);
      downLast = Math.max(downLast, scheduler.now() + options.latency());
      scheduler.after(network, downLast - scheduler.now(), land, { quick: true });
    }
    if (had && unsent.length === 0 && phase === "open") scheduler.after(server, 0, () => events?.drained());
  };
  let landed = 0;
  const land = (): void => {
    landed++;
    take();
  };
  const mayLand = (): boolean => landed > 0 && !stalled && flight.length > 0;
  const take = (): void => {
    while (mayLand()) {
      const item = flight.shift() as Item;
      landed--;
      flightBytes -= bytesOf(item);
      if (silentDown || !clientOpen) continue;
      if (item.kind === "frame") client.frame(item.text);
      else if (item.kind === "ping") client.ping();
      else {
        clientOpen = false;
        client.closed(item.code, item.reason);
        if (!silentUp) tellServer(item.code, options.latency());
      }
    }
    fill();
  };

  const push = (item: Item): void => {
    unsent.push(item);
    unsentBytes += bytesOf(item);
    fill();
  };

  const wire: Wire = {
    send(frame) {
      if (!server.alive) return;
      const text = textOf(frame);
      if (ended) wrong("SO2", `a frame after the close: ${text.slice(0, 200)}`);
      options.sending(text, unsentBytes * weight);
      if (phase === "open") push({ kind: "frame", text, bytes: Buffer.byteLength(text) });
    },
    gather: () => undefined,
    buffered: () => unsentBytes * weight,
    pause() {
      reading = false;
    },
    resume() {
      reading = true;
      scheduler.after(server, 0, feed);
    },
    ping() {
      if (server.alive && phase === "open") push({ kind: "ping" });
    },
    close(code, reason) {
      if (!server.alive || ended) return;
      ended = true;
      options.closing(code);
      if (phase !== "open") return;
      phase = "closing";
      push({ kind: "close", code, reason });
    },
    terminate() {
      if (!server.alive) return;
      ended = true;
      lose(silentDown ? 3_600_000 : options.latency(), 0);
    },
  };

  const feed = (): void => {
    if (arrived === 0 || !reading || events === undefined) return;
    const item = up.shift();
    arrived--;
    // One frame a step: what it starts may run before the next one.
    if (arrived > 0) scheduler.after(server, 0, feed);
    if (item === undefined || phase === "gone") return;
    if (item.kind === "text") events.text(item.text, Buffer.byteLength(item.text));
    else if (item.kind === "binary") events.binary();
    else events.control();
  };
  const upward = (text: string, kind: "text" | "binary" | "pong"): void => {
    if (silentUp || phase === "gone") return;
    up.push({ text, kind });
    upLast = Math.max(upLast, scheduler.now() + options.latency());
    scheduler.after(server, upLast - scheduler.now(), () => {
      arrived++;
      feed();
    });
  };
  const lose = (clientMs: number, serverMs: number): void => {
    if (phase === "gone") return;
    phase = "gone";
    unsent.length = 0;
    unsentBytes = 0;
    silentUp = true;
    tellClient(1006, "", clientMs);
    tellServer(1006, serverMs);
  };

  return {
    wire,
    attach(listener: WireEvents): void {
      events = listener;
    },
    isOpen: () => clientOpen,
    /** Neither end has left it. */
    isServed: () => clientOpen && !ended && phase === "open",
    send: (text: string): void => upward(text, "text"),
    sendBinary: (): void => upward("", "binary"),
    pong: (): void => upward("", "pong"),
    /** The client leaves; the server hears of it later. */
    leave(code: number): void {
      if (!clientOpen) return;
      clientOpen = false;
      if (!silentUp) tellServer(code, options.latency());
    },
    /** The connection breaks; what is under way may be lost. */
    cut(): void {
      if (phase === "gone") return;
      if (options.chance.maybe(0.5)) silentDown = true;
      lose(options.latency(), options.latency() + options.chance.whole(0, 500));
    },
    /** Nothing arrives any more, and nobody is told. */
    silence(ways: "up" | "down" | "both"): void {
      if (ways !== "down") silentUp = true;
      if (ways !== "up") silentDown = true;
    },
    /** The client stops reading, or reads again. */
    stall(on: boolean): void {
      stalled = on;
      if (!on) scheduler.after(network, 0, take, { quick: true });
    },
    /** The server's process is gone: the client finds out, mostly. */
    serverDied(quiet: boolean): void {
      phase = "gone";
      silentUp = true;
      unsent.length = 0;
      if (options.chance.maybe(0.5)) silentDown = true;
      if (!quiet) tellClient(1006, "", options.latency());
    },
  };
}
