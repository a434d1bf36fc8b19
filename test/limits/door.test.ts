// Proves who comes in at the operator's door, that it is not there for anybody else, and what it does to open sockets.
import { defaultPolicy } from "../../src/server/policy.ts";
import { request, type IncomingHttpHeaders, type RequestOptions } from "node:http";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { Journal } from "../../src/host.ts";
import { Stage, Talker, until, type Served } from "../server/talker.ts";

let stage: Stage;
beforeEach(() => void (stage = new Stage()));
afterEach(() => stage.end());

type Answer = { status: number; headers: IncomingHttpHeaders; body: string };
type Asked = { method?: string; path?: string; headers?: Record<string, string>; body?: string; from?: string };

/** A request with exactly these headers. */
function ask(
  address: string,
  { method = "GET", path = "blocks", headers = {}, body, from }: Asked = {},
): Promise<Answer> {
  const [host, port] = address.split(":");
  const options: RequestOptions = { host, port, method, path: `/api/v1/admin/${path}`, headers, localAddress: from };
  return new Promise((resolve, reject) => {
    const sent = request(options, (response) => {
      let text = "";
      response.on("data", (chunk: Buffer) => (text += chunk.toString()));
      response.on("end", () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body: text }));
    });
    sent.on("error", reject);
    sent.end(body);
  });
}
const json = { "Content-Type": "application/json" };
const token = "a-long-operators-token";
const bearer = { Authorization: `Bearer ${token}` };
const block = (address: string, more: object = {}): Asked => ({
  method: "POST",
  headers: json,
  body: JSON.stringify({ address, ...more }),
});

function listening(): { lines: string[]; journal: Journal } {
  const lines: string[] = [];
  const note = (event: string, fields?: object): void => void lines.push(`${event} ${JSON.stringify(fields)}`);
  return { lines, journal: { info: note, warn: note, error: note } };
}

/** What a path that does not exist is answered with: the door must look the same. */
const nothing = async (served: Served): Promise<Answer> => ask(served.address, { path: "../nothing" });
const alike = ({ status, body }: Answer): unknown => ({ status, body });

test("OD1 OD2 OP01 OP02 without a token only a program on this machine comes in; to a page, a proxy or another name it is not there", async () => {
  const served = await stage.serve({ policy: defaultPolicy });
  const { address } = served;
  expect(await ask(address)).toMatchObject({ status: 200, body: '{"blocks":[]}' });
  const port = address.split(":")[1] ?? "";
  for (const Host of [`localhost:${port}`, `[::1]:${port}`, "127.0.0.1"]) {
    expect((await ask(address, { headers: { Host } })).status).toBe(200);
  }
  expect((await ask(address, { headers: { Origin: `http://${address}` } })).status).toBe(200);
  const missing = alike(await nothing(served));
  expect(missing).toMatchObject({ status: 404 });
  const strange: Record<string, string>[] = [
    { Host: "evil.example" },
    { Host: `evil.example:${port}` },
    { Host: "127.0.0.1.evil.example" },
    { Origin: "https://evil.example" },
    { Origin: "null" },
    { Origin: "http://localhost:1" },
    { "Sec-Fetch-Site": "cross-site" },
    { "Sec-Fetch-Site": "same-site" },
    { "X-Forwarded-For": "127.0.0.1" },
    { "X-Forwarded-Host": "x" },
    { Forwarded: "for=127.0.0.1" },
    { "X-Real-IP": "127.0.0.1" },
    { Via: "1.1 x" },
  ];
  for (const headers of strange) {
    for (const asked of [{ headers }, { ...block("203.0.113.7"), headers: { ...json, ...headers } }]) {
      expect([headers, alike(await ask(address, asked))]).toEqual([headers, missing]);
    }
  }
  expect((await ask(address)).body).toBe('{"blocks":[]}');
});

