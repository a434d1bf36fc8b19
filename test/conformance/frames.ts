// Owns the generated cases of RFC 6455: what is sent on a signed-in socket and what has to come of it. It opens nothing itself.
import { closing, frame, type FrameShape } from "../hostile/raw.ts";

/** `answered`: the command in the bytes is acked. `pong`: so many bytes come back. A number: the close code. */
export type Outcome = "answered" | `pong ${number}` | "nothing" | number;
/** One case: what is sent, in pieces of `step` bytes where it is given. */
export type Case = {
  readonly group: Group;
  readonly name: string;
  readonly bytes: Buffer;
  readonly expected: Outcome;
  readonly step?: number;
};
type Group = "opcodes" | "reserved bits" | "masks" | "lengths" | "fragments" | "control" | "close codes" | "UTF-8";
/** The command that a case carries, and its id. */
export const commandId = "case";

const limit = 256 * 1024;
const frames = (...shapes: readonly FrameShape[]): Buffer => Buffer.concat(shapes.map((shape) => frame(shape)));

/** A ping command of exactly so many bytes. */
function commandOf(bytes: number): string {
  const empty = JSON.stringify({ type: "ping", id: commandId, pad: "" });
  return bytes < empty.length
    ? command
    : JSON.stringify({ type: "ping", id: commandId, pad: "x".repeat(bytes - empty.length) });
}
const command = JSON.stringify({ type: "ping", id: commandId });

/** A command with `inside` as it is, in a string that nobody reads. */
const carrying = (inside: Uint8Array): Buffer =>
  Buffer.concat([Buffer.from(`{"type":"ping","id":"${commandId}","pad":"`), inside, Buffer.from('"}')]);

const control = new Set([8, 9, 10]);

/** Every opcode, whole and as a first fragment. */
function* opcodes(): Generator<Case> {
  for (let opcode = 0; opcode < 16; opcode++) {
    for (const fin of [true, false]) {
      const name = `opcode ${opcode}${fin ? "" : ", not final"}`;
      const none = opcode === 0 || (opcode > 2 && opcode < 8) || opcode > 10 || (control.has(opcode) && !fin);
      if (none) yield { group: "opcodes", name, bytes: frame({ opcode, fin, payload: "{}" }), expected: 1002 };
    }
  }
  yield { group: "opcodes", name: "opcode 1", bytes: frame({ payload: command }), expected: "answered" };
  const two = frames({ payload: command, fin: false }, { opcode: 0 });
  yield { group: "opcodes", name: "opcode 1, not final, ended by 0", bytes: two, expected: "answered" };
  yield { group: "opcodes", name: "opcode 2", bytes: frame({ opcode: 2, payload: command }), expected: 1003 };
  const binary = frames({ opcode: 2, payload: command, fin: false }, { opcode: 0 });
  yield { group: "opcodes", name: "opcode 2, not final, ended by 0", bytes: binary, expected: 1003 };
  yield { group: "opcodes", name: "opcode 8", bytes: frame({ opcode: 8 }), expected: 1005 };
  yield { group: "opcodes", name: "opcode 9", bytes: frame({ opcode: 9, payload: "{}" }), expected: "pong 2" };
  const pong = frames({ opcode: 10, payload: "{}" }, { payload: command });
  yield { group: "opcodes", name: "opcode 10", bytes: pong, expected: "answered" };
}

/** Every combination of the reserved bits, on every opcode that is one. */
function* reservedBits(): Generator<Case> {
  for (const opcode of [0, 1, 2, 8, 9, 10]) {
    for (let rsv = 1; rsv < 8; rsv++) {
      const name = `rsv ${rsv.toString(2).padStart(3, "0")}, opcode ${opcode}`;
      const bad = frame({ opcode, rsv, payload: opcode === 8 ? "" : "{}" });
      const bytes = opcode === 0 ? Buffer.concat([frame({ payload: "{", fin: false }), bad]) : bad;
      yield { group: "reserved bits", name, bytes, expected: 1002 };
    }
  }
}

/** No mask, on every opcode; a client has to mask (5.1). */
function* masks(): Generator<Case> {
  for (const opcode of [0, 1, 2, 8, 9, 10]) {
    for (const payload of ["", "{}"]) {
      const bad = frame({ opcode, payload, masked: false });
      const bytes = opcode === 0 ? Buffer.concat([frame({ payload: "{", fin: false }), bad]) : bad;
      const name = `unmasked, opcode ${opcode}, ${payload.length} bytes`;
      yield { group: "masks", name, bytes, expected: 1002 };
    }
  }
}

