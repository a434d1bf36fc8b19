// Proves the splitting of a growing text: however it comes, its blocks are those of the whole, and what is finished stays.
import fc from "fast-check";
import { Lexer } from "marked";
import { describe, expect, test, vi } from "vitest";
import { grow, noBlocks, type Blocks } from "../../src/ui/markdown/blocks.ts";
import { lex } from "../../src/ui/markdown/lexer.ts";
import { plain, toNodes, type Inline, type Node } from "../../src/ui/markdown/nodes.ts";
import { beginnings, bombs, cutText, longTexts, markdownText } from "./markdown-texts.ts";

const whole = (text: string): Blocks => grow(noBlocks, text, true);
const nodesOf = (blocks: Blocks): readonly Node[] => blocks.shown.map(({ node }) => node);
const show = (text: string): readonly Node[] => nodesOf(grow(noBlocks, text, false));

function stream(text: string, steps: readonly number[]): Blocks {
  let blocks = noBlocks;
  for (const beginning of beginnings(text, steps)) blocks = grow(blocks, beginning, false);
  return grow(blocks, text, true);
}

describe("blocks of a growing text", () => {
  test("MK1 for every split of a text the blocks at the end are those of the whole at once", () => {
    fc.assert(
      fc.property(cutText, ([text, steps]) => {
        const [streamed, read] = [stream(text, steps), whole(text)];
        expect(streamed.shown).toEqual(read.shown);
        expect(streamed.definitions).toEqual(read.definitions);
      }),
      { numRuns: 3000 },
    );
  });

  test("MK1 the blocks are those of a lexer that reads all at once", () => {
    fc.assert(
      fc.property(markdownText, (text) => {
        const read = lex(text.replaceAll("\r\n", "\n"));
        expect(nodesOf(whole(text))).toEqual(toNodes(read.tokens, true));
        expect(whole(text).definitions).toEqual({ ...read.definitions });
      }),
      { numRuns: 2000 },
    );
  });

  test("MK1 a text that goes on after its end, or is another one, is read anew where it must be", () => {
    const stopped = stream("- a\n- b\n\nHalf a li", [3]);
    expect(grow(stopped, "- a\n- b\n\nHalf a line\n\n# End", true).shown).toEqual(
      whole("- a\n- b\n\nHalf a line\n\n# End").shown,
    );
    expect(grow(stopped, "Restarted", false).shown).toEqual(grow(noBlocks, "Restarted", false).shown);
  });

  test("MK2 what is finished keeps its identity: blocks, items, rows", () => {
    fc.assert(
      fc.property(cutText, ([text, steps]) => {
        let before = noBlocks;
        for (const beginning of beginnings(text, steps)) {
          const after = grow(before, beginning, false);
          for (const [i, block] of before.shown.entries()) if (block.done) expect(after.shown[i]).toBe(block);
          before = after;
        }
      }),
      { numRuns: 500 },
    );
    const list = grow(noBlocks, "- one\n- two\n- thr", false);
    const [first, second] = [list, grow(list, "- one\n- two\n- three\n- f", false)].map(({ shown }) => shown[0]?.node);
    if (first?.kind !== "list" || second?.kind !== "list") throw new Error("It is no list.");
    expect(second.items[0]).toBe(first.items[0]);
    expect(second.items).toHaveLength(4);
    const table = grow(noBlocks, "| a |\n|---|\n| 1 |\n| 2 |\n| 3", false);
    const [one, two] = [table, grow(table, "| a |\n|---|\n| 1 |\n| 2 |\n| 3 |\n| 4", false)].map(
      ({ shown }) => shown[0]?.node,
    );
    if (one?.kind !== "table" || two?.kind !== "table") throw new Error("It is no table.");
    expect(two.rows.slice(0, 2).every((row, i) => row === one.rows[i])).toBe(true);
    expect(two.rows).toHaveLength(4);
    expect(two.align).toBe(one.align);
  });

  test.each(Object.keys(longTexts))("MK2 four times the text is four times the reading: %s", (kind) => {
    const read = (length: number): number => {
      const spy = vi.spyOn(Lexer.prototype, "lex");
      stream(longTexts[kind]?.(length) ?? "", [20]);
      const characters = spy.mock.calls.reduce((sum, [text]) => sum + text.length, 0);
      spy.mockRestore();
      return characters;
    };
    const [short, long] = [read(12_500), read(50_000)];
    expect(long).toBeLessThan(short * 4.4 + 1000);
    // Not more than a few times what there is to read, although it came in 2,500 pieces.
    expect(long).toBeLessThan(50_000 * 20);
    if (kind !== "code") expect(long).toBeGreaterThan(50_000);
  });
});

test.each(Object.keys(bombs))("MK2 a text that is made to exhaust its reader is read: %s", (name) => {
  const text = bombs[name]?.(20_000) ?? "";
  for (const done of [true, false]) {
    const started = performance.now();
    const { shown } = grow(noBlocks, text, done);
    // Without bounds these took seconds, or the stack.
    expect(performance.now() - started).toBeLessThan(1000);
    expect(depthOf(shown)).toBeLessThan(100);
  }
});

/** How deep a tree is, without going down into it by calls. */
function depthOf(tree: unknown): number {
  let [level, depth]: [unknown[], number] = [[tree], 0];
  for (; level.length > 0; depth++) {
    level = level.flatMap((node) => (typeof node === "object" && node !== null ? Object.values(node) : []));
  }
  return depth;
}

test("MK1 a paragraph that is longer than one reading is drawn whole", () => {
  const text = "Some **bold** words and `code`, ".repeat(1000);
  expect(plain(inlineOf(text)).trimEnd() === "Some bold words and code, ".repeat(1000).trimEnd()).toBe(true);
});

