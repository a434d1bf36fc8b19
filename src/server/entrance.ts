// Owns what an address and a person may do in a time: connect, wait, sign in, command. It decides; the socket and HTTP act.
import { createHash } from "node:crypto";
import { isGuest, isRejection } from "../domain/records.ts";
import { reject, type CloseCode, type Command, type CommandOf, type Rejection } from "../protocol/index.ts";
import { locate, type Place } from "./addresses.ts";
import type { BlockList, Violation } from "./blocks.ts";
import { createPace } from "./pace.ts";
import type { Policy } from "./policy.ts";
import type { Clock, Meter } from "./ports.ts";
import { secondsOf } from "./problem.ts";
import type { Admission, Doorman } from "./sessions.ts";
import type { Visitor } from "./visitor.ts";

/** Why a socket is not made. */
type TurnedAway = { readonly kind: "blocked" } | { readonly kind: "slow"; readonly retryAfterMs: number };
type Refused = {
  readonly ok: false;
  readonly rejection: Rejection;
  readonly close: CloseCode;
  readonly reason?: string;
};

/** What one socket is held to, from its first byte to its end. */
export type Entry = {
  /** The key of its address. */
  readonly key: string | undefined;
  /** Signs in, within the limits of the address and of the person. */
  admit(command: CommandOf<"auth">): Promise<Extract<Admission, { ok: true }> | Refused>;
  /** Something that counts against its address, unless somebody signed in did it. */
  violated(what: Violation): void;
  /** Why a command has to wait; it counts. */
  command(command: Command): Rejection | undefined;
  /** Counts an answer. The seconds after which to come back, where a socket has had too many refusals (4429). */
  answered(rejection: Rejection): number | undefined;
  /** True once a block shuts this socket out. */
  isBlocked(): boolean;
  /** `code`: how the socket ended. */
  leave(code: number): void;
};

export type Entrance = {
  /** Asked before a socket is made; counts it. */
  connect(address: string | undefined): TurnedAway | undefined;
  enter(visitor: Visitor): Entry;
  /** Who sends a request beside the sockets, by a session or a token; it counts as a command. `key`: as in Entry. */
  recognize(visitor: Visitor, secret: string | undefined): Promise<{ user: string; key: string } | Rejection>;
  /** A failed sign-in that no socket saw (the operator's door). False: too many, do not even look. */
  mayTry(address: string | undefined): boolean;
  failed(address: string | undefined): void;
};

/** Peers without an address: a Unix socket. */
const nowhere = "local";
const keyFor = (place: Place | undefined): string => place?.key ?? nowhere;
const hashOf = (secret: string): string => createHash("sha256").update(secret).digest("base64url");

