// Owns what every store of files must keep: the port's words as tests, over any adapter.
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { BrokenFile, type FileRows, type Files, type KeyedFile, type Log } from "../../src/server/ports.ts";
import { create, work } from "./rows.ts";

const key = (fill: number): Uint8Array => new Uint8Array(32).fill(fill);
const idOf = (n: number): string => n.toString(16).padStart(32, "0");

export function filesContract(name: string, open: () => Promise<{ files: Files; close(): Promise<void> }>): void {
  describe(`${name}: Files`, () => {
    let store: Awaited<ReturnType<typeof open>>;
    beforeEach(async () => void (store = await open()));
    afterEach(() => store.close());

    const put = async (id: string, bytes: Uint8Array, step: number): Promise<void> => {
      const writer = await store.files.create(id, key(1));
      for (let at = 0; at < bytes.length; at += step) await writer.write(bytes.subarray(at, at + step));
      await writer.finish();
    };
    const get = async (id: string, start: number, end: number, under = key(1)): Promise<Buffer> => {
      const parts: Uint8Array[] = [];
      for await (const part of store.files.read(id, under, { start, end })) parts.push(part);
      return Buffer.concat(parts);
    };
    const random = (length: number): Buffer => Buffer.from(Array.from({ length }, (_, i) => (i * 7 + (i >> 8)) & 255));

    it("FL8 gives back what was written, whole and in ranges, whatever the pieces it came in", async () => {
      for (const [n, length] of [1, 65_535, 65_536, 65_537, 131_072, 200_001].entries()) {
        const bytes = random(length);
        await put(idOf(n), bytes, 30_011);
        expect((await get(idOf(n), 0, length)).equals(bytes)).toBe(true);
        for (const [start, end] of [
          [0, 1],
          [length - 1, length],
          [length >> 1, length],
        ] as const) {
          expect((await get(idOf(n), start, end)).equals(bytes.subarray(start, end))).toBe(true);
        }
      }
    });
    it("FL8 gives nothing before the end, under another key, after an abort, or beyond its end", async () => {
      const writer = await store.files.create(idOf(1), key(1));
      await writer.write(Buffer.from("half"));
      await expect(get(idOf(1), 0, 4)).rejects.toThrow(BrokenFile);
      await writer.abort();
      expect(await store.files.list()).toEqual([]);
      await put(idOf(2), Buffer.from("whole"), 3);
      await expect(get(idOf(2), 0, 5, key(2))).rejects.toThrow(BrokenFile);
      await expect(get(idOf(2), 0, 6)).rejects.toThrow(BrokenFile);
      await expect(get(idOf(3), 0, 1)).rejects.toThrow(BrokenFile);
    });
    it("FL10 lists what lies there, and removes it, once or twice", async () => {
      await put(idOf(1), Buffer.from("one"), 3);
      const writer = await store.files.create(idOf(2), key(1));
      await writer.write(Buffer.from("two"));
      const listed = await store.files.list();
      const byId = listed.toSorted((a, b) => (a.id < b.id ? -1 : 1));
      expect(byId.map(({ id, finished }) => [id, finished])).toEqual([
        [idOf(1), true],
        [idOf(2), false],
      ]);
      for (const { changedAt } of listed) expect(Math.abs(Date.now() - changedAt)).toBeLessThan(60_000);
      await writer.finish();
      await store.files.discard(idOf(3));
      for (let i = 0; i < 2; i++) await store.files.remove(idOf(1));
      expect((await store.files.list()).map(({ id }) => id)).toEqual([idOf(2)]);
    });
    it("FI12 refuses a second file of the same id", async () => {
      await put(idOf(1), Buffer.from("one"), 3);
      const again = store.files.create(idOf(1), key(1));
      await expect(
        again.then((writer) => writer.write(Buffer.from("x")).then(() => writer.finish())),
      ).rejects.toThrow();
      expect((await get(idOf(1), 0, 3)).toString()).toBe("one");
    });
  });
}

const file = (n: number, more: Partial<KeyedFile> = {}): KeyedFile => ({
  id: idOf(n),
  user: "ada",
  createdAt: 1000 + n,
  bytes: 10 * n,
  name: `name ${n}.txt`,
  mediaType: "text/plain",
  sha256: "ab".repeat(32),
  key: key(n),
  ...more,
});

export function fileRowsContract(
  name: string,
  open: () => Promise<{ fileRows: FileRows; log: Log; close(): Promise<void> }>,
): void {
  describe(`${name}: FileRows`, () => {
    let store: Awaited<ReturnType<typeof open>>;
    beforeEach(async () => void (store = await open()));
    afterEach(() => store.close());
    const conversation = crypto.randomUUID();
    const attach = (ids: readonly string[]) =>
      work(conversation, (view) => ({ files: ids.filter((id) => view.file(id) !== undefined) }), {
        needs: { files: ids },
      });
    const erase = () =>
      work(conversation, (view) => ({
        events: [{ kind: "conversation.deleted", at: "" }],
        ...(view.conversation === undefined ? {} : { conversation: { ...view.conversation, deleted: true } }),
        erase: true,
      }));

    it("FL9 keeps a row with its key; a commit attaches it to its conversation", async () => {
      await store.fileRows.add(file(1));
      const { key: found, ...rest } = (await store.fileRows.find(idOf(1))) ?? file(9);
      expect({ ...rest, key: [...found] }).toEqual({ ...file(1), key: [...key(1)] });
      await store.log.commit([create(conversation)]);
      await store.log.commit([attach([idOf(1), idOf(2)])]);
      expect(await store.fileRows.find(idOf(1))).toMatchObject({ conversation, user: "ada" });
      expect(await store.fileRows.find(idOf(2))).toBeUndefined();
    });
    it("FL10 expires what no message has, and drops what belongs to a conversation that is erased", async () => {
      for (const n of [1, 2, 3]) await store.fileRows.add(file(n));
      await store.log.commit([create(conversation)]);
      await store.log.commit([attach([idOf(1)])]);
      await store.fileRows.expire(1003);
      expect(await store.fileRows.dropped(10)).toEqual([idOf(2)]);
      await store.log.commit([erase()]);
      expect(await store.fileRows.find(idOf(1))).toBeUndefined();
      expect([...(await store.fileRows.dropped(10))].sort()).toEqual([idOf(1), idOf(2)]);
      expect(await store.fileRows.dropped(1)).toHaveLength(1);
      await store.fileRows.forget([idOf(1), idOf(2), idOf(3)]);
      expect(await store.fileRows.dropped(10)).toEqual([]);
      expect(await store.fileRows.find(idOf(3))).toMatchObject({ id: idOf(3) });
    });
  });
}
