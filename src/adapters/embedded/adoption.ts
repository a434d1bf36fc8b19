// Owns the one transaction in which what a guest has becomes somebody else's. Nothing of a conversation's content is opened or sealed.
import type { SessionRecord, Sessions } from "../../server/ports.ts";
import type { Database } from "./database.ts";
import { moveFiles } from "./files.ts";
import type { Hot } from "./hot.ts";
import { integer, text } from "./rows.ts";

export function createAdopt(db: Database, hot: Hot, insert: (session: SessionRecord) => void): Sessions["adopt"] {
  const find = db.prepare(
    "SELECT cid, id FROM conversations WHERE user = ? AND deleted = 0 ORDER BY updated_at DESC, id",
  );
  const moveTurns = db.prepare(
    "UPDATE turns SET user = ?1 WHERE cid IN (SELECT cid FROM conversations WHERE user = ?2 AND deleted = 0)",
  );
  const moveAll = db.prepare("UPDATE conversations SET user = ?1 WHERE user = ?2 AND deleted = 0");
  const end = db.prepare("UPDATE sessions SET revoked_at = ? WHERE user = ? AND revoked_at IS NULL");

  /** Running turns are kept in memory beside the file: they must say the same. */
  const moveHot = (cid: number, user: string): void => {
    const known = hot.at(cid);
    if (known === undefined) return;
    const own = hot.open(cid, known.record);
    own.record = { ...own.record, user };
    for (const [id, turn] of own.turns) own.turns.set(id, Object.freeze({ ...turn, user }));
  };

  return async ({ guest, user, at, session }) =>
    db.write(() => {
      const rows = find.all(guest);
      if (rows.length > 0) {
        db.change();
        moveTurns.run(user, guest);
        moveAll.run(user, guest);
        for (const row of rows) moveHot(integer(row, "cid"), user);
      }
      moveFiles(db, guest, user);
      end.run(at, guest);
      if (session !== undefined) insert(session);
      return rows.map((row) => text(row, "id"));
    });
}
