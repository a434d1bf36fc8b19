// Owns the proof that any text of a frame becomes a command or a rejection, never a throw, and that the tables hold the wire's codes.
import fc from "fast-check";
import { expect, test } from "vitest";
import {
  closeCodes,
  commandSchemas,
  decode,
  defaultLimits,
  encodeAck,
  encodeError,
  errorCodes,
  exceeds,
  isCommandType,
  reject,
  serverFrame,
  type Command,
  type CommandType,
} from "../../src/protocol/index.ts";
import * as v from "valibot";

const id = "cmd-1";
const uuid = "0190b7a2-7c7e-7000-8000-0123456789ab";
const other = "0190b7a2-7c7e-7000-8000-0123456789ac";
const parts = [
  { type: "text" as const, text: "Hello" },
  { type: "file" as const, file: "f1" },
];

/** One command of every type, with every field it can have. */
const whole: { [T in CommandType]: Extract<Command, { type: T }> } = {
  auth: {
    type: "auth",
    id,
    token: "t",
    session: "s",
    guest: true,
    open: [{ conversation: uuid, seq: 3, epoch: "e" }],
    client: { name: "n", version: "1" },
  },
  "auth.refresh": { type: "auth.refresh", id, token: "t" },
  "auth.logout": { type: "auth.logout", id, everywhere: true },
  "session.list": { type: "session.list", id },
  "session.revoke": { type: "session.revoke", id, session: "s" },
  ping: { type: "ping", id },
  "conversation.list": { type: "conversation.list", id, cursor: "c", limit: 50, query: "q", archived: false },
  "conversation.create": { type: "conversation.create", id, conversation: uuid, title: "T" },
  "conversation.open": { type: "conversation.open", id, conversation: uuid, seq: 3, epoch: "e" },
  "conversation.close": { type: "conversation.close", id, conversation: uuid },
  "conversation.update": { type: "conversation.update", id, conversation: uuid, title: "T", archived: true },
  "conversation.delete": { type: "conversation.delete", id, conversation: uuid },
  "conversation.history": { type: "conversation.history", id, conversation: uuid, before: other, limit: 10 },
  "message.send": { type: "message.send", id, conversation: uuid, message: other, parts, parent: uuid },
  "message.edit": { type: "message.edit", id, conversation: uuid, message: uuid, replacement: other, parts },
  "message.react": { type: "message.react", id, conversation: uuid, message: other, reaction: "👍", on: true },
  "turn.stop": { type: "turn.stop", id, conversation: uuid, turn: other },
  "turn.retry": { type: "turn.retry", id, conversation: uuid, message: other },
  "turn.continue": { type: "turn.continue", id, conversation: uuid, message: other },
};
const types = Object.keys(commandSchemas).filter(isCommandType);
const take = (value: unknown) => decode(JSON.stringify(value), defaultLimits);

test.each(types)("WR1 %s with every field is read as it was sent", (type) => {
  expect(take(whole[type])).toEqual({ ok: true, command: whole[type] });
  expect(Object.keys(commandSchemas[type].entries).sort()).toEqual(Object.keys(whole[type]).sort());
});

/** Every place in a value: the way to it from the top. */
function places(value: unknown, way: readonly (string | number)[] = []): (readonly (string | number)[])[] {
  const here = way.length === 0 ? [] : [way];
  if (typeof value !== "object" || value === null) return here;
  const children = Array.isArray(value) ? value.map((child, i) => [i, child] as const) : Object.entries(value);
  return [...here, ...children.flatMap(([key, child]) => places(child, [...way, key]))];
}

