// Owns messages that are not delivered yet: kept, in order, each sent until the server has it, exactly once (C4). It shows nothing.
import type { Command, Rejection, SentPart } from "../protocol/index.ts";
import { createCell, type Readable } from "./cell.ts";
import { backoff } from "./backoff.ts";
import type { Environment } from "./environment.ts";
import { numberOf, textOf } from "./frames.ts";
import { commandOf, unsent, type OutboxItem } from "./outbox-store.ts";
import { createPauses } from "./pauses.ts";
import type { Result } from "./requests.ts";

/** `waiting`: for its turn or the network. `sent`: the server has it, its event is still to come. */
export type Pending = OutboxItem & {
  readonly status: "waiting" | "sending" | "sent" | "failed";
  readonly seq?: number;
  /** The server asked for patience (a rate or an allowance): it goes by itself at this time, in milliseconds since 1970. */
  readonly waitsUntil?: number;
  /** Why it has to wait until then. */
  readonly waitsFor?: Rejection["code"];
};

/** Where a message would go now: under `parent` (undefined: whatever is newest), or not yet. */
export type Gate = { readonly parent?: string | null } | "busy";

export type OutboxOptions = {
  readonly environment: Environment;
  send(command: Command): Promise<Result>;
  /** The user of this connection; undefined: not online. */
  user(): string | undefined;
  /** What may become of that user's messages here, now. */
  fate(user: string): "sent" | "shown" | "hidden";
  gate(conversation: string): Gate;
  /** The server is making a reply where the message should go: tell when it has ended, by `freed`. */
  held(conversation: string): void;
  /** The server has it. `turn` is the reply's. */
  delivered(item: OutboxItem, turn: string | undefined): void;
};

export type Draft = Pick<OutboxItem, "conversation" | "message" | "parts" | "parent" | "editOf" | "fixed" | "user">;

export type Outbox = {
  /** This person's messages on their way, of all tabs, in the order of sending. */
  readonly items: Readable<readonly Pending[]>;
  /** Resolves when the message is kept; true: it survives a reload. */
  add(draft: Draft): Promise<boolean>;
  /** Sends what may be sent now. Called after anything that could have changed that. */
  pump(): void;
  /** A reply that held messages of this conversation back has ended. */
  freed(conversation: string): void;
  /** Takes back one that cannot have been delivered, or whose writer, a guest, is no more. False: too late. */
  remove(message: string): Promise<boolean>;
  /** Replaces the content of one that cannot have been delivered. False: too late. */
  change(message: string, parts: readonly SentPart[]): Promise<boolean>;
  /** Sends a failed one again. */
  retry(message: string): Promise<void>;
  /** Puts one before the others of its conversation. */
  hurry(message: string): Promise<void>;
  /** Messages that the log has, or a reader that has come to `seq`: what is known to be there needs no sending. */
  seen(conversation: string, seq: number, has: (message: string) => boolean): void;
  close(): void;
};

/** Tries of a message that the server refuses for a passing reason, before it is shown as failed. */
const tries = 6;
/** What only asks for patience: such a message is never given up, however often it has to wait. */
const patient: ReadonlySet<string> = new Set(["rate_limited", "quota_exceeded"]);
/** What a `conflict` names when the id of the message or of the command is taken (CM6, LG6). */
const takenFields = new Set(["message", "replacement", "id"]);

