// Owns who writes which turn: claiming, renewing, and what is left to settle. Must not touch the log.
import type { Log, TurnRecord } from "../../server/ports.ts";
import { integer, text, turnOf, type Row } from "./codec.ts";
import type { Database } from "./database.ts";

type Leases = Pick<Log, "claim" | "renew" | "unsettled">;

const withConversation = "SELECT t.*, c.id AS conversation FROM turns t JOIN conversations c USING (cid)";

const turnAt = (row: Row): TurnRecord => turnOf(row, text(row, "conversation"));

export function createLeases(db: Database): Leases {
  const findLost = db.prepare(
    `${withConversation} WHERE t.status = 'running' AND (t.lease_until < ?1 OR (?2 AND t.owner <> ?3))`,
  );
  const take = db.prepare("UPDATE turns SET owner = ?, lease_until = ?, fence = fence + 1 WHERE cid = ? AND id = ?");
  const renew = db.prepare("UPDATE turns SET lease_until = ? WHERE status = 'running' AND owner = ?");
  const findUnsettled = db.prepare(`${withConversation} WHERE t.status <> 'running' AND t.settled = 0 LIMIT ?`);

  return {
    claim: async ({ owner, now, leaseUntil, all }) =>
      db.write(() => {
        const rows = findLost.all(now, all ? 1 : 0, owner);
        if (rows.length > 0) db.change();
        return rows.map((row) => {
          const turn = turnAt(row);
          take.run(owner, leaseUntil, integer(row, "cid"), turn.id);
          return { ...turn, owner, leaseUntil, fence: turn.fence + 1 };
        });
      }),
    renew: async (owner, leaseUntil) =>
      db.write(() => {
        if (renew.run(leaseUntil, owner).changes > 0) db.change();
      }),
    unsettled: async (limit) => db.read(() => findUnsettled.all(limit).map(turnAt)),
  };
}
