// Owns the proof of what people do with their own sessions, and of what ends them: blocks, deletions, tokens taken back, a guest's sign-in.
import { listed } from "../contract/rows.ts";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { localBus } from "../../src/adapters/embedded/bus.ts";
import { memoryDisk, openMemoryStore } from "../../src/adapters/memory/store.ts";
import { reject } from "../../src/protocol/index.ts";
import { systemClock } from "../../src/server/clock.ts";
import { createEngine, defaultEngineSettings } from "../../src/server/engine.ts";
import { deviceOf, placeOf } from "../../src/server/visitor.ts";
import { counting, sendTo, Stage, Talker, until, words, type Frame } from "../server/talker.ts";
import { Register, token, tokens } from "./sign-in.ts";

let stage: Stage;
let register: Register;
beforeEach(() => {
  stage = new Stage();
  register = new Register();
});
afterEach(() => stage.end());

const serve = (more: Parameters<Stage["serve"]>[0] = {}) =>
  stage.serve({ identity: tokens, users: (inner) => register.over(inner), ...more });
const uuid = (): string => crypto.randomUUID();
type Row = { id: string; current: boolean; device: string; place: string; createdAt: string; lastSeenAt: string };
const sessionsOf = async (talker: Talker): Promise<Row[]> =>
  (await talker.ask({ type: "session.list" }))["sessions"] as Row[];
const idIn = (talker: Talker, field: "session" | "user"): string =>
  (talker.frames[0]?.[field] as { id: string } | undefined)?.id ?? expect.fail("not signed in");
const idOf = (talker: Talker): string => idIn(talker, "session");
const userOf = (talker: Talker): string => idIn(talker, "user");
const closed = (talker: Talker): Promise<number> => until(() => talker.closed?.code, "the close");
const titlesOf = async (talker: Talker): Promise<unknown[]> =>
  ((await talker.ask({ type: "conversation.list" }))["conversations"] as { title?: string }[]).map(
    ({ title }) => title,
  );
/** How an attempt to come in ends. */
const attempt = async (address: string, auth: object): Promise<[number, string | undefined]> => {
  const talker = await new Talker(address).opened();
  const { error } = (await talker.ask({ type: "auth", ...auth })) as Frame & { error?: { code: string } };
  return [await closed(talker), error?.code];
};

const chrome =
  "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36";

