// Owns the page of Markdown in a real Chromium: bundled as the app is, served with a strict policy, watched for whatever it should not do.
import { createServer, type Server } from "node:http";
import { join } from "node:path";
import type { Browser } from "playwright-core";
import { build } from "vite";
import { launch, openPage, type Watched } from "./chromium.ts";
import type { Stage } from "./markdown-page.tsx";

declare global {
  // The page's own, in the page.
  var stage: Stage;
}

const policy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' blob:",
  "font-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join("; ");

const types: Readonly<Record<string, string>> = {
  js: "text/javascript",
  css: "text/css",
  woff2: "font/woff2",
  html: "text/html; charset=utf-8",
};

/** The page's files by their paths, bundled as the app's are. */
async function bundle(): Promise<ReadonlyMap<string, string | Uint8Array>> {
  const result = await build({
    root: import.meta.dirname,
    configFile: false,
    logLevel: "error",
    publicDir: false,
    resolve: {
      alias: {
        "react-dom/client": "preact/compat/client",
        "react-dom": "preact/compat",
        "react/jsx-runtime": "preact/jsx-runtime",
        react: "preact/compat",
      },
    },
    build: {
      write: false,
      target: "es2023",
      assetsInlineLimit: 0,
      modulePreload: { polyfill: false },
      rolldownOptions: { input: join(import.meta.dirname, "markdown-page.html") },
    },
  });
  const [first] = Array.isArray(result) ? result : [result];
  if (first === undefined || !("output" in first)) throw new Error("The page was not built.");
  return new Map(first.output.map((part) => [`/${part.fileName}`, part.type === "chunk" ? part.code : part.source]));
}

export type MarkdownStage = {
  readonly origin: string;
  readonly files: ReadonlyMap<string, string | Uint8Array>;
  readonly open: (width?: number, height?: number) => Promise<Watched>;
  readonly close: () => Promise<void>;
};

export async function startMarkdownStage(): Promise<MarkdownStage> {
  const files = await bundle();
  const server = createServer((request, response) => {
    const path = request.url === "/" ? "/markdown-page.html" : (request.url ?? "");
    const file = files.get(path);
    response.statusCode = file === undefined ? 404 : 200;
    response.setHeader("content-security-policy", policy);
    response.setHeader("content-type", types[path.split(".").at(-1) ?? ""] ?? "text/plain");
    response.end(file);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const origin = originOf(server);
  const browser = await launch();
  return {
    origin,
    files,
    open: (width = 1280, height = 800) => openMarkdown(browser, origin, width, height),
    close: async () => {
      await browser.close();
      server.closeAllConnections();
      server.close();
    },
  };
}

function originOf(server: Server): string {
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("The page is not served.");
  return `http://127.0.0.1:${address.port}`;
}

async function openMarkdown(browser: Browser, origin: string, width: number, height: number): Promise<Watched> {
  const watched = await openPage(browser, [origin], { viewport: { width, height } });
  const { page, faults } = watched;
  page.on("framenavigated", (frame) => {
    if (frame.url() !== `${origin}/` && frame.url() !== "about:blank") faults.push(`navigated: ${frame.url()}`);
  });
  // Nothing leaves this machine: what would has been counted, and ends here.
  await page.route("**", (route) => (route.request().url().startsWith(origin) ? route.continue() : route.abort()));
  await page.goto(`${origin}/`);
  return watched;
}
