// Owns what an address and a person may do in a time: connect, wait, sign in, command. It decides; the socket and HTTP act.
import { createHash } from "node:crypto";
import { isGuest, isRejection } from "../domain/records.ts";
import { reject, type CloseCode, type Command, type CommandOf, type Rejection } from "../protocol/index.ts";
import { locate, type Place } from "./addresses.ts";
import type { BlockList, Violation } from "./blocks.ts";
import { createPace, type Pace } from "./pace.ts";
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

type EntranceOptions = {
  readonly policy: Policy;
  readonly clock: Clock;
  readonly doorman: Pick<Doorman, "admit" | "recognize">;
  readonly blocks: BlockList;
  readonly meter: Meter;
};

const later = (wait: number): Refused => ({
  ok: false,
  rejection: reject("rate_limited", { retryAfterMs: wait }),
  close: 4429,
  reason: String(secondsOf(wait)),
});
const blocked: Refused = { ok: false, rejection: reject("blocked"), close: 4403 };

/** What is counted for all sockets and requests of the process. */
class Counts {
  readonly options: EntranceOptions;
  readonly connections: Pace;
  readonly failures: Pace;
  readonly guests: Pace;
  readonly commands: Pace;
  readonly searches: Pace;
  readonly refusals: Pace;
  /** Sockets that have not signed in, by address; sockets that have, by person. */
  readonly waiting = new Map<string, number>();
  readonly signedIn = new Map<string, number>();

  constructor(options: EntranceOptions) {
    const { clock } = options;
    this.options = options;
    this.connections = createPace(clock, 60_000);
    this.failures = createPace(clock, 60_000);
    this.guests = createPace(clock, 3_600_000);
    this.commands = createPace(clock, 10_000);
    this.searches = createPace(clock, 60_000);
    this.refusals = createPace(clock, 60_000);
  }

  limitsOf(user: string): Policy["guest"] {
    const { policy } = this.options;
    return isGuest(user) ? policy.guest : policy.user;
  }

  signInsWait(key: string): number {
    return this.failures.wait(key, this.options.policy.address.failedSignInsPerMinute);
  }

  /** How long an address, or a secret that has failed, has to wait. */
  secretWaits(key: string, secret: string | undefined): number {
    const again = secret === undefined ? 0 : this.signInsWait(hashOf(secret));
    return Math.max(this.signInsWait(key), again);
  }

  failed(place: Place | undefined, secret?: string): void {
    this.failures.count(keyFor(place));
    if (secret !== undefined) this.failures.count(hashOf(secret));
    this.options.blocks.violated(place, "failedSignIn");
  }
}

class SocketEntry implements Entry {
  readonly #counts: Counts;
  readonly #visitor: Visitor;
  readonly #place: Place | undefined;
  readonly #began: number;
  readonly key: string;
  #user: string | undefined;
  #left = false;
  #counted: "waiting" | "signed in" | "not" = "waiting";

