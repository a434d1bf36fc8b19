// Owns who writes which turn: claiming, renewing, and what is left to settle. Must not touch the log.
import type { Log, TurnRecord } from "../../server/ports.ts";
import { turnOf } from "./codec.ts";
import type { Database } from "./database.ts";
import type { Hot } from "./hot.ts";
import { text } from "./rows.ts";

type Leases = Pick<Log, "claim" | "renew" | "unsettled">;

export function createLeases(db: Database, hot: Hot): Leases {
  const take = db.prepare("UPDATE turns SET owner = ?, lease_until = ?, fence = ? WHERE cid = ? AND id = ?");
  const findUnsettled = db.prepare(
    "SELECT t.*, c.id AS conversation FROM turns t JOIN conversations c USING (cid) WHERE t.status <> 'running' AND t.settled = 0 LIMIT ?",
  );

  /** Gives the running turns that `isMeant` new owners and leases, in the file and in memory. */
  const change = (isMeant: (turn: TurnRecord) => boolean, changes: (turn: TurnRecord) => Partial<TurnRecord>) =>
    db.write(() => {
      const meant = [...hot.all()].flatMap((own) =>
        [...own.turns.values()].filter(isMeant).map((turn) => ({ own, turn })),
      );
      if (meant.length > 0) db.change();
      return meant.map(({ own: { cid, record }, turn }) => {
        const next = Object.freeze({ ...turn, ...changes(turn) });
        take.run(next.owner, next.leaseUntil, next.fence, cid, next.id);
        hot.open(cid, record).turns.set(next.id, next);
        return next;
      });
    });

  return {
    claim: async ({ owner, now, leaseUntil, all }) =>
      change(
        (turn) => turn.leaseUntil < now || (all && turn.owner !== owner),
        (turn) => ({ owner, leaseUntil, fence: turn.fence + 1 }),
      ),
    renew: async (owner, leaseUntil) => {
      change(
        (turn) => turn.owner === owner,
        () => ({ leaseUntil }),
      );
    },
    unsettled: async (limit) =>
      db.read(() => findUnsettled.all(limit).map((row) => turnOf(row, text(row, "conversation")))),
  };
}
