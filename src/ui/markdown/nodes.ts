// Owns the tree that is drawn, and its making from marked's tokens: the edge where a lexer's output becomes ours. It draws nothing.
import type { MarkedToken, Token, Tokens } from "marked";
import { decodeEntities } from "./entities.ts";
import type { MathToken, ReferenceToken } from "./lexer.ts";

export type Inline =
  | { readonly kind: "text" | "code"; readonly text: string }
  | { readonly kind: "strong" | "emphasis" | "deleted"; readonly inside: readonly Inline[] }
  | { readonly kind: "break" }
  | { readonly kind: "math"; readonly tex: string; readonly display: boolean }
  | { readonly kind: "link"; readonly address: string; readonly inside: readonly Inline[] }
  | { readonly kind: "image"; readonly address: string; readonly alt: string }
  | {
      readonly kind: "reference";
      readonly label: string;
      readonly image: boolean;
      readonly rest: string;
      readonly inside: readonly Inline[];
    };

export type Cell = readonly Inline[];
export type Item = {
  readonly inside: readonly Node[];
  readonly checked?: boolean;
  /** Whether it can still change. */
  readonly done: boolean;
};
export type ListNode = {
  readonly kind: "list";
  readonly start: number | undefined;
  readonly loose: boolean;
  readonly items: readonly Item[];
};
export type TableNode = {
  readonly kind: "table";
  readonly align: readonly ("center" | "left" | "right" | null)[];
  readonly head: readonly Cell[];
  readonly rows: readonly (readonly Cell[])[];
};
export type CodeNode = { readonly kind: "code"; readonly language: string; readonly text: string };
export type Node =
  | { readonly kind: "heading"; readonly depth: number; readonly inside: readonly Inline[] }
  | { readonly kind: "paragraph"; readonly inside: readonly Inline[] }
  | { readonly kind: "quote"; readonly inside: readonly Node[] }
  | { readonly kind: "rule" }
  | { readonly kind: "math"; readonly tex: string; readonly closed: boolean; readonly raw: string }
  | CodeNode
  | ListNode
  | TableNode;

/** Every token that our lexer makes; marked's own type lets anything through. */
type Known = MarkedToken | MathToken | ReferenceToken;
const known: Readonly<Record<Known["type"], true>> = {
  blockquote: true,
  br: true,
  checkbox: true,
  code: true,
  codespan: true,
  def: true,
  del: true,
  em: true,
  escape: true,
  heading: true,
  hr: true,
  html: true,
  image: true,
  link: true,
  list: true,
  list_item: true,
  paragraph: true,
  space: true,
  strong: true,
  table: true,
  text: true,
  math: true,
  reference: true,
};
/** What every token has. */
type Raw = { readonly type: string; readonly raw: string };
const isKnown = (token: Raw): token is Known => Object.hasOwn(known, token.type);

export const toNodes = (tokens: readonly Token[], done: boolean): readonly Node[] =>
  tokens.flatMap((token) => {
    const node = toNode(token, done);
    return node === undefined ? [] : [node];
  });

/** Undefined: there is nothing to draw. */
export function toNode(token: Raw, done: boolean): Node | undefined {
  if (!isKnown(token)) return { kind: "paragraph", inside: [{ kind: "text", text: token.raw }] };
  switch (token.type) {
    case "heading":
      return { kind: "heading", depth: token.depth, inside: toInlines(token.tokens) };
    case "paragraph":
      return { kind: "paragraph", inside: toInlines(token.tokens) };
    case "text":
      return { kind: "paragraph", inside: token.tokens === undefined ? textOf(token.text) : toInlines(token.tokens) };
    case "blockquote":
      return { kind: "quote", inside: toNodes(token.tokens, done) };
    case "hr":
      return { kind: "rule" };
    case "math":
      return { kind: "math", tex: token.text, closed: token.closed, raw: token.raw.trimEnd() };
    case "code":
      return toCode(token.lang ?? "", token.text);
    case "list":
      return toList(token, done);
    case "table":
      return {
        kind: "table",
        align: token.align,
        head: token.header.map(({ tokens }) => toInlines(tokens)),
        rows: token.rows.map(toRow),
      };
    case "space":
    case "def":
    case "checkbox":
      return undefined;
    case "list_item":
    case "br":
    case "codespan":
    case "del":
    case "em":
    case "escape":
    case "html":
    case "image":
    case "link":
    case "reference":
    case "strong":
      return { kind: "paragraph", inside: toInlines([token]) };
    default:
      return token satisfies never;
  }
}