/** A copy with the value at a place replaced, or (`gone`) removed. */
const gone = Symbol("gone");
function replaced(value: unknown, [key, ...rest]: readonly (string | number)[], by: unknown): unknown {
  if (key === undefined) return by;
  const entries: [string, unknown][] = Object.entries(value ?? {});
  const changed = entries.flatMap(([name, child]): [string, unknown][] => {
    if (name !== String(key)) return [[name, child]];
    const next = replaced(child, rest, by);
    return next === gone ? [] : [[name, next]];
  });
  return Array.isArray(value) ? changed.map(([, child]) => child) : Object.fromEntries(changed);
}

const kindOf = (value: unknown): string => (value === null ? "null" : Array.isArray(value) ? "array" : typeof value);
const at = (value: unknown, way: readonly (string | number)[]): unknown =>
  way.reduce<unknown>(
    (found, key) => (typeof found === "object" && found !== null ? Reflect.get(found, key) : undefined),
    value,
  );

const strangers: readonly unknown[] = [null, "x", "", 7, -1, 0.5, true, false, [], {}, [[]], [null], { a: 1 }, "12"];
const tooMany: unknown = Array.from({ length: 12_000 }, () => 0);
const huge: readonly unknown[] = ["x".repeat(150_000), Array.from({ length: 2_000 }, () => "x"), tooMany];

test.each(types)(
  "JS07 %s: each field missing, null, of another type, empty or huge is a rejection, never a throw",
  (type) => {
    let tried = 0;
    for (const way of places(whole[type])) {
      const kind = kindOf(at(whole[type], way));
      for (const by of [...strangers, ...huge]) {
        const answer = take(replaced(whole[type], way, by));
        tried++;
        const mayPass = kindOf(by) === kind || (way.join(".") === "parent" && by === null);
        if (answer.ok) expect(mayPass, `${way.join(".")} = ${JSON.stringify(by).slice(0, 40)}`).toBe(true);
        else {
          expect(["invalid", "too_large"]).toContain(answer.rejection.code);
          expect(answer.rejection.message.length).toBeLessThan(200);
          // A frame with too many items is not read at all, so that its id is not known.
          if (way[0] !== "id" && by !== tooMany) expect(answer.id).toBe(id);
          if (way[0] !== "type" && !answer.malformed) expect(answer.rejection.field).toMatch(new RegExp(`^${way[0]}`));
        }
        if (huge.includes(by)) expect(answer.ok).toBe(false);
      }
      const without = take(replaced(whole[type], way, gone));
      if (!without.ok) expect(without.rejection.code).toBe("invalid");
    }
    expect(tried).toBeGreaterThan(20);
  },
);

test.each(types)("JS07 %s: a required field that is missing is named, an optional one may be missing", (type) => {
  for (const [field, schema] of Object.entries(commandSchemas[type].entries)) {
    const answer = take(replaced(whole[type], [field], gone));
    if (schema.type === "optional") expect(answer.ok).toBe(true);
    else if (field === "type") expect(answer).toMatchObject({ ok: false, malformed: true, id });
    else expect(answer).toMatchObject({ ok: false, malformed: false, rejection: { code: "invalid", field } });
  }
});

test("JS07 property: no text and no JSON makes decode throw", () => {
  const frames = fc.oneof(
    fc.string({ unit: "binary" }),
    fc.json(),
    fc
      .record({ type: fc.constantFrom(...types, "x", "toString"), id: fc.jsonValue(), conversation: fc.jsonValue() })
      .map((o) => JSON.stringify(o)),
  );
  fc.assert(
    fc.property(frames, (text) => {
      const answer = decode(text, defaultLimits);
      if (!answer.ok) expect(answer.rejection.code).toBe("invalid");
    }),
    { numRuns: 2_000 },
  );
});

const noObjects = [
  "",
  " ",
  "not json",
  "{",
  '{"a":1',
  "\ufeff{}",
  '{"type":"ping","id":"a"}x',
  "[]",
  '[{"type":"ping"}]',
];
test.each([
  ...noObjects,
  "1",
  "null",
  "true",
  '"ping"',
  "{'type':'ping'}",
  '{"type":"ping","id":"a",}',
  "NaN",
  "\0",
  "{}{}",
])("JS01 %j is no JSON object of a known type: malformed, without an id", (text) => {
  expect(decode(text, defaultLimits)).toMatchObject({ ok: false, malformed: true, rejection: { code: "invalid" } });
  expect(decode(text, defaultLimits)).not.toHaveProperty("id");
});

