// Owns the proof that keys come from configured places only, are kept per issuer, and are fetched at most once in 30 s.
import { afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { firebaseIssuer, oidcIdentity, type TrustedIssuer } from "../../src/adapters/identity/oidc.ts";
import { reject } from "../../src/protocol/index.ts";
import type { Identity } from "../../src/server/ports.ts";
import { handClock, makeKey, serveKeys, sign, type Key } from "./issuer.ts";

const unauthorized = reject("unauthorized");
let first: Key;
let second: Key;
let clock: ReturnType<typeof handClock>;
let warnings: string[];
const servers: Awaited<ReturnType<typeof serveKeys>>[] = [];

beforeAll(async () => {
  first = await makeKey("k", "ES256");
  second = await makeKey("k", "ES256");
});
beforeEach(() => {
  clock = handClock();
  warnings = [];
});
afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.close()));
});

async function serve(answers: Parameters<typeof serveKeys>[0]) {
  const server = await serveKeys(answers);
  servers.push(server);
  return server;
}
const make = (...issuers: TrustedIssuer[]): Identity =>
  oidcIdentity({ issuers, clock, journal: { warn: (event) => void warnings.push(event) } });
const issuerAt = (issuer: string, jwksUrl?: string): TrustedIssuer => ({
  kind: "oidc",
  issuer,
  audience: "app",
  jwksUrl,
});
const token = (key: Key, issuer: string, header: Record<string, unknown> = {}): Promise<string> =>
  sign(key, { iss: issuer, aud: "app", sub: "u", exp: clock.seconds() + 36_000 }, header);
const keysOf = (...keys: Key[]) => ({ body: { keys: keys.map((key) => key.jwk) } });

test("HS20 jku, x5u, kid and iss of a token lead to no request", async () => {
  const trap = await serve({ "/keys": keysOf(second) });
  const server = await serve({ "/keys": keysOf(first) });
  const identity = make(issuerAt("https://a.example", `${server.url}/keys`));
  for (const header of [{ jku: `${trap.url}/keys` }, { x5u: `${trap.url}/keys` }, { kid: `${trap.url}/keys` }]) {
    expect(await identity.verify(await token(second, "https://a.example", header))).toEqual(unauthorized);
  }
  expect(await identity.verify(await token(second, trap.url))).toEqual(unauthorized);
  expect(trap.requests).toEqual([]);
  expect(await identity.verify(await token(first, "https://a.example"))).toMatchObject({ subject: "u" });
});

test("HS20 the same kid in two issuers: each issuer's tokens need that issuer's key", async () => {
  const a = await serve({ "/keys": keysOf(first) });
  const b = await serve({ "/keys": keysOf(second) });
  const identity = make(issuerAt("https://a.example", `${a.url}/keys`), issuerAt("https://b.example", `${b.url}/keys`));
  expect(await identity.verify(await token(first, "https://a.example"))).toMatchObject({ issuer: "https://a.example" });
  expect(await identity.verify(await token(second, "https://b.example"))).toMatchObject({
    issuer: "https://b.example",
  });
  expect(await identity.verify(await token(second, "https://a.example"))).toEqual(unauthorized);
  expect(await identity.verify(await token(first, "https://b.example"))).toEqual(unauthorized);
});

test("HS20 a flood of unknown kids, at once and in turn, fetches once in 30 s", async () => {
  const server = await serve({ "/keys": keysOf(first) });
  const identity = make(issuerAt("https://a.example", `${server.url}/keys`));
  const flood = await Promise.all(
    Array.from({ length: 100 }, (_, i) => token(second, "https://a.example", { kid: `x${i}` })),
  );
  const answers = await Promise.all(flood.map((text) => identity.verify(text)));
  expect(answers).toEqual(flood.map(() => unauthorized));
  expect(server.requests).toHaveLength(1);
  for (const text of flood.slice(0, 20)) {
    clock.pass(1_000);
    expect(await identity.verify(text)).toEqual(unauthorized);
  }
  expect(server.requests).toHaveLength(1);
  clock.pass(10_000);
  await Promise.all(flood.map((text) => identity.verify(text)));
  expect(server.requests).toHaveLength(2);
});