/** A block of code; `info` is what stands behind the fence. Newlines at its end are not part of it. */
export function toCode(info: string, text: string): CodeNode {
  let end = text.length;
  while (end > 0 && text[end - 1] === "\n") end -= 1;
  const [language = ""] = /^[\w+#.-]{1,30}/.exec(info.trim()) ?? [];
  return { kind: "code", language, text: text.slice(0, end) };
}

function toList(token: Tokens.List, done: boolean): ListNode {
  const start = typeof token.start === "number" ? token.start : undefined;
  return { kind: "list", start, loose: token.loose, items: token.items.map((item) => toItem(item, done)) };
}

/** In a loose list marked calls texts paragraphs and moves the box into them; ours are the same in both. */
export function toItem({ tokens, task, checked }: Tokens.ListItem, done: boolean): Item {
  const inside = toNodes(tokens, done);
  return task ? { inside, done, checked: checked === true } : { inside, done };
}

export const toRow = (row: readonly Tokens.TableCell[]): readonly Cell[] => row.map(({ tokens }) => toInlines(tokens));

const textOf = (text: string): readonly Inline[] => [{ kind: "text", text: decodeEntities(text) }];

function toInlines(tokens: readonly Token[]): readonly Inline[] {
  const inlines: Inline[] = [];
  for (const token of tokens) {
    const inline = toInline(token);
    const last = inlines.at(-1);
    if (inline === undefined) continue;
    if (inline.kind === "text" && last?.kind === "text") {
      inlines[inlines.length - 1] = { kind: "text", text: last.text + inline.text };
    } else inlines.push(inline);
  }
  return inlines;
}

function toInline(token: Raw): Inline | undefined {
  if (!isKnown(token)) return { kind: "text", text: token.raw };
  switch (token.type) {
    case "text":
      if (token.tokens !== undefined) return { kind: "text", text: plain(toInlines(token.tokens)) };
      return { kind: "text", text: decodeEntities(token.text) };
    case "escape":
      return { kind: "text", text: token.text };
    case "codespan":
      return { kind: "code", text: token.text };
    case "strong":
      return { kind: "strong", inside: toInlines(token.tokens) };
    case "em":
      return { kind: "emphasis", inside: toInlines(token.tokens) };
    case "del":
      return { kind: "deleted", inside: toInlines(token.tokens) };
    case "br":
      return { kind: "break" };
    case "html":
      // The one tag that models write for want of another: a line's end in a table's cell.
      return /^<br[ ]?\/?>$/i.test(token.raw) ? { kind: "break" } : { kind: "text", text: token.raw };
    case "math":
      return { kind: "math", tex: token.text, display: token.display };
    case "link":
      return { kind: "link", address: readAddress(token.href, token.autolink), inside: toInlines(token.tokens) };
    case "image":
      return { kind: "image", address: readAddress(token.href), alt: decodeEntities(token.text) };
    case "reference":
      return {
        kind: "reference",
        label: token.label,
        image: token.image,
        rest: token.rest,
        inside: toInlines(token.tokens),
      };
    case "checkbox":
      return undefined;
    case "blockquote":
    case "code":
    case "def":
    case "heading":
    case "hr":
    case "list":
    case "list_item":
    case "paragraph":
    case "space":
    case "table":
      return { kind: "text", text: token.raw };
    default:
      return token satisfies never;
  }
}

const readAddress = (href: string, literal = false): string => (literal ? href : decodeEntities(href));

/** What is left of a tree without its marks. */
export function plain(inlines: readonly Inline[]): string {
  return inlines
    .map((inline) => {
      switch (inline.kind) {
        case "text":
        case "code":
          return inline.text;
        case "math":
          return inline.tex;
        case "image":
          return inline.alt;
        case "break":
          return "\n";
        case "strong":
        case "emphasis":
        case "deleted":
        case "link":
        case "reference":
          return plain(inline.inside);
        default:
          return inline satisfies never;
      }
    })
    .join("");
}
