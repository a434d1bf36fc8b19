// Owns the bytes of files in one folder, sealed. It knows no person, no conversation and no name that anybody gave a file.
import { constants, mkdirSync } from "node:fs";
import { lstat, open, readdir, rename, unlink, type FileHandle } from "node:fs/promises";
import { join } from "node:path";
import { BrokenFile, StoreFailure, type FileWriter, type Files } from "../../server/ports.ts";
import { chunkLength, chunksOf, head, openChunk, sealChunk, sealedLength } from "./chunks.ts";

const { O_CREAT, O_EXCL, O_NOFOLLOW, O_RDONLY, O_WRONLY } = constants;
const idPattern = /^[0-9a-f]{32}$/;
/** What is still being written: a name that no id has. */
const unfinished = ".part";

const codeOf = (error: unknown): string | undefined =>
  error instanceof Error && "code" in error ? String(error.code) : undefined;
const noRoom = new Set(["ENOSPC", "EDQUOT", "EFBIG", "EMFILE", "ENFILE"]);

/** No room is told as such; all else is what it is. */
function judge(error: unknown): unknown {
  return noRoom.has(codeOf(error) ?? "") ? new StoreFailure("full", error) : error;
}

async function isThere(path: string): Promise<boolean> {
  try {
    await lstat(path);
    return true;
  } catch (error) {
    if (codeOf(error) === "ENOENT") return false;
    throw error;
  }
}

async function removeAt(path: string): Promise<void> {
  try {
    await unlink(path);
  } catch (error) {
    if (codeOf(error) !== "ENOENT") throw error;
  }
}

/** `durability` as in the settings: with `disk` a file that is finished survives a power cut. */
export function diskFiles(folder: string, durability: "process" | "disk"): Files {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const pathOf = (id: string): string => {
    if (!idPattern.test(id)) throw new BrokenFile("of another kind of id");
    return join(folder, id);
  };
  const sync = async (handle: FileHandle): Promise<void> => {
    if (durability === "disk") await handle.sync();
  };
  const syncFolder = async (): Promise<void> => {
    if (durability !== "disk") return;
    const handle = await open(folder, O_RDONLY);
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  };

  return {
    async create(id, key) {
      const path = pathOf(id);
      try {
        if (await isThere(path)) throw new Error("there is such a file already");
        const flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW;
        const handle = await open(path + unfinished, flags, 0o600);
        return createWriter({ id, key, path, handle, sync, syncFolder });
      } catch (error) {
        throw judge(error);
      }
    },
    read: (id, key, range) => readFrom(pathOf(id), id, key, range),
    remove: (id) => removeAt(pathOf(id)),
    discard: (id) => removeAt(pathOf(id) + unfinished),
    async list() {
      const found = [];
      for (const name of await readdir(folder)) {
        const finished = !name.endsWith(unfinished);
        const id = finished ? name : name.slice(0, -unfinished.length);
        if (!idPattern.test(id)) continue;
        try {
          const { mtimeMs } = await lstat(join(folder, name));
          found.push({ id, finished, changedAt: mtimeMs });
        } catch (error) {
          // Gone meanwhile.
          if (codeOf(error) !== "ENOENT") throw error;
        }
      }
      return found;
    },
  };
}

function createWriter(options: {
  id: string;
  key: Uint8Array;
  path: string;
  handle: FileHandle;
  sync: (handle: FileHandle) => Promise<void>;
  syncFolder: () => Promise<void>;
}): FileWriter {
  const { id, key, path, handle } = options;
  // One chunk is held back: only at the end it is known which one is the last.
  const held = Buffer.allocUnsafe(chunkLength);
  let length = 0;
  let place = 0;
  let begun = false;
  const put = async (last: boolean, plain: Buffer): Promise<void> => {
    const sealed = sealChunk(id, key, place++, last, plain);
    await handle.writeFile(begun ? sealed : Buffer.concat([head, sealed]));
    begun = true;
  };
  return {
    async write(bytes) {
      try {
        for (let at = 0; at < bytes.length;) {
          if (length === chunkLength) {
            await put(false, held);
            length = 0;
          }
          const part = bytes.subarray(at, at + chunkLength - length);
          held.set(part, length);
          length += part.length;
          at += part.length;
        }
      } catch (error) {
        throw judge(error);
      }
    },
    async finish() {
      try {
        await put(true, held.subarray(0, length));
        await options.sync(handle);
        await handle.close();
        await rename(path + unfinished, path);
        await options.syncFolder();
      } catch (error) {
        throw judge(error);
      }
    },
    async abort() {
      // What cannot be removed now, the next look at the folder removes.
      await handle.close().catch(() => undefined);
      await unlink(path + unfinished).catch(() => undefined);
      await unlink(path).catch(() => undefined);
    },
  };
}

async function* readFrom(
  path: string,
  id: string,
  key: Uint8Array,
  { start, end }: { start: number; end: number },
): AsyncGenerator<Uint8Array> {
  const handle = await openPlain(path, id);
  try {
    const { size } = await handle.stat();
    const count = chunksOf(size);
    if (count === undefined) throw new BrokenFile(id);
    const buffer = Buffer.alloc(sealedLength);
    await readExactly(handle, id, buffer.subarray(0, head.length), 0);
    if (!buffer.subarray(0, head.length).equals(head)) throw new BrokenFile(id);
    for (let at = start; at < end;) {
      const place = Math.floor(at / chunkLength);
      const last = place === count - 1;
      const from = head.length + place * sealedLength;
      const sealed = buffer.subarray(0, Math.max(0, Math.min(sealedLength, size - from)));
      await readExactly(handle, id, sealed, from);
      const plain = opened(id, key, place, last, sealed).subarray(at - place * chunkLength);
      if (plain.length === 0) throw new BrokenFile(id);
      const part = plain.subarray(0, end - at);
      at += part.length;
      yield part;
    }
  } finally {
    await handle.close();
  }
}

function opened(id: string, key: Uint8Array, place: number, last: boolean, sealed: Uint8Array): Buffer {
  try {
    return openChunk(id, key, place, last, sealed);
  } catch (error) {
    throw new BrokenFile(id, error);
  }
}

/** Opens what is a plain file with one name, and nothing behind a link (FI12): looked at after it was opened, so that no swap helps. */
async function openPlain(path: string, id: string): Promise<FileHandle> {
  let handle: FileHandle;
  try {
    handle = await open(path, O_RDONLY | O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    const code = codeOf(error);
    if (code === "ENOENT" || code === "ELOOP" || code === "ENXIO" || code === "EISDIR") throw new BrokenFile(id, error);
    throw judge(error);
  }
  const found = await handle.stat();
  if (found.isFile() && found.nlink === 1) return handle;
  await handle.close();
  throw new BrokenFile(id);
}

async function readExactly(handle: FileHandle, id: string, into: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < into.length;) {
    const { bytesRead } = await handle.read(into, done, into.length - done, position + done);
    if (bytesRead === 0) throw new BrokenFile(id);
    done += bytesRead;
  }
}
