// Owns how marked reads our Markdown: what a block is must never hang on lines that come later, or on other blocks.
import { Lexer, Marked, Tokenizer, type MarkedOptions, type Token, type Tokens } from "marked";

/** Definitions of links (`[label]: url`) by their normal form; the first of a label counts. */
export type Definitions = Readonly<Record<string, { readonly href: string; readonly title?: string | null }>>;

/** A formula; `closed: false`: its end has not come. */
export type MathToken = { type: "math"; raw: string; text: string; display: boolean; closed: boolean };
/** `[text][label]`: what it means is looked up when it is drawn, so a later definition changes no block. */
export type ReferenceToken = {
  type: "reference";
  raw: string;
  label: string;
  image: boolean;
  /** What is behind the text where there is no such definition. */
  rest: string;
  text: string;
  tokens: Token[];
};

const oneLineDefinition =
  /^ {0,3}\[((?:\\.|[^[\]\\\n])+)\]:[ \t]*(<[^<>\n]*>|[^\s<][^\s]*)(?:[ \t]+("[^"\n]*"|'[^'\n]*'|\([^()\n]*\)))?[ \t]*(?:\n|$)/;
const reference = /^(!?)\[((?:\\.|[^[\]\\`]|`[^`]*`)+)\]\[([^[\]\\*_`~<>!$\n]*)\]/;
const shortcut = /^(!?)\[([^[\]\\*_`~<>!$\n]+)\]/;

const normalizeLabel = (label: string): string => label.trim().replaceAll(/\s+/g, " ").toLowerCase();

const mathLine = /\n {0,3}(?:\$\$|\\\[)/;

/** Nesting deeper than this is text: no input may exhaust the stack. */
const deepest = 16;
/** Longer runs of text (characters) are read in parts: the time of some marks grows with the square of what they are in. */
const longestRun = 4000;

/** Runs `read`, unless that would be too deep. */
class Depth {
  #depth = 0;

  enter<T>(read: () => T): T | undefined {
    if (this.#depth >= deepest) return undefined;
    this.#depth += 1;
    try {
      return read();
    } finally {
      this.#depth -= 1;
    }
  }
}

/** Where a run of text may be parted: behind a line, else behind a word. */
function partOf(src: string): number {
  const line = src.lastIndexOf("\n", longestRun);
  const word = src.lastIndexOf(" ", longestRun);
  return (line > longestRun / 2 ? line : word > longestRun / 2 ? word : longestRun - 1) + 1;
}

class OwnLexer extends Lexer {
  readonly #depth = new Depth();

  override inlineTokens(src: string, tokens: Token[] = []): Token[] {
    let rest = src;
    while (rest !== "") {
      const part = rest.length > longestRun ? rest.slice(0, partOf(rest)) : rest;
      const isRead = this.#depth.enter(() => super.inlineTokens(part, tokens));
      if (isRead === undefined) tokens.push({ type: "text", raw: part, text: part });
      rest = rest.slice(part.length);
    }
    return tokens;
  }
}

/** What differs from marked: a definition is one line, references are resolved later, raw HTML has no state, a formula no heading. */
class OwnTokenizer extends Tokenizer {
  readonly #depth = new Depth();

  override blockquote(src: string): Tokens.Blockquote | undefined {
    return this.#depth.enter(() => super.blockquote(src));
  }

  override list(src: string): Tokens.List | undefined {
    return this.#depth.enter(() => super.list(src));
  }

  override def(src: string): Tokens.Def | undefined {
    const [raw, label, href, title] = oneLineDefinition.exec(src) ?? [];
    if (raw === undefined || label === undefined || href === undefined) return undefined;
    return {
      type: "def",
      raw,
      tag: normalizeLabel(label),
      href: href.startsWith("<") ? href.slice(1, -1) : href,
      title: title?.slice(1, -1) ?? "",
    };
  }

  override reflink(src: string): Tokens.Text | undefined {
    const first = src[0];
    if (first !== "[" && first !== "!") return undefined;
    return first === "[" || src[1] === "[" ? { type: "text", raw: first, text: first } : undefined;
  }

  /** There is no block of HTML: its tags are text, and what is between them is Markdown as anywhere. */
  override html(): undefined {
    return undefined;
  }

  override lheading(src: string): Tokens.Heading | undefined {
    const heading = super.lheading(src);
    return heading === undefined || mathLine.test(heading.raw) ? undefined : heading;
  }

  override tag(src: string): Tokens.Tag | undefined {
    const { inLink, inRawBlock } = this.lexer.state;
    const tag = super.tag(src);
    Object.assign(this.lexer.state, { inLink, inRawBlock });
    return tag;
  }
}

const indexFrom = (src: string, parts: readonly string[]): number | undefined => {
  const found = parts.map((part) => src.indexOf(part)).filter((i) => i >= 0);
  return found.length === 0 ? undefined : Math.min(...found);
};

const blankLine = /\n[ \t]*\n/;

/** A formula in lines of its own. It ends at its closing sign; a blank line before that means that it was none. */
function readMathBlock(src: string): MathToken | undefined {
  const [opening, sign] = /^ {0,3}(\$\$|\\\[)/.exec(src) ?? [];
  if (opening === undefined) return undefined;
  const close = sign === "$$" ? "$$" : String.raw`\]`;
  const rest = src.slice(opening.length);
  const blank = rest.search(blankLine);
  const inside = blank === -1 ? rest : rest.slice(0, blank + 1);
  const end = inside.indexOf(close);
  if (end === -1) return blank === -1 ? math(src, rest, true, false) : undefined;
  const [after] = /^[ \t]*(?:\n|$)/.exec(inside.slice(end + 2)) ?? [];
  if (after === undefined) return undefined;
  const raw = src.slice(0, opening.length + end + 2 + after.length);
  return math(raw, inside.slice(0, end), true, true);
}

const math = (raw: string, text: string, display: boolean, closed: boolean): MathToken => ({
  type: "math",
  raw,
  text: text.trim(),
  display,
  closed,
});

const inlineForms: readonly (readonly [form: RegExp, display: boolean])[] = [
  [/^\$\$((?:\\[^]|[^\\$\n]|\n(?![ \t]*\n))+?)\$\$/, true],
  [/^\\\[((?:[^\n]|\n(?![ \t]*\n))+?)\\\]/, true],
  [/^\\\(((?:[^\n]|\n(?![ \t]*\n))+?)\\\)/, false],
  [/^\$(?![\s$])((?:\\[^\n]|[^\\$\n`])*[^\\$\s`])\$(?![\d\p{L}$])/u, false],
];

/** Two prices in one sentence are no formula: what begins with a digit and has spaces needs a sign of mathematics. */
const isPrice = (text: string): boolean => /^[\d.,]+(?:\s|[-–]\s*$)/.test(text) && !/[\\^_={}<>+*/|]/.test(text);

function readInlineMath(src: string, before: string): MathToken | undefined {
  for (const [form, display] of inlineForms) {
    const [raw, text] = form.exec(src) ?? [];
    if (raw === undefined || text === undefined || text.trim() === "") continue;
    const single = raw.startsWith("$") && !display;
    if (single && (/[\p{L}\d$\\]$/u.test(before) || isPrice(text))) return undefined;
    return math(raw, text, display, true);
  }
  return undefined;
}

function readReference(src: string): Omit<ReferenceToken, "tokens"> | undefined {
  const [raw, mark, text, label] = reference.exec(src) ?? shortcut.exec(src) ?? [];
  if (raw === undefined || text === undefined) return undefined;
  if (src[raw.length] === "(" || (label === undefined && /:\/\/|www\./.test(text))) return undefined;
  const name = normalizeLabel(label === undefined || label === "" ? text : label);
  if (name === "") return undefined;
  const rest = label === undefined ? "" : `[${label}]`;
  return { type: "reference", raw, label: name, image: mark === "!", rest, text };
}

const marked = new Marked({
  extensions: [
    {
      name: "math",
      level: "block",
      // Only as far as the paragraph that it may end: marked asks at every block.
      start(src) {
        const end = src.search(blankLine);
        const at = (end === -1 ? src : src.slice(0, end + 1)).search(mathLine);
        return at === -1 ? undefined : at + 1;
      },
      tokenizer: readMathBlock,
    },
    {
      name: "inlineMath",
      level: "inline",
      start: (src) => indexFrom(src, ["$", String.raw`\(`, String.raw`\[`]),
      tokenizer(src, tokens) {
        const sign = src[0];
        if (sign !== "$" && sign !== "\\") return undefined;
        return readInlineMath(src, tokens.at(-1)?.raw ?? "");
      },
    },
    {
      name: "reference",
      level: "inline",
      tokenizer(src) {
        if (src[0] !== "[" && !src.startsWith("![")) return undefined;
        const { state } = this.lexer;
        const found = state.inLink ? undefined : readReference(src);
        if (found === undefined) return undefined;
        // It may become a link: there is none in it.
        state.inLink = true;
        const tokens = this.lexer.inlineTokens(found.text);
        state.inLink = false;
        return { ...found, tokens };
      },
    },
  ],
});

const options: MarkedOptions = { ...marked.defaults, gfm: true };

/** A text as marked's tokens, with the definitions in it. Every text is read by itself. */
export function lex(text: string): { readonly tokens: readonly Token[]; readonly definitions: Definitions } {
  const lexer = new OwnLexer({ ...options, tokenizer: new OwnTokenizer() });
  const tokens = lexer.lex(text);
  return { tokens, definitions: tokens.links };
}
