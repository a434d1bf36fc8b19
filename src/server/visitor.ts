// Owns the words for where a socket comes from: device and place, for the list of sessions. No look-up anywhere, no address kept.
import ipaddr from "ipaddr.js";
import type { CommandOf } from "../protocol/index.ts";
import type { SessionAbout } from "./ports.ts";

/** What an upgrade tells of its sender. `address` is the peer's, or what a trusted proxy says of it. */
export type Visitor = { readonly address?: string | undefined; readonly agent?: string | undefined };

/** Characters of a device's words, and of a user agent that are looked at. */
const longestDevice = 60;
const longestAgent = 512;

/** First match wins: browsers name those they descend from, systems those that they pretend to be. */
const browsers: readonly (readonly [string, RegExp])[] = [
  ["Edge", /\bEdg(?:e|A|iOS)?\//],
  ["Opera", /\bOPR\//],
  ["Samsung Internet", /\bSamsungBrowser\//],
  ["Firefox", /\b(?:Firefox|FxiOS)\//],
  ["Chrome", /\b(?:Chrome|CriOS)\//],
  ["Safari", /\bVersion\/\S+ .*Safari\//],
];
const systems: readonly (readonly [string, RegExp])[] = [
  ["Windows", /\bWindows\b/],
  ["iPhone", /\biPhone\b/],
  ["iPad", /\biPad\b/],
  ["Android", /\bAndroid\b/],
  ["ChromeOS", /\bCrOS\b/],
  ["macOS", /\bMac OS X\b|\bMacintosh\b/],
  ["Linux", /\bLinux\b/],
];
const firstOf = (table: typeof browsers, text: string): string | undefined =>
  table.find(([, pattern]) => pattern.test(text))?.[0];

/** Words that are safe in any list or log: no control, format or half characters, one line, short (OP05). */
function printable(text: string): string {
  const clean = text.replaceAll(/\p{C}/gu, " ").replaceAll(/\s+/gu, " ").trim();
  return Array.from(clean).slice(0, longestDevice).join("");
}

/** "Chrome on macOS"; for what is no browser, what the client calls itself, or the program that connects. */
export function deviceOf(agent: string | undefined, client: CommandOf<"auth">["client"]): string {
  const text = (agent ?? "").slice(0, longestAgent);
  const system = firstOf(systems, text);
  const browser = firstOf(browsers, text);
  const named = client?.name === undefined || client.name === "throughline" ? "" : client.name;
  const program = /^[\w.-]+/.exec(text)?.[0] ?? "";
  const what = browser ?? printable(named === "" ? (program === "Mozilla" ? "" : program) : named);
  if (what === "") return system ?? "unknown device";
  return system === undefined ? what : printable(`${what} on ${system}`);
}

const near = new Set(["private", "uniqueLocal", "linkLocal", "carrierGradeNat"]);

/** "this computer", "local network", or the first half of an address: 203.0.113.x, 2001:db8:1::. */
export function placeOf(address: string | undefined): string {
  const bare = address?.replace(/%.*$/, "") ?? "";
  if (!ipaddr.isValid(bare)) return "unknown";
  const parsed = ipaddr.process(bare);
  const range = parsed.range();
  if (range === "loopback") return "this computer";
  if (near.has(range)) return "local network";
  if (parsed instanceof ipaddr.IPv4) return `${parsed.octets.slice(0, 3).join(".")}.x`;
  return `${parsed.parts
    .slice(0, 3)
    .map((part) => part.toString(16))
    .join(":")}::`;
}

/** What a session's row says of its user's device and place. */
export function describeVisitor(visitor: Visitor, client: CommandOf<"auth">["client"]): SessionAbout {
  return { device: deviceOf(visitor.agent, client), place: placeOf(visitor.address) };
}
