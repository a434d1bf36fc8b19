// Owns the sweep over old sessions and guests who left nothing behind. It walks the tables in slices, so that the loop stays free.
import { guestPrefix } from "../../domain/records.ts";
import type { Clock, Sessions } from "../../server/ports.ts";
import type { Database } from "./database.ts";
import { integer, text, type Row } from "./rows.ts";

/** Rows that are looked at in one transaction. */
const slice = 500;

export function createForgetPeople(db: Database, clock: Pick<Clock, "soon">): Sessions["forget"] {
  // By key, not by age: no index has to be kept for what is asked once an hour.
  const sessions = db.prepare("SELECT id, last_seen_at AS at FROM sessions WHERE id > ? ORDER BY id LIMIT ?");
  const dropSession = db.prepare("DELETE FROM sessions WHERE id = ?");
  const guests = db.prepare(
    "SELECT id, created_at AS at FROM users WHERE id > ? AND id < 'guest`' AND issuer IS NULL ORDER BY id LIMIT ?",
  );
  const dropGuest = db.prepare(
    `DELETE FROM users WHERE id = ?1
     AND NOT EXISTS (SELECT 1 FROM sessions WHERE user = ?1)
     AND NOT EXISTS (SELECT 1 FROM conversations WHERE user = ?1 AND deleted = 0)`,
  );

  const walk = async (table: typeof sessions, drop: typeof dropSession, from: string, before: number) => {
    let place = from;
    for (;;) {
      const rows: Row[] = db.write(() => {
        const found = table.all(place, slice);
        for (const row of found) if (integer(row, "at") < before) drop.run(text(row, "id"));
        return found;
      });
      const last = rows.at(-1);
      if (last === undefined || rows.length < slice) return;
      place = text(last, "id");
      await new Promise<void>((resolve) => clock.soon(resolve));
    }
  };

  return async (before) => {
    await walk(sessions, dropSession, "", before);
    await walk(guests, dropGuest, guestPrefix, before);
  };
}
