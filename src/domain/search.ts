// Owns what is found: text compared without case and accents, and the snippet around a hit. Pure.
import type { Message, Snippet } from "../protocol/index.ts";

/** Characters (UTF-16 units) of a message that are shown before and after a hit, together. */
const around = 100;
/** A hit that is longer is not: a snippet has its beginning. */
const longestHit = 400;
/** The longest emoji have about 35. */
const longestCharacter = 64;

/**
 * Marks that are written over letters of several scripts: accents, Arabic vowels, variation selectors. Not those that are
 * letters of their own kind: Indic vowels, the two marks that make another kana.
 */
const accents = /[[\p{Script=Inherited}&&\p{M}]--[\u3099\u309a]]/gv;
const outsideAscii = /[^\0-\x7f]/;
/** A letter with the marks on it. */
const clusters = /\P{M}\p{M}*|\p{M}+/gu;

/**
 * A text as it is compared: compatible forms as one, no accents, one case. Upper case, because lower case depends on the
 * neighbours (final sigma); and `ß` is `SS`.
 */
export function foldText(text: string): string {
  if (!outsideAscii.test(text)) return text.toUpperCase();
  return text.normalize("NFKD").replace(accents, "").toUpperCase();
}

/** What is looked for, folded; undefined where nothing is left of it. */
export function needleOf(query: string | undefined): string | undefined {
  const needle = foldText(query?.trim() ?? "");
  return needle === "" ? undefined : needle;
}

/** The first hit in the texts of a message (not in its reasoning), with what stands around it. `needle` is folded. */
export function findSnippet(message: Message, needle: string): Snippet | undefined {
  for (const part of message.parts) {
    if (part.type !== "text" || typeof part.text !== "string") continue;
    const found = findIn(part.text, needle);
    if (found !== undefined) return { message: message.id, ...found };
  }
  return undefined;
}

function findIn(text: string, needle: string): Pick<Snippet, "text" | "at"> | undefined {
  const from = foldText(text).indexOf(needle);
  if (from === -1) return undefined;
  const [first, last] = originOf(text, from, from + needle.length);
  const hitEnd = last - first > longestHit ? notWithin(text, first + longestHit) : last;
  const start = edge(text, first - around / 2, first);
  const end = edge(text, hitEnd + around / 2, hitEnd);
  return { text: text.slice(start, end), at: [first - start, hitEnd - start] };
}

/** Where in `text` the characters begin and end that are at `from` and before `to` in its fold. */
function originOf(text: string, from: number, to: number): [first: number, last: number] {
  if (!outsideAscii.test(text)) return [from, to];
  let folded = 0;
  let first = text.length;
  for (const { 0: cluster, index } of text.matchAll(clusters)) {
    const before = folded;
    folded += foldText(cluster).length;
    if (before <= from && folded > from) first = index;
    if (folded >= to) return [Math.min(first, index), index + cluster.length];
  }
  return [Math.min(first, text.length), text.length];
}

const graphemes = new Intl.Segmenter("en", { granularity: "grapheme" });

/** Where a snippet can begin or end near `place` without cutting a character in two, on the same side of the hit. */
function edge(text: string, place: number, hit: number): number {
  if (place <= 0 || place >= text.length) return Math.max(0, Math.min(place, text.length));
  const whole = graphemes.segment(text).containing(place)?.index ?? place;
  // A letter with a thousand marks is cut all the same.
  const isNear = place - whole <= longestCharacter && whole >= hit === place >= hit;
  return isNear ? whole : notWithin(text, place);
}

/** A place that is not between the halves of a surrogate pair. */
const notWithin = (text: string, place: number): number =>
  /^[\udc00-\udfff]/.test(text.charAt(place)) && /^[\ud800-\udbff]/.test(text.charAt(place - 1)) ? place - 1 : place;