  constructor(counts: Counts, visitor: Visitor) {
    const { clock, meter } = counts.options;
    this.#counts = counts;
    this.#visitor = visitor;
    this.#place = locate(visitor.address);
    this.#began = clock.monotonic();
    this.key = keyFor(this.#place);
    meter.note({ kind: "socket-opened" });
    add(counts.waiting, this.key, 1);
  }

  async admit(command: CommandOf<"auth">): Promise<Extract<Admission, { ok: true }> | Refused> {
    const counts = this.#counts;
    const held = this.#hold(command);
    if (held !== undefined) return held;
    const admission = await counts.options.doorman.admit(command, this.#visitor);
    if (this.#left) return admission;
    if (!admission.ok) {
      if (admission.close === 4401) counts.failed(this.#place, command.token ?? command.session);
      return admission;
    }
    this.#uncount();
    const { user } = admission.speaker;
    this.#user = user;
    if (this.isBlocked()) return blocked;
    const { resumed } = admission.answer.session;
    if (isGuest(user) && !resumed) counts.guests.count(this.key);
    if ((counts.signedIn.get(user) ?? 0) >= counts.limitsOf(user).sockets) return later(60_000);
    add(counts.signedIn, user, 1);
    this.#counted = "signed in";
    counts.options.meter.note({ kind: "signed-in", resumed });
    return admission;
  }

  // Not where somebody is signed in: the score would be held against their neighbours.
  violated(what: Violation): void {
    if (this.#user === undefined || isGuest(this.#user)) this.#counts.options.blocks.violated(this.#place, what);
  }

  command(command: Command): Rejection | undefined {
    if (this.#user === undefined) return undefined;
    const { commands, searches } = this.#counts;
    const { commandsPerTenSeconds, searchesPerMinute } = this.#counts.limitsOf(this.#user);
    const wait = commands.take(this.#user, commandsPerTenSeconds);
    if (wait > 0) return reject("rate_limited", { retryAfterMs: wait });
    if (command.type !== "conversation.list" || command.query === undefined) return undefined;
    const searchWait = searches.take(this.#user, searchesPerMinute);
    return searchWait > 0 ? reject("rate_limited", { retryAfterMs: searchWait }) : undefined;
  }

  answered({ code, retryAfterMs = 1000 }: Rejection): number | undefined {
    if (this.#user === undefined || (code !== "rate_limited" && code !== "quota_exceeded")) return undefined;
    const { refusals, options } = this.#counts;
    if (refusals.take(this.#user, options.policy.abuse.refusalsPerMinute) === 0) return undefined;
    this.violated("rateLimitClose");
    // A day's allowance is no reason to keep somebody out for a day: there are old replies to read.
    return Math.min(60, secondsOf(retryAfterMs));
  }

  isBlocked(): boolean {
    const reach = this.#counts.options.blocks.reachOf(this.#place);
    return reach === "everyone" || (reach === "guests" && this.#user !== undefined && isGuest(this.#user));
  }

  leave(code: number): void {
    const { meter, clock } = this.#counts.options;
    this.#left = true;
    const ms = clock.monotonic() - this.#began;
    meter.note({ kind: "socket-closed", signedIn: this.#counted === "signed in", code, ms });
    this.#uncount();
  }

  /** What must not even be looked at. */
  #hold(command: CommandOf<"auth">): Refused | undefined {
    const { guests, options } = this.#counts;
    const secret = command.token ?? command.session;
    const wait = this.#counts.secretWaits(this.key, secret);
    if (wait > 0) return later(wait);
    if (secret !== undefined || command.guest !== true) return undefined;
    if (options.blocks.reachOf(this.#place) !== undefined) return blocked;
    const full = guests.wait(this.key, options.policy.address.newGuestsPerHour);
    return full > 0 ? later(full) : undefined;
  }

  #uncount(): void {
    if (this.#counted === "waiting") add(this.#counts.waiting, this.key, -1);
    else if (this.#counted === "signed in" && this.#user !== undefined) add(this.#counts.signedIn, this.#user, -1);
    this.#counted = "not";
  }
}

export function createEntrance(options: EntranceOptions): Entrance {
  const { policy, doorman, blocks } = options;
  const limits = policy.address;
  const counts = new Counts(options);

  const recognize: Entrance["recognize"] = async (visitor, secret) => {
    const place = locate(visitor.address);
    const key = keyFor(place);
    const reach = blocks.reachOf(place);
    if (reach === "everyone") return reject("blocked");
    if (secret === undefined) return reject("unauthorized");
    const wait = counts.secretWaits(key, secret);
    if (wait > 0) return reject("rate_limited", { retryAfterMs: wait });
    const user = await doorman.recognize(secret);
    if (isRejection(user)) {
      if (user.code === "unauthorized") counts.failed(place, secret);
      return user;
    }
    if (reach !== undefined && isGuest(user.id)) return reject("blocked");
    const slow = counts.commands.take(user.id, counts.limitsOf(user.id).commandsPerTenSeconds);
    return slow > 0 ? reject("rate_limited", { retryAfterMs: slow }) : { user: user.id, key };
  };

  return {
    enter: (visitor) => new SocketEntry(counts, visitor),
    recognize,
    connect(address) {
      const place = locate(address);
      if (blocks.reachOf(place) === "everyone") return { kind: "blocked" };
      const key = keyFor(place);
      // How long others wait is not known: a second is soon enough.
      const full = (counts.waiting.get(key) ?? 0) >= limits.waitingSockets ? 1000 : 0;
      const wait = Math.max(full, counts.signInsWait(key), counts.connections.wait(key, limits.connectionsPerMinute));
      if (wait > 0) {
        blocks.violated(place, "refusedConnection");
        return { kind: "slow", retryAfterMs: wait };
      }
      counts.connections.count(key);
      return undefined;
    },
    mayTry: (address) => counts.signInsWait(keyFor(locate(address))) === 0,
    failed: (address) => counts.failed(locate(address)),
  };
}

function add(counts: Map<string, number>, key: string, more: 1 | -1): void {
  const count = (counts.get(key) ?? 0) + more;
  if (count > 0) counts.set(key, count);
  else counts.delete(key);
}
