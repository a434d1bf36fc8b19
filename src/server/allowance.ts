// Owns what making replies may cost a person: messages a minute, replies at once, tokens a day. It calls no model and writes no log.
import { isGuest } from "../domain/records.ts";
import { reject, type Rejection, type Usage } from "../protocol/index.ts";
import type { CallResult } from "./model-call.ts";
import { createPace } from "./pace.ts";
import type { Policy } from "./policy.ts";
import { uploadKey } from "./upload-quota.ts";
import type { Clock, Spending } from "./ports.ts";

/** Who asks for a reply, and with how many characters. `key`: that of the address (see addresses.ts). */
type Asked = {
  readonly turn: string;
  readonly user: string;
  readonly key?: string | undefined;
  readonly characters: number;
};

/** One call of a model, from its reservation to what it has cost. */
export type CallMeter = {
  /** How long the reply's text may be, in characters; it had `length` when the call began, or wants to grow past that. */
  grant(length: number): number;
  /** The call is over with so much text. */
  produced(length: number): void;
  /** Settles what it has cost. */
  settle(result: CallResult): void;
};

export type Allowance = {
  /** Reads what is kept. */
  load(): Promise<void>;
  /** Reserves what a reply will need, or says when to try again. Nothing is reserved then. */
  begin(asked: Asked): Rejection | undefined;
  /** The reply was not begun after all. */
  refund(turn: string): void;
  /** Reserves for a call of a model with so much context. Also for a turn that an earlier process began. */
  call(turn: { id: string; user: string }, context: number, length: number): CallMeter | Rejection;
  /** Nothing more is made of a turn here: what it has cost is spent, the rest is free again. */
  finished(turn: string): void;
  /** What a call beside replies has cost a person; estimated from its characters where the model has not said. */
  charge(user: string, call: { usage?: Usage | undefined; context: number; produced: number }): void;
  /** Forgets somebody who is gone. */
  drop(user: string): void;
  /** What each person who used something has used today. `limit` in tokens, `turns`: replies that are being made. */
  usage(): readonly { user: string; tokens: number; limit: number; turns: number }[];
  /** Keeps what has changed. */
  flush(): Promise<void>;
  /** Drops what a day has passed over. */
  forget(): void;
};

/** One purse of tokens: a person's, or that of all guests of an address. `endsAt` is monotonic (RL08). */
type Account = {
  readonly key: string;
  readonly limit: number;
  spent: number;
  reserved: number;
  since: number;
  endsAt: number;
};
/** What a reply that is being made holds. */
type Ticket = {
  readonly user: string;
  readonly key: string | undefined;
  readonly accounts: readonly Account[];
  reserved: number;
  used: number;
};

const dayMs = 86_400_000;
/** A token is counted as so many characters where nobody has counted better: rather too many tokens than too few. */
const charactersPerToken = 3;
const tokensOf = (characters: number): number => Math.ceil(characters / charactersPerToken);
/** How long (ms) to wait for replies that are being made: nobody knows, so ask again soon. */
const soonMs = 2000;

