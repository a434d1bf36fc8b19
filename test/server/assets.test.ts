// Owns the tests of the app's files over HTTP: caching, compression, the policy of every page. Real requests to a real server.
import { createServer, request as send, type IncomingHttpHeaders } from "node:http";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readAssets } from "../../src/adapters/assets/folder.ts";
import { createAssets, type PageSignIn } from "../../src/server/assets.ts";

const evil = `"><script>alert(1)</script>$&$'`;
const script = "console.log('throughline');".repeat(100);
/** As each kind of quotes would end where a name is not encoded. */
const placeholder = `const found = "throughline-facts";`;
const stops: (() => void)[] = [];

type Served = {
  signIn?: readonly PageSignIn[];
  frameAncestors?: readonly string[] | "*";
  loader?: string;
};

function serve(more: Served): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), "throughline-"));
  mkdirSync(join(folder, "assets"));
  const page = `<!doctype html><meta name="throughline" content="" /><script type="module" src="/assets/app-1a2b.js"></script>`;
  for (const name of ["index.html", "frame.html", "widget-demo.html"]) writeFileSync(join(folder, name), page);
  writeFileSync(join(folder, "assets/app-1a2b.js"), script);
  writeFileSync(join(folder, "assets/kept.map"), "not served");
  writeFileSync(join(folder, "widget.js"), more.loader ?? script);
  const assets = createAssets({
    files: readAssets(folder),
    facts: { model: evil, version: "1", guests: true, signIn: more.signIn ?? [] },
    frameAncestors: more.frameAncestors ?? [],
  });
  // All of it is in memory now.
  rmSync(folder, { recursive: true });
  const server = createServer((request, response) => {
    if (!assets(request, response, request.url ?? "/")) response.writeHead(404).end();
  });
  stops.push(() => server.close());
  return new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve((server.address() as AddressInfo).port)));
}

type Answer = { status: number; headers: IncomingHttpHeaders; body: Buffer };

const ask = (port: number, path: string, headers: Record<string, string> = {}, method = "GET"): Promise<Answer> =>
  new Promise((resolve, reject) => {
    const request = send({ host: "127.0.0.1", port, path, headers, method }, (response) => {
      const parts: Buffer[] = [];
      response.on("data", (part: Buffer) => parts.push(part));
      response.on("end", () =>
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(parts) }),
      );
    });
    request.on("error", reject);
    request.end();
  });

let port = 0;
beforeAll(async () => {
  port = await serve({});
});
afterAll(() => {
  for (const stop of stops) stop();
});

describe("files", () => {
  test("HT5 a file with a hash in its name is kept for a year, the page is asked for again", async () => {
    const file = await ask(port, "/assets/app-1a2b.js");
    expect(file.headers["cache-control"]).toBe("public, max-age=31536000, immutable");
    expect(file.headers["content-type"]).toBe("text/javascript; charset=utf-8");
    const page = await ask(port, "/");
    expect(page.headers["cache-control"]).toBe("no-cache");
    expect((await ask(port, "/widget.js")).headers["cache-control"]).toBe("no-cache");
  });

  test("HT5 an unchanged file is 304 without a body", async () => {
    const first = await ask(port, "/widget.js");
    const again = await ask(port, "/widget.js", { "If-None-Match": String(first.headers.etag) });
    expect([again.status, again.body.length]).toEqual([304, 0]);
    expect((await ask(port, "/widget.js", { "If-None-Match": '"other"' })).status).toBe(200);
  });

  test.each([
    ["gzip, br", true],
    ["br;q=1, gzip;q=0.5", true],
    ["gzip;q=0", false],
    ["gzip; q=0.000, br", false],
    ["br", false],
    ["", false],
  ])("HT5 Accept-Encoding %j: packed %j", async (accepted, packed) => {
    const answer = await ask(port, "/widget.js", { "Accept-Encoding": accepted });
    expect(answer.headers["content-encoding"]).toBe(packed ? "gzip" : undefined);
    expect(answer.headers.vary).toBe("Accept-Encoding");
    expect((packed ? gunzipSync(answer.body) : answer.body).toString()).toBe(script);
  });

  test("HT5 HEAD has the length and no body", async () => {
    const answer = await ask(port, "/widget.js", {}, "HEAD");
    expect([answer.headers["content-length"], answer.body.length]).toEqual([String(script.length), 0]);
  });

  test("HT5 a conversation's address is the app; what is no file of a known kind is nothing", async () => {
    const page = await ask(port, "/c/01a2076a-c073-7002-bbd8-0a04b53a828e");
    expect(page.body.toString()).toContain('name="throughline"');
    for (const path of [
      "/assets/kept.map",
      "/index.html",
      "/c/",
      "/c/a/b",
      "/../package.json",
      "/assets/../widget.js",
    ]) {
      expect((await ask(port, path)).status, path).toBe(404);
    }
  });
});