test("JS02 30,000 nested arrays in 64 KiB, and deep objects, end before a parser sees them", () => {
  const arrays = "[".repeat(30_000) + "]".repeat(30_000);
  const objects = '{"a":'.repeat(10_000) + "1" + "}".repeat(10_000);
  for (const text of [arrays, "[".repeat(64 * 1024), objects, `{"type":"ping","id":"a","x":${arrays}}`]) {
    expect(exceeds(text, defaultLimits)).toBe("depth");
    expect(decode(text, defaultLimits)).toMatchObject({ ok: false, malformed: true, rejection: { code: "invalid" } });
  }
});

test("JS02 the depth limit is exact, and brackets in strings are text", () => {
  const nested = (n: number): string => `{"type":"ping","id":"a","x":${"[".repeat(n)}${"]".repeat(n)}}`;
  expect(decode(nested(31), defaultLimits)).toMatchObject({ ok: true });
  expect(decode(nested(32), defaultLimits)).toMatchObject({ ok: false, malformed: true });
  const text = '[{"\\"['.repeat(1_000);
  const sent = { ...whole["message.send"], parts: [{ type: "text", text }] };
  expect(take(sent)).toEqual({ ok: true, command: sent });
  for (const odd of ['"', "\\", '\\"', '"\\'])
    expect(take({ type: "ping", id: `${odd}${"[".repeat(40)}` })).toMatchObject({ ok: true });
});

test("JS02 too many keys or items are refused by their count", () => {
  const many = (n: number): string => `{"type":"ping","id":"a","x":[${Array.from({ length: n }, () => 0).join(",")}]}`;
  expect(decode(many(9_000), defaultLimits)).toMatchObject({ ok: true });
  expect(decode(many(10_001), defaultLimits)).toMatchObject({ ok: false, malformed: true });
  expect(exceeds(many(10_001), defaultLimits)).toBe("nodes");
});

test("JS02 property: the count of depth agrees with the parsed value", () => {
  const depthOf = (value: unknown): number =>
    typeof value === "object" && value !== null ? 1 + Math.max(0, ...Object.values(value).map(depthOf)) : 0;
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 6 }), fc.integer({ min: 0, max: 6 }), (value, depth) => {
      expect(exceeds(JSON.stringify(value), { depth, nodes: 100_000 }) === "depth").toBe(depthOf(value) > depth);
    }),
  );
});

test("JS03 keys that reach a prototype are refused at any depth, and Object.prototype stays as it was", () => {
  const before = Reflect.ownKeys(Object.prototype);
  for (const key of ["__proto__", "constructor", "prototype"]) {
    const evil = `{"${key}":{"polluted":true}}`;
    for (const text of [
      `{"type":"ping","id":"a","${key}":{"polluted":true}}`,
      `{"type":"ping","id":"a","x":[{"y":${evil}}]}`,
      `{"type":"message.send","id":"a","conversation":"${uuid}","message":"${uuid}","parts":[${evil}]}`,
      `{"type":"ping","id":"a","\\u005f${key.slice(1)}":1}`.replace(
        "\\u005f",
        key.startsWith("_") ? "\\u005f" : key.charAt(0),
      ),
    ]) {
      expect(decode(text, defaultLimits)).toMatchObject({ ok: false, id: "a", rejection: { code: "invalid" } });
    }
  }
  expect(Reflect.ownKeys(Object.prototype)).toEqual(before);
  expect({}).not.toHaveProperty("polluted");
});

