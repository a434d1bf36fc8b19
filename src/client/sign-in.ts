// Owns who speaks: the token, the session kept in local storage, and which of them is tried. It opens no socket.
import type { Environment } from "./environment.ts";
import { objectOf, textOf, type Ack } from "./frames.ts";
import type { Credentials } from "./link.ts";

/** An ID token, or what gets one; `fresh`: not the one of the last time. */
export type Token = string | ((asked: { readonly fresh: boolean }) => Promise<string | undefined> | string | undefined);

export type Person = {
  readonly id: string;
  readonly name?: string | undefined;
  /** Came in without a token. */
  readonly guest?: true | undefined;
  /** The guest that this person was here before: what that guest typed is theirs. */
  readonly was?: string | undefined;
};

export type SignIn = {
  /** The one of the last time, until the server has said who it is. */
  person(): Person | undefined;
  /** The same, if the credentials of this time are certainly that person's. */
  known(): Person | undefined;
  credentials(fresh: boolean): Promise<Credentials | undefined>;
  freshToken(): Promise<string | undefined>;
  /** The session of this page, or the one that another tab has got since. */
  readonly session: () => string | undefined;
  /** Keeps the session of an accepted sign-in. `before`: who was here until now. */
  welcomed(ack: Ack, before: Person | undefined): Person;
  /** The session of this page is of no more use. `left`: on purpose. */
  signedOut(left: boolean): void;
  /** Somebody asks to come in, perhaps with another token. */
  enter(token: Token | undefined): void;
};

/** `of`: whose token it was made with. */
type Kept = { readonly session: string; readonly user: Person; readonly of?: string | undefined };

export function createSignIn(options: {
  environment: Environment;
  name: string;
  token: Token | undefined;
  guest: boolean;
}): SignIn {
  const { environment, guest } = options;
  const { local, tabs } = environment;
  const key = `${options.name}/session`;
  let { token } = options;
  /** The session of this page; another tab may have a newer one in the store. */
  let mine: string | undefined;
  /** Whose token was shown last; undefined: none was. */
  let shown: string | undefined;
  /**
   * The session that has ended. It is said beside the kept one, which is never taken away: another tab may have put a new one
   * there already that is not to be seen here yet.
   */
  const endedKey = `${key}-ended`;
  /** Somebody had signed in here, and not as a guest. undefined: as the kept session says. */
  let known: boolean | undefined;
  /** Then nobody becomes a guest unasked (SG14). */
  const isAsked = (): boolean => {
    const last = known === undefined ? readLast() : undefined;
    return last === undefined ? known !== true : last.user.guest === true;
  };

  const read = (): Kept | undefined => {
    const last = readLast();
    return last?.session === local.getItem(endedKey) ? undefined : last;
  };
  const readLast = (): Kept | undefined => {
    try {
      const value: unknown = JSON.parse(local.getItem(key) ?? "null");
      if (typeof value !== "object" || value === null) return undefined;
      const kept = Object.fromEntries(Object.entries(value));
      const session = textOf(kept, "session");
      const user = objectOf(kept, "user");
      const id = textOf(user, "id");
      if (session === undefined || id === undefined) return undefined;
      const guest = user?.["guest"] === true ? true : undefined;
      return {
        session,
        user: { id, name: textOf(user, "name"), guest, was: textOf(user, "was") },
        of: textOf(kept, "of"),
      };
    } catch {
      return undefined;
    }
  };

  /** The first of several new tabs becomes the guest; the others come in with its session. */
  const asFirstGuest = (): Promise<Credentials> =>
    new Promise((resolve) => {
      const enter = (): Promise<void> =>
        new Promise((decided) => resolve({ session: read()?.session, guest: true, decided }));
      tabs.alone("session", enter).catch(() => resolve({ guest: true }));
    });

  const ask = async (fresh: boolean): Promise<string | undefined> => {
    if (typeof token === "function") return token({ fresh });
    // A fixed token that was refused will be refused again; the session may still be good.
    return fresh ? undefined : token;
  };

  return {
    person: () => read()?.user,
    known() {
      const kept = read();
      return shown === undefined || shown === kept?.of ? kept?.user : undefined;
    },
    async credentials(fresh) {
      const asked = await ask(fresh);
      shown = asked === undefined ? undefined : subjectOf(asked);
      const kept = read();
      mine = kept?.session;
      if (asked !== undefined) return { token: asked, session: mine };
      if (mine === undefined) return guest && isAsked() ? asFirstGuest() : undefined;
      return guest && kept?.user.guest === true ? { session: mine, guest: true } : { session: mine };
    },
    freshToken: () => ask(true),
    session: () => mine ?? read()?.session,
    welcomed(ack, before) {
      const user = objectOf(ack, "user");
      const id = textOf(user, "id") ?? "";
      const kept = read()?.user;
      const same = kept?.id === id ? kept : undefined;
      const byToken = shown !== undefined;
      const guest = byToken || (same !== undefined && same.guest !== true) ? undefined : true;
      // A guest signs in with the session of the guest; or the session has ended, and a new one takes the place.
      const former = byToken ? kept : before;
      const was = same === undefined && former?.guest === true && former.id !== id ? former.id : same?.was;
      known = guest !== true;
      const person: Person = { id, name: textOf(user, "name"), guest, was };
      mine = textOf(objectOf(ack, "session"), "token");
      if (mine !== undefined) local.setItem(key, JSON.stringify({ session: mine, user: person, of: shown }));
      return person;
    },
    signedOut(left) {
      const kept = read();
      if (left) known = false;
      if (kept !== undefined && kept.session === mine) {
        if (left) local.removeItem(key);
        else local.setItem(endedKey, mine);
      }
      mine = undefined;
    },
    enter(next) {
      known = false;
      if (next !== undefined) token = next;
    },
  };
}

/** Whose token it is; of one that cannot be read, nobody's: no other one is of the same. */
function subjectOf(token: string): string {
  try {
    const claims: unknown = JSON.parse(atob((token.split(".")[1] ?? "").replaceAll("-", "+").replaceAll("_", "/")));
    const { iss, sub } = Object.fromEntries(Object.entries(claims ?? {}));
    if (typeof sub === "string") return JSON.stringify([iss, sub]);
  } catch {
    // Not a JWT.
  }
  return `${Math.random()}`;
}