describe("pages", () => {
  test("HT6 the facts cannot leave their attribute, whatever is in them", async () => {
    const html = (await ask(port, "/")).body.toString();
    const [, content = ""] = /name="throughline" content="([^"]*)"/.exec(html) ?? [];
    const text = content.replace(/&#(\d+);/g, (_, code: string) => String.fromCharCode(Number(code)));
    expect(JSON.parse(text)).toMatchObject({ model: evil });
    expect(html.match(/<script/g)).toHaveLength(1);
  });

  test("HT6 the loader is told the model's name, which cannot leave its string, in whatever quotes", async () => {
    for (const quote of ['"', "'", "`"]) {
      const told = await serve({ loader: placeholder.replaceAll('"', quote) });
      const text = (await ask(told, "/widget.js")).body.toString();
      const [, value = ""] = /^const found = .([\w%!*().~-]+).;$/.exec(text) ?? [];
      expect(JSON.parse(decodeURIComponent(value))).toEqual({ model: evil });
    }
  });

  test("HT6 WI01 the policy: nothing inline, nothing from elsewhere, no frame, Trusted Types", async () => {
    const { headers } = await ask(port, "/");
    const policy = new Map(
      String(headers["content-security-policy"])
        .split("; ")
        .map((rule) => [rule.split(" ")[0] ?? "", rule.split(" ").slice(1).join(" ")]),
    );
    expect(Object.fromEntries(policy)).toMatchObject({
      "default-src": "'none'",
      "script-src": "'self'",
      "style-src": "'self'",
      "img-src": "'self' blob:",
      "connect-src": "'self'",
      "base-uri": "'none'",
      "form-action": "'none'",
      "frame-ancestors": "'none'",
      "require-trusted-types-for": "'script'",
    });
    expect(String(headers["content-security-policy"])).not.toMatch(/unsafe|\*/);
    expect(headers["x-content-type-options"]).toBe("nosniff");
    expect(headers["referrer-policy"]).toBe("no-referrer");
    expect(headers["cross-origin-opener-policy"]).toBe("same-origin");
  });

  test("HT6 WI01 only the listed sites may frame the chat window, and only its page", async () => {
    const listed = await serve({ frameAncestors: ["https://shop.example"] });
    const ancestors = async (path: string): Promise<string | undefined> =>
      /frame-ancestors [^;]*/.exec(String((await ask(listed, path)).headers["content-security-policy"]))?.[0];
    expect(await ancestors("/frame")).toBe("frame-ancestors 'self' https://shop.example");
    expect(await ancestors("/")).toBe("frame-ancestors 'none'");
    expect(await ancestors("/widget-demo")).toBe("frame-ancestors 'none'");
  });

  test("CW9 the frame is told which parents it may hear, no other page is", async () => {
    const listed = await serve({ frameAncestors: ["https://shop.example"] });
    const factsAt = async (path: string): Promise<unknown> => {
      const [, content = ""] = /content="([^"]*)"/.exec((await ask(listed, path)).body.toString()) ?? [];
      return JSON.parse(content.replace(/&#(\d+);/g, (_, code: string) => String.fromCharCode(Number(code))));
    };
    expect(await factsAt("/frame")).toEqual({ model: evil, parents: ["https://shop.example"] });
    expect(await factsAt("/")).not.toHaveProperty("parents");
  });

  test("CW15 the demo page has the policy that pages of others are asked for, whatever the server signs in with", async () => {
    const { headers } = await ask(await serve({ signIn: [{ kind: "firebase", key: "k" }] }), "/widget-demo");
    const policy = String(headers["content-security-policy"]).split("; ");
    expect(policy.slice(0, 6)).toEqual([
      "default-src 'none'",
      "script-src 'self'",
      "style-src 'self'",
      "frame-src 'self'",
      "connect-src 'self'",
      "img-src 'self'",
    ]);
  });

  test("HT6 a page may call the issuers that it signs in with, by their origin alone", async () => {
    const signIn: PageSignIn[] = [
      { kind: "oidc", issuer: "https://id.example/realms/a", client: "app" },
      { kind: "firebase", key: "k" },
    ];
    const { headers } = await ask(await serve({ signIn }), "/");
    expect(/connect-src [^;]*/.exec(String(headers["content-security-policy"]))?.[0]).toBe(
      "connect-src 'self' https://id.example https://identitytoolkit.googleapis.com https://securetoken.googleapis.com",
    );
  });
});