describe("a person's sessions", () => {
  test("SE6 one that comes back a moment later is as it was written; from another device it is written anew", async () => {
    const { talk } = await serve();
    const first = await talk({ token: token("ann") }, { headers: { "user-agent": chrome } });
    const [before] = await sessionsOf(first);
    await new Promise((resolve) => setTimeout(resolve, 30));
    const again = await talk({ session: first.session }, { headers: { "user-agent": chrome } });
    const [same] = await sessionsOf(again);
    expect(same).toEqual(before);
    const moved = await talk({ session: first.session, client: { name: "Pocket", version: "2" } });
    const [other] = await sessionsOf(moved);
    expect(other).toMatchObject({ id: before?.id, device: "Pocket" });
    expect(Date.parse(other?.lastSeenAt ?? "")).toBeGreaterThan(Date.parse(before?.lastSeenAt ?? ""));
  });

  test("PE7 are listed with device, place and times: one's own, the live ones, the newest first, and which is this one", async () => {
    const { talk } = await serve();
    const phone = await talk({ token: token("ann"), client: { name: "Pocket", version: "2" } });
    const laptop = await talk({ token: token("ann") }, { headers: { "user-agent": chrome } });
    const gone = await talk({ token: token("ann") });
    const bob = await talk({ token: token("bob") });
    await gone.ask({ type: "auth.logout" });
    const rows = await sessionsOf(laptop);
    expect(rows.map(({ id, current, device, place }) => ({ id, current, device, place }))).toEqual([
      { id: idOf(laptop), current: true, device: "Chrome on macOS", place: "this computer" },
      { id: idOf(phone), current: false, device: "Pocket", place: "this computer" },
    ]);
    for (const { createdAt, lastSeenAt } of rows) {
      expect(Math.abs(Date.now() - Date.parse(createdAt))).toBeLessThan(10_000);
      expect(Date.parse(lastSeenAt)).toBeGreaterThanOrEqual(Date.parse(createdAt));
    }
    expect(Object.keys(rows[0] ?? {}).sort()).toEqual(["createdAt", "current", "device", "id", "lastSeenAt", "place"]);
    expect((await sessionsOf(bob)).map(({ id }) => id)).toEqual([idOf(bob)]);
  });

  test("PE7 a session that is gone on with from elsewhere says where it is used now", async () => {
    const { talk } = await serve();
    const first = await talk({ guest: true, client: { name: "old" } });
    const again = await talk({ session: first.session, client: { name: "new" } });
    expect(await sessionsOf(again)).toMatchObject([{ id: idOf(first), device: "new" }]);
  });

  test("PE8 SE4 one of them is ended: on all its sockets within a second, 4410, its token is dead; the others go on", async () => {
    const { talk, address } = await serve();
    const lost = await talk({ token: token("ann") });
    const { session } = lost;
    const other = await talk({ session });
    const here = await talk({ token: token("ann") });
    const before = performance.now();
    expect(await here.ask({ type: "session.revoke", session: idOf(lost) })).toMatchObject({ type: "ack" });
    expect([await closed(lost), await closed(other)]).toEqual([4410, 4410]);
    expect(performance.now() - before).toBeLessThan(1000);
    expect(await attempt(address, { session })).toEqual([4410, "unauthorized"]);
    expect((await sessionsOf(here)).map(({ id }) => id)).toEqual([idOf(here)]);
    // Again changes nothing; one's own ends this socket, after the answer.
    expect(await here.ask({ type: "session.revoke", session: idOf(lost) })).toMatchObject({ type: "ack" });
    expect(await here.ask({ type: "session.revoke", session: idOf(here) })).toMatchObject({ type: "ack" });
    expect(await closed(here)).toBe(4410);
  });

  test("PE8 G9 somebody else's session, one that never was, and rubbish are not_found in the same words; nothing ends", async () => {
    const { talk } = await serve();
    const [ann, bob] = [await talk({ token: token("ann") }), await talk({ token: token("bob") })];
    const answers = [];
    for (const session of [idOf(bob), uuid(), bob.session.slice(0, 43), "%", "user"]) {
      const { type, error } = await ann.ask({ type: "session.revoke", session });
      answers.push({ type, error });
    }
    const refusal = { type: "error", error: reject("not_found", { field: "session" }) };
    expect(answers).toEqual(answers.map(() => refusal));
    expect(await bob.ask({ type: "ping" })).toMatchObject({ type: "ack" });
  });

  test("PE7 OP05 a hostile client name and user agent are a few printable words on one line", async () => {
    const { talk } = await serve();
    const name = "\u001b[31mroot\r\nX: y\u202e\u0007".slice(0, 100);
    const talker = await talk({ guest: true, client: { name } }, { headers: { "user-agent": "A".repeat(8000) } });
    expect((await sessionsOf(talker))[0]?.device).toBe("[31mroot X: y");
  });

  test("PE7 whatever is said, the words are printable, short and there", () => {
    const text = fc.oneof(fc.string({ unit: "binary", maxLength: 2000 }), fc.string());
    fc.assert(
      fc.property(fc.option(text, { nil: undefined }), fc.option(text, { nil: undefined }), (agent, name) => {
        const device = deviceOf(agent, name === undefined ? undefined : { name });
        expect(device).not.toMatch(/\p{C}|\n/u);
        expect(Array.from(device).length).toBeLessThanOrEqual(60);
        expect(device.trim()).not.toBe("");
        expect(placeOf(agent)).toMatch(/^(unknown|this computer|local network|[\da-f.:]+x?)$/);
      }),
      { numRuns: 500 },
    );
  });

  test.each([
    [chrome, "Chrome on macOS"],
    [chrome.replace("Safari/537.36", "Safari/537.36 Edg/141.0.0.0"), "Edge on macOS"],
    ["Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:143.0) Gecko/20100101 Firefox/143.0", "Firefox on Windows"],
    [
      "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1",
      "Safari on iPhone",
    ],
    [
      "Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Mobile Safari/537.36",
      "Chrome on Android",
    ],
    [
      "Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36",
      "Chrome on ChromeOS",
    ],
    ["curl/8.5.0", "curl"],
    ["node", "node"],
    ["Mozilla/5.0 (X11; Linux x86_64)", "Linux"],
    ["Mozilla/5.0", "unknown device"],
    ["", "unknown device"],
    [undefined, "unknown device"],
  ])("PE7 device %j is %s", (agent, words) => {
    expect(deviceOf(agent, { name: "throughline" })).toBe(words);
    expect(deviceOf(agent, undefined)).toBe(words);
  });

  test.each([
    ["127.0.0.1", "this computer"],
    ["::1", "this computer"],
    ["::ffff:127.0.0.1", "this computer"],
    ["192.168.1.7", "local network"],
    ["10.9.8.7", "local network"],
    ["::ffff:172.16.0.1", "local network"],
    ["fe80::1%eth0", "local network"],
    ["fd00::1", "local network"],
    ["203.0.113.77", "203.0.113.x"],
    ["::ffff:198.51.100.9", "198.51.100.x"],
    ["2001:db8:1:2:3:4:5:6", "2001:db8:1::"],
    ["2001:db8::6", "2001:db8:0::"],
    ["256.1.1.1", "unknown"],
    ["example.org", "unknown"],
    [undefined, "unknown"],
  ])("PE7 place %j is %s", (address, words) => {
    expect(placeOf(address)).toBe(words);
  });
});

