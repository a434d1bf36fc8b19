// Owns what a file is called: the name that is kept and shown, and how it is told in a header. Pure; no path is ever made of one.

const most = 255;
/** Names that some systems keep for devices, with any ending. */
const device = /^(?:con|prn|aux|nul|com\d|lpt\d)(?=\.|$)/i;

/** The longest beginning of whole characters within so many bytes of UTF-8. */
function cut(text: string, bytes: number): string {
  let left = bytes;
  let kept = "";
  for (const character of text) {
    left -= Buffer.byteLength(character);
    if (left < 0) break;
    kept += character;
  }
  return kept;
}

/**
 * What its sender calls a file, as it is kept: the last part of a path, without controls, invisible and direction characters
 * or what a file system minds; 255 bytes at most, with its ending.
 */
export function cleanName(given: string): string {
  const base = given.toWellFormed().split(/[/\\]/).at(-1) ?? "";
  const plain = base
    .replaceAll(/[\p{C}\p{Zl}\p{Zp}\uFFFD]/gu, "")
    // After that: what stood between two marks kept them from their order.
    .normalize("NFC")
    .replaceAll(/[<>:"|?*]/g, "_")
    .replaceAll(/\s+/gu, " ")
    .replaceAll(/^[. ]+|[. ]+$/g, "");
  const named = plain === "" ? "file" : plain.replace(device, "_$&");
  const ending = /\.[\p{L}\p{N}]{1,16}$/u.exec(named)?.[0] ?? "";
  return cut(named.slice(0, named.length - ending.length), most - Buffer.byteLength(ending)) + ending;
}

/** A Content-Disposition: in ASCII for old readers, and whole. Source: RFC 6266, RFC 8187. */
export function disposition(kind: "inline" | "attachment", name: string): string {
  const ascii = name.replaceAll(/[^\x20-\x7e]|["%\\]/g, "_");
  const whole = encodeURIComponent(name).replaceAll(/['()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);
  return `${kind}; filename="${ascii}"; filename*=UTF-8''${whole}`;
}
