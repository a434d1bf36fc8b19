// Owns what the server asks of the world: log, bus, model, identity, users, sessions, clock. Types only; no adapter may add to it.
import type { Entry } from "../domain/log.ts";
import type { Measure } from "../domain/measure.ts";
import type { ConversationRecord, MessageRecord, Outcome, TurnRecord, Work } from "../domain/records.ts";
import type { ErrorCode, Message, Part, Rejection, Snippet, Usage } from "../protocol/index.ts";

export type { Entry } from "../domain/log.ts";
export type { Measure } from "../domain/measure.ts";
export { BrokenFile, type Files, type FileRows, type FileWriter, type KeyedFile } from "./file-ports.ts";
export type { Span, Tracer } from "./tracer-port.ts";
export type {
  CommandKey,
  ConversationRecord,
  Effect,
  FileRecord,
  MessageRecord,
  Outcome,
  TurnRecord,
  View,
  Work,
} from "../domain/records.ts";

/** Time, chance and ids: the only source of them, so that a seed replays. */
export interface Clock {
  /** Wall clock, milliseconds since 1970. For stamps and expiry, never for order. */
  now(): number;
  /** Monotonic milliseconds: for timeouts, leases within a process and rates. */
  monotonic(): number;
  /** Calls `fn` once after `ms`. Returns what cancels it. */
  after(ms: number, fn: () => void): () => void;
  /** Calls `fn` in the next turn of the event loop, after pending I/O callbacks. */
  soon(fn: () => void): void;
  /** Uniform in [0, 1). */
  random(): number;
  /** A fresh UUID (v7: ordered by time). */
  uuid(): string;
  /** `bytes` of unguessable randomness, base64url. */
  secret(bytes: number): string;
}

/** A store failed. `full`: no room, try later, nothing was written. `broken`: it can no longer be trusted; the process must end. */
export class StoreFailure extends Error {
  readonly kind: "full" | "broken";
  constructor(kind: "full" | "broken", cause: unknown) {
    super(`store ${kind}`, { cause });
    this.kind = kind;
  }
}

/**
 * The one truth. MUST commit all works of a call in order, in one durable transaction (each work whole or not at all; a
 * rejected one leaves the others alone). MUST give each work a view that contains the effects of those before it. MUST keep
 * `seq` dense per conversation. MUST store a command's answer in the same transaction and answer the same key from it
 * (same hash: that answer, `repeated`; other hash: `conflict`). MUST NOT return before the commit is durable.
 * Throws StoreFailure; after `full`, nothing of the call was written.
 */
export interface Log {
  /** The store's incarnation: another one after a restored backup or a lost tail. */
  readonly epoch: string;
  commit(works: readonly Work[]): Promise<readonly Outcome[]>;
  conversation(id: string): Promise<ConversationRecord | undefined>;
  /** Entries with `last` > `after`, oldest first, cut to begin right behind `after`, about `limit` of them at most; and the head. */
  entries(conversation: string, after: number, limit: number): Promise<{ head: number; entries: readonly Entry[] }>;
  /** A page of messages in the order of their creation, the newest `limit` before `before`. undefined: no such `before`. */
  messages(
    conversation: string,
    page: { before?: string | undefined; limit: number },
  ): Promise<
    { head: number; messages: readonly MessageRecord[]; more: boolean; running: readonly TurnRecord[] } | undefined
  >;
  /** The way from a message up to its root, root first, the newest `limit` of it. */
  path(conversation: string, message: string, limit: number): Promise<readonly MessageRecord[]>;
  /**
   * A user's conversations, newest `updatedAt` first. `query` is looked for in titles and in the texts of messages whose rows
   * are whole, without case and accents; the page may then be short, or empty, and still have a cursor. `unavailable`: it
   * could not be searched now.
   */
  list(
    user: string,
    page: { cursor?: string | undefined; limit: number; query?: string | undefined; archived: boolean },
  ): Promise<{ conversations: readonly ListedConversation[]; cursor?: string | undefined } | Rejection>;
  /** Takes over running turns whose lease ended before `now`, or (`all`) every one that is not `owner`'s: sets owner, lease and the next fence. */
  claim(claim: { owner: string; now: number; leaseUntil: number; all: boolean }): Promise<readonly TurnRecord[]>;
  /** Extends the leases of `owner`'s running turns. */
  renew(owner: string, leaseUntil: number): Promise<void>;
  /** Finished turns that are not settled yet. */
  unsettled(limit: number): Promise<readonly TurnRecord[]>;
  /** Forgets stored answers of commands from before a time (milliseconds since 1970). */
  forget(before: number): Promise<void>;
  close(): Promise<void>;
}

