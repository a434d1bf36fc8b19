// Owns the operator's look at who is here: connections, sessions, use of the day; and their ends. It shows no text and no title.
import { sessionEnd } from "../domain/session.ts";
import { reject, stamp } from "../protocol/index.ts";
import type { AdminRoutes } from "./admin.ts";
import type { Allowance } from "./allowance.ts";
import type { Presence } from "./presence.ts";
import type { Bus, Clock, Sessions } from "./ports.ts";

export type PeopleOptions = {
  readonly presence: Pick<Presence, "list" | "people" | "disconnect" | "count">;
  readonly allowance: Pick<Allowance, "usage">;
  readonly sessions: Sessions;
  readonly bus: Bus;
  readonly clock: Clock;
  readonly idleMs: number;
  readonly maxMs: number;
};

/** Rows that a list has at most. */
const listed = 100;

export function peopleRoutes(options: PeopleOptions): AdminRoutes {
  const { presence, allowance, sessions, bus, clock } = options;

  const live = async (user: string) => {
    const now = clock.now();
    const rows = await sessions.list(user, listed);
    return rows.filter(({ createdAt, lastSeenAt }) => now < sessionEnd(createdAt, lastSeenAt, options));
  };

  return {
    "GET connections": () => {
      const connections = presence.list(listed).map(({ number, since, user, about, queuedBytes }) => {
        return { number, since: stamp(since), user, ...words(about), queuedBytes };
      });
      return Promise.resolve({ status: 200, body: { count: presence.count(), connections }, quiet: true });
    },
    "DELETE connections": ({ query }) => {
      const number = Number(query.get("number") ?? Number.NaN);
      // 1001: its client comes back. Whoever is to stay out is blocked, or loses the session.
      const was = presence.disconnect(number, 1001);
      if (was === undefined) {
        return Promise.resolve(reject("not_found", { field: "number", detail: "There is no such connection." }));
      }
      return Promise.resolve({ status: 200, body: { number }, audit: { socket: number, user: was.user } });
    },
    "GET people": () => {
      const used = new Map(allowance.usage().map((one) => [one.user, one]));
      const sockets = presence.people();
      const people = [...new Set([...used.keys(), ...sockets.keys()])].map((user) => {
        const { tokens = 0, turns = 0, limit = Number.POSITIVE_INFINITY } = used.get(user) ?? {};
        const bound = Number.isFinite(limit) ? { limit } : {};
        return { user, sockets: sockets.get(user) ?? 0, turns, tokens, ...bound };
      });
      people.sort((a, b) => b.tokens - a.tokens || b.sockets - a.sockets || (a.user < b.user ? -1 : 1));
      return Promise.resolve({
        status: 200,
        body: { count: people.length, people: people.slice(0, listed) },
        quiet: true,
      });
    },
    "GET sessions": async ({ query }) => {
      const user = query.get("user") ?? "";
      const rows = await live(user);
      const list = rows.map(({ id, about, createdAt, lastSeenAt }) => {
        return { id, ...words(about), createdAt: stamp(createdAt), lastSeenAt: stamp(lastSeenAt) };
      });
      return { status: 200, body: { sessions: list }, audit: { user, count: list.length } };
    },
    "DELETE sessions": async ({ query }) => {
      const user = query.get("user") ?? "";
      const session = query.get("session") ?? undefined;
      const ending = (await live(user)).filter(({ id }) => session === undefined || id === session);
      if (ending.length === 0) {
        return reject("not_found", { field: "user", detail: "There is no such session, or it has ended." });
      }
      await sessions.revoke({ user, session }, clock.now());
      bus.publish(`user/${user}`, { kind: "session-ended", user, session });
      const ended = ending.length;
      return { status: 200, body: { ended }, audit: { user, ended, all: session === undefined } };
    },
  };
}

const words = ({ device = "unknown device", place = "unknown" }: { device?: string; place?: string }): object => ({
  device,
  place,
});
