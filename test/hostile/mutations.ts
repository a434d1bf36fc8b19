// Hostile frames by grammar and mutation: a pure function of its chance and of what exists to aim at. Sends nothing.
import { example, fields, objectText, type Aim } from "./commands.ts";
import { closing, frame, type FrameShape } from "./raw.ts";

export type Chance = () => number;

/** A chance that is the same for the same seed. Source: mulberry32, Tommy Ettinger, public domain. */
export function chanceOf(seed: number): Chance {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** What a peer sends in one go. `text`: one whole message, that must be answered or end the socket. `bytes`: anything. */
export type Hostile =
  | { readonly kind: "text"; readonly payload: Buffer; readonly name: string }
  | { readonly kind: "bytes"; readonly bytes: Buffer; readonly name: string; readonly closes?: number };

const whole = (chance: Chance, below: number): number => Math.floor(chance() * below);
function pick<T>(chance: Chance, list: readonly T[], other: T): T {
  return list[whole(chance, list.length)] ?? other;
}
const noise = (chance: Chance, length: number): Buffer => Buffer.from(Array.from({ length }, () => whole(chance, 256)));

/** JSON texts that are put where something else belongs. */
const strange = [
  "null", "true", "0", "-1", "-0", "1e400", "1e-400", "9007199254740993", "123456789012345678901234567890", "0.1", '""', '"x"', '"__proto__"',
  "[]", "{}", "[[[[]]]]", '{"length":1}', '[null]', '{"toString":1}', '{"then":1}', '"\\ud83d"', '"\\u0000"', '"\\u202e"', '"💥"',
  '["a","b"]', '{"type":"auth"}', '"2026-01-01T00:00:00Z"', '"../../etc"', '"<script>"', "1E5", "-1e308", '{"a":{"b":{"c":{}}}}',
]; // prettier-ignore
const protoKeys = ["__proto__", "constructor", "prototype", "\\u005f_proto__", "hasOwnProperty", "toJSON", "then"];

type Fields = Record<string, string>;
type TextMutation = (chance: Chance, text: string) => string;

const someField = (chance: Chance, object: Fields): string => pick(chance, Object.keys(object), "id");

/** Of the object: still JSON, of a wrong shape or meaning. */
const shapes: Record<string, (chance: Chance, object: Fields) => string> = {
  swap: (chance, object) => objectText({ ...object, [someField(chance, object)]: pick(chance, strange, "null") }),
  "swap two": (chance, object) => {
    const [one, two] = [someField(chance, object), someField(chance, object)];
    return objectText({ ...object, [one]: object[two] ?? "0", [two]: object[one] ?? "0" });
  },
  drop: (chance, object) => {
    const dropped = someField(chance, object);
    return objectText(Object.fromEntries(Object.entries(object).filter(([name]) => name !== dropped)));
  },
  double: (chance, object) => {
    const field = someField(chance, object);
    return objectText(object).replace(/\}$/, `,${JSON.stringify(field)}:${pick(chance, strange, "null")}}`);
  },
  deep: (chance, object) => {
    const times = 1 + whole(chance, pick(chance, [20, 40, 2000], 40));
    const value =
      chance() < 0.5 ? "[".repeat(times) + "]".repeat(times) : `${'{"a":'.repeat(times)}1${"}".repeat(times)}`;
    return objectText({ ...object, [someField(chance, object)]: value });
  },
  proto: (chance, object) => {
    const value = pick(chance, [...strange, '{"title":"poisoned","everywhere":true}'], "null");
    const poison = `"${pick(chance, protoKeys, "__proto__")}":${value}`;
    return chance() < 0.5
      ? objectText(object).replace(/^\{/, `{${poison},`)
      : objectText({ ...object, [someField(chance, object)]: `[{${poison}}]` });
  },
  long: (chance, object) => {
    const length = 2 ** whole(chance, chance() < 0.02 ? 19 : 12);
    return objectText({ ...object, [someField(chance, object)]: JSON.stringify("ж".repeat(length / 2 + 1)) });
  },
  many: (chance, object) => {
    const count = 2 ** whole(chance, chance() < 0.02 ? 15 : 8);
    const list = `[${Array.from({ length: count }, () => pick(chance, ["1", "{}", '"x"'], "1")).join(",")}]`;
    return objectText({ ...object, [someField(chance, object)]: list });
  },
  type: (chance, object) => objectText({ ...object, type: JSON.stringify(pick(chance, Object.keys(fields), "ping")) }),
  wrap: (chance, object) =>
    pick(
      chance,
      [`[${objectText(object)}]`, `{"data":${objectText(object)}}`, JSON.stringify(objectText(object))],
      "[]",
    ),
  more: (chance, object) => objectText({ ...object, [`x${whole(chance, 100)}`]: pick(chance, strange, "null") }),
};

/** Of the text: mostly JSON no longer. */
const texts: Record<string, TextMutation> = {
  cut: (chance, text) => text.slice(0, whole(chance, text.length)),
  twice: (chance, text) => text + pick(chance, ["", "\n", ",", " "], "") + text,
  repeat: (chance, text) => {
    const at = whole(chance, text.length);
    const piece = text.slice(at, at + 1 + whole(chance, 20));
    return text.slice(0, at) + piece.repeat(1 + whole(chance, 20)) + text.slice(at);
  },
  remove: (chance, text) => {
    const at = whole(chance, text.length);
    return text.slice(0, at) + text.slice(at + 1 + whole(chance, 10));
  },
  insert: (chance, text) => {
    const at = whole(chance, text.length + 1);
    return (
      text.slice(0, at) +
      pick(chance, ["{", "}", "[", "]", '"', ",", ":", "\\", "\0", "\uFEFF", "//", "NaN", "\u2028"], "{") +
      text.slice(at)
    );
  },
  space: (chance, text) => text.replaceAll(/[,:]/g, (c) => c + pick(chance, [" ", "\n", "\t", "", "\u00a0"], " ")),
  rubbish: (chance) =>
    pick(chance, ["", " ", "null", "true", "[]", "0", '"x"', "ping", "{}", "{", "<xml/>", "a=b&c=d", "\0"], ""),
};

/** Of the bytes: one to three bits; rarely the highest, after which it is text no longer. */
function flip(chance: Chance, input: Buffer): Buffer {
  const out = Buffer.from(input);
  for (let i = 0, times = 1 + whole(chance, 3); i < times; i++) {
    const at = whole(chance, out.length);
    out[at] = (out[at] ?? 0) ^ (1 << whole(chance, chance() < 0.1 ? 8 : 7));
  }
  return out;
}

function commandFields(chance: Chance, aim: Aim): Fields {
  const type = pick(chance, Object.keys(fields), "ping");
  const nowhere = {
    conversation: crypto.randomUUID(),
    message: crypto.randomUUID(),
    reply: crypto.randomUUID(),
    turn: crypto.randomUUID(),
  };
  const object = example(type, chance() < 0.5 ? aim : nowhere);
  // Sending and signing out work too well for a flood of rejections: some of them only.
  if (/^(message\.send|message\.edit|turn\.retry|auth\.logout)$/.test(type) && chance() < 0.8)
    delete object["conversation"];
  return type === "auth.logout" && chance() < 0.9 ? { ...object, everywhere: "1" } : object;
}

function hostileText(chance: Chance, aim: Aim): Hostile {
  const object = commandFields(chance, aim);
  const roll = chance();
  const shape = pick(chance, Object.keys(shapes), "swap");
  const shaped = shapes[shape]?.(chance, object) ?? "";
  if (roll < 0.75) return { kind: "text", payload: Buffer.from(shaped), name: shape };
  const text = objectText(object);
  if (roll < 0.95) {
    const name = pick(chance, Object.keys(texts), "cut");
    return { kind: "text", payload: Buffer.from(texts[name]?.(chance, text) ?? ""), name };
  }
  return { kind: "text", payload: flip(chance, Buffer.from(text)), name: "flip" };
}

const anyFrame = (chance: Chance, payload: Uint8Array): FrameShape => ({
  opcode: whole(chance, 16),
  fin: chance() < 0.7,
  rsv: chance() < 0.2 ? whole(chance, 8) : 0,
  masked: chance() < 0.85,
  payload,
  ...(chance() < 0.2 ? { form: 64, claims: BigInt(whole(chance, 2 ** 31)) << BigInt(whole(chance, 33)) } : {}),
});

/** Of the wire itself. */
const wires: Record<string, (chance: Chance, aim: Aim) => Omit<Hostile & { kind: "bytes" }, "kind" | "name">> = {
  "any frame": (chance) => ({ bytes: frame(anyFrame(chance, noise(chance, whole(chance, 200)))) }),
  "any frames": (chance) => ({
    bytes: Buffer.concat(
      Array.from({ length: 1 + whole(chance, 8) }, () => frame(anyFrame(chance, noise(chance, whole(chance, 40))))),
    ),
  }),
  noise: (chance) => ({ bytes: noise(chance, 1 + whole(chance, 300)) }),
  http: () => ({ bytes: Buffer.from("GET /api/v1/async/chatbot HTTP/1.1\r\nHost: x\r\n\r\n") }),
  tls: () => ({ bytes: Buffer.from("16030100a5010000a10303", "hex") }),
  "flipped frame": (chance, aim) => ({
    bytes: flip(chance, frame({ payload: objectText(commandFields(chance, aim)) })),
  }),
  "cut frame": (chance, aim) => {
    const one = frame({ payload: objectText(commandFields(chance, aim)) });
    return { bytes: one.subarray(0, whole(chance, one.length)) };
  },
  "no UTF-8": (chance) => ({ bytes: frame({ payload: Buffer.concat([Buffer.from('{"type":"'), noise(chance, 8)]) }) }),
  binary: (chance) => ({ bytes: frame({ opcode: 2, payload: noise(chance, 20) }) }),
  fragments: (chance) => ({
    bytes: Buffer.concat(
      Array.from({ length: 1 + whole(chance, 30) }, (_, i) =>
        frame({ opcode: i === 0 ? 1 : 0, fin: chance() < 0.05, payload: noise(chance, 3) }),
      ),
    ),
  }),
  "many fragments": () => ({
    bytes: Buffer.concat(
      Array.from({ length: 1100 }, (_, i) => frame({ opcode: i === 0 ? 1 : 0, fin: false, payload: "x" })),
    ),
  }),
  "too large": () => ({ bytes: frame({ claims: 300_000n }) }),
  pings: (chance) => ({
    bytes: Buffer.concat(
      Array.from({ length: whole(chance, 400) }, () => frame({ opcode: 9 + whole(chance, 2), payload: "x" })),
    ),
  }),
  close: (chance) => {
    const code = pick(chance, [0, 999, 1000, 1001, 1004, 1005, 1006, 1007, 1015, 3000, 4000, 4999, 5000], 1000);
    const reason = chance() < 0.3 ? noise(chance, 5) : Buffer.from("bye");
    return { bytes: closing(code, reason), closes: code };
  },
};

/** The next hostile thing. `raw`: of the wire itself, else a text message. */
export function nextHostile(chance: Chance, aim: Aim, raw: boolean): Hostile {
  if (!raw) return hostileText(chance, aim);
  const name = pick(chance, Object.keys(wires), "noise");
  const made = wires[name]?.(chance, aim) ?? { bytes: Buffer.alloc(0) };
  return { kind: "bytes", name, ...made };
}
