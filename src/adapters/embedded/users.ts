// Owns the people of the embedded store: one stable id per issuer and subject, and guests. Must not verify a token.
import { guestPrefix } from "../../domain/records.ts";
import { reject, type Rejection } from "../../protocol/index.ts";
import type { Claims, Clock, User, Users } from "../../server/ports.ts";
import { keyOf, type Codec } from "./codec.ts";
import type { Database } from "./database.ts";
import { text, type Row } from "./rows.ts";

const nameContext = (id: string): string => `user:${id}`;
const withName = (id: string, name: string | undefined): User => (name === undefined ? { id } : { id, name });

export function createUsers(db: Database, codec: Codec, clock: Clock): Users {
  const add = db.prepare("INSERT INTO users (id, issuer, subject, name, created_at) VALUES (?, ?, ?, ?, ?)");
  const findById = db.prepare("SELECT id, name FROM users WHERE id = ?");
  const findByClaims = db.prepare("SELECT id, name FROM users WHERE issuer = ? AND subject = ?");
  const rename = db.prepare("UPDATE users SET name = ? WHERE id = ?");

  const userOf = (row: Row): User => {
    const id = text(row, "id");
    return withName(id, codec.openText(row, "name", nameContext(id)));
  };

  const addGuest = (): User => {
    const id = `${guestPrefix}${clock.uuid()}`;
    add.run(id, null, null, null, clock.now());
    return { id };
  };

  const resolve = ({ issuer, subject, name }: Claims): User => {
    const who = [keyOf(issuer), keyOf(subject)] as const;
    const row = findByClaims.get(...who);
    if (row === undefined) {
      const id = `user_${clock.uuid()}`;
      add.run(id, ...who, codec.sealText(name, nameContext(id)), clock.now());
      return withName(id, name);
    }
    const known = userOf(row);
    // A token without a name takes none away.
    if (name === undefined || name === known.name) return known;
    rename.run(codec.sealText(name, nameContext(known.id)), known.id);
    return { id: known.id, name };
  };

  const find = (id: string): User | Rejection => {
    const row = findById.get(id);
    return row === undefined ? reject("unauthorized") : userOf(row);
  };

  return {
    resolve: async (who) => db.write(() => (who === "guest" ? addGuest() : resolve(who))),
    find: async (id) => db.read(() => find(id)),
    findAll: async (ids) => db.read(() => ids.map(find)),
  };
}
