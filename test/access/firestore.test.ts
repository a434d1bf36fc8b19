// Owns the proof of the people of Firestore: who comes in, who does not, and that nothing of Firestore's troubles becomes ours.
import { createServer, type Server } from "node:net";
import { createServer as createHttpServer } from "node:http";
import { FirestoreServer } from "@firestore-emulator/server";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { openFirestoreUsers, type FirestoreOptions } from "../../src/adapters/users/firestore.ts";
import { memoryDisk, openMemoryStore } from "../../src/adapters/memory/store.ts";
import { reject } from "../../src/protocol/index.ts";
import { systemClock } from "../../src/server/clock.ts";
import type { Claims, Users } from "../../src/server/ports.ts";
import { ServerProcess } from "../e2e/server-process.ts";
import { makeKey, serveKeys, sign } from "../identity/issuer.ts";
import { freePort, openDocuments, startFirestore, type Documents, type Firestore } from "../support/firestore.ts";
import { until } from "../server/talker.ts";
import { WireClient } from "../support/wire-client.ts";
import { issuer } from "./sign-in.ts";

let ends: (() => unknown)[] = [];
let warnings: string[] = [];
beforeEach(() => {
  ends = [];
  warnings = [];
});
afterEach(async () => {
  for (const end of ends.reverse()) await end();
});

let projects = 0;
const journal = { warn: (event: string, fields?: object) => void warnings.push(`${event} ${JSON.stringify(fields)}`) };
/** A clock whose monotonic time a test moves forward; timers are real. */
const leaping = () => {
  let ahead = 0;
  return {
    clock: { ...systemClock, monotonic: () => systemClock.monotonic() + ahead },
    leap: (ms: number) => (ahead += ms),
  };
};

async function open(
  more: Partial<FirestoreOptions> = {},
): Promise<{ users: Users; documents: Documents; emulator: Firestore; project: string }> {
  const emulator = await startFirestore();
  const project = `demo-p${++projects}`;
  const documents = await openDocuments(project, emulator.address);
  const people = await openFirestoreUsers({
    project,
    accounts: false,
    emulator: emulator.address,
    issuer,
    unknown: "create",
    clock: systemClock,
    journal,
    ...more,
  });
  ends.push(
    () => emulator.stop(),
    () => documents.close(),
    () => people.close(),
  );
  const guests = openMemoryStore(memoryDisk(), { clock: systemClock }).users;
  return { users: people.users(guests), documents, emulator, project };
}
const claims = (subject: string, more: Partial<Claims> = {}): Claims => ({ issuer, subject, expiresAt: 1e13, ...more });

