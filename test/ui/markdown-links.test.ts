// Proves which addresses lead anywhere, and that nothing gets around it.
import fc from "fast-check";
import { expect, test } from "vitest";
import { decodeEntities } from "../../src/ui/markdown/entities.ts";
import { isMisleading, readOwnFile, readTarget } from "../../src/ui/markdown/links.ts";
import { grow, noBlocks } from "../../src/ui/markdown/blocks.ts";

test.each([
  "javascript:alert(1)",
  "JaVaScRiPt:alert(1)",
  " javascript:alert(1)",
  "java\tscript:alert(1)",
  "java\nscript:alert(1)",
  "\u0001javascript:alert(1)",
  "data:text/html,<script>alert(1)</script>",
  "vbscript:x",
  "file:///etc/passwd",
  "blob:https://a.b/c",
  "ftp://a.b",
  "//evil.example",
  "\\\\evil.example",
  "/path",
  "path",
  "?q",
  "#a",
  "",
  "https://",
  "https://good.example@evil.example/",
  "https://user:pass@evil.example/",
  "view-source:https://a.b",
  "javascript&#58;alert(1)",
  "javascript&colon;alert(1)",
  "httpsx://a.b",
  "http:evil.example",
  "/relative",
  " \u0001javascript:alert(1)",
])("LO04 MK4 leads nowhere: %j", (address) => {
  expect(readTarget(address)).toBeUndefined();
});

test("LO04 MK4 whatever address is made of tricks leads by http, https or mail, or nowhere", () => {
  const tricks = [
    "java",
    "script",
    "JAVA",
    ":",
    "&#58;",
    "&colon;",
    "&#x3a;",
    "data:",
    "text/html,",
    "vbscript:",
    "//",
    "/",
    "\\",
  ];
  const more = [
    "\t",
    "\n",
    "\r",
    "\u0000",
    "\u0001",
    " ",
    "%0a",
    "@",
    "evil.example",
    "http",
    "https",
    "mailto:",
    "HTTPS://",
    "?",
    "#",
    "ａ",
    "\u202E",
  ];
  const address = fc.array(fc.constantFrom(...tricks, ...more), { maxLength: 10 }).map((parts) => parts.join(""));
  fc.assert(
    fc.property(address, (text) => {
      const target = readTarget(text);
      if (target === undefined) return;
      expect(target.href).toMatch(/^(?:https?:\/\/[^/@\\\s]+\/|mailto:)/);
      expect(new URL(target.href).href).toBe(target.href);
      if (!target.href.startsWith("mailto:")) expect(target.place).toBe(new URL(target.href).host);
    }),
    { numRuns: 3000 },
  );
});

test("LO04 an entity in an address is read before the address is checked", () => {
  const [block] = grow(noBlocks, "[a](javascript&#58;alert(1)) [b](https://a.b/?x=1&amp;y=2)", true).shown;
  if (block?.node.kind !== "paragraph") throw new Error("It is no paragraph.");
  const addresses = block.node.inside.flatMap((inline) => (inline.kind === "link" ? [inline.address] : []));
  expect(addresses).toEqual(["javascript:alert(1)", "https://a.b/?x=1&y=2"]);
  expect(addresses.map((address) => readTarget(address)?.href)).toEqual([undefined, "https://a.b/?x=1&y=2"]);
});

test("MK7 character references become characters, never markup; unknown ones stay as written", () => {
  expect(decodeEntities("a &lt;b&gt; &amp; &copy; &#128578; &#x1F642; &nope; &#0; &#x110000;")).toBe(
    "a <b> & © 🙂 🙂 &nope; \uFFFD \uFFFD",
  );
  expect(readTarget(decodeEntities("&#106;avascript&colon;alert(1)"))).toBeUndefined();
  expect(readTarget(decodeEntities("java&#x73;cript:alert(1)"))).toBeUndefined();
});

test("LO04 MK5 the real host is told in ASCII", () => {
  expect(readTarget("https://аpple.com/")?.place).toBe("xn--pple-43d.com");
  expect(readTarget("HTTPS://EXAMPLE.com:8443/a")?.place).toBe("example.com:8443");
  expect(readTarget("mailto:a@b.c?subject=x")?.place).toBe("a@b.c");
});

test.each([
  ["paypal.com", "https://evil.example/", true],
  ["https://paypal.com/login", "https://evil.example/", true],
  ["Go to www.bank.com now", "https://bank.com.evil.example/", true],
  ["аpple.com", "https://apple.com/", true],
  ["ｐａｙｐａｌ．com", "https://evil.example/", true],
  ["support@bank.com", "mailto:x@evil.example", true],
  ["example.com/docs", "https://www.example.com/docs", false],
  ["https://example.com", "https://example.com/", false],
  ["the docs", "https://example.com/", false],
  ["a@b.org", "mailto:a@b.org", false],
])("LO04 MK5 a text %j to %j is misleading: %j", (text, address, expected) => {
  const target = readTarget(address);
  expect(target !== undefined && isMisleading(text, target)).toBe(expected);
});

test("LO01 LO03 MK6 of this host only files are shown in place", () => {
  expect(readOwnFile("/api/v1/files/0197-ab_C")).toBe("/api/v1/files/0197-ab_C");
  for (const address of [
    "/api/v1/files/../../x",
    "/api/v1/files/a/b",
    "/api/v1/files/a?x=1",
    "//evil/api/v1/files/a",
    "/x",
    "https://h/api/v1/files/a",
  ]) {
    expect(readOwnFile(address), address).toBeUndefined();
  }
});
