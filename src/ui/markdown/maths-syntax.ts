// Owns what is mathematics in a text: `$$...$$`, `\[...\]`, `\(...\)` and a careful `$...$`. It draws nothing.
import type { TokenizerExtension } from "marked";

/** The longest formula that is taken for one, in characters. */
const longest = 4000;

const block: TokenizerExtension = {
  name: "mathsBlock",
  level: "block",
  start: (text) => indexOf(text, /(?:^|\n)(?:\$\$|\\\[)/),
  tokenizer(text) {
    const match = /^(?:\$\$([\s\S]+?)\$\$|\\\[([\s\S]+?)\\\])[^\S\n]*(?:\n+|$)/.exec(text);
    const formula = match?.[1] ?? match?.[2];
    if (match === null || formula === undefined || formula.length > longest) return undefined;
    return { type: "mathsBlock", raw: match[0], text: formula.trim() };
  },
};

/** A dollar opens only before a sign that is no space, and closes only behind one and before no digit: `$5 and $10` is money. */
const inline: TokenizerExtension = {
  name: "maths",
  level: "inline",
  start: (text) => indexOf(text, /\$|\\\(/),
  tokenizer(text) {
    const match = /^(?:\\\(([\s\S]+?)\\\)|\$\$([^$\n]+?)\$\$|\$(?![\s$])((?:\\.|[^$\\\n])*?[^\s$\\])\$(?![\d\w]))/.exec(
      text,
    );
    const formula = match?.[1] ?? match?.[2] ?? match?.[3];
    if (match === null || formula === undefined || formula.length > longest) return undefined;
    return { type: "maths", raw: match[0], text: formula };
  },
};

const indexOf = (text: string, what: RegExp): number | undefined => what.exec(text)?.index;

export const maths = [block, inline];
