// A talker for tests of the server in this process: a host on a real port, sockets that remember all they were sent.
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { WebSocket, type ClientOptions } from "ws";
import { expect } from "vitest";
import { localBus } from "../../src/adapters/embedded/bus.ts";
import type { Store } from "../../src/adapters/embedded/store.ts";
import { systemClock } from "../../src/server/clock.ts";
import { createEngine, defaultEngineSettings } from "../../src/server/engine.ts";
import { unlimited } from "../../src/server/policy.ts";
import type { Journal, Meter } from "../../src/server/ports.ts";
import type { Wire } from "../../src/server/wire.ts";
import { modelFrom } from "../../src/adapters/models/index.ts";
import { createHost, type Host, type HostOptions, type Model } from "../../src/host.ts";

export type Frame = { type: string; id?: string; conversation?: string; from?: number; to?: number } & Record<
  string,
  unknown
>;
export type AnyEvent = { kind: string; text?: string; status?: string } & Record<string, unknown>;

/** Waits until `condition` gives something, looking every few milliseconds. */
export async function until<T>(
  condition: () => T | undefined | false | Promise<T | undefined | false>,
  what: string,
  ms = 10_000,
): Promise<T> {
  const end = performance.now() + ms;
  for (;;) {
    const value = await condition();
    if (value !== undefined && value !== false) return value;
    if (performance.now() > end) throw new Error(`waited ${ms} ms for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 3));
  }
}

export class Talker {
  readonly ws: WebSocket;
  readonly frames: Frame[] = [];
  closed: { code: number; reason: string } | undefined;
  #count = 0;
  readonly #name = crypto.randomUUID().slice(0, 8);

  constructor(address: string, options: ClientOptions = {}) {
    this.ws = new WebSocket(`ws://${address}/api/v1/async/chatbot`, options);
    this.ws.on("message", (data: Buffer) => this.frames.push(JSON.parse(data.toString()) as Frame));
    this.ws.on("error", () => undefined);
    this.ws.on("close", (code, reason) => (this.closed = { code, reason: reason.toString() }));
  }

  /** The session token that `auth` was answered with. */
  get session(): string {
    const { token } = (this.frames.find((frame) => frame["session"] !== undefined)?.["session"] ?? {}) as {
      token?: string;
    };
    if (token === undefined) throw new Error("not signed in");
    return token;
  }

  async opened(): Promise<this> {
    if (this.ws.readyState === WebSocket.CONNECTING) await once(this.ws, "open");
    return this;
  }

  say(frame: object): void {
    this.ws.send(JSON.stringify(frame));
  }

  /** Sends a command and waits for its answer. */
  async ask(command: object): Promise<Frame> {
    const id = `${this.#name}-${++this.#count}`;
    this.say({ id, ...command });
    const asked = (command as { id?: string }).id ?? id;
    return until(() => this.frames.findLast((frame) => frame.id === asked), `the answer to ${JSON.stringify(command)}`);
  }

  events(conversation?: string): AnyEvent[] {
    return this.frames
      .filter((frame) => frame.type === "events" && (conversation === undefined || frame.conversation === conversation))
      .flatMap((frame) => frame["events"] as AnyEvent[]);
  }

  text(): string {
    return this.events()
      .map((event) => (event.kind === "reply.appended" ? event.text : ""))
      .join("");
  }

  close(): Promise<{ code: number; reason: string }> {
    this.ws.close();
    return until(() => this.closed, "the close");
  }
}

export type Served = {
  host: Host;
  server: Server;
  address: string;
  talk: (auth?: object, options?: ClientOptions) => Promise<Talker>;
};

/** Everything a test file starts, and ends again. */
export class Stage {
  #ends: (() => unknown)[] = [];
  readonly dataDir = mkdtempSync(join(tmpdir(), "throughline-server-"));

  async serve(more: Partial<HostOptions> = {}): Promise<Served> {
    const host = await createHost({ dataDir: this.dataDir, model: counting(), titles: "off", policy: "off", ...more });
    const server = createServer((request, response) => {
      if (!host.request(request, response)) response.writeHead(404).end();
    });
    host.attach(server);
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const address = server.address();
    if (typeof address !== "object" || address === null) throw new Error("no port");
    const at = `127.0.0.1:${address.port}`;
    const talk = async (auth: object = { guest: true }, options?: ClientOptions): Promise<Talker> => {
      const talker = await new Talker(at, options).opened();
      this.#ends.unshift(() => talker.ws.terminate());
      await talker.ask({ type: "auth", ...auth });
      return talker;
    };
    this.#ends.push(async () => {
      await host.close(0);
      server.close();
      server.closeAllConnections();
    });
    return { host, server, address: at, talk };
  }

  async end(): Promise<void> {
    for (const end of this.#ends.splice(0)) await end();
    rmSync(this.dataDir, { recursive: true, force: true });
  }
}

/** An engine on a store of the test's own, and one socket of it without a network. Frames are remembered. */
export async function startBare(
  store: Pick<Store, "log" | "sessions" | "users" | "close">,
  model: Model,
  more: { meter?: Meter; buffered?: () => number; journal?: Journal } = {},
): Promise<{ frames: Frame[]; text: (frame: object) => void; end: () => Promise<void> }> {
  const nothing = (): undefined => undefined;
  const journal = more.journal ?? { info: nothing, warn: nothing, error: nothing };
  const identity = { verify: () => Promise.reject(new Error()) };
  const engine = createEngine(
    { ...store, bus: localBus(), clock: systemClock, journal, model, identity, meter: more.meter },
    {
      ...defaultEngineSettings,
      policy: unlimited,
      titles: "off",
      node: "n",
      broken: (error) => expect.fail(String(error)),
    },
  );
  await engine.start();
  const frames: Frame[] = [];
  const send: Wire["send"] = (frame) => void frames.push(JSON.parse(frame.toString()) as Frame);
  const rest = {
    buffered: more.buffered ?? (() => 0),
    gather: nothing,
    pause: nothing,
    resume: nothing,
    ping: nothing,
    close: nothing,
    terminate: nothing,
  };
  const socket = engine.accept({ send, ...rest });
  return {
    frames,
    text: (frame) => socket.text(JSON.stringify(frame), 100),
    async end() {
      await engine.drain(0);
      await store.close();
    },
  };
}

/** A model that counts: `N words every M ms` in the prompt. */
export function counting(): Model {
  return modelFrom({
    name: "counting",
    images: true,
    async *stream({ messages }, signal) {
      const part = messages.at(-1)?.content[0];
      const [, words = "3", pause = "0"] =
        /(\d+) words every (\d+) ms/.exec(part?.type === "text" ? part.text : "") ?? [];
      for (let i = 1; i <= Number(words); i++) {
        if (Number(pause) > 0) await new Promise((resolve) => setTimeout(resolve, Number(pause)));
        if (signal.aborted) return;
        yield `word${i} `;
      }
    },
  });
}

export const words = (n: number): string => Array.from({ length: n }, (_, i) => `word${i + 1} `).join("");
export const sendTo = (conversation: string, text: string, more: object = {}): object => ({
  type: "message.send",
  conversation,
  message: crypto.randomUUID(),
  parts: [{ type: "text", text }],
  ...more,
});
