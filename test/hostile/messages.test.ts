import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { commandSchemas, errorCodes } from "../../src/protocol/index.ts";
import { example, fields, objectText, type Aim } from "./commands.ts";
import { frame, Raw, type Answer } from "./raw.ts";
import { Scene } from "./scene.ts";

let scene: Scene;
beforeAll(async () => void (scene = await Scene.start()));
afterAll(() => scene.end());

const uuid = (): string => crypto.randomUUID();

/** Sends frames one behind the other and gives their answers: one for each, in order (a ping behind them ends the list). */
async function answersOf(raw: Raw, texts: readonly string[]): Promise<Answer[]> {
  const last = uuid();
  const from = raw.answers.length;
  for (const text of [...texts, JSON.stringify({ type: "ping", id: last })]) raw.write(frame({ payload: text }));
  const found = (): Answer[] => raw.answers.slice(from).filter(({ type }) => type === "ack" || type === "error");
  await raw.until(() => found().at(-1)?.id === last || raw.endedAt !== undefined, "the last answer", 25_000);
  if (raw.endedAt !== undefined) throw new Error(`closed with ${raw.closeCode}`);
  return found().slice(0, -1);
}

/** A new person with a conversation, a message and a finished reply in it. */
async function furnished(): Promise<{ raw: Raw; aim: Aim; token: string }> {
  const raw = await Raw.connect(scene.url, { auth: false });
  const { session } = await raw.ask({ type: "auth", id: "auth", guest: true });
  const { token } = session as { token: string };
  const [conversation, message] = [uuid(), uuid()];
  const parts = [{ type: "text", text: "{{chars=20}}" }];
  const sent = await raw.ask({ type: "message.send", id: uuid(), conversation, message, parts });
  await raw.ask({ type: "conversation.open", id: uuid(), conversation, seq: 0 });
  await raw.until(() => JSON.stringify(raw.answers).includes("turn.finished"), "the reply");
  await raw.ask({ type: "conversation.close", id: uuid(), conversation });
  return { raw, aim: { conversation, message, reply: String(sent["reply"]), turn: String(sent["turn"]) }, token };
}

/** Everything that a person has, as text. */
async function belongings(raw: Raw, { conversation }: Aim): Promise<string> {
  const listed = await raw.ask({ type: "conversation.list", id: uuid(), limit: 100 });
  const history = await raw.ask({ type: "conversation.history", id: uuid(), conversation });
  return JSON.stringify([listed["conversations"], history["messages"]]);
}

const codes = new Set(Object.keys(errorCodes));
const isClean = (answer: Answer): boolean =>
  answer.type === "ack" ||
  (answer.error !== undefined && answer.error.code !== "internal" && codes.has(answer.error.code));

