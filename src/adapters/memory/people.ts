// Owns users and sessions on the memory disk. Must not judge whether a session is still good.
import { guestPrefix, isGuest } from "../../domain/records.ts";
import { reject, type Rejection } from "../../protocol/index.ts";
import type { Clock, SessionRecord, Sessions, User, Users } from "../../server/ports.ts";
import type { MemoryDisk } from "./disk.ts";
import type { MemoryProcess } from "./process.ts";

export function createUsers(disk: MemoryDisk, process: MemoryProcess, clock: Clock): Users {
  const save = (user: User, who?: string): User => {
    const createdAt = disk.users.get(user.id)?.createdAt ?? clock.now();
    disk.users.set(user.id, { user: Object.freeze(user), who, createdAt });
    return user;
  };
  const find = (id: string): User | Rejection => disk.users.get(id)?.user ?? reject("unauthorized");
  return {
    resolve: (claims) =>
      process.write(() => {
        if (claims === "guest") return save({ id: `${guestPrefix}${clock.uuid()}` });
        const who = JSON.stringify([claims.issuer, claims.subject]);
        const known = [...disk.users.values()].find((row) => row.who === who)?.user;
        const name = claims.name ?? known?.name;
        return save({ id: known?.id ?? `user_${clock.uuid()}`, ...(name === undefined ? {} : { name }) }, who);
      }),
    find: (id) => process.read(() => find(id)),
    findAll: (ids) => process.read(() => ids.map(find)),
  };
}

export function createSessions(disk: MemoryDisk, process: MemoryProcess): Sessions {
  const save = (session: SessionRecord): void => void disk.sessions.set(session.id, Object.freeze({ ...session }));
  const refuseTaken = ({ id, tokenHash }: SessionRecord): void => {
    const taken = [...disk.sessions.values()].some((session) => session.tokenHash === tokenHash);
    if (taken || disk.sessions.has(id)) throw new Error("there is such a session already");
  };
  const end = (user: string, only: string | undefined, revokedAt: number): void => {
    for (const session of disk.sessions.values()) {
      const meant = session.user === user && (only === undefined || session.id === only);
      if (meant && session.revokedAt === undefined) save({ ...session, revokedAt });
    }
  };
  return {
    create: (session) =>
      process.write(() => {
        refuseTaken(session);
        save(session);
      }),
    findByHash: (tokenHash) =>
      process.read(() => [...disk.sessions.values()].find((session) => session.tokenHash === tokenHash)),
    list: (user, limit) =>
      process.read(() =>
        [...disk.sessions.values()]
          .filter((session) => session.user === user && session.revokedAt === undefined)
          .sort((a, b) => b.lastSeenAt - a.lastSeenAt || (a.id < b.id ? -1 : 1))
          .slice(0, limit),
      ),
    touch: (id, lastSeenAt, about) =>
      process.write(() => {
        const session = disk.sessions.get(id);
        if (session !== undefined) save({ ...session, lastSeenAt, about: about ?? session.about });
      }),
    revoke: ({ user, session: only }, revokedAt) =>
      process.write(() => {
        if (only !== undefined && disk.sessions.get(only)?.user !== user) return false;
        end(user, only, revokedAt);
        return true;
      }),
    adopt: ({ guest, user, at, session }) =>
      process.write(() => {
        if (session !== undefined) refuseTaken(session);
        const moved = [...disk.shelves.values()]
          .filter(({ record }) => record.user === guest && !record.deleted)
          .sort((a, b) => b.record.updatedAt - a.record.updatedAt || (a.record.id < b.record.id ? -1 : 1));
        for (const shelf of moved) {
          shelf.record = Object.freeze({ ...shelf.record, user });
          for (const [id, turn] of shelf.turns) shelf.turns.set(id, Object.freeze({ ...turn, user }));
        }
        for (const [id, file] of disk.files) {
          if (file?.user === guest) disk.files.set(id, Object.freeze({ ...file, user }));
        }
        end(guest, undefined, at);
        if (session !== undefined) save(session);
        return moved.map(({ record }) => record.id);
      }),
    forget: (before) =>
      process.write(() => {
        for (const [id, { lastSeenAt }] of disk.sessions) if (lastSeenAt < before) disk.sessions.delete(id);
        for (const [id, { createdAt }] of disk.users) {
          const used =
            [...disk.sessions.values()].some(({ user }) => user === id) ||
            [...disk.shelves.values()].some(({ record }) => record.user === id && !record.deleted);
          if (isGuest(id) && createdAt < before && !used) disk.users.delete(id);
        }
      }),
  };
}