describe("whoever may no longer be here", () => {
  test("PE6 AZ12 AZ13 the disabled and the deleted are signed out everywhere by the next look; others stay", async () => {
    const { talk, address } = await serve({ sweepMs: 40 });
    const [ann, annToo, bob, cleo] = [
      await talk({ token: token("ann") }),
      await talk({ token: token("ann") }),
      await talk({ token: token("bob") }),
      await talk({ token: token("cleo") }),
    ];
    const guest = await talk();
    register.says.set("ann", reject("blocked")).set("bob", reject("unauthorized"));
    expect(await Promise.all([ann, annToo, bob].map(closed))).toEqual([4410, 4410, 4410]);
    for (const talker of [cleo, guest]) expect(await talker.ask({ type: "ping" })).toMatchObject({ type: "ack" });
    // AZ14: by whatever they try, the blocked are told so; being let in again needs a new sign-in.
    expect(await attempt(address, { token: token("ann") })).toEqual([4403, "blocked"]);
    const { session } = ann;
    expect(await attempt(address, { session })).toEqual([4410, "unauthorized"]);
    register.says.clear();
    expect(await attempt(address, { session })).toEqual([4410, "unauthorized"]);
    expect((await talk({ token: token("ann"), session })).frames[0]).toMatchObject({ session: { resumed: false } });
  });

  test("PE6 AZ14 a blocked person's live session lets nobody in, and a refresh does not help", async () => {
    const { talk, address } = await serve();
    const ann = await talk({ token: token("ann") });
    register.says.set("ann", reject("blocked"));
    expect(await attempt(address, { session: ann.session })).toEqual([4403, "blocked"]);
    expect(await ann.ask({ type: "auth.refresh", token: token("ann") })).toMatchObject({ error: { code: "blocked" } });
  });

  test("PE6 AZ12 tokens taken back: what was signed in before ends, on open sockets, by token, session and refresh; what is newer stays", async () => {
    const { talk, address } = await serve({ sweepMs: 40 });
    const before = Date.now() - 60_000;
    const old = await talk({ token: token("ann", { at: before }) });
    const fresh = await talk({ token: token("ann", { at: Date.now() }) });
    const { session } = old;
    register.says.set("ann", { validAfter: Date.now() - 30_000 });
    expect(await closed(old)).toBe(4410);
    expect(await fresh.ask({ type: "ping" })).toMatchObject({ type: "ack" });
    expect(await attempt(address, { session })).toEqual([4410, "unauthorized"]);
    expect(await attempt(address, { token: token("ann", { at: before }) })).toEqual([4401, "unauthorized"]);
    const stale = await fresh.ask({ type: "auth.refresh", token: token("ann", { at: before }) });
    expect(stale).toMatchObject({ error: { code: "unauthorized", field: "token" } });
    expect(await fresh.ask({ type: "auth.refresh", token: token("ann") })).toMatchObject({ type: "ack" });
    // A session begun before is not gone on with, not even by a new token: that one begins another.
    const again = await talk({ token: token("ann"), session });
    expect(again.frames[0]).toMatchObject({ session: { resumed: false } });
  });

  test("PE6 what the row says counts after a reconnect by session alone, too", async () => {
    const { talk, address } = await serve();
    const old = await talk({ token: token("ann", { at: Date.now() - 60_000 }) });
    const { session } = old;
    await old.close();
    register.says.set("ann", { validAfter: Date.now() - 30_000 });
    expect(await attempt(address, { session })).toEqual([4410, "unauthorized"]);
  });

  test("PE4 SE5 people out of reach: whoever is in stays in, nobody comes in, and it heals by itself", async () => {
    const { talk, address } = await serve({ sweepMs: 30 });
    const ann = await talk({ token: token("ann") });
    register.away = true;
    const seen = register.swept.length;
    await until(() => register.swept.length > seen + 2, "three looks");
    expect(await ann.ask({ type: "ping" })).toMatchObject({ type: "ack" });
    expect(await attempt(address, { token: token("bob") })).toEqual([1013, "unavailable"]);
    expect(await attempt(address, { session: ann.session })).toEqual([1013, "unavailable"]);
    register.away = false;
    expect((await talk({ token: token("bob") })).frames[0]).toMatchObject({ type: "ack" });
  });

  test("PE6 a look at many is one question, and a look that hangs is not joined by another", async () => {
    let asked = 0;
    let release: () => void = () => undefined;
    const hang = new Promise<void>((resolve) => (release = resolve));
    const { talk } = await serve({
      sweepMs: 20,
      users: (inner) => ({
        ...inner,
        findAll: async (ids) => {
          asked++;
          if (asked === 3) await hang;
          return inner.findAll(ids);
        },
      }),
    });
    const talkers = await Promise.all(Array.from({ length: 5 }, () => talk()));
    await until(() => asked === 3, "the look that hangs");
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(asked).toBe(3);
    release();
    await until(() => asked > 4, "the looks after it");
    for (const talker of talkers) expect(talker.closed).toBeUndefined();
  });
});