test("JS05 a cursor is a whole number of any size, and nothing else", () => {
  const open = (seq: string) =>
    decode(`{"type":"conversation.open","id":"a","conversation":"${uuid}","seq":${seq}}`, defaultLimits);
  for (const good of ["0", "-0", "1", "-1", "9007199254740993", "1e300", "3.0"])
    expect(open(good)).toMatchObject({ ok: true });
  for (const bad of ["1e400", "-1e400", "0.5", '"12"', "null", "true", "[1]", "{}"]) {
    expect(open(bad)).toMatchObject({ ok: false, malformed: false, rejection: { code: "invalid", field: "seq" } });
  }
});

test("JS05 ids are strings; ids of conversations are UUIDs and compared in lower case", () => {
  for (const bad of ["12", "1e400", "null", '""', `"${"x".repeat(65)}"`]) {
    const answer = decode(`{"type":"ping","id":${bad}}`, defaultLimits);
    expect(answer).toMatchObject({ ok: false, rejection: { code: "invalid", field: "id" } });
  }
  expect(take({ type: "ping", id: "x".repeat(64) })).toMatchObject({ ok: true });
  const open = (conversation: unknown) => take({ type: "conversation.open", id, conversation });
  expect(open(uuid.toUpperCase())).toMatchObject({ ok: true, command: { conversation: uuid } });
  for (const bad of [`{${uuid}}`, uuid.replaceAll("-", ""), `${uuid} `, `${uuid}\n`, "../../etc/passwd", 12]) {
    expect(open(bad)).toMatchObject({ ok: false, rejection: { field: "conversation" } });
  }
});

test("JS08 an unknown type is malformed with its id, unknown fields are ignored, names of Object are no types", () => {
  for (const type of ["chat", "PING", "toString", "__proto__", "constructor", "", 1, null]) {
    expect(take({ type, id: "a" })).toMatchObject({
      ok: false,
      malformed: true,
      id: "a",
      rejection: { code: "invalid" },
    });
  }
  expect(take({ type: "ping", id: "a", later: { x: [1] }, version: 9 })).toEqual({
    ok: true,
    command: { type: "ping", id: "a" },
  });
});

test("JS10 a text with NUL or half a surrogate pair is invalid, in every field that is a text", () => {
  for (const broken of ["a\0b", "\ud800", "x\udc00", "\ude00\ud83d"]) {
    for (const type of ["auth", "conversation.list", "conversation.create", "message.send"] as const) {
      for (const way of places(whole[type])) {
        if (typeof at(whole[type], way) !== "string" || way[0] === "type" || way.at(-1) === "type") continue;
        const answer = take(replaced(whole[type], way, broken));
        expect(answer).toMatchObject({
          ok: false,
          malformed: false,
          rejection: { code: "invalid", field: way.join(".") },
        });
      }
    }
  }
  const sent = {
    ...whole["message.send"],
    parts: [{ type: "text", text: "\u{1f600} \u0001 e\u0301 \u00e9 \u200d \r\n" }],
  };
  expect(take(sent)).toEqual({ ok: true, command: sent });
});

test("WR2 a text above the operator's limit is too_large and names its part", () => {
  const send = (length: number) => ({
    ...whole["message.send"],
    parts: [parts[1], { type: "text", text: "x".repeat(length) }],
  });
  const limits = { ...defaultLimits, textLength: 10 };
  expect(decode(JSON.stringify(send(10)), limits)).toMatchObject({ ok: true });
  expect(decode(JSON.stringify(send(11)), limits)).toMatchObject({
    ok: false,
    malformed: false,
    id,
    rejection: { code: "too_large", field: "parts.1.text" },
  });
});

