// Owns what making replies may cost a person: messages a minute, replies at once, tokens a day. It calls no model and writes no log.
import { isGuest } from "../domain/records.ts";
import { reject, type Rejection, type Usage } from "../protocol/index.ts";
import type { CallResult } from "./model-call.ts";
import { createPace } from "./pace.ts";
import type { Policy } from "./policy.ts";
import { Purses, soonMs, type Purse } from "./purses.ts";
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

/** What a reply that is being made holds. */
type Ticket = {
  readonly user: string;
  readonly key: string | undefined;
  readonly purses: readonly Purse[];
  reserved: number;
  used: number;
};

/** A token is counted as so many characters where nobody has counted better: rather too many tokens than too few. */
const charactersPerToken = 3;
const tokensOf = (characters: number): number => Math.ceil(characters / charactersPerToken);
export function createAllowance(options: { policy: Policy; clock: Clock; spending: Spending }): Allowance {
  const { policy, clock, spending } = options;
  const { reservedTokens } = policy.reply;
  const minute = createPace(clock, 60_000);
  const tickets = new Map<string, Ticket>();
  const running = new Map<string, number>();

  const limitsOf = (user: string): Policy["guest"] => (isGuest(user) ? policy.guest : policy.user);

  const addressKey = (key: string): string => `address:${key}`;
  const isAddress = (key: string): boolean => key.startsWith(addressKey(""));
  const anyAddress = addressKey("*");
  const limitOf = (key: string): number => {
    if (key === anyAddress) return policy.all.guestTokensPerDay;
    return isAddress(key) ? policy.address.guestTokensPerDay : limitsOf(key).tokensPerDay;
  };
  const purses = new Purses({ clock, spending, kind: "", limitOf });
  // A new guest costs nothing: what guests of one address use is counted together as well, and so is that of them all (WI08).
  const pursesOf = (user: string, key: string | undefined): Purse[] => {
    const shared = key === undefined ? [anyAddress] : [addressKey(key), anyAddress];
    return (isGuest(user) ? [user, ...shared] : [user]).map((one) => purses.at(one));
  };

  /** Reserves more for a ticket. A rejection: it does not fit, and nothing was reserved. */
  const raise = (ticket: Ticket, more: number): Rejection | undefined => {
    if (more <= 0) return undefined;
    const short = ticket.purses.find(({ spent, reserved, limit }) => spent + reserved + more > limit);
    if (short !== undefined) return reject("quota_exceeded", { retryAfterMs: purses.wait(short, more) });
    for (const one of ticket.purses) one.reserved += more;
    ticket.reserved += more;
    return undefined;
  };
  const force = (ticket: Ticket, more: number): void => {
    if (more <= 0) return;
    for (const one of ticket.purses) one.reserved += more;
    ticket.reserved += more;
  };

  const open = ({ turn, user, key }: Omit<Asked, "characters">): Ticket => {
    const ticket: Ticket = { user, key, purses: pursesOf(user, key), reserved: 0, used: 0 };
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
    for (const one of ticket.purses) {
      one.reserved -= ticket.reserved;
      if (spend) purses.spend(one, ticket.used);
    }
  };

  const messagesWait = (user: string, key: string | undefined): number => {
    const own = minute.wait(user, limitsOf(user).messagesPerMinute);
    if (!isGuest(user) || key === undefined) return own;
    return Math.max(own, minute.wait(addressKey(key), policy.address.guestMessagesPerMinute));
  };

  return {
    load: () => purses.load(),
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
      purses.spend(purses.at(user), tokens);
    },
    drop: (user) => purses.drop(user),
    usage() {
      const own = purses.today().filter(({ key }) => !isAddress(key));
      return own.map(({ key, spent, limit }) => ({
        user: key,
        tokens: Math.ceil(spent),
        limit,
        turns: running.get(key) ?? 0,
      }));
    },
    flush: () => purses.flush(),
    forget: () => purses.forget(),
  };
}
