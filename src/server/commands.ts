// Owns what each command of a signed-in socket does: decision, commit, answer. It knows no bytes and no socket.
import { createHash } from "node:crypto";
import { decideCommand, owned, type ChangingCommand } from "../domain/decide.ts";
import { isRejection, type ConversationRecord, type Effect, type Work } from "../domain/records.ts";
import { reject, type Command, type CommandOf, type Limits, type Rejection } from "../protocol/index.ts";
import type { Allowance } from "./allowance.ts";
import type { Committer } from "./committer.ts";
import { listRow } from "./frames.ts";
import type { Clock, Log, Meter, Span, Tracer } from "./ports.ts";
import { newestThatFit, wholeMessages } from "./replies.ts";
import { leaseMs, type Turns } from "./turns.ts";

export type CommandOptions = {
  readonly log: Log;
  readonly committer: Committer;
  readonly clock: Clock;
  readonly meter: Meter;
  /** undefined: nobody wants to know. */
  readonly tracer?: Tracer | undefined;
  readonly turns: Turns;
  readonly allowance: Allowance;
  readonly limits: Limits;
  /** This life of the process, as the owner of leases. */
  readonly owner: string;
  readonly model: string;
  /** False while this process leaves: no new turn begins here. */
  readonly accepting: () => boolean;
  /** A conversation is being opened by its owner. */
  readonly opened: (record: ConversationRecord) => void;
};

/** What an ack says beside `type` and `id`. */
type Answer = Readonly<Record<string, unknown>>;

/** Where a reader begins; `from` undefined: with a snapshot. */
export type Opening = { readonly conversation: string; readonly from: number | undefined };

export type Commands = {
  /** `key`: that of the address it comes from. */
  change(user: string, command: ChangingCommand, key?: string): Promise<Answer | Rejection>;
  list(user: string, command: CommandOf<"conversation.list">): Promise<Answer | Rejection>;
  history(user: string, command: CommandOf<"conversation.history">): Promise<Answer | Rejection>;
  open(
    user: string,
    item: { conversation: string; seq?: number | undefined; epoch?: string | undefined },
  ): Promise<{ answer: Answer; opening: Opening } | Rejection>;
};

/** Commands that start a turn. */
const starting = new Set<Command["type"]>(["message.send", "message.edit", "turn.retry", "turn.continue"]);
const historyMessages = 50;
const listedConversations = 50;

export function createCommands(options: CommandOptions): Commands {
  const { log, committer, clock, turns, limits, allowance } = options;

  const find = async (user: string, conversation: string): Promise<ConversationRecord | Rejection> =>
    owned(await log.conversation(conversation), user);

  /** A message's way is traced from here to its answer; its reply, which goes on, is a part of it. */
  const change = async (user: string, command: ChangingCommand, key?: string): Promise<Answer | Rejection> => {
    const traced = starting.has(command.type);
    const span = traced ? options.tracer?.begin("message", { command: command.type }) : undefined;
    let outcome = "internal";
    try {
      const answer = await carryOut(user, command, key, span);
      outcome = isRejection(answer) ? answer.code : "ok";
      return answer;
    } finally {
      span?.end(outcome);
    }
  };

  const carryOut = async (
    user: string,
    command: ChangingCommand,
    key: string | undefined,
    span: Span | undefined,
  ): Promise<Answer | Rejection> => {
    if (starting.has(command.type) && !options.accepting()) return reject("unavailable", { retryAfterMs: 1000 });
    const now = clock.now();
    const ids = { turn: clock.uuid(), reply: clock.uuid() };
    const lease = { owner: options.owner, leaseUntil: now + leaseMs };
    const inner = decideCommand(command, { user, now, ...ids, model: options.model, ...lease, limits });
    let effect: Effect | undefined;
    let reserved = false;
    const work: Work = {
      ...inner,
      key: { user, id: command.id, hash: hashOf(command) },
      decide(view) {
        const decided = inner.decide(view);
        effect = isRejection(decided) ? undefined : decided;
        if (effect === undefined || reserved || !starting.has(command.type)) return decided;
        // Only here is it known that the command is none that was done before: a repeat is not charged (FU5).
        const refused = allowance.begin({ turn: ids.turn, user, key, characters: lengthOf(command) });
        reserved = refused === undefined;
        return refused ?? decided;
      },
    };
    const commit = span && options.tracer?.begin("commit", {}, span);
    const outcome = await committer.submit(work);
    commit?.end(outcome.ok ? (outcome.repeated ? "repeated" : "ok") : outcome.rejection.code);
    if (reserved && (!outcome.ok || outcome.repeated)) allowance.refund(ids.turn);
    if (!outcome.ok) return outcome.rejection;
    if (!outcome.repeated) {
      for (const turn of effect?.turns ?? []) if (turn.status === "running") turns.begin(turn, span);
    }
    return outcome.answer;
  };

  return {
    change,
    async list(user, command) {
      const page = await log.list(user, {
        cursor: command.cursor,
        limit: command.limit ?? listedConversations,
        query: command.query,
        archived: command.archived ?? false,
      });
      if (isRejection(page)) return page;
      const conversations = page.conversations.map(listRow);
      return page.cursor === undefined ? { conversations } : { conversations, cursor: page.cursor };
    },
    async history(user, command) {
      const record = await find(user, command.conversation);
      if (isRejection(record)) return record;
      const { conversation, before, limit } = command;
      const page = await log.messages(conversation, { before, limit: limit ?? historyMessages });
      if (page === undefined) return reject("not_found", { field: "before" });
      return newestThatFit(await wholeMessages(log, conversation, page.messages, page.head), page.more);
    },
    async open(user, { conversation, seq, epoch }) {
      const record = await find(user, conversation);
      if (isRejection(record)) return record;
      options.opened(record);
      const known = seq !== undefined && seq >= 0 && seq <= record.head && (epoch === undefined || epoch === log.epoch);
      options.meter.note({ kind: "reader", began: known ? "resumed" : seq === undefined ? "fresh" : "reset" });
      const opening = { conversation, from: known ? seq : undefined };
      return { answer: { conversation, seq: record.head, epoch: log.epoch }, opening };
    },
  };
}

/** Characters that a command asks the model to read. */
function lengthOf(command: ChangingCommand): number {
  const parts = "parts" in command ? command.parts : [];
  return parts.reduce((sum, part) => sum + (part.type === "text" ? part.text.length : 0), 0);
}

/** The content of a command without its id: what a repeated id is compared by. */
function hashOf(command: ChangingCommand): string {
  const { id: _, ...content } = command;
  return createHash("sha256").update(JSON.stringify(content)).digest("base64url");
}
