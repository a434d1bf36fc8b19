// Owns how the text of one setting becomes a value, or why it does not; must not know what other settings say.
import { BlockList, isIP, isIPv4 } from "node:net";
import { Secret } from "./secret.ts";

/** Who may sign in. Parsed from `AUTH`, in its order. */
export type SignIn =
  | { readonly kind: "guest" }
  | { readonly kind: "firebase"; readonly project: string }
  | { readonly kind: "oidc"; readonly issuer: string; readonly audience: string };

/** `demo` has no model name; every other provider has one. */
type ModelChoice = { readonly provider: ModelProvider; readonly model: string };
type Network = { readonly address: string; readonly prefix: number; readonly family: "ipv4" | "ipv6" };

const modelProviders = ["demo", "openai", "openai-compatible", "ollama", "anthropic", "google"] as const;
export type ModelProvider = (typeof modelProviders)[number];

/** Why a text is no value of a setting. */
export class Wrong {
  readonly reason: string;
  constructor(reason: string) {
    this.reason = reason;
  }
}
export type Parse<T> = (text: string) => T | Wrong;

/** Whether only this machine can reach a server that listens there. */
export function isLoopback(host: string): boolean {
  const bare = host.replace(/^\[(.*)\]$/, "$1").toLowerCase();
  return bare === "localhost" || bare === "::1" || (isIPv4(bare) && bare.startsWith("127."));
}

/** A value as a message may repeat it: quoted, without control characters or a URL's password, short. */
export function show(text: string): string {
  const safe = text.replaceAll(/\/\/[^/]*@/g, "//…@");
  return JSON.stringify(safe.length > 60 ? `${safe.slice(0, 60)}…` : safe);
}

const names = (all: readonly string[]): string => all.map((name) => `"${name}"`).join(", ");
const list = (text: string): string[] => text.split(",").map((item) => item.trim());

export function oneOf<const T extends string>(allowed: readonly T[]): Parse<T> {
  return (text) => allowed.find((value) => value === text) ?? new Wrong(`is not known. Allowed: ${names(allowed)}.`);
}

export function whole(least: number, most: number, what: string): Parse<number> {
  return (text) => {
    const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
    return value >= least && value <= most
      ? value
      : new Wrong(`is not allowed. Allowed: ${what}, a whole number from ${least} to ${most}.`);
  };
}

const hostPattern = /^(?=.{1,253}$)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/i;
const isHost = (text: string): boolean => isIP(text) !== 0 || (hostPattern.test(text) && !/^[\d.]+$/.test(text));

export function parseHost(text: string): string | Wrong {
  const bare = text.replace(/^\[(.*:.*)\]$/, "$1");
  return isHost(bare) ? bare : new Wrong("is no host. Allowed: an IP address or a host name, without a port.");
}

export function parseHostPort(text: string): string | Wrong {
  const parts = /^(?<host>[^:]+|\[[\d:a-f]+\]):(?<port>\d{1,5})$/i.exec(text)?.groups;
  const host = parts?.["host"]?.replace(/^\[(.*)\]$/, "$1") ?? "";
  const fits = isHost(host) && Number(parts?.["port"]) <= 65_535;
  return fits ? text : new Wrong("is not allowed. Allowed: HOST:PORT, without a scheme.");
}

export const parsePath: Parse<string> = (text) =>
  text.includes("\0") ? new Wrong("is no path. Allowed: a folder.") : text;
export const parseToken: Parse<string> = (text) =>
  /^[\x21-\x7e]+$/.test(text) ? text : new Wrong("is not allowed. Allowed: printable ASCII without spaces.");
export const parseNodeName: Parse<string> = (text) =>
  /^[\w.-]{1,64}$/.test(text) ? text : new Wrong("is not allowed. Allowed: 1 to 64 letters, digits, dots, _ and -.");

