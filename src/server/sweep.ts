// Owns the regular look at those who are connected: whoever may no longer be here is signed out everywhere (PE6). It lets nobody in.
import { isRejection } from "../domain/records.ts";
import type { Rejection } from "../protocol/index.ts";
import type { Hub } from "./hub.ts";
import { errorName } from "./journal.ts";
import type { Bus, Clock, Journal, Sessions, User, Users } from "./ports.ts";
import { isOver, signedInAt } from "./sessions.ts";

/** How often (ms) everybody connected is looked up. With the time of the look itself it stays below a minute (AZ12). */
export const sweepMs = 30_000;
/** People asked about at once, and sessions of one person that are looked through. */
const batch = 100;
const mostSessions = 1000;

export type SweepOptions = {
  readonly hub: Hub;
  readonly users: Users;
  readonly sessions: Sessions;
  readonly bus: Bus;
  readonly clock: Clock;
  readonly journal: Journal;
};

/** Gives what looks once at everybody who is connected here. While one look runs, another does nothing. */
export function createSweep(options: SweepOptions): () => Promise<void> {
  const { hub, users, sessions, bus, clock, journal } = options;
  let running = false;

  const end = async (user: string, session?: string): Promise<void> => {
    await sessions.revoke({ user, session }, clock.now());
    bus.publish(`user/${user}`, { kind: "session-ended", user, session });
  };

  const judge = async (id: string, found: User | Rejection): Promise<void> => {
    if (isRejection(found)) {
      // Whoever is in stays in while it cannot be told: only a clear no ends a session.
      if (found.code === "blocked" || found.code === "unauthorized") await end(id);
      return;
    }
    if (found.validAfter === undefined) return;
    const rows = await sessions.list(id, mostSessions);
    for (const row of rows) if (isOver(signedInAt(row), found)) await end(id, row.id);
  };

  const look = async (): Promise<void> => {
    const ids = hub.people();
    for (let from = 0; from < ids.length; from += batch) {
      const some = ids.slice(from, from + batch);
      const found = await users.findAll(some);
      for (const [i, id] of some.entries()) {
        const one = found[i];
        if (one !== undefined) await judge(id, one);
      }
      // Answers that are at hand take no time: others are served between two batches all the same.
      await new Promise<void>((resolve) => clock.soon(resolve));
    }
  };

  return async () => {
    if (running) return;
    running = true;
    try {
      await look();
    } catch (error) {
      // A store without room, or a bug of an adapter: the next look is in half a minute.
      journal.warn("sweep_failed", { error: errorName(error) });
    } finally {
      running = false;
    }
  };
}
