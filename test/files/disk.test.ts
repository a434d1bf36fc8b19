// Owns the proof that a damaged or planted file on the disk gives nothing that was not written there.
import { linkSync, readFileSync, renameSync, symlinkSync, unlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, test } from "vitest";
import { diskFiles } from "../../src/adapters/files/disk.ts";
import { BrokenFile, type Files } from "../../src/server/ports.ts";
import { temporaryDirectory } from "../support/temporary.ts";

const key = new Uint8Array(32).fill(7);
const [one, two] = ["1".repeat(32), "2".repeat(32)];
const size = 200_000;
let directory: string;
let files: Files;
beforeEach(async () => {
  directory = temporaryDirectory();
  files = diskFiles(directory, "process");
  for (const [id, letter] of [
    [one, "a"],
    [two, "b"],
  ] as const) {
    const writer = await files.create(id, key);
    await writer.write(Buffer.from(letter.repeat(size)));
    await writer.finish();
  }
});

const at = (id: string): string => join(directory, id);
/** What is read until it ends or is refused. */
async function read(id: string, start = 0, end = size): Promise<{ text: string; broken: boolean }> {
  let text = "";
  try {
    for await (const part of files.read(id, key, { start, end })) text += Buffer.from(part).toString();
    return { text, broken: false };
  } catch (error) {
    if (!(error instanceof BrokenFile)) throw error;
    return { text, broken: true };
  }
}

describe("FL8 damage", () => {
  test("FL8 EN03 every flipped bit that is looked at is seen, and no wrong byte is given", async () => {
    const whole = readFileSync(at(one));
    for (let i = 0; i < 200; i++) {
      const changed = Buffer.from(whole);
      const place = i < 8 ? i : Math.floor((i * whole.length) / 200);
      changed[place] = (changed[place] ?? 0) ^ (1 << (i % 8));
      writeFileSync(at(one), changed);
      const { text, broken } = await read(one);
      expect([place, broken, text === "a".repeat(text.length)]).toEqual([place, true, true]);
    }
  });
  test("FL8 a file that is cut, even between two chunks, put together anew or exchanged is broken", async () => {
    const [a, b] = [readFileSync(at(one)), readFileSync(at(two))];
    const sealed = 65_536 + 16;
    for (const length of [0, 3, 4, 20, 4 + sealed, 4 + 2 * sealed, a.length - 1]) {
      writeFileSync(at(one), a.subarray(0, length));
      expect([length, (await read(one)).broken]).toEqual([length, true]);
      // Also where only the first chunk is asked for, which is as it was.
      if (length === 4 + sealed) expect(await read(one, 0, 10)).toEqual({ text: "", broken: true });
    }
    const swapped = Buffer.concat([
      a.subarray(0, 4),
      a.subarray(4 + sealed, 4 + 2 * sealed),
      a.subarray(4, 4 + sealed),
      a.subarray(4 + 2 * sealed),
    ]);
    const longer = Buffer.concat([a, Buffer.alloc(sealed)]);
    const mixed = Buffer.concat([a.subarray(0, 4 + sealed), b.subarray(4 + sealed)]);
    for (const bytes of [swapped, longer, b]) {
      writeFileSync(at(one), bytes);
      expect(await read(one)).toEqual({ text: bytes === longer ? "a".repeat(196_608) : "", broken: true });
    }
    writeFileSync(at(one), mixed);
    expect(await read(one)).toEqual({ text: "a".repeat(65_536), broken: true });
  });
  test("FI12 a link, a second name, a folder, a pipe in a file's place is never followed", async () => {
    const secret = join(directory, "secret");
    renameSync(at(two), secret);
    symlinkSync(secret, at(two));
    expect((await read(two)).broken).toBe(true);
    unlinkSync(at(two));
    linkSync(secret, at(two));
    expect((await read(two)).broken).toBe(true);
    const { mkdirSync } = await import("node:fs");
    unlinkSync(at(two));
    mkdirSync(at(two));
    expect((await read(two)).broken).toBe(true);
    for (const id of ["../secret", "secret", "/etc/passwd", "", `${one}\0`, one.toUpperCase().replace("1", "A")]) {
      expect(() => files.read(id, key, { start: 0, end: 1 })).toThrow(BrokenFile);
      await expect(files.create(id, key)).rejects.toThrow(BrokenFile);
    }
    // What is planted where a file is about to be written is not written through.
    const three = "3".repeat(32);
    symlinkSync(secret, `${at(three)}.part`);
    const before = readFileSync(secret);
    await expect(files.create(three, key)).rejects.toThrow(/EEXIST|ELOOP/);
    expect(readFileSync(secret).equals(before)).toBe(true);
  });
});
