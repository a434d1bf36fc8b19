// Owns the tokens of this page: in memory only, renewed before they end, forgotten when a session ends. A token goes to its issuer
// and over the socket, nowhere else. What talks to an issuer is loaded when it is needed.
import { createCell, type ConnectionState, type LocalStore, type Readable } from "../client/index.ts";
import type { Way } from "./facts.ts";
import type { Place } from "./place.ts";
import { remember, returnPath, type Return } from "./sign-in-return.ts";
import type { Outcome, Problem, Tokens } from "./sign-in-problem.ts";

export type Keeper = {
  /** For the SDK: an ID token to come in with, or to stay with. Whoever is in already comes back by the session alone. */
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

/** In local storage: the last person here has signed out. */
const leftKey = "throughline/left";

type Held = Tokens & { readonly way: Way };

export function createKeeper(options: {
  readonly ways: readonly Way[];
  readonly local: LocalStore;
  readonly tab: LocalStore;
  readonly returned: Return | undefined;
  readonly now?: () => number;
}): Keeper {
  const { ways, local, tab, returned, now = Date.now } = options;
  const redirectUri = location.origin + returnPath;
  const problem = createCell<Problem | undefined>(undefined);
  const busy = createCell(false);
  let tokens: Held | undefined;
  /** What the server has made of the tokens. */
  let stage: "new" | "offered" | "accepted" = "new";
  let online = false;
  let renewing: Promise<string | undefined> | undefined;

  const fail = (why: Problem): undefined => {
    tokens = undefined;
    problem.set(why);
  };
  /** Takes what an issuer gave at a sign-in. */
  const take = (way: Way, outcome: Outcome): boolean => {
    if (outcome.ok) [tokens, stage] = [{ ...outcome.tokens, way }, "new"];
    problem.set(outcome.ok ? undefined : outcome.problem);
    return outcome.ok;
  };
  /** undefined: the script that talks to an issuer could not be loaded. */
  const during = async <T>(act: () => Promise<T>): Promise<T | undefined> => {
    busy.set(true);
    try {
      return await act();
    } catch {
      return fail({ kind: "unreachable", host: location.host });
    } finally {
      busy.set(false);
    }
  };

  const finish = async ({ begun, answer }: Return): Promise<void> => {
    const way = ways.find((one) => one.kind === "oidc" && one.issuer === begun?.issuer);
    if (begun === undefined || way?.kind !== "oidc") return fail({ kind: "stale" });
    const { finish: exchange } = await import("./oidc.ts");
    if (take(way, await exchange(way, begun, answer, { redirectUri, now }))) local.removeItem(leftKey);
    return undefined;
  };
  /** Until it is known who comes back, nobody comes in. */
  const finishing = returned === undefined ? undefined : during(() => finish(returned));

  const ask = async ({ way, idToken, refreshToken }: Held): Promise<Outcome> => {
    if (refreshToken === undefined) return { ok: false, problem: { kind: "ended" } };
    if (way.kind === "oidc") return (await import("./oidc.ts")).renew(way, { idToken, refreshToken }, now);
    return (await import("./firebase.ts")).renew(way, refreshToken, now);
  };
  /** A newer token. undefined: there is none now; the session goes on without. */
  const renew = async (old: Held): Promise<string | undefined> => {
    const outcome = await ask(old).catch(() => undefined);
    // Meanwhile somebody has left, or come.
    if (tokens !== old) return undefined;
    if (outcome?.ok === true) tokens = { ...outcome.tokens, way: old.way };
    // An issuer that is away is asked again the next time; one that has said no is not.
    else if (outcome !== undefined && outcome.problem.kind !== "unreachable") tokens = undefined;
    return outcome?.ok === true ? outcome.tokens.idToken : undefined;
  };

  return {
    problem,
    busy,
    async token({ fresh }) {
      await finishing;
      if (tokens === undefined) return undefined;
      if (stage !== "accepted") {
        if (fresh) return fail({ kind: tokens.expiresAt > now() ? "refused" : "ended" });
        stage = "offered";
        return tokens.idToken;
      }
      // Only an open socket is given another token: a session that was ended elsewhere is not begun anew by one from before.
      if (!fresh || !online) return undefined;
      renewing ??= renew(tokens).finally(() => (renewing = undefined));
      return renewing;
    },
    async withIssuer(way, place) {
      problem.set(undefined);
      const anew = local.getItem(leftKey) !== null;
      const started = await during(async () => {
        const { begin } = await import("./oidc.ts");
        return begin(way, { redirectUri, anew, now: now() });
      });
      if (started === undefined) return undefined;
      if (!started.ok) return fail(started.problem);
      remember(tab, { ...started.begun, back: place });
      location.assign(started.url);
      return undefined;
    },
    async withPassword(way, email, password) {
      problem.set(undefined);
      const outcome = await during(async () => {
        const { signIn } = await import("./firebase.ts");
        return signIn(way, email, password, now);
      });
      return outcome !== undefined && take(way, outcome);
    },
    leave() {
      tokens = undefined;
      local.setItem(leftKey, "1");
    },
    dismiss: () => problem.set(undefined),
    watch({ kind }) {
      online = kind === "online";
      if (online && stage === "offered") stage = "accepted";
      if (kind === "signed-out") tokens = undefined;
      if (kind === "stopped" && tokens !== undefined && stage === "offered") fail({ kind: "refused" });
    },
  };
}
