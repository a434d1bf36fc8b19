import { describe, expect, it } from "vitest";
import { createCompletionStream } from "../../src/adapters/models/completion-stream.ts";
import { createPlainChunks } from "../../src/adapters/models/plain-chunks.ts";

type Chunk = Record<string, unknown>;
const chunk = (delta: Chunk, more: Chunk = {}, choice: Chunk = {}): Chunk => ({
  id: "chatcmpl-1",
  object: "chat.completion.chunk",
  model: "m",
  choices: [{ index: 0, delta, finish_reason: null, ...choice }],
  ...more,
});
const plain = (content: string): string => JSON.stringify(chunk({ content }));

/** What a stream of these chunks says, as one text for each type. */
function said(events: readonly string[]): { text: string; reasoning: string; usage: unknown; finish: unknown } {
  const stream = createCompletionStream({ secrets: [] });
  for (const event of events) stream.feed(Buffer.from(`data: ${event}\n\n`));
  const result = { text: "", reasoning: "", usage: stream.usage(), finish: stream.finish() };
  for (const piece of stream.take(true))
    if (piece.type !== "part" && piece.type !== "usage") result[piece.type] += piece.text;
  return result;
}

const texts = [
  "a",
  "",
  " b",
  'say "hi"',
  "back\\slash",
  "line\nbreak\ttab",
  '"},"finish_reason":null}]}',
  '","role":"assistant","content":"x',
  "\u0000\u001f\u2028",
  "émoji 👋🏽",
  "\ud83d",
  "\udc4b",
  "throughline",
];

