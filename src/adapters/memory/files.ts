// Owns files in memory: their rows on the memory disk, and their bytes as they are. Must not be used in production.
import { BrokenFile, type FileRows, type Files } from "../../server/ports.ts";
import type { MemoryDisk } from "./disk.ts";
import type { MemoryProcess } from "./process.ts";

export function createFileRows(disk: MemoryDisk, process: MemoryProcess): FileRows {
  return {
    add: (file) =>
      process.write(() => {
        if (disk.files.has(file.id)) throw new Error("there is such a file already");
        disk.files.set(file.id, Object.freeze({ ...file, key: file.key.slice() }));
      }),
    find: (id) => process.read(() => disk.files.get(id)),
    expire: (before) =>
      process.write(() => {
        for (const [id, file] of disk.files) {
          if (file !== undefined && file.conversation === undefined && file.createdAt < before) {
            disk.files.set(id, undefined);
          }
        }
      }),
    dropped: (limit) =>
      process.read(() => [...disk.files].flatMap(([id, file]) => (file === undefined ? [id] : [])).slice(0, limit)),
    forget: (ids) =>
      process.write(() => {
        for (const id of ids) if (disk.files.get(id) === undefined) disk.files.delete(id);
      }),
  };
}

type Kept = { parts: Uint8Array[]; finished: boolean; changedAt: number; readonly key: string };

/** `now` in milliseconds since 1970. */
export function memoryFiles(now: () => number): Files {
  const all = new Map<string, Kept>();
  return {
    async create(id, key) {
      const kept: Kept = { parts: [], finished: false, changedAt: now(), key: Buffer.from(key).toString("hex") };
      if (all.has(id)) throw new Error("there is such a file already");
      all.set(id, kept);
      return {
        async write(bytes) {
          kept.parts.push(bytes.slice());
          kept.changedAt = now();
        },
        async finish() {
          kept.finished = true;
        },
        async abort() {
          all.delete(id);
        },
      };
    },
    async *read(id, key, { start, end }) {
      const kept = all.get(id);
      if (kept === undefined || !kept.finished || kept.key !== Buffer.from(key).toString("hex")) {
        throw new BrokenFile(id);
      }
      const bytes = Buffer.concat(kept.parts);
      if (end > bytes.length) throw new BrokenFile(id);
      if (end > start) yield bytes.subarray(start, end);
    },
    async remove(id) {
      if (all.get(id)?.finished === true) all.delete(id);
    },
    async discard(id) {
      if (all.get(id)?.finished === false) all.delete(id);
    },
    async list() {
      return [...all].map(([id, { finished, changedAt }]) => ({ id, finished, changedAt }));
    },
  };
}