export function url(schemes: readonly string[]): Parse<string> {
  return (text) => {
    const parsed = URL.parse(text);
    const fits = parsed !== null && schemes.includes(parsed.protocol) && parsed.hostname !== "";
    return fits
      ? text
      : new Wrong(`is not allowed. Allowed: a URL that begins with ${schemes.map((s) => `${s}//`).join(" or ")}.`);
  };
}

/** Keys that come over plain HTTP can be anybody's, except within this machine or a private network. */
function isSafeSource(text: string): boolean {
  const parsed = URL.parse(text);
  if (parsed === null || parsed.username !== "" || parsed.hash !== "") return false;
  const host = parsed.hostname.replace(/^\[(.*)\]$/, "$1");
  return parsed.protocol === "https:" || (parsed.protocol === "http:" && isPrivate(host));
}

const privateNetworks = new BlockList();
for (const [address, prefix] of [
  ["10.0.0.0", 8],
  ["172.16.0.0", 12],
  ["192.168.0.0", 16],
] as const) {
  privateNetworks.addSubnet(address, prefix);
}
privateNetworks.addSubnet("fc00::", 7, "ipv6");

function isPrivate(host: string): boolean {
  if (isLoopback(host)) return true;
  return isIP(host) === 0 ? !host.includes(".") : privateNetworks.check(host, isIPv4(host) ? "ipv4" : "ipv6");
}

export const parseKeysUrl: Parse<string> = (text) =>
  isSafeSource(text) ? text : new Wrong("is not allowed. Allowed: an https URL (http within a private network).");

export function parseModel(text: string): ModelChoice | Wrong {
  const at = text.indexOf(":");
  const [name, model] = at === -1 ? [text, ""] : [text.slice(0, at), text.slice(at + 1).trim()];
  const provider = modelProviders.find((known) => known === name);
  const fits = provider !== undefined && (provider === "demo") === (at === -1) && (at === -1 || model !== "");
  const allowed = names(modelProviders.filter((known) => known !== "demo"));
  return fits ? { provider, model } : new Wrong(`is not known. Allowed: "demo", or PROVIDER:MODEL of ${allowed}.`);
}

const projectPattern = /^[a-z0-9][a-z0-9.:-]{0,62}$/;

function parseSignIn(item: string): SignIn | undefined {
  if (item === "guest") return { kind: "guest" };
  const [, kind, rest = ""] = /^(firebase|oidc):(.+)$/.exec(item) ?? [];
  if (kind === "firebase") return projectPattern.test(rest) ? { kind, project: rest } : undefined;
  const [issuer = "", audience = "", ...more] = rest.split("#");
  const fits = isSafeSource(issuer) && !issuer.includes("?") && audience !== "" && more.length === 0;
  return kind === "oidc" && fits ? { kind, issuer, audience } : undefined;
}

export function parseAuth(text: string): readonly SignIn[] | Wrong {
  const items = list(text);
  const bad = items.find((item) => parseSignIn(item) === undefined);
  const allowed =
    "a comma list of guest, firebase:PROJECT_ID, oidc:ISSUER#AUDIENCE (an https issuer, exactly as in its tokens)";
  if (bad !== undefined) return new Wrong(`holds ${show(bad)}, which is not known. Allowed: ${allowed}.`);
  if (new Set(items).size < items.length) return new Wrong(`names one twice. Allowed: ${allowed}.`);
  return items.map(parseSignIn).filter((way) => way !== undefined);
}

export function parseClients(text: string): readonly string[] | Wrong {
  const items = list(text);
  const fits = items.every((item) => /^[\x21-\x7e]+$/.test(item)) && new Set(items).size === items.length;
  return fits ? items : new Wrong("is not allowed. Allowed: a comma list of client IDs, each once.");
}

type UserStore = { readonly kind: "embedded" } | { readonly kind: "firestore"; readonly project: string };

export function parseUsers(text: string): UserStore | Wrong {
  if (text === "embedded") return { kind: "embedded" };
  const project = /^firestore:(.+)$/.exec(text)?.[1] ?? "";
  if (projectPattern.test(project)) return { kind: "firestore", project };
  return new Wrong('is not known. Allowed: "embedded", firestore:PROJECT_ID.');
}

type LimitsChoice = { readonly kind: "default" | "off" } | { readonly kind: "file"; readonly path: string };

export function parseLimits(text: string): LimitsChoice | Wrong {
  if (text === "default" || text === "off") return { kind: text };
  // A bare word is far likelier a misspelt one of the two than a file.
  if (/[./\\]/.test(text) && !text.includes("\0")) return { kind: "file", path: text };
  return new Wrong('is not known. Allowed: "default", "off", or the path of a JSON file.');
}

export function parseOrigins(text: string): "any" | readonly string[] | Wrong {
  if (text === "*") return "any";
  const bad = list(text).find((origin) => !isOrigin(origin));
  if (bad === undefined) return list(text);
  const allowed = 'a comma list of origins, exact as browsers send them (https://example.org, no path), or "*" alone';
  return new Wrong(`holds ${show(bad)}, which is no origin. Allowed: ${allowed}.`);
}

/** Web origins must be in the form that browsers send; native shells (capacitor://localhost) have schemes of their own. */
function isOrigin(text: string): boolean {
  if (text.includes("*")) return false;
  const parsed = URL.parse(text);
  if (parsed?.protocol === "http:" || parsed?.protocol === "https:") return parsed.origin === text;
  return /^[a-z][a-z0-9+.-]*:\/\/[a-z0-9.-]+(:\d+)?$/.test(text);
}

export function parseEndpoints(text: string): readonly string[] | Wrong {
  const bad = list(text).find((origin) => !isOrigin(origin) || !isSafeSource(origin));
  if (bad === undefined) return list(text);
  const allowed = "a comma list of https origins (https://login.example.com, no path)";
  return new Wrong(`holds ${show(bad)}, which is none. Allowed: ${allowed}.`);
}

export function parseNetworks(text: string): readonly Network[] | Wrong {
  if (text === "none") return [];
  const bad = list(text).find((item) => parseNetwork(item) === undefined);
  if (bad === undefined)
    return list(text)
      .map(parseNetwork)
      .filter((network) => network !== undefined);
  return new Wrong(
    `holds ${show(bad)}, which is no network. Allowed: a comma list such as 10.0.0.0/8, fd00::/8, 192.0.2.7.`,
  );
}

function parseNetwork(item: string): Network | undefined {
  const [, address = "", bits] = /^([\d.:a-f]+)(?:\/(\d{1,3}))?$/i.exec(item) ?? [];
  if (isIP(address) === 0) return undefined;
  const [family, longest] = isIPv4(address) ? (["ipv4", 32] as const) : (["ipv6", 128] as const);
  const prefix = bits === undefined ? longest : Number(bits);
  return prefix <= longest ? { address, prefix, family } : undefined;
}

/** The first key is in use; those behind it only open what is still under them. */
export function parseMasterKeys(text: string): readonly Secret<Uint8Array>[] | Wrong {
  const keys = list(text).map(parseMasterKey);
  const allowed =
    "32 bytes in base64 (openssl rand -base64 32); while a key is being replaced, the new and the old one: NEW,OLD.";
  const found = keys.filter((key) => key !== undefined);
  if (found.length < keys.length) return new Wrong(`is no key. Allowed: ${allowed}`);
  const isTwice = new Set(list(text)).size < found.length;
  return isTwice ? new Wrong(`names one key twice. Allowed: ${allowed}`) : found.map((key) => new Secret(key));
}

function parseMasterKey(text: string): Uint8Array | undefined {
  const bytes = Buffer.from(text, "base64");
  const exact = /^[A-Za-z0-9+/]{43}=$/.test(text) && bytes.length === 32 && bytes.toString("base64") === text;
  return exact ? new Uint8Array(bytes) : undefined;
}
