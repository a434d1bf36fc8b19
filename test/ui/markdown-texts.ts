// Owns the Markdown that tests are made of: pieces that mean something together, and whole texts of a kind and length.
import fc from "fast-check";

/** Pieces whose joints matter: what is a list, a table or a heading is decided by what comes next. */
const pieces: readonly string[] = [
  ["# h\n", "para", "a", "b c", "é", " ", "  ", "    ", "\t", "\n", "\n\n", "\r\n"],
  [
    "- ",
    "* ",
    "+ x\n",
    "1. ",
    "2. ",
    "10) ",
    "   - ",
    "  1. ",
    "- [ ] t\n",
    "- [x] ",
    "> ",
    "---\n",
    "===\n",
    "-",
    "=",
  ],
  ["```js\n", "```\n", "```", "````\n", "~~~\n", "`", "``"],
  ["| a | b |\n", "|---|---|\n", "|--", "| 1 | 2 |\n", "|", ":-"],
  ["[x]: /u\n", '[x]: http://a.b "t"\n', "[y]:\n", "[x]", "[a][x]", "[a](http://b.c)", "![a](b)", "![a][x]", "[^1]"],
  ["$$\n", "$$", "$a$", "$5", "\\[", "\\]\n", "\\(", "\\)", "\\", "&amp;", "&#58;", "www.a.b", "https://a.b"],
  ["<div>\n", "</div>\n", "<!--", "-->", "<b>", "<br>", "<script>\n", "<a href=x>", "<?", "?>"],
  ["**", "*", "_", "__", "~~", "~", "!", '"', "'t'\n", "(", ")", "[", "]"],
].flat();

export const markdownText = fc.array(fc.constantFrom(...pieces), { maxLength: 30 }).map((parts) => parts.join(""));

/** A text, and where it is cut. */
export const cutText = fc.tuple(
  markdownText,
  fc.array(fc.integer({ min: 1, max: 7 }), { minLength: 1, maxLength: 60 }),
);

/** The beginnings of a text, one longer than the other, as `steps` say (over and over); the last is the whole. */
export function beginnings(text: string, steps: readonly number[]): readonly string[] {
  const found: string[] = [];
  for (let at = 0, i = 0; at < text.length; i++) {
    at = Math.min(text.length, at + (steps[i % steps.length] ?? 1));
    found.push(text.slice(0, at));
  }
  return found;
}

const line = (i: number): string => `export const value${i} = compute(${i}, "text ${i}"); // comment ${i}\n`;
const row = (i: number): string => `| row ${i} | some **text** ${i} | ${i * 3} |\n`;
const item = (i: number): string => `- item ${i} with some text and \`code\`\n`;
const times = (count: number, make: (i: number) => string): string =>
  Array.from({ length: count }, (_, i) => make(i)).join("");
const head = "| a | b | c |\n|---|---|---:|\n";
const paragraph =
  "This is a paragraph with **bold** words, `code`, a [link](https://example.com) and more text that goes on for a while.\n\n";

/** What models write: headings, paragraphs, lists, code and tables. */
const mixed = `## Heading\n\n${paragraph}${paragraph}${times(12, item)}\n\`\`\`typescript\n${times(40, line)}\`\`\`\n\n${head}${times(15, row)}\n`;

export const longTexts: Readonly<Record<string, (length: number) => string>> = {
  mixed: (length) => mixed.repeat(Math.ceil(length / mixed.length)).slice(0, length),
  code: (length) => `\`\`\`typescript\n${times(length / 50, line)}`.slice(0, length),
  list: (length) => times(length / 30, item).slice(0, length),
  table: (length) => `${head}${times(length / 25, row)}`.slice(0, length),
};

const root = (length: number): number => Math.floor(Math.sqrt(length));

/** Texts that are made to exhaust whoever reads them: deep nesting, marks that never end, long ones of one kind. */
export const bombs: Readonly<Record<string, (length: number) => string>> = {
  quotes: (n) => `${"> ".repeat(n / 2)}x`,
  "quotes without spaces": (n) => ">".repeat(n),
  lists: (n) => `${"- ".repeat(n / 2)}x`,
  "ordered lists": (n) => "1. ".repeat(n / 3),
  "indented lists": (n) => times(root(n), (i) => `${" ".repeat(2 * i)}- a\n`),
  "deeper quotes": (n) => times(root(n), (i) => `${"> ".repeat(i)}a\n`),
  brackets: (n) => "[".repeat(n / 2) + "]".repeat(n / 2),
  "nested links": (n) => `${"[".repeat(n / 4)}a${"](b)".repeat(n / 4)}`,
  "open links": (n) => "[a](".repeat(n / 4),
  images: (n) => "![".repeat(n / 2),
  stars: (n) => "*a ".repeat(n / 3),
  "nested emphasis": (n) => "*a ".repeat(n / 6) + "b* ".repeat(n / 6),
  "nested strong": (n) => "**a ".repeat(n / 8) + "b** ".repeat(n / 8),
  "mixed emphasis": (n) => "**a *b ".repeat(n / 7),
  underscores: (n) => "_a_".repeat(n / 3),
  tildes: (n) => "~a".repeat(n / 2),
  backticks: (n) => times(root(n), (i) => `${"`".repeat(i)}a`),
  tags: (n) => "<a ".repeat(n / 3),
  comments: (n) => "<!--".repeat(n / 4),
  dollars: (n) => "$a ".repeat(n / 3),
  formulas: (n) => "\\(".repeat(n / 2),
  pipes: (n) => `${"|".repeat(n / 2)}\n${"|-".repeat(n / 4)}\n`,
  addresses: (n) => "http://".repeat(n / 7),
  mails: (n) => `${"a.".repeat(n / 2)}@`,
  definitions: (n) => times(n / 12, (i) => `[${i}]: /a\n`),
  spaces: (n) => `x${" ".repeat(n)}x`,
  lines: (n) => "\n".repeat(n),
  "one word": (n) => "x".repeat(n),
};
