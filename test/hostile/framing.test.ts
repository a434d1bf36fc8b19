import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { closing, frame, Raw, upgradeRequest, type FrameShape } from "./raw.ts";
import { Scene } from "./scene.ts";

let scene: Scene;
beforeAll(async () => void (scene = await Scene.start()));
afterAll(() => scene.end());

const frameBytes = 256 * 1024;

/** Signs in, sends bytes, and gives the close code; the server's own frames must be without fault. */
async function codeAfter(bytes: Uint8Array, pieces?: number): Promise<number> {
  const raw = await Raw.connect(scene.url);
  if (pieces === undefined) raw.write(bytes);
  else for (let at = 0; at < bytes.length; at += pieces) raw.write(bytes.subarray(at, at + pieces));
  const code = await raw.ended(6000);
  expect(raw.problems).toEqual([]);
  return code;
}

/** The close code of each case, all at once; a table that is compared as a whole names the case that is wrong. */
async function codesOf(cases: Readonly<Record<string, Uint8Array>>): Promise<Record<string, number>> {
  const codes = await Promise.all(
    Object.entries(cases).map(async ([name, bytes]) => [name, await codeAfter(bytes)] as const),
  );
  return Object.fromEntries(codes);
}

const all = (cases: object, code: number): Record<string, number> =>
  Object.fromEntries(Object.keys(cases).map((name) => [name, code]));

const ping = JSON.stringify({ type: "ping", id: "p" });
const fragments = (...shapes: readonly FrameShape[]): Buffer => Buffer.concat(shapes.map((shape) => frame(shape)));