export function createOutbox(options: OutboxOptions): Outbox {
  const { environment } = options;
  const { clock, outbox: store, tabs } = environment;
  const me = environment.uuid();
  const items = createCell<readonly Pending[]>([]);
  /** By conversation: one message at a time. */
  const sending = new Map<string, string>();
  const sent = new Map<string, { seq: number }>();
  const pauses = createPauses(clock, () => pump());
  let stored: readonly OutboxItem[] = [];
  /** Ids that are being stored for the first time, and ids that are no more: what the store says of them may be old. */
  const keeping = new Set<string>();
  const gone = new Set<string>();
  let order = 0;
  let closed = false;

  const show = (): void => {
    const own = stored.filter(({ user }) => user === null || options.fate(user) !== "hidden");
    const next = own.sort((a, b) => a.order - b.order).map(statusOf);
    const before = items.getSnapshot();
    if (next.length !== before.length || next.some((item, i) => !isSame(item, before[i]))) {
      items.set(next.map((item) => before.find((old) => isSame(item, old)) ?? item));
    }
  };
  const statusOf = (item: OutboxItem): Pending => {
    const done = sent.get(item.id);
    if (done !== undefined) return { ...item, status: "sent", seq: done.seq };
    if (sending.get(item.conversation) === item.id) return { ...item, status: "sending" };
    if (item.error !== undefined) return { ...item, status: "failed" };
    const told = pauses.told(item.id);
    return { ...item, status: "waiting", ...(told && { waitsUntil: told.until, waitsFor: told.why }) };
  };

  const reload = async (): Promise<void> => {
    const kept = await store.all();
    const here = stored.filter((item) => sent.has(item.id) || keeping.has(item.id));
    stored = [...kept.filter((item) => !gone.has(item.id) && !here.some((other) => other.id === item.id)), ...here];
    order = Math.max(order, ...stored.map((item) => item.order));
    show();
    pump();
  };
  const put = (item: OutboxItem): void => {
    stored = [...stored.filter((other) => other.id !== item.id), item];
    show();
  };
  const drop = (id: string): void => {
    stored = stored.filter((item) => item.id !== id);
    gone.add(id);
    sent.delete(id);
    pauses.forget(id);
    show();
  };
  const byMessage = (message: string): OutboxItem | undefined => stored.find((item) => item.message === message);

  /** A change in the store, then here, then in the other tabs. */
  const update = async (
    id: string,
    change: (item: OutboxItem) => OutboxItem | undefined,
  ): Promise<OutboxItem | undefined> => {
    const next = await store.update(id, change);
    if (next === undefined) drop(id);
    else put(next);
    tabs.post();
    return next;
  };

  const pump = (): void => {
    // Whose things may be seen can have changed.
    show();
    const user = options.user();
    if (user === undefined || closed) return;
    const passed = new Set<string>();
    for (const item of items.getSnapshot()) {
      if (item.status !== "waiting" || item.owner !== me) continue;
      if (item.user !== null && options.fate(item.user) !== "sent") continue;
      // In order: a message that has to wait holds back those behind it.
      if (passed.has(item.conversation) || sending.has(item.conversation)) continue;
      passed.add(item.conversation);
      if (keeping.has(item.id)) continue;
      if (pauses.isResting(item.id)) continue;
      // One that was sent before goes again as it was: the server may have it.
      const gate = item.sentAt === undefined ? options.gate(item.conversation) : {};
      if (gate === "busy") continue;
      sending.set(item.conversation, item.id);
      void transmit(item, user, gate);
    }
    show();
  };

  const transmit = async (item: OutboxItem, user: string, gate: { readonly parent?: string | null }): Promise<void> => {
    // What goes out under this id is written down first, so that no other tab or later page sends it differently.
    const claimed = await update(item.id, (kept) => {
      if (kept.owner !== me) return undefined;
      const place = kept.sentAt === undefined && kept.fixed !== true ? { ...kept, parent: gate.parent } : kept;
      return { ...place, user, sentAt: kept.sentAt ?? clock.now() };
    });
    if (claimed?.owner === me) {
      const result = await options.send(commandOf(claimed));
      if (sending.get(item.conversation) === item.id) sending.delete(item.conversation);
      await settle(claimed, result);
    } else sending.delete(item.conversation);
    show();
    pump();
  };

  const settle = async (item: OutboxItem, result: Result): Promise<void> => {
    if (closed) return;
    if (result.ok) return arrived(item, numberOf(result.ack, "seq") ?? 0, textOf(result.ack, "turn"));
    const { error } = result;
    // Nobody else makes these ids: where one is taken, an earlier sending had got through.
    const isTaken = error.code === "conflict" && takenFields.has(error.field ?? "");
    if (isTaken) return arrived(item, 0, undefined);
    if (result.unknown === true || error.code === "unauthorized") return;
    // Refused is not done: it may go out differently the next time.
    if (error.code === "conflict" && error.field === "parent") {
      if (item.fixed !== true) await update(item.id, unsent);
      options.held(item.conversation);
      return pauses.rest(item.id, 1000 + backoff(2, environment.random), {});
    }
    if (patient.has(error.code)) {
      await update(item.id, unsent);
      const wait = Math.max(error.retryAfterMs ?? 0, backoff(1, environment.random));
      return pauses.rest(item.id, wait, { why: error.code });
    }
    const count = pauses.tries(item.id) + 1;
    if (!error.retryable || count >= tries) return fail(item, error);
    await update(item.id, unsent);
    pauses.rest(item.id, Math.max(error.retryAfterMs ?? 0, backoff(count, environment.random)), { tries: count });
  };

  const arrived = async (item: OutboxItem, seq: number, turn: string | undefined): Promise<void> => {
    sent.set(item.id, { seq });
    show();
    await store.remove(item.id);
    tabs.post();
    options.delivered(item, turn);
  };
  const fail = async (item: OutboxItem, error: Rejection): Promise<void> => {
    pauses.forget(item.id);
    await update(item.id, (kept) => ({ ...unsent(kept), error }));
  };
  /** Takes over what tabs that are gone have left behind. */
  const adopt = async (): Promise<void> => {
    const owners = new Set((await store.all()).map((item) => item.owner).filter((owner) => owner !== me));
    for (const owner of owners) {
      await tabs.ifFree(owner, async () => {
        for (const item of await store.all()) {
          if (item.owner !== owner) continue;
          await store.update(item.id, (kept) => (kept.owner === owner ? { ...kept, owner: me } : undefined));
        }
      });
    }
    await reload();
  };

  tabs.hold(me);
  tabs.listen(() => void reload());
  const unwatch = environment.wakes(() => void adopt());
  void adopt();

  return {
    items,
    async add(draft) {
      order = Math.max(order + 1, clock.now());
      const item: OutboxItem = { ...draft, id: draft.message, order, owner: me, createdAt: clock.now() };
      keeping.add(item.id);
      put(item);
      await store.put(item);
      keeping.delete(item.id);
      tabs.post();
      pump();
      return store.durable;
    },
    pump,
    freed(conversation) {
      for (const item of stored) if (item.conversation === conversation) pauses.wake(item.id);
      pump();
    },
    async remove(message) {
      const item = byMessage(message);
      const isLeft = options.fate(item?.user ?? "") === "shown";
      if (item === undefined || (item.sentAt !== undefined && item.error === undefined && !isLeft)) return false;
      drop(item.id);
      await store.remove(item.id);
      tabs.post();
      pump();
      return true;
    },
    async change(message, parts) {
      const id = byMessage(message)?.id;
      if (id === undefined) return false;
      const next = await update(id, (item) =>
        item.sentAt === undefined || item.error !== undefined ? { ...unsent(item), parts } : undefined,
      );
      pump();
      return next?.parts === parts;
    },
    async retry(message) {
      const id = byMessage(message)?.id;
      if (id === undefined) return;
      await update(id, (item) => (item.error === undefined ? undefined : { ...unsent(item), owner: me }));
      pump();
    },
    async hurry(message) {
      const item = byMessage(message);
      if (item === undefined) return;
      const first = Math.min(...stored.filter((other) => other.conversation === item.conversation).map((o) => o.order));
      await update(item.id, (kept) => ({ ...kept, order: first - 1, owner: me }));
      pump();
    },
    seen(conversation, seq, has) {
      for (const item of stored) {
        if (item.conversation !== conversation) continue;
        const done = sent.get(item.id);
        if (done === undefined && has(item.message)) void store.remove(item.id).then(() => tabs.post());
        if (has(item.message) || (done !== undefined && seq >= done.seq)) drop(item.id);
      }
    },
    close() {
      closed = true;
      unwatch();
      pauses.close();
    },
  };
}

function isSame(a: Pending, b: Pending | undefined): boolean {
  if (b === undefined) return false;
  const keys = new Set([...Object.keys(a), ...Object.keys(b)]) as Set<keyof Pending>;
  return [...keys].every((key) => a[key] === b[key]);
}