describe("people of Firestore", () => {
  test("PE3 the subject is the document's id; who has none gets one, with the name of the token and nothing more of it", async () => {
    const { users, documents } = await open();
    const found = await users.resolve(claims("ada", { name: "Ada", email: "ada@example.org" }));
    expect(found).toEqual({ id: "user_ada", name: "Ada" });
    expect(await documents.get("ada")).toEqual({
      name: "Ada",
      nameFrom: "token",
      createdAt: expect.anything() as unknown,
    });
    expect(await users.find("user_ada")).toEqual({ id: "user_ada", name: "Ada" });
  });

  test("PE3 USERS_UNKNOWN=refuse: only who has a document comes in, and nothing is written", async () => {
    const { users, documents } = await open({ unknown: "refuse" });
    await documents.set("bob", { displayName: "Bob" });
    expect(await users.resolve(claims("eve", { name: "Eve" }))).toEqual(reject("unauthorized"));
    expect(await documents.get("eve")).toBeUndefined();
    expect(await users.resolve(claims("bob", { name: "bobby" }))).toEqual({ id: "user_bob", name: "Bob" });
    // Whoever gets a document comes in at once.
    await documents.set("eve", {});
    expect(await users.resolve(claims("eve"))).toEqual({ id: "user_eve" });
  });

  test("PE3 a profile's own name is shown and never written over; of the rest of it nothing gets out", async () => {
    const { users, documents } = await open();
    const profile = { name: "Dr. Ada", email: "ada@example.org", role: "admin", phone: "1" };
    await documents.set("ada", profile);
    expect(await users.resolve(claims("ada", { name: "ada l" }))).toEqual({ id: "user_ada", name: "Dr. Ada" });
    expect(await users.findAll(["user_ada"])).toEqual([{ id: "user_ada", name: "Dr. Ada" }]);
    expect(await documents.get("ada")).toEqual(profile);
    await documents.set("odd", { name: 7, displayName: ["x"], disabled: "no", tokensValidAfterTime: "never" });
    expect(await users.resolve(claims("odd"))).toEqual({ id: "user_odd" });
  });

  test("PE3 subjects that can be no document's id, and those of other issuers, have documents of their own", async () => {
    const { users } = await open();
    const odd = ["a/b", ".", "..", "__x__", "~x", "\u0000", "\ud800", "\ud801", "a\u202eb", "x".repeat(128), "Zoë 🙂"];
    const found = await Promise.all(odd.map((subject) => users.resolve(claims(subject))));
    const other = await users.resolve(claims("ada", { issuer: "https://other.example" }));
    const own = await users.resolve(claims("ada"));
    const ids = [...found, other, own].map((user) => ("id" in user ? user.id : user.code));
    expect(new Set(ids).size).toBe(odd.length + 2);
    for (const id of ids) expect(id).toMatch(/^user_(~[\w-]{43}|[^\p{C}/]{1,128})$/u);
    expect((await users.findAll(ids)).map((user) => ("id" in user ? user.id : user.code))).toEqual(ids);
  });

  test("PE4 what was found counts for 30 s, but not for the look at those connected; a blocked one stays out as long", async () => {
    const { clock, leap } = leaping();
    const { users, documents } = await open({ clock });
    await users.resolve(claims("ada"));
    await documents.set("ada", { disabled: true });
    expect(await users.find("user_ada")).toEqual({ id: "user_ada" });
    leap(30_000);
    expect(await users.find("user_ada")).toEqual(reject("blocked"));
    expect(await users.resolve(claims("ada"))).toEqual(reject("blocked"));
    await documents.set("ada", { disabled: false });
    expect(await users.find("user_ada")).toEqual(reject("blocked"));
    expect(await users.findAll(["user_ada"])).toEqual([{ id: "user_ada" }]);
    expect(await users.find("user_ada")).toEqual({ id: "user_ada" });
    await documents.remove("ada");
    expect(await users.findAll(["user_ada"])).toEqual([reject("unauthorized")]);
    expect(await users.find("user_ada")).toEqual(reject("unauthorized"));
  });

  test("PE4 many at once are one question; two hundred are found in their order", async () => {
    const { users, documents } = await open();
    const all = Array.from({ length: 230 }, (_, i) => `u${i}`);
    await Promise.all(all.map((id, i) => documents.set(id, { name: `n${i}`, disabled: i % 7 === 0 })));
    const found = await users.findAll(all.map((id) => `user_${id}`));
    expect(found).toEqual(all.map((id, i) => (i % 7 === 0 ? reject("blocked") : { id: `user_${id}`, name: `n${i}` })));
    const same = await Promise.all(Array.from({ length: 400 }, () => users.find("user_u1")));
    expect(same).toEqual(same.map(() => ({ id: "user_u1", name: "n1" })));
  });

  test("PE6 AZ12 when tokens were taken back, of the document in any form, of the account in Firebase Auth; its disabled and deleted", async () => {
    const accounts = new Map<string, object>([
      ["ada", { validSince: "1800000000" }],
      ["bob", { validSince: "0", disabled: true }],
      ["cleo", { validSince: "1700000000" }],
    ]);
    const asked: string[] = [];
    const server = createHttpServer((request, response) => {
      let body = "";
      request.on("data", (data: Buffer) => (body += data.toString()));
      request.on("end", () => {
        asked.push(request.url ?? "");
        const { localId } = JSON.parse(body) as { localId: string[] };
        const users = localId.flatMap((id) => (accounts.has(id) ? [{ localId: id, ...accounts.get(id) }] : []));
        response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify({ users }));
      });
    });
    const authEmulator = `127.0.0.1:${await listen(server)}`;
    ends.push(() => server.close());
    const { users, documents } = await open({ accounts: true, authEmulator });
    await documents.set("cleo", { tokensValidAfterTime: new Date(1_750_000_000_000) });
    await documents.set("ada", { tokensValidAfterTime: 5 });
    expect(await users.resolve(claims("ada"))).toEqual({ id: "user_ada", validAfter: 1_800_000_000_000 });
    expect(await users.resolve(claims("bob"))).toEqual(reject("blocked"));
    expect(await users.resolve(claims("cleo"))).toEqual({ id: "user_cleo", validAfter: 1_750_000_000_000 });
    expect(await users.resolve(claims("nobody"))).toEqual(reject("unauthorized"));
    expect(asked.length).toBeGreaterThan(0);
    expect(asked.every((url) => url.endsWith("/accounts:lookup"))).toBe(true);
  });

  test("PE4 PE5 Firestore away: unavailable within the time limit, then at once; when it is back people come in", async () => {
    const { users, emulator } = await open({ askMs: 1000 });
    expect(await users.resolve(claims("ada"))).toMatchObject({ id: "user_ada" });
    emulator.stop();
    const began = performance.now();
    const found = await Promise.all([users.resolve(claims("bob")), users.find("user_x"), users.findAll(["user_ada"])]);
    expect(found.flat().map((one) => "code" in one && one.code)).toEqual(found.map(() => "unavailable"));
    expect(performance.now() - began).toBeLessThan(3000);
    expect(warnings.join()).toContain("timeout");
    // Who was found a moment ago is not asked about; guests are not Firestore's.
    expect(await users.resolve("guest")).toMatchObject({ id: expect.stringMatching(/^guest_/) as unknown });
    const back = await startFirestore(Number(emulator.address.split(":")[1]));
    ends.push(() => back.stop());
    const later = performance.now();
    let answer = await users.resolve(claims("bob"));
    while ("code" in answer && performance.now() - later < 20_000) answer = await users.resolve(claims("bob"));
    expect(answer).toEqual({ id: "user_bob" });
  });

  test("PE4 PE5 a Firestore that takes connections and says nothing is given up as well", async () => {
    const silent: Server = createServer(() => undefined);
    const port = await listen(silent);
    ends.push(() => silent.close());
    const { users } = await open({ emulator: `127.0.0.1:${port}`, askMs: 1000 });
    const began = performance.now();
    expect(await users.resolve(claims("bob"))).toMatchObject({ code: "unavailable", retryable: true });
    expect(performance.now() - began).toBeLessThan(2500);
  });

  test("PE5 without credentials the driver fails in its thread; the process goes on and says so", async () => {
    const set = { GOOGLE_APPLICATION_CREDENTIALS: "", CLOUDSDK_CONFIG: "/nowhere", METADATA_SERVER_DETECTION: "none" };
    for (const [name, value] of Object.entries(set)) process.env[name] = value;
    ends.push(() => Object.keys(set).forEach((name) => delete process.env[name]));
    const { users } = await open({ emulator: undefined, project: "demo-none" });
    expect(await users.resolve(claims("bob"))).toMatchObject({ code: "unavailable" });
    expect(warnings.join()).toContain("thread_failed");
    // Another thread, and another failure, once the first is a second ago.
    const { length } = warnings;
    await until(async () => "code" in (await users.resolve(claims("bob"))) && warnings.length > length, "the second");
  });
});