describe.concurrent("frames that break the rules", () => {
  test("SO9 FR01 an unmasked frame, a reserved bit, an opcode that is none: 1002", async () => {
    const cases: Record<string, Buffer> = {
      unmasked: frame({ payload: ping, masked: false }),
      "unmasked, empty": frame({ masked: false }),
    };
    for (let rsv = 1; rsv < 8; rsv++) cases[`rsv ${rsv}`] = frame({ payload: ping, rsv });
    for (const opcode of [3, 4, 5, 6, 7, 11, 12, 13, 14, 15])
      cases[`opcode ${opcode}`] = frame({ payload: ping, opcode });
    expect(await codesOf(cases)).toEqual(all(cases, 1002));
  });

  test("FR02 control frames that are long or fragmented, fragments in no order: 1002", async () => {
    const cases: Record<string, Buffer> = {
      "continuation without a start": frame({ opcode: 0, payload: ping }),
      "continuation after a whole message": fragments({ payload: ping }, { opcode: 0, payload: "x" }),
      "a text frame inside a fragmented one": fragments({ payload: "{", fin: false }, { payload: ping }),
      "a binary frame inside a fragmented one": fragments({ payload: "{", fin: false }, { opcode: 2, payload: "x" }),
    };
    for (const opcode of [8, 9, 10]) {
      cases[`control ${opcode} of 126 bytes`] = frame({ opcode, payload: Buffer.alloc(126, 0x61) });
      cases[`control ${opcode} in fragments`] = frame({ opcode, fin: false, payload: opcode === 8 ? "" : "x" });
      cases[`control ${opcode} claiming 2^32`] = frame({ opcode, form: 64, claims: 1n << 32n });
    }
    expect(await codesOf(cases)).toEqual(all(cases, 1002));
  });

  test("FR04 a message of frameBytes is taken, in one frame or in fragments of 1 KiB; a byte more is 1009", async () => {
    const text = (bytes: number): string => {
      const empty = JSON.stringify({ type: "ping", id: "big", pad: "" });
      return JSON.stringify({ type: "ping", id: "big", pad: "x".repeat(bytes - empty.length) });
    };
    const inFragments = (payload: string): Buffer => {
      const count = Math.ceil(payload.length / 1024);
      return fragments(
        ...Array.from({ length: count }, (_, i) => ({
          opcode: i === 0 ? 1 : 0,
          fin: i === count - 1,
          payload: payload.slice(i * 1024, (i + 1) * 1024),
        })),
      );
    };
    for (const bytes of [frame({ payload: text(frameBytes) }), inFragments(text(frameBytes))]) {
      const raw = await Raw.connect(scene.url);
      raw.write(bytes);
      await raw.until(() => raw.answers.some((answer) => answer.id === "big"), "the answer to the largest frame");
      expect(raw.answers.at(-1)).toMatchObject({ type: "ack", id: "big" });
      raw.cut();
    }
    const crossing = inFragments(text(frameBytes + 1));
    const cases = {
      whole: frame({ payload: text(frameBytes + 1) }),
      "its header alone": frame({ claims: BigInt(frameBytes + 1) }),
      fragments: crossing,
      // The last fragment has one byte and a head of six: the head alone says that it is too much.
      "fragments, without the crossing byte": crossing.subarray(0, -1),
    };
    expect(await codesOf(cases)).toEqual(all(cases, 1009));
  });

  test("FR04 more fragments than a message may have: 1008, also of empty ones", async () => {
    const many = (payload: string): Buffer =>
      fragments(...Array.from({ length: 1100 }, (_, i) => ({ opcode: i === 0 ? 1 : 0, fin: false, payload })));
    const cases = { "of one byte": many("x"), empty: many("") };
    expect(await codesOf(cases)).toEqual(all(cases, 1008));
  });

  test("FR07 text that is no UTF-8: 1007", async () => {
    const wrong: Record<string, number[]> = {
      "a lone continuation": [0x80],
      "a start without continuation": [0xc3],
      "cut in a character": [0xf0, 0x9f, 0x99],
      "overlong slash": [0xc0, 0xaf],
      "overlong of three": [0xe0, 0x80, 0xaf],
      "overlong of four": [0xf0, 0x80, 0x80, 0xaf],
      "overlong NUL": [0xc0, 0x80],
      "a high surrogate": [0xed, 0xa0, 0x80],
      "a low surrogate": [0xed, 0xbf, 0xbf],
      "a surrogate pair": [0xed, 0xa0, 0xbd, 0xed, 0xb8, 0x80],
      "above U+10FFFF": [0xf4, 0x90, 0x80, 0x80],
      "five bytes": [0xf8, 0x88, 0x80, 0x80, 0x80],
      "0xff": [0xff],
    };
    const cases: Record<string, Buffer> = {};
    for (const [name, bytes] of Object.entries(wrong)) {
      const payload = Buffer.concat([Buffer.from('{"type":"ping","id":"'), Buffer.from(bytes), Buffer.from('"}')]);
      cases[name] = frame({ payload });
      cases[`${name}, in a close reason`] = closing(1000, Buffer.from(bytes));
      cases[`${name}, in fragments`] = fragments(
        { payload: payload.subarray(0, 22), fin: false },
        { opcode: 0, payload: payload.subarray(22) },
      );
    }
    expect(await codesOf(cases)).toEqual(all(cases, 1007));
  });

  test("FR07 characters split over fragments at every byte are kept as they are", async () => {
    const raw = await Raw.connect(scene.url);
    const conversation = crypto.randomUUID();
    await raw.ask({ type: "conversation.create", id: "create", conversation });
    const title = "é€🙂👩‍👩‍👧‍👦e\u0301";
    const command = Buffer.from(JSON.stringify({ type: "conversation.update", id: "split", conversation, title }));
    // Every byte its own fragment, a ping between them: both are allowed, and no byte may be lost.
    const shapes = Array.from(command, (byte, i): FrameShape[] => [
      { opcode: i === 0 ? 1 : 0, fin: i === command.length - 1, payload: Buffer.from([byte]) },
      ...(i % 8 === 0 ? [{ opcode: 9, payload: `${i}` }] : []),
    ]);
    raw.write(fragments(...shapes.flat()));
    await raw.until(() => raw.answers.some((answer) => answer.id === "split"), "the answer");
    const listed = await raw.ask({ type: "conversation.list", id: "list" });
    expect(listed["conversations"]).toMatchObject([{ id: conversation, title }]);
    await raw.until(() => raw.pongs.length === Math.ceil(command.length / 8), "the pongs");
    expect(raw.problems).toEqual([]);
    raw.cut();
  });

  test("FR03 a frame that comes byte by byte, with its length in any form, is a frame", async () => {
    const raw = await Raw.connect(scene.url);
    for (const form of [7, 16, 64] as const) {
      const id = `form ${form}`;
      for (const byte of frame({ payload: JSON.stringify({ type: "ping", id }), form })) {
        raw.write(Buffer.from([byte]));
        await new Promise(setImmediate);
      }
      await raw.until(() => raw.answers.some((answer) => answer.id === id), id);
    }
    raw.cut();
  });

  test("FR08 a binary frame, whole or in fragments: 1003", async () => {
    const cases = {
      whole: frame({ opcode: 2, payload: ping }),
      empty: frame({ opcode: 2 }),
      fragments: fragments({ opcode: 2, payload: "{", fin: false }, { opcode: 0, payload: "}" }),
    };
    expect(await codesOf(cases)).toEqual(all(cases, 1003));
  });

  test("FR09 permessage-deflate is not negotiated, however it is offered; a compressed frame is 1002", async () => {
    for (const offer of [
      "permessage-deflate",
      "permessage-deflate; client_max_window_bits=15; server_no_context_takeover",
      "x-unknown, permessage-deflate; client_max_window_bits",
      "__proto__; constructor=1",
    ]) {
      const raw = await Raw.connect(scene.url, { headers: [`Sec-WebSocket-Extensions: ${offer}`] });
      expect(raw.head).not.toMatch(/sec-websocket-extensions/i);
      raw.write(frame({ rsv: 4, payload: Buffer.from("ab562a2a4d52b202", "hex") }));
      expect(await raw.ended()).toBe(1002);
    }
  });

  test("FR11 close codes that are none, half a code: 1002; a code that is one comes back", async () => {
    const cases: Record<string, Buffer> = {
      "one byte": frame({ opcode: 8, payload: Buffer.from([3]) }),
    };
    for (const code of [0, 999, 1004, 1005, 1006, 1015, 1016, 2000, 2999, 5000, 65_535])
      cases[String(code)] = closing(code);
    expect(await codesOf(cases)).toEqual(all(cases, 1002));
    const good = Object.fromEntries([1000, 1001, 3000, 4999].map((code) => [String(code), closing(code, "bye")]));
    expect(await codesOf(good)).toEqual(Object.fromEntries(Object.keys(good).map((code) => [code, Number(code)])));
    expect(await codeAfter(frame({ opcode: 8 }))).toBe(1005);
  });

  test("SO10 FR16 a peer that never answers a close frame is gone within 5 s", async () => {
    const reasons: Record<string, Buffer> = {
      1002: frame({ opcode: 3 }),
      1003: frame({ opcode: 2 }),
      1009: frame({ claims: 1n << 40n }),
      4400: fragments(...Array.from({ length: 10 }, () => ({ payload: "rubbish" }))),
      4410: frame({ payload: JSON.stringify({ type: "auth.logout", id: "out" }) }),
      4429: fragments(...Array.from({ length: 500 }, () => ({ opcode: 9, payload: "x" }))),
    };
    const behind = Array.from({ length: 500 }, () => ({ payload: ping }));
    const cases: [string, Buffer][] = Object.entries(reasons);
    // The server is no longer reading when it decides to close: so much waits behind.
    cases.push(["4410", Buffer.concat([reasons[4410] ?? Buffer.alloc(0), fragments(...behind)])]);
    const found = await Promise.all(
      cases.map(async ([expected, bytes]) => {
        const raw = await Raw.connect(scene.url);
        raw.polite = false;
        raw.write(bytes);
        await raw.until(() => raw.closedAt !== undefined, `the close frame ${expected}`);
        // It goes on talking: only so does it learn that nobody is there any more.
        const talking = setInterval(() => raw.write(frame({ payload: ping })), 100);
        const code = await raw.ended(8000).finally(() => clearInterval(talking));
        return { expected, code: String(code), late: (raw.endedAt ?? 0) - (raw.closedAt ?? 0) > 5000 };
      }),
    );
    expect(found).toEqual(cases.map(([code]) => ({ expected: code, code, late: false })));
  });

  test("HS07 SO1 a first frame of 16 KiB is read, one of a byte more is 1009 and nothing of it is done", async () => {
    const auth = (bytes: number): string => {
      const empty = JSON.stringify({ type: "auth", id: "auth", guest: true, pad: "" });
      return JSON.stringify({ type: "auth", id: "auth", guest: true, pad: "x".repeat(bytes - empty.length) });
    };
    const [taken, refused] = await Promise.all([0, 1].map(() => Raw.connect(scene.url, { auth: false })));
    taken?.write(frame({ payload: auth(16 * 1024) }));
    refused?.write(frame({ payload: auth(16 * 1024 + 1) }));
    await taken?.until(() => taken.answers.length > 0, "the answer");
    expect(taken?.answers).toMatchObject([{ type: "ack", id: "auth" }]);
    taken?.cut();
    expect(await refused?.ended()).toBe(1009);
    expect(refused?.answers).toEqual([]);
  });

  test("HT4 HS10 HS12 thousands of headers, 32 KiB of them, names that name a prototype: a status, never an end", async () => {
    const statusOf = async (more: readonly string[]): Promise<number> => {
      const raw = new Raw(scene.url);
      raw.write(upgradeRequest(more));
      await raw.until(() => raw.head !== undefined, "a response");
      raw.cut();
      return raw.status;
    };
    const bare = async (lines: readonly string[]): Promise<number> => {
      const raw = new Raw(scene.url);
      raw.write(["GET /api/v1/async/chatbot HTTP/1.1", "Host: x", "Upgrade: websocket", ...lines, "", ""].join("\r\n"));
      await raw.until(() => raw.head !== undefined, "a response");
      raw.cut();
      return raw.status;
    };
    const upgrading = ["Connection: Upgrade", "Sec-WebSocket-Version: 13"];
    const proto = ["__proto__: x", "constructor: x", "hasOwnProperty: x", "toString: x"];
    const found = {
      "2,000 headers": await statusOf(Array.from({ length: 2000 }, (_, i) => `x${i}: y`)),
      "32 KiB in one": await statusOf([`X: ${"y".repeat(32 * 1024)}`]),
      "32 KiB in many": await statusOf(Array.from({ length: 64 }, (_, i) => `x${i}: ${"y".repeat(510)}`)),
      prototypes: await statusOf(proto),
      "a prototype's name as subprotocol": await statusOf(["Sec-WebSocket-Protocol: __proto__, constructor"]),
      "a subprotocol that is none": await statusOf(["Sec-WebSocket-Protocol: ,,"]),
      "an extension that is none": await statusOf(["Sec-WebSocket-Extensions: ;;="]),
      "no key": await bare(upgrading),
      "a short key": await bare([...upgrading, "Sec-WebSocket-Key: abc"]),
      "a NUL in a header": await statusOf(["X: a\0b"]),
      "two lengths": await statusOf(["Content-Length: 1", "Content-Length: 2"]),
    };
    expect([431, 400, 101]).toContain(found["2,000 headers"]);
    expect(found).toEqual({
      "2,000 headers": found["2,000 headers"],
      "32 KiB in one": 431,
      "32 KiB in many": 431,
      prototypes: 101,
      "a prototype's name as subprotocol": 101,
      "a subprotocol that is none": 400,
      "an extension that is none": 101,
      "no key": 400,
      "a short key": 400,
      "a NUL in a header": 400,
      "two lengths": 400,
    });
  });

  test("HS12 what is pipelined behind the upgrade request is not lost, wherever it is cut", async () => {
    const auth = frame({ payload: JSON.stringify({ type: "auth", id: "auth", guest: true }) });
    const bytes = Buffer.concat([Buffer.from(upgradeRequest()), auth, frame({ payload: ping })]);
    const request = bytes.indexOf("\r\n\r\n") + 4;
    for (const cut of [bytes.length, request + 1, request + 5, request + auth.length, request + auth.length + 3]) {
      const raw = new Raw(scene.url);
      raw.write(bytes.subarray(0, cut));
      await raw.until(() => raw.head !== undefined, "the upgrade");
      raw.write(bytes.subarray(cut));
      await raw.until(() => raw.answers.length === 2, `both answers, cut at ${cut}`);
      expect(raw.answers.map(({ type, id }) => [type, id])).toEqual([
        ["ack", "auth"],
        ["ack", "p"],
      ]);
      raw.cut();
    }
  });

  test(
    "HS13 fifty peers that send one byte of a header a second, or none, are closed within 12 s",
    { timeout: 40_000 },
    async () => {
      const began = performance.now();
      const slow = Array.from({ length: 50 }, () => new Raw(scene.url));
      const bytes = upgradeRequest();
      for (const [i, raw] of slow.entries()) if (i >= 10) raw.write(bytes.slice(0, i % 5));
      let second = 0;
      while (slow.some((raw) => raw.endedAt === undefined) && performance.now() - began < 20_000) {
        await sleep(1000);
        second++;
        for (const [i, raw] of slow.entries()) {
          if (i >= 10 && raw.endedAt === undefined) raw.write(bytes.slice((i % 5) + second - 1, (i % 5) + second));
        }
      }
      const latest = Math.max(...slow.map((raw) => (raw.endedAt ?? Infinity) - began));
      // Ten seconds, found out half a second later, and what a busy machine takes.
      expect(latest).toBeLessThan(12_000);
      expect(slow.filter((raw) => raw.status === 101)).toEqual([]);
    },
  );

  test(
    "FR17 a session cut at every byte: what was answered is there, the frame cut in two has done nothing",
    { timeout: 60_000 },
    async () => {
      const owner = await Raw.connect(scene.url, { auth: false });
      const { session } = await owner.ask({ type: "auth", id: "auth", guest: true });
      const { token } = session as { token: string };
      /** The bytes of the session, and where each frame of it ends. */
      const record = (conversation: string): { bytes: Buffer; ends: number[] } => {
        const commands = [
          { type: "auth", id: "1", session: token },
          { type: "conversation.create", id: `2${conversation}`, conversation },
          { type: "conversation.update", id: `3${conversation}`, conversation, title: "after" },
        ];
        const parts = [
          Buffer.from(upgradeRequest()),
          ...commands.map((command) => frame({ payload: JSON.stringify(command) })),
          closing(1000),
        ];
        const ends = parts.map((_, i) => Buffer.concat(parts.slice(0, i + 1)).length);
        return { bytes: Buffer.concat(parts), ends };
      };
      const { ends, bytes } = record(crypto.randomUUID());
      const [, , created = 0, updated = 0] = ends;
      const conversations = Array.from({ length: bytes.length }, () => crypto.randomUUID());
      const whole = (at: number): number => ends.slice(1, 4).filter((end) => end <= at).length;
      let next = 0;
      const cutOne = async (at: number): Promise<void> => {
        const raw = new Raw(scene.url);
        raw.write(record(conversations[at] ?? "").bytes.subarray(0, at));
        await raw.until(() => raw.answers.length >= whole(at), `${whole(at)} answers before the cut at ${at}`);
        if (at % 2 === 0) raw.cut();
        else {
          raw.socket.end();
          await raw.ended();
        }
        expect(raw.problems).toEqual([]);
      };
      const lane = async (): Promise<void> => {
        for (let at = next++; at < bytes.length; at = next++) await cutOne(at);
      };
      await Promise.all(Array.from({ length: 12 }, lane));
      const titles = new Map<string, unknown>();
      for (let cursor: unknown, page = 0; page === 0 || cursor !== undefined; page++) {
        const more = cursor === undefined ? {} : { cursor };
        const listed = await owner.ask({ type: "conversation.list", id: `list${page}`, limit: 100, ...more });
        for (const row of listed["conversations"] as { id: string; title?: string }[]) titles.set(row.id, row.title);
        cursor = listed["cursor"];
      }
      const found = conversations.map((id) => (titles.has(id) ? (titles.get(id) === "after" ? 2 : 1) : 0));
      expect(found).toEqual(conversations.map((_, at) => (at >= updated ? 2 : at >= created ? 1 : 0)));
      owner.cut();
    },
  );
});

