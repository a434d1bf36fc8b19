// Owns one socket: opening, signing in, hearing whether it still lives, its end. It must not know whether there will be another.
import type { Environment, SocketLike } from "./environment.ts";
import { numberOf, parseFrame, type Ack, type Frame } from "./frames.ts";

/** A conversation that is read, and from where. */
export type OpenItem = { readonly conversation: string; readonly seq?: number; readonly epoch?: string };

/** What lets somebody in, and what to do once that is decided. */
export type Credentials = {
  readonly token?: string | undefined;
  readonly session?: string | undefined;
  readonly guest?: true | undefined;
  readonly decided?: (() => void) | undefined;
};

/** Each is called in this order, `closed` once at the end; nothing comes after it. */
export type LinkEvents = {
  authenticating(): void;
  welcomed(ack: Ack): void;
  frame(frame: Frame): void;
  /** `welcomed`: it had been signed in. */
  closed(code: number, reason: string, welcomed: boolean): void;
};

export type Link = {
  /** False: not open, nothing was sent. */
  send(text: string): boolean;
  /** Asks whether the other end is still there; ends the link if no answer comes. */
  probe(): void;
  /** Ends it without telling. */
  drop(): void;
  readonly startedAt: number;
};

/** How long an attempt may take from credentials to the ack, and a probe until its answer, in milliseconds. */
const attemptTime = 15_000;
export const probeTime = 2500;
const silentBeats = 1.5;
const defaultHeartbeat = 25_000;
const subprotocol = "throughline.v1";

export function openLink(options: {
  url: string;
  environment: Environment;
  /** undefined: there are none to try. */
  credentials: () => Promise<Credentials | undefined>;
  opening: () => readonly OpenItem[];
  client: { name: string; version: string };
  events: LinkEvents;
}): Link {
  const { environment, events } = options;
  const { clock } = environment;
  const startedAt = clock.now();
  const authId = environment.uuid();
  let socket: SocketLike | undefined;
  let phase: "opening" | "open" | "over" = "opening";
  let decided: () => void = () => undefined;
  let heardAt = startedAt;
  let beat = defaultHeartbeat;
  let cancelProbe: (() => void) | undefined;
  let cancelTimer = clock.after(attemptTime, () => end(1006, ""));

  /** Lets go of the socket: nothing that it may still say is heard. */
  const release = (): boolean => {
    if (phase === "over") return false;
    phase = "over";
    cancelTimer();
    cancelProbe?.();
    decided();
    if (socket !== undefined) {
      socket.onopen = socket.onmessage = socket.onclose = null;
      socket.onerror = () => undefined;
      socket.close(1000);
    }
    return true;
  };
  const end = (code: number, reason: string): void => {
    const welcomed = phase === "open";
    if (release()) events.closed(code, reason, welcomed);
  };

  const probe = (): void => {
    if (phase !== "open" || cancelProbe !== undefined) return;
    const asked = clock.now();
    const wait = (): void => {
      cancelProbe = clock.after(probeTime, () => {
        // Far too late: this page itself was asleep, and the answer may be waiting to be read.
        const slept = clock.now() - asked > 2 * probeTime && heardAt < asked;
        cancelProbe = undefined;
        if (!slept) return end(1006, "");
        socket?.send(JSON.stringify({ type: "ping", id: environment.uuid() }));
        cancelProbe = clock.after(probeTime, () => end(1006, ""));
        return undefined;
      });
    };
    wait();
    socket?.send(JSON.stringify({ type: "ping", id: environment.uuid() }));
  };

  /** Looks at the silence, not at a beat: a timer that comes late finds frames that came in the meantime (B30). */
  const watch = (): void => {
    const silent = clock.now() - heardAt;
    const limit = silentBeats * beat;
    if (silent >= limit) probe();
    cancelTimer = clock.after(Math.max(1000, limit - (silent >= limit ? 0 : silent)), watch);
  };

  const hear = (data: unknown): void => {
    heardAt = clock.now();
    cancelProbe?.();
    cancelProbe = undefined;
    const frame = parseFrame(data);
    if (frame === undefined) return;
    if (phase === "open") return events.frame(frame);
    if (frame.type !== "ack" || frame.id !== authId) return;
    phase = "open";
    beat = numberOf(frame, "heartbeatMs") ?? defaultHeartbeat;
    cancelTimer();
    watch();
    events.welcomed(frame);
    decided();
  };

  const start = async (): Promise<void> => {
    const found = await options.credentials();
    if (found === undefined) return end(4401, "");
    const { decided: settle, ...credentials } = found;
    if (phase === "over") return settle?.();
    decided = settle ?? decided;
    const made: SocketLike = new environment.webSocket(options.url, subprotocol);
    socket = made;
    made.onerror = () => undefined;
    made.onopen = () => {
      events.authenticating();
      const auth = { type: "auth", id: authId, ...credentials, client: options.client };
      made.send(JSON.stringify({ ...auth, open: options.opening() }));
    };
    made.onmessage = (event) => hear(event.data);
    made.onclose = (event) => end(event.code, event.reason);
    return undefined;
  };
  // Credentials that could not be got, or a socket that could not be made, are a lost attempt.
  start().catch(() => end(1006, ""));

  return {
    startedAt,
    probe,
    drop: () => void release(),
    send(text) {
      if (phase !== "open" || socket?.readyState !== 1) return false;
      socket.send(text);
      return true;
    },
  };
}
