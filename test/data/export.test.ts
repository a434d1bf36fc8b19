// Owns the proof of exports: real HTTP, a real store, archives opened by another program.
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { defaultPolicy } from "../../src/server/policy.ts";
import { sendTo, Stage, until, words, type Served, type Talker } from "../server/talker.ts";
import { bodyOf, png } from "../files/samples.ts";
import { temporaryDirectory } from "../support/temporary.ts";

setFlagsFromString("--expose-gc");

let stage: Stage;
let served: Served;
let talker: Talker;
beforeEach(() => void (stage = new Stage()));
afterEach(() => stage.end());
const serve = async (more: Parameters<Stage["serve"]>[0] = {}): Promise<void> => {
  served = await stage.serve(more);
  talker = await served.talk();
};

const uuid = (): string => crypto.randomUUID();
const bearer = (session: string): Record<string, string> => ({ authorization: `Bearer ${session}` });
const get = (path: string, session = talker.session): Promise<Response> =>
  fetch(`http://${served.address}/api/v1${path}`, { headers: bearer(session) });
const conversationOf = (id: string, format: string): Promise<Response> =>
  get(`/conversations/${id}/export?format=${format}`);
const ended = (reply: unknown): Promise<unknown> =>
  until(
    () => talker.events().find((event) => event.kind === "turn.finished" && event["message"] === reply),
    "the end of a reply",
  );
const send = async (conversation: string, text: string, more: object = {}): Promise<Record<string, string>> => {
  const sent = await talker.ask(sendTo(conversation, text, more));
  await talker.ask({ type: "conversation.open", conversation, seq: 0 });
  await ended(sent["reply"]);
  await talker.ask({ type: "conversation.close", conversation });
  return sent as unknown as Record<string, string>;
};
type Exported = { format: string; title?: string; archived: boolean; messages: { id: string; role: string; parts: { text: string }[]; metadata: Record<string, unknown> }[] };
/** An archive, opened by Python. */
async function unpack(answer: Response): Promise<{ folder: string; names: string[]; read: (name: string) => string }> {
  const [folder, file] = [temporaryDirectory(), join(temporaryDirectory(), "a.zip")];
  writeFileSync(file, Buffer.from(await answer.arrayBuffer()));
  execFileSync("python3", ["-c", "import sys,zipfile; z=zipfile.ZipFile(sys.argv[1]); assert z.testzip() is None; z.extractall(sys.argv[2])", file, folder]);
  const names = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return {
    folder,
    names: names.map(({ parentPath, name }) => join(parentPath, name).slice(folder.length + 1)).toSorted(),
    read: (name) => readFileSync(join(folder, name), "utf8"),
  };
}