/** A row of the list: the running turn, and in a search the newest message that was hit. */
export type ListedConversation = ConversationRecord & {
  readonly turn?: string | undefined;
  readonly snippet?: Snippet | undefined;
};

/** Something happened that others may want to look at. A hint may be lost, doubled or late: it costs time, never data. */
export type Hint =
  | {
      readonly kind: "entries";
      readonly conversation: string;
      readonly head: number;
      readonly entries: readonly Entry[];
    }
  | { readonly kind: "row"; readonly user: string; readonly conversation: string }
  | { readonly kind: "turn-ended"; readonly conversation: string; readonly turn?: string | undefined }
  | { readonly kind: "session-ended"; readonly user: string; readonly session?: string | undefined };

/** What is live. MUST deliver a published hint to subscribers of the topic on every node, soon; MAY lose one. */
export interface Bus {
  publish(topic: string, hint: Hint): void;
  subscribe(topic: string, receive: (hint: Hint) => void): () => void;
  close(): Promise<void>;
}

/** A message as a model is given it. */
export type ModelMessage = {
  readonly role: "system" | "user" | "assistant";
  readonly content: readonly (
    | { readonly type: "text"; readonly text: string }
    | { readonly type: "image"; readonly mediaType: string; readonly data: Uint8Array }
  )[];
};

/** One piece of a reply. `part` sets a whole part (a source, a tool call and its states). */
export type ModelPiece =
  | { readonly type: "text" | "reasoning"; readonly text: string }
  | { readonly type: "part"; readonly value: Part }
  | { readonly type: "usage"; readonly usage: Usage };

export type ModelRequest = {
  readonly conversation: string;
  readonly turn: string;
  /** Oldest first. Ends with a user's message, or, only where `capabilities.prefill`, with the reply to go on with. */
  readonly messages: readonly ModelMessage[];
  /** The conversation's messages as they are stored, for agents that want more than text. */
  readonly history: readonly Message[];
  /** What is asked for: a reply where missing. `title`: a few words and nothing else; an agent need do no work for it. */
  readonly purpose?: "title";
  /** Where the request is traced: to be handed on as the header of that name. */
  readonly traceparent?: string | undefined;
};

/**
 * A language model, or any agent; `name` as in `MODEL`. `stream` is any async generator of pieces (or arrays of pieces: what one
 * read brought; with `gathers` all that had come, so that it is asked again only when that is about to be committed). MUST stop
 * its request within 500 ms of `signal`. MUST throw ModelFailure for what it can name; anything else counts as
 * `model_unavailable`. MUST NOT put a text of the provider into what a person sees.
 */
export interface Model {
  readonly name: string;
  readonly capabilities: { readonly prefill: boolean; readonly images: boolean; readonly gathers?: boolean };
  stream(request: ModelRequest, signal: AbortSignal): AsyncIterable<ModelPiece | readonly ModelPiece[]>;
}

/** What a model call may fail with. `detail` is for the log of the operator, never for a person or a client. */
export class ModelFailure extends Error {
  readonly code: Extract<ErrorCode, `model_${string}` | "context_overflow">;
  /** Whether the same request may succeed later. */
  readonly retryable: boolean;
  readonly retryAfterMs: number | undefined;
  constructor(
    code: ModelFailure["code"],
    more: { retryable: boolean; retryAfterMs?: number | undefined; detail?: string; cause?: unknown },
  ) {
    super(more.detail ?? code, { cause: more.cause });
    this.code = code;
    this.retryable = more.retryable;
    this.retryAfterMs = more.retryAfterMs;
  }
}

/** What a verified token says. Times in milliseconds since 1970. `issuer` and `subject` together name a person. */
export type Claims = {
  readonly issuer: string;
  readonly subject: string;
  readonly name?: string | undefined;
  readonly email?: string | undefined;
  readonly expiresAt: number;
  /** When the person last proved who they are, where the token says so. */
  readonly authenticatedAt?: number | undefined;
};

/** Verifies ID tokens. `unauthorized` for a bad one, always in the same words; `unavailable` where it cannot tell (keys out of reach). */
export interface Identity {
  verify(token: string): Promise<Claims | Rejection>;
}

/** A person. A guest's `id` begins with `guest_`, nobody else's does. `validAfter`: what was signed in before (ms) is over. */
export type User = {
  readonly id: string;
  readonly name?: string | undefined;
  readonly validAfter?: number | undefined;
};