test("HS20 a rotated key is found at the next fetch, a withdrawn one stops working", async () => {
  const server = await serve({ "/keys": keysOf(first) });
  const identity = make(issuerAt("https://a.example", `${server.url}/keys`));
  const rotated = await makeKey("new", "ES256");
  expect(await identity.verify(await token(first, "https://a.example"))).toMatchObject({ subject: "u" });
  server.answers["/keys"] = keysOf(rotated);
  clock.pass(30_000);
  expect(await identity.verify(await token(rotated, "https://a.example"))).toMatchObject({ subject: "u" });
  expect(await identity.verify(await token(first, "https://a.example"))).toEqual(unauthorized);
  server.answers["/keys"] = keysOf(first);
  clock.pass(600_000);
  expect(await identity.verify(await token(rotated, "https://a.example"))).toEqual(unauthorized);
});

test("HS20 keys out of reach: cached ones go on for days, unknown ones are unavailable", async () => {
  const server = await serve({ "/keys": keysOf(first) });
  const identity = make(issuerAt("https://a.example", `${server.url}/keys`));
  const good = await token(first, "https://a.example");
  const forged = await token(second, "https://a.example");
  expect(await identity.verify(good)).toMatchObject({ subject: "u" });
  await server.close();
  for (let i = 0; i < 5; i++) {
    clock.pass(3_600_000);
    expect(await identity.verify(good)).toMatchObject({ subject: "u" });
  }
  expect(warnings).toEqual(Array.from({ length: 5 }, () => "identity.keys_unavailable"));
  expect(await identity.verify(forged)).toEqual(unauthorized);
  const other = await identity.verify(await token(second, "https://a.example", { kid: "new" }));
  expect(other).toEqual(reject("unavailable", { retryAfterMs: 30_000 }));
});

test("HS20 no keys yet and none to be had: unavailable with a time, one request in 30 s, then it heals", async () => {
  const server = await serve({ "/keys": { status: 503 } });
  const identity = make(issuerAt("https://a.example", `${server.url}/keys`));
  const good = await token(first, "https://a.example");
  const answers = await Promise.all(Array.from({ length: 50 }, () => identity.verify(good)));
  expect(answers).toEqual(answers.map(() => reject("unavailable", { retryAfterMs: 30_000 })));
  clock.pass(10_000);
  expect(await identity.verify(good)).toEqual(reject("unavailable", { retryAfterMs: 20_000 }));
  expect(server.requests).toHaveLength(1);
  server.answers["/keys"] = keysOf(first);
  clock.pass(20_000);
  expect(await identity.verify(good)).toMatchObject({ subject: "u" });
});

test("HS20 a key server that never answers is given up", async () => {
  const server = await serve({ "/keys": { hang: true } });
  const identity = make(issuerAt("https://a.example", `${server.url}/keys`));
  const pending = identity.verify(await token(first, "https://a.example"));
  await expect.poll(() => server.requests.length, { timeout: 10_000 }).toBe(1);
  clock.pass(4_000);
  expect(await pending).toMatchObject({ code: "unavailable" });
});

test.each([
  ["no JSON", { body: "<html>" }],
  ["no keys", { body: {} }],
  ["keys that are none", { body: { keys: [7] } }],
  ["a redirect", { status: 302, headers: { location: "/elsewhere" } }],
])("HS20 an answer that is %s counts as out of reach", async (_, answer) => {
  const server = await serve({ "/keys": answer, "/elsewhere": keysOf(first) });
  const identity = make(issuerAt("https://a.example", `${server.url}/keys`));
  expect(await identity.verify(await token(first, "https://a.example"))).toMatchObject({ code: "unavailable" });
  expect(server.requests).toEqual(["/keys"]);
});

test("HS20 keys of other kinds or that are broken leave the good one alone", async () => {
  const oct = { kty: "oct", k: "AAAA", kid: "k", alg: "HS256" };
  const broken = { kty: "EC", crv: "P-256", x: "!!", y: "!!", kid: "bad", alg: "ES256" };
  const server = await serve({ "/keys": { body: { keys: [oct, broken, first.jwk] } } });
  const identity = make(issuerAt("https://a.example", `${server.url}/keys`));
  expect(await identity.verify(await token(first, "https://a.example"))).toMatchObject({ subject: "u" });
  expect(await identity.verify(await token(first, "https://a.example", { kid: "bad" }))).toEqual(unauthorized);
});