describe("a guest signs in", () => {
  test("PE9 AZ16 with the guest's session the conversations come along, with what runs; the guest's sockets end, the id is new", async () => {
    const { talk, address } = await serve();
    const guest = await talk();
    const [done, running] = [uuid(), uuid()];
    await guest.ask({ type: "conversation.create", conversation: done, title: "mine" });
    await guest.ask(sendTo(running, "60 words every 20 ms"));
    const other = await talk({ token: token("ann") });
    await other.ask({ type: "conversation.list" });
    const { session } = guest;
    const ann = await talk({ token: token("ann"), session, open: [{ conversation: running, seq: 0 }] });
    expect(ann.frames[0]).toMatchObject({ session: { resumed: false }, was: userOf(guest), user: { name: "ann" } });
    expect(idOf(ann)).not.toBe(idOf(guest));
    expect(ann.session).not.toBe(session);
    expect(await closed(guest)).toBe(4410);
    expect(await titlesOf(ann)).toEqual([undefined, "mine"]);
    await until(
      () => other.frames.find((frame) => frame.type === "conversation" && frame.conversation === done),
      "the row",
    );
    await until(() => ann.events().at(-1)?.kind === "turn.finished", "the end of the reply");
    expect(ann.text()).toBe(words(60));
    // The guest is nobody any more: the token is dead, and another guest is another.
    expect(await attempt(address, { session })).toEqual([4410, "unauthorized"]);
    const stranger = await talk({ session, guest: true });
    expect(await titlesOf(stranger)).toEqual([]);
    expect(await ann.ask({ type: "conversation.update", conversation: done, title: "still mine" })).toMatchObject({
      type: "ack",
    });
  });

  test("PE9 AZ16 twice, at once, by several people: what the guest had has one owner, and is whole", async () => {
    const { talk } = await serve();
    const guest = await talk();
    const conversations = Array.from({ length: 10 }, uuid);
    for (const conversation of conversations) await guest.ask({ type: "conversation.create", conversation });
    const { session } = guest;
    const all = await Promise.all(
      ["ann", "bob", "ann", "cleo", "bob", "ann"].map((who) => talk({ token: token(who), session })),
    );
    expect(new Set(all.map(idOf)).size).toBe(6);
    const owners = await Promise.all(
      [0, 1, 3].map(async (i) => (await all[i]?.ask({ type: "conversation.list" }))?.["conversations"] as unknown[]),
    );
    expect(owners.map((rows) => rows.length).sort((a, b) => a - b)).toEqual([0, 0, 10]);
  });

  test("PE9 what the guest had just begun when it was signed in is moved as well", async () => {
    const store = openMemoryStore(memoryDisk(), { clock: systemClock });
    let held: (() => void) | undefined;
    const commit: typeof store.log.commit = async (works) => {
      await new Promise<void>((resolve) => (held = resolve));
      return store.log.commit(works);
    };
    const silent = { info: () => undefined, warn: () => undefined, error: () => undefined };
    const engine = createEngine(
      // Two seconds are two hundredths of one.
      {
        ...store,
        log: { ...store.log, commit },
        clock: { ...systemClock, after: (ms, fn) => systemClock.after(ms / 100, fn) },
        bus: localBus(),
        journal: silent,
        identity: tokens,
        model: counting(),
      },
      { ...defaultEngineSettings, heartbeatMs: 1e7, authMs: 1e7, node: "n", broken: () => expect.fail() },
    );
    await engine.start();
    const open = (): { frames: Frame[]; closed: () => number | undefined; say: (frame: object) => void } => {
      const frames: Frame[] = [];
      let code: number | undefined;
      const none = (): undefined => undefined;
      const rest = { buffered: () => 0, gather: none, pause: none, resume: none, ping: none, terminate: none };
      const send = (text: Uint8Array | string): void => void frames.push(JSON.parse(text.toString()) as Frame);
      const socket = engine.accept({ ...rest, send, close: (with_) => (code = with_) });
      return { frames, closed: () => code, say: (frame) => socket.text(JSON.stringify(frame), 100) };
    };
    const guest = open();
    guest.say({ type: "auth", id: "in", guest: true });
    const { session } = (await until(() => guest.frames[0], "the guest")) as unknown as { session: { token: string } };
    guest.say({ type: "conversation.create", id: "late", conversation: uuid(), title: "just begun" });
    await until(() => held, "the commit");
    const ann = open();
    ann.say({ type: "auth", id: "in", token: token("ann"), session: session.token });
    await until(() => ann.frames[0], "the sign-in");
    expect(guest.closed()).toBe(4410);
    held?.();
    const user = (ann.frames[0] as unknown as { user: { id: string } }).user.id;
    await until(async () => (await listed(store.log, { limit: 1 }, user)).conversations[0], "the move");
    await engine.drain(0);
  });

  test("PE9 AZ16 a foreign, made-up, ended or other person's session moves nothing and is never adopted", async () => {
    const { talk } = await serve();
    const guest = await talk();
    await guest.ask({ type: "conversation.create", conversation: uuid(), title: "the guest's" });
    const bob = await talk({ token: token("bob") });
    await bob.ask({ type: "conversation.create", conversation: uuid(), title: "bob's" });
    const ended = await talk();
    await ended.ask({ type: "conversation.create", conversation: uuid(), title: "of an ended one" });
    const over = ended.session;
    await ended.ask({ type: "auth.logout" });
    for (const session of [idOf(guest), userOf(guest), "x".repeat(43), over, bob.session]) {
      const ann = await talk({ token: token("ann"), session });
      expect(ann.frames[0]).toMatchObject({ session: { resumed: false } });
      expect(ann.frames[0]).not.toHaveProperty("was");
      expect(ann.session).not.toBe(session);
      expect(await titlesOf(ann)).toEqual([]);
    }
    expect(await titlesOf(guest)).toEqual(["the guest's"]);
    expect(await titlesOf(bob)).toEqual(["bob's"]);
  });
});
