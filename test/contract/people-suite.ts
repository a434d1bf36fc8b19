// Owns what every Users and Sessions must do, as tests that run on any adapter. Must know no adapter.
import { listed } from "./rows.ts";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { reject } from "../../src/protocol/index.ts";
import { isRejection } from "../../src/domain/records.ts";
import type { Claims, Log, SessionAbout, SessionRecord, Sessions, User, Users, Work } from "../../src/server/ports.ts";

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

/** `oddName`: the oddest name that the adapter can keep; the widest by default. */
export function usersContract(
  name: string,
  open: () => Promise<{ users: Users; close: () => Promise<void> }>,
  oddName = "Zoë\u0000\ud800",
): void {
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
      expect(await users.resolve(claims({ name: oddName }))).toEqual({ id, name: oddName });
      expect(await users.resolve(claims())).toEqual({ id, name: oddName });
      expect(await users.find(id)).toEqual({ id, name: oddName });
      expect(await users.findAll([id])).toEqual([{ id, name: oddName }]);
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
      for (const id of ["guest_none", "user_none", "", "user_", "user_a/b", "user_.."]) {
        expect(await users.find(id)).toEqual(reject("unauthorized"));
      }
    });

    it("AD10 many are found at once, in their order, doubles and strangers too", async () => {
      const ada = user(await users.resolve(claims({ name: "Ada" })));
      const guest = user(await users.resolve("guest"));
      const nobody = reject("unauthorized");
      const ids = ["user_none", guest.id, ada.id, "guest_none", ada.id];
      expect(await users.findAll(ids)).toEqual([nobody, guest, ada, nobody, ada]);
      expect(await users.findAll([])).toEqual([]);
    });
  });
}

const session = (
  id: string,
  more: Partial<Omit<SessionRecord, "about">> & { about?: SessionAbout } = {},
): SessionRecord => ({
  id,
  user: "ada",
  tokenHash: `hash-${id}`,
  createdAt: 1,
  lastSeenAt: 2,
  about: {},
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
      const about = { device: "Zoë's \ud800 app\u0000", place: "local network", authenticatedAt: 7 };
      const rows = [session("s-1"), session("s-2", { about, user: "bob" })];
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

    it("AD11 who uses a session is written down anew where it is said", async () => {
      const about = { device: "Firefox on Linux", place: "203.0.113.x" };
      await sessions.create(session("s-1", { about: { device: "old", authenticatedAt: 3 } }));
      await sessions.touch("s-1", 50, about);
      await sessions.touch("s-1", 60);
      expect(await sessions.findByHash("hash-s-1")).toEqual(session("s-1", { lastSeenAt: 60, about }));
    });

    it("AD11 a person's sessions that have not ended are listed, last seen first, no more than asked for", async () => {
      for (const [id, lastSeenAt] of Object.entries({ "s-1": 10, "s-2": 30, "s-3": 20, "s-4": 30 })) {
        await sessions.create(session(id, { lastSeenAt }));
      }
      await sessions.create(session("s-b", { user: "bob" }));
      await sessions.revoke({ user: "ada", session: "s-3" }, 40);
      const ids = async (user: string, limit: number) => (await sessions.list(user, limit)).map(({ id }) => id);
      expect(await ids("ada", 10)).toEqual(["s-2", "s-4", "s-1"]);
      expect(await ids("ada", 1)).toEqual(["s-2"]);
      expect(await ids("eve", 10)).toEqual([]);
      expect((await sessions.list("bob", 10))[0]).toEqual(session("s-b", { user: "bob" }));
    });

    it("AD11 one session ends, or all of a person, and the first end counts; nobody ends another's", async () => {
      for (const id of ["s-1", "s-2", "s-3"]) await sessions.create(session(id));
      await sessions.create(session("s-b", { user: "bob" }));
      expect(await sessions.revoke({ user: "bob", session: "s-1" }, 5)).toBe(false);
      expect(await sessions.revoke({ user: "ada", session: "s-none" }, 5)).toBe(false);
      expect(await sessions.revoke({ user: "ada", session: "s-1" }, 10)).toBe(true);
      expect(await sessions.revoke({ user: "ada", session: "s-1" }, 15)).toBe(true);
      expect(await sessions.revoke({ user: "ada" }, 20)).toBe(true);
      const ends = await Promise.all(
        ["s-1", "s-2", "s-3", "s-b"].map(async (id) => (await sessions.findByHash(`hash-${id}`))?.revokedAt),
      );
      expect(ends).toEqual([10, 20, 20, undefined]);
    });
  });
}

type Parts = { log: Log; users: Users; sessions: Sessions; close: () => Promise<void> };

