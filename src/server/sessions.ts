// Owns who comes in: tokens, sessions and guests to a speaker. It knows no socket.
import { createHash } from "node:crypto";
import { sessionEnd, type Speaker } from "../domain/session.ts";
import { isRejection } from "../domain/records.ts";
import { reject, stamp, type CloseCode, type CommandOf, type Rejection } from "../protocol/index.ts";
import { StoreFailure, type Claims, type Clock, type Identity } from "./ports.ts";
import type { SessionRecord, Sessions, User, Users } from "./ports.ts";

type SessionAnswer = { id: string; token: string; resumed: boolean; expiresAt: string };

/** Somebody who may come in, or why not and the code to close with. */
export type Admission =
  | { readonly ok: true; readonly speaker: Speaker; readonly user: User; readonly session: SessionAnswer }
  | { readonly ok: false; readonly rejection: Rejection; readonly close: CloseCode };

export type Doorman = {
  admit(command: CommandOf<"auth">): Promise<Admission>;
  /** A newer token for an open socket. The person must be the same. */
  refresh(
    speaker: Speaker,
    token: string,
  ): Promise<{ speaker: Speaker; session: Omit<SessionAnswer, "token"> } | Rejection>;
  /** True once the session of a token has ended: a socket asks after it has begun to listen for that (SE4). */
  hasEnded(token: string): Promise<boolean>;
  /** Notes that a speaker did something; written down now and then. */
  seen(speaker: Speaker): Speaker;
  /** `unavailable` where the store has no room to write it down: the session goes on. */
  logout(speaker: Speaker, everywhere: boolean): Promise<Rejection | undefined>;
};

export type DoormanOptions = {
  readonly clock: Clock;
  readonly identity: Identity;
  readonly users: Users;
  readonly sessions: Sessions;
  readonly guests: boolean;
  readonly idleMs: number;
  readonly maxMs: number;
};

const hashOf = (token: string): string => createHash("sha256").update(token).digest("base64url");

