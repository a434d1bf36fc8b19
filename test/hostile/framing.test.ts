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
  test("FR01 an unmasked frame, a reserved bit, an opcode that is none: 1002", async () => {
    const cases: Record<string, Buffer> = {
      unmasked: frame({ payload: ping, masked: false }),
      "unmasked, empty": frame({ masked: false }),
    };
    for (let rsv = 1; rsv < 8; rsv++) cases[`rsv ${rsv}`] = frame({ payload: ping, rsv });
    for (const opcode of [3, 4, 5, 6, 7, 11, 12, 13, 14, 15]) cases[`opcode ${opcode}`] = frame({ payload: ping, opcode });
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
});
