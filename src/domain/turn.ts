// Owns the life of a turn: start, attempts, pieces, end and settling, each as a decision (under its fence once it runs). Pure.
import { reject, stamp, type Event, type Limits, type Message, type Rejection } from "../protocol/index.ts";
import { applyEvents, emptyConversation } from "./conversation.ts";
import { merge, upTo, type Entry } from "./log.ts";
import type { ConversationRecord, Effect, MessageRecord, TurnRecord, View, Work } from "./records.ts";
import { isRejection } from "./records.ts";

/** Who commands, when, and the ids and names that a new turn gets. Times in milliseconds since 1970. */
export type Context = {
  readonly user: string;
  readonly now: number;
  readonly turn: string;
  readonly reply: string;
  readonly model: string;
  readonly owner: string;
  readonly leaseUntil: number;
  readonly limits: Limits;
};

/** Appends a message, if there is one, and the turn that answers `parent`: one effect, so that neither is without the other. */
export function startTurn(
  record: ConversationRecord,
  first: readonly Event[],
  sent: Message | undefined,
  parent: string | null,
  context: Context,
): Effect {
  const at = stamp(context.now);
  const { turn, reply, model } = context;
  const created: Event[] = sent === undefined ? [] : [{ kind: "message.created", at, message: sent }];
  const started = { kind: "turn.started", at, turn, message: reply, parent, model } as const;
  const events: Event[] = [...first, ...created, started];
  const seq = record.head + events.length;
  const metadata = { createdAt: at, parent, turn, status: "running", model } as const;
  const made: MessageRecord = { message: { id: reply, role: "assistant", parts: [], metadata }, openSince: seq };
  return {
    events,
    conversation: { ...record, newest: reply, updatedAt: context.now },
    messages: sent === undefined ? [made] : [{ message: sent }, made],
    turns: [freshTurn(record.id, reply, parent, seq, 0, context)],
    answer: { ...(sent === undefined ? {} : { message: sent.id }), turn, reply, seq },
  };
}

/** The row of a turn that begins to write `message`, which has `length` characters of text so far. */
export function freshTurn(
  conversation: string,
  message: string,
  parent: string | null,
  startedSeq: number,
  length: number,
  context: Context,
): TurnRecord {
  const { turn: id, user, model, owner, leaseUntil } = context;
  const work = { attempts: 0, stalls: 0, length, attemptLength: length, startedSeq, finishedSeq: null, settled: false };
  return { id, conversation, user, message, parent, model, status: "running", owner, fence: 1, leaseUntil, ...work };
}

/** How a turn ends. */
export type Ending = Pick<Extract<Event, { kind: "turn.finished" }>, "status" | "usage" | "error">;

/** The effect that ends a running turn, whoever ends it. */
export function endTurn(record: ConversationRecord, turn: TurnRecord, ending: Ending, now: number): Effect {
  const { status, usage, error } = ending;
  const more = { ...(usage === undefined ? {} : { usage }), ...(error === undefined ? {} : { error }) };
  const { id, message, length } = turn;
  return {
    events: [{ kind: "turn.finished", at: stamp(now), turn: id, message, status, length, ...more }],
    conversation: { ...record, updatedAt: now },
    turns: [{ ...turn, status, finishedSeq: record.head + 1 }],
    answer: {},
  };
}

/** Attempts after a crash that brought nothing new, after which a turn is given up (B16). */
export const maxStalls = 3;

/** A claim on a turn: whoever holds an older fence than the row can write nothing any more (TU rules). */
export type Claim = Pick<TurnRecord, "id" | "conversation" | "fence">;

/** The turn and its conversation, if the claim still holds and the turn runs. */
function held(view: View, claim: Claim): { record: ConversationRecord; turn: TurnRecord } | Rejection {
  const turn = view.turn(claim.id);
  const record = view.conversation;
  if (turn === undefined || record === undefined || turn.fence !== claim.fence || turn.status !== "running") {
    return reject("conflict", { field: "turn" });
  }
  return { record, turn };
}

function under(claim: Claim, decide: (held: { record: ConversationRecord; turn: TurnRecord }) => Effect): Work {
  return {
    conversation: claim.conversation,
    needs: { turns: [claim.id] },
    decide(view) {
      const found = held(view, claim);
      return isRejection(found) ? found : decide(found);
    },
  };
}

