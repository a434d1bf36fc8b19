// Owns what a conversation is called by itself: a question's words cut to size, a model's answer cleaned or refused, and when it counts. Pure.
import { reject, stamp } from "../protocol/index.ts";
import type { Work } from "./records.ts";

/** Longest title that is made here, in UTF-16 units. A person may write longer ones. */
const titleLength = 60;
/** A model's answer up to this length is cut; a longer one is no title. */
const answerLength = 120;
/** What of a line is looked at: a title needs no more, and no expression below sees a long text. */
const lineLength = 500;
const textLength = 20_000;

/** Characters that draw nothing or turn the line around; the joiners that emoji and Persian need stay. */
const invisible =
  /[\p{Cc}\p{Co}\p{Cs}\u00ad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffd]/gu;
const lineBreak = /[\n\r\u2028\u2029\u0085]+/;
const fence = /^\s*(?:```|~~~)/;
/** A rule, a fence, the line under a table's head: nothing that could be read. */
const readable = /[\p{L}\p{N}\p{Extended_Pictographic}\p{Regional_Indicator}]/u;

/** One line of Markdown as plain text. */
function plain(line: string): string {
  return line
    .toWellFormed()
    .replaceAll("\t", " ")
    .replace(invisible, "")
    .replace(/^(?:\s*(?:#{1,6}|>|[-*+•]|\d{1,3}[.)])\s+)+(?:\[[ xX]\]\s)?/, "")
    .replace(/\s#+\s*$/, "")
    .replace(/!?\[([^\]]*)\]\([^)]*\)/g, "$1")
    .replace(/`+([^`]*)`+/g, "$1")
    .replace(/(\*\*|__|~~)(?=\S)(.*?\S)\1/g, "$2")
    .replace(/(?<![\p{L}\p{N}*_])([*_])(?=\S)([^*_]*[^\s*_])\1(?![\p{L}\p{N}*_])/gu, "$2")
    .replace(/\s+/g, " ")
    .trim();
}

/** The lines of a text that say something, as plain text; those of code blocks apart. */
function linesOf(text: string): { prose: string[]; code: string[] } {
  const found = { prose: [] as string[], code: [] as string[] };
  let kind: keyof typeof found = "prose";
  for (const line of text.slice(0, textLength).split(lineBreak)) {
    if (fence.test(line)) kind = kind === "prose" ? "code" : "prose";
    else if (found[kind].length < 3) {
      const said = plain(line.slice(0, lineLength));
      if (readable.test(said)) found[kind].push(said);
    }
  }
  return found;
}

const wordsOf = new Intl.Segmenter("en", { granularity: "word" });
const charactersOf = new Intl.Segmenter("en", { granularity: "grapheme" });

/** As many whole words as fit, whatever the script; of a word that is longer than a title, whole characters. */
function fit(text: string): string {
  if (text.length <= titleLength) return text;
  const room = titleLength - 1;
  const take = (segmenter: Intl.Segmenter): string => {
    let end = 0;
    for (const { index, segment } of segmenter.segment(text)) {
      if (index + segment.length > room) break;
      end = index + segment.length;
    }
    return text.slice(0, end).replace(/[\s\p{P}]+$/u, "");
  };
  const whole = take(wordsOf);
  return `${readable.test(whole) ? whole : take(charactersOf)}…`;
}

/** A title from a question: its first line that says something. undefined: none does. */
export function titleFromWords(question: string): string | undefined {
  const { prose, code } = linesOf(question);
  const line = prose[0] ?? code[0];
  return line === undefined ? undefined : fit(line);
}

const label =
  /^(?:(?:chat |conversation )?title|titel|titre|t[ií]tulo|titolo|заголовок|название|标题|標題|タイトル|제목|العنوان|عنوان)\s*[:：]\s*/iu;
const quotes = new Set(['""', "''", "“”", "‘’", "„“", "„”", "«»", "»«", "「」", "『』", "《》", "‹›"]);

/** A title from a model's answer. undefined: it said something else, or nothing. */
export function titleFromAnswer(answer: string): string | undefined {
  const { prose } = linesOf(answer.replace(/^\s*<think>[\s\S]*?(?:<\/think>|$)/, ""));
  const lines = prose.length === 2 && /[:：]$/.test(prose[0] ?? "") ? prose.slice(1) : prose;
  const line = lines.find((one) => label.test(one)) ?? (lines.length === 1 ? lines[0] : undefined);
  if (line === undefined) return undefined;
  let title = line.replace(label, "");
  while (title.length > 2 && quotes.has(`${title.at(0)}${title.at(-1)}`)) title = title.slice(1, -1).trim();
  title = plain(title)
    .replace(/[.。．।۔:：]+$/u, "")
    .trim();
  return title.length > answerLength || !readable.test(title) ? undefined : fit(title);
}

/** Names a conversation that nobody has named: decided in the transaction, so that no name of a person is written over (TI3). */
export function giveTitle(conversation: string, title: string, now: number): Work {
  return {
    conversation,
    decide({ conversation: record }) {
      if (record === undefined || record.deleted) return reject("not_found");
      if (record.title !== undefined) return reject("conflict", { field: "title" });
      // `updatedAt` stays: a title is no news that would move the conversation in the list.
      const events = [{ kind: "conversation.updated", at: stamp(now), title }] as const;
      return { events, conversation: { ...record, title }, answer: {} };
    },
  };
}
