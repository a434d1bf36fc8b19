// Owns the tokens of this page: in memory and the tab's session storage, renewed before they end, forgotten when a session ends.
// What talks to an issuer is loaded when it is needed. A token goes to its issuer and over the socket, nowhere else.
import * as v from "valibot";
import { createCell, type ConnectionState, type LocalStore, type Readable } from "../client/index.ts";
import type { Way } from "./facts.ts";
import type { Place } from "./place.ts";
import { remember, returnPath, type Return } from "./sign-in-return.ts";
import type { Outcome, Problem } from "./sign-in-problem.ts";

export type Keeper = {
  /** For the SDK: the ID token, if somebody has signed in from this tab. */
  readonly token: (asked: { readonly fresh: boolean }) => Promise<string | undefined>;
  /** Why the last sign-in did not work. */
  readonly problem: Readable<Problem | undefined>;
  /** A sign-in is under way. */
  readonly busy: Readable<boolean>;
  /** Leaves the page for an issuer, and comes back to `place`. Resolves where that is not possible. */
  withIssuer(way: Extract<Way, { kind: "oidc" }>, place: Place): Promise<void>;
  /** True: there is a token now. */
  withPassword(way: Extract<Way, { kind: "firebase" }>, email: string, password: string): Promise<boolean>;
  /** A person leaves on purpose: the next one who signs in here is asked who it is. */
  leave(): void;
  /** The problem has been read. */
  dismiss(): void;
  /** Told of every state of the connection. */
  watch(state: ConnectionState): void;
};

const tokensKey = "throughline/tokens";
/** In local storage, for all tabs: which sign-in holds, or that the last person has left. */
const markKey = "throughline/sign-in";
const left = "left";
/** A token that ends within this (ms) is renewed before it is used again. */
const margin = 30_000;

const held = v.object({
  /** The issuer's, or `firebase`. */
  way: v.string(),
  mark: v.string(),
  idToken: v.string(),
  expiresAt: v.number(),
  refreshToken: v.optional(v.string()),
});
type Held = v.InferOutput<typeof held>;

const nameOf = (way: Way): string => (way.kind === "oidc" ? way.issuer : "firebase");

export function createKeeper(options: {
  readonly ways: readonly Way[];
  readonly local: LocalStore;
  readonly tab: LocalStore;
  readonly returned: Return | undefined;
  readonly now?: () => number;
}): Keeper {
  const { ways, local, tab, now = Date.now } = options;
  const redirectUri = location.origin + returnPath;
  const problem = createCell<Problem | undefined>(undefined);
  const busy = createCell(false);
  let tokens = recall(tab);
  /** The server has let these tokens in. Those of before a reload it had. */
  let accepted = tokens !== undefined;
  let offered = false;
  let renewing: Promise<string | undefined> | undefined;

  const put = (next: Held | undefined): void => {
    tokens = next;
    offered = false;
    if (next === undefined) tab.removeItem(tokensKey);
    else tab.setItem(tokensKey, JSON.stringify(next));
  };
  const fail = (why: Problem): void => {
    put(undefined);
    problem.set(why);
  };
  /** Takes what an issuer gave at a sign-in. */
  const take = (way: Way, outcome: Outcome): boolean => {
    if (!outcome.ok) {
      problem.set(outcome.problem);
      return false;
    }
    const mark = crypto.randomUUID();
    local.setItem(markKey, mark);
    put({ ...outcome.tokens, way: nameOf(way), mark });
    accepted = false;
    problem.set(undefined);
    return true;
  };
  const during = async <T>(act: () => Promise<T>): Promise<T> => {
    busy.set(true);
    try {
      return await act();
    } finally {
      busy.set(false);
    }
  };

  const finish = async ({ begun, answer }: Return): Promise<void> => {
    const way = ways.find((one) => one.kind === "oidc" && one.issuer === begun?.issuer);
    if (begun === undefined || way?.kind !== "oidc") return fail({ kind: "stale" });
    const { finish: exchange } = await import("./oidc.ts");
    take(way, await exchange(way, begun, answer, { redirectUri, now }));
    return undefined;
  };
  /** Until it is known who comes back, nobody comes in. */
  const finishing =
    options.returned === undefined
      ? undefined
      : during(() => finish(options.returned ?? { begun: undefined, answer: {} })).catch(() => lost());
  /** The script that talks to an issuer could not be loaded. */
  const lost = (): void => problem.set({ kind: "unreachable", host: location.host });

  const renewBy = async (old: Held): Promise<Outcome> => {
    const way = ways.find((one) => nameOf(one) === old.way);
    const { idToken, refreshToken } = old;
    if (refreshToken === undefined || way === undefined) return { ok: false, problem: { kind: "ended" } };
    if (way.kind === "oidc") return (await import("./oidc.ts")).renew(way, { idToken, refreshToken }, now);
    return (await import("./firebase.ts")).renew(way, refreshToken, now);
  };
  /** A newer token. undefined: there is none now; the session goes on without. */
  const renew = async (old: Held): Promise<string | undefined> => {
    const outcome = await renewBy(old).catch(() => undefined);
    if (tokens !== old) return undefined;
    if (outcome?.ok === true) {
      put({ ...old, ...outcome.tokens });
      offered = true;
      return outcome.tokens.idToken;
    }
    // An issuer that is away is asked again the next time; one that has said no is not.
    if (outcome !== undefined && outcome.problem.kind !== "unreachable") put(undefined);
    return undefined;
  };

  return {
    problem,
    busy,
    async token({ fresh }) {
      await finishing;
      if (tokens === undefined) return undefined;
      // Another tab has signed out, or in anew.
      if (local.getItem(markKey) !== tokens.mark) put(undefined);
      if (tokens === undefined) return undefined;
      if (fresh && !accepted) {
        fail({ kind: "refused" });
        return undefined;
      }
      if (!fresh && tokens.expiresAt - now() > (accepted ? margin : 0)) {
        offered = true;
        return tokens.idToken;
      }
      const old = tokens;
      renewing ??= renew(old).finally(() => (renewing = undefined));
      return renewing;
    },
    async withIssuer(way, place) {
      problem.set(undefined);
      const anew = local.getItem(markKey) === left;
      const started = await during(async () => {
        const { begin } = await import("./oidc.ts");
        return begin(way, { redirectUri, anew, now: now() });
      }).catch(() => undefined);
      if (started === undefined) return lost();
      if (!started.ok) return problem.set(started.problem);
      remember(tab, { ...started.begun, back: place });
      location.assign(started.url);
      return undefined;
    },
    async withPassword(way, email, password) {
      problem.set(undefined);
      const outcome = await during(async () => {
        const { signIn } = await import("./firebase.ts");
        return signIn(way, email, password, now);
      }).catch(() => undefined);
      if (outcome === undefined) lost();
      return outcome !== undefined && take(way, outcome);
    },
    leave() {
      put(undefined);
      local.setItem(markKey, left);
    },
    dismiss: () => problem.set(undefined),
    watch(state) {
      if (state.kind === "online" && offered) accepted = true;
      if (state.kind === "signed-out") put(undefined);
      if (state.kind === "stopped" && offered && !accepted) fail({ kind: "refused" });
    },
  };
}

function recall(tab: LocalStore): Held | undefined {
  try {
    return v.parse(held, JSON.parse(tab.getItem(tokensKey) ?? "null"));
  } catch {
    return undefined;
  }
}