describe("what hostile peers may cost", () => {
  test("FR03 lengths that no frame has are refused at the header, and no memory is set aside for them", async () => {
    const cases: Record<string, Buffer> = {};
    for (const claims of [1n << 30n, 1n << 31n, 1n << 32n, (1n << 53n) - 1n, 1n << 53n, 1n << 63n, (1n << 64n) - 1n]) {
      cases[`${claims}`] = frame({ claims, form: 64 });
      cases[`${claims} in a fragment`] = fragments({ payload: "x", fin: false }, { opcode: 0, claims, form: 64 });
    }
    const before = scene.memory();
    const began = performance.now();
    for (let round = 0; round < 5; round++) {
      const codes = await codesOf(cases);
      for (const [name, code] of Object.entries(codes))
        expect([name, [1002, 1009]]).toEqual([name, expect.arrayContaining([code])]);
    }
    expect(performance.now() - began).toBeLessThan(10_000);
    // 70 claims of a gigabyte and more.
    expect(scene.memory() - before).toBeLessThan(64);
  });

  test("FR10 SO4 ten thousand pings of 125 bytes, or pongs nobody asked for: 4429, after 200 answers or a few more", async () => {
    for (const opcode of [9, 10]) {
      const raw = await Raw.connect(scene.url);
      const one = frame({ opcode, payload: Buffer.alloc(125, 0x61) });
      for (let i = 0; i < 100; i++) raw.write(Buffer.concat(Array.from({ length: 100 }, () => one)));
      expect(await raw.ended()).toBe(4429);
      expect(raw.closeReason).toBe("1");
      expect(raw.pongs.length).toBeLessThanOrEqual(opcode === 9 ? 300 : 0);
      expect(raw.pongs.every((pong) => pong.length === 125)).toBe(true);
      expect(raw.problems).toEqual([]);
    }
  });
});

describe("and everybody else", () => {
  test("FR18 G8 the healthy client beside all this has seen nothing of it", async () => {
    const health = await scene.healthy.end();
    console.log("healthy beside framing", JSON.stringify(health), `${scene.memory().toFixed(0)} MiB`);
    expect(health.problems).toEqual([]);
    expect(health.replies).toBeGreaterThan(0);
    expect(health.p99).toBeLessThan(1000);
    expect(scene.alive()).toBe(true);
    expect(scene.server.output).not.toMatch(/uncaught|unhandled|handler_failed/i);
  });
});