/** Appends pieces of the reply. `grown` is how much text they add, in UTF-16 units. */
export function appendPieces(claim: Claim, events: readonly Event[], grown: number): Work {
  return under(claim, ({ turn }) => ({
    events,
    turns: [{ ...turn, length: turn.length + grown }],
    answer: {},
  }));
}

export type AttemptMode = "first" | "again" | "continue" | "restart";

/**
 * Writes down an attempt before the model is called. `continue` and `restart` follow a crash: they are told to readers, and
 * bounded by progress: `maxStalls` in a row that brought nothing end the turn as interrupted. The answer's `go` says whether to call.
 */
export function beginAttempt(claim: Claim, mode: AttemptMode, now: number): Work {
  return under(claim, ({ record, turn }) => {
    const progressed = mode === "continue" && turn.length > turn.attemptLength;
    const resumed = mode === "continue" || mode === "restart";
    const stalls = resumed ? (progressed ? 0 : turn.stalls + 1) : turn.stalls;
    if (stalls > maxStalls) {
      const error = reject("unavailable");
      return { ...endTurn(record, turn, { status: "interrupted", error }, now), answer: { go: false } };
    }
    const attempt = turn.attempts + 1;
    const length = mode === "restart" ? 0 : turn.length;
    const { id, message } = turn;
    const at = stamp(now);
    return {
      events: resumed ? [{ kind: "turn.resumed", at, turn: id, message, attempt, mode }] : [],
      turns: [{ ...turn, attempts: attempt, stalls, length, attemptLength: length }],
      answer: { go: true, attempt },
    };
  });
}

/** Ends the turn: exactly once, by whoever comes first. */
export function finishTurn(claim: Claim, ending: Ending, now: number): Work {
  return under(claim, ({ record, turn }) => endTurn(record, turn, ending, now));
}

/**
 * The message of a record, whole: where it is open, with the entries since folded over it, as it was at `head`.
 * `entries` may begin earlier and go on further. Reactions are those of the row, which is never behind with them.
 */
export function completed(record: MessageRecord, entries: readonly Entry[], head: number): Message {
  const { message, openSince } = record;
  if (openSince === undefined) return message;
  const since = entries.flatMap((entry) =>
    entry.first < openSince || entry.event.kind === "reaction.changed" ? [] : (upTo(entry, head) ?? []),
  );
  const events = since.map((entry) => entry.event);
  return applyEvents({ ...emptyConversation, messages: [message] }, events, 0).messages[0] ?? message;
}

/** Takes the place of entries by their merged form while a long reply is still being made. */
export function compact(conversation: string, entries: readonly Entry[]): Work {
  return {
    conversation,
    decide(view) {
      if (view.conversation === undefined || view.conversation.deleted) return reject("not_found");
      return { events: [], replace: merge(entries), answer: {} };
    },
  };
}

/**
 * Settles a finished turn: the reply's row becomes whole and the pieces of `entries` (all since the row was opened) are
 * merged. Where the reply was continued meanwhile, the row is left to the turn that went on: `entries` may lack what it wrote.
 */
export function settle(turn: Pick<TurnRecord, "id" | "conversation" | "message">, entries: readonly Entry[]): Work {
  return {
    conversation: turn.conversation,
    needs: { turns: [turn.id], messages: [turn.message] },
    decide(view) {
      const row = view.turn(turn.id);
      const record = view.message(turn.message);
      if (row === undefined || record === undefined || view.conversation === undefined) return reject("not_found");
      const settled = { ...row, settled: true };
      const end = view.turn(record.message.metadata.turn ?? turn.id)?.finishedSeq ?? Number.POSITIVE_INFINITY;
      const continued = end > (entries.at(-1)?.last ?? 0);
      if (record.openSince === undefined || continued) return { events: [], turns: [settled], answer: {} };
      const message = completed(record, entries, view.conversation.head);
      const merged = merge(entries);
      const replace = merged.length < entries.length ? merged : [];
      return { events: [], turns: [settled], messages: [{ message }], replace, answer: {} };
    },
  };
}
