// Owns the reading of a Range header: one range of bytes, or the whole. Pure.

/**
 * `start` to before `end` of a file of so many bytes; `none`: nothing of it is there (416). Several ranges, other units and
 * what cannot be read are answered with the whole. Source: RFC 9110, section 14.
 */
export function parseRange(
  header: string | undefined,
  bytes: number,
): { readonly start: number; readonly end: number } | "whole" | "none" {
  const [, from = "", to = ""] = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header?.trim() ?? "") ?? [];
  if (from === "" && to === "") return "whole";
  if (from === "") return Number(to) === 0 ? "none" : { start: Math.max(0, bytes - Number(to)), end: bytes };
  const start = Number(from);
  const last = to === "" ? bytes - 1 : Number(to);
  if (last < start && to !== "") return "whole";
  return start >= bytes ? "none" : { start, end: Math.min(bytes, last + 1) };
}