describe("the unfinished end", () => {
  const words = (text: string): string => JSON.stringify(show(text));

  test("MK3 emphasis, code and links that are open are closed, the link inert", () => {
    expect(show("A **bold")).toEqual(show("A **bold**"));
    expect(show("A `code")).toEqual(show("A `code`"));
    expect(show("~~gone")).toEqual(show("~~gone~~"));
    expect(words("See [the docs](https://exam")).toContain('"address":"streamdown:incomplete-link"');
    expect(words("![alt](https://evil.example/?q=SEC")).not.toContain("evil.example");
  });

  test("MK3 a line of nothing but marks waits, so that nothing is a list, a rule or a heading for one frame", () => {
    for (const end of ["-", "- ", "--", "=", "#", "> ", "1", "12.", "```", "`", "|", "|--|", "**", "- **", "$$", "["]) {
      expect(show(`Some text\n${end}`), end).toEqual(show("Some text"));
      expect(show(`- a\n\n${end}`), end).toEqual(show("- a\n\n"));
    }
    expect(JSON.stringify(show("```js\na\n``"))).toBe(JSON.stringify(show("```js\na\n")));
  });

  test("MK3 a table shows with its second line, not as text before it", () => {
    expect(show("Text\n\n| a | b |\n|--")).toEqual(show("Text\n\n"));
    expect(show("Text\n\n| a | b |\n|---|---|\n").map(({ kind }) => kind)).toEqual(["paragraph", "table"]);
  });

  test("MK3 at the end nothing is healed: every mark is there", () => {
    const [node] = nodesOf(whole("A **bold\n-"));
    expect(node).toEqual({ kind: "heading", depth: 2, inside: [{ kind: "text", text: "A **bold" }] });
    expect(nodesOf(whole("[a](https://b"))).not.toEqual(show("[a](https://b"));
  });

  test("MK3 an open block of code is code, and its end without a newline is its end", () => {
    expect(show("```js\nlet a = 1")).toEqual([{ kind: "code", language: "js", text: "let a = 1" }]);
    expect(nodesOf(whole("````md\n```\nin\n```\n````"))).toEqual([
      { kind: "code", language: "md", text: "```\nin\n```" },
    ]);
    expect(nodesOf(whole("```\na"))).toEqual([{ kind: "code", language: "", text: "a" }]);
  });
});

/** The inside of a text that is one paragraph. */
const inlineOf = (text: string): readonly Inline[] => {
  const [node] = nodesOf(whole(text));
  if (node?.kind !== "paragraph") throw new Error(`It is no paragraph: ${text}`);
  return node.inside;
};

describe("formulas", () => {
  const formulas = (text: string): readonly string[] =>
    inlineOf(text).flatMap((inline) => (inline.kind === "math" ? [inline.tex] : []));

  test.each([
    "It costs $5 and $10.",
    "From $5-$10, or 5$ to 10$.",
    "US$ and A$, or $ 5 $.",
    "Between $1,000 and $2,000 a month",
    "$5, or 6$ maybe",
    "Set $HOME and `$PATH$` first",
    "Escaped \\$a\\$ stays",
  ])("MK9 prices and variables are no formulas: %s", (text) => {
    expect(formulas(text)).toEqual([]);
    expect(plain(inlineOf(text)).replaceAll("`", "")).toContain("$");
  });

  test.each([
    ["Let $x$ be, and $E = mc^2$.", ["x", "E = mc^2"]],
    ["As \\(a_1 * b_2\\) and \\[c\\] say", ["a_1 * b_2", "c"]],
    ["$a_b$ and $c_d$ keep *their* marks", ["a_b", "c_d"]],
    ["$2x + 1 = 5$ and $5$", ["2x + 1 = 5", "5"]],
  ])("MK9 formulas in a line: %s", (text, expected) => {
    expect(formulas(text)).toEqual(expected);
  });

  test("MK9 formulas in lines of their own, also right behind a paragraph, with lines that look like lists", () => {
    const text = "So:\n$$\na\n+ b\n- c\n$$\nThen\n\\[\nx\n\\]\n";
    expect(nodesOf(whole(text)).map((node) => (node.kind === "math" ? node.tex : node.kind))).toEqual([
      "paragraph",
      "a\n+ b\n- c",
      "paragraph",
      "x",
    ]);
    expect(nodesOf(whole("$$\nnever closed\n\ntext")).map(({ kind }) => kind)).toEqual(["paragraph", "paragraph"]);
  });
});

describe("definitions", () => {
  test("MK11 a definition at the end is known, the first of a label counts, and no block changes by it", () => {
    const before = grow(noBlocks, "See [docs] and [the page][docs].\n\nMore\n\n", false);
    const after = grow(
      before,
      "See [docs] and [the page][docs].\n\nMore\n\n[docs]: https://a.b\n[docs]: https://c.d\n",
      false,
    );
    expect(after.shown[0]).toBe(before.shown[0]);
    expect({ ...before.definitions }).toEqual({});
    expect(after.definitions["docs"]?.href).toBe("https://a.b");
  });

  test("MK11 a definition is one line: a quotation mark far below takes no text away", () => {
    const text = '[x]: /u\n"A quotation\n\nof two paragraphs"\n\n[x]';
    expect(stream(text, [3]).shown).toEqual(whole(text).shown);
    expect(nodesOf(whole(text))).toHaveLength(3);
  });

  test("MK11 no label finds what every object has", () => {
    const { definitions } = whole("[constructor] [__proto__]\n\n[__proto__]: https://a.b\n");
    expect(Object.hasOwn(definitions, "constructor")).toBe(false);
    expect(Object.keys(definitions)).toEqual(["__proto__"]);
  });
});