export function createDoorman(options: DoormanOptions): Doorman {
  const { clock, identity, users, sessions } = options;
  /** How often (ms) activity is written down. */
  const touchEvery = Math.min(60_000, options.idleMs / 4);

  const refused = (rejection: Rejection): Admission => {
    const close = rejection.code === "unavailable" ? 1013 : rejection.code === "blocked" ? 4403 : 4401;
    return { ok: false, rejection, close };
  };

  const answer = (record: SessionRecord, token: string, resumed: boolean): SessionAnswer => {
    const expiresAt = stamp(sessionEnd(record.createdAt, record.lastSeenAt, options));
    return { id: record.id, token, resumed, expiresAt };
  };

  const speakerOf = (record: SessionRecord, claims: Claims | undefined): Speaker => ({
    user: record.user,
    session: record.id,
    sessionCreatedAt: record.createdAt,
    lastSeenAt: record.lastSeenAt,
    ...(claims === undefined ? {} : { tokenExpiresAt: claims.expiresAt }),
    warned: false,
  });

  const begin = async (user: User, claims: Claims | undefined, client: string | undefined): Promise<Admission> => {
    const token = clock.secret(32);
    const now = clock.now();
    const times = { createdAt: now, lastSeenAt: now };
    const record: SessionRecord = { id: clock.uuid(), user: user.id, tokenHash: hashOf(token), ...times, client };
    await sessions.create(record);
    return { ok: true, speaker: speakerOf(record, claims), user, session: answer(record, token, false) };
  };

  const resume = async (record: SessionRecord, token: string, user: User, claims?: Claims): Promise<Admission> => {
    const now = clock.now();
    // A store without room goes on being read (LG8).
    await unlessFull(() => sessions.touch(record.id, now));
    const seen = { ...record, lastSeenAt: now };
    return { ok: true, speaker: speakerOf(seen, claims), user, session: answer(seen, token, true) };
  };

  /** The session of a token: live, ended, or none. */
  const look = async (token: string): Promise<SessionRecord | "ended" | undefined> => {
    const record = await sessions.findByHash(hashOf(token));
    if (record === undefined) return undefined;
    const over = clock.now() >= sessionEnd(record.createdAt, record.lastSeenAt, options);
    return over || record.revokedAt !== undefined ? "ended" : record;
  };

  const byToken = async (command: CommandOf<"auth">, token: string): Promise<Admission> => {
    const claims = await identity.verify(token);
    if (isRejection(claims)) return refused(claims);
    const user = await users.resolve(claims);
    if (isRejection(user)) return refused(user);
    const known = command.session === undefined ? undefined : await look(command.session);
    if (command.session !== undefined && known !== undefined && known !== "ended" && known.user === user.id) {
      return resume(known, command.session, user, claims);
    }
    return begin(user, claims, clientOf(command));
  };

  const bySession = async (command: CommandOf<"auth">, token: string): Promise<Admission> => {
    const record = await look(token);
    if (record !== undefined && record !== "ended") {
      const user = await users.find(record.user);
      return isRejection(user) ? refused(user) : resume(record, token, user);
    }
    if (command.guest === true && options.guests) return asGuest(command);
    return { ok: false, rejection: reject("unauthorized"), close: record === "ended" ? 4410 : 4401 };
  };

  const asGuest = async (command: CommandOf<"auth">): Promise<Admission> => {
    if (!options.guests) return refused(reject("unauthorized"));
    const user = await users.resolve("guest");
    return isRejection(user) ? refused(user) : begin(user, undefined, clientOf(command));
  };

  const letIn = (command: CommandOf<"auth">): Promise<Admission> => {
    if (command.token !== undefined) return byToken(command, command.token);
    if (command.session !== undefined) return bySession(command, command.session);
    return command.guest === true ? asGuest(command) : Promise.resolve(refused(reject("unauthorized")));
  };

  return {
    async admit(command) {
      return (await unlessFull(() => letIn(command))) ?? refused(unavailable());
    },
    async refresh(speaker, token) {
      const claims = await identity.verify(token);
      if (isRejection(claims)) return claims;
      const user = await users.resolve(claims);
      if (isRejection(user)) return user;
      if (user.id !== speaker.user) return reject("unauthorized", { field: "token" });
      const next = { ...speaker, tokenExpiresAt: claims.expiresAt, warned: false };
      const expiresAt = stamp(sessionEnd(next.sessionCreatedAt, next.lastSeenAt, options));
      return { speaker: next, session: { id: speaker.session, resumed: true, expiresAt } };
    },
    hasEnded: async (token) => (await look(token)) === "ended",
    seen(speaker) {
      const now = clock.now();
      if (now - speaker.lastSeenAt < touchEvery) return speaker;
      // Losing this write only makes an idle session end a little earlier.
      sessions.touch(speaker.session, now).catch(() => undefined);
      return { ...speaker, lastSeenAt: now };
    },
    async logout(speaker, everywhere) {
      const { user, session } = speaker;
      const which = everywhere ? { user } : { user, session };
      const done = await unlessFull(() => sessions.revoke(which, clock.now()).then(() => true));
      return done === undefined ? unavailable() : undefined;
    },
  };
}

const unavailable = (): Rejection => reject("unavailable", { retryAfterMs: 1000 });

/** What `act` gives; undefined: the store had no room for it (LG8). */
async function unlessFull<T>(act: () => Promise<T>): Promise<T | undefined> {
  try {
    return await act();
  } catch (error) {
    if (error instanceof StoreFailure && error.kind === "full") return undefined;
    throw error;
  }
}

function clientOf(command: CommandOf<"auth">): string | undefined {
  const { name, version } = command.client ?? {};
  return name === undefined ? undefined : `${name} ${version ?? ""}`.trim();
}
