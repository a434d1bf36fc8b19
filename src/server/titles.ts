// Owns the naming of conversations after their first exchange: who is asked, how long, how many at once. It must never hold up a reply.
import type { ConversationRecord } from "../domain/records.ts";
import { giveTitle, titleFromAnswer, titleFromWords } from "../domain/title.ts";
import type { Event, Message, Usage } from "../protocol/index.ts";
import type { Committer } from "./committer.ts";
import { errorName } from "./journal.ts";
import { callModel } from "./model-call.ts";
import type { ModelPool } from "./model-pool.ts";
import type { Clock, Journal, Log, ModelRequest } from "./ports.ts";
import { wholeMessages } from "./replies.ts";

export type TitleOptions = {
  readonly log: Log;
  readonly committer: Committer;
  readonly clock: Clock;
  readonly journal: Journal;
  readonly models: ModelPool;
  readonly mode: "model" | "words" | "off";
  /** Told what a title of this user's has cost: what the model says, and the characters that it was given and gave. */
  readonly used: (user: string, call: { usage: Usage | undefined; context: number; produced: number }) => void;
};

export type Titles = {
  /** Looks at events of a commit, and at the conversation's row after it. */
  noticed(events: readonly Event[], record: ConversationRecord | undefined): void;
  /** Somebody looks at a conversation: one whose naming a crash cut short is named now. */
  readonly opened: (record: ConversationRecord) => void;
  /** Names nothing more. */
  leave(): void;
};

const instructions =
  "You give titles to conversations. Answer with the title alone: at most six words, in the language of the question, " +
  "on one line, without quotes, Markdown or a full stop. Do not answer the question.";
/** Characters of the question and of the reply that the model is shown. */
const shown = { question: 2000, reply: 1000 };
/** A call may take 10 s and say as much, thinking included; more than 400 characters of text are no title. */
const limits = { firstTokenMs: 10_000, betweenTokensMs: 10_000, wholeMs: 10_000, outputLength: 8000 };
const longestAnswer = 400;
/** Titles that are asked for at once, and that wait for it; beyond, words will do. */
const atOnce = 2;
const mostWaiting = 100;
/** A way from the reply to the root is followed so far. */
const pathLength = 500;

type Exchange = { readonly question: string; readonly reply: string; readonly turn: string };

export function createTitles(options: TitleOptions): Titles {
  const { log, committer, clock, journal, models, mode } = options;
  const making = new Set<string>();
  const leaving = new AbortController();
  const waiting: (() => void)[] = [];
  let calls = 0;

  const ask = async (record: ConversationRecord, { question, reply, turn }: Exchange): Promise<string | undefined> => {
    const model = [models.primary, models.fallback].find((one) => one !== undefined && models.allows(one));
    // The demo has nothing to say about a question.
    if (model === undefined || model.name === "demo") return undefined;
    const prompt = `Question:\n${question.slice(0, shown.question)}\n\nReply:\n${reply.slice(0, shown.reply)}\n\nTitle:`;
    const say = (role: "system" | "user", text: string): ModelRequest["messages"][number] => ({
      role,
      content: [{ type: "text", text: text.toWellFormed() }],
    });
    const request: ModelRequest = {
      conversation: record.id,
      turn,
      messages: [say("system", instructions), say("user", prompt)],
      history: [],
      purpose: "title",
    };
    let text = "";
    let produced = 0;
    const enough = new AbortController();
    const writer = {
      add(piece: { type: string; text?: unknown }) {
        if (typeof piece.text === "string") produced += piece.text.length;
        if (piece.type === "text" && typeof piece.text === "string") text += piece.text;
        if (text.length > longestAnswer) enough.abort();
      },
      offer: () => undefined,
      due: (go: () => void) => go(),
      hasRoom: () => true,
      room: () => Promise.resolve(),
      textLength: () => 0,
    };
    const signal = AbortSignal.any([enough.signal, leaving.signal]);
    // Not noted in the model's circuit: an impatient title must not take the model away from replies.
    const result = await callModel({ model, request, writer, limits, clock, signal });
    if (result.kind === "failed") journal.info("title_failed", { model: model.name, code: result.code });
    const usage = result.kind === "completed" ? result.usage : undefined;
    // As with replies: what failed before its first word costs nothing.
    if (result.kind === "completed" || produced > 0)
      options.used(record.user, { usage, context: instructions.length + prompt.length, produced });
    if (result.kind !== "completed") return undefined;
    return titleFromAnswer(text);
  };

  /** Asks when there is room; nobody waits in a long row for a title. */
  const askInTurn = async (record: ConversationRecord, exchange: Exchange): Promise<string | undefined> => {
    if (calls >= atOnce) {
      if (waiting.length >= mostWaiting) return undefined;
      await new Promise<void>((resolve) => void waiting.push(resolve));
    } else calls++;
    try {
      return leaving.signal.aborted ? undefined : await ask(record, exchange);
    } finally {
      const next = waiting.shift();
      if (next === undefined) calls--;
      else next();
    }
  };

  const make = async (record: ConversationRecord, message: string): Promise<void> => {
    const exchange = await readFirst(log, record.id, message);
    if (exchange === undefined) return;
    // What has no words at all stays without a name, and is not asked about at every opening.
    const words = titleFromWords(exchange.question) ?? titleFromWords(exchange.reply);
    if (words === undefined) return;
    // Where the reply has no text, the model has just shown that it had better be left alone.
    const answered = mode === "model" && exchange.reply !== "";
    const asked = answered ? await askInTurn(record, exchange) : undefined;
    if (leaving.signal.aborted) return;
    await committer.submit(giveTitle(record.id, asked ?? words, clock.now()));
  };

  const begin = (record: ConversationRecord | undefined, message: string | null): void => {
    if (mode === "off" || leaving.signal.aborted || message === null) return;
    if (record === undefined || record.title !== undefined || record.deleted || making.has(record.id)) return;
    making.add(record.id);
    make(record, message)
      .catch((error: unknown) => journal.warn("title_failed", { error: errorName(error) }))
      .finally(() => making.delete(record.id));
  };

  return {
    noticed(events, record) {
      for (const event of events) if (event.kind === "turn.finished") begin(record, event.message);
    },
    opened: (record) => begin(record, record.newest),
    leave: () => leaving.abort(),
  };
}

const textOf = ({ parts }: Message): string =>
  parts
    .flatMap((part) => (part.type === "text" && typeof part.text === "string" ? [part.text] : []))
    .join("\n")
    .trim();

/** The first question on the way to a message, and its reply. undefined: there is none yet that has ended. */
async function readFirst(log: Log, conversation: string, message: string): Promise<Exchange | undefined> {
  const page = await log.messages(conversation, { limit: 1 });
  const records = await log.path(conversation, message, pathLength);
  const at = records.findIndex((record) => record.message.role === "user");
  const [question, answer] = records.slice(at, at + 2);
  const isRunning = page?.running.some((turn) => turn.message === answer?.message.id);
  if (at === -1 || question === undefined || answer === undefined || isRunning !== false) return undefined;
  const [reply] = await wholeMessages(log, conversation, [answer], Number.POSITIVE_INFINITY);
  if (reply === undefined) return undefined;
  return { question: textOf(question.message), reply: textOf(reply), turn: reply.metadata.turn ?? "" };
}
