// Owns reading the built browser files from their folder, once, into memory. It decides nothing about serving them.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { extname, join, sep } from "node:path";
import type { AssetFiles } from "../../server/ports.ts";

const types: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
  ".png": "image/png",
  ".woff2": "font/woff2",
  ".webmanifest": "application/manifest+json",
  ".json": "application/json",
};

/** The files of a folder by their path from it. Empty where there is no folder. Of an unknown kind: not served. */
export function readAssets(folder: string): AssetFiles {
  const files = new Map<string, { bytes: Uint8Array; type: string }>();
  if (!existsSync(folder)) return files;
  for (const name of readdirSync(folder, { recursive: true, encoding: "utf8" })) {
    const type = types[extname(name)];
    if (type === undefined) continue;
    const path = `/${name.split(sep).join("/")}`.replace(/(^|\/)index\.html$/, "$1").replace(/\.html$/, "");
    files.set(path === "" ? "/" : path, { bytes: readFileSync(join(folder, name)), type });
  }
  return files;
}
