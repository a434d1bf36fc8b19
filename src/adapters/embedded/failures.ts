// Owns what an error of SQLite means for the store. Must not decide what is done about it.
import { StoreFailure } from "../../server/ports.ts";

/** The primary result code of an error of `node:sqlite`, undefined for any other error. Source: sqlite.org/rescode.html. */
export function resultCode(error: unknown): number | undefined {
  if (!(error instanceof Error) || !("errcode" in error) || typeof error.errcode !== "number") return undefined;
  return error.errcode & 0xff;
}

export const code = {
  busy: 5,
  memory: 7,
  readonly: 8,
  io: 10,
  corrupt: 11,
  full: 13,
  open: 14,
  perm: 3,
  notadb: 26,
} as const;

const broken: ReadonlySet<number> = new Set([
  code.busy,
  code.readonly,
  code.io,
  code.corrupt,
  code.open,
  code.perm,
  code.notadb,
]);

/** A StoreFailure where SQLite says that the disk or the file fails; any other error (a bug of a caller) as it is. */
export function asStoreFailure(error: unknown): unknown {
  const result = resultCode(error);
  if (result === undefined) return error;
  if (result === code.full || result === code.memory) return new StoreFailure("full", error);
  return broken.has(result) ? new StoreFailure("broken", error) : error;
}
