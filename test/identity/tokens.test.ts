// Owns the proof that only good tokens of configured issuers pass, and that all others get one and the same answer.
import { createHmac, createSign } from "node:crypto";
import fc from "fast-check";
import { exportSPKI, importJWK, type JWTPayload } from "jose";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { firebaseIssuer, oidcIdentity } from "../../src/adapters/identity/oidc.ts";
import { reject } from "../../src/protocol/index.ts";
import type { Identity } from "../../src/server/ports.ts";
import { encode, handClock, makeKey, serveKeys, sign, type Key } from "./issuer.ts";

const unauthorized = reject("unauthorized");
const project = "demo-project";
let rsa: Key;
let ec: Key;
let ed: Key;
let ps: Key;
let stranger: Key;
let clock: ReturnType<typeof handClock>;
let server: Awaited<ReturnType<typeof serveKeys>>;
let identity: Identity;

beforeAll(async () => {
  [rsa, ec, ed, ps, stranger] = await Promise.all([
    makeKey("rsa"),
    makeKey("ec", "ES256"),
    makeKey("ed", "Ed25519"),
    makeKey("ps", "PS384"),
    makeKey("rsa"),
  ]);
  server = await serveKeys({ "/keys": { body: { keys: [rsa.jwk, ec.jwk, ed.jwk, ps.jwk] } } });
});
afterAll(() => server.close());
beforeEach(() => {
  clock = handClock();
  server.requests.length = 0;
  const jwksUrl = `${server.url}/keys`;
  const issuers = [
    { kind: "oidc" as const, issuer: "https://id.example/", audience: "app", jwksUrl },
    firebaseIssuer(project, { jwksUrl }),
  ];
  identity = oidcIdentity({ issuers, clock });
});

const oidc = (more: Record<string, unknown> = {}): JWTPayload => ({
  iss: "https://id.example/",
  aud: "app",
  sub: "u1",
  iat: clock.seconds(),
  exp: clock.seconds() + 3600,
  ...more,
});
const firebase = (more: Record<string, unknown> = {}): JWTPayload => ({
  iss: `https://securetoken.google.com/${project}`,
  aud: project,
  sub: "u1",
  iat: clock.seconds(),
  auth_time: clock.seconds() - 10,
  exp: clock.seconds() + 3600,
  ...more,
});

test("ID1 a good OIDC token of every asymmetric family gives its claims", async () => {
  for (const key of [rsa, ec, ed, ps]) {
    const token = await sign(key, oidc({ name: "Ada", email: "ada@example.org", email_verified: true }));
    expect(await identity.verify(token)).toEqual({
      issuer: "https://id.example/",
      subject: "u1",
      name: "Ada",
      email: "ada@example.org",
      expiresAt: (clock.seconds() + 3600) * 1000,
    });
  }
});

test("ID1 an address that the issuer has not verified is left out", async () => {
  const claims = await identity.verify(await sign(rsa, oidc({ email: "ada@example.org" })));
  expect(claims).toMatchObject({ subject: "u1", email: undefined });
});

test("ID2 a good Firebase token gives its claims, and when its holder last signed in", async () => {
  const authenticatedAt = (clock.seconds() - 10) * 1000;
  expect(await identity.verify(await sign(rsa, firebase()))).toMatchObject({ subject: "u1", authenticatedAt });
  const ahead = firebase({ iat: clock.seconds() + 60, auth_time: clock.seconds() + 60 });
  expect(await identity.verify(await sign(rsa, ahead))).toMatchObject({ subject: "u1" });
});

test("OP05 JS10 a name is one line of well-formed text of at most 200 characters", async () => {
  const named = async (name: unknown) => identity.verify(await sign(rsa, oidc({ name })));
  expect(await named("Zo\u00eb\r\n\u001b[31mred\u0000")).toMatchObject({ name: "Zo\u00eb [31mred" });
  expect(await named("\ud800x")).toMatchObject({ name: "\ufffdx" });
  expect(await named("\u{1f600}".repeat(500))).toMatchObject({ name: "\u{1f600}".repeat(200) });
  for (const none of ["", "\n\t", 7, null, ["Ada"]]) expect(await named(none)).toMatchObject({ name: undefined });
});

