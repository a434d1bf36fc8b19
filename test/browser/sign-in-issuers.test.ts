// Proves what the app says to issuers and takes from them, without a browser: real requests to a real issuer, and answers that are rubbish.
import fc from "fast-check";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import * as firebase from "../../src/app/firebase.ts";
import { begin, finish, renew } from "../../src/app/oidc.ts";
import { plain, type Outcome } from "../../src/app/sign-in-problem.ts";
import { startOidcIssuer, type OidcIssuer } from "../identity/oidc-issuer.ts";

let issuer: OidcIssuer;
beforeAll(async () => {
  issuer = await startOidcIssuer();
});
afterAll(() => issuer.close());
beforeEach(() => {
  Object.assign(issuer, { person: "ann", lasting: 3600, refreshes: true, spoil: {} });
  issuer.asked.length = 0;
});
afterEach(() => void vi.unstubAllGlobals());

const redirectUri = "https://chat.example.org/signed-in";
const now = (): number => 1_900_000_000_000;
const way = () => ({ kind: "oidc" as const, issuer: issuer.url, client: issuer.client });

/** Goes to the issuer as a browser would; resolves to what it came back with. */
async function go(more: { anew?: boolean } = {}) {
  const begun = await begin(way(), { redirectUri, anew: more.anew ?? false, now: now() });
  if (!begun.ok) throw new Error(begun.problem.kind);
  const answer = await fetch(begun.url, { redirect: "manual" });
  const back = new URL(answer.headers.get("location") ?? "");
  const given = back.hash === "" ? back.searchParams : new URLSearchParams(back.hash.slice(1));
  const parameters = { code: given.get("code") ?? undefined, iss: given.get("iss") ?? undefined };
  return { url: new URL(begun.url), begun: { ...begun.begun, back: {} }, answer: parameters };
}
const kindOf = (outcome: Outcome): string => (outcome.ok ? "ok" : outcome.problem.kind);

describe("an OpenID Connect issuer", () => {
  test("SG2 every sign-in has its own secrets; the verifier proves that it is the same page that comes back", async () => {
    const [one, two] = [await go(), await go()];
    for (const name of ["state", "nonce", "verifier"] as const) {
      expect(one.begun[name]).toMatch(/^[\w-]{43}$/);
      expect(one.begun[name]).not.toBe(two.begun[name]);
    }
    expect(one.url.href).not.toContain(one.begun.verifier);
    // Another page's verifier does not fit the code, and the code is spent.
    expect(
      kindOf(await finish(way(), { ...one.begun, verifier: two.begun.verifier }, one.answer, { redirectUri, now })),
    ).toBe("ended");
    const outcome = await finish(way(), two.begun, two.answer, { redirectUri, now });
    expect(outcome).toMatchObject({ ok: true, tokens: { expiresAt: now() + 3_600_000 } });
    expect(kindOf(await finish(way(), two.begun, two.answer, { redirectUri, now }))).toBe("ended");
  });

  test("SG2 offline access and the fragment are asked for only where the issuer has them; whoever had left is asked anew", async () => {
    expect((await go()).url.searchParams.get("prompt")).toBeNull();
    issuer.spoil.discovery = (document) => ({
      ...document,
      scopes_supported: ["openid"],
      response_modes_supported: ["query", "fragment"],
      authorization_endpoint: `${issuer.url}/authorize?tenant=a%26b`,
    });
    const { url } = await go({ anew: true });
    expect(Object.fromEntries(url.searchParams)).toMatchObject({
      tenant: "a&b",
      scope: "openid profile email",
      response_mode: "fragment",
      prompt: "login",
    });
  });

  test("SG4 a discovery page of another issuer, without S256, or that leads away from https, is none", async () => {
    const spoils: Record<string, unknown>[] = [
      { issuer: `${issuer.url}/` },
      { issuer: "https://accounts.example" },
      { code_challenge_methods_supported: ["plain"] },
      { token_endpoint: "javascript:alert(1)" },
      { authorization_endpoint: "javascript:alert(1)" },
      { authorization_endpoint: undefined },
      { token_endpoint: 7 },
    ];
    for (const spoil of spoils) {
      issuer.spoil.discovery = (document) => ({ ...document, ...spoil });
      expect(await begin(way(), { redirectUri, anew: false, now: 0 }), JSON.stringify(spoil)).toEqual({
        ok: false,
        problem: { kind: "unreachable", host: new URL(issuer.url).host },
      });
    }
    vi.stubGlobal("fetch", () =>
      Promise.resolve(
        Response.json({
          issuer: "https://id.example",
          authorization_endpoint: "https://id.example/authorize",
          token_endpoint: "http://id.example/token",
        }),
      ),
    );
    const secure = { kind: "oidc" as const, issuer: "https://id.example", client: "a" };
    expect(await begin(secure, { redirectUri, anew: false, now: 0 })).toMatchObject({ ok: false });
  });

  test("SG4 without WebCrypto (a page over plain http) the person is told so, and nobody is asked", async () => {
    vi.stubGlobal("crypto", { getRandomValues: crypto.getRandomValues.bind(crypto) });
    expect(await begin(way(), { redirectUri, anew: false, now: 0 })).toEqual({
      ok: false,
      problem: { kind: "insecure" },
    });
    expect(issuer.asked).toEqual([]);
  });

  test("SG6 a renewal is for the same person, keeps a refresh token that is not replaced, and tells away from over", async () => {
    const { begun, answer } = await go();
    const first = await finish(way(), begun, answer, { redirectUri, now });
    if (!first.ok || first.tokens.refreshToken === undefined) throw new Error("no tokens");
    const old = { idToken: first.tokens.idToken, refreshToken: first.tokens.refreshToken };
    issuer.spoil = { status: 503 };
    expect(kindOf(await renew(way(), old, now))).toBe("unreachable");
    issuer.spoil = { status: 429 };
    expect(kindOf(await renew(way(), old, now))).toBe("unreachable");
    issuer.spoil = {};
    issuer.lasting = 60;
    const second = await renew(way(), old, now);
    expect(second).toMatchObject({ ok: true, tokens: { expiresAt: now() + 60_000 } });
    // The first one is spent: issuers rotate.
    expect(kindOf(await renew(way(), old, now))).toBe("ended");
    if (!second.ok || second.tokens.refreshToken === undefined) throw new Error("no tokens");
    issuer.spoil.claims = (claims) => ({ ...claims, sub: "bob" });
    const next = { idToken: second.tokens.idToken, refreshToken: second.tokens.refreshToken };
    expect(kindOf(await renew(way(), next, now))).toBe("mismatch");
    vi.stubGlobal("fetch", (url: string) =>
      Promise.resolve(
        url.endsWith("/token")
          ? Response.json({ access_token: "x" })
          : Response.json({
              issuer: issuer.url,
              authorization_endpoint: `${issuer.url}/authorize`,
              token_endpoint: `${issuer.url}/token`,
            }),
      ),
    );
    expect(kindOf(await renew(way(), next, now))).toBe("ended");
  });

  test("SG5 whatever an issuer answers, it becomes a problem that can be told, never an exception", async () => {
    const { begun } = await go();
    const base = {
      issuer: issuer.url,
      authorization_endpoint: `${issuer.url}/authorize`,
      token_endpoint: `${issuer.url}/token`,
    };
    const rubbish = fc.oneof(fc.json(), fc.string(), fc.constant('{"id_token":"a.b.c"}'), fc.constant('{"error":{}}'));
    await fc.assert(
      fc.asyncProperty(rubbish, fc.boolean(), fc.constantFrom(200, 204, 400, 500), async (text, early, status) => {
        const body = status === 204 ? null : text;
        vi.stubGlobal("fetch", (url: string) =>
          Promise.resolve(early || url.endsWith("/token") ? new Response(body, { status }) : Response.json(base)),
        );
        const outcome = await finish(way(), begun, { code: "c", iss: issuer.url }, { redirectUri, now });
        expect(outcome.ok).toBe(false);
        expect((await begin(way(), { redirectUri, anew: false, now: 0 })).ok).toBe(!early);
      }),
      { numRuns: 200 },
    );
  });
});