test("WR2 a title and a number of parts above the operator's limits are invalid, below them not, whatever the default is", () => {
  const limits = { ...defaultLimits, titleLength: 5, parts: 2 };
  const wide = { ...defaultLimits, titleLength: 1000, parts: 100 };
  const refused = (field: string) => ({ ok: false, malformed: false, id, rejection: { code: "invalid", field } });
  for (const type of ["conversation.create", "conversation.update"] as const) {
    const named = (length: number) => JSON.stringify({ ...whole[type], title: ` ${"t".repeat(length)} ` });
    expect(decode(named(5), limits)).toMatchObject({ ok: true });
    expect(decode(named(6), limits)).toMatchObject(refused("title"));
    expect(decode(named(1000), wide)).toMatchObject({ ok: true });
    expect(decode(named(1001), wide)).toMatchObject(refused("title"));
  }
  for (const type of ["message.send", "message.edit"] as const) {
    const sent = (count: number) =>
      JSON.stringify({ ...whole[type], parts: Array.from({ length: count }, () => ({ type: "text", text: "x" })) });
    expect(decode(sent(2), limits)).toMatchObject({ ok: true });
    expect(decode(sent(3), limits)).toMatchObject(refused("parts"));
    expect(decode(sent(100), wide)).toMatchObject({ ok: true });
    expect(decode(sent(101), wide)).toMatchObject(refused("parts"));
  }
});

test("WR3 a reaction is one emoji", () => {
  const react = (reaction: unknown) => take({ ...whole["message.react"], reaction }).ok;
  for (const good of ["👍", "👍🏽", "❤️", "❤", "👩‍👩‍👧‍👦", "🇩🇪", "1️⃣", "🏴󠁧󠁢󠁥󠁮󠁧󠁿"]) expect(react(good), good).toBe(true);
  for (const bad of [
    "",
    "a",
    "ok",
    "1",
    "👍👍",
    "👍 ",
    " 👍",
    "👍a",
    "🇩🇪🇫🇷",
    "<b>",
    "\u0000",
    "e\u0301",
    "\ud83d",
    "👍".repeat(20),
  ]) {
    expect(react(bad), bad).toBe(false);
  }
});

test("WR4 every answer is a frame of the contract", () => {
  const parse = (text: string) => v.parse(serverFrame, JSON.parse(text));
  expect(parse(encodeAck("a", { seq: 4 }))).toEqual({ type: "ack", id: "a", seq: 4 });
  const rejection = reject("rate_limited", { retryAfterMs: 1_200.4, field: "parts" });
  expect(parse(encodeError("a", rejection))).toEqual({ type: "error", id: "a", error: rejection });
  expect(parse(encodeError(undefined, reject("invalid")))).not.toHaveProperty("id");
  expect(rejection.retryAfterMs).toBe(1_201);
});

test("WR5 the table of errors holds the wire's codes, each with a sentence", () => {
  const contract = `invalid unauthorized forbidden not_found conflict too_large unsupported_media rate_limited
    quota_exceeded blocked overloaded unavailable model_unavailable model_rate_limited model_timeout
    model_refused context_overflow internal`;
  expect(Object.keys(errorCodes).sort()).toEqual(contract.split(/\s+/).sort());
  for (const { message } of Object.values(errorCodes)) expect(message).toMatch(/^[A-Z][^\n]{10,}\.$/);
});

test("WR6 the table of close codes holds the wire's codes and what a client does about each", () => {
  const actions = Object.entries(closeCodes).map(([code, { action }]) => [Number(code), action]);
  const contract = [
    ...[1000, 1001, 1006, 1011, 1012].map((code) => [code, "reconnect"]),
    [1013, "reconnect-slower"],
    ...[1002, 1003, 1007, 1008].map((code) => [code, "stop"]),
    [1009, "skip-frame"],
    [4400, "stop"],
    [4401, "new-token"],
    [4403, "stop"],
    [4408, "reconnect"],
    [4410, "sign-in"],
    [4429, "wait"],
  ];
  expect(new Map(actions.map(([code, action]) => [code, action]))).toEqual(
    new Map(contract.map(([code, action]) => [code, action])),
  );
});
