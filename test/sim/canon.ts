// Owns the one text that two equal values share, whatever the order of their keys.

const known = new WeakMap<object, string>();

/** JSON with sorted keys. What is undefined counts as absent. Objects must not change afterwards: their text is kept. */
export function canon(value: unknown): string {
  if (typeof value !== "object" || value === null) return JSON.stringify(value) ?? "null";
  const before = known.get(value);
  if (before !== undefined) return before;
  const text = Array.isArray(value)
    ? `[${value.map(canon).join(",")}]`
    : `{${Object.entries(value)
        .filter(([, child]) => child !== undefined)
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([key, child]) => `${JSON.stringify(key)}:${canon(child)}`)
        .join(",")}}`;
  known.set(value, text);
  return text;
}
