// Owns what a search finds in one text, and how it is shown.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { findSnippet, foldText, needleOf } from "../../src/domain/search.ts";
import type { Message, Snippet } from "../../src/protocol/index.ts";

const messageOf = (...parts: Message["parts"]): Message => ({
  id: "m-1",
  role: "user",
  parts,
  metadata: { createdAt: "", parent: null },
});
const find = (text: string, query: string): Snippet | undefined => {
  const needle = needleOf(query);
  return needle === undefined ? undefined : findSnippet(messageOf({ type: "text", text }), needle);
};
const hitOf = ({ text, at }: Snippet): string => text.slice(...at);

describe("what a search finds", () => {
  it.each([
    ["The quick brown fox", "BROWN f", "brown f"],
    ["Straße 7", "STRASSE", "Straße"],
    ["Straße 7", "strasse 7", "Straße 7"],
    ["mas\u0323\u0307se", "maßE", "mas\u0323\u0307se"],
    ["Éclair", "eclair", "Éclair"],
    ["e\u0301clair au café", "CAFE\u0301", "café"],
    ["e\u0301clair", "é", "e\u0301"],
    ["ΟΔΟΣ και οδός", "οδοσ κ", "ΟΔΟΣ κ"],
    ["οδός", "ΟΔΟΣ", "οδός"],
    ["İstanbul", "istanbul", "İstanbul"],
    ["ısırgan", "ISIRGAN", "ısırgan"],
    ["ﬁle ｆｕｌｌ", "FILE full", "ﬁle ｆｕｌｌ"],
    ["مُحَمَّد", "محمد", "مُحَمَّد"],
    ["Й ё", "й Е", "Й ё"],
    ["안녕하세요", "하세", "하세"],
    ["say 👩‍👩‍👧‍👦 and go", "👩‍👩‍👧‍👦", "👩‍👩‍👧‍👦"],
    ["naïve 🏳️‍🌈 x", "NAIVE 🏳‍🌈", "naïve 🏳️‍🌈"],
    ["a\u0000b", "A\u0000B", "a\u0000b"],
  ])("SR1 SR2 in %j, %j is %j", (text, query, hit) => {
    expect(find(text, query)).toMatchObject({ message: "m-1" });
    expect(hitOf(find(text, query) ?? { message: "", text: "", at: [0, 0] })).toBe(hit);
  });

  it.each([
    ["क", "का"],
    ["か", "きが"],
    ["abc", "abd"],
  ])("SR1 in %j there is no %j", (text, query) => {
    expect(find(text, query)).toBeUndefined();
  });

  it("SR1 a query of nothing, or of marks alone, is none", () => {
    for (const query of [undefined, "", "  ", "\u0301", "\n\t"]) expect(needleOf(query)).toBeUndefined();
  });

  it("SR2 the snippet is cut between characters, about 120 of them, around the first hit", () => {
    const family = "👩‍👩‍👧‍👦";
    const long = `${family.repeat(60)} needle ${family.repeat(60)} needle`;
    const found = find(long, "NEEDLE");
    expect(found && hitOf(found)).toBe("needle");
    expect(found?.text.replaceAll(family, "")).toBe(" needle ");
    expect(found?.text.length).toBeGreaterThan(60);
    expect(found?.text.length).toBeLessThan(140);
    expect(long.indexOf(found?.text ?? "?")).toBeGreaterThan(0);
    expect(find(`needle${"x".repeat(500)}`, "needle")).toMatchObject({ text: `needle${"x".repeat(50)}`, at: [0, 6] });
    expect(find(`${"x".repeat(500)}needle`, "needle")).toMatchObject({ text: `${"x".repeat(50)}needle`, at: [50, 56] });
    // A hit as long as a query can be is there whole.
    expect(find(`${"y".repeat(90)}${"x".repeat(200)}`, "x".repeat(200))).toMatchObject({ at: [50, 250] });
  });

  it("SR3 reasoning is not searched, and of several texts the first with a hit is shown", () => {
    const message = messageOf(
      { type: "reasoning", text: "needle" },
      { type: "text", text: "nothing" },
      { type: "text", text: "a needle" },
      { type: "text", text: "another needle" },
    );
    expect(findSnippet(message, "NEEDLE")).toEqual({ message: "m-1", text: "a needle", at: [2, 8] });
    expect(findSnippet(messageOf({ type: "reasoning", text: "needle" }), "NEEDLE")).toBeUndefined();
  });

  it("SR1 SR2 whatever the text: a part of it is found, and what is shown is of it, whole, with the hit in it", () => {
    const text = fc.string({ unit: "grapheme", maxLength: 300 });
    fc.assert(
      fc.property(text, text, text, fc.boolean(), (before, part, after, lower) => {
        const whole = before + part + after;
        const query = (lower ? part.toLowerCase() : part.toUpperCase()).trim();
        const needle = needleOf(query);
        fc.pre(needle !== undefined && query.length <= 200 && foldText(whole).includes(needle));
        const found = find(whole, query);
        if (found === undefined) throw new Error("not found");
        const [start, end] = found.at;
        expect(whole).toContain(found.text);
        expect([start >= 0, start < end, end <= found.text.length]).toEqual([true, true, true]);
        expect(foldText(hitOf(found))).toContain(needle);
        expect(found.text.isWellFormed()).toBe(true);
      }),
      { numRuns: 2_000 },
    );
  });

  it("SR2 lone halves of characters, and a hundred thousand marks on one letter, do no harm", () => {
    const marks = "\u0301".repeat(100_000);
    const odd = [
      "\ud800needle",
      "needle\udc00",
      `a${marks}needle`,
      `needl${marks}e`,
      `needle${marks}`,
      `${marks}needle`,
    ];
    for (const text of [...odd, `${"😀".repeat(99)}xneedle${"😀".repeat(99)}`]) {
      const found = find(text, "needle");
      expect(found && foldText(hitOf(found))).toMatch(/^NEEDLE?$/);
      expect(found?.text.length).toBeLessThan(700);
      if (text.isWellFormed()) expect(found?.text.isWellFormed()).toBe(true);
    }
  });
});