/**
 * The people. `unauthorized`: nobody by that id, `blocked`: may not come in, `unavailable`: it cannot be told now.
 * MUST answer within a few seconds, whatever is behind it. MUST NOT give more of a person than a User holds.
 */
export interface Users {
  /** Finds or makes the user of a verified token, or a new guest. */
  resolve(who: Claims | "guest"): Promise<User | Rejection>;
  /** Whether somebody known may still come in. May be half a minute old. */
  find(id: string): Promise<User | Rejection>;
  /** The same for many, in their order, and never from a cache: asked about those who are connected. */
  findAll(ids: readonly string[]): Promise<readonly (User | Rejection)[]>;
}

/** What is known of whoever uses a session, in words for its owner; `authenticatedAt` as in Claims. */
export type SessionAbout = {
  readonly device?: string | undefined;
  readonly place?: string | undefined;
  readonly authenticatedAt?: number | undefined;
};

/** A session's row. Times in milliseconds since 1970. The token itself is never stored, only its SHA-256. */
export type SessionRecord = {
  readonly id: string;
  readonly user: string;
  readonly tokenHash: string;
  readonly createdAt: number;
  readonly lastSeenAt: number;
  readonly revokedAt?: number | undefined;
  readonly about: SessionAbout;
};

export interface Sessions {
  create(session: SessionRecord): Promise<void>;
  findByHash(tokenHash: string): Promise<SessionRecord | undefined>;
  /** A user's sessions that nobody has ended, last seen first. */
  list(user: string, limit: number): Promise<readonly SessionRecord[]>;
  touch(id: string, lastSeenAt: number, about?: SessionAbout): Promise<void>;
  /** Ends one session, or all of a user. false: the user has no such session. */
  revoke(which: { user: string; session?: string | undefined }, at: number): Promise<boolean>;
  /**
   * A guest becomes `user`, in one transaction: the guest's conversations and turns are `user`'s, all sessions of the guest end, and
   * `session` is made. Gives the conversations that moved, newest first. Again: moves what came since, perhaps nothing.
   */
  adopt(move: {
    guest: string;
    user: string;
    at: number;
    session?: SessionRecord | undefined;
  }): Promise<readonly string[]>;
  /** Forgets sessions last seen before a time, and guests from before it who have neither session nor conversation. */
  forget(before: number): Promise<void>;
}

/** Whom a block shuts out: everyone, or only guests and those who are not signed in. `range` is spelled canonically; times in milliseconds since 1970. */
export type BlockRecord = {
  readonly range: string;
  readonly reach: "everyone" | "guests";
  readonly by: "operator" | "score";
  readonly createdAt: number;
  /** undefined: until it is lifted. */
  readonly until?: number | undefined;
  readonly reason?: string | undefined;
};

/** What is shut out, kept over restarts. It is read once, at the start. */
export interface Blocks {
  all(): Promise<readonly BlockRecord[]>;
  /** One block per range: the newest. */
  put(block: BlockRecord): Promise<void>;
  remove(range: string): Promise<void>;
}

/** Tokens that a user, or all guests of an address, have used in the day that began at `since` (milliseconds since 1970). */
export type SpentRecord = { readonly key: string; readonly tokens: number; readonly since: number };

export interface Spending {
  /** Those whose day began at `since` or later. Older ones MAY be forgotten. */
  all(since: number): Promise<readonly SpentRecord[]>;
  put(spent: readonly SpentRecord[]): Promise<void>;
}

/** The end of a person with all there is of theirs; MUST leave nothing in the store's files, and be finished after a crash. */
export interface Erasures {
  /** Gives the ids of the conversations that were there. `again`: what is still under way is looked for in a further call. */
  erase(user: string, more?: { again: boolean }): Promise<readonly string[]>;
  /** The people whose erasure was begun and not finished. */
  unfinished(): Promise<readonly string[]>;
}

/** The built files of the browser by their path, `/assets/app-1a2b3c.js`. Pages have no ending: `/`, `/widget-demo`. */
export type AssetFiles = ReadonlyMap<string, { readonly bytes: Uint8Array; readonly type: string }>;

/** Takes what happened, as names and numbers. MUST NOT be given a token, a key or a text of a person. */
export interface Journal {
  info(event: string, fields?: Readonly<Record<string, string | number | boolean | undefined>>): void;
  warn(event: string, fields?: Readonly<Record<string, string | number | boolean | undefined>>): void;
  error(event: string, fields?: Readonly<Record<string, string | number | boolean | undefined>>): void;
}

/** Counts what happened. MUST return at once and never throw; what it counts is bounded by Measure itself. */
export interface Meter {
  note(measure: Measure): void;
}
