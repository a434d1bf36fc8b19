// Owns the file of the master keys: read, made once, replaced whole. Must not know what they wrap.
import {
  closeSync,
  existsSync,
  fsyncSync,
  linkSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from "node:fs";
import { dirname } from "node:path";

const keyLength = 32;

/** Why a file holds no keys: a sentence for the operator. Never repeats what is in it. */
export class KeyFileProblem extends Error {
  override readonly name = "KeyFileProblem";
}

/** One key a line, in base64; the first one wraps, the others only open. undefined: there is no such file. */
export function readKeyFile(file: string): Uint8Array[] | undefined {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    const why = codeOf(error);
    if (why === "ENOENT") return undefined;
    throw new KeyFileProblem(`${file}, which holds the master key, cannot be read (${why}).`, { cause: error });
  }
  const lines = text.split("\n").filter((line) => line.trim() !== "");
  if (lines.length === 0) throw new KeyFileProblem(`${file} holds no master key: it is empty. ${wayOut}`);
  return lines.map((line, i) => {
    const key = parseKey(line.trim());
    if (typeof key !== "string") return key;
    throw new KeyFileProblem(`${file} holds no master key: line ${i + 1} ${key}. ${wayOut}`);
  });
}

const wayOut = "Put back the file that this store was written with, from where its backup is kept.";

/** A key, or what is wrong with the text. */
function parseKey(text: string): Uint8Array | string {
  const bytes = Buffer.from(text, "base64");
  if (bytes.toString("base64") !== text) return "is no base64";
  return bytes.length === keyLength ? bytes : `is a key of ${bytes.length} bytes, and must be one of ${keyLength}`;
}

/** Makes the file with a first key, unless somebody else has made it meanwhile: then it is theirs. */
export function makeKeyFile(file: string, key: Uint8Array): void {
  const fresh = writeBeside(file, [key]);
  try {
    // Unlike a rename, a link never takes the place of a file that is there.
    linkSync(fresh, file);
    syncDirectory(file);
  } catch (error) {
    if (codeOf(error) !== "EEXIST") throw new KeyFileProblem(unwritable(file, error), { cause: error });
  } finally {
    rmSync(fresh, { force: true });
  }
}

/** Replaces the file whole: after a crash it is the old one or the new one. */
export function replaceKeyFile(file: string, keys: readonly Uint8Array[]): void {
  const fresh = writeBeside(file, keys);
  try {
    renameSync(fresh, file);
    syncDirectory(file);
  } catch (error) {
    throw new KeyFileProblem(unwritable(file, error), { cause: error });
  }
}

export function removeKeyFile(file: string): void {
  if (!existsSync(file)) return;
  rmSync(file);
  syncDirectory(file);
}

/** What a process that died while it wrote has left: keys that nothing is under, or that are in the file too. */
export function dropUnfinished(file: string): void {
  rmSync(`${file}.new`, { force: true });
}

function writeBeside(file: string, keys: readonly Uint8Array[]): string {
  const fresh = `${file}.new`;
  try {
    dropUnfinished(file);
    const descriptor = openSync(fresh, "wx", 0o600);
    try {
      writeSync(descriptor, keys.map((key) => `${Buffer.from(key).toString("base64")}\n`).join(""));
      fsyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
    return fresh;
  } catch (error) {
    throw new KeyFileProblem(unwritable(file, error), { cause: error });
  }
}

/** A name is safe when its directory is. Windows has no such call, and needs none. */
function syncDirectory(file: string): void {
  if (process.platform === "win32") return;
  const descriptor = openSync(dirname(file), "r");
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

const unwritable = (file: string, error: unknown): string =>
  `The master key cannot be written to ${file} (${codeOf(error)}).`;
const codeOf = (error: unknown): string => (error instanceof Error && "code" in error ? String(error.code) : "unknown");
