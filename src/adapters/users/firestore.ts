// Owns the people of a Firestore project: a document of `users` for the subject of a token, and what of it counts. It knows no driver.
import { createHash } from "node:crypto";
import { isRejection } from "../../domain/records.ts";
import { reject, type Rejection } from "../../protocol/index.ts";
import type { Claims, Clock, Journal, User, Users } from "../../server/ports.ts";
import { createLink, type Link, type Row, type Setup } from "./firestore-link.ts";

export { MissingPackage } from "./firestore-link.ts";

export type FirestoreOptions = Setup & {
  /** The issuer whose subjects are the ids of the documents; those of any other have ids of their own. */
  readonly issuer: string;
  /** What becomes of a person who has no document. */
  readonly unknown: "create" | "refuse";
  readonly clock: Pick<Clock, "monotonic" | "after">;
  readonly journal?: Pick<Journal, "warn"> | undefined;
  /** How long (ms) Firestore may take to answer; 3 s by default. */
  readonly askMs?: number | undefined;
};

/** The people, given where guests are: those have no token, and no document. */
export type FirestoreUsers = { readonly users: (guests: Users) => Users; close(): Promise<void> };

/** How long (ms) an answer of Firestore is taken for true, but for the sweep over those connected. */
const freshMs = 30_000;
/** People that are remembered, and documents that one question names. */
const remembered = 10_000;
const readAtOnce = 100;

/** What was found, and with which name of a token it was looked up. */
type Found = { readonly at: number; readonly answer: User | Rejection; readonly tokenName: string | undefined };

/** Subjects that may be a document's id as they are; `~` is for those that may not. Source: firebase.google.com, Firestore quotas. */
const plainId = /^(?!~|\.{1,2}$|__.*__$)[^\p{C}/]{1,128}$/u;
const otherId = /^~[\w-]{43}$/;
const prefix = "user_";

/** The document of a user's id; undefined: it is nobody's here. */
function documentOf(user: string): string | undefined {
  const id = user.slice(prefix.length);
  return user.startsWith(prefix) && (plainId.test(id) || otherId.test(id)) ? id : undefined;
}

const unavailable = (): Rejection => reject("unavailable", { retryAfterMs: 1000 });

/** Opens the way to Firestore. Throws MissingPackage where firebase-admin is not installed. Credentials are Google's defaults. */
export async function openFirestoreUsers(options: FirestoreOptions): Promise<FirestoreUsers> {
  const { project, accounts, emulator, authEmulator } = options;
  const link = createLink({ project, accounts, emulator, authEmulator }, options);
  await link.ready();
  return { users: (guests) => createUsers(link, options, guests), close: () => link.close() };
}

function createUsers(link: Link, options: FirestoreOptions, guests: Users): Users {
  const { clock, issuer } = options;
  const known = new Map<string, Found>();
  const asking = new Map<string, Promise<User | Rejection>>();

  const documentFor = (claims: Claims): string => {
    if (claims.issuer === issuer && plainId.test(claims.subject)) return claims.subject;
    const who = JSON.stringify([claims.issuer, claims.subject]);
    return `~${createHash("sha256").update(who).digest("base64url")}`;
  };

  const remember = (id: string, answer: User | Rejection, token?: string): User | Rejection => {
    const tokenName = token ?? known.get(id)?.tokenName;
    known.delete(id);
    // Nobody may be locked out for half a minute by a hiccup, nor by having come before their document.
    if (isRejection(answer) && answer.code !== "blocked") return answer;
    const oldest = known.size >= remembered ? known.keys().next().value : undefined;
    if (oldest !== undefined) known.delete(oldest);
    known.set(id, { at: clock.monotonic(), answer, tokenName });
    return answer;
  };
  const fresh = (id: string): Found | undefined => {
    const found = known.get(id);
    return found !== undefined && clock.monotonic() - found.at < freshMs ? found : undefined;
  };

  const judge = (id: string, row: Row | undefined): User | Rejection => {
    if (row === undefined) return unavailable();
    if (!row.exists || row.account === "none") return reject("unauthorized");
    if (row.disabled || row.account?.disabled === true) return reject("blocked");
    const name = row.displayName ?? row.name;
    const validAfter = Math.max(row.validAfter ?? 0, row.account?.validAfter ?? 0);
    return { id: prefix + id, ...(name === undefined ? {} : { name }), ...(validAfter > 0 ? { validAfter } : {}) };
  };

  const read = async (id: string): Promise<Row | undefined> => (await link.ask({ ask: "read", ids: [id] }))?.[0];

  /** The document as it is now, made where it is missing and may be made; with the newest name that a token gave. */
  const look = async (id: string, claims: Claims | undefined): Promise<User | Rejection> => {
    let row = await read(id);
    if (claims === undefined || row === undefined) return remember(id, judge(id, row));
    if (!row.exists) {
      if (options.unknown === "refuse") return reject("unauthorized");
      const made = await link.ask({ ask: "create", id, name: claims.name });
      row = made === undefined ? undefined : await read(id);
    } else if (takesName(row, claims.name)) {
      await link.ask({ ask: "rename", id, name: claims.name });
      row = { ...row, name: claims.name };
    }
    return remember(id, judge(id, row), claims.name);
  };

  /** Many at once ask once. */
  const together = (id: string, claims?: Claims): Promise<User | Rejection> => {
    const key = claims === undefined ? id : JSON.stringify([id, claims.name]);
    const pending = asking.get(key) ?? look(id, claims).finally(() => asking.delete(key));
    asking.set(key, pending);
    return pending;
  };

  const findAll = async (ids: readonly string[]): Promise<readonly (User | Rejection)[]> => {
    const found = new Map<string, User | Rejection>();
    const local = ids.filter((id) => !id.startsWith(prefix));
    const here = await guests.findAll(local);
    for (const [i, id] of local.entries()) found.set(id, here[i] ?? reject("unauthorized"));
    const documents = ids.map(documentOf).filter((id) => id !== undefined);
    for (let from = 0; from < documents.length; from += readAtOnce) {
      const some = documents.slice(from, from + readAtOnce);
      const rows = await link.ask({ ask: "read", ids: some });
      for (const [i, id] of some.entries()) found.set(prefix + id, remember(id, judge(id, rows?.[i])));
    }
    return ids.map((id) => found.get(id) ?? reject("unauthorized"));
  };

  return {
    async resolve(who) {
      if (who === "guest") return guests.resolve(who);
      const id = documentFor(who);
      const cached = fresh(id);
      // A new name of a token is looked at, and perhaps written down, at once.
      const same = who.name === undefined || cached?.tokenName === who.name;
      return cached !== undefined && same ? cached.answer : together(id, who);
    },
    async find(id) {
      if (!id.startsWith(prefix)) return guests.find(id);
      const document = documentOf(id);
      return document === undefined ? reject("unauthorized") : (fresh(document)?.answer ?? together(document));
    },
    findAll,
  };
}

/** A token's name is written where the document has none, or one from a token. A name of the document's own is never touched. */
function takesName(row: Extract<Row, { exists: true }>, name: string | undefined): name is string {
  if (name === undefined || row.displayName !== undefined || name === row.name) return false;
  return row.name === undefined || row.nameFromToken;
}
