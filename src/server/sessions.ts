// Owns who comes in: tokens, sessions and guests to a speaker. It knows no socket.
import { createHash } from "node:crypto";
import { sessionEnd, type Speaker } from "../domain/session.ts";
import { isGuest, isRejection } from "../domain/records.ts";
import { reject, stamp, type CloseCode, type CommandOf, type Rejection } from "../protocol/index.ts";
import { StoreFailure, type Bus, type Claims, type Clock, type Identity } from "./ports.ts";
import type { SessionAbout, SessionRecord, Sessions, User, Users } from "./ports.ts";
import { describeVisitor, type Visitor } from "./visitor.ts";

type SessionAnswer = { id: string; token: string; resumed: boolean; expiresAt: string };
/** What `auth` says of the person. `was`: the guest they were until now; what was the guest's is theirs (PE9). */
type PersonAnswer = { session: SessionAnswer; user: { id: string; name?: string }; was?: string };

type Admitted = { readonly ok: true; readonly speaker: Speaker; readonly answer: PersonAnswer };
/** Somebody who may come in, or why not and the code to close with. */
export type Admission = Admitted | { readonly ok: false; readonly rejection: Rejection; readonly close: CloseCode };

export type Doorman = {
  admit(command: CommandOf<"auth">, visitor: Visitor): Promise<Admission>;
  /** A newer token for an open socket. The person must be the same. */
  refresh(
    speaker: Speaker,
    token: string,
  ): Promise<{ speaker: Speaker; session: Omit<SessionAnswer, "token"> } | Rejection>;
  /** Whose session or token this is. It begins no session. */
  recognize(secret: string): Promise<User | Rejection>;
  /** True once the session of a token has ended: a socket asks after it has begun to listen for that (SE4). */
  hasEnded(token: string): Promise<boolean>;
  /** Notes that a speaker did something; written down now and then. */
  seen(speaker: Speaker): Speaker;
};

export type DoormanOptions = {
  readonly clock: Clock;
  readonly bus: Bus;
  readonly identity: Identity;
  readonly users: Users;
  readonly sessions: Sessions;
  readonly guests: boolean;
  readonly idleMs: number;
  readonly maxMs: number;
};

/** How long (ms) a command of a guest, begun before its sockets were closed, may still be on its way into the log. */
const lateMs = 2000;
/** Moved conversations that the person's other devices are told of at once. */
const toldMoves = 100;

const hashOf = (token: string): string => createHash("sha256").update(token).digest("base64url");