describe("MD9 chunks that differ in their text alone", () => {
  it("bring the text that JSON would give, whatever the text is", () => {
    const chunks = createPlainChunks();
    chunks.learn(plain("a"), JSON.parse(plain("a")));
    for (const text of texts) expect(chunks.read(plain(text)), text).toBe(text);
    expect(said(texts.map(plain)).text).toBe(texts.join("").toWellFormed());
  });

  it("are read however their server escapes and spaces them", () => {
    const spaced = (literal: string): string => `{ "choices" : [ { "delta" : { "content" : ${literal} } } ] }`;
    const literals = ['"a"', '"\\u00e9"', '"\\/"', '"\\ud83d\\udc4b"', '"b"', '"\\""'];
    expect(said(literals.map(spaced)).text).toBe('aé/👋b"');
  });

  it("are told from those that have more to say", () => {
    const first = [plain("a"), plain("b")];
    const usage = { prompt_tokens: 3, completion_tokens: 2 };
    expect(said([...first, JSON.stringify(chunk({ content: "c" }, { usage }))]).usage).toEqual({
      inputTokens: 3,
      outputTokens: 2,
    });
    expect(said([...first, JSON.stringify(chunk({ content: "c" }, {}, { finish_reason: "stop" }))])).toMatchObject({
      text: "abc",
      finish: "stop",
    });
    expect(said([...first, JSON.stringify(chunk({ content: "c", reasoning: "r" }))])).toMatchObject({
      text: "abc",
      reasoning: "r",
    });
    expect(said([...first, JSON.stringify(chunk({ content: "other" }, {}, { index: 1 })), plain("c")]).text).toBe(
      "abc",
    );
    const twice = plain("x").replace('"content":"x"', '"content":"no","content":"yes"');
    expect(said([...first, twice, twice, plain("c")]).text).toBe("abyesyesc");
    expect(said([twice, twice, plain("c")]).text).toBe("yesyesc");
  });

  it("are never learned from what holds anything else, nor from texts that stand twice in a chunk", () => {
    for (const value of [
      chunk({ content: "a" }, { usage: {} }),
      chunk({ content: "a" }, { error: "e" }),
      chunk({ content: "a" }, {}, { index: null }),
      chunk({ content: "a" }, {}, { finish_reason: "stop" }),
      chunk({ content: "a", tool_calls: [] }),
      chunk({ content: ["a"] }),
      { choices: [] },
      [],
      "a",
    ]) {
      const chunks = createPlainChunks();
      chunks.learn(JSON.stringify(value), value);
      expect(chunks.read(JSON.stringify(value)), JSON.stringify(value)).toBeUndefined();
    }
    // The text is also the model's name, which stands behind it: the wrong place would be taken for the text.
    const same = JSON.stringify({ choices: [{ delta: { content: "m" } }], model: "m" });
    expect(said([same, same.replace('"model":"m"', '"model":"other"'), same]).text).toBe("mmm");
  });

  it("may be cut anywhere, and rubbish between them is still rubbish", () => {
    const stream = createCompletionStream({ secrets: [] });
    const bytes = Buffer.from(texts.map((text) => `data: ${plain(text)}\n\n`).join(""));
    for (const byte of bytes) stream.feed(Buffer.from([byte]));
    const [piece] = stream.take(true);
    expect(piece?.type === "text" && piece.text).toBe(texts.join("").toWellFormed());
    const dropped: string[] = [];
    const other = createCompletionStream({ secrets: [], onDropped: (what) => dropped.push(what) });
    const broken = plain("x").replace('"x"', '"x');
    for (const event of [plain("a"), broken, plain("b")]) other.feed(Buffer.from(`data: ${event}\n\n`));
    const [rest] = other.take(true);
    expect(rest?.type === "text" && rest.text).toBe("ab");
    expect(dropped).toEqual(["malformed"]);
  });

  it("stand between events of every other form, however the stream is cut", () => {
    const json = (text: string): string => JSON.stringify(text);
    const open = '{"choices":[{"delta":';
    const forms: ((text: string) => [raw: string, said: string])[] = [
      (text) => [`data: ${plain(text)}\n\n`, text],
      (text) => [`data: ${plain(text)}\n\ndata: ${plain(text)}\n\n`, text + text],
      (text) => [`data:${plain(text)}\n\n`, text],
      (text) => [`data: ${plain(text)}\r\n\r\n`, text],
      (text) => [`: a comment\n\ndata: ${plain(text)}\n\n`, text],
      (text) => [`id: 1\ndata: ${plain(text)}\n\n`, text],
      (text) => [`data: ${plain(text)}\nid: 1\n\n`, text],
      (text) => [`event: other\ndata: ${plain(text)}\n\n`, ""],
      (text) => [`data: ${plain(text)}\nevent: other\n\n`, ""],
      // A line ends in the middle of the text; the second half is data again, or is nothing.
      () => [`data: ${plain("x#x").replace("#", "\rdata: ")}\n\n`, ""],
      () => [`data: ${plain("x#x").replace("#", "\n")}\n\n`, ""],
      // One chunk on two lines of data, and the same where the second line is no data.
      (text) => [`data: ${open}\ndata: {"content":${json(text)}}}]}\n\n`, text],
      (text) => [`data: ${open}\n{"content":${json(text)}}}]}\n\n`, ""],
    ];
    let seed = 7;
    const random = (below: number): number => {
      seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
      return Math.floor((seed / 2_147_483_648) * below);
    };
    for (let round = 0; round < 300; round++) {
      // Each round learns from another form first, or from several.
      const chosen = Array.from({ length: 12 }, () => forms[random(forms.length)]?.(texts[random(texts.length)] ?? ""));
      const bytes = Buffer.from(chosen.map((form) => form?.[0]).join(""));
      const stream = createCompletionStream({ secrets: [] });
      for (let at = 0; at < bytes.length;) {
        const end = at + 1 + random(random(4) === 0 ? 8 : 1500);
        stream.feed(bytes.subarray(at, end));
        at = end;
      }
      const heard = stream.take(true).map((piece) => (piece.type === "text" ? piece.text : ""));
      expect(heard.join(""), bytes.toString()).toBe(
        chosen
          .map((form) => form?.[1])
          .join("")
          .toWellFormed(),
      );
    }
  });
});
