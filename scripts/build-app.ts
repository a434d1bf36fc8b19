// Owns the building of what browsers get: the app and its service worker, the chat window and its loader, into dist/public.
// `--if-stale`: only where a source is newer than what was built.
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createHash } from "node:crypto";
import { dirname, join } from "node:path";
import { build, type InlineConfig, type Rolldown } from "vite";
import { alias, lateMarkdown, windowStyles } from "./browser-build.ts";

const root = join(import.meta.dirname, "..");
const source = join(root, "src");
const out = join(root, "dist/public");

/** Where each page is served, by where its source is. */
const pages = { "app/index.html": "index.html", "admin/index.html": "admin.html" };
const widgetPages = { "widget/frame.html": "frame.html", "widget/demo.html": "widget-demo.html" };

const common: InlineConfig = {
  root: source,
  configFile: false,
  logLevel: "warn",
  publicDir: false,
  resolve: { alias },
};

type Output = readonly (Rolldown.OutputChunk | Rolldown.OutputAsset)[];

/** Builds the pages, with hashed names. */
async function buildPages(): Promise<Output> {
  const input = Object.fromEntries(Object.keys(pages).map((name) => [dirname(name), join(source, name)]));
  const result = await build({
    ...common,
    publicDir: join(source, "app/public"),
    build: {
      outDir: out,
      emptyOutDir: true,
      target: "es2023",
      assetsInlineLimit: 0,
      modulePreload: { polyfill: false },
      rolldownOptions: { input },
    },
  });
  movePages(pages);
  return outputOf(result);
}

function movePages(pages: Readonly<Record<string, string>>): void {
  for (const [from, to] of Object.entries(pages)) renameSync(join(out, from), join(out, to));
  for (const from of Object.keys(pages)) rmSync(join(out, dirname(from)), { recursive: true, force: true });
}

/** Builds the chat window with its frame, apart from the app: pages of other origins load it. */
async function buildWindow(): Promise<void> {
  const entries = [join(source, "widget/window.tsx"), join(source, "widget/framing.ts")];
  const result = await build({
    ...common,
    plugins: [lateMarkdown()],
    build: {
      outDir: out,
      emptyOutDir: false,
      target: "es2023",
      cssTarget: windowStyles,
      assetsInlineLimit: 0,
      // What preloads asks the page's own origin, which is not ours.
      modulePreload: false,
      rolldownOptions: {
        input: [...entries, ...Object.keys(widgetPages).map((name) => join(source, name))],
        preserveEntrySignatures: "allow-extension",
        output: { entryFileNames: "assets/[name]-[hash].js" },
      },
    },
  });
  movePages(widgetPages);
  // Under names that last: pages that were open while the server got a newer build find its chunks by them.
  for (const part of outputOf(result)) {
    if (part.type !== "chunk" || !entries.includes(part.facadeModuleId ?? "")) continue;
    writeFileSync(join(out, `widget-${part.name}.js`), `export * from "./${part.fileName}";\n`);
  }
}

/** Builds one script that stands alone under a name of its own. `constants` are put into it. */
async function buildScript(entry: string, name: string, constants: Readonly<Record<string, unknown>>): Promise<void> {
  const define = Object.fromEntries(Object.entries(constants).map(([key, value]) => [key, JSON.stringify(value)]));
  const result = await build({
    ...common,
    define,
    build: {
      write: false,
      target: "es2022",
      cssTarget: windowStyles,
      modulePreload: false,
      rolldownOptions: { input: join(source, entry), output: { format: "iife", entryFileNames: name } },
    },
  });
  const chunk = outputOf(result).find((part) => part.type === "chunk");
  if (chunk?.type !== "chunk") throw new Error(`${entry} was not built.`);
  mkdirSync(dirname(join(out, name)), { recursive: true });
  writeFileSync(join(out, name), chunk.code);
}

function outputOf(result: Awaited<ReturnType<typeof build>>): Output {
  const [first] = Array.isArray(result) ? result : [result];
  if (first === undefined || !("output" in first)) throw new Error("Nothing was built.");
  return first.output;
}

async function buildApp(): Promise<void> {
  const output = await buildPages();
  const shell = output
    .map((part) => `/${part.fileName}`)
    .filter((path) => /\.(js|css)$/.test(path))
    .filter((path) => !/katex|highlight|\/admin/i.test(path));
  const version = createHash("sha256").update(shell.join()).digest("hex").slice(0, 12);
  await buildWindow();
  await buildScript("widget/loader.ts", "widget.js", {});
  // The last one: what is stale is told by its time.
  await buildScript("app/service-worker.ts", "service-worker.js", { SHELL: shell, VERSION: version });
}

const newest = (folder: string): number =>
  Math.max(
    ...readdirSync(folder, { recursive: true, encoding: "utf8" }).map((name) => statSync(join(folder, name)).mtimeMs),
  );

function isStale(): boolean {
  const built = join(out, "service-worker.js");
  if (!existsSync(built)) return true;
  const at = statSync(built).mtimeMs;
  return newest(source) > at || statSync(join(root, "package-lock.json")).mtimeMs > at;
}

if (!process.argv.includes("--if-stale") || isStale()) await buildApp();
