// Owns the connection as a whole: when a socket is opened, replaced or given up. One socket at a time is listened to (B11).
import { healthUrl } from "./address.ts";
import { afterClose, backoff } from "./backoff.ts";
import { createCell, type Readable } from "./cell.ts";
import type { Environment } from "./environment.ts";
import { numberOf, type Ack, type Frame } from "./frames.ts";
import { openLink, probeTime, type Credentials, type Link, type OpenItem } from "./link.ts";

/** `at`: when the next attempt is made, milliseconds since 1970. `attempt` counts from 1. */
export type ConnectionState =
  | { readonly kind: "idle" }
  | { readonly kind: "connecting"; readonly attempt: number }
  | { readonly kind: "authenticating"; readonly attempt: number }
  | {
      readonly kind: "online";
      /** This server is leaving; another connection is being made. */ readonly draining: boolean;
    }
  | {
      readonly kind: "reconnecting";
      readonly attempt: number;
      readonly at: number;
      /** The server answers, but has never let a socket in: an origin that it refuses, or something between that does. */
      readonly blocked?: true;
    }
  | { readonly kind: "offline"; readonly attempt: number; readonly at: number }
  /** `left`: on purpose. */
  | { readonly kind: "signed-out"; readonly left?: true }
  | { readonly kind: "stopped"; readonly code: number };

export type ConnectionOptions = {
  readonly url: string;
  readonly environment: Environment;
  readonly client: { name: string; version: string };
  /** `fresh`: those of the last time were refused. undefined: there are none. Rejects where they cannot be had now. */
  credentials(fresh: boolean): Promise<Credentials | undefined>;
  /** What the next socket reads from its beginning; called when the first frame is sent. */
  readonly opening: () => readonly OpenItem[];
  /** Signed in; called before the state is `online`. */
  welcomed(ack: Ack): void;
  received(frame: Frame): void;
  /** The last frame sent was too large for the server (1009). */
  tooLarge(): void;
  /** There is nobody signed in any more: the session is over, or all that was tried was refused. */
  signedOut(): void;
  stopped(): void;
};

export type Connection = {
  readonly state: Readable<ConnectionState>;
  /** Begins, also after a sign-out or a stop. */
  start(): void;
  /** Comes in with what `credentials` gives now; a living connection serves until then. */
  renew(): void;
  /** Now, not when the time has come: the network or the page is back, or a person asks. */
  readonly tryNow: () => void;
  send(text: string): boolean;
  /** A person has signed out: it stays so until `start`. */
  signOut(): void;
  close(): void;
};

/** A connection that lasted so long (ms) was good: the next trouble starts from the shortest wait again. */
const heldTime = 10_000;
/** Attempts without ever an open socket, after which the server is asked whether it is there at all; then the least wait (ms). */
const blockedAfter = 3;
const blockedWait = 30_000;

