// Owns what can go wrong when somebody signs in, and the sentence for it. No text of an issuer becomes anything but text.
import type { Texts } from "../ui/texts.ts";

export type Problem =
  /** The issuer cannot be reached, or does not answer as it should. */
  | { readonly kind: "unreachable"; readonly host: string }
  /** It came back to a page that had not asked, or asked too long ago. */
  | { readonly kind: "stale" }
  /** The answer does not belong to the question: another issuer, client or nonce. */
  | { readonly kind: "mismatch" }
  | { readonly kind: "denied" }
  /** What the issuer said itself. */
  | { readonly kind: "said"; readonly words: string }
  /** The issuer is content, this server is not. */
  | { readonly kind: "refused" }
  | { readonly kind: "credentials" }
  | { readonly kind: "tooMany" }
  | { readonly kind: "disabled" }
  | { readonly kind: "insecure" }
  /** Whoever signs in this way needs more than this page can ask for. */
  | { readonly kind: "unsupported" }
  /** A grant that is of no more use: used, withdrawn or too old. */
  | { readonly kind: "ended" };

/** What an issuer gave. `expiresAt`: milliseconds since 1970 by this machine's clock. */
export type Tokens = {
  readonly idToken: string;
  readonly expiresAt: number;
  readonly refreshToken?: string | undefined;
};

export type Outcome =
  | { readonly ok: true; readonly tokens: Tokens }
  | { readonly ok: false; readonly problem: Problem };

export const failed = (problem: Problem): { readonly ok: false; readonly problem: Problem } => ({ ok: false, problem });

/** Words of an issuer as they may be shown: on one line, without control or direction characters, short. */
export const plain = (words: string): string =>
  words
    .replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, " ")
    .trim()
    .slice(0, 200);

export function problemText(texts: Texts, problem: Problem): string {
  const sentences = texts.signInProblems;
  if (problem.kind === "unreachable") return sentences.unreachable(problem.host);
  if (problem.kind === "said") return sentences.said(problem.words);
  return sentences[problem.kind];
}