export function adoptionContract(name: string, open: () => Promise<Parts>): void {
  describe(`${name}: a guest becomes somebody, and nobody is forgotten`, () => {
    let parts: Parts;
    beforeEach(async () => void (parts = await open()));
    afterEach(() => parts.close());
    const write = async (work: Work): Promise<void> => {
      const [outcome] = await parts.log.commit([work]);
      if (outcome?.ok !== true) throw new Error("not written");
    };
    const conversation = (id: string, user: string, title: string, updatedAt = 1): Promise<void> =>
      write({
        conversation: id,
        decide: () => ({
          events: [{ kind: "conversation.created", at: new Date(0).toISOString(), title }],
          conversation: { ...row, id, user, title, updatedAt },
          answer: {},
        }),
      });
    const titles = async (owner: string, query?: string): Promise<(string | undefined)[]> =>
      (await listed(parts.log, { limit: 10, archived: false, query }, owner)).conversations.map(({ title }) => title);

    it("PE1 AZ16 all that a guest has is the person's, whole and in order; the guest's sessions end, the new one is there", async () => {
      const { log, sessions } = parts;
      for (const [id, owner] of Object.entries({
        "c-1": "guest_1",
        "c-2": "guest_1",
        "c-3": "ada",
        "c-4": "guest_2",
      })) {
        await conversation(id, owner, `title of ${id}`, Number(id.slice(2)));
      }
      await write({
        conversation: "c-1",
        decide: (view) => ({
          events: [started],
          ...(view.conversation === undefined ? {} : { conversation: view.conversation }),
          turns: [{ ...turn, conversation: "c-1" }],
          answer: {},
        }),
      });
      for (const [id, owner] of Object.entries({ "s-1": "guest_1", "s-2": "guest_1", "s-3": "ada" })) {
        await sessions.create(session(id, { user: owner }));
      }
      const fresh = session("s-new", { user: "ada" });
      const moved = await sessions.adopt({ guest: "guest_1", user: "ada", at: 9, session: fresh });
      expect(moved).toEqual(["c-2", "c-1"]);
      expect(await titles("guest_1")).toEqual([]);
      expect(await titles("ada")).toEqual(["title of c-3", "title of c-2", "title of c-1"]);
      expect(await titles("ada", "OF C-1")).toEqual(["title of c-1"]);
      expect(await titles("guest_2")).toEqual(["title of c-4"]);
      expect(await log.conversation("c-1")).toMatchObject({ user: "ada", title: "title of c-1", head: 2 });
      // What runs goes on, and says whose it is.
      expect((await log.messages("c-1", { limit: 1 }))?.running).toMatchObject([{ id: "t-1", user: "ada" }]);
      const ends = await Promise.all(
        ["s-1", "s-2", "s-3", "s-new"].map(async (id) => (await sessions.findByHash(`hash-${id}`))?.revokedAt),
      );
      expect(ends).toEqual([9, 9, undefined, undefined]);
    });

    it("PE1 AZ16 many at once move everything once; one that comes again moves what came since; a session that fails moves nothing", async () => {
      const { sessions } = parts;
      await conversation("c-1", "guest_1", "one");
      await sessions.create(session("s-taken"));
      const move = { guest: "guest_1", user: "ada", at: 1 };
      await expect(sessions.adopt({ ...move, session: session("s-taken") })).rejects.toThrow();
      expect(await titles("guest_1")).toEqual(["one"]);
      const moves = await Promise.all(
        ["ada", "bob", "ada"].map((owner, i) =>
          sessions.adopt({ ...move, user: owner, session: session(`s-${i}`, { user: owner }) }),
        ),
      );
      expect(moves).toEqual([["c-1"], [], []]);
      expect([await titles("ada"), await titles("bob"), await titles("guest_1")]).toEqual([["one"], [], []]);
      await conversation("c-2", "guest_1", "late");
      expect(await sessions.adopt(move)).toEqual(["c-2"]);
      expect(await titles("ada")).toEqual(["one", "late"]);
    });

    it("PE2 sessions not seen for long are forgotten, and guests who have neither session nor conversation", async () => {
      const { users, sessions } = parts;
      const guests: string[] = [];
      for (let i = 0; i < 4; i++) guests.push(user(await users.resolve("guest")).id);
      const [gone, seen, talked] = guests;
      const person = user(await users.resolve(claims()));
      for (let i = 0; i < 1200; i++) {
        const old = session(`s-${i}`, { user: gone ?? "", lastSeenAt: 5 });
        await sessions.create(i === 700 ? { ...old, user: seen ?? "", lastSeenAt: 20 } : old);
      }
      await conversation("c-1", talked ?? "", "kept");
      await sessions.forget(10);
      // Made since: guests are forgotten by their own age as well.
      expect(await users.findAll(guests)).toEqual(guests.map((id) => ({ id })));
      expect(await sessions.findByHash("hash-s-700")).toMatchObject({ lastSeenAt: 20 });
      for (const i of [0, 499, 500, 699, 701, 1199]) expect(await sessions.findByHash(`hash-s-${i}`)).toBeUndefined();
      await sessions.create(session("s-new", { user: seen ?? "", lastSeenAt: Date.now() + 60_000 }));
      await sessions.forget(Date.now() + 1000);
      const nobody = reject("unauthorized");
      expect(await users.findAll([...guests, person.id])).toEqual([
        nobody,
        { id: seen },
        { id: talked },
        nobody,
        person,
      ]);
    });
  });
}

const row = { createdAt: 1, head: 0, newest: null, archived: false, deleted: false };
const started = {
  kind: "turn.started" as const,
  at: new Date(0).toISOString(),
  turn: "t-1",
  message: "m-1",
  parent: null,
  model: "m",
};
const turn = {
  id: "t-1",
  user: "guest_1",
  message: "m-1",
  parent: null,
  model: "m",
  status: "running" as const,
  owner: "o",
  fence: 1,
  leaseUntil: 1,
  attempts: 0,
  stalls: 0,
  length: 0,
  attemptLength: 0,
  startedSeq: 2,
  finishedSeq: null,
  settled: false,
};
