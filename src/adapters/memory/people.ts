// Owns users and sessions on the memory disk. Must not judge whether a session is still good.
import { reject } from "../../protocol/index.ts";
import type { Clock, SessionRecord, Sessions, User, Users } from "../../server/ports.ts";
import type { MemoryDisk } from "./disk.ts";
import type { MemoryProcess } from "./process.ts";

export function createUsers(disk: MemoryDisk, process: MemoryProcess, clock: Clock): Users {
  const save = (user: User, who?: string): User => {
    disk.users.set(user.id, { user: Object.freeze(user), who });
    return user;
  };
  return {
    resolve: (claims) =>
      process.write(() => {
        if (claims === "guest") return save({ id: `guest_${clock.uuid()}` });
        const who = JSON.stringify([claims.issuer, claims.subject]);
        const known = [...disk.users.values()].find((row) => row.who === who)?.user;
        const name = claims.name ?? known?.name;
        return save({ id: known?.id ?? `user_${clock.uuid()}`, ...(name === undefined ? {} : { name }) }, who);
      }),
    find: (id) => process.read(() => disk.users.get(id)?.user ?? reject("unauthorized")),
  };
}

export function createSessions(disk: MemoryDisk, process: MemoryProcess): Sessions {
  const save = (session: SessionRecord): void => void disk.sessions.set(session.id, Object.freeze({ ...session }));
  return {
    create: (session) =>
      process.write(() => {
        const taken = [...disk.sessions.values()].some(({ tokenHash }) => tokenHash === session.tokenHash);
        if (taken || disk.sessions.has(session.id)) throw new Error("there is such a session already");
        save(session);
      }),
    findByHash: (tokenHash) =>
      process.read(() => [...disk.sessions.values()].find((session) => session.tokenHash === tokenHash)),
    touch: (id, lastSeenAt) =>
      process.write(() => {
        const session = disk.sessions.get(id);
        if (session !== undefined) save({ ...session, lastSeenAt });
      }),
    revoke: ({ user, session: only }, revokedAt) =>
      process.write(() => {
        for (const session of disk.sessions.values()) {
          const meant = session.user === user && (only === undefined || session.id === only);
          if (meant && session.revokedAt === undefined) save({ ...session, revokedAt });
        }
      }),
  };
}
