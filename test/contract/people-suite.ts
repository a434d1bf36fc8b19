// Owns what every Users and Sessions must do, as tests that run on any adapter. Must know no adapter.
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { reject } from "../../src/protocol/index.ts";
import { isRejection } from "../../src/domain/records.ts";
import type { Claims, SessionRecord, Sessions, User, Users } from "../../src/server/ports.ts";

const claims = (more: Partial<Claims> = {}): Claims => ({
  issuer: "https://id.example",
  subject: "s-1",
  expiresAt: 1e13,
  ...more,
});

function user(found: User | ReturnType<typeof reject>): User {
  if (isRejection(found)) throw new Error(found.code);
  return found;
}

export function usersContract(name: string, open: () => Promise<{ users: Users; close: () => Promise<void> }>): void {
  describe(`${name}: Users`, () => {
    let users: Users;
    let close: () => Promise<void>;
    beforeEach(async () => ({ users, close } = await open()));
    afterEach(() => close());

    it("AD9 the same issuer and subject are the same person, any other pair is another", async () => {
      const first = user(await users.resolve(claims()));
      const others = [
        claims({ issuer: "https://other.example" }),
        claims({ subject: "s-2" }),
        claims({ subject: "\ud800" }),
        claims({ subject: "\ufffd" }),
      ];
      expect(user(await users.resolve(claims())).id).toBe(first.id);
      const ids = await Promise.all(others.map(async (other) => user(await users.resolve(other)).id));
      expect(new Set([first.id, ...ids]).size).toBe(5);
    });

    it("AD9 many at once make one person", async () => {
      const found = await Promise.all(Array.from({ length: 20 }, () => users.resolve(claims())));
      expect(new Set(found.map((one) => user(one).id)).size).toBe(1);
    });

    it("AD9 keeps the newest name that a token gave, byte for byte", async () => {
      const { id } = user(await users.resolve(claims({ name: "Ada" })));
      expect(await users.find(id)).toEqual({ id, name: "Ada" });
      expect(await users.resolve(claims({ name: "Zoë\u0000\ud800" }))).toEqual({ id, name: "Zoë\u0000\ud800" });
      expect(await users.resolve(claims())).toEqual({ id, name: "Zoë\u0000\ud800" });
      expect(await users.find(id)).toEqual({ id, name: "Zoë\u0000\ud800" });
    });

    it("AD10 every guest is somebody else, and is found again", async () => {
      const guests = await Promise.all(Array.from({ length: 5 }, () => users.resolve("guest")));
      expect(new Set(guests.map((guest) => user(guest).id)).size).toBe(5);
      for (const guest of guests) {
        expect(user(guest).id).toMatch(/^guest_/);
        expect(await users.find(user(guest).id)).toEqual(guest);
      }
    });

    it("AD10 who was never here is `unauthorized`", async () => {
      expect(await users.find("guest_none")).toEqual(reject("unauthorized"));
    });
  });
}

const session = (id: string, more: Partial<SessionRecord> = {}): SessionRecord => ({
  id,
  user: "ada",
  tokenHash: `hash-${id}`,
  createdAt: 1,
  lastSeenAt: 2,
  ...more,
});

export function sessionsContract(
  name: string,
  open: () => Promise<{ sessions: Sessions; close: () => Promise<void> }>,
): void {
  describe(`${name}: Sessions`, () => {
    let sessions: Sessions;
    let close: () => Promise<void>;
    beforeEach(async () => ({ sessions, close } = await open()));
    afterEach(() => close());

    it("AD11 a session is found by its hash, as it was made", async () => {
      const rows = [session("s-1"), session("s-2", { client: "Zoë's \ud800 app\u0000", user: "bob" })];
      for (const row of rows) await sessions.create(row);
      for (const row of rows) expect(await sessions.findByHash(row.tokenHash)).toEqual(row);
      expect(await sessions.findByHash("hash-none")).toBeUndefined();
    });

    it("AD11 a second session of the same token or id is refused", async () => {
      await sessions.create(session("s-1"));
      await expect(sessions.create(session("s-2", { tokenHash: "hash-s-1" }))).rejects.toThrow();
      await expect(sessions.create(session("s-1", { tokenHash: "other" }))).rejects.toThrow();
      expect(await sessions.findByHash("hash-s-1")).toEqual(session("s-1"));
    });

    it("AD11 being seen is written down; a session that is not there is none of it", async () => {
      await sessions.create(session("s-1"));
      await sessions.touch("s-1", 77);
      await sessions.touch("s-none", 77);
      expect(await sessions.findByHash("hash-s-1")).toEqual(session("s-1", { lastSeenAt: 77 }));
    });

    it("AD11 one session ends, or all of a person, and the first end counts; nobody ends another's", async () => {
      for (const id of ["s-1", "s-2", "s-3"]) await sessions.create(session(id));
      await sessions.create(session("s-b", { user: "bob" }));
      await sessions.revoke({ user: "bob", session: "s-1" }, 5);
      await sessions.revoke({ user: "ada", session: "s-1" }, 10);
      await sessions.revoke({ user: "ada" }, 20);
      const ends = await Promise.all(
        ["s-1", "s-2", "s-3", "s-b"].map(async (id) => (await sessions.findByHash(`hash-${id}`))?.revokedAt),
      );
      expect(ends).toEqual([10, 20, 20, undefined]);
    });
  });
}
