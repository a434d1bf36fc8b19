// Owns the splitting of a growing text into blocks: finished ones are kept as they are and never read again, only the last is. It draws
// nothing and has no state of its own: each step gives the next.
import type { Token, Tokens } from "marked";
import { heal } from "./heal.ts";
import { lex, type Definitions } from "./lexer.ts";
import { toCode, toItem, toNode, toRow, type Cell, type Item, type Node, type TableNode } from "./nodes.ts";

export type Block = {
  readonly node: Node;
  /** Whether it can still change. */
  readonly done: boolean;
};

/** The last block, where it is one that grows by parts: the parts before the last are finished too. */
type Open =
  | {
      readonly kind: "list";
      readonly start: number | undefined;
      readonly ordered: boolean;
      readonly loose: boolean;
      readonly items: readonly Item[];
    }
  | {
      readonly kind: "table";
      /** Its first two lines: with them a later line is read as a row. */
      readonly lines: string;
      readonly frame: Omit<TableNode, "rows">;
      readonly rows: readonly (readonly Cell[])[];
    }
  | { readonly kind: "code"; readonly info: string; readonly fence: string; readonly from: number };

/** What is finished. All of it hangs on whole lines only, so it is the same however the text came in. */
type Kept = {
  readonly blocks: readonly Block[];
  /** Where in the text the rest begins, always at the start of a line. In open code: the first line not looked at. */
  readonly offset: number;
  /** How much of the text, in whole lines, has been looked at. */
  readonly seen: number;
  readonly open: Open | undefined;
  readonly definitions: Definitions;
};

export type Blocks = {
  readonly source: string;
  readonly done: boolean;
  readonly text: string;
  readonly kept: Kept;
  /** What is to be drawn: the finished blocks and the unfinished rest, made showable. */
  readonly shown: readonly Block[];
  readonly definitions: Definitions;
};

const nothing: Kept = { blocks: [], offset: 0, seen: 0, open: undefined, definitions: {} };
export const noBlocks: Blocks = { source: "", done: true, text: "", kept: nothing, shown: [], definitions: {} };

/** The blocks of `source`, from those of a beginning of it (or of anything: then all is read). `done`: no more comes. */
export function grow(before: Blocks, source: string, done: boolean): Blocks {
  if (before.source === source && before.done === done) return before;
  const text = source.includes("\r") ? source.replaceAll(/\r\n?/g, "\n") : source;
  const kept = keep(text.startsWith(before.text) ? before.kept : nothing, text);
  const { blocks, definitions } = showRest(kept, text, done);
  return { source, done, text, kept, shown: [...kept.blocks, ...blocks], definitions };
}

/** Reads the whole lines that are new. Of what they make, all but the last block is finished. */
function keep(before: Kept, text: string): Kept {
  const end = text.lastIndexOf("\n") + 1;
  let kept = before;
  while (kept.seen < end) kept = step(kept, text, end);
  return kept;
}

const fenceLine = /^(`{3,}(?=[^`\n]*\n)|~{3,})([^\n]*)\n/;

const unescape = (info: string): string => info.replaceAll(/\\([\p{P}\p{S}])/gu, "$1");

function step(kept: Kept, text: string, end: number): Kept {
  const { open } = kept;
  if (open?.kind === "code") return readCode(kept, open, text, end);
  const rest = text.slice(kept.offset, end);
  const [line, fence, info] = open === undefined ? (fenceLine.exec(rest) ?? []) : [];
  if (line !== undefined && fence !== undefined && info !== undefined) {
    const from = kept.offset + line.length;
    return { ...kept, offset: from, seen: from, open: { kind: "code", info: unescape(info), fence, from } };
  }
  return readBlocks(kept, rest, end);
}

const closingOf = (fence: string): RegExp => new RegExp(`^ {0,3}${fence}${fence.slice(0, 1)}* *$`);

/** Looks for the end of a block of code, line by line, each once. */
function readCode(kept: Kept, open: Open & { kind: "code" }, text: string, end: number): Kept {
  const closing = closingOf(open.fence);
  for (let at = kept.offset; at < end;) {
    const next = text.indexOf("\n", at) + 1;
    if (closing.test(text.slice(at, next - 1))) {
      const node = toCode(open.info, text.slice(open.from, at));
      return { ...kept, blocks: [...kept.blocks, { node, done: true }], offset: next, seen: next, open: undefined };
    }
    at = next;
  }
  return { ...kept, offset: end, seen: end };
}

function readBlocks(kept: Kept, rest: string, end: number): Kept {
  const head = headOf(kept.open);
  const { tokens, definitions } = lex(head + rest);
  const last = lastOf(tokens);
  const blocks = [...kept.blocks];
  let { offset, open } = kept;
  // A table's head was read before: it is in the first token once more.
  let at = -head.length;
  for (const [i, token] of tokens.entries()) {
    if (i === last) break;
    if (!rest.startsWith(token.raw.slice(Math.max(0, -at)), Math.max(0, at))) break;
    const node = join(open, token, true);
    if (node !== undefined) blocks.push({ node, done: true });
    open = undefined;
    at += token.raw.length;
    offset = kept.offset + Math.max(0, at);
  }
  const next = { blocks, offset, seen: end, definitions: define(kept.definitions, definitions) };
  const token = tokens[last];
  if (token === undefined) return { ...next, open };
  return { ...next, ...openLast(open, token, rest.slice(offset - kept.offset), offset) };
}