export function createConnection(options: ConnectionOptions): Connection {
  const { environment } = options;
  const { clock, random } = environment;
  const state = createCell<ConnectionState>({ kind: "idle" });
  let live: Link | undefined;
  let trying: Link | undefined;
  let welcomedAt = 0;
  let attempt = 0;
  let refused = false;
  let firm = false;
  /** A socket was open once: whoever refuses now does so for a while. */
  let opened = false;
  /** How often HTTP answered in a row where sockets did not open. */
  let answers = 0;
  let cancelWait: () => void = () => undefined;
  let unwatch: () => void = () => undefined;

  const show = (next: ConnectionState): void => {
    // A connection that is being made beside a living one is nobody's business.
    if (live === undefined || next.kind === "online") state.set(next);
  };
  const isActive = (): boolean => !["idle", "signed-out", "stopped"].includes(state.getSnapshot().kind);

  const begin = (fresh = false): void => {
    cancelWait();
    firm = false;
    trying?.drop();
    show({ kind: "connecting", attempt: attempt + 1 });
    const link: Link = openLink({
      url: options.url,
      environment,
      client: options.client,
      credentials: () => options.credentials(fresh),
      opening: options.opening,
      events: {
        authenticating() {
          opened = true;
          answers = 0;
          show({ kind: "authenticating", attempt: attempt + 1 });
        },
        welcomed(ack) {
          live?.drop();
          live = link;
          trying = undefined;
          welcomedAt = clock.now();
          options.welcomed(ack);
          if (live === link) state.set({ kind: "online", draining: false });
        },
        frame(frame) {
          if (frame.type === "notice" && frame.code === "draining") drain(numberOf(frame, "afterMs") ?? 0);
          options.received(frame);
        },
        closed: (code, reason, welcomed) => closed(link, code, reason, welcomed),
      },
    });
    trying = link;
  };

  const wait = (shortest: number): void => {
    cancelWait();
    // One answer is not enough: a server may have come back since the attempt, and the next one finds it.
    const blocked = answers > 1;
    const ms = blocked ? Math.max(shortest, blockedWait * (1 + random())) : shortest;
    const at = clock.now() + ms;
    if (!environment.isOnline()) show({ kind: "offline", attempt, at });
    else show({ kind: "reconnecting", attempt, at, ...(blocked && { blocked }) });
    cancelWait = clock.after(ms, () => begin());
  };

  /** A refused upgrade looks to a page like a network that is gone: HTTP tells them apart (CO21). */
  const lookAround = async (): Promise<void> => {
    const waiting = state.getSnapshot();
    answers = (await environment.answers(healthUrl(options.url))) ? answers + 1 : 0;
    // Where the next attempt is under way already, it is the one after it that waits longer.
    if (!opened && answers > 1 && waiting.kind === "reconnecting" && state.getSnapshot() === waiting)
      wait(backoff(attempt, random));
  };

  const closed = (link: Link, code: number, reason: string, welcomed: boolean): void => {
    if (link === live) {
      live = undefined;
      if (clock.now() - welcomedAt >= heldTime) {
        attempt = 0;
        refused = false;
      }
    } else trying = undefined;
    const next = afterClose(code, reason, attempt, random);
    switch (next.do) {
      case "reconnect":
        if (next.skipFrame && !welcomed) return halt({ kind: "stopped", code });
        if (next.skipFrame) options.tooLarge();
        // The one that is being made beside it takes over.
        if (trying !== undefined) return show({ kind: "connecting", attempt: attempt + 1 });
        attempt++;
        wait(next.wait);
        firm = next.firm;
        if (!opened && attempt >= blockedAfter) void lookAround();
        return undefined;
      case "new-token":
        if (refused) return leave();
        refused = true;
        return begin(true);
      case "sign-in":
        // A session may end because the one that is being made beside it takes its place.
        if (link !== trying && trying !== undefined) return show({ kind: "connecting", attempt: attempt + 1 });
        return leave();
      case "stop":
        return halt({ kind: "stopped", code });
      default:
        return next satisfies never;
    }
  };

  const letGo = (): void => {
    cancelWait();
    unwatch();
    live?.drop();
    trying?.drop();
    live = trying = undefined;
  };
  const halt = (next: ConnectionState): void => {
    letGo();
    state.set(next);
    if (next.kind === "stopped") options.stopped();
  };
  const leave = (): void => {
    letGo();
    options.signedOut();
    state.set({ kind: "signed-out" });
  };

  /** Another connection is made beside this one, which serves until that one is there. */
  const drain = (afterMs: number): void => {
    if (live === undefined) return;
    state.set({ kind: "online", draining: true });
    cancelWait();
    cancelWait = clock.after(afterMs + backoff(0, random), () => begin());
  };

  const tryNow = (): void => {
    if (!isActive()) return undefined;
    if (trying === undefined && live !== undefined) return live.probe();
    if (trying === undefined) {
      const now = state.getSnapshot();
      if (!firm) return begin();
      // The state still tells whether there is a network at all.
      if (now.kind === "offline" && environment.isOnline()) state.set({ ...now, kind: "reconnecting" });
      return undefined;
    }
    // An attempt from before the network came back may hang for long.
    if (clock.now() - trying.startedAt > probeTime) begin();
    return undefined;
  };
  const woken = (): void => {
    if (environment.isOnline()) return tryNow();
    live?.probe();
    const now = state.getSnapshot();
    if (now.kind === "reconnecting") state.set({ ...now, kind: "offline" });
    return undefined;
  };

  const renew = (): void => {
    attempt = 0;
    answers = 0;
    refused = false;
    unwatch();
    unwatch = environment.wakes(woken);
    begin();
  };

  return {
    state,
    start() {
      if (!isActive()) renew();
    },
    renew,
    tryNow,
    send: (text) => live?.send(text) ?? false,
    signOut: () => halt({ kind: "signed-out", left: true }),
    close: () => halt({ kind: "idle" }),
  };
}
