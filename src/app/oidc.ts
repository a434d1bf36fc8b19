// Owns the talk with an OpenID Connect issuer as a public client: Authorization Code with PKCE, and refresh. It keeps nothing.
import * as v from "valibot";
import type { Way } from "./facts.ts";
import { failed, plain, type Outcome, type Problem } from "./sign-in-problem.ts";
import type { Answer, Begun } from "./sign-in-return.ts";

type Issuer = Extract<Way, { kind: "oidc" }>;

/** How long (ms) an issuer may take for one answer. */
const patience = 10_000;

const addresses = v.looseObject({
  issuer: v.string(),
  authorization_endpoint: v.pipe(v.string(), v.url()),
  token_endpoint: v.pipe(v.string(), v.url()),
  scopes_supported: v.optional(v.array(v.string())),
  response_modes_supported: v.optional(v.array(v.string())),
  code_challenge_methods_supported: v.optional(v.array(v.string())),
  authorization_response_iss_parameter_supported: v.optional(v.boolean()),
});
type Addresses = v.InferOutput<typeof addresses>;

const answer = v.looseObject({ id_token: v.optional(v.string()), refresh_token: v.optional(v.string()) });
const refusal = v.looseObject({ error: v.string(), error_description: v.optional(v.string()) });
const claims = v.looseObject({
  iss: v.string(),
  sub: v.string(),
  aud: v.union([v.string(), v.array(v.string())]),
  azp: v.optional(v.string()),
  nonce: v.optional(v.string()),
  exp: v.number(),
  iat: v.optional(v.number()),
});

const unreachable = (way: Issuer): Problem => ({ kind: "unreachable", host: new URL(way.issuer).host });

const base64url = (bytes: Uint8Array): string =>
  btoa(String.fromCharCode(...bytes))
    .replaceAll("+", "-")
    .replaceAll("/", "_")
    .replaceAll("=", "");
/** 256 bits, as 43 characters: a fit verifier too (RFC 7636, 4.1). */
const secret = (): string => base64url(crypto.getRandomValues(new Uint8Array(32)));

/** Nothing that is asked here may be led elsewhere, carry a cookie, or be kept by the browser. */
const request = (url: string, init: RequestInit = {}): Promise<Response> =>
  fetch(url, {
    ...init,
    headers: { Accept: "application/json" },
    credentials: "omit",
    redirect: "error",
    cache: "no-store",
    referrerPolicy: "no-referrer",
    signal: AbortSignal.timeout(patience),
  });

/** The issuer's own page about itself (OpenID Connect Discovery 1.0, section 4). undefined: not to be had, or not its own. */
async function discover(way: Issuer): Promise<Addresses | undefined> {
  try {
    const response = await request(`${way.issuer.replace(/\/$/, "")}/.well-known/openid-configuration`);
    const found = v.parse(addresses, await response.json());
    // Exactly (section 4.3): another name means that another issuer answers here.
    if (!response.ok || found.issuer !== way.issuer) return undefined;
    const secure = [found.authorization_endpoint, found.token_endpoint].every(
      (url) => url.startsWith("https://") || (url.startsWith("http://") && way.issuer.startsWith("http://")),
    );
    // RFC 9700, 2.1.1: where the methods are told, S256 must be among them.
    const methods = found.code_challenge_methods_supported;
    return secure && (methods === undefined || methods.includes("S256")) ? found : undefined;
  } catch {
    // Network, status or shape: to the person it is all the same.
    return undefined;
  }
}

/**
 * Where to send the person (OpenID Connect Core 1.0, section 3.1.2.1), and what to remember until they are back.
 * `anew`: the issuer shall ask who it is, whoever was here before.
 */
export async function begin(
  way: Issuer,
  to: { readonly redirectUri: string; readonly anew: boolean; readonly now: number },
): Promise<
  | { readonly ok: true; readonly url: string; readonly begun: Omit<Begun, "back"> }
  | { readonly ok: false; readonly problem: Problem }
> {
  if (!("subtle" in crypto)) return failed({ kind: "insecure" });
  const found = await discover(way);
  if (found === undefined) return failed(unreachable(way));
  const begun = { state: secret(), nonce: secret(), verifier: secret(), issuer: way.issuer, at: to.now };
  const challenge = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(begun.verifier));
  const scopes = ["openid", "profile", "email"];
  if (found.scopes_supported?.includes("offline_access") === true) scopes.push("offline_access");
  const url = new URL(found.authorization_endpoint);
  const parameters = {
    response_type: "code",
    client_id: way.client,
    redirect_uri: to.redirectUri,
    scope: scopes.join(" "),
    state: begun.state,
    nonce: begun.nonce,
    code_challenge: base64url(new Uint8Array(challenge)),
    code_challenge_method: "S256",
    // In the fragment the code reaches no server's log on its way back.
    ...(found.response_modes_supported?.includes("fragment") === true ? { response_mode: "fragment" } : {}),
    ...(to.anew ? { prompt: "login" } : {}),
  };
  for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value);
  return { ok: true, url: url.href, begun };
}