const wrongOidc: Record<string, Record<string, unknown>> = {
  "iss of nobody": { iss: "https://evil.example" },
  "iss without its slash": { iss: "https://id.example" },
  "iss in capitals": { iss: "https://ID.example/" },
  "iss in a list": { iss: ["https://id.example/"] },
  "no iss": { iss: undefined },
  "aud of another app": { aud: "other" },
  "aud that contains ours": { aud: "app2" },
  "aud of another issuer's project": { aud: project },
  "no aud": { aud: undefined },
  "empty aud": { aud: [] },
  "several aud, no azp": { aud: ["app", "other"] },
  "several aud, other azp": { aud: ["app", "other"], azp: "other" },
  "one aud, other azp": { azp: "other" },
  "azp null": { azp: null },
  "no sub": { sub: undefined },
  "empty sub": { sub: "" },
  "sub of 129": { sub: "x".repeat(129) },
  "sub a number": { sub: 7 },
  "no exp": { exp: undefined },
  "exp a string": { exp: "9999999999" },
  "exp beyond dates": { exp: 9e15 },
  "nbf a string": { nbf: "0" },
  "iat null": { iat: null },
  "logout token": { events: { "http://schemas.openid.net/event/backchannel-logout": {} } },
};

test.each(Object.entries(wrongOidc))("HS19 refused before any key is fetched: %s", async (_, more) => {
  expect(await identity.verify(await sign(rsa, oidc(more)))).toEqual(unauthorized);
  expect(server.requests).toEqual([]);
});

test("ID1 several audiences pass where azp is ours, and so does a list of one", async () => {
  for (const more of [{ aud: ["other", "app"], azp: "app" }, { aud: ["app"] }, { azp: "app" }]) {
    expect(await identity.verify(await sign(rsa, oidc(more)))).toMatchObject({ subject: "u1" });
  }
});

test("HS19 nbf and iat may be 60 s ahead, exp 30 s past, and no more", async () => {
  const now = clock.seconds();
  for (const good of [{ exp: now - 29 }, { nbf: now + 60 }, { iat: now + 60 }]) {
    expect(await identity.verify(await sign(rsa, oidc(good)))).toMatchObject({ subject: "u1" });
  }
  for (const bad of [{ exp: now - 30 }, { nbf: now + 61 }, { iat: now + 61 }]) {
    expect(await identity.verify(await sign(rsa, oidc(bad)))).toEqual(unauthorized);
  }
});

test("HS19 a token expires by the injected clock", async () => {
  const token = await sign(rsa, oidc());
  expect(await identity.verify(token)).toMatchObject({ subject: "u1" });
  clock.pass(3_631_000);
  expect(await identity.verify(token)).toEqual(unauthorized);
});

const wrongFirebase: Record<string, Record<string, unknown>> = {
  "another project": { iss: "https://securetoken.google.com/other", aud: "other" },
  "aud of another project": { aud: "other" },
  "no auth_time": { auth_time: undefined },
  "auth_time in the future": { auth_time: 1_800_000_061 },
  "auth_time a string": { auth_time: "1" },
  "no iat": { iat: undefined },
  "iat in the future": { iat: 1_800_000_061 },
};

test.each(Object.entries(wrongFirebase))("HS19 Firebase refuses %s", async (_, more) => {
  expect(await identity.verify(await sign(rsa, firebase(more)))).toEqual(unauthorized);
  expect(server.requests).toEqual([]);
});

test("HS19 Firebase takes RS256 with a kid only", async () => {
  expect(await identity.verify(await sign(ec, firebase()))).toEqual(unauthorized);
  expect(await identity.verify(await sign(rsa, firebase(), { kid: undefined }))).toEqual(unauthorized);
  expect(await identity.verify(await sign(rsa, firebase(), { kid: "" }))).toEqual(unauthorized);
});

