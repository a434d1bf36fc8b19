// Owns the proof of imports: ChatGPT's export and our own, twice, cut, hostile, over real HTTP into a real store.
import { readFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { splitConversations, type Found } from "../../src/server/import-split.ts";
import { defaultPolicy } from "../../src/server/policy.ts";
import { sendTo, Stage, until, words, type Served, type Talker } from "../server/talker.ts";
import { WireClient } from "../support/wire-client.ts";

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
type Tally = { imported: number; skipped: number; messages: number; cut: number; refused: number; problems: { index: number; code: string; message: string }[]; code?: string; title?: string };
const send = async (body: string | object, session = talker.session, headers: Record<string, string> = {}): Promise<[number, Tally]> => {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  const answer = await fetch(`http://${served.address}/api/v1/account/import`, {
    method: "POST",
    headers: { ...bearer(session), "content-type": "application/json", ...headers },
    body: text,
  });
  return [answer.status, JSON.parse(await answer.text()) as Tally];
};
type Row = { id: string; title?: string; createdAt: string; updatedAt: string };
type Said = { id: string; role: string; parts: { type: string; text: string }[]; metadata: { parent: string | null; model?: string; createdAt: string; status?: string } };
const list = async (archived = false, who = talker): Promise<Row[]> =>
  (await who.ask({ type: "conversation.list", limit: 100, archived }))["conversations"] as Row[];
const history = async (conversation: string, who = talker): Promise<Said[]> =>
  (await who.ask({ type: "conversation.history", conversation, limit: 100 }))["messages"] as Said[];
const exported = async (id: string): Promise<object> => {
  const answer = await fetch(`http://${served.address}/api/v1/conversations/${id}/export`, { headers: bearer(talker.session) });
  return JSON.parse(await answer.text()) as object;
};
const said = ({ role, parts }: Said): string => `${role}: ${parts.map(({ type, text }) => (type === "text" ? text : `(${type}) ${text}`)).join(" / ")}`;
const chatgpt = readFileSync(join(import.meta.dirname, "chatgpt.json"), "utf8");
/** One conversation of our own kind. */
const own = (more: object = {}, parts: object[] = [{ type: "text", text: "hello" }]): object => ({
  format: "throughline.conversation",
  version: 1,
  id: uuid(),
  title: "Mine",
  createdAt: "2024-01-02T03:04:05.678Z",
  updatedAt: "2024-01-03T03:04:05.678Z",
  messages: [{ id: "m1", role: "user", parts, metadata: { createdAt: "2024-01-02T03:04:05.678Z", parent: null } }],
  ...more,
});

describe("ChatGPT's export", () => {
  test("AC9 AC10 branches, hidden nodes, tools, thoughts, code, pictures, voices, nulls: what a person saw, and the branch that was shown last", async () => {
    await serve();
    expect(await send(chatgpt)).toEqual([
      200,
      { imported: 2, skipped: 0, messages: 9, cut: 0, refused: 0, problems: [] },
    ]);
    const [row, ...others] = await list();
    expect(others).toEqual([]);
    expect(row).toMatchObject({ title: "Tides, explained", createdAt: "2023-11-14T22:13:20.123Z", updatedAt: "2023-11-14T23:13:20.500Z" });
    const messages = await history(row?.id ?? "");
    expect(messages.map(said)).toEqual([
      "user: How do tides work?",
      "assistant: Another try at the first answer.",
      "assistant: (reasoning) Think of the moon\n\nIt pulls the water.\n\nAnd the sun. / The moon pulls.\n\n| when | what |\n| --- | --- |\n| noon | high |",
      "user: And on Venus? \u200fRTL 🌊",
      "assistant: Nor there.",
      "user: And on Mars?",
      "assistant: ````python\nprint('no ```sea``` there')\n```` / None to speak of.",
    ]);
    const byWords = (start: string): Said => messages.find((message) => said(message).includes(start)) ?? expect.fail(start);
    expect(byWords("How do").metadata.parent).toBeNull();
    for (const start of ["Another try", "The moon"]) expect(byWords(start).metadata.parent).toBe(byWords("How do").id);
    for (const start of ["And on Mars", "And on Venus"]) expect(byWords(start).metadata.parent).toBe(byWords("The moon").id);
    expect(byWords("The moon").metadata).toMatchObject({ model: "o4-mini", status: "completed", createdAt: "2023-11-14T22:13:22.000Z" });
    // A time that is missing is that of what stands before.
    expect(byWords("None to").metadata.createdAt).toBe(byWords("And on Mars").metadata.createdAt);
    const [away] = await list(true);
    expect(away?.title).toBe("What is this?");
    expect((await history(away?.id ?? "")).map(said)).toEqual([
      "user: [Not imported: file-service://file-AbC]\n\nWhat is this? / Say it aloud.\n\n[Not imported: sediment://x]",
      "assistant: A cat.",
    ]);
  });

  test("AC9 it goes on here: a question under what was imported, a retry of it, a search for it, an export of it", async () => {
    await serve();
    await send(chatgpt);
    const conversation = (await list())[0]?.id ?? "";
    const before = await history(conversation);
    const sent = await talker.ask(sendTo(conversation, "and here?"));
    await talker.ask({ type: "conversation.open", conversation, seq: 0 });
    await until(() => talker.events(conversation).find((event) => event.kind === "turn.finished"), "the reply");
    const after = await history(conversation);
    expect(after.find(({ id }) => id === sent["message"])?.metadata.parent).toBe(before.at(-1)?.id);
    expect(after.at(-1)?.parts).toEqual([{ type: "text", text: words(3) }]);
    expect(await talker.ask({ type: "turn.retry", conversation, message: before.at(-1)?.id })).toMatchObject({ type: "ack" });
    expect(await talker.ask({ type: "turn.continue", conversation, message: before.at(-1)?.id })).toMatchObject({ error: { code: "conflict" } });
    expect(await talker.ask({ type: "conversation.list", query: "Venus" })).toMatchObject({ conversations: [{ id: conversation }] });
  });
});

describe("our own export", () => {
  test("AC9 AC10 what was exported is the same elsewhere, but for ids, and there it is exported in the same words again", async () => {
    await serve();
    const conversation = uuid();
    const first = await talker.ask(sendTo(conversation, "one"));
    const ended = (reply: unknown): Promise<unknown> => until(() => talker.events().find((event) => event.kind === "turn.finished" && event["message"] === reply), "the end");
    await talker.ask({ type: "conversation.open", conversation, seq: 0 });
    await ended(first["reply"]);
    const edit = { type: "message.edit", conversation, message: first["message"], replacement: uuid() };
    const second = await talker.ask({ ...edit, parts: [{ type: "text", text: "20000 words every 0 ms" }] });
    await ended(second["reply"]);
    await talker.ask({ type: "message.react", conversation, message: second["reply"], reaction: "👍", on: true });
    await talker.ask({ type: "conversation.update", conversation, title: "Both" });
    const mine = await exported(conversation);
    // Here it is there already.
    expect((await send(mine))[1]).toMatchObject({ imported: 0, skipped: 1 });
    const other = await served.talk();
    expect((await send([mine], other.session))[1]).toMatchObject({ imported: 1, messages: 4 });
    const [row] = await list(false, other);
    const bare = (messages: readonly Said[]): unknown[] => {
      const at = new Map(messages.map(({ id }, i) => [id, i]));
      return messages.map(({ role, parts, metadata: { parent, ...metadata } }) => {
        const { turn: _, usage: __, editOf, reactions, ...rest } = metadata as typeof metadata & Record<string, unknown>;
        return { role, parts, parent: parent === null ? null : at.get(parent), editOf: at.get(String(editOf)), reactions: Object.keys(reactions ?? {}), ...rest };
      });
    };
    const theirs = await history(row?.id ?? "", other);
    expect(bare(theirs)).toEqual(bare(await history(conversation)));
    expect(theirs.some(({ id }) => JSON.stringify(mine).includes(id))).toBe(false);
    // A reader that follows the events, a long reply in its pieces, has what the rows say.
    const client = await WireClient.connect(`http://${served.address}`, { auth: { session: other.session } });
    const view = await client.read(row?.id ?? "", { seq: 0 });
    expect([...view.messages.values()]).toEqual(theirs);
    expect(client.anomalies).toEqual([]);
    client.cut();
  });

  test("AC10 the same again makes nothing twice, at once or later; what was deleted meanwhile comes back", async () => {
    await serve();
    const everything = [own({ id: "a" }), own({ id: "b" }), ...(JSON.parse(chatgpt) as object[])];
    expect((await send(everything))[1]).toMatchObject({ imported: 4, skipped: 0 });
    expect((await send(everything))[1]).toMatchObject({ imported: 0, skipped: 4 });
    expect(await list()).toHaveLength(3);
    const [gone] = await list();
    await talker.ask({ type: "conversation.delete", conversation: gone?.id });
    expect((await send(everything))[1]).toMatchObject({ imported: 1, skipped: 3 });
    expect((await send(everything))[1]).toMatchObject({ imported: 0, skipped: 4 });
    expect(await list()).toHaveLength(3);
    // Another person has their own.
    const other = await served.talk();
    expect((await send(everything, other.session))[1]).toMatchObject({ imported: 4 });
    const both = new Set([...(await list()), ...(await list(false, other))].map(({ id }) => id));
    expect(both.size).toBe(6);
  });

  test("AC11 what is not to be believed: foreign files, other people, times of the future, addresses of scripts, odd ids and lengths", async () => {
    await serve();
    const parts = [
      { type: "file", url: "/api/v1/files/00000000000000000000000000000000", mediaType: "image/png", filename: "secret.png" },
      { type: "source-url", url: "javascript:alert(1)", title: "click" },
      { type: "source-url", url: "https://example.org/", title: "fine" },
      { type: "text", text: `NUL \0 and half \ud800 a pair ${"x".repeat(100_000)}` },
    ];
    const message = { id: "m2", role: "assistant", parts, metadata: { createdAt: "2999-01-01T00:00:00Z", parent: "m9", status: "running", turn: uuid(), reactions: { "👍": ["somebody"], "not one emoji": ["x"], "👎": [] }, error: { code: "x" } } };
    const again = { ...message, parts: [{ type: "text", text: "the second m2" }] };
    const long = { id: "m3", role: "user", parts: [{ type: "text", text: "y".repeat(200_000) }], metadata: { createdAt: "rubbish", parent: "m2", editOf: "m3x" } };
    expect(await send(own({ title: " \u202e evil\n title ".repeat(40), messages: [message, again, long], user: "victim", head: 9 }))).toMatchObject([200, { imported: 1, messages: 2, cut: 1 }]);
    const [row] = await list();
    expect(row?.title).toMatch(/^evil title evil title/);
    expect(row?.title?.length).toBeLessThanOrEqual(200);
    const [reply, question] = await history(row?.id ?? "");
    expect(reply?.parts.slice(0, 3)).toEqual([
      { type: "text", text: "[Not imported: secret.png]" },
      { type: "text", text: "[Not imported: source-url]" },
      { type: "source-url", url: "https://example.org/", sourceId: "https://example.org/", title: "fine" },
    ]);
    expect(reply?.parts[3]?.text.startsWith("NUL  and half \ufffd a pair xxx")).toBe(true);
    expect(Date.parse(reply?.metadata.createdAt ?? "")).toBeLessThanOrEqual(Date.now());
    const me = (talker.frames[0]?.["user"] as { id: string }).id;
    expect(reply?.metadata).toEqual({ createdAt: reply?.metadata.createdAt, parent: null, status: "interrupted", reactions: { "👍": [me] } });
    expect(question?.parts[0]?.text).toHaveLength(131_072);
    expect(question?.metadata).toEqual({ createdAt: "2024-01-02T03:04:05.678Z", parent: reply?.id });
  });
});

describe("what is no import", () => {
  test("AC11 each has its own words, and the good conversations beside it are taken", async () => {
    await serve();
    const deep = `[${"[".repeat(100)}${"]".repeat(100)}]`;
    const list = [
      own({ id: "good 1" }),
      { hello: "world" },
      own({ version: 2 }),
      own({ messages: [] }),
      own({ messages: "none" }),
      { mapping: { a: 1 }, id: "x" },
      { mapping: {}, id: "x" },
      { mapping: Object.fromEntries(Array.from({ length: 6000 }, (_, i) => [`n${i}`, { parent: i === 0 ? null : `n${i - 1}`, children: [`n${i + 1}`], message: { author: { role: i % 2 === 0 ? "user" : "assistant" }, content: { content_type: "text", parts: ["x"] } } }])), id: "chain" },
      own({ id: "good 2" }),
    ];
    const text = JSON.stringify(list).replace('{"hello":"world"}', `{"hello":"world","deep":${deep}}`);
    const [status, tally] = await send(text);
    expect([status, tally.imported, tally.refused]).toEqual([200, 2, 7]);
    expect(tally.problems.map(({ index, code, message }) => [index, code, message])).toEqual([
      [1, "too_large", "It is nested more than 64 deep."],
      [2, "invalid", "It is no conversation in a format that is known."],
      [3, "invalid", "It has no message."],
      [4, "invalid", "It is no conversation in a format that is known."],
      [5, "invalid", "It is no conversation in a format that is known."],
      [6, "invalid", "It has no message."],
      [7, "too_large", "It has more than 2000 messages or 2000000 characters."],
    ]);
  });

  test("AC11 rings, nodes that are their own parents, a prototype as a key: an end, and nothing but messages", async () => {
    await serve();
    const user = { author: { role: "user" }, content: { content_type: "text", parts: ["x"] } };
    const ring = { id: "ring", current_node: "a", mapping: { r: { parent: null, children: ["a"] }, a: { parent: "b", children: ["b"], message: user }, b: { parent: "a", children: ["a", "a", "gone"], message: user } } };
    const self = { id: "self", current_node: "s", mapping: { s: { parent: "s", children: ["s"], message: user } } };
    const proto = `{"id":"proto","mapping":{"__proto__":{"parent":null,"children":["constructor"],"message":${JSON.stringify(user)}},"constructor":{"parent":"__proto__","children":[],"message":${JSON.stringify(user)}},"ok":{"parent":null,"children":["toString"],"message":${JSON.stringify(user)}}}}`;
    const [status, tally] = await send(`[${JSON.stringify(ring)},${JSON.stringify(self)},${proto}]`);
    expect([status, tally.imported + tally.refused]).toEqual([200, 3]);
    expect(await send(chatgpt)).toMatchObject([200, { imported: 2 }]);
  });

  test("AC11 no JSON, another type, packed, cut in the middle, too large, twice at once, by nobody: refused, with what was kept", async () => {
    await serve();
    const told = async (body: string, headers?: Record<string, string>): Promise<[number, string | undefined, string | undefined]> => {
      const [status, { code, title }] = await send(body, talker.session, headers);
      return [status, code, title];
    };
    const noList = "This is no list of conversations: a JSON array of objects is expected.";
    for (const body of ["", "null", "hello", "[1]", '["x"]', "[[]]", '"x"', "\u0000"]) expect([body, ...(await told(body))]).toEqual([body, 400, "invalid", noList]);
    expect((await told(`${JSON.stringify([own({ id: "first" })])} more`))[2]).toBe("Something stands behind the end of the list. 1 conversations before it are imported.");
    expect((await told(`[${JSON.stringify(own({ id: "second" }))},{"format":`))[2]).toBe("The file ends in the middle: it is not whole. 1 conversations before it are imported.");
    expect((await send("[{a}]"))[1]).toMatchObject({ refused: 1, problems: [{ message: "It is no JSON." }] });
    expect((await told("[]", { "content-type": "text/plain" })).slice(0, 2)).toEqual([415, "unsupported_media"]);
    expect((await told("[]", { "content-encoding": "gzip" })).slice(0, 2)).toEqual([415, "unsupported_media"]);
    expect((await send("[]", "rubbish"))[0]).toBe(401);
    expect(await send("[]")).toMatchObject([200, { imported: 0 }]);
  });

  test("AC11 AC12 a body that says or turns out to be too large, or too much for a day, is refused before it has come", async () => {
    await serve({ limits: { fileBytes: 1_000_000 }, policy: { ...defaultPolicy, guest: { ...defaultPolicy.guest, uploadBytesPerDay: 400_000 } } });
    const raw = async (head: string, body: string): Promise<string> => {
      const [host = "", port = ""] = served.address.split(":");
      const socket = connect(Number(port), host);
      socket.on("error", () => undefined);
      let answer = "";
      socket.on("data", (data: Buffer) => (answer += data.toString()));
      socket.write(`POST /api/v1/account/import HTTP/1.1\r\nHost: ${served.address}\r\nAuthorization: Bearer ${talker.session}\r\nContent-Type: application/json\r\n${head}\r\n\r\n${body}`);
      await until(() => answer.includes('"code"'), "the answer");
      socket.destroy();
      return /"code":"(\w+)"/.exec(answer)?.[1] ?? "";
    };
    expect(await raw("Content-Length: 2000000", "[")).toBe("too_large");
    expect(await raw("Content-Length: 500000", "[")).toBe("quota_exceeded");
    const piece = "x".repeat(600_000);
    expect(await raw("Transfer-Encoding: chunked", `${piece.length.toString(16)}\r\n[{"a":"${piece.slice(7)}\r\n`)).toBe("quota_exceeded");
    // What came counts.
    expect(await send("[]")).toMatchObject([429, { code: "quota_exceeded" }]);
  });

  test("AC12 a person who goes in the middle: what was read before is whole, nothing is half", async () => {
    await serve();
    const [host = "", port = ""] = served.address.split(":");
    const socket = connect(Number(port), host);
    socket.write(`POST /api/v1/account/import HTTP/1.1\r\nHost: ${served.address}\r\nAuthorization: Bearer ${talker.session}\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n[${JSON.stringify(own())},${JSON.stringify(own()).slice(0, 50)}`);
    await until(async () => (await list()).length === 1, "the first");
    socket.destroy();
    await until(async () => (await send("[]"))[0] === 200, "the next import is let in");
    expect(await list()).toHaveLength(1);
  });
});

test("AC11 however a document is cut into chunks, its conversations are those of JSON.parse", async () => {
  const limits = { bytes: 1_000_000, depth: 64, count: 1000 };
  const all = async (chunks: readonly Uint8Array[]): Promise<Found[]> => {
    const found: Found[] = [];
    const source = (async function* () {
      for (const chunk of chunks) yield await Promise.resolve(chunk);
    })();
    for await (const one of splitConversations(source, limits)) found.push(one);
    return found;
  };
  await fc.assert(
    fc.asyncProperty(fc.array(fc.dictionary(fc.string(), fc.jsonValue())), fc.array(fc.nat({ max: 400 })), fc.integer({ min: 0, max: 2 }), async (list, places, space) => {
      const bytes = Buffer.from(JSON.stringify(list, undefined, space));
      const cuts = [0, ...places.filter((at) => at < bytes.length).toSorted((a, b) => a - b), bytes.length];
      const chunks = cuts.slice(1).map((to, i) => bytes.subarray(cuts[i], to));
      expect(await all(chunks)).toEqual(list.map((value) => ({ value: JSON.parse(JSON.stringify(value)) as unknown })));
    }),
    { numRuns: 300 },
  );
});
