// Owns a disk as a power cut leaves it: what was synced is there, and of everything since then any part. Built from a record of recorder.c.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";

type Kind = "write" | "truncate" | "sync" | "remove" | "rename" | "said";
/** One thing that was asked of the disk, or `said`: text on standard output. */
export type Asked = { readonly kind: Kind; readonly path: string; readonly at: number; readonly bytes: Buffer };

const kinds: Readonly<Record<string, Kind>> = {
  W: "write",
  T: "truncate",
  S: "sync",
  U: "remove",
  R: "rename",
  A: "said",
};

/** Reads a record; what was cut off at its end is left out. */
export function readRecord(file: string): Asked[] {
  const bytes = readFileSync(file);
  const asked: Asked[] = [];
  for (let place = 0; ;) {
    const end = bytes.indexOf(10, place);
    const [, letter = "", at, length, path = ""] =
      /^(\w) (-?\d+) (\d+) (.*)$/.exec(bytes.toString("utf8", place, Math.max(end, place))) ?? [];
    const kind = kinds[letter];
    const next = end + 1 + Number(length);
    if (end === -1 || kind === undefined || next > bytes.length) return asked;
    asked.push({ kind, path, at: Number(at), bytes: bytes.subarray(end + 1, next) });
    place = next;
  }
}

/** A file's bytes: those that are safe, and what has been asked since. */
type Inode = { safe: Buffer; pending: Asked[] };
type Name = { readonly path: string; readonly inode: Inode | undefined };

/** Written and read in units of this size: a write may be torn between two. */
const sector = 512;

function changed(before: Buffer, pending: readonly Asked[]): Buffer {
  const ends = pending.map(({ kind, at, bytes }) => (kind === "truncate" ? at : at + bytes.length));
  const after = Buffer.alloc(Math.max(before.length, ...ends));
  let length = before.copy(after);
  for (const { kind, at, bytes } of pending) {
    if (kind === "truncate" && at < length) after.fill(0, at, length);
    length = kind === "truncate" ? at : Math.max(length, at + bytes.length);
    bytes.copy(after, at);
  }
  return after.subarray(0, length);
}

export class Disk {
  readonly #folder: string;
  /** Names as the process sees them, as they are safe, and what has happened to them since. */
  readonly #names = new Map<string, Inode>();
  readonly #safeNames = new Map<string, Inode>();
  #pendingNames: Name[][] = [];

  constructor(folder: string) {
    this.#folder = folder;
  }

  do(asked: Asked): void {
    const { kind, path } = asked;
    if (kind === "write" || kind === "truncate") this.#inode(path).pending.push(asked);
    else if (kind === "sync") this.#sync(path);
    else if (kind === "remove") this.#call([{ path, inode: undefined }]);
    else if (kind === "rename") {
      const inode = this.#inode(path);
      this.#call([
        { path, inode: undefined },
        { path: asked.bytes.toString(), inode },
      ]);
    }
  }

  /** Puts what a power cut now would leave into a new folder. `chance`: uniform in [0, 1). */
  leave(folder: string, chance: () => number): void {
    const names = new Map(this.#safeNames);
    // A file system keeps the order of names; a sync of a file keeps its name as well.
    for (const change of this.#pendingNames.slice(0, Math.floor(chance() * (this.#pendingNames.length + 1)))) {
      for (const { path, inode } of change) {
        if (inode === undefined) names.delete(path);
        else names.set(path, inode);
      }
    }
    mkdirSync(folder);
    const mood = chance();
    for (const [path, { safe, pending }] of names) {
      const kept = pending.filter(() => mood < 0.2 || (mood < 0.8 && chance() < 0.5));
      const left = kept.map((asked) => (chance() < 0.3 ? torn(asked, chance) : asked));
      writeFileSync(join(folder, basename(path)), changed(safe, left));
    }
  }

  #inode(path: string): Inode {
    const known = this.#names.get(path);
    if (known !== undefined) return known;
    const inode = { safe: Buffer.alloc(0), pending: [] };
    this.#call([{ path, inode }]);
    return inode;
  }

  #call(change: Name[]): void {
    for (const { path, inode } of change) {
      if (inode === undefined) this.#names.delete(path);
      else this.#names.set(path, inode);
    }
    this.#pendingNames.push(change);
  }

  #sync(path: string): void {
    const inode = this.#names.get(path);
    if (path === this.#folder) {
      for (const { path, inode } of this.#pendingNames.flat()) {
        if (inode === undefined) this.#safeNames.delete(path);
        else this.#safeNames.set(path, inode);
      }
      this.#pendingNames = [];
    } else if (inode !== undefined) {
      inode.safe = changed(inode.safe, inode.pending);
      inode.pending = [];
      this.#safeNames.set(path, inode);
    }
  }
}

/** A beginning or an end of what was to be written, in whole sectors of the disk. */
function torn(asked: Asked, chance: () => number): Asked {
  const { at, bytes } = asked;
  const cut = Math.ceil((at + chance() * bytes.length) / sector) * sector - at;
  if (asked.kind !== "write" || cut >= bytes.length) return asked;
  return chance() < 0.5
    ? { ...asked, bytes: bytes.subarray(0, cut) }
    : { ...asked, at: at + cut, bytes: bytes.subarray(cut) };
}
