// Owns which addresses a model's text may lead to, and what a person is told of them. Everything else is text.

export type Target = {
  /** The address as the browser's own parser understood it: what was checked is what is used. */
  readonly href: string;
  /** Where it leads: the host in its ASCII form, or the mail address. */
  readonly place: string;
};

const schemes = new Set(["http:", "https:", "mailto:"]);

/** An absolute http, https or mailto address. Relative ones, `//host`, one with a name before its host, every other scheme: undefined. */
export function readTarget(address: string): Target | undefined {
  if (!/^\s*(?:https?:\/\/|mailto:)/i.test(address) || !URL.canParse(address)) return undefined;
  const url = new URL(address);
  if (!schemes.has(url.protocol) || url.username !== "" || url.password !== "") return undefined;
  return { href: url.href, place: url.protocol === "mailto:" ? url.pathname : url.host };
}

/** One of our own files, by the path under which they are served; nothing else on this host. */
export function readOwnFile(address: string): string | undefined {
  return /^\/api\/v1\/files\/[\w-]{1,64}$/.test(address) ? address : undefined;
}

const hostLike = /(?:^|[\s([{<"'@/])((?:[\p{L}\p{N}-]{1,63}\.)+\p{L}[\p{L}\p{N}-]{1,62})(?![\p{L}\p{N}@])/u;

/** Whether a link's text names a host other than the one that it leads to: then the real one is written behind it. */
export function isMisleading(text: string, target: Target): boolean {
  const [, named] = hostLike.exec(text.normalize("NFKC")) ?? [];
  if (named === undefined) return false;
  if (target.href.startsWith("mailto:")) return !target.place.toLowerCase().endsWith(named.toLowerCase());
  if (!URL.canParse(`https://${named}`)) return true;
  const host = new URL(`https://${named}`).host;
  const bare = (name: string): string => name.replace(/^www\./, "").replace(/:\d+$/, "");
  return bare(host) !== bare(target.place);
}
