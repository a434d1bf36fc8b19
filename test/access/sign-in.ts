// Owns people for tests of access: tokens that say who and since when, and a repository whose people a test blocks, deletes or puts out of reach.
import { isRejection } from "../../src/domain/records.ts";
import { reject, type Rejection } from "../../src/protocol/index.ts";

import type { Identity, User, Users } from "../../src/server/ports.ts";

export const issuer = "https://id.example";

/** A token of somebody who proved who they are at `at`; `for` ms from now it ends. */
export const token = (who: string, more: { at?: number; for?: number } = {}): string =>
  JSON.stringify({ who, at: more.at ?? Date.now(), until: Date.now() + (more.for ?? 3_600_000) });

/** Takes the tokens above and nothing else. */
export const tokens: Identity = {
  verify(text) {
    if (!text.startsWith("{")) return Promise.resolve(reject("unauthorized"));
    const { who, at, until } = JSON.parse(text) as { who: string; at: number; until: number };
    if (until <= Date.now()) return Promise.resolve(reject("unauthorized"));
    return Promise.resolve({ issuer, subject: who, name: who, expiresAt: until, authenticatedAt: at });
  },
};

/** What a test says of people, by their names: what they are answered with, or what is added to them. */
export class Register {
  readonly says = new Map<string, Rejection | { validAfter: number }>();
  away = false;
  /** Ids asked for by the sweep. */
  readonly swept: string[] = [];

  /** Users over others, as the register says. */
  over(inner: Users): Users {
    const judge = (user: User | Rejection): User | Rejection => {
      if (this.away) return reject("unavailable");
      if (isRejection(user)) return user;
      const said = this.says.get(user.name ?? user.id);
      return said === undefined ? user : isRejection(said) ? said : { ...user, ...said };
    };
    return {
      resolve: async (who) => judge(await inner.resolve(who)),
      find: async (id) => judge(await inner.find(id)),
      findAll: async (ids) => {
        this.swept.push(...ids);
        return (await inner.findAll(ids)).map(judge);
      },
    };
  }
}
