// Owns a world in memory for the connection's tests: sockets that a test answers, a clock that a test turns. No network, no time.
import type { Clock, SocketLike } from "../../src/client/index.ts";

export type FakeSocket = SocketLike & {
  readonly sent: Record<string, unknown>[];
  readonly url: string;
  closedWith: number | undefined;
  opened(): void;
  /** A frame from the server. */
  say(frame: object): void;
  /** The server, or the network, ends it. */
  end(code: number, reason?: string): void;
  /** Accepts what `auth` asked for. */
  welcome(more?: object): void;
};

export type HandClock = Clock & {
  /** Lets time pass; timers run in their order. */
  pass(ms: number): void;
  /** Time passes, but no timer runs: the page was asleep, or throttled. */
  sleep(ms: number): void;
  readonly timers: () => number;
};

export function handClock(start = 1_000_000): HandClock {
  let now = start;
  let timers: { at: number; fn: () => void }[] = [];
  return {
    now: () => now,
    after(ms, fn) {
      const timer = { at: now + ms, fn };
      timers.push(timer);
      return () => void (timers = timers.filter((other) => other !== timer));
    },
    frame: (fn) => fn(),
    sleep: (ms) => void (now += ms),
    pass(ms) {
      const end = now + ms;
      for (;;) {
        const [next] = timers.filter((timer) => timer.at <= end).sort((a, b) => a.at - b.at);
        if (next === undefined) break;
        timers = timers.filter((other) => other !== next);
        now = Math.max(now, next.at);
        next.fn();
      }
      now = Math.max(now, end);
    },
    timers: () => timers.length,
  };
}

/** A WebSocket class whose sockets a test holds in its hands. */
export function fakeSockets() {
  const sockets: FakeSocket[] = [];
  class Fake implements FakeSocket {
    readonly sent: Record<string, unknown>[] = [];
    readonly url: string;
    readyState = 0;
    closedWith: number | undefined;
    onopen: FakeSocket["onopen"] = null;
    onmessage: FakeSocket["onmessage"] = null;
    onclose: FakeSocket["onclose"] = null;
    onerror: FakeSocket["onerror"] = null;
    constructor(url: string) {
      this.url = url;
      sockets.push(this);
    }
    send(text: string): void {
      this.sent.push(JSON.parse(text));
    }
    close(code = 1000): void {
      this.closedWith = code;
      this.readyState = 3;
    }
    opened(): void {
      this.readyState = 1;
      this.onopen?.(new Event("open"));
    }
    say(frame: object): void {
      this.onmessage?.(new MessageEvent("message", { data: JSON.stringify(frame) }));
    }
    end(code: number, reason = ""): void {
      this.readyState = 3;
      this.onclose?.(new CloseEvent("close", { code, reason }));
    }
    welcome(more: object = {}): void {
      this.opened();
      const id = this.sent[0]?.["id"];
      const session = { id: "s", token: "session-token", resumed: true, expiresAt: "" };
      this.say({ type: "ack", id, session, user: { id: "user" }, heartbeatMs: 10_000, limits: {}, ...more });
    }
  }
  const last = (): FakeSocket => {
    const socket = sockets.at(-1);
    if (socket === undefined) throw new Error("no socket was made");
    return socket;
  };
  return { Socket: Fake, sockets, last, open: () => sockets.filter((socket) => socket.closedWith === undefined) };
}

/** Lets promises settle. */
export const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