test("OD1 OD2 OP02 HS21 with a token its bearer comes in, from wherever; without it, and after wrong ones, it is not there", async () => {
  const { lines, journal } = listening();
  const served = await stage.serve({
    adminToken: token,
    policy: defaultPolicy,
    trustedProxies: ["127.0.0.0/8"],
    journal,
  });
  const { address } = served;
  const missing = alike(await nothing(served));
  expect(alike(await ask(address))).toEqual(missing);
  const far = { ...bearer, "X-Forwarded-For": "203.0.113.7", Host: "chat.example.org" };
  expect((await ask(address, { headers: far })).status).toBe(200);
  for (const Authorization of [
    "Bearer",
    "Bearer ",
    "Bearer wrong",
    `Basic ${token}`,
    token,
    `Bearer ${token}x`,
    `Bearer ${token.slice(1)}`,
  ]) {
    const headers = { Authorization, "X-Forwarded-For": "203.0.113.8" };
    expect([Authorization, alike(await ask(address, { headers }))]).toEqual([Authorization, missing]);
  }
  for (let i = 0; i < 10; i++) await ask(address, { headers: { ...far, Authorization: `Bearer guess${i}` } });
  // Ten wrong ones of an address in a minute: not even the right one is looked at; from elsewhere it is.
  expect(alike(await ask(address, { headers: far }))).toEqual(missing);
  expect((await ask(address, { headers: { ...far, "X-Forwarded-For": "203.0.113.9" } })).status).toBe(200);
  expect(lines.join("\n")).not.toMatch(/guess|operators-token/);
});

test("OD2 OP01 a credential in the door's URL opens nothing", async () => {
  const { address } = await stage.serve({ adminToken: token, policy: defaultPolicy });
  for (const name of ["token", "access_token", "auth"]) {
    expect((await ask(address, { path: `blocks?${name}=${token}` })).status).toBe(404);
  }
});

test("OD3 OP02 OP05 every act is one line of the journal with what was done; what is wrong is told as a problem", async () => {
  const { lines, journal } = listening();
  const { address } = await stage.serve({ journal, policy: defaultPolicy });
  expect(await ask(address, block("203.0.113.7", { forMs: 90_000, reason: "the reason" }))).toMatchObject({
    status: 201,
  });
  expect(await ask(address, { method: "DELETE", path: "blocks?address=203.0.113.7" })).toMatchObject({ status: 200 });
  const acts = lines.filter((line) => line.startsWith("admin"));
  // Which requests of the process they were depends on the tests before.
  expect(acts.map((line) => line.replace(/"http":\d+/, '"http":0'))).toEqual([
    'admin {"http":0,"act":"POST blocks","from":"127.0.0.1","range":"203.0.113.7","minutes":1.5}',
    'admin {"http":0,"act":"DELETE blocks","from":"127.0.0.1","range":"203.0.113.7"}',
  ]);
  const wrong: [Asked, number, string][] = [
    [block("nonsense"), 400, "invalid"],
    [block("203.0.113.7", { forMs: -1 }), 400, "invalid"],
    [block("203.0.113.7", { reason: "two\nlines" }), 400, "invalid"],
    [block("203.0.113.7", { reason: "\u001b[31m" }), 400, "invalid"],
    [block("203.0.113.7", { what: 1 }), 400, "invalid"],
    [{ ...block(""), body: "{" }, 400, "invalid"],
    [{ ...block(""), body: "" }, 400, "invalid"],
    [{ ...block("203.0.113.7"), headers: { "Content-Type": "text/plain" } }, 415, "unsupported_media"],
    [block("203.0.113.7", { reason: "x".repeat(20_000) }), 413, "too_large"],
    [{ method: "DELETE", path: "blocks?address=203.0.113.7" }, 404, "not_found"],
    [{ method: "DELETE" }, 404, "not_found"],
  ];
  for (const [asked, status, code] of wrong) {
    const answer = await ask(address, asked);
    expect([asked, answer.status, answer.headers["content-type"]]).toEqual([asked, status, "application/problem+json"]);
    expect(JSON.parse(answer.body)).toMatchObject({ status, code });
  }
  expect((await ask(address)).body).toBe('{"blocks":[]}');
});

