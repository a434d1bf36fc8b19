// Owns the sizes of what browsers load: bundles each entry as a page would get it, prints its gzip size, and fails above its limit.
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
process.exitCode = tooLarge > 0 ? 1 : 0;