/** Each length form with lengths about its edges, also forms longer than needed, whole and cut where a network may. */
function* lengths(): Generator<Case> {
  const forms = [
    [7, [command.length, 125]],
    [16, [command.length, 125, 126, 127, 65_535]],
    [64, [command.length, 125, 126, 65_535, 65_536, limit]],
  ] as const;
  for (const [form, sizes] of forms) {
    for (const size of sizes) {
      const bytes = frame({ payload: commandOf(size), form });
      const name = `${form} bits, ${size} bytes`;
      yield { group: "lengths", name, bytes, expected: "answered" };
      if (size > 200) continue;
      for (const step of [1, 3]) {
        yield { group: "lengths", name: `${name}, ${step} at a time`, bytes, expected: "answered", step };
      }
    }
  }
  for (const claims of [limit + 1, 2 ** 31 - 1, 2 ** 31, 2 ** 32, 2 ** 53 - 1]) {
    const bytes = frame({ claims: BigInt(claims), form: 64 });
    yield { group: "lengths", name: `64 bits, claims ${claims}`, bytes, expected: 1009 };
  }
  for (const power of [53n, 62n, 63n]) {
    const bytes = frame({ claims: 1n << power, form: 64 });
    yield { group: "lengths", name: `64 bits, claims 2^${power}`, bytes, expected: 1009 };
  }
}

/** Messages in 1 to 40 fragments, with and without control frames between, and orders that are none. */
function* fragmented(): Generator<Case> {
  for (const count of [1, 2, 3, 5, 8, 40]) {
    for (const between of ["nothing", "pongs", "empty fragments"]) {
      const size = Math.ceil(command.length / count);
      const shapes: FrameShape[] = [];
      for (let i = 0; i < count; i++) {
        const payload = command.slice(i * size, (i + 1) * size);
        shapes.push({ opcode: i === 0 ? 1 : 0, fin: i === count - 1, payload });
        if (i === count - 1) break;
        if (between === "pongs") shapes.push({ opcode: 10, payload: `${i}` });
        if (between === "empty fragments") shapes.push({ opcode: 0, fin: false });
      }
      const name = `${count} with ${between} between`;
      yield { group: "fragments", name, bytes: frames(...shapes), expected: "answered" };
    }
  }
  const start: FrameShape = { payload: "{", fin: false };
  const wrong: Record<string, readonly FrameShape[]> = {
    "a continuation alone, final": [{ opcode: 0, payload: "}" }],
    "a continuation alone, not final": [{ opcode: 0, fin: false, payload: "}" }],
    "a continuation behind an end": [{ payload: command, fin: false }, { opcode: 0 }, { opcode: 0 }],
    "text inside text": [start, { payload: "}" }],
    "text inside text, not final": [start, { payload: "}", fin: false }],
    "binary inside text": [start, { opcode: 2, payload: "}" }],
    "text inside binary": [{ opcode: 2, fin: false }, { payload: "}" }],
  };
  for (const [name, shapes] of Object.entries(wrong))
    yield { group: "fragments", name, bytes: frames(...shapes), expected: 1002 };
}

/** Control frames of every length up to the longest, of each form, in fragments, and too long. */
function* controls(): Generator<Case> {
  for (let size = 0; size <= 125; size += size < 4 || size > 120 ? 1 : 13) {
    const bytes = frame({ opcode: 9, payload: Buffer.alloc(size, 0x61) });
    yield { group: "control", name: `ping of ${size} bytes`, bytes, expected: `pong ${size}` };
    const name = `ping of ${size} bytes in a fragmented text`;
    const inside = Buffer.concat([frame({ payload: "{", fin: false }), bytes]);
    yield { group: "control", name, bytes: inside, expected: `pong ${size}` };
  }
  const bytes = frame({ opcode: 9, payload: Buffer.from([0xff, 0x00, 0x80]) });
  yield { group: "control", name: "ping of bytes that are no text", bytes, expected: "pong 3" };
  for (const opcode of [8, 9, 10]) {
    for (const size of [126, 127, 65_536]) {
      const long = frame({ opcode, payload: Buffer.alloc(size, 0x61) });
      yield { group: "control", name: `opcode ${opcode} of ${size} bytes`, bytes: long, expected: 1002 };
    }
    for (const form of [16, 64] as const) {
      const name = `opcode ${opcode}, its length in ${form} bits`;
      // A length has to be in the shortest form (5.2), and above 125 no control frame has one.
      yield { group: "control", name, bytes: frame({ opcode, form }), expected: 1002 };
    }
  }
}

/** Close codes about every edge of their ranges (7.4), and reasons of every length that there may be. */
function* closeCodes(): Generator<Case> {
  const good = (code: number): boolean =>
    (code >= 1000 && code <= 1014 && ![1004, 1005, 1006].includes(code)) || (code >= 3000 && code <= 4999);
  const codes = [
    0, 1, 500, 998, 999, 2000, 2500, 2998, 2999, 3000, 3001, 3999, 4000, 4001, 4998, 4999, 5000, 5001, 65_535,
  ];
  for (let code = 1000; code <= 1020; code++) codes.push(code);
  for (const code of codes) {
    const name = `code ${code}`;
    yield { group: "close codes", name, bytes: closing(code), expected: good(code) ? code : 1002 };
    yield {
      group: "close codes",
      name: `${name}, with a reason`,
      bytes: closing(code, "bye ü"),
      expected: good(code) ? code : 1002,
    };
  }
  for (const size of [0, 1, 61, 122, 123, 124, 125]) {
    const name = `code 1000, a reason of ${size} bytes`;
    yield { group: "close codes", name, bytes: closing(1000, "r".repeat(size)), expected: size > 123 ? 1002 : 1000 };
  }
  yield {
    group: "close codes",
    name: "half a code",
    bytes: frame({ opcode: 8, payload: Buffer.from([3]) }),
    expected: 1002,
  };
}