/** Turns what the issuer came back with into tokens (section 3.1.3). `state` has been compared already. */
export async function finish(
  way: Issuer,
  begun: Begun,
  back: Answer,
  to: { readonly redirectUri: string; readonly now: () => number },
): Promise<Outcome> {
  // RFC 9207, 2.4: an answer of another issuer is not looked at any further.
  if (back.iss !== undefined && back.iss !== way.issuer) return failed({ kind: "mismatch" });
  if (back.error !== undefined) return failed(problemOf(way, back.error, back.description));
  if (back.code === undefined) return failed({ kind: "stale" });
  const found = await discover(way);
  if (found === undefined) return failed(unreachable(way));
  if (found.authorization_response_iss_parameter_supported === true && back.iss === undefined) {
    return failed({ kind: "mismatch" });
  }
  const got = await post(way, found, {
    grant_type: "authorization_code",
    code: back.code,
    redirect_uri: to.redirectUri,
    client_id: way.client,
    code_verifier: begun.verifier,
  });
  if (!got.ok) return got;
  const read = got.idToken === undefined ? undefined : readClaims(way, got.idToken);
  // Section 3.1.3.7, 11: a token that was made for another question is none.
  if (got.idToken === undefined || read?.nonce !== begun.nonce) return failed({ kind: "mismatch" });
  return {
    ok: true,
    tokens: { idToken: got.idToken, expiresAt: endOf(read, to.now()), refreshToken: got.refreshToken },
  };
}

/** A newer ID token (section 12). `unreachable` may pass; any other problem means that the refresh token is of no more use. */
export async function renew(
  way: Issuer,
  old: { readonly idToken: string; readonly refreshToken: string },
  now: () => number,
): Promise<Outcome> {
  const found = await discover(way);
  if (found === undefined) return failed(unreachable(way));
  const got = await post(way, found, {
    grant_type: "refresh_token",
    refresh_token: old.refreshToken,
    client_id: way.client,
  });
  if (!got.ok) return got;
  const read = got.idToken === undefined ? undefined : readClaims(way, got.idToken);
  if (got.idToken === undefined || read === undefined) return failed({ kind: "ended" });
  // Section 12.2: the same person, or nobody.
  if (read.sub !== readClaims(way, old.idToken)?.sub) return failed({ kind: "mismatch" });
  const refreshToken = got.refreshToken ?? old.refreshToken;
  return { ok: true, tokens: { idToken: got.idToken, expiresAt: endOf(read, now()), refreshToken } };
}

type Got =
  | { readonly ok: true; readonly idToken: string | undefined; readonly refreshToken: string | undefined }
  | { readonly ok: false; readonly problem: Problem };

async function post(way: Issuer, found: Addresses, body: Readonly<Record<string, string>>): Promise<Got> {
  try {
    const response = await request(found.token_endpoint, { method: "POST", body: new URLSearchParams(body) });
    const json: unknown = await response.json();
    if (response.ok) {
      const { id_token: idToken, refresh_token: refreshToken } = v.parse(answer, json);
      return { ok: true, idToken, refreshToken };
    }
    if (response.status >= 500 || response.status === 429) return failed(unreachable(way));
    const { error, error_description: words } = v.parse(refusal, json);
    return failed(problemOf(way, error, words));
  } catch {
    return failed(unreachable(way));
  }
}

/** Errors of RFC 6749 (4.1.2.1, 5.2) and OpenID Connect Core (3.1.2.6) that have a sentence here; the rest in the issuer's own words. */
function problemOf(way: Issuer, error: string, words: string | undefined): Problem {
  if (error === "access_denied") return { kind: "denied" };
  if (error === "server_error" || error === "temporarily_unavailable") return unreachable(way);
  if (error === "invalid_grant") return { kind: "ended" };
  return { kind: "said", words: plain(words === undefined ? error : `${words} (${error})`) };
}

/**
 * What an ID token says, if it is one of this issuer for this client. Its signature and times are the server's to check: it came
 * from the issuer itself, by TLS (section 3.1.3.7, 6).
 */
function readClaims(way: Issuer, token: string): v.InferOutput<typeof claims> | undefined {
  try {
    const part = token.split(".")[1] ?? "";
    const bytes = Uint8Array.from(atob(part.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));
    const read = v.parse(claims, JSON.parse(new TextDecoder().decode(bytes)));
    const audiences = [read.aud].flat();
    const ours = audiences.includes(way.client) && (read.azp ?? way.client) === way.client;
    return read.iss === way.issuer && ours ? read : undefined;
  } catch {
    return undefined;
  }
}

/** By how long it lasts, not by when it ends: this machine's clock may be wrong. */
const endOf = ({ exp, iat }: { exp: number; iat?: number | undefined }, now: number): number =>
  iat === undefined ? exp * 1000 : now + (exp - iat) * 1000;
