// Owns the sizes of what browsers load: bundles each entry as a page would get it, prints its gzip size, and fails above its limit.
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { build } from "vite";
import { alias, lateMarkdown, windowStyles } from "./browser-build.ts";

const root = join(import.meta.dirname, "..");

/** What is loaded first, in kB (1,000 bytes) after gzip; what an entry loads later by `import()` is not counted. */
type Entry = { readonly name: string; readonly entry: string; readonly limit: number; readonly window?: true };
const entries: readonly Entry[] = [
  { name: "SDK", entry: "src/client/index.ts", limit: 15 },
  { name: "chat loader", entry: "src/widget/loader.ts", limit: 5, window: true },
  { name: "chat window", entry: "src/widget/window.tsx", limit: 60, window: true },
];

async function sizeOf({ entry, window }: Entry): Promise<number> {
  const withMarkdown = entry.endsWith("window.tsx");
  const result = await build({
    root,
    configFile: false,
    logLevel: "error",
    ...(window ? { resolve: { alias } } : {}),
    plugins: withMarkdown ? [lateMarkdown()] : [],
    build: {
      write: false,
      minify: true,
      target: "es2022",
      ...(window ? { cssTarget: windowStyles } : {}),
      modulePreload: false,
      // As an app's own bundle, not as a library: a library's ES format keeps its white space.
      rolldownOptions: { input: join(root, entry), preserveEntrySignatures: "strict" },
    },
  });
  const outputs = (Array.isArray(result) ? result : "output" in result ? [result] : []).flatMap(({ output }) => output);
  const chunks = new Map(outputs.flatMap((file) => (file.type === "chunk" ? [[file.fileName, file] as const] : [])));
  const first = [...chunks.values()].find((chunk) => chunk.isEntry);
  if (first === undefined) throw new Error(`${entry} gives no bundle`);
  const loaded = new Set([first.fileName]);
  for (const name of loaded) for (const other of chunks.get(name)?.imports ?? []) loaded.add(other);
  return [...loaded].reduce((sum, name) => sum + gzipSync(chunks.get(name)?.code ?? "").length, 0) / 1000;
}

let tooLarge = 0;
for (const entry of entries) {
  const { name, limit } = entry;
  const size = await sizeOf(entry);
  if (size > limit) tooLarge++;
  console.log(
    `${name.padEnd(12)} ${size.toFixed(2).padStart(6)} kB of ${limit} kB${size > limit ? "  TOO LARGE" : ""}`,
  );
}

/** What a first visit of the app loads before it can be used: every script and style that its built page names. */
const appLimit = 90;
function sizeOfApp(): number {
  execFileSync(process.execPath, [join(root, "scripts/build-app.ts"), "--if-stale"], { cwd: root, stdio: "ignore" });
  const built = join(root, "dist/public");
  const page = readFileSync(join(built, "index.html"), "utf8");
  const names = [...page.matchAll(/(?:src|href)="(\/assets\/[^"]+\.(?:js|css))"/g)].flatMap(([, name]) => name ?? []);
  if (!names.some((name) => name.endsWith(".js"))) throw new Error("the app's page names no script");
  return names.reduce((sum, name) => sum + gzipSync(readFileSync(join(built, name))).length, 0) / 1000;
}
const appSize = sizeOfApp();
if (appSize > appLimit) tooLarge++;
console.log(
  `${"app".padEnd(12)} ${appSize.toFixed(1).padStart(6)} kB of ${appLimit} kB${appSize > appLimit ? "  TOO LARGE" : ""}`,
);
process.exitCode = tooLarge > 0 ? 1 : 0;