describe("one conversation", () => {
  test("AC5 D7 JSON has every message of every branch, in the words of the wire; Markdown the branch of the newest message", async () => {
    await serve();
    const conversation = uuid();
    const first = await send(conversation, "the first question");
    const edit = { type: "message.edit", conversation, message: first["message"], replacement: uuid() };
    const second = await talker.ask({ ...edit, parts: [{ type: "text", text: "asked *otherwise*: 5 words every 0 ms" }] });
    await talker.ask({ type: "conversation.open", conversation, seq: 0 });
    await ended(second["reply"]);
    await talker.ask({ type: "message.react", conversation, message: second["reply"], reaction: "👍", on: true });
    await talker.ask({ type: "conversation.update", conversation, title: "Two\nways" });
    const answer = await conversationOf(conversation, "json");
    expect(Object.fromEntries(answer.headers)).toMatchObject({
      "content-type": "application/json",
      "content-disposition": expect.stringMatching(/^attachment; filename="\d{4}-\d\d-\d\d Two ways\.json"/),
      "x-content-type-options": "nosniff",
      "cache-control": "private, no-store",
    });
    const exported = JSON.parse(await answer.text()) as Exported;
    const history = await talker.ask({ type: "conversation.history", conversation, limit: 50 });
    expect(exported).toMatchObject({ format: "throughline.conversation", version: 1, id: conversation, title: "Two\nways", archived: false });
    expect(exported.messages).toEqual(history["messages"]);
    expect(exported.messages).toHaveLength(4);
    const markdown = await (await conversationOf(conversation, "markdown")).text();
    expect(markdown).toContain("# Two ways\n");
    expect(markdown).toMatch(/## You, \d{4}-\d\d-\d\d \d\d:\d\d UTC\n\nasked \*otherwise\*: 5 words every 0 ms\n/);
    expect(markdown).toContain("## Assistant (counting), ");
    expect(markdown).toContain(words(5));
    expect(markdown).not.toContain("the first question");
    expect(markdown).toContain("Not shown here: 2 other versions of messages.");
  });

  test("AC5 a long one, and one whose reply is being made: whole and in order, as far as it is; what comes later is not in it", async () => {
    await serve();
    const conversation = uuid();
    for (let i = 0; i < 23; i++) await send(conversation, `question ${i}`);
    await talker.ask(sendTo(conversation, "2000 words every 5 ms"));
    await talker.ask({ type: "conversation.open", conversation, seq: 0 });
    await until(() => talker.text().includes("word20 "), "a beginning");
    const { messages } = JSON.parse(await (await conversationOf(conversation, "json")).text()) as Exported;
    expect(messages).toHaveLength(48);
    const asked = messages.filter(({ role }) => role === "user").map(({ parts }) => parts[0]?.text);
    expect(asked).toEqual([...Array.from({ length: 23 }, (_, i) => `question ${i}`), "2000 words every 5 ms"]);
    const last = messages.at(-1);
    expect(last?.metadata["status"]).toBe("running");
    expect(last?.parts[0]?.text.startsWith("word1 word2 ")).toBe(true);
    const markdown = await (await conversationOf(conversation, "markdown")).text();
    expect(markdown.match(/^## You/gm)).toHaveLength(24);
    expect(markdown).toContain("*(running)*");
  });

  test("AC5 an empty one, an odd format, an id of another spelling, another's and none at all", async () => {
    await serve();
    const conversation = uuid();
    await talker.ask({ type: "conversation.create", conversation });
    expect(JSON.parse(await (await conversationOf(conversation, "json")).text())).toMatchObject({ messages: [] });
    expect(await (await conversationOf(conversation, "markdown")).text()).toMatch(/^# Conversation\n\nBegun /);
    expect((await conversationOf(conversation.toUpperCase(), "json")).status).toBe(200);
    const odd = await conversationOf(conversation, "pdf");
    expect([odd.status, await odd.json()]).toMatchObject([400, { code: "invalid", field: "format" }]);
    const stranger = await served.talk();
    const told = async (id: string): Promise<unknown> => {
      const answer = await get(`/conversations/${id}/export`, stranger.session);
      return [answer.status, await answer.text()];
    };
    expect(await told(conversation)).toEqual(await told(uuid()));
    expect(await told(conversation)).toMatchObject([404, expect.stringContaining("not_found")]);
    await talker.ask({ type: "conversation.delete", conversation });
    expect((await conversationOf(conversation, "json")).status).toBe(404);
  });
});

describe("everything", () => {
  test("AC6 D7 one zip, also for other programs: every conversation, archived ones too, every file, and nothing of anybody else", async () => {
    await serve();
    const stranger = await served.talk();
    await stranger.ask(sendTo(uuid(), "the words of a stranger"));
    const bytes = png(3, 2);
    const upload = await fetch(`http://${served.address}/api/v1/files`, {
      method: "POST",
      headers: bearer(talker.session),
      body: bodyOf("../../étrange pic.png", Uint8Array.from(bytes)),
    });
    const { id: file } = JSON.parse(await upload.text()) as { id: string };
    const pictured = uuid();
    await talker.ask({
      ...sendTo(pictured, ""),
      parts: [
        { type: "text", text: "look" },
        { type: "file", file },
      ],
    });
    await talker.ask({ type: "conversation.update", conversation: pictured, title: "../../evil/..\\name\u202e" });
    for (let i = 0; i < 120; i++) await talker.ask({ type: "conversation.create", conversation: uuid(), title: `T${i}` });
    const archived = uuid();
    await send(archived, "kept away");
    await talker.ask({ type: "conversation.update", conversation: archived, archived: true });
    const answer = await get("/account/export");
    expect(answer.headers.get("content-type")).toBe("application/zip");
    const { names, read, folder } = await unpack(answer);
    const all = JSON.parse(read("conversations.json")) as (Exported & { id: string })[];
    expect(all).toHaveLength(122);
    expect(all.find(({ id }) => id === archived)).toMatchObject({ archived: true });
    expect(names.filter((name) => name.startsWith("conversations/"))).toHaveLength(122);
    expect(names.filter((name) => name.includes("evil"))).toEqual([
      expect.stringMatching(/^conversations\/\d{4}-\d\d-\d\d \.\.-\.\.-evil-\.\.-name [0-9a-f]{8}\.md$/),
    ]);
    const [kept] = JSON.parse(read("files.json")) as { path: string; sha256: string; name: string }[];
    expect(kept).toMatchObject({ id: file, name: "étrange pic.png", sha256: createHash("sha256").update(bytes).digest("hex") });
    expect(readFileSync(join(folder, kept?.path ?? "")).equals(bytes)).toBe(true);
    const page = names.find((name) => name.includes("evil")) ?? "";
    expect(read(page)).toContain(`[étrange pic.png](../files/${file.slice(0, 8)}%20%C3%A9trange%20pic.png)`);
    expect(JSON.parse(read("account.json"))).toMatchObject({ user: { id: expect.stringMatching(/^guest_/) }, sessions: [{ place: "this computer" }] });
    expect(names.map(read).join()).not.toContain("stranger");
  });

  test("AC7 memory stays flat, and whoever stops reading ends it: the next export is let in", async () => {
    await serve();
    const text = "Worte ".repeat(20_000);
    for (let i = 0; i < 300; i++) expect((await talker.ask(sendTo(uuid(), text))).type).toBe("ack");
    const [host = "", port = ""] = served.address.split(":");
    const head = `GET /api/v1/account/export HTTP/1.1\r\nHost: ${served.address}\r\nAuthorization: Bearer ${talker.session}\r\n\r\n`;
    const slow = connect(Number(port), host);
    let began = false;
    slow.once("data", () => {
      began = true;
      slow.pause();
    });
    slow.write(head);
    await until(() => began, "the beginning");
    expect(await (await get("/account/export")).json()).toMatchObject({ code: "rate_limited" });
    slow.destroy();
    const answer = await until(async () => {
      const next = await get("/account/export");
      if (next.status === 200) return next;
      await next.arrayBuffer();
      return undefined;
    }, "the next export");
    const gc: unknown = runInNewContext("gc");
    if (typeof gc !== "function") return expect.fail("no gc");
    const held = (): number => {
      // What the first finds is given back by the second.
      for (const _ of [1, 2]) gc();
      const { heapUsed, arrayBuffers } = process.memoryUsage();
      return heapUsed + arrayBuffers;
    };
    let [bytes, most, looked] = [0, 0, 0];
    const before = held();
    for await (const chunk of answer.body ?? []) {
      bytes += chunk.length;
      if (bytes - looked < 4_000_000) continue;
      looked = bytes;
      most = Math.max(most, held() - before);
    }
    // Every message twice, as JSON and as Markdown.
    expect(bytes).toBeGreaterThan(2 * 300 * text.length);
    expect(most).toBeLessThan(6_000_000);
  });

  test("AC8 RL01 so many an hour; then 429, with the time", async () => {
    await serve({ policy: { ...defaultPolicy, guest: { ...defaultPolicy.guest, exportsPerHour: 2 } } });
    for (const _ of [1, 2]) {
      const answer = await get("/account/export");
      expect(answer.status).toBe(200);
      await answer.arrayBuffer();
    }
    const answer = await get("/account/export");
    expect([answer.status, await answer.json()]).toMatchObject([429, { code: "rate_limited" }]);
    expect(Number(answer.headers.get("retry-after"))).toBeGreaterThan(3000);
  });

  test("AC6 AC1 an account that ends while it is exported: the export breaks off, and nothing is left", async () => {
    await serve();
    for (let i = 0; i < 40; i++) await talker.ask(sendTo(uuid(), "x".repeat(100_000)));
    const answer = await get("/account/export");
    const body = answer.body?.getReader();
    await body?.read();
    const ended = await fetch(`http://${served.address}/api/v1/account`, {
      method: "DELETE",
      headers: { ...bearer(talker.session), "content-type": "application/json" },
      body: '{"confirm":"delete"}',
    });
    expect(ended.status).toBe(204);
    const drain = async (): Promise<void> => {
      while ((await body?.read())?.done === false);
    };
    await expect(drain()).rejects.toThrow();
  });
});
