// Owns the proof of what a model is given for the files in a message.
import { afterEach, beforeEach, expect, test } from "vitest";
import { modelFrom } from "../../src/adapters/models/index.ts";
import type { Model } from "../../src/host.ts";
import { sendTo, Stage, until } from "../server/talker.ts";
import { bodyOf, pdf, png } from "./samples.ts";

let stage: Stage;
beforeEach(() => void (stage = new Stage()));
afterEach(() => stage.end());

type Content = Parameters<Model["stream"]>[0]["messages"][number]["content"];

/** Sends these files with a question; what the model was asked with. */
async function asked(
  files: readonly (readonly [name: string, bytes: Uint8Array<ArrayBuffer> | string])[],
  images = true,
): Promise<Content> {
  let content: Content | undefined;
  const model: Model = {
    name: "seeing",
    capabilities: { prefill: false, images },
    async *stream({ messages }) {
      content = messages.at(-1)?.content;
      yield { type: "text", text: "seen" };
    },
  };
  // Pictures are taken where another model sees them.
  const fallback = modelFrom({ name: "other", images: true, stream: () => expect.fail("not asked") });
  const { address, talk } = await stage.serve({ model, fallback, contextLength: 150_000 });
  const talker = await talk();
  const ids: string[] = [];
  for (const [name, bytes] of files) {
    const headers = { authorization: `Bearer ${talker.session}` };
    const answer = await fetch(`http://${address}/api/v1/files`, {
      method: "POST",
      headers,
      body: bodyOf(name, bytes),
    });
    ids.push((JSON.parse(await answer.text()) as { id: string }).id);
  }
  const parts = [{ type: "text", text: "What is it?" }, ...ids.map((file) => ({ type: "file", file }))];
  await talker.ask({ ...sendTo(crypto.randomUUID(), ""), parts });
  return until(() => content, "the model to be asked");
}
const wordsOf = (content: Content): string =>
  content.map((part) => (part.type === "text" ? part.text : "[image]")).join("");

test("FL11 a picture comes as it is, a text with its name, in their order, and the words last", async () => {
  const picture = png(4, 4);
  const content = await asked([
    ["notes.md", "# Notes\nwith a — dash"],
    ["a.png", Uint8Array.from(picture)],
  ]);
  expect(wordsOf(content)).toBe('[File "notes.md"]\n# Notes\nwith a — dash\n[End of the file]\n\n[image]What is it?');
  const image = content.find((part) => part.type === "image");
  expect(image?.mediaType).toBe("image/png");
  expect(Buffer.from(image?.data ?? []).equals(picture)).toBe(true);
});
test("FL11 a model that cannot see is told what it is not shown", async () => {
  const content = await asked([["a.png", Uint8Array.from(png(4, 4))]], false);
  expect(wordsOf(content)).toBe('[File "a.png": a picture, which this model cannot see]\n\nWhat is it?');
});
test("FL11 the words of a PDF; of a damaged one, that there are none", async () => {
  const content = await asked([
    ["a.pdf", Uint8Array.from(pdf("Hello from a page"))],
    ["b.pdf", Uint8Array.from(Buffer.concat([Buffer.from("%PDF-1.4\n"), Buffer.alloc(5000, 120)]))],
  ]);
  expect(wordsOf(content)).toMatch(
    /^\[File "a\.pdf"\]\nHello from a page\s*\n\[End of the file\]\n\n\[File "b\.pdf": no text could be read from it\]\n\nWhat is it\?$/,
  );
});
test("FL11 a long text is cut where the model is told, all of them together fit, and no character is torn", async () => {
  const text = "👋".repeat(60_000);
  const words = wordsOf(
    await asked([
      ["a.txt", text],
      ["b.txt", text],
      ["c.txt", text],
    ]),
  );
  expect(words).toContain("[Cut off after 100000 characters.]");
  expect(words).toContain("[Cut off after 50000 characters.]");
  expect(words).toContain('[File "c.txt": left out for its length]');
  expect(words.length).toBeLessThan(151_000);
  expect(words.isWellFormed()).toBe(true);
});
