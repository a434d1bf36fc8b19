// Owns how the browser's files are served: paths, caching, compression and the security headers of every page. It reads no file.
import { createHash } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { gzipSync } from "node:zlib";
import type { AssetFiles } from "./ports.ts";

/** What the pages are told about this server. Everything in it is public. */
type PageFacts = {
  readonly model: string;
  readonly version: string;
  readonly guests: boolean;
  readonly signIn: readonly PageSignIn[];
};

/** A way to sign in that a page can carry out by itself. */
export type PageSignIn =
  | {
      readonly kind: "oidc";
      readonly issuer: string;
      readonly client: string;
      /** Further origins of its endpoints. */
      readonly origins?: readonly string[];
    }
  | {
      readonly kind: "firebase";
      readonly key: string;
      /** The origin of Firebase's emulator, in Google's stead. */
      readonly emulator?: string;
    };

export type AssetOptions = {
  readonly files: AssetFiles;
  readonly facts: PageFacts;
  /** Origins that may hold the chat window in a frame, besides the own one; `*`: any. */
  readonly frameAncestors: readonly string[] | "*";
};

type Held = {
  readonly bytes: Uint8Array;
  readonly etag: string;
  readonly headers: Readonly<Record<string, string>>;
  packed: Uint8Array | undefined;
};

/** Answers the paths that are files or pages of the app. false: the path is none of them. */
export type Assets = (request: IncomingMessage, response: ServerResponse, path: string) => boolean;

const lasting = "public, max-age=31536000, immutable";
/** Below this (bytes) packing costs more than it saves. */
const packedFrom = 1024;
/** The endpoints of Google's sign-in for Firebase (https://firebase.google.com/docs/reference/rest/auth). */
const firebaseOrigins = ["https://identitytoolkit.googleapis.com", "https://securetoken.googleapis.com"];

export function createAssets(options: AssetOptions): Assets {
  const held = new Map<string, Held>();
  for (const [path, { bytes, type }] of options.files) {
    const page = type.startsWith("text/html");
    const content = page
      ? withFacts(bytes, factsOf(path, options))
      : path === loader
        ? withModel(bytes, options)
        : bytes;
    const headers: Record<string, string> = {
      "Content-Type": type,
      "Cache-Control": path.startsWith("/assets/") ? lasting : "no-cache",
      "X-Content-Type-Options": "nosniff",
      "Referrer-Policy": "no-referrer",
      Vary: "Accept-Encoding",
      ...(page ? pageHeaders(path, options) : crossOrigin),
    };
    const etag = `"${createHash("sha256").update(content).digest("base64url").slice(0, 22)}"`;
    held.set(path, { bytes: content, etag, headers, packed: undefined });
  }

  return (request, response, path) => {
    const file = held.get(isAppPath(path) ? "/" : path);
    if (file === undefined) return false;
    for (const [name, value] of Object.entries(file.headers)) response.setHeader(name, value);
    response.setHeader("ETag", file.etag);
    if (request.headers["if-none-match"] === file.etag) {
      response.writeHead(304).end();
      return true;
    }
    const body = choose(request, response, file);
    response.writeHead(200, { "Content-Length": body.byteLength });
    response.end(request.method === "HEAD" ? undefined : body);
    return true;
  };
}

/** Paths that the app's page reads itself: a conversation, and where an issuer leads back to. */
const isAppPath = (path: string): boolean => path === "/signed-in" || /^\/c\/[\w-]+$/.test(path);

function choose(request: IncomingMessage, response: ServerResponse, file: Held): Uint8Array {
  const accepts = /\bgzip\b(?!\s*;\s*q=0(?:\.0*)?\s*(?:,|$))/.test(
    request.headers["accept-encoding"]?.toString() ?? "",
  );
  const worth = file.bytes.byteLength >= packedFrom && !(file.headers["Content-Type"] ?? "").startsWith("font/");
  if (!accepts || !worth) return file.bytes;
  file.packed ??= gzipSync(file.bytes, { level: 9 });
  response.setHeader("Content-Encoding", "gzip");
  return file.packed;
}

/** Scripts, styles and fonts may be used by the pages that carry the chat window; nothing in them is anybody's own. */
const crossOrigin = { "Access-Control-Allow-Origin": "*", "Cross-Origin-Resource-Policy": "cross-origin" };

/** The one script of the chat window that has a name of its own: pages of others have it in their source. */
const loader = "/widget.js";
/** A page that embeds the chat window as others do, under the policy that `docs/widget.md` asks of them. */
const demo = "/widget-demo";

/** No inline script or style, no request to elsewhere, no frame, and no text becomes script or HTML (WI01, WI07, LO12). */
function pageHeaders(path: string, options: AssetOptions): Record<string, string> {
  const ancestors = path === "/frame" ? frameAncestors(options.frameAncestors) : "'none'";
  const policy = [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "frame-src 'self'",
    ...(path === demo
      ? ["connect-src 'self'", "img-src 'self'"]
      : [
          "img-src 'self' blob:",
          "font-src 'self'",
          `connect-src ${["'self'", ...signInOrigins(options.facts)].join(" ")}`,
          "manifest-src 'self'",
          "worker-src 'self'",
        ]),
    "base-uri 'none'",
    "form-action 'none'",
    `frame-ancestors ${ancestors}`,
    "require-trusted-types-for 'script'",
    "trusted-types throughline",
  ];
  return {
    "Content-Security-Policy": policy.join("; "),
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
    ...(path === "/frame" ? framedByOthers : framedByNobody),
  };
}

/** Also by pages that isolate themselves. */
const framedByOthers = {
  "Cross-Origin-Embedder-Policy": "require-corp",
  "Cross-Origin-Resource-Policy": "cross-origin",
};
const framedByNobody = { "Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin" };

const frameAncestors = (origins: AssetOptions["frameAncestors"]): string =>
  origins === "*" ? "*" : ["'self'", ...origins].join(" ");

const signInOrigins = ({ signIn }: PageFacts): string[] =>
  signIn.flatMap((way) => {
    if (way.kind === "oidc") return [new URL(way.issuer).origin, ...(way.origins ?? [])];
    return way.emulator === undefined ? firebaseOrigins : [new URL(way.emulator).origin];
  });

const escape = (text: string): string => text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);

/** The frame is told who may be its parent: it listens to nobody else. */
const factsOf = (path: string, { facts, frameAncestors }: AssetOptions): object =>
  path === "/frame" ? { model: facts.model, parents: frameAncestors } : facts;

/** Puts the model's name into the loader's one string for it, as a URI component: nothing in it can end the string. */
function withModel(bytes: Uint8Array, { facts }: AssetOptions): Uint8Array {
  const value = encodeURIComponent(JSON.stringify({ model: facts.model })).replaceAll("'", "%27");
  return Buffer.from(
    Buffer.from(bytes)
      .toString("utf8")
      .replace("throughline-facts", () => value),
  );
}

/** Puts the facts where the page's script finds them. */
function withFacts(bytes: Uint8Array, facts: object): Uint8Array {
  const html = Buffer.from(bytes).toString("utf8");
  const meta = `<meta name="throughline" content="${escape(JSON.stringify(facts))}"`;
  // A function: what stands in the facts must not be read as a replacement pattern.
  return Buffer.from(html.replace('<meta name="throughline" content=""', () => meta));
}
