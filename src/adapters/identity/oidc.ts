// Owns the verification of ID tokens of Firebase and of any OIDC issuer, over jose; must not know users or sessions.
import { decodeJwt, decodeProtectedHeader, errors, jwtVerify, type JWTPayload, type JWSHeaderParameters } from "jose";
import { reject, type Rejection } from "../../protocol/index.ts";
import type { Claims, Clock, Identity, Journal } from "../../server/ports.ts";
import { IssuerKeys, type Found } from "./keys.ts";

/**
 * An issuer whose tokens are taken. `issuer` and `audience` are compared exactly. `jwksUrl`: where the keys are, else the
 * issuer's discovery document says. `emulator`: also takes the unsigned tokens of Firebase's emulator; never in production.
 */
export type TrustedIssuer = {
  readonly kind: "oidc" | "firebase";
  readonly issuer: string;
  readonly audience: string;
  readonly jwksUrl?: string | undefined;
  readonly emulator?: boolean | undefined;
};

export type IdentityOptions = {
  readonly issuers: readonly TrustedIssuer[];
  readonly clock: Pick<Clock, "now" | "monotonic" | "after">;
  readonly fetch?: typeof globalThis.fetch | undefined;
  readonly journal?: Pick<Journal, "warn"> | undefined;
};

/** Source: firebase.google.com/docs/auth/admin/verify-id-tokens, "using a third-party JWT library" (as JWK set). */
const googleKeysUrl = "https://www.googleapis.com/service_accounts/v1/jwk/securetoken@system.gserviceaccount.com";

/** The issuer of a Firebase project's ID tokens. */
export function firebaseIssuer(
  project: string,
  more: { jwksUrl?: string | undefined; emulator?: boolean | undefined } = {},
): TrustedIssuer {
  const { jwksUrl = googleKeysUrl, emulator } = more;
  return {
    kind: "firebase",
    issuer: `https://securetoken.google.com/${project}`,
    audience: project,
    jwksUrl,
    emulator,
  };
}

const algorithms: Readonly<Record<TrustedIssuer["kind"], readonly string[]>> = {
  firebase: ["RS256"],
  oidc: ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519"],
};

/** Seconds by which an issuer's clock may be ahead of ours, and for which a token is good after its end, as on an open socket. */
const ahead = 60;
const pastEnd = 30;
const longestToken = 12_000;
const longestSubject = 128;
const longestName = 200;
const tokenShape = /^[\w-]+\.[\w-]+\.[\w-]*$/;

/** One answer for every bad token: it tells nobody which check failed. */
const refused = reject("unauthorized");

/** Verifies ID tokens of the given issuers. A token chooses among them by its `iss`, and steers nothing else. */
export function oidcIdentity(options: IdentityOptions): Identity {
  const { issuers, clock, journal, fetch = globalThis.fetch } = options;
  const outside = { clock, fetch, journal };
  const keys = new Map(
    issuers.map((trusted) => [trusted.issuer, new IssuerKeys(trusted.issuer, trusted.jwksUrl, outside)]),
  );

  const verify = async (token: string): Promise<Claims | Rejection> => {
    const read = readToken(token);
    if (read === undefined) return refused;
    const { header, payload } = read;
    const now = Math.floor(clock.now() / 1000);
    const trusted = issuers.find(({ issuer, audience }) => issuer === payload.iss && isFor(payload, audience));
    if (trusted === undefined || !areTimely(payload, now) || !hasSubject(payload)) return refused;
    if (trusted.kind === "firebase" && !isFirebaseLike(payload, now)) return refused;
    if (trusted.emulator === true && isUnsigned(token, header)) return toClaims(payload, trusted);
    if (!isSound(header, trusted)) return refused;
    const key: Found = (await keys.get(trusted.issuer)?.find(header)) ?? "unknown";
    if (key === "unknown") return refused;
    if ("unavailableMs" in key) return reject("unavailable", { retryAfterMs: key.unavailableMs });
    return (await isSigned(token, key, trusted, now)) ? toClaims(payload, trusted) : refused;
  };
  return { verify };
}

/** Whether the last letter's spare bits are zero, so that no second text means the same bytes. Source: RFC 4648, 3.5. */
const isExact = (part: string): boolean => Buffer.from(part, "base64url").toString("base64url") === part;

