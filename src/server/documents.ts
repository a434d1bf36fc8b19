// Owns the documents that the server gives about itself: both contracts as JSON, and a page to read them. Made when first asked for.
import { createHash } from "node:crypto";
import type { ServerResponse } from "node:http";
import { asyncApi } from "./async-api.ts";
import { openApi } from "./open-api.ts";

const escapes: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };
const escape = (words: unknown): string => String(words).replaceAll(/[&<>"]/g, (c) => escapes[c] ?? c);
const style = `:root{color-scheme:light dark;font:16px/1.6 system-ui,sans-serif}body{max-width:60rem;margin:0 auto;padding:1rem}
pre{overflow:auto;padding:1rem;border:1px solid #8885;border-radius:8px;font-size:14px}summary{cursor:pointer;padding:.3rem 0}
code{font-family:ui-monospace,monospace}`;
const styleHash = createHash("sha256").update(style).digest("base64");

const headers = {
  "Cache-Control": "no-cache",
  "X-Content-Type-Options": "nosniff",
  "Referrer-Policy": "no-referrer",
  "Content-Security-Policy": `default-src 'none'; style-src 'sha256-${styleHash}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`,
};

const section = (title: string, words: unknown, shape: unknown): string =>
  `<details><summary><code>${escape(title)}</code> ${escape(words)}</summary><pre tabindex="0">${escape(JSON.stringify(shape, null, 2))}</pre></details>`;

function page(socket: ReturnType<typeof asyncApi>, http: ReturnType<typeof openApi>): string {
  const { messages, schemas } = socket.components;
  const of = (fromServer: boolean): string =>
    Object.entries(messages)
      .filter(([name]) => name.startsWith("server.") === fromServer)
      .map(([, { name, summary, payload }]) => section(name, summary ?? "", payload))
      .join("\n");
  const routes = Object.entries(http.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, one]) => section(`${method.toUpperCase()} ${path}`, one["summary"], one)),
  );
  return `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Throughline: contracts</title><style>${style}</style></head>
<body><main><h1>Throughline ${escape(socket.info.version)}</h1>
<p><a href="/api/v1/asyncapi.json">AsyncAPI 3</a> · <a href="/api/v1/openapi.json">OpenAPI 3.1</a></p>
<h2>Commands</h2><p>${escape(socket.info.description)}</p>${of(false)}
<h2>Frames from the server</h2>${of(true)}
<h2>Events of a conversation</h2>${section("event", "", schemas.event)}
<h2>HTTP</h2><p>${escape(http.info.description)}</p>${routes.join("\n")}
</main></body></html>`;
}

/** What answers the paths of the documents. `version`: that of the server; `pages`: pages are its own, `/docs` may be one of them. */
export function createDocuments(
  version: string,
  pages: boolean,
): Readonly<Record<string, (response: ServerResponse) => void>> {
  const answer = (type: string, make: () => string): ((response: ServerResponse) => void) => {
    let body: string | undefined;
    return (response) => {
      body ??= make();
      response.writeHead(200, { ...headers, "Content-Type": type }).end(body);
    };
  };
  return {
    "/api/v1/asyncapi.json": answer("application/json", () => JSON.stringify(asyncApi(version))),
    "/api/v1/openapi.json": answer("application/json", () => JSON.stringify(openApi(version))),
    ...(pages && { "/docs": answer("text/html; charset=utf-8", () => page(asyncApi(version), openApi(version))) }),
  };
}