test("HS19 alg none is refused in every spelling, emulator tokens too", async () => {
  for (const alg of ["none", "None", "NONE", ""]) {
    for (const signature of ["", "AAAA"]) {
      const oidcToken = `${encode({ alg, typ: "JWT" })}.${encode(oidc())}.${signature}`;
      const emulatorToken = `${encode({ alg, typ: "JWT" })}.${encode(firebase())}.${signature}`;
      expect(await identity.verify(oidcToken)).toEqual(unauthorized);
      expect(await identity.verify(emulatorToken)).toEqual(unauthorized);
    }
  }
  expect(server.requests).toEqual([]);
});

test("ID3 the emulator's unsigned tokens pass only where it is asked for, with all other checks", async () => {
  const emulated = oidcIdentity({ issuers: [firebaseIssuer(project, { emulator: true })], clock });
  const unsigned = (payload: JWTPayload): string => `${encode({ alg: "none", typ: "JWT" })}.${encode(payload)}.`;
  expect(await emulated.verify(unsigned(firebase()))).toMatchObject({ subject: "u1" });
  expect(await emulated.verify(unsigned(firebase({ aud: "other" })))).toEqual(unauthorized);
  expect(await emulated.verify(unsigned(firebase({ exp: clock.seconds() - 60 })))).toEqual(unauthorized);
  expect(await emulated.verify(`${unsigned(firebase())}AAAA`)).toEqual(unauthorized);
});

test("HS19 HS256 keyed with the RSA public key is refused", async () => {
  const pem = await exportSPKI(await publicKey(rsa));
  const input = `${encode({ alg: "HS256", kid: "rsa", typ: "JWT" })}.${encode(oidc())}`;
  for (const secret of [pem, pem.trim(), JSON.stringify(rsa.jwk)]) {
    const signature = createHmac("sha256", secret).update(input).digest("base64url");
    expect(await identity.verify(`${input}.${signature}`)).toEqual(unauthorized);
  }
});

async function publicKey(key: Key): Promise<CryptoKey> {
  const imported = await importJWK(key.jwk, key.alg, { extractable: true });
  if (imported instanceof Uint8Array) throw new Error("expected a public key");
  return imported;
}

test("HS19 crit, foreign typ, embedded keys and another's key are refused", async () => {
  await identity.verify(await sign(rsa, oidc()));
  const forged = await sign(stranger, oidc());
  const embedded = await sign(stranger, oidc(), { jwk: stranger.jwk });
  expect(await identity.verify(forged)).toEqual(unauthorized);
  expect(await identity.verify(embedded)).toEqual(unauthorized);
  for (const typ of ["at+jwt", "logout+jwt", ""]) {
    expect(await identity.verify(await sign(rsa, oidc(), { typ }))).toEqual(unauthorized);
  }
  const header = encode({ alg: "RS256", kid: "rsa", crit: ["exp"], exp: 1 });
  const input = `${header}.${encode(oidc())}`;
  const pkcs8 = { key: await pem(rsa) };
  const signature = createSign("sha256").update(input).sign(pkcs8.key, "base64url");
  expect(await identity.verify(`${input}.${signature}`)).toEqual(unauthorized);
});

async function pem(key: Key): Promise<string> {
  const { exportPKCS8 } = await import("jose");
  return exportPKCS8(key.privateKey);
}

test("HS19 a token above 12 kB is refused before any key is fetched, one just below passes", async () => {
  const padded = (n: number): Promise<string> => sign(rsa, oidc({ pad: "x".repeat(n) }));
  const big = await padded(8_900);
  expect(big.length).toBeGreaterThan(12_000);
  expect(await identity.verify(big)).toEqual(unauthorized);
  expect(await identity.verify("a".repeat(50_000_000))).toEqual(unauthorized);
  expect(server.requests).toEqual([]);
  const fits = await padded(8_200);
  expect(fits.length).toBeGreaterThan(11_000);
  expect(await identity.verify(fits)).toMatchObject({ subject: "u1" });
});