export function createEntrance(options: {
  policy: Policy;
  clock: Clock;
  doorman: Pick<Doorman, "admit" | "recognize">;
  blocks: BlockList;
  meter: Meter;
}): Entrance {
  const { policy, clock, doorman, blocks, meter } = options;
  const { address: limits, abuse } = policy;
  const connections = createPace(clock, 60_000);
  const failures = createPace(clock, 60_000);
  const guests = createPace(clock, 3_600_000);
  const commands = createPace(clock, 10_000);
  const searches = createPace(clock, 60_000);
  const refusals = createPace(clock, 60_000);
  /** Sockets that have not signed in, by address; sockets that have, by person. */
  const waiting = new Map<string, number>();
  const signedIn = new Map<string, number>();
  const limitsOf = (user: string): Policy["guest"] => (isGuest(user) ? policy.guest : policy.user);

  const signInsWait = (key: string): number => failures.wait(key, limits.failedSignInsPerMinute);
  const failed = (place: Place | undefined, secret?: string): void => {
    failures.count(keyFor(place));
    if (secret !== undefined) failures.count(hashOf(secret));
    blocks.violated(place, "failedSignIn");
  };
  const later = (wait: number): Refused => ({
    ok: false,
    rejection: reject("rate_limited", { retryAfterMs: wait }),
    close: 4429,
    reason: String(secondsOf(wait)),
  });

  const enter = (visitor: Visitor): Entry => {
    const place = locate(visitor.address);
    const key = keyFor(place);
    let user: string | undefined;
    let left = false;
    let counted: "waiting" | "signed in" | "not" = "waiting";
    const began = clock.monotonic();
    meter.note({ kind: "socket-opened" });
    add(waiting, key, 1);
    const uncount = (): void => {
      if (counted === "waiting") add(waiting, key, -1);
      else if (counted === "signed in" && user !== undefined) add(signedIn, user, -1);
      counted = "not";
    };
    // Not where somebody is signed in: the score would be held against their neighbours.
    const violated = (what: Violation): void => {
      if (user === undefined || isGuest(user)) blocks.violated(place, what);
    };
    const isBlocked = (): boolean => {
      const reach = blocks.reachOf(place);
      return reach === "everyone" || (reach === "guests" && user !== undefined && isGuest(user));
    };
    const blocked: Refused = { ok: false, rejection: reject("blocked"), close: 4403 };

    /** What must not even be looked at. */
    const hold = (command: CommandOf<"auth">): Refused | undefined => {
      const secret = command.token ?? command.session;
      const again = secret === undefined ? 0 : failures.wait(hashOf(secret), limits.failedSignInsPerMinute);
      const wait = Math.max(signInsWait(key), again);
      if (wait > 0) return later(wait);
      if (secret !== undefined || command.guest !== true) return undefined;
      if (blocks.reachOf(place) !== undefined) return blocked;
      const full = guests.wait(key, limits.newGuestsPerHour);
      return full > 0 ? later(full) : undefined;
    };

    return {
      key,
      async admit(command) {
        const held = hold(command);
        if (held !== undefined) return held;
        const admission = await doorman.admit(command, visitor);
        if (left) return admission;
        if (!admission.ok) {
          if (admission.close === 4401) failed(place, command.token ?? command.session);
          return admission;
        }
        uncount();
        user = admission.speaker.user;
        if (isBlocked()) return blocked;
        if (isGuest(user) && !admission.answer.session.resumed) guests.count(key);
        if ((signedIn.get(user) ?? 0) >= limitsOf(user).sockets) return later(60_000);
        add(signedIn, user, 1);
        counted = "signed in";
        meter.note({ kind: "signed-in", resumed: admission.answer.session.resumed });
        return admission;
      },
      violated,
      command(command) {
        if (user === undefined) return undefined;
        const { commandsPerTenSeconds, searchesPerMinute } = limitsOf(user);
        const wait = commands.take(user, commandsPerTenSeconds);
        if (wait > 0) return reject("rate_limited", { retryAfterMs: wait });
        if (command.type !== "conversation.list" || command.query === undefined) return undefined;
        const searchWait = searches.take(user, searchesPerMinute);
        return searchWait > 0 ? reject("rate_limited", { retryAfterMs: searchWait }) : undefined;
      },
      answered({ code, retryAfterMs = 1000 }) {
        if (user === undefined || (code !== "rate_limited" && code !== "quota_exceeded")) return undefined;
        if (refusals.take(user, abuse.refusalsPerMinute) === 0) return undefined;
        violated("rateLimitClose");
        // A day's allowance is no reason to keep somebody out for a day: there are old replies to read.
        return Math.min(60, secondsOf(retryAfterMs));
      },
      isBlocked,
      leave(code) {
        left = true;
        meter.note({ kind: "socket-closed", signedIn: counted === "signed in", code, ms: clock.monotonic() - began });
        uncount();
      },
    };
  };

  const recognize: Entrance["recognize"] = async (visitor, secret) => {
    const place = locate(visitor.address);
    const key = keyFor(place);
    const reach = blocks.reachOf(place);
    if (reach === "everyone") return reject("blocked");
    if (secret === undefined) return reject("unauthorized");
    const wait = Math.max(signInsWait(key), failures.wait(hashOf(secret), limits.failedSignInsPerMinute));
    if (wait > 0) return reject("rate_limited", { retryAfterMs: wait });
    const user = await doorman.recognize(secret);
    if (isRejection(user)) {
      if (user.code === "unauthorized") failed(place, secret);
      return user;
    }
    if (reach !== undefined && isGuest(user.id)) return reject("blocked");
    const slow = commands.take(user.id, limitsOf(user.id).commandsPerTenSeconds);
    return slow > 0 ? reject("rate_limited", { retryAfterMs: slow }) : { user: user.id, key };
  };

  return {
    enter,
    recognize,
    connect(address) {
      const place = locate(address);
      if (blocks.reachOf(place) === "everyone") return { kind: "blocked" };
      const key = keyFor(place);
      // How long others wait is not known: a second is soon enough.
      const full = (waiting.get(key) ?? 0) >= limits.waitingSockets ? 1000 : 0;
      const wait = Math.max(full, signInsWait(key), connections.wait(key, limits.connectionsPerMinute));
      if (wait > 0) {
        blocks.violated(place, "refusedConnection");
        return { kind: "slow", retryAfterMs: wait };
      }
      connections.count(key);
      return undefined;
    },
    mayTry: (address) => signInsWait(keyFor(locate(address))) === 0,
    failed: (address) => failed(locate(address)),
  };
}

function add(counts: Map<string, number>, key: string, more: 1 | -1): void {
  const count = (counts.get(key) ?? 0) + more;
  if (count > 0) counts.set(key, count);
  else counts.delete(key);
}