test("BL3 HS18 HS17 a block closes open sockets of its addresses within a second, signed in or not, and nobody else's", async () => {
  const { address, talk } = await stage.serve({
    adminToken: token,
    policy: defaultPolicy,
    trustedProxies: ["127.0.0.0/8"],
  });
  const via = (from: string): { headers: Record<string, string> } => ({ headers: { "X-Forwarded-For": from } });
  const ten = (make: (i: number) => string): Promise<Talker[]> =>
    Promise.all(Array.from({ length: 10 }, (_, i) => talk({ guest: true }, via(make(i)))));
  const [shut, other] = [await ten((i) => `2001:db8:0:1:${i}::1`), await ten((i) => `2001:db8:0:2:${i}::1`)];
  const waiting = await new Talker(address, via("2001:db8:0:1::ffff")).opened();
  const range = "2001:db8:0:1::77";
  const made = await ask(address, { ...block(range, { forMs: 60_000 }), headers: { ...json, ...bearer } });
  const began = performance.now();
  expect(JSON.parse(made.body)).toMatchObject({ range: "2001:db8:0:1::/64", reach: "everyone", by: "operator" });
  for (const talker of [...shut, waiting]) expect((await until(() => talker.closed, "the close")).code).toBe(4403);
  expect(performance.now() - began).toBeLessThan(1000);
  const late = new Talker(address, via("2001:db8:0:1:9::9"));
  expect((await until(() => late.closed, "the refusal")).code).toBe(1006);
  for (const talker of other) expect(await talker.ask({ type: "ping" })).toMatchObject({ type: "ack" });
  await ask(address, { method: "DELETE", path: `blocks?address=${encodeURIComponent(range)}`, headers: bearer });
  expect((await talk({ guest: true }, via("2001:db8:0:1::1"))).closed).toBe(undefined);
});

test("BL3 BL4 a block is there after a restart, with the time that is left", async () => {
  const first = await stage.serve({ adminToken: token, policy: defaultPolicy, trustedProxies: ["127.0.0.0/8"] });
  const headers = { ...json, ...bearer };
  await ask(first.address, { ...block("203.0.113.0/24", { reason: "for good" }), headers });
  await ask(first.address, { ...block("198.51.100.7", { forMs: 3_600_000 }), headers });
  const before = JSON.parse((await ask(first.address, { headers: bearer })).body) as unknown;
  await first.host.close(0);
  const { address } = await stage.serve({ adminToken: token, policy: defaultPolicy, trustedProxies: ["127.0.0.0/8"] });
  expect(JSON.parse((await ask(address, { headers: bearer })).body)).toEqual(before);
  const late = new Talker(address, { headers: { "X-Forwarded-For": "203.0.113.200" } });
  expect((await until(() => late.closed, "the refusal")).code).toBe(1006);
});

test("BL3 HS16 HS17 a thousand rotating addresses of a blocked network get nothing; the network beside it is served", async () => {
  const { address, talk } = await stage.serve({
    adminToken: token,
    policy: defaultPolicy,
    trustedProxies: ["127.0.0.0/8"],
  });
  const via = (from: string): { headers: Record<string, string> } => ({ headers: { "X-Forwarded-For": from } });
  await ask(address, { ...block("2001:db8:0:1::/64"), headers: { ...json, ...bearer } });
  const answers = new Map<string, number>();
  for (let i = 0; i < 1000; i += 50) {
    const many = Array.from({ length: 50 }, (_, k) => new Talker(address, via(`2001:db8:0:1:${k + 1}::${i + k + 1}`)));
    for (const one of many) {
      const { code } = await until(() => one.closed, "the refusal");
      const seen = `${code}, ${one.frames.length} frames`;
      answers.set(seen, (answers.get(seen) ?? 0) + 1);
    }
  }
  expect([...answers]).toEqual([["1006, 0 frames", 1000]]);
  expect(await (await talk({ guest: true }, via("2001:db8:0:2::1"))).ask({ type: "ping" })).toMatchObject({
    type: "ack",
  });
});
