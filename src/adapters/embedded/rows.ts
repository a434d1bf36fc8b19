// Owns the way from a column to a value: rows that are not as this store writes them are refused. No query, no meaning.

export type Row = Readonly<Record<string, unknown>>;

/** A row that is not as this store writes it. Says where, never what. */
export class UnreadableRow extends Error {
  override readonly name = "UnreadableRow";
}

export function text(row: Row, column: string): string {
  const value = row[column];
  if (typeof value !== "string") throw new UnreadableRow(`${column} is no text`);
  return value;
}

export function integer(row: Row, column: string): number {
  const value = row[column];
  if (typeof value !== "number") throw new UnreadableRow(`${column} is no number`);
  return value;
}

export const textOrNull = (row: Row, column: string): string | null =>
  row[column] === null ? null : text(row, column);
export const integerOrNull = (row: Row, column: string): number | null =>
  row[column] === null ? null : integer(row, column);

export function bytes(row: Row, column: string): Uint8Array {
  const value = row[column];
  if (!(value instanceof Uint8Array)) throw new UnreadableRow(`${column} holds no bytes`);
  return value;
}
