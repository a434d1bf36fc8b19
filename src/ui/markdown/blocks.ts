// Owns the splitting of a growing text into blocks of Markdown tokens: finished blocks are kept as they are, only the end is read again. Pure.
import { Marked, type Token } from "marked";
import remend from "remend";
import { maths } from "./maths-syntax.ts";

/** A block: one top-level token. The object is the same until its text changes. `open`: it may still grow. */
export type Block = { readonly raw: string; readonly token: Token; readonly open: boolean };

/** Groups of blocks: of a long text all but the last are the same objects from one reading to the next. */
export type BlockReader = (text: string, streaming: boolean) => readonly (readonly Block[])[];

const marked = new Marked({ gfm: true, async: false, extensions: maths });

/** So many blocks at the end of a growing text may still become something else by what follows. */
const unsettled = 2;
const groupSize = 16;

/** Reads one text as it grows. A text that is not the former one going on is read anew. */
export function createBlockReader(): BlockReader {
  let text = "";
  let finished = false;
  /** Groups of which every block is finished for good. */
  let full: (readonly Block[])[] = [];
  /** Finished blocks behind the full groups. */
  let settled: readonly Block[] = [];
  /** How much of the text the finished blocks are. */
  let length = 0;
  /** What was shown behind the full groups. */
  let behind: readonly Block[] = [];
  let groups: readonly (readonly Block[])[] = [];

  const read = (streaming: boolean): void => {
    const tokens = marked.lexer(text.slice(length));
    if (streaming) {
      const done = finishedOf(tokens);
      settled = [...settled, ...keep(behind.slice(settled.length), blocksOf(done, false))];
      length += done.reduce((sum, token) => sum + token.raw.length, 0);
    }
    const rest = streaming ? marked.lexer(remend(text.slice(length))) : tokens;
    behind = [...settled, ...keep(behind.slice(settled.length), blocksOf(rest, streaming))];
    const last = groupsOf(behind, groups.slice(full.length));
    groups = [...full, ...last];
    while (settled.length >= groupSize) {
      full.push(groups[full.length] ?? []);
      settled = settled.slice(groupSize);
      behind = behind.slice(groupSize);
    }
  };

  return (next, streaming) => {
    if (next === text && finished === !streaming && groups.length > 0) return groups;
    if (next.slice(0, text.length) !== text || !streaming || finished) {
      // At the end the whole is read once more: a definition at the end may have changed a link at the beginning.
      behind = groups.flat();
      full = [];
      settled = [];
      length = 0;
    }
    text = next;
    finished = !streaming;
    read(streaming);
    return groups;
  };
}

/** The tokens in front of the last blocks: nothing that follows can change them. */
function finishedOf(tokens: readonly Token[]): readonly Token[] {
  const solid = tokens.flatMap((token, i) => (isSolid(token) ? [i] : []));
  return tokens.slice(0, solid.at(-unsettled) ?? 0);
}

const isSolid = (token: Token): boolean => token.type !== "space" && token.type !== "def";

function blocksOf(tokens: readonly Token[], streaming: boolean): Block[] {
  const solid = tokens.filter(isSolid);
  return solid.map((token, i) => ({ raw: token.raw, token, open: streaming && i === solid.length - 1 }));
}

/** In groups; the old group where all of its blocks are the same. */
function groupsOf(blocks: readonly Block[], before: readonly (readonly Block[])[]): readonly (readonly Block[])[] {
  const count = Math.ceil(blocks.length / groupSize);
  return Array.from({ length: count }, (_, i) => {
    const group = blocks.slice(i * groupSize, (i + 1) * groupSize);
    const old = before[i];
    return old?.length === group.length && group.every((block, at) => block === old[at]) ? old : group;
  });
}

/** The old block where the new one says the same at the same place. */
function keep(before: readonly Block[], after: readonly Block[]): readonly Block[] {
  return after.map((block, i) => {
    const old = before[i];
    return old !== undefined && isSame(old, block) ? old : block;
  });
}

/** A text with reference links reads differently once its definitions have come: then the tokens are compared too. */
const isSame = (a: Block, b: Block): boolean =>
  a.raw === b.raw && a.open === b.open && (!a.raw.includes("[") || JSON.stringify(a.token) === JSON.stringify(b.token));
