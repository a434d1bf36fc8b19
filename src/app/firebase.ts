// Owns the talk with Firebase's sign-in over its documented REST endpoints: email and password, and refresh. It keeps nothing.
// Source: firebase.google.com/docs/reference/rest/auth (sections "sign in with email / password", "exchange a refresh token").
import * as v from "valibot";
import type { Way } from "./facts.ts";
import { failed, plain, type Outcome, type Problem } from "./sign-in-problem.ts";

type Project = Extract<Way, { kind: "firebase" }>;

/** How long (ms) an answer may take. */
const patience = 10_000;

const signedIn = v.looseObject({ idToken: v.string(), refreshToken: v.string(), expiresIn: v.string() });
const renewed = v.looseObject({ id_token: v.string(), refresh_token: v.string(), expires_in: v.string() });
const refusal = v.looseObject({ error: v.looseObject({ message: v.string() }) });

/** The web key stands in the address by Google's design: it names the project and is public. */
const addressOf = (way: Project, host: string, path: string): string =>
  `${way.emulator === undefined ? "https:/" : way.emulator}/${host}/v1/${path}?key=${encodeURIComponent(way.key)}`;

export async function signIn(way: Project, email: string, password: string, now: () => number): Promise<Outcome> {
  const body = JSON.stringify({ email, password, returnSecureToken: true });
  const url = addressOf(way, "identitytoolkit.googleapis.com", "accounts:signInWithPassword");
  const got = await post(way, url, body, "application/json", signedIn);
  if (!got.ok) return got;
  const { idToken, refreshToken, expiresIn } = got.body;
  return { ok: true, tokens: { idToken, refreshToken, expiresAt: now() + Number(expiresIn) * 1000 } };
}

/** A newer ID token. `unreachable` may pass; any other problem means that the refresh token is of no more use. */
export async function renew(way: Project, refreshToken: string, now: () => number): Promise<Outcome> {
  const body = new URLSearchParams({ grant_type: "refresh_token", refresh_token: refreshToken }).toString();
  const url = addressOf(way, "securetoken.googleapis.com", "token");
  const got = await post(way, url, body, "application/x-www-form-urlencoded", renewed);
  if (!got.ok) return got;
  const { id_token: idToken, refresh_token: next, expires_in: expiresIn } = got.body;
  return { ok: true, tokens: { idToken, refreshToken: next, expiresAt: now() + Number(expiresIn) * 1000 } };
}

async function post<T>(
  way: Project,
  url: string,
  body: string,
  type: string,
  schema: v.GenericSchema<unknown, T>,
): Promise<{ readonly ok: true; readonly body: T } | { readonly ok: false; readonly problem: Problem }> {
  const unreachable: Problem = { kind: "unreachable", host: new URL(url).host };
  try {
    const response = await fetch(url, {
      method: "POST",
      body,
      headers: { "Content-Type": type },
      credentials: "omit",
      redirect: "error",
      cache: "no-store",
      // Keys can be limited to the sites that use them: Google tells those by this header.
      referrerPolicy: "strict-origin",
      signal: AbortSignal.timeout(patience),
    });
    const json: unknown = await response.json();
    if (response.ok) {
      const read = v.safeParse(schema, json);
      // A second factor, or something newer than this page.
      return read.success ? { ok: true, body: read.output } : failed({ kind: "unsupported" });
    }
    if (response.status >= 500) return failed(unreachable);
    return failed(problemOf(v.parse(refusal, json).error.message));
  } catch {
    return failed(unreachable);
  }
}

const credentials: Problem = { kind: "credentials" };
const ended: Problem = { kind: "ended" };
/** One sentence for all that is wrong with what was typed: it tells nobody which addresses there are. */
const problems: Readonly<Record<string, Problem>> = {
  EMAIL_NOT_FOUND: credentials,
  INVALID_EMAIL: credentials,
  INVALID_PASSWORD: credentials,
  MISSING_PASSWORD: credentials,
  INVALID_LOGIN_CREDENTIALS: credentials,
  TOO_MANY_ATTEMPTS_TRY_LATER: { kind: "tooMany" },
  USER_DISABLED: { kind: "disabled" },
  TOKEN_EXPIRED: ended,
  USER_NOT_FOUND: ended,
  INVALID_REFRESH_TOKEN: ended,
};

/** Codes may be followed by a sentence: `TOO_MANY_ATTEMPTS_TRY_LATER : ...`. */
function problemOf(message: string): Problem {
  const code = message.split(" ")[0] ?? "";
  const known = Object.hasOwn(problems, code) ? problems[code] : undefined;
  return known ?? { kind: "said", words: plain(message) };
}
