// Owns the text a test model says: a pure function of seed and length, with everything in it that breaks careless code.

const words = [
  "river", "lantern", "the", "of", "a", "bridge", "under", "quiet", "seven", "stone", "window", "paper", "and", "but",
  "naïve", "café", "Straße", "Ωmega", "привет", "日本語", "مرحبا", "नमस्ते", "🙂", "👩‍👩‍👧‍👦", "🇩🇪", "e\u0301", "𝒳", "👍🏽",
  '"quoted"', "it's", "back\\slash", "<b>", "&amp;", "data: [DONE]", "{{not}}", "`code`", "**bold**", "\t", "\u2028", "|", "\u00a0",
  ":", "null", "$x^2$", "- item", "\\u0041", "\r\n", "\u200d", "\ufeff",
]; // prettier-ignore
const breaks = [" ", " ", " ", " ", " ", " ", "\n", "\n\n", ", ", ". "];

/** mulberry32: small, fast, the same everywhere. Uniform in [0, 1). */
function chance(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

const pick = <T>(list: readonly T[], random: () => number, other: T): T =>
  list[Math.floor(random() * list.length)] ?? other;
const isHigh = (text: string, at: number): boolean => (text.charCodeAt(at) & 0xfc00) === 0xd800;

/**
 * What the model says for a seed: exactly `chars` UTF-16 units, never ending in half a character. A longer text of the
 * same seed begins with the shorter one, but for the last unit where that would have been half a character (then ".").
 */
export function expectedText(seed: number, chars: number): string {
  const random = chance(seed);
  const out: string[] = [];
  let length = 0;
  while (length < chars) {
    const next = pick(words, random, "word") + pick(breaks, random, " ");
    out.push(next);
    length += next.length;
  }
  const text = out.join("").slice(0, chars);
  return chars > 0 && isHigh(text, chars - 1) ? `${text.slice(0, -1)}.` : text;
}

const plain = "river lantern the of a bridge under quiet seven stone window paper and but evening harbour slowly".split(
  " ",
);

/** Words and paragraphs without a sign that a renderer could take for its own: what is shown is what was said. */
export function proseText(seed: number, chars: number): string {
  const random = chance(seed);
  let text = "";
  for (let i = 1; text.length < chars; i++) text += pick(plain, random, "word") + (i % 60 === 0 ? ".\n\n" : " ");
  return `${text.slice(0, chars - 1).trimEnd()}.`;
}

/** Cuts a text into pieces of about `size` units. `insidePairs` lets a cut fall between the halves of a character. */
export function* pieces(text: string, size: number, insidePairs = false): Generator<string> {
  for (let at = 0; at < text.length;) {
    let end = Math.min(text.length, at + Math.max(1, size));
    if (!insidePairs && end < text.length && isHigh(text, end - 1)) end++;
    yield text.slice(at, end);
    at = end;
  }
}