test("HS19 what is no token at all is refused", async () => {
  const deep = `${encode({ alg: "RS256", kid: "rsa" })}.${Buffer.from("[".repeat(8_000)).toString("base64url")}.AAAA`;
  const nested = `{"iss":"https://id.example/","aud":${"[".repeat(3_500)}${"]".repeat(3_500)}}`;
  const odd = `${encode({ alg: "RS256", kid: "rsa" })}.${Buffer.from(nested).toString("base64url")}.AAAA`;
  for (const text of [
    "",
    ".",
    "..",
    "a.b.c",
    "a.b.c.d.e",
    "null.null.null",
    "\u{1f600}.a.b",
    `${encode([])}.${encode(1)}.`,
    deep,
    odd,
  ]) {
    expect(await identity.verify(text)).toEqual(unauthorized);
  }
  for (const header of [
    null,
    [],
    "x",
    { alg: 5 },
    { alg: ["RS256"] },
    { alg: "toString", kid: "rsa" },
    { alg: "RS256", kid: {} },
    { alg: "RS256", kid: "rsa", crit: ["exp"], exp: 1 },
  ]) {
    expect(await identity.verify(`${encode(header)}.${encode(oidc())}.AAAA`)).toEqual(unauthorized);
  }
  expect(server.requests).toEqual([]);
});

test("HS19 a second spelling of the same signature is refused: the spare bits of its last letter are zero", async () => {
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  const token = await sign(rsa, firebase());
  const last = alphabet.indexOf(token.slice(-1));
  const other = token.slice(0, -1) + alphabet.charAt(last + 1);
  const bytes = (text: string): Buffer => Buffer.from(text.slice(text.lastIndexOf(".") + 1), "base64url");
  expect(bytes(other)).toEqual(bytes(token));
  expect(await identity.verify(token)).toMatchObject({ subject: "u1" });
  expect(await identity.verify(other)).toEqual(unauthorized);
});

test("HS19 property: any change to a good token makes it the same refusal, and never throws", async () => {
  const token = await sign(rsa, firebase({ name: "Ada" }));
  expect(await identity.verify(token)).toMatchObject({ subject: "u1" });
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=+ \u0000é";
  const place = fc.nat({ max: token.length - 1 });
  const edit = fc.oneof(
    fc.record({ kind: fc.constant("set"), place, with: fc.constantFrom(...alphabet.split("")) }),
    fc.record({ kind: fc.constant("insert"), place, with: fc.constantFrom(...alphabet.split("")) }),
    fc.record({ kind: fc.constant("cut"), place, with: fc.constant("") }),
    fc.record({ kind: fc.constant("end"), place, with: fc.constant("") }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(edit, { minLength: 1, maxLength: 4 }), async (edits) => {
      let text = token;
      for (const { kind, place, with: by } of edits) {
        const rest = kind === "insert" ? text.slice(place) : kind === "end" ? "" : text.slice(place + 1);
        text = text.slice(0, place) + by + rest;
      }
      fc.pre(text !== token);
      expect(await identity.verify(text)).toEqual(unauthorized);
    }),
    { numRuns: 1_500 },
  );
});

test("HS19 property: claims of any JSON, properly signed, never throw and pass only with the right names", async () => {
  const field = fc.option(fc.jsonValue({ maxDepth: 2 }), { nil: undefined });
  const claims = fc.record({ iss: field, aud: field, sub: field, exp: field, nbf: field, iat: field, azp: field });
  await fc.assert(
    fc.asyncProperty(claims, fc.subarray(["iss", "aud", "sub", "exp", "nbf", "iat", "azp"]), async (random, keep) => {
      const changed = Object.fromEntries(Object.entries(random).filter(([name]) => keep.includes(name)));
      const answer = await identity.verify(await sign(ec, oidc(changed)));
      if ("code" in answer) expect(answer).toEqual(unauthorized);
      else {
        expect(answer.issuer).toBe("https://id.example/");
        expect(answer.subject.length).toBeGreaterThan(0);
        expect(new Date(answer.expiresAt).toISOString()).toMatch(/Z$/);
      }
    }),
    { numRuns: 300 },
  );
});