/** The first definition of a label counts. The same object, where there is nothing new: who draws looks at that. */
const define = (before: Definitions, found: Definitions): Definitions =>
  Object.keys(found).every((label) => Object.hasOwn(before, label)) ? before : { ...found, ...before };

/** The block that can still change. A formula that is not closed may turn out to be a line of the paragraph before it. */
function lastOf(tokens: readonly Token[]): number {
  const last = tokens.findLastIndex((token) => token.type !== "space");
  const token = tokens[last];
  if (token?.type !== "math" || !("closed" in token) || token.closed === true) return last;
  return Math.max(
    0,
    tokens.slice(0, last).findLastIndex((before) => before.type !== "space"),
  );
}

const headOf = (open: Open | undefined): string => (open?.kind === "table" ? open.lines : "");

const isList = (token: Token): token is Tokens.List => token.type === "list";
const isTable = (token: Token): token is Tokens.Table => token.type === "table";

/** The last block, as far as its parts are finished, and where its unfinished part begins. */
function openLast(
  open: Open | undefined,
  token: Token,
  rest: string,
  offset: number,
): { readonly open: Open | undefined; readonly offset: number } {
  if (isList(token)) {
    const finished = token.items.slice(0, -1);
    const length = finished.reduce((sum, { raw }) => sum + raw.length, 0);
    const before = open?.kind === "list" ? open : undefined;
    const joined = finished.map(({ raw }) => raw).join("");
    if (!rest.startsWith(joined) || (before === undefined && finished.length === 0)) return { open, offset };
    return {
      offset: offset + length,
      open: {
        kind: "list",
        ordered: token.ordered,
        start: before === undefined ? startOf(token) : before.start,
        loose: before?.loose === true || finished.some(makesLoose),
        items: [...(before?.items ?? []), ...finished.map((item) => toItem(item, true))],
      },
    };
  }
  if (isTable(token)) {
    const before = open?.kind === "table" ? open : undefined;
    const [lines] = before === undefined ? (/^[^\n]*\n[^\n]*\n/.exec(rest) ?? []) : [before.lines];
    const node = toNode(token, true);
    if (lines === undefined || node?.kind !== "table") return { open, offset };
    const { rows, ...frame } = node;
    // A blank line at the end is no row yet: what follows decides.
    const length = token.raw.replace(/(?:\n[ \t]*)+$/, "").length + 1 - (before === undefined ? 0 : lines.length);
    return {
      offset: offset + Math.max(0, Math.min(length, rest.length)),
      open: { kind: "table", lines, frame: before?.frame ?? frame, rows: [...(before?.rows ?? []), ...rows] },
    };
  }
  return { open: undefined, offset };
}

const startOf = (list: Tokens.List): number | undefined => (typeof list.start === "number" ? list.start : undefined);

/** What marked asks of an item that another follows: a blank line in it, or behind it. */
const makesLoose = (item: Tokens.ListItem): boolean =>
  /\n[ \t]*\n[ \t]*$/.test(item.raw) || item.tokens.some((token) => token.type === "space" && /\n.*\n/.test(token.raw));

/** A token as the rest of the open block, if there is one. */
function join(open: Open | undefined, token: Token, done: boolean): Node | undefined {
  if (open?.kind === "list" && isList(token)) {
    const items = [...open.items, ...token.items.map((item) => toItem(item, done))];
    return { kind: "list", start: open.start, loose: open.loose || token.loose, items };
  }
  if (open?.kind === "table" && isTable(token)) {
    return { ...open.frame, rows: [...open.rows, ...token.rows.map(toRow)] };
  }
  return toNode(token, done);
}

/** What is finished of the open block, where its next part has nothing to show yet. */
function openNode(open: Open | undefined): Node | undefined {
  if (open?.kind === "list") return { kind: "list", start: open.start, loose: open.loose, items: open.items };
  if (open?.kind === "table") return { ...open.frame, rows: open.rows };
  return undefined;
}

/** The unfinished rest. A definition in it counts only when its line is whole: until then its address grows. */
function showRest(kept: Kept, text: string, done: boolean): Pick<Kept, "blocks" | "definitions"> {
  const { open, offset } = kept;
  if (open?.kind === "code") return { ...kept, blocks: [{ node: showCode(open, text, done), done }] };
  const rest = text.slice(offset);
  const { tokens, definitions } = lex(headOf(open) + (done ? rest : heal(rest, open?.kind === "table")));
  const first = tokens.findIndex((token) => token.type !== "space");
  const blocks: Block[] = [];
  const alone = tokens[first]?.type === open?.kind ? undefined : openNode(open);
  if (alone !== undefined) blocks.push({ node: alone, done });
  for (const [i, token] of tokens.entries()) {
    const node = i === first ? join(open, token, done) : toNode(token, done);
    if (node !== undefined) blocks.push({ node, done });
  }
  return { blocks, definitions: done ? define(kept.definitions, definitions) : kept.definitions };
}

/** The closing fence may come without a newline behind it: at the end it counts, and what may become one waits. */
function showCode({ info, from, fence }: Open & { kind: "code" }, text: string, done: boolean): Node {
  const at = Math.max(from, text.lastIndexOf("\n") + 1);
  const isFence = (done ? closingOf(fence) : /^ {0,3}(?:`+|~+)? *$/).test(text.slice(at));
  return toCode(info, text.slice(from, isFence ? at : undefined));
}
