// Owns the proof that a PDF made to break its reader breaks nothing, and that a broken file takes no reply away.
import { readdirSync, truncateSync } from "node:fs";
import { join } from "node:path";
import { constants, deflateRawSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { textOfPdf } from "../../src/adapters/pdf/text.ts";
import type { Model } from "../../src/host.ts";
import { createAttachmentReader } from "../../src/server/attachments.ts";
import type { Message } from "../../src/protocol/index.ts";
import type { KeyedFile } from "../../src/server/ports.ts";
import { sendTo, Stage, until } from "../server/talker.ts";
import { bodyOf, pdf } from "./samples.ts";

const megabyte = 1024 * 1024;
/** A page whose content unpacks to so many megabytes of spaces. */
function bomb(megabytes: number): Buffer {
  const block = deflateRawSync(Buffer.alloc(16 * megabyte, 32), { finishFlush: constants.Z_FULL_FLUSH });
  const last = deflateRawSync(Buffer.from("BT ET"));
  const head = Buffer.from([0x78, 0x9c]);
  const stream = Buffer.concat([head, ...Array.from({ length: megabytes / 16 }, () => block), last, Buffer.alloc(4)]);
  const objects = [
    Buffer.from("<< /Type /Catalog /Pages 2 0 R >>"),
    Buffer.from("<< /Type /Pages /Kids [3 0 R] /Count 1 >>"),
    Buffer.from("<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R >>"),
    Buffer.concat([
      Buffer.from(`<< /Filter /FlateDecode /Length ${stream.length} >>\nstream\n`),
      stream,
      Buffer.from("\nendstream"),
    ]),
  ];
  let whole = Buffer.from("%PDF-1.4\n");
  const places = objects.map((body, i) => {
    const place = whole.length;
    whole = Buffer.concat([whole, Buffer.from(`${i + 1} 0 obj\n`), body, Buffer.from("\nendobj\n")]);
    return place;
  });
  const table = places.map((place) => `${String(place).padStart(10, "0")} 00000 n \n`).join("");
  const end = `xref\n0 5\n0000000000 65535 f \n${table}trailer\n<< /Size 5 /Root 1 0 R >>\nstartxref\n${whole.length}\n%%EOF\n`;
  return Buffer.concat([whole, Buffer.from(end)]);
}
async function* of(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

describe("FL16", () => {
  test("FL16 FI06 a PDF of 4 MB that unpacks to 4 GB is given up before it has a gigabyte", async () => {
    const bytes = bomb(4096);
    expect(bytes.length).toBeLessThan(5 * megabyte);
    const before = process.memoryUsage().rss;
    let most = 0;
    const look = setInterval(() => (most = Math.max(most, process.memoryUsage().rss - before)), 10);
    try {
      expect(await textOfPdf(of(bytes))).toBeUndefined();
    } finally {
      clearInterval(look);
    }
    expect(most).toBeLessThan(1024 * megabyte);
    expect((await textOfPdf(of(pdf("Still here"))))?.trim()).toBe("Still here");
  });
  test("FL16 of many at once two are read; who waits holds nothing", async () => {
    let open = 0;
    let most = 0;
    async function* counted(): AsyncGenerator<Uint8Array> {
      most = Math.max(most, ++open);
      yield pdf("words");
    }
    const all = Array.from({ length: 6 }, () => textOfPdf(counted()).finally(() => open--));
    expect((await Promise.all(all)).map((text) => text?.trim())).toEqual(Array.from({ length: 6 }, () => "words"));
    expect(most).toBe(2);
  });
  test("FL16 one without words is not worked on again, one with words is", async () => {
    let asked: string[] = [];
    const kept = (id: string): KeyedFile => ({
      id,
      user: "u",
      createdAt: 0,
      bytes: 1,
      name: `${id}.pdf`,
      mediaType: "application/pdf",
      sha256: id,
      key: new Uint8Array(32),
    });
    const read = createAttachmentReader(
      { find: (_user, id) => Promise.resolve(kept(id)), read: ({ id }) => of(Buffer.from(id)) },
      async (bytes) => {
        for await (const part of bytes) asked.push(Buffer.from(part).toString()[0] ?? "");
        return asked.at(-1) === "a" ? "words" : undefined;
      },
    );
    const message: Message = {
      id: "m",
      role: "user",
      parts: ["a", "b"].map((letter) => ({
        type: "file",
        url: `/api/v1/files/${letter.repeat(32)}`,
        mediaType: "application/pdf",
        filename: `${letter}.pdf`,
      })),
      metadata: { createdAt: "2026-11-23T00:00:00.000Z", parent: null },
    };
    const model = { capabilities: { prefill: false, images: false } };
    const first = await read("u", [message], model, 1000);
    expect(asked).toEqual(["a", "b"]);
    asked = [];
    expect(await read("u", [message], model, 1000)).toEqual(first);
    expect(asked).toEqual(["a"]);
  });
});

describe("what is broken", () => {
  let stage: Stage;
  beforeEach(() => void (stage = new Stage()));
  afterEach(() => stage.end());

  test("FL16 FL8 a file that is damaged on the disk takes no reply away: the model is told", async () => {
    let asked = "";
    const model: Model = {
      name: "listening",
      capabilities: { prefill: false, images: false },
      async *stream({ messages }) {
        asked = (messages.at(-1)?.content ?? []).map((part) => (part.type === "text" ? part.text : "")).join("");
        yield { type: "text", text: "heard" };
      },
    };
    const { address, talk } = await stage.serve({ model });
    const talker = await talk();
    const headers = { authorization: `Bearer ${talker.session}` };
    const body = bodyOf("notes.txt", "words of notes");
    const sent = await fetch(`http://${address}/api/v1/files`, { method: "POST", headers, body });
    const { id } = JSON.parse(await sent.text()) as { id: string };
    const [kept = ""] = readdirSync(join(stage.dataDir, "files"));
    truncateSync(join(stage.dataDir, "files", kept), 20);
    const conversation = crypto.randomUUID();
    const parts = [
      { type: "text", text: "What is it?" },
      { type: "file", file: id },
    ];
    await talker.ask({ type: "conversation.open", conversation });
    expect(await talker.ask({ ...sendTo(conversation, ""), parts })).toMatchObject({ type: "ack" });
    await until(() => asked !== "", "the model to be asked");
    expect(asked).toBe('[File "notes.txt": it cannot be read any more]\n\nWhat is it?');
    const answer = await fetch(`http://${address}/api/v1/files/${id}`, { headers });
    expect(answer.status).toBe(404);
  });
});