describe("Firebase", () => {
  const project = { kind: "firebase" as const, key: "a&b=c" };

  test("SG11 without an emulator Google's two hosts are asked, the key cannot break out of its place", async () => {
    const asked: string[] = [];
    vi.stubGlobal("fetch", (url: string) => {
      asked.push(url);
      return Promise.resolve(Response.json({ idToken: "t", refreshToken: "r", expiresIn: "3600" }));
    });
    expect(await firebase.signIn(project, "a@b.c", "p", now)).toEqual({
      ok: true,
      tokens: { idToken: "t", refreshToken: "r", expiresAt: now() + 3_600_000 },
    });
    await firebase.renew(project, "r", now);
    expect(asked).toEqual([
      "https://identitytoolkit.googleapis.com/v1/accounts:signInWithPassword?key=a%26b%3Dc",
      "https://securetoken.googleapis.com/v1/token?key=a%26b%3Dc",
    ]);
  });

  test.each([
    ["INVALID_LOGIN_CREDENTIALS", "credentials"],
    ["EMAIL_NOT_FOUND", "credentials"],
    ["INVALID_PASSWORD", "credentials"],
    ["TOO_MANY_ATTEMPTS_TRY_LATER : later", "tooMany"],
    ["USER_DISABLED", "disabled"],
    ["TOKEN_EXPIRED", "ended"],
    ["USER_NOT_FOUND", "ended"],
    ["OPERATION_NOT_ALLOWED", "said"],
  ])("SG11 %s is told as %s", async (message, kind) => {
    vi.stubGlobal("fetch", () => Promise.resolve(Response.json({ error: { message } }, { status: 400 })));
    expect(kindOf(await firebase.signIn(project, "a@b.c", "p", now))).toBe(kind);
  });

  test("SG11 SG5 a second factor, an outage and rubbish become problems, never an exception", async () => {
    const answers: [Response | Error, string][] = [
      [Response.json({ mfaPendingCredential: "x", mfaInfo: [] }), "unsupported"],
      [Response.json({ error: { message: "x" } }, { status: 503 }), "unreachable"],
      [new Response("<html>", { status: 400 }), "unreachable"],
      [new Error("network"), "unreachable"],
    ];
    for (const [answer, kind] of answers) {
      vi.stubGlobal("fetch", () => (answer instanceof Error ? Promise.reject(answer) : Promise.resolve(answer)));
      expect(kindOf(await firebase.signIn(project, "a@b.c", "p", now))).toBe(kind);
    }
  });
});

test("SG5 an issuer's words are one short line without control or direction characters", () => {
  expect(plain(" a\u0000b\n\u202Ec\u2028d ")).toBe("a b c d");
  fc.assert(
    fc.property(fc.string({ unit: "binary", maxLength: 1000 }), (words) => {
      expect(plain(words)).toMatch(/^[^\p{Cc}\p{Cf}\p{Zl}\p{Zp}]{0,200}$/u);
    }),
  );
});