/** One class of bytes of Unicode's table 3-7: the first and last that are well-formed, or the ones beside that are not. */
const wellFormed: Readonly<Record<string, readonly number[]>> = {
  "U+0020": [0x20],
  "U+007F": [0x7f],
  "U+0080": [0xc2, 0x80],
  "U+07FF": [0xdf, 0xbf],
  "U+0800": [0xe0, 0xa0, 0x80],
  "U+0FFF": [0xe0, 0xbf, 0xbf],
  "U+1000": [0xe1, 0x80, 0x80],
  "U+CFFF": [0xec, 0xbf, 0xbf],
  "U+D000": [0xed, 0x80, 0x80],
  "U+D7FF": [0xed, 0x9f, 0xbf],
  "U+E000": [0xee, 0x80, 0x80],
  "U+FFFD": [0xef, 0xbf, 0xbd],
  "U+FFFE": [0xef, 0xbf, 0xbe],
  "U+FFFF": [0xef, 0xbf, 0xbf],
  "U+FEFF": [0xef, 0xbb, 0xbf],
  "U+10000": [0xf0, 0x90, 0x80, 0x80],
  "U+3FFFF": [0xf0, 0xbf, 0xbf, 0xbf],
  "U+40000": [0xf1, 0x80, 0x80, 0x80],
  "U+FFFFF": [0xf3, 0xbf, 0xbf, 0xbf],
  "U+100000": [0xf4, 0x80, 0x80, 0x80],
  "U+10FFFF": [0xf4, 0x8f, 0xbf, 0xbf],
};

function* illFormed(): Generator<readonly number[]> {
  // Bytes that begin nothing: continuations, overlong starts, above U+10FFFF.
  for (const byte of [0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xf5, 0xf7, 0xf8, 0xfb, 0xfc, 0xfd, 0xfe, 0xff]) {
    yield [byte];
    yield [byte, 0x80, 0x80, 0x80];
  }
  // Each start with a second byte just outside its range.
  const ranges = [
    [0xc2, 0x80, 0xbf, 1],
    [0xdf, 0x80, 0xbf, 1],
    [0xe0, 0xa0, 0xbf, 2],
    [0xe1, 0x80, 0xbf, 2],
    [0xec, 0x80, 0xbf, 2],
    [0xed, 0x80, 0x9f, 2],
    [0xee, 0x80, 0xbf, 2],
    [0xef, 0x80, 0xbf, 2],
    [0xf0, 0x90, 0xbf, 3],
    [0xf1, 0x80, 0xbf, 3],
    [0xf3, 0x80, 0xbf, 3],
    [0xf4, 0x80, 0x8f, 3],
  ] as const;
  for (const [start, low, high, more] of ranges) {
    const rest = Array.from({ length: more - 1 }, () => 0x80);
    yield [start, low - 1, ...rest];
    yield [start, high + 1, ...rest];
    // Cut after each byte.
    for (let kept = 0; kept < more; kept++) yield [start, low, ...rest].slice(0, kept + 1);
  }
}

/** Every class of UTF-8 in text, in fragments cut inside the character, and in a close reason. */
function* utf8(): Generator<Case> {
  const both = (name: string, inside: Buffer, right: boolean): Case[] => {
    const payload = carrying(inside);
    const cut = payload.indexOf(inside) + Math.ceil(inside.length / 2);
    const parts = frames(
      { payload: payload.subarray(0, cut), fin: false },
      { opcode: 0, payload: payload.subarray(cut) },
    );
    const expected = right ? "answered" : 1007;
    return [
      { group: "UTF-8", name, bytes: frame({ payload }), expected },
      { group: "UTF-8", name: `${name}, in fragments`, bytes: parts, expected },
      {
        group: "UTF-8",
        name: `${name}, in a close reason`,
        bytes: closing(1000, inside),
        expected: right ? 1000 : 1007,
      },
    ];
  };
  for (const [name, bytes] of Object.entries(wellFormed)) yield* both(name, Buffer.from(bytes), true);
  for (const bytes of illFormed()) yield* both(Buffer.from(bytes).toString("hex"), Buffer.from(bytes), false);
}

export function generateCases(): readonly Case[] {
  return [
    ...opcodes(),
    ...reservedBits(),
    ...masks(),
    ...lengths(),
    ...fragmented(),
    ...controls(),
    ...closeCodes(),
    ...utf8(),
  ];
}