export function createAllowance(options: { policy: Policy; clock: Clock; spending: Spending }): Allowance {
  const { policy, clock, spending } = options;
  const { reservedTokens } = policy.reply;
  const minute = createPace(clock, 60_000);
  const accounts = new Map<string, Account>();
  const tickets = new Map<string, Ticket>();
  const running = new Map<string, number>();
  const dirty = new Set<Account>();

  const limitsOf = (user: string): Policy["guest"] => (isGuest(user) ? policy.guest : policy.user);

  const account = (key: string, limit: number): Account => {
    const known = accounts.get(key) ?? {
      key,
      limit,
      spent: 0,
      reserved: 0,
      since: 0,
      endsAt: Number.NEGATIVE_INFINITY,
    };
    const now = clock.monotonic();
    // The day begins with its first use.
    if (now >= known.endsAt) Object.assign(known, { spent: 0, since: clock.now(), endsAt: now + dayMs });
    accounts.set(key, known);
    return known;
  };
  const addressKey = (key: string): string => `address:${key}`;
  const accountsOf = (user: string, key: string | undefined): Account[] => {
    const own = account(user, limitsOf(user).tokensPerDay);
    if (!isGuest(user) || key === undefined) return [own];
    // A new guest costs nothing: what guests of one address use is counted together as well.
    return [own, account(addressKey(key), policy.address.guestTokensPerDay)];
  };

  /** Reserves more for a ticket. A rejection: it does not fit, and nothing was reserved. */
  const raise = (ticket: Ticket, more: number): Rejection | undefined => {
    if (more <= 0) return undefined;
    for (const { spent, reserved, limit, endsAt } of ticket.accounts) {
      if (spent + reserved + more <= limit) continue;
      // Where only what others have reserved is in the way, it will be free again with their replies.
      const retryAfterMs = spent + more <= limit ? soonMs : Math.max(1, endsAt - clock.monotonic());
      return reject("quota_exceeded", { retryAfterMs });
    }
    for (const one of ticket.accounts) one.reserved += more;
    ticket.reserved += more;
    return undefined;
  };
  const force = (ticket: Ticket, more: number): void => {
    if (more <= 0) return;
    for (const one of ticket.accounts) one.reserved += more;
    ticket.reserved += more;
  };

  const spendOn = (one: Account, tokens: number): void => {
    one.spent += tokens;
    if (tokens > 0 && one.limit !== Number.POSITIVE_INFINITY) dirty.add(one);
  };

  const open = ({ turn, user, key }: Omit<Asked, "characters">): Ticket => {
    const ticket: Ticket = { user, key, accounts: accountsOf(user, key), reserved: 0, used: 0 };
    tickets.set(turn, ticket);
    running.set(user, (running.get(user) ?? 0) + 1);
    return ticket;
  };
  const release = (turn: string, spend: boolean): void => {
    const ticket = tickets.get(turn);
    if (ticket === undefined) return;
    tickets.delete(turn);
    const others = (running.get(ticket.user) ?? 1) - 1;
    if (others > 0) running.set(ticket.user, others);
    else running.delete(ticket.user);
    for (const one of ticket.accounts) {
      one.reserved -= ticket.reserved;
      if (spend) spendOn(one, ticket.used);
    }
  };

  const messagesWait = (user: string, key: string | undefined): number => {
    const own = minute.wait(user, limitsOf(user).messagesPerMinute);
    if (!isGuest(user) || key === undefined) return own;
    return Math.max(own, minute.wait(addressKey(key), policy.address.guestMessagesPerMinute));
  };

  return {
    async load() {
      const now = clock.now();
      for (const { key, tokens, since } of await spending.all(now - dayMs)) {
        if (key.startsWith(uploadKey)) continue;
        // A day that begins in the future begins now: nobody is shut out for longer than one.
        const left = Math.min(dayMs, since + dayMs - now);
        const guests = key.startsWith(addressKey(""));
        const limit = guests ? policy.address.guestTokensPerDay : limitsOf(key).tokensPerDay;
        accounts.set(key, { key, limit, spent: tokens, reserved: 0, since, endsAt: clock.monotonic() + left });
      }
    },
    begin({ turn, user, key, characters }) {
      if ((running.get(user) ?? 0) >= limitsOf(user).runningTurns) {
        const detail = "Too many replies are being made at once. Wait for one to end.";
        return reject("rate_limited", { retryAfterMs: soonMs, detail });
      }
      const wait = messagesWait(user, key);
      if (wait > 0) return reject("rate_limited", { retryAfterMs: wait });
      const refused = raise(open({ turn, user, key }), tokensOf(characters) + reservedTokens);
      if (refused !== undefined) {
        release(turn, false);
        return refused;
      }
      minute.count(user);
      if (isGuest(user) && key !== undefined) minute.count(addressKey(key));
      return undefined;
    },
    refund(turn) {
      const ticket = tickets.get(turn);
      if (ticket === undefined) return;
      release(turn, false);
      minute.giveBack(ticket.user);
      if (isGuest(ticket.user) && ticket.key !== undefined) minute.giveBack(addressKey(ticket.key));
    },
    call(turn, context, began) {
      const known = tickets.get(turn.id);
      // One that an earlier process began was let in there.
      const ticket = known ?? open({ turn: turn.id, user: turn.user });
      const input = tokensOf(context);
      let output = reservedTokens;
      let produced = 0;
      const need = (): number => ticket.used + input + output - ticket.reserved;
      if (known === undefined) force(ticket, need());
      const refused = raise(ticket, need());
      if (refused !== undefined) return refused;
      return {
        grant(length) {
          const wanted = tokensOf(length - began);
          if (wanted > output) {
            const before = output;
            output = wanted + reservedTokens;
            if (raise(ticket, need()) !== undefined) output = before;
          }
          return began + output * charactersPerToken;
        },
        produced(length) {
          produced = tokensOf(length - began);
        },
        settle(result) {
          const usage = result.kind === "completed" ? result.usage : undefined;
          // What failed before its first word costs nothing.
          if (result.kind !== "completed" && produced === 0) return;
          ticket.used += (usage?.inputTokens ?? input) + (usage?.outputTokens ?? produced);
          force(ticket, ticket.used - ticket.reserved);
        },
      };
    },
    finished: (turn) => release(turn, true),
    charge(user, { usage, context, produced }) {
      const tokens = (usage?.inputTokens ?? tokensOf(context)) + (usage?.outputTokens ?? tokensOf(produced));
      spendOn(account(user, limitsOf(user).tokensPerDay), tokens);
    },
    drop(user) {
      const own = accounts.get(user);
      accounts.delete(user);
      if (own !== undefined) dirty.delete(own);
    },
    usage() {
      const now = clock.monotonic();
      const own = [...accounts.values()].filter(({ key, endsAt }) => now < endsAt && !key.startsWith(addressKey("")));
      return own.map(({ key, spent, limit }) => ({
        user: key,
        tokens: Math.ceil(spent),
        limit,
        turns: running.get(key) ?? 0,
      }));
    },
    async flush() {
      const changed = [...dirty];
      if (changed.length === 0) return;
      dirty.clear();
      try {
        await spending.put(changed.map(({ key, spent, since }) => ({ key, tokens: Math.ceil(spent), since })));
      } catch (error) {
        for (const one of changed) dirty.add(one);
        throw error;
      }
    },
    forget() {
      const now = clock.monotonic();
      for (const { key, endsAt, reserved } of accounts.values()) {
        if (now >= endsAt && reserved <= 0) accounts.delete(key);
      }
    },
  };
}
