// Owns what the server asks of the world for files: their rows and their bytes. Types only; adapters know it by ports.ts.
import type { FileRecord } from "../domain/records.ts";

/** A file's row with its own key, 32 bytes, which nothing else is under. */
export type KeyedFile = FileRecord & { readonly key: Uint8Array };

/**
 * The rows of files, in the log's store: a commit attaches them (`Effect.files`). Whatever takes a conversation or a person
 * away MUST drop their files in the same transaction: row and key at once, the id stays among `dropped` until its bytes are
 * gone. MUST NOT keep a name or a key in clear.
 */
export interface FileRows {
  add(file: KeyedFile): Promise<void>;
  find(id: string): Promise<KeyedFile | undefined>;
  /** Drops what no message has and was added before a time (milliseconds since 1970). */
  expire(before: number): Promise<void>;
  /** Ids without a row of theirs any more, whose bytes may still be there. */
  dropped(limit: number): Promise<readonly string[]>;
  /** Their bytes are gone. */
  forget(ids: readonly string[]): Promise<void>;
}

/** A file that is not as it was written: changed, cut, moved, exchanged, or no file of ours at all. */
export class BrokenFile extends Error {
  override readonly name = "BrokenFile";
  constructor(id: string, cause?: unknown) {
    super(`the file ${id} is not as it was written`, { cause });
  }
}

/** A file being written. After `finish` or `abort` it MUST NOT be used. */
export interface FileWriter {
  write(bytes: Uint8Array): Promise<void>;
  /** From now on it can be read, also after a crash. */
  finish(): Promise<void>;
  /** Leaves nothing. MUST NOT throw. */
  abort(): Promise<void>;
}

/**
 * The bytes of files, by ids of 32 hex digits. MUST keep nothing in clear. MUST seal in chunks, each bound to its file, its
 * place and whether it is the last, and throw BrokenFile rather than give a byte that was not written there. MUST NOT give
 * anything of a file before its `finish`. MUST NOT follow a link or open what is no plain file of its own. Throws
 * StoreFailure `full` where there is no room.
 */
export interface Files {
  create(id: string, key: Uint8Array): Promise<FileWriter>;
  /** The bytes from `start` to before `end`. Throws BrokenFile, also where there is no such file. */
  read(id: string, key: Uint8Array, range: { start: number; end: number }): AsyncIterable<Uint8Array>;
  /** Also one that is not there. */
  remove(id: string): Promise<void>;
  /** Everything that lies there. `changedAt`: milliseconds since 1970. */
  list(): Promise<readonly { readonly id: string; readonly finished: boolean; readonly changedAt: number }[]>;
  /** Removes one that was never finished. */
  discard(id: string): Promise<void>;
}
