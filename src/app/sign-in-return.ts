// Owns the way back from an issuer: what was remembered when the page was left, and what the issuer came back with. It asks nobody.
import * as v from "valibot";
import type { LocalStore } from "../client/index.ts";
import { go } from "./place.ts";

/** Where an issuer leads back to; registered with it. */
export const returnPath = "/signed-in";
const key = "throughline/sign-in-begun";
/** How long (ms) somebody may take at the issuer. */
const longest = 3_600_000;

const begun = v.object({
  state: v.string(),
  nonce: v.string(),
  verifier: v.string(),
  issuer: v.string(),
  at: v.number(),
  back: v.object({ conversation: v.optional(v.pipe(v.string(), v.uuid())), message: v.optional(v.string()) }),
});
/** A sign-in that was begun in this tab; `at`: milliseconds since 1970. */
export type Begun = v.InferOutput<typeof begun>;

/** What an issuer came back with (RFC 6749, 4.1.2). */
export type Answer = {
  readonly code?: string | undefined;
  readonly iss?: string | undefined;
  readonly error?: string | undefined;
  readonly description?: string | undefined;
};
/** `begun` undefined: nothing here had asked for it. */
export type Return = { readonly begun: Begun | undefined; readonly answer: Answer };

export const remember = (tab: LocalStore, what: Begun): void => tab.setItem(key, JSON.stringify(what));

/** If the page was opened by an issuer: its answer, once. The address is that of the former place at once, and tells nothing. */
export function takeReturn(tab: LocalStore, now: number): Return | undefined {
  if (location.pathname !== returnPath) return undefined;
  const inHash = new URLSearchParams(location.hash.slice(1));
  const given = inHash.has("state") || inHash.has("error") ? inHash : new URLSearchParams(location.search);
  const kept = recall(tab, now);
  tab.removeItem(key);
  go(kept?.back ?? {}, true);
  const [code, error] = [given.get("code"), given.get("error")];
  if (code === null && error === null) return undefined;
  const answer: Answer = {
    code: code ?? undefined,
    iss: given.get("iss") ?? undefined,
    error: error ?? undefined,
    description: given.get("error_description") ?? undefined,
  };
  return { begun: kept !== undefined && given.get("state") === kept.state ? kept : undefined, answer };
}

function recall(tab: LocalStore, now: number): Begun | undefined {
  try {
    const kept = v.parse(begun, JSON.parse(tab.getItem(key) ?? "null"));
    return now - kept.at <= longest ? kept : undefined;
  } catch {
    return undefined;
  }
}