const listen = (server: Server): Promise<number> =>
  new Promise((resolve) => {
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      resolve(typeof address === "object" && address !== null ? address.port : 0);
    });
  });

describe("a server with its people in Firestore", () => {
  test("A4 PE3 PE4 PE5 AZ12 Firebase tokens, documents, a disabled one, an outage, a deploy: the whole way, in a process", async () => {
    const key = await makeKey("one");
    const keys = await serveKeys({ "/jwks": { body: { keys: [key.jwk] } } });
    const port = await freePort();
    const emulator = new FirestoreServer();
    await emulator.start(port);
    const project = "demo-whole";
    const documents = await openDocuments(project, `127.0.0.1:${port}`);
    await documents.set("ann", { displayName: "Ann", email: "ann@example.org" });
    await documents.set("mallory", { disabled: true });
    const server = new ServerProcess({
      AUTH: `guest,firebase:${project}`,
      AUTH_JWKS_URL: `${keys.url}/jwks`,
      USERS: `firestore:${project}`,
      FIRESTORE_EMULATOR_HOST: `127.0.0.1:${port}`,
      MODEL: "demo",
    });
    ends.push(
      () => keys.close(),
      () => documents.close(),
      () => server.dispose(),
    );
    expect(await server.start()).toBeLessThan(5000);
    const tokenOf = (sub: string): Promise<string> => {
      const now = Math.floor(Date.now() / 1000);
      const who = { iss: `https://securetoken.google.com/${project}`, aud: project, sub };
      return sign(key, { ...who, iat: now, auth_time: now, exp: now + 600 });
    };
    const enter = async (sub: string) => WireClient.connect(server.url, { auth: { token: await tokenOf(sub) } });
    const ann = await enter("ann");
    expect(ann.hello).toMatchObject({ type: "ack", user: { id: "user_ann", name: "Ann" } });
    expect(JSON.stringify(ann.hello)).not.toContain("example.org");
    const mallory = await enter("mallory");
    await until(() => mallory.closed, "the refusal");
    expect([mallory.hello.error?.code, mallory.closed?.code]).toEqual(["blocked", 4403]);
    expect((await enter("new")).user).toBe("user_new");
    expect(await documents.get("new")).toMatchObject({ createdAt: expect.anything() as unknown });
    const guest = await WireClient.connect(server.url);
    expect(guest.user).toMatch(/^guest_/);

    emulator.stop();
    const late = await enter("late");
    await until(() => late.closed, "the refusal");
    expect([late.hello.error?.code, late.closed?.code]).toEqual(["unavailable", 1013]);
    expect(await ann.ask({ type: "ping" })).toMatchObject({ type: "ack" });
    // A thread that waits for Firestore holds up no deploy.
    void enter("later").catch(() => undefined);
    const began = performance.now();
    expect(await server.end("SIGTERM")).toBe(0);
    expect(performance.now() - began).toBeLessThan(8000);
    expect(server.output).not.toContain("example.org");
  }, 60_000);
});
