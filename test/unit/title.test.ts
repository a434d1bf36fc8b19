// Proves what becomes a title: words of a question in every script, a model's answer cleaned or refused.
import fc from "fast-check";
import { expect, test } from "vitest";
import { emptyConversation, applyEvents } from "../../src/domain/conversation.ts";
import { giveTitle, titleFromAnswer, titleFromWords } from "../../src/domain/title.ts";
import { conversation, viewOf } from "./view.ts";

test.each([
  ["# **How** do I _sort_ a `list` in [Python](https://x.example)?", "How do I sort a list in Python?"],
  ["```js\nlet x = 1\n```\nWhat does it do?", "What does it do?"],
  ["```\nx = 1\n```", "x = 1"],
  ["\n\n---\n> - [ ] quoted *task*\nmore", "quoted task"],
  ["2 * 3 * 4 = ? and snake_case_name", "2 * 3 * 4 = ? and snake_case_name"],
  ["\u202eevil\u0007\u0000 te\u200bxt\ufeff", "evil text"],
  ["half \ud83d of one", "half of one"],
  ["C# or C++?", "C# or C++?"],
  ["🙂", "🙂"],
  ["   \n\t\n---\n***\n", undefined],
  ["", undefined],
  [
    "I want a long English sentence which goes on and on, until it is cut off somewhere.",
    "I want a long English sentence which goes on and on, until…",
  ],
  ["a".repeat(200), `${"a".repeat(59)}…`],
  ["👩‍👩‍👧‍👦".repeat(30), `${"👩‍👩‍👧‍👦".repeat(5)}…`],
  // No spaces between words: cut between words all the same.
  [
    "日本語の形態素解析について詳しく教えてください。特にMeCabとSudachiの違いと、それぞれの辞書の更新方法についても知りたいです。",
    "日本語の形態素解析について詳しく教えてください。特にMeCabとSudachiの違いと、それぞれの辞書の更新方法…",
  ],
  [
    "สวัสดีครับ ผมอยากทราบวิธีการทำอาหารไทยที่ง่ายและอร่อยสำหรับผู้เริ่มต้นที่ไม่มีประสบการณ์ในครัวเลย",
    "สวัสดีครับ ผมอยากทราบวิธีการทำอาหารไทยที่ง่ายและอร่อยสำหรับ…",
  ],
  ["چطور می‌توانم فارسی یاد بگیرم؟", "چطور می‌توانم فارسی یاد بگیرم؟"],
])("TI5 words of a question: %j", (question, title) => {
  expect(titleFromWords(question)).toBe(title);
});

test.each([
  ['"Sorting lists"', "Sorting lists"],
  ["Title: **Sorting lists.**", "Sorting lists"],
  ['Sure! Here is a title:\n\n"Sorting lists"', "Sorting lists"],
  ["Certainly!\nTitle: Sorting lists\nI hope this helps.", "Sorting lists"],
  ["<think>A title\nfor lists</think>\n\n## Sorting lists\n", "Sorting lists"],
  ["「並べ替え」", "並べ替え"],
  ["標題：排序", "排序"],
  ["„Listen sortieren“", "Listen sortieren"],
  ["C++ vs. C#", "C++ vs. C#"],
  ["What is 'x'?", "What is 'x'?"],
  ["Several\nlines\nof it", undefined],
  ["", undefined],
  ["...", undefined],
  ["Title:", undefined],
  ["<think>never ends", undefined],
  ["word ".repeat(40), undefined],
  [
    "one word more than sixty characters of it are cut at a whole word",
    "one word more than sixty characters of it are cut at a…",
  ],
])("TI6 an answer of a model: %j", (answer, title) => {
  expect(titleFromAnswer(answer)).toBe(title);
});

test("TI5 TI6 property: whatever comes in, a title is one readable line of at most 60 characters, whole Unicode", () => {
  const soup = fc.string({
    unit: fc.constantFrom(..."ab *_`#>[](){}\"'“”.:\n\r\t\0\u202e\ud83d\ude00e\u0301é日👩‍👧-~|1".split("")),
    maxLength: 300,
  });
  fc.assert(
    fc.property(fc.oneof(soup, fc.string({ unit: "binary", maxLength: 300 })), (text) => {
      for (const title of [titleFromWords(text), titleFromAnswer(text)]) {
        if (title === undefined) continue;
        expect(title.length).toBeLessThanOrEqual(60);
        expect(title.length).toBeGreaterThan(0);
        expect(title.trim()).toBe(title);
        expect(title.isWellFormed()).toBe(true);
        expect(title).not.toMatch(/[\p{Cc}\u2028\u2029\u202a-\u202e]/u);
      }
    }),
    { numRuns: 2000 },
  );
});

test("TI5 a text made to be slow is not", () => {
  const began = performance.now();
  for (const piece of ["[", "![](", "*", "_a", "`", "# ", "> ", "\n", "**a ", "「", " ", "1. "]) {
    titleFromWords(piece.repeat(131_072 / piece.length));
    titleFromAnswer(piece.repeat(131_072 / piece.length));
  }
  expect(performance.now() - began).toBeLessThan(1000);
});

test("TI3 a title is given to what has none; it moves nothing in the list", () => {
  const work = giveTitle("c", "Named", 5);
  expect(work.decide(viewOf({ conversation: conversation({ deleted: true }) }))).toMatchObject({ code: "not_found" });
  expect(work.decide(viewOf({ conversation: conversation({ title: "mine" }) }))).toMatchObject({ code: "conflict" });
  const effect = work.decide(viewOf({ conversation: conversation({ updatedAt: 3 }) }));
  if ("code" in effect) throw new Error(effect.code);
  expect(effect.conversation).toMatchObject({ title: "Named", updatedAt: 3 });
  expect(applyEvents(emptyConversation, effect.events, 1).title).toBe("Named");
});
