// Owns the import of conversations: found one after the other, read, put into the log under ids that are always the same. No HTTP.
import { createHash } from "node:crypto";
import { placeImported, type ImportedConversation } from "../domain/imported.ts";
import { titleFromWords } from "../domain/title.ts";
import { reject, type Limits, type Message, type Rejection } from "../protocol/index.ts";
import type { Committer } from "./committer.ts";
import { isChatgpt, readChatgpt } from "./import-chatgpt.ts";
import { isOwn, readOwn } from "./import-own.ts";
import { notImported, type ImportContext } from "./import-parts.ts";
import { splitConversations } from "./import-split.ts";
import type { Clock, Log } from "./ports.ts";

/** What an import has done so far. */
type Tally = {
  /** Made now, and there already. */
  imported: number;
  skipped: number;
  messages: number;
  /** Messages that were longer than is kept. */
  cut: number;
  /** Not taken, with the place in the list; the first of them by name. */
  refused: number;
  problems: { index: number; code: string; message: string }[];
};

export type Importer = (
  user: string,
  content: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
) => Promise<{ readonly tally: Tally; readonly wrong?: Rejection }>;

export type ImportOptions = {
  readonly log: Pick<Log, "conversation">;
  readonly committer: Pick<Committer, "submit">;
  readonly clock: Clock;
  readonly limits: Limits;
  readonly replyLength: number;
};

/** What one conversation may be: its JSON is read in one go, and written in one transaction. */
const split = { bytes: 8 * 1024 * 1024, depth: 64, count: 10_000 };
const mostMessages = 2000;
const mostTextLength = 2_000_000;
/** Problems that are told one by one. */
const toldProblems = 20;
/** Times that what was imported may be deleted and imported again. */
const mostLives = 20;

export function createImporter({ log, committer, clock, limits, replyLength }: ImportOptions): Importer {
  /** An import that is done again makes the same ids. */
  const idFrom = (...names: readonly string[]): string => {
    const hex = createHash("sha256").update(JSON.stringify(names)).digest("hex");
    return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
  };

  const read = (value: unknown, context: ImportContext): ImportedConversation | Rejection => {
    const imported = isOwn(value)
      ? readOwn(value, context)
      : isChatgpt(value)
        ? readChatgpt(value, context)
        : undefined;
    if (imported === undefined)
      return reject("invalid", { detail: "It is no conversation in a format that is known." });
    const { messages } = imported;
    if (messages.length === 0) return reject("invalid", { detail: "It has no message." });
    const length = messages.reduce((sum, { parts }) => sum + JSON.stringify(parts).length, 0);
    const fits = messages.length <= mostMessages && length <= mostTextLength;
    const detail = `It has more than ${mostMessages} messages or ${mostTextLength} characters.`;
    if (!fits) return reject("too_large", { detail });
    // Nobody is asked to name what was not written here.
    return { ...imported, title: imported.title ?? firstWords(messages) };
  };

  /** Somebody's own export, read again where it was made: the conversation is there. */
  const isThere = async (user: string, source: string): Promise<boolean> => {
    const found = await log.conversation(source.toLowerCase());
    return found !== undefined && found.user === user && !found.deleted;
  };

  /** Gives why not. */
  const place = async (user: string, value: unknown, tally: Tally): Promise<Rejection | undefined> => {
    const kind = isOwn(value) ? "own" : "chatgpt";
    let cut = 0;
    const imported = read(value, {
      user,
      now: clock.now(),
      limits,
      replyLength,
      // Ids of messages need only be unique within their conversation.
      idOf: (message) => idFrom(kind, message),
      cut: () => void cut++,
    });
    if ("code" in imported) return imported;
    if (kind === "own" && (await isThere(user, imported.source))) {
      tally.skipped++;
      return undefined;
    }
    for (let life = 0; life < mostLives; life++) {
      const id = idFrom("conversation", user, kind, imported.source, String(life));
      const outcome = await committer.submit(placeImported(imported, { id, user }));
      if (!outcome.ok) return outcome.rejection;
      const { placed } = outcome.answer;
      if (placed === "deleted") continue;
      if (placed === "there") tally.skipped++;
      else {
        tally.imported++;
        tally.messages += imported.messages.length;
        tally.cut += cut;
      }
      return undefined;
    }
    return reject("conflict", { detail: "It was imported and deleted too often." });
  };

  return async (user, content, signal) => {
    const tally: Tally = { imported: 0, skipped: 0, messages: 0, cut: 0, refused: 0, problems: [] };
    const refuse = (index: number, { code, message }: Rejection): void => {
      tally.refused++;
      if (tally.problems.length < toldProblems) tally.problems.push({ index, code, message });
    };
    let index = 0;
    for await (const found of splitConversations(content, split)) {
      signal.throwIfAborted();
      if ("wrong" in found) {
        if (found.of === "document") return { tally, wrong: found.wrong };
        refuse(index, found.wrong);
      } else {
        const problem = await place(user, found.value, tally);
        // No room in the store: what comes behind would fare no better.
        if (problem?.code === "unavailable") return { tally, wrong: problem };
        if (problem !== undefined) refuse(index, problem);
      }
      index++;
      await new Promise<void>((resolve) => clock.soon(resolve));
    }
    return { tally };
  };
}

function firstWords(messages: readonly Message[]): string | undefined {
  for (const { parts } of messages) {
    const text = parts.map((part) => (part.type === "text" ? String(part.text) : "")).join("\n");
    const words = titleFromWords(text.replaceAll(notImported, ""));
    if (words !== undefined) return words;
  }
  return undefined;
}
