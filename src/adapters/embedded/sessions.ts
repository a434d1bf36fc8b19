// Owns the sessions' rows. Must not judge whether a session is still good: the server does.
import type { Sessions } from "../../server/ports.ts";
import type { Codec } from "./codec.ts";
import type { Database } from "./database.ts";
import { integer, integerOrNull, text } from "./rows.ts";

const clientContext = (id: string): string => `session:${id}`;

export function createSessions(db: Database, codec: Codec): Sessions {
  const add = db.prepare(
    "INSERT INTO sessions (id, user, token_hash, created_at, last_seen_at, revoked_at, client) VALUES (?, ?, ?, ?, ?, ?, ?)",
  );
  const find = db.prepare("SELECT * FROM sessions WHERE token_hash = ?");
  const touch = db.prepare("UPDATE sessions SET last_seen_at = ? WHERE id = ?");
  const revoke = db.prepare(
    "UPDATE sessions SET revoked_at = ?1 WHERE user = ?2 AND (?3 IS NULL OR id = ?3) AND revoked_at IS NULL",
  );

  return {
    create: async ({ id, user, tokenHash, createdAt, lastSeenAt, revokedAt, client }) =>
      db.write(() => {
        const sealed = codec.sealText(client, clientContext(id));
        add.run(id, user, tokenHash, createdAt, lastSeenAt, revokedAt ?? null, sealed);
      }),
    findByHash: async (tokenHash) =>
      db.read(() => {
        const row = find.get(tokenHash);
        if (row === undefined) return undefined;
        const id = text(row, "id");
        const client = codec.openText(row, "client", clientContext(id));
        const revokedAt = integerOrNull(row, "revoked_at");
        return {
          id,
          user: text(row, "user"),
          tokenHash,
          createdAt: integer(row, "created_at"),
          lastSeenAt: integer(row, "last_seen_at"),
          ...(revokedAt === null ? {} : { revokedAt }),
          ...(client === undefined ? {} : { client }),
        };
      }),
    touch: async (id, lastSeenAt) =>
      db.write(() => {
        touch.run(lastSeenAt, id);
      }),
    revoke: async ({ user, session }, at) =>
      db.write(() => {
        revoke.run(at, user, session ?? null);
      }),
  };
}