export function createDoorman(options: DoormanOptions): Doorman {
  const { clock, identity, users, sessions } = options;
  /** How often (ms) activity is written down. */
  const touchEvery = Math.min(60_000, options.idleMs / 4);

  const refused = (rejection: Rejection, ended = false): Admission => {
    const passing = rejection.code === "unavailable";
    const close = passing ? 1013 : rejection.code === "blocked" ? 4403 : ended ? 4410 : 4401;
    return { ok: false, rejection, close };
  };

  const admitted = (record: SessionRecord, token: string, user: User, resumed: boolean, claims?: Claims): Admitted => {
    const speaker: Speaker = {
      user: record.user,
      session: record.id,
      sessionCreatedAt: record.createdAt,
      lastSeenAt: record.lastSeenAt,
      ...(claims === undefined ? {} : { tokenExpiresAt: claims.expiresAt }),
      warned: false,
    };
    const expiresAt = stamp(sessionEnd(record.createdAt, record.lastSeenAt, options));
    const { id, name } = user;
    const person = name === undefined ? { id } : { id, name };
    return { ok: true, speaker, answer: { session: { id: record.id, token, resumed, expiresAt }, user: person } };
  };

  const fresh = (user: User, about: SessionAbout): { record: SessionRecord; token: string } => {
    const token = clock.secret(32);
    const now = clock.now();
    const times = { createdAt: now, lastSeenAt: now };
    return { token, record: { id: clock.uuid(), user: user.id, tokenHash: hashOf(token), ...times, about } };
  };

  const begin = async (user: User, about: SessionAbout, claims?: Claims): Promise<Admission> => {
    const { record, token } = fresh(user, about);
    await sessions.create(record);
    return admitted(record, token, user, false, claims);
  };

  const resume = async (
    record: SessionRecord,
    token: string,
    user: User,
    about: SessionAbout,
    claims?: Claims,
  ): Promise<Admission> => {
    const now = clock.now();
    const known = { ...record.about, ...about };
    // Thousands come back at once after a cut: one that was here a moment ago, from the same place, has nothing to write down.
    if (now - record.lastSeenAt < touchEvery && isSame(known, record.about))
      return admitted(record, token, user, true, claims);
    // A store without room goes on being read (LG8).
    await unlessFull(() => sessions.touch(record.id, now, known));
    return admitted({ ...record, lastSeenAt: now }, token, user, true, claims);
  };

  /** A guest signs in: what was the guest's is the user's, under a new session; once, whoever else tries (PE9). */
  const upgrade = async (guest: string, user: User, about: SessionAbout, claims: Claims): Promise<Admission> => {
    const { record, token } = fresh(user, about);
    const move = { guest, user: user.id };
    tell(user.id, await sessions.adopt({ ...move, at: clock.now(), session: record }));
    options.bus.publish(`user/${guest}`, { kind: "session-ended", user: guest });
    // What the guest's sockets had begun before they were closed is moved as well.
    clock.after(lateMs, () => {
      const late = sessions.adopt({ ...move, at: clock.now() });
      late.then((moved) => tell(user.id, moved)).catch(() => undefined);
    });
    const { speaker, answer } = admitted(record, token, user, false, claims);
    return { ok: true, speaker, answer: { ...answer, was: guest } };
  };
  const tell = (user: string, moved: readonly string[]): void => {
    for (const conversation of moved.slice(0, toldMoves)) {
      options.bus.publish(`user/${user}`, { kind: "row", user, conversation });
    }
  };

  /** The session of a token: live, ended, or none. */
  const look = async (token: string): Promise<SessionRecord | "ended" | undefined> => {
    const record = await sessions.findByHash(hashOf(token));
    if (record === undefined) return undefined;
    const over = clock.now() >= sessionEnd(record.createdAt, record.lastSeenAt, options);
    return over || record.revokedAt !== undefined ? "ended" : record;
  };

  const byToken = async (command: CommandOf<"auth">, token: string, about: SessionAbout): Promise<Admission> => {
    const claims = await identity.verify(token);
    if (isRejection(claims)) return refused(claims);
    const user = await users.resolve(claims);
    if (isRejection(user)) return refused(user);
    if (isOver(claims.authenticatedAt, user)) return refused(reject("unauthorized"));
    const proven = { ...about, authenticatedAt: claims.authenticatedAt };
    const known = command.session === undefined ? undefined : await look(command.session);
    if (command.session === undefined || known === undefined || known === "ended") return begin(user, proven, claims);
    if (isGuest(known.user) && known.user !== user.id) return upgrade(known.user, user, proven, claims);
    const own = known.user === user.id && !isOver(signedInAt(known), user);
    return own ? resume(known, command.session, user, proven, claims) : begin(user, proven, claims);
  };

  const bySession = async (command: CommandOf<"auth">, token: string, about: SessionAbout): Promise<Admission> => {
    const record = await look(token);
    if (record !== undefined && record !== "ended") {
      const user = await users.find(record.user);
      if (isRejection(user)) return refused(user);
      const over = isOver(signedInAt(record), user);
      return over ? refused(reject("unauthorized"), true) : resume(record, token, user, about);
    }
    if (command.guest === true && options.guests) return asGuest(about);
    return refused(reject("unauthorized"), record === "ended");
  };

  const asGuest = async (about: SessionAbout): Promise<Admission> => {
    if (!options.guests) return refused(reject("unauthorized"));
    const user = await users.resolve("guest");
    return isRejection(user) ? refused(user) : begin(user, about);
  };

  const recognize = async (secret: string): Promise<User | Rejection> => {
    const record = await look(secret);
    if (record === "ended") return reject("unauthorized");
    const claims = record === undefined ? await identity.verify(secret) : record;
    if (isRejection(claims)) return claims;
    const user = "issuer" in claims ? await users.resolve(claims) : await users.find(claims.user);
    if (isRejection(user)) return user;
    return isOver("issuer" in claims ? claims.authenticatedAt : signedInAt(claims), user)
      ? reject("unauthorized")
      : user;
  };

  const letIn = (command: CommandOf<"auth">, visitor: Visitor): Promise<Admission> => {
    const about = describeVisitor(visitor, command.client);
    if (command.token !== undefined) return byToken(command, command.token, about);
    if (command.session !== undefined) return bySession(command, command.session, about);
    return command.guest === true ? asGuest(about) : Promise.resolve(refused(reject("unauthorized")));
  };

  return {
    async admit(command, visitor) {
      return (await unlessFull(() => letIn(command, visitor))) ?? refused(unavailable());
    },
    async refresh(speaker, token) {
      const claims = await identity.verify(token);
      if (isRejection(claims)) return claims;
      const user = await users.resolve(claims);
      if (isRejection(user)) return user;
      const other = user.id !== speaker.user || isOver(claims.authenticatedAt, user);
      if (other) return reject("unauthorized", { field: "token" });
      const next = { ...speaker, tokenExpiresAt: claims.expiresAt, warned: false };
      const expiresAt = stamp(sessionEnd(next.sessionCreatedAt, next.lastSeenAt, options));
      return { speaker: next, session: { id: speaker.session, resumed: true, expiresAt } };
    },
    recognize: async (secret) => (await unlessFull(() => recognize(secret))) ?? unavailable(),
    hasEnded: async (token) => (await look(token)) === "ended",
    seen(speaker) {
      const now = clock.now();
      if (now - speaker.lastSeenAt < touchEvery) return speaker;
      // Losing this write only makes an idle session end a little earlier.
      sessions.touch(speaker.session, now).catch(() => undefined);
      return { ...speaker, lastSeenAt: now };
    },
  };
}

const isSame = (a: SessionAbout, b: SessionAbout): boolean =>
  a.device === b.device && a.place === b.place && a.authenticatedAt === b.authenticatedAt;

/** When the holder of a session last proved who they are. */
export const signedInAt = ({ about, createdAt }: SessionRecord): number => about.authenticatedAt ?? createdAt;

/** True for what was signed in before its user took everything back. */
export const isOver = (signedIn: number | undefined, { validAfter }: User): boolean =>
  validAfter !== undefined && signedIn !== undefined && signedIn < validAfter;

export const unavailable = (): Rejection => reject("unavailable", { retryAfterMs: 1000 });

/** What `act` gives; undefined: the store had no room for it (LG8). */
export async function unlessFull<T>(act: () => Promise<T>): Promise<T | undefined> {
  try {
    return await act();
  } catch (error) {
    if (error instanceof StoreFailure && error.kind === "full") return undefined;
    throw error;
  }
}
