// Owns the sessions' rows. Must not judge whether a session is still good: the server does.
import type { Clock, SessionAbout, SessionRecord, Sessions } from "../../server/ports.ts";
import { createAdopt } from "./adoption.ts";
import type { Codec } from "./codec.ts";
import type { Database } from "./database.ts";
import { createForgetPeople } from "./forgetting.ts";
import type { Hot } from "./hot.ts";
import { bytes, integer, integerOrNull, text, type Row } from "./rows.ts";

/** Descriptions that were opened last and are kept as they are, at most: a session is looked up twice when it comes back. */
const mostKept = 1_024;

const aboutContext = (id: string): string => `session:${id}`;
const isOptional = (value: unknown, type: "string" | "number"): boolean => value === undefined || typeof value === type;

/** What this store wrote: an object, or, in older rows, what the client called itself. */
const isAbout = (value: unknown): value is SessionAbout | string =>
  typeof value === "string" ||
  (typeof value === "object" &&
    value !== null &&
    isOptional(Reflect.get(value, "device"), "string") &&
    isOptional(Reflect.get(value, "place"), "string") &&
    isOptional(Reflect.get(value, "authenticatedAt"), "number"));

export function createSessions(db: Database, codec: Codec, hot: Hot, clock: Pick<Clock, "soon">): Sessions {
  const add = db.prepare(
    "INSERT INTO sessions (id, user, token_hash, created_at, last_seen_at, revoked_at, client) VALUES (?, ?, ?, ?, ?, ?, ?)",
  );
  const find = db.prepare("SELECT * FROM sessions WHERE token_hash = ?");
  const list = db.prepare(
    "SELECT * FROM sessions WHERE user = ? AND revoked_at IS NULL ORDER BY last_seen_at DESC, id LIMIT ?",
  );
  const touch = db.prepare("UPDATE sessions SET last_seen_at = ? WHERE id = ?");
  const describe = db.prepare("UPDATE sessions SET client = ? WHERE id = ?");
  const exists = db.prepare("SELECT 1 FROM sessions WHERE id = ? AND user = ?");
  const revoke = db.prepare(
    "UPDATE sessions SET revoked_at = ?1 WHERE user = ?2 AND (?3 IS NULL OR id = ?3) AND revoked_at IS NULL",
  );

  const sealAbout = (id: string, about: SessionAbout): Uint8Array => codec.sealShared(about, aboutContext(id));
  const kept = new Map<string, { readonly sealed: Uint8Array; readonly about: SessionAbout }>();
  const aboutOf = (row: Row, id: string): SessionAbout => {
    if (row["client"] === null) return {};
    const sealed = bytes(row, "client");
    const known = kept.get(id);
    if (known !== undefined && Buffer.compare(known.sealed, sealed) === 0) return known.about;
    const opened = codec.openShared(row, "client", aboutContext(id), isAbout);
    const about = typeof opened === "string" ? { device: opened } : opened;
    const [oldest] = kept.keys();
    if (oldest !== undefined && kept.size >= mostKept) kept.delete(oldest);
    kept.set(id, { sealed, about });
    return about;
  };
  const recordOf = (row: Row): SessionRecord => {
    const id = text(row, "id");
    const revokedAt = integerOrNull(row, "revoked_at");
    return {
      id,
      user: text(row, "user"),
      tokenHash: text(row, "token_hash"),
      createdAt: integer(row, "created_at"),
      lastSeenAt: integer(row, "last_seen_at"),
      ...(revokedAt === null ? {} : { revokedAt }),
      about: aboutOf(row, id),
    };
  };
  const insert = ({ id, user, tokenHash, createdAt, lastSeenAt, revokedAt, about }: SessionRecord): void =>
    void add.run(id, user, tokenHash, createdAt, lastSeenAt, revokedAt ?? null, sealAbout(id, about));

  return {
    create: async (session) => db.write(() => insert(session)),
    findByHash: async (tokenHash) =>
      db.read(() => {
        const row = find.get(tokenHash);
        return row === undefined ? undefined : recordOf(row);
      }),
    list: async (user, limit) => db.read(() => list.all(user, limit).map(recordOf)),
    touch: async (id, lastSeenAt, about) =>
      db.write(() => {
        touch.run(lastSeenAt, id);
        if (about !== undefined) describe.run(sealAbout(id, about), id);
      }),
    revoke: async ({ user, session }, at) =>
      db.write(() => {
        if (session !== undefined && exists.get(session, user) === undefined) return false;
        revoke.run(at, user, session ?? null);
        return true;
      }),
    adopt: createAdopt(db, hot, insert),
    forget: createForgetPeople(db, clock),
  };
}