describe.concurrent("commands that are wrong", () => {
  test("JS07 the table of fields has every field of every command", () => {
    const schemas = Object.entries(commandSchemas).map(([type, schema]) => [type, Object.keys(schema.entries).sort()]);
    const table = Object.entries(fields).map(([type, row]) => [type, ["type", ...Object.keys(row)].sort()]);
    expect(table).toEqual(schemas);
  });

  test.each(Object.keys(fields))(
    "JS07 WR1 %s: every field missing, of a wrong type, empty, huge is invalid and named; nothing is done",
    async (type) => {
      const { raw, aim } = await furnished();
      const before = await belongings(raw, aim);
      const cases = Object.entries(fields[type] ?? {}).flatMap(([field, kind]) => {
        const wrong: Record<string, string>[] = kind.refuses.map((text) => ({ ...example(type, aim), [field]: text }));
        const { [field]: _, ...without } = example(type, aim);
        if (kind.optional !== true) wrong.push(without);
        return wrong.map((command) => ({ field, command, text: objectText(command) }));
      });
      const answers = await answersOf(
        raw,
        cases.map(({ text }) => text),
      );
      const bad = cases.flatMap(({ field, command, text }, i) => {
        const { type, id, error } = answers[i] ?? { type: "nothing" };
        const named = error?.field === field || error?.field?.startsWith(`${field}.`) === true;
        const answered = field === "id" || JSON.stringify(id) === command["id"];
        const good = type === "error" && error?.code === "invalid" && named && answered;
        return good ? [] : [`${text.slice(0, 200)} -> ${JSON.stringify(answers[i]).slice(0, 200)}`];
      });
      expect(bad).toEqual([]);
      expect(answers.length).toBe(cases.length);
      expect(await belongings(raw, aim)).toBe(before);
      expect(raw.problems).toEqual([]);
      raw.cut();
    },
  );

  test("JS01 JS08 what is no object or of no known type is invalid nine times, and closes 4400 the tenth, each in its turn", async () => {
    const rubbish = [
      "", " ", "x", "{", "}", "{'type':'ping'}", "\uFEFF{\"type\":\"ping\",\"id\":\"b\"}", '{"type":"ping","id":"t"}x',
      '{"type":"ping","id":"t"}{"type":"ping","id":"u"}', "[]", '[{"type":"ping","id":"l"}]', "1", "null", "true", '"ping"', "NaN",
      "{}", '{"id":"1"}', '{"type":null,"id":"1"}', '{"type":1,"id":"1"}', '{"type":["ping"],"id":"1"}', '{"type":"","id":"1"}',
      '{"type":"Ping","id":"1"}', '{"type":"ping ","id":"1"}', '{"type":"toString","id":"1"}', '{"type":"hasOwnProperty","id":"1"}',
      '{"type":"valueOf","id":"1"}', '{"type":"turn.explode","id":"1"}', '{"type":"ack","id":"1"}', '{"type":"events","conversation":"x"}',
    ]; // prettier-ignore
    expect(rubbish.length).toBe(30);
    for (let from = 0; from < rubbish.length; from += 10) {
      const raw = await Raw.connect(scene.url);
      const answers = await answersOf(raw, rubbish.slice(from, from + 9));
      expect(answers.map(({ type, error }) => `${type} ${error?.code}`)).toEqual(Array(9).fill("error invalid"));
      // A wrong field is no rubbish: any number of those may come.
      const wrong = await answersOf(raw, Array(50).fill('{"type":"ping"}'));
      expect(wrong.every(({ error }) => error?.code === "invalid")).toBe(true);
      raw.write(frame({ payload: rubbish[from + 9] ?? "" }));
      raw.write(frame({ payload: '{"type":"ping","id":"late"}' }));
      expect(await raw.ended()).toBe(4400);
      expect(raw.answers.at(-1)).toMatchObject({ type: "error", error: { code: "invalid" } });
      expect(raw.answers.filter(({ id }) => id === "late")).toEqual([]);
    }
  });

  test("JS08 fields that nobody knows are ignored, whatever they are", async () => {
    const raw = await Raw.connect(scene.url);
    const more = [
      '"x":1',
      '"x":{"y":[1,2,{"z":null}]}',
      '"":""',
      '"ID":"other"',
      '"x":1e400',
      '"type ":"auth"',
      '"toString":1',
    ];
    const answers = await answersOf(
      raw,
      more.map((field, i) => `{"type":"ping","id":"${i}",${field}}`),
    );
    expect(answers.map(({ type, id }) => [type, id])).toEqual(more.map((_, i) => ["ack", String(i)]));
    raw.cut();
  });

  test("JS02 nesting and nodes without end are invalid and answered at once, in strings they are text", async () => {
    const deep = (open: string, close: string, times: number): string => open.repeat(times) + close.repeat(times);
    const inside = (value: string): string => `{"type":"ping","id":"d","x":${value}}`;
    const hostile = [
      "[".repeat(30_000),
      "[".repeat(262_000),
      deep("[", "]", 30_000),
      inside(deep("[", "]", 32)),
      inside(`${'{"a":'.repeat(40)}1${"}".repeat(40)}`),
      inside(`[${"1,".repeat(10_001)}1]`),
      inside(`[${"{},".repeat(10_001)}{}]`),
      `{${Array.from({ length: 10_002 }, (_, i) => `"k${i}":1`).join(",")}}`,
      "]".repeat(100) + "[".repeat(30_000),
    ];
    const raw = await Raw.connect(scene.url);
    const began = performance.now();
    const answers = await answersOf(raw, hostile);
    expect(answers.map(({ error }) => error?.code)).toEqual(hostile.map(() => "invalid"));
    expect(performance.now() - began).toBeLessThan(5000);
    const [within, quoted] = await answersOf(raw, [
      inside(deep("[", "]", 31)),
      inside(JSON.stringify("[{".repeat(9000))),
    ]);
    expect([within?.type, quoted?.type]).toEqual(["ack", "ack"]);
    raw.cut();
  });

  test("JS03 a key that reaches a prototype is refused at any depth and in any spelling, and none was reached", async () => {
    const keys = [
      '"__proto__"',
      '"constructor"',
      '"prototype"',
      '"\\u005f_proto__"',
      '"__pr\\u006fto__"',
      '"c\\u006Fnstructor"',
    ];
    const poison = '{"title":"poisoned","everywhere":true,"archived":true,"prototype":{"title":"poisoned"}}';
    for (const key of keys) {
      const raw = await Raw.connect(scene.url);
      const conversation = uuid();
      const own = `"type":"conversation.create","id":"${uuid()}","conversation":"${conversation}"`;
      const hostile = [
        `{${own},${key}:${poison}}`,
        `{${own},"x":{${key}:${poison}}}`,
        `{${own},"x":[[{"y":{${key}:1}}]]}`,
      ];
      const answers = await answersOf(raw, hostile);
      expect(answers.map(({ error }) => error?.code)).toEqual(["invalid", "invalid", "invalid"]);
      // Had any prototype been reached, a command without a title would have one now.
      await raw.ask({ type: "conversation.create", id: uuid(), conversation });
      const { conversations } = await raw.ask({ type: "conversation.list", id: uuid() });
      expect(conversations).toEqual([expect.not.objectContaining({ title: expect.anything() })]);
      expect(conversations).toMatchObject([{ id: conversation, seq: 1 }]);
      raw.cut();
    }
  });

  test("JS05 RD2 numbers that are none: invalid where a whole number is asked for; a seq that no log has is a snapshot", async () => {
    const { raw, aim } = await furnished();
    const opening = (seq: string): string =>
      `{"type":"conversation.open","id":"${uuid()}","conversation":"${aim.conversation}","seq":${seq}}`;
    const wrong = ["1e400", "-1e400", "0.1", "1e-7", '"12"', "true", "null", "[1]"];
    const refused = await answersOf(raw, wrong.map(opening));
    expect(refused.map(({ error }) => [error?.code, error?.field])).toEqual(wrong.map(() => ["invalid", "seq"]));
    for (const [seq, first] of [
      ["-0", "events"],
      ["1e-400", "events"],
      ["2", "events"],
      ["9007199254740993", "snapshot"],
      ["1e308", "snapshot"],
      ["-1", "snapshot"],
    ] as const) {
      const from = raw.answers.length;
      await answersOf(raw, [opening(seq)]);
      await raw.until(() => raw.answers.slice(from).some(({ type }) => type === "live"), `live after ${seq}`);
      const seen = raw.answers.slice(from).filter(({ conversation }) => conversation === aim.conversation);
      expect([seq, seen.find(({ type }) => type !== "ack")?.type]).toEqual([seq, first]);
    }
    raw.cut();
  });

  test("SO11 JS12 cursors, queries and ids made to break what is behind them are answered as any other, never internal", async () => {
    const { raw, aim } = await furnished();
    const before = await belongings(raw, aim);
    const nasty = [
      "x", "0", "-1", "{}", "[]", "null", "%", "_", "\\", "%%%%", "'", '"', "' OR 1=1 --", '"; DROP TABLE conversations; --', "*", "a*",
      "NEAR(", "(((", "AND", "\\u0000", "\u202e", "🙂", "e\u0301", "eyJhIjoxfQ==", "MTIz", "AAAA", "////", "==", "0x10", "1e999",
      "9".repeat(200), "/".repeat(200), "%".repeat(200), "_%".repeat(100), "2026-01-01T00:00:00Z|x", "1|1|1",
    ]; // prettier-ignore
    const encode = (text: string): string => Buffer.from(text).toString("base64url").slice(0, 200);
    const lists = nasty.flatMap((text) => [
      { type: "conversation.list", cursor: text },
      { type: "conversation.list", cursor: encode(text) },
      { type: "conversation.list", query: text },
      { type: "conversation.list", query: text, cursor: encode(JSON.stringify([text, text])) },
      { type: "conversation.list", cursor: encode(JSON.stringify({ at: text, id: {} })) },
      { type: "auth.refresh", token: text },
      { type: "auth.refresh", token: `${encode(`{"alg":"none","kid":${JSON.stringify(text)}}`)}.${encode("{}")}.` },
    ]);
    const stray = Object.keys(fields)
      .filter((type) => /^(conversation\.(open|close|update|delete|history)|message\.(edit|react)|turn\.)/.test(type))
      .flatMap((type) => {
        const nowhere = { conversation: uuid(), message: uuid(), reply: uuid(), turn: uuid() };
        return [example(type, nowhere), example(type, { ...nowhere, conversation: aim.conversation })]
          .filter((_, i) => i === 0 || !type.startsWith("conversation."))
          .map(objectText);
      });
    const texts = [...lists.map((command) => JSON.stringify({ id: uuid(), ...command })), ...stray];
    const answers = await answersOf(raw, texts);
    expect(texts.filter((_, i) => !isClean(answers[i] ?? { type: "nothing" }))).toEqual([]);
    expect(
      answers.slice(lists.length).filter(({ type, error }) => type !== "ack" && error?.code !== "not_found"),
    ).toEqual([]);
    expect(await belongings(raw, aim)).toBe(before);
    raw.cut();
  });

  test("JS11 LG6 the same id: same content, same answer on any socket; other content, conflict; another's is another's; 50 at once, one", async () => {
    const { raw, aim, token } = await furnished();
    const others = await Promise.all(Array.from({ length: 9 }, () => Raw.connect(scene.url, { auth: false })));
    await Promise.all(others.map((other) => other.ask({ type: "auth", id: "auth", session: token })));
    const [id, conversation, message] = [uuid(), uuid(), uuid()];
    const parts = [{ type: "text", text: "{{chars=20}}" }];
    const command = { type: "message.send", id, conversation, message, parts };
    const sockets = [raw, ...others];
    const answers = (
      await Promise.all(sockets.map((one) => answersOf(one, Array(5).fill(JSON.stringify(command)))))
    ).flat();
    expect(answers.length).toBe(50);
    expect(answers[0]?.type).toBe("ack");
    expect(new Set(answers.map((answer) => JSON.stringify(answer))).size).toBe(1);
    const history = await raw.ask({ type: "conversation.history", id: uuid(), conversation });
    expect((history["messages"] as { role: string }[]).map(({ role }) => role)).toEqual(["user", "assistant"]);
    // The same fields in another order, and fields that nobody knows, are the same content.
    const turned = { more: 1, parts, message, conversation, id, type: "message.send" };
    const changed = [
      { ...command, message: uuid() },
      { ...command, parts: [{ type: "text", text: "other" }] },
      { ...command, conversation: aim.conversation },
    ];
    const [again, ...conflicts] = await answersOf(
      raw,
      [turned, ...changed].map((one) => JSON.stringify(one)),
    );
    expect(again).toEqual(answers[0]);
    const update = { type: "conversation.update", id, conversation, title: "other" };
    conflicts.push(...(await answersOf(raw, [JSON.stringify(update)])));
    expect(conflicts.map(({ error }) => error?.code)).toEqual(Array(4).fill("conflict"));
    const stranger = await Raw.connect(scene.url);
    const own = { ...command, conversation: uuid(), message: uuid() };
    expect(await stranger.ask(own)).toMatchObject({ type: "ack", message: own.message });
    for (const one of [...sockets, stranger]) one.cut();
  });
});

describe("and everybody else", () => {
  test("FR18 JS12 G8 the healthy client beside all this has seen nothing of it", async () => {
    const health = await scene.healthy.end();
    console.log("healthy beside messages", JSON.stringify(health), `${scene.memory().toFixed(0)} MiB`);
    expect(health.problems).toEqual([]);
    expect(health.replies).toBeGreaterThan(0);
    expect(health.p99).toBeLessThan(1000);
    expect(scene.alive()).toBe(true);
    expect(scene.server.output).not.toMatch(/uncaught|unhandled|handler_failed/i);
  });
});