test("ID4 without a configured URL the issuer's discovery document says where the keys are, asked once", async () => {
  const server = await serve({ "/keys": keysOf(first) });
  server.answers["/realm/.well-known/openid-configuration"] = {
    body: { issuer: `${server.url}/realm`, jwks_uri: `${server.url}/keys` },
  };
  const identity = make(issuerAt(`${server.url}/realm`));
  const good = await token(first, `${server.url}/realm`);
  expect(await identity.verify(good)).toMatchObject({ subject: "u" });
  clock.pass(3_600_000);
  expect(await identity.verify(good)).toMatchObject({ subject: "u" });
  expect(server.requests).toEqual(["/realm/.well-known/openid-configuration", "/keys", "/keys"]);
});

test("ID4 a discovery document of another issuer is not believed", async () => {
  const server = await serve({ "/keys": keysOf(first) });
  server.answers["/.well-known/openid-configuration"] = {
    body: { issuer: "https://other.example", jwks_uri: `${server.url}/keys` },
  };
  const identity = make(issuerAt(server.url));
  expect(await identity.verify(await token(first, server.url))).toMatchObject({ code: "unavailable" });
  expect(server.requests).toEqual(["/.well-known/openid-configuration"]);
});

test("ID4 keys that have moved are looked for again", async () => {
  const server = await serve({ "/old": keysOf(first), "/new": keysOf(second) });
  const discovered = (path: string) => ({ body: { issuer: server.url, jwks_uri: `${server.url}${path}` } });
  server.answers["/.well-known/openid-configuration"] = discovered("/old");
  const identity = make(issuerAt(server.url));
  expect(await identity.verify(await token(first, server.url))).toMatchObject({ subject: "u" });
  server.answers["/.well-known/openid-configuration"] = discovered("/new");
  server.answers["/old"] = { status: 404 };
  clock.pass(600_000);
  expect(await identity.verify(await token(first, server.url))).toMatchObject({ subject: "u" });
  clock.pass(30_000);
  expect(await identity.verify(await token(second, server.url))).toMatchObject({ subject: "u" });
});

test("ID4 an https issuer cannot lead to keys over plain HTTP", async () => {
  const asked: string[] = [];
  const fetch: typeof globalThis.fetch = (input) => {
    asked.push(input instanceof Request ? input.url : input.toString());
    return Promise.resolve(
      Response.json({ issuer: "https://a.example", jwks_uri: "http://a.example/keys", ...keysOf(first).body }),
    );
  };
  const identity = oidcIdentity({ issuers: [issuerAt("https://a.example")], clock, fetch });
  expect(await identity.verify(await token(first, "https://a.example"))).toMatchObject({ code: "unavailable" });
  expect(asked).toEqual(["https://a.example/.well-known/openid-configuration"]);
});

test("ID4 a token without kid passes where one key fits, and not where two do", async () => {
  const other = await makeKey("other", "ES256");
  const one = await serve({ "/keys": keysOf(first) });
  const two = await serve({ "/keys": keysOf(first, other) });
  const identity = make(
    issuerAt("https://a.example", `${one.url}/keys`),
    issuerAt("https://b.example", `${two.url}/keys`),
  );
  expect(await identity.verify(await token(first, "https://a.example", { kid: undefined }))).toMatchObject({
    subject: "u",
  });
  expect(await identity.verify(await token(first, "https://b.example", { kid: undefined }))).toEqual(unauthorized);
});

test("ID2 Firebase's keys are asked of Google, and of nobody else", async () => {
  const asked: string[] = [];
  const fetch: typeof globalThis.fetch = (input) => {
    asked.push(input instanceof Request ? input.url : input.toString());
    return Promise.resolve(Response.json({ keys: [] }));
  };
  const rsa = await makeKey("k");
  const now = clock.seconds();
  const claims = {
    iss: "https://securetoken.google.com/p",
    aud: "p",
    sub: "u",
    iat: now,
    auth_time: now,
    exp: now + 60,
  };
  const identity = oidcIdentity({ issuers: [firebaseIssuer("p")], clock, fetch });
  expect(await identity.verify(await sign(rsa, claims))).toEqual(unauthorized);
  expect(asked).toEqual(["https://www.googleapis.com/service_accounts/v1/jwk/securetoken@system.gserviceaccount.com"]);
});