/** Header and payload as they claim to be: nothing of it is verified. */
function readToken(token: string): { header: JWSHeaderParameters; payload: JWTPayload } | undefined {
  if (token.length > longestToken || !tokenShape.test(token) || !token.split(".").every(isExact)) return undefined;
  try {
    return { header: decodeProtectedHeader(token), payload: decodeJwt(token) };
  } catch (error) {
    if (error instanceof errors.JOSEError || error instanceof TypeError) return undefined;
    throw error;
  }
}

/** Seconds since 1970 within what a Date can hold. */
const isTime = (value: unknown): value is number => typeof value === "number" && Math.abs(value) <= 8.64e12;

function areTimely({ exp, nbf, iat }: JWTPayload, now: number): boolean {
  if (!isTime(exp) || exp <= now - pastEnd) return false;
  if (nbf !== undefined && (!isTime(nbf) || nbf > now + ahead)) return false;
  return iat === undefined || (isTime(iat) && iat <= now + ahead);
}

/** Whether a token was made for this audience: named in `aud`, and in `azp` where there is one or several are named. */
function isFor({ aud, azp }: JWTPayload, audience: string): boolean {
  const audiences: readonly unknown[] = Array.isArray(aud) ? aud : [aud];
  if (!audiences.includes(audience)) return false;
  return azp === undefined ? audiences.length === 1 : azp === audience;
}

/** Also refuses logout tokens: they have an ID token's issuer, audience and subject, and `events`. */
function hasSubject({ sub, events }: JWTPayload): boolean {
  return typeof sub === "string" && sub.length > 0 && sub.length <= longestSubject && events === undefined;
}

function isFirebaseLike({ iat, auth_time: authTime }: JWTPayload, now: number): boolean {
  return isTime(iat) && isTime(authTime) && authTime <= now + ahead;
}

/** Whether the header asks for nothing but the check of a signature by an algorithm and key that may be. */
function isSound({ alg, kid, crit, typ }: JWSHeaderParameters, { kind }: TrustedIssuer): boolean {
  if (crit !== undefined || alg === undefined || !algorithms[kind].includes(alg)) return false;
  // Other kinds of JWT (access, logout) say so in `typ`: they are no ID tokens.
  if (typ !== undefined && (typeof typ !== "string" || typ.toUpperCase() !== "JWT")) return false;
  return kid === undefined ? kind === "oidc" : typeof kid === "string" && kid.length > 0;
}

const isUnsigned = (token: string, { alg, crit }: JWSHeaderParameters): boolean =>
  alg === "none" && crit === undefined && token.endsWith(".");

async function isSigned(
  token: string,
  key: Exclude<Found, "unknown" | { unavailableMs: number }>,
  { kind, issuer, audience }: TrustedIssuer,
  now: number,
): Promise<boolean> {
  try {
    const currentDate = new Date(now * 1000);
    const required = { requiredClaims: ["exp", "sub"], algorithms: [...algorithms[kind]] };
    await jwtVerify(token, key, { ...required, issuer, audience, clockTolerance: ahead, currentDate });
    return true;
  } catch (error) {
    // jose names what is wrong with a token; a key that does not fit its algorithm is a TypeError.
    if (error instanceof errors.JOSEError || error instanceof TypeError) return false;
    throw error;
  }
}

/** One line of well-formed text without control characters, cut to a length. */
const shortText = (value: unknown, longest: number): string | undefined => {
  const text = typeof value === "string" ? value.slice(0, longest * 2).toWellFormed() : "";
  const clean = Array.from(text.replaceAll(/\p{Cc}+/gu, " ").trim())
    .slice(0, longest)
    .join("");
  return clean === "" ? undefined : clean;
};

function toClaims(payload: JWTPayload, { issuer }: TrustedIssuer): Claims {
  const { sub = "", exp = 0, name, email, email_verified: verified, auth_time: authTime } = payload;
  return {
    issuer,
    subject: sub,
    name: shortText(name, longestName),
    email: verified === true ? shortText(email, 320) : undefined,
    expiresAt: exp * 1000,
    ...(isTime(authTime) ? { authenticatedAt: authTime * 1000 } : {}),
  };
}
