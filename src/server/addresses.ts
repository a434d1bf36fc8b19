// Owns what an address is: one form for every spelling, ranges, and which hop of a request counts. Pure.
import { isIP, isIPv6 } from "node:net";
import ipaddr from "ipaddr.js";

/** A range of addresses, as bytes: 4 of IPv4, 16 of IPv6. IPv4 mapped into IPv6 is IPv4. */
export type Range = { readonly bytes: readonly number[]; readonly prefix: number };

/** The parts of a request that tell where it comes from. Node joins repeated headers with commas. */
export type Traced = {
  readonly socket: { readonly remoteAddress?: string | undefined };
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
};

/** Hops of a chain that are looked at. */
const mostHops = 32;
/** People change their IPv6 address within this prefix as they like. */
const widestHost = 64;

function parseBytes(text: string): number[] | undefined {
  const bare = isIPv6(text) ? text.replace(/%.*$/, "") : text;
  // `ipaddr.js` also reads octal, hexadecimal and short forms, which others read differently.
  return isIP(bare) === 0 ? undefined : ipaddr.process(bare).toByteArray();
}

const write = (bytes: readonly number[]): string => ipaddr.fromByteArray([...bytes]).toString();

/** The range of a network such as 10.0.0.0/8 or fd00::/8, exactly; undefined: it is none. */
export function parseRange(text: string): Range | undefined {
  const [, address = "", bits] = /^([^/]+)(?:\/(\d{1,3}))?$/.exec(text.trim()) ?? [];
  const bytes = parseBytes(address);
  if (bytes === undefined) return undefined;
  const mapped = bytes.length === 4 && isIPv6(address);
  const longest = bytes.length * 8;
  const prefix = bits === undefined ? longest : Number(bits) - (mapped ? 96 : 0);
  if (prefix < 0 || prefix > longest) return undefined;
  return { bytes: bytes.map((byte, i) => byte & maskOf(prefix, i)), prefix };
}

const maskOf = (prefix: number, i: number): number => (0xff << (8 - Math.min(8, Math.max(0, prefix - i * 8)))) & 0xff;

export function spellRange({ bytes, prefix }: Range): string {
  return prefix === 32 && bytes.length === 4 ? write(bytes) : `${write(bytes)}/${prefix}`;
}

/** What is counted and blocked as one: a range of IPv6 is never narrower than its /64. */
export function widen(range: Range): Range {
  if (range.bytes.length === 4 || range.prefix <= widestHost) return range;
  return { bytes: range.bytes.map((byte, i) => byte & maskOf(widestHost, i)), prefix: widestHost };
}

export const isHost = ({ bytes, prefix }: Range): boolean => prefix === (bytes.length === 4 ? 32 : widestHost);

/** An address that was looked at once: what it is counted under, and its bytes. */
export type Place = { readonly key: string; readonly bytes: readonly number[] };

/** What was looked at last: one connection asks for its place several times. */
let latest: { readonly address: string | undefined; readonly place: Place | undefined } | undefined;

/** The place of an address; its key is itself for IPv4, its /64 for IPv6. undefined: it is no address. */
export function locate(address: string | undefined): Place | undefined {
  if (latest === undefined || latest.address !== address) latest = { address, place: placeAt(address ?? "") };
  return latest.place;
}

function placeAt(address: string): Place | undefined {
  const bytes = parseBytes(address);
  if (bytes === undefined) return undefined;
  return { key: spellRange(widen({ bytes, prefix: bytes.length * 8 })), bytes };
}

export function contains({ bytes, prefix }: Range, place: Pick<Place, "bytes">): boolean {
  if (bytes.length !== place.bytes.length) return false;
  for (let i = 0; i * 8 < prefix; i++) if (bytes[i] !== ((place.bytes[i] ?? 0) & maskOf(prefix, i))) return false;
  return true;
}

const loopback = ["127.0.0.0/8", "::1"].flatMap((text) => parseRange(text) ?? []);
export const isLoopback = (place: Pick<Place, "bytes">): boolean => loopback.some((range) => contains(range, place));

/**
 * Where a request comes from: the peer, or, where the peer is a trusted proxy, the right-most hop that is none. What stands
 * to the left of it, a client may have written itself. A hop that is no address ends the walk. undefined: no address at all.
 */
export function clientAddress(request: Traced, trusted: readonly Range[]): string | undefined {
  let bytes = parseBytes(request.socket.remoteAddress ?? "");
  if (bytes === undefined) return undefined;
  const hops = trusted.length === 0 ? [] : hopsOf(request).slice(-mostHops).toReversed();
  for (const hop of hops) {
    const place = { bytes };
    if (!trusted.some((range) => contains(range, place))) break;
    const next = parseBytes(hop);
    if (next === undefined) break;
    bytes = next;
  }
  return write(bytes);
}

/** The hops that proxies say there were, left-most (oldest) first. `Forwarded` counts only where there is no `X-Forwarded-For`. */
function hopsOf({ headers }: Traced): string[] {
  const { "x-forwarded-for": list, forwarded } = headers;
  if (list !== undefined) return String(list).split(",").map(withoutPort);
  if (forwarded === undefined) return [];
  return String(forwarded)
    .split(",")
    .map((element) => withoutPort(/(?:^|;)\s*for=("[^"]*"|[^;\s]*)/i.exec(element.trim())?.[1] ?? ""));
}

/** `1.2.3.4:5678`, `[2001:db8::1]:443`, each perhaps in quotes, without port and dress. Source: RFC 7239, section 6. */
function withoutPort(text: string): string {
  const bare = text.trim().replace(/^"(.*)"$/, "$1");
  const [, six, four] = /^(?:\[([^\]]*)\](?::\d{1,5})?|([\d.]+):\d{1,5})$/.exec(bare) ?? [];
  return six ?? four ?? bare;
}

/** True where a request went through something that says so: it may come from anywhere. */
export function isForwarded(headers: Traced["headers"]): boolean {
  return Object.keys(headers).some((name) => /^(forwarded|x-forwarded-.*|x-real-ip|via|cf-connecting-ip)$/.test(name));
}
