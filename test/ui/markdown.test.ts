// Proves how a growing text becomes blocks, and which addresses may be followed. The drawing itself is proved in a browser.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createBlockReader, type Block } from "../../src/ui/markdown/blocks.ts";
import { readEntities } from "../../src/ui/markdown/entities.ts";
import { claimedHost, isOwnImage, readTarget } from "../../src/ui/markdown/links.ts";

const pieces = [
  "# Title\n\n",
  "A paragraph with **bold** and `code`.\n\n",
  "- one\n- two\n\n  still two\n\n",
  "1. first\n2. second\n   - nested\n\n",
  "> quoted\n> text\n\n",
  "```ts\nconst a = `x`;\n\n# no title\n```\n\n",
  "~~~\n```\n~~~\n\n",
  "| a | b |\n| - | -: |\n| 1 | 2 |\n\n",
  "Setext\n======\n\n",
  "a line\n---\n\n",
  "<div>\nhtml\n</div>\n\n",
  "$$\nx^2\n$$\n\n",
  "Euler: \\(e^{i\\pi}\\) and $5 to $10\n\n",
  "[a link][ref] and ![image](https://evil.example/x.png)\n\n",
  "[ref]: https://example.com\n\n",
  "    indented code\n\n",
  "---\n\n",
  "loose text",
  "\n",
  "*",
  "🙂 ",
  "- [ ] task\n- [x] done\n\n",
];
const text = fc.array(fc.constantFrom(...pieces), { maxLength: 14 }).map((all) => all.join(""));
type Groups = ReturnType<ReturnType<typeof createBlockReader>>;
const said = (groups: Groups): unknown => groups.flat().map(({ raw, token }) => [raw, token]);

describe("blocks", () => {
  test("MK1 B01 however a text is cut into pieces, its blocks at the end are those of the whole read at once", () => {
    fc.assert(
      fc.property(text, fc.array(fc.nat(400), { maxLength: 30 }), (whole, cuts) => {
        const read = createBlockReader();
        for (const at of [...cuts].sort((a, b) => a - b)) if (at < whole.length) read(whole.slice(0, at), true);
        expect(said(read(whole, false))).toEqual(said(createBlockReader()(whole, false)));
      }),
      { numRuns: 400 },
    );
  });

  test("MK2 while a text grows, a finished block stays the same object", () => {
    const whole = pieces.join("").repeat(2);
    const read = createBlockReader();
    let before: readonly Block[] = [];
    let replaced = 0;
    for (let at = 1; at <= whole.length; at++) {
      const now = read(whole.slice(0, at), true).flat();
      // The last two may still become something else by what follows.
      replaced += before.slice(0, -3).filter((block, i) => now[i] !== block).length;
      before = now;
    }
    expect(replaced).toBe(0);
    expect(before.length).toBeGreaterThan(30);
  });

  test("MK2 a long text is read in time that grows with its length, not with its square", () => {
    const cost = (length: number): number => {
      const whole = pieces.join("").repeat(Math.ceil(length / pieces.join("").length));
      const read = createBlockReader();
      const began = performance.now();
      for (let at = 20; at < length; at += 20) read(whole.slice(0, at), true);
      return performance.now() - began;
    };
    cost(5000);
    const [short, long] = [cost(10_000), cost(40_000)];
    // Four times the text; its square would be sixteen times.
    expect(long / short).toBeLessThan(8);
  });

  test("MK3 what is unfinished at the end is shown healed", () => {
    const show = (text: string): string =>
      JSON.stringify(
        createBlockReader()(text, true)
          .flat()
          .map(({ token }) => token),
      );
    expect(show("a **bold")).toContain('"type":"strong"');
    expect(show("```ts\nlet a")).toContain('"type":"code"');
    expect(show("see [here](https://exam")).not.toContain('"href":"https://exam"');
  });

  test("MK3 another text in its place is read anew", () => {
    const read = createBlockReader();
    read("# one\n\ntwo\n\nthree\n\nfour", true);
    expect(said(read("other", true))).toEqual(said(createBlockReader()("other", true)));
  });
});

describe("addresses", () => {
  test.each([
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)",
    "java\tscript:alert(1)",
    " \u0001javascript:alert(1)",
    "vbscript:x",
    "data:text/html,<script>alert(1)</script>",
    "//evil.example/x",
    "/relative",
    "file:///etc/passwd",
    "blob:https://a/b",
    "https://user:secret@evil.example/",
    "https://",
    "http:evil.example",
  ])("MK4 LO04 %j is not followed", (address) => {
    expect(readTarget(readEntities(address))).toBeUndefined();
  });

  test("MK4 LO04 whatever the address, only http, https and mailto come through", () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.webUrl(),
          fc.string().map((tail) => `javascript:${tail}`),
        ),
        (address) => {
          const target = readTarget(address);
          if (target !== undefined) expect(target.href).toMatch(/^(https?:\/\/[^@]|mailto:)/);
        },
      ),
      { numRuns: 2000 },
    );
  });

  test("MK4 LO04 a scheme hidden in character references is read before it is judged", () => {
    expect(readTarget(readEntities("&#106;avascript&colon;alert(1)"))).toBeUndefined();
    expect(readTarget(readEntities("java&#x73;cript:alert(1)"))).toBeUndefined();
    expect(readTarget(readEntities("https://a.example/?a=1&amp;b=2"))?.href).toBe("https://a.example/?a=1&b=2");
  });

  test("MK5 the host is named as it is really called", () => {
    expect(readTarget("https://раураl.com/")?.host).toBe("xn--l-7sba6dbr.com");
    expect(claimedHost("paypal.com")).toBe("paypal.com");
    expect(claimedHost("https://paypal.com/login")).toBe("paypal.com");
    expect(claimedHost("click here")).toBeUndefined();
  });

  test("MK6 LO01 LO03 only pictures of our own files are fetched", () => {
    expect(isOwnImage("/api/v1/files/01a2-b3")).toBe(true);
    for (const address of [
      "https://evil.example/a.png",
      "/api/v1/files/../x",
      "//evil/api/v1/files/a",
      "/api/v1/files/a?u=x",
    ]) {
      expect(isOwnImage(address), address).toBe(false);
    }
  });

  test("character references become characters, never markup; unknown ones stay as written", () => {
    expect(readEntities("a &lt;b&gt; &amp; &copy; &#128578; &#x1F642; &nope; &#0; &#x110000;")).toBe(
      "a <b> & © 🙂 🙂 &nope; \uFFFD \uFFFD",
    );
  });
});
