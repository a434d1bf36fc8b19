// Owns which addresses of a model's text may be followed, and how they are named to the reader. Everything else stays text.

/** An address that may be followed. `host`: as it is really called (punycode), empty for mail. */
export type Target = { readonly href: string; readonly host: string };

/** http, https and mailto, written out; everything else (relative ones too) is refused. */
export function readTarget(address: string): Target | undefined {
  // Browsers drop these before they read the scheme.
  // oxlint-disable-next-line no-control-regex
  const text = address.replace(/[\u0000-\u0020]+/g, "");
  if (!/^(?:https?:\/\/|mailto:)/i.test(text)) return undefined;
  const url = URL.parse(text);
  if (url === null || url.username !== "" || url.password !== "") return undefined;
  if (url.protocol === "mailto:") return { href: url.href, host: "" };
  return url.protocol === "http:" || url.protocol === "https:" ? { href: url.href, host: url.host } : undefined;
}

/** An image of our own server: a path, and nothing that leaves it. */
export const isOwnImage = (address: string): boolean => /^\/api\/v1\/files\/[\w-]+$/.test(address);

/** The host that a link's text claims, if it looks like an address. */
export function claimedHost(text: string): string | undefined {
  const match = /^\s*(?:https?:\/\/)?((?:[\p{L}\p{N}-]+\.)+\p{L}{2,})(?:[/:?#]|\s*$)/iu.exec(text);
  return match?.[1] === undefined ? undefined : URL.parse(`https://${match[1]}`)?.host;
}
