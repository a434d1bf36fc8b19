// Owns the proof of the routes of files: real HTTP, a real store, real bytes.
import { createHash } from "node:crypto";
import { readdirSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { defaultPolicy, type Policy } from "../../src/server/policy.ts";
import { sendTo, Stage, until, type Served, type Talker } from "../server/talker.ts";
import { bodyOf, pdf, png, requestHead } from "./samples.ts";

let stage: Stage;
let served: Served;
let talker: Talker;
beforeEach(() => void (stage = new Stage()));
afterEach(() => stage.end());

type Kept = { id: string; name: string; mediaType: string; bytes: number; sha256: string };
type Told = { status: number; headers: Headers; body: Kept & { code?: string; title?: string } };

const serve = async (more: Parameters<Stage["serve"]>[0] = {}): Promise<void> => {
  served = await stage.serve(more);
  talker = await served.talk();
};
const bearer = (token: string): Record<string, string> => ({ authorization: `Bearer ${token}` });
const post = async (
  body: BodyInit,
  headers: Record<string, string> = bearer(talker.session),
  query = "",
): Promise<Told> => {
  const answer = await fetch(`http://${served.address}/api/v1/files${query}`, { method: "POST", headers, body });
  return { status: answer.status, headers: answer.headers, body: JSON.parse(await answer.text()) as Told["body"] };
};
const send = (name: string, bytes: Uint8Array<ArrayBuffer> | string, type?: string): Promise<Told> =>
  post(bodyOf(name, bytes, type));
const get = async (id: string, headers: Record<string, string> = {}, token = talker.session, method = "GET") => {
  const answer = await fetch(`http://${served.address}/api/v1/files/${id}`, {
    method,
    headers: { ...bearer(token), ...headers },
  });
  return { status: answer.status, headers: answer.headers, bytes: Buffer.from(await answer.arrayBuffer()) };
};
const folder = (): string[] => readdirSync(join(stage.dataDir, "files"));
const limited = (numbers: Partial<Policy["guest"]>): Policy => ({
  ...defaultPolicy,
  guest: { ...defaultPolicy.guest, ...numbers },
});
/** Sends a message with files and waits until it is kept. */
const attach = async (conversation: string, ...files: string[]): Promise<Record<string, unknown>> => {
  const parts = [{ type: "text", text: "one word" }, ...files.map((file) => ({ type: "file", file }))];
  return talker.ask({ ...sendTo(conversation, ""), parts });
};

describe("what is kept", () => {
  beforeEach(() => serve());

  test("FL1 FL4 a file comes back as it was sent, with its hash, in harmless headers", async () => {
    const bytes = png(3, 2);
    const { status, body } = await send("a picture.png", Uint8Array.from(bytes), "text/html");
    expect([status, body]).toEqual([
      201,
      {
        id: expect.stringMatching(/^[0-9a-f]{32}$/),
        name: "a picture.png",
        mediaType: "image/png",
        bytes: bytes.length,
        sha256: createHash("sha256").update(bytes).digest("hex"),
      },
    ]);
    const answer = await get(body.id);
    expect(answer.bytes.equals(bytes)).toBe(true);
    expect(Object.fromEntries(answer.headers)).toMatchObject({
      "content-type": "image/png",
      "content-length": String(bytes.length),
      "content-disposition": `inline; filename="a picture.png"; filename*=UTF-8''a%20picture.png`,
      "x-content-type-options": "nosniff",
      "content-security-policy": "sandbox; default-src 'none'",
      "cache-control": "private, no-store",
      "accept-ranges": "bytes",
    });
  });
  test("FL4 single ranges; what cannot be read is the whole, what is not there 416; HEAD says the same without a body", async () => {
    const text = "0123456789".repeat(20_000);
    const { body } = await send("digits.txt", text);
    const part = async (range: string): Promise<[number, string | null, string]> => {
      const { status, headers, bytes } = await get(body.id, { range });
      return [status, headers.get("content-range"), bytes.toString()];
    };
    expect(await part("bytes=0-3")).toEqual([206, "bytes 0-3/200000", "0123"]);
    expect(await part("bytes=65534-65538")).toEqual([206, "bytes 65534-65538/200000", "45678"]);
    expect(await part("bytes=-2")).toEqual([206, "bytes 199998-199999/200000", "89"]);
    expect(await part("bytes=199998-999999")).toEqual([206, "bytes 199998-199999/200000", "89"]);
    expect((await part("bytes=200000-"))[0]).toBe(416);
    for (const odd of ["bytes=5-1", "bytes=0-1,4-5", "lines=0-1", "bytes=--1"]) {
      expect((await part(odd))[2].length).toBe(200_000);
    }
    const other = await get(body.id, { range: "bytes=0-3", "if-range": '"other"' });
    expect([other.status, other.bytes.length]).toEqual([200, 200_000]);
    const head = await get(body.id, {}, talker.session, "HEAD");
    expect([head.status, head.headers.get("content-length"), head.bytes.length]).toEqual([200, "200000", 0]);
  });
  test("FI01 FI02 FL2 HTML called a picture, SVG, XHTML and programs: told by their bytes, never shown inline", async () => {
    const html = "<!doctype html><script>alert(1)</script>";
    const found = [
      await send("cat.png", html, "image/png"),
      await send("cat.svg", `<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>`, "image/svg+xml"),
      await send("page.xhtml", `<html xmlns="http://www.w3.org/1999/xhtml"><script>1</script></html>`, "text/html"),
    ];
    for (const { status, body } of found) {
      expect([status, body.mediaType]).toEqual([201, "text/plain"]);
      const { headers } = await get(body.id);
      expect(headers.get("content-type")).toBe("text/plain; charset=utf-8");
      expect(headers.get("content-disposition")).toMatch(/^attachment;/);
    }
    for (const bytes of [Buffer.from("MZ\x90\0\x03\0\0\0"), Buffer.from("PK\x03\x04\x14\0\0\0"), Buffer.from([0, 1])]) {
      expect((await send("a.png", Uint8Array.from(bytes), "image/png")).body.code).toBe("unsupported_media");
    }
    // A picture that is a page as well is a picture, and nothing else.
    const polyglot = await send("a.html", Uint8Array.from(Buffer.concat([png(1, 1), Buffer.from(html)])), "text/html");
    expect(polyglot.body.mediaType).toBe("image/png");
    const document = await send("a.txt", Uint8Array.from(pdf("words")));
    expect(document.body.mediaType).toBe("application/pdf");
    expect((await get(document.body.id)).headers.get("content-disposition")).toMatch(/^attachment;/);
  });
  test("FI06 FL6 a picture whose header says 50,000 by 50,000 is refused with the numbers; a packed body is not unpacked", async () => {
    const large = await send("large.png", Uint8Array.from(png(50_000, 50_000)));
    expect([large.status, large.body.code]).toEqual([413, "too_large"]);
    expect(large.body.title).toContain("50000 × 50000");
    const packed = await post(bodyOf("a.txt", "text"), { ...bearer(talker.session), "content-encoding": "gzip" });
    expect([packed.status, packed.body.code]).toEqual([415, "unsupported_media"]);
    expect(folder()).toEqual([]);
  });
  test("FL1 no file, an empty one, no multipart, no boundary, two files: each its own answer, and nothing is left", async () => {
    const headers = bearer(talker.session);
    const form = new FormData();
    form.append("word", "no file");
    expect(await post(form)).toMatchObject({ status: 400, body: { code: "invalid" } });
    expect(await send("empty.txt", "")).toMatchObject({ status: 400, body: { code: "invalid" } });
    expect(await post("text", headers)).toMatchObject({ status: 415, body: { code: "unsupported_media" } });
    const bare = { ...headers, "content-type": "multipart/form-data; x=y" };
    expect(await post("text", bare)).toMatchObject({ status: 400, body: { code: "invalid" } });
    const torn = { ...headers, "content-type": "multipart/form-data; boundary=edge" };
    expect(
      await post('--edge\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\nhal', torn),
    ).toMatchObject({
      status: 400,
      body: { code: "invalid" },
    });
    expect(folder()).toEqual([]);
    const two = bodyOf("a.txt", "one");
    two.append("file", new Blob(["two"]), "b.txt");
    expect(await post(two)).toMatchObject({ status: 201, body: { name: "a.txt", bytes: 3 } });
    expect(folder()).toHaveLength(1);
  });
  test("FL6 a file that is too large is refused before it has come", async () => {
    const { head } = requestHead(talker.session, "a.txt", 200 * 1024 * 1024);
    const [host = "", port = ""] = served.address.split(":");
    const socket = connect(Number(port), host);
    socket.write(`${head}the beginning`);
    let answer = "";
    socket.on("data", (data: Buffer) => (answer += data.toString()));
    await until(() => answer.includes("too_large"), "the answer");
    socket.destroy();
    expect(folder()).toEqual([]);
  });
});

describe("who may", () => {
  test("FL5 G9 FI11 its sender alone, then who sees the conversation; after a deletion nobody; unknown and foreign read the same", async () => {
    await serve();
    const { body } = await send("mine.txt", "mine");
    const stranger = await served.talk();
    const asked = [await get(body.id, {}, stranger.session), await get("0".repeat(32), {}, stranger.session)];
    expect(asked.map(({ status, bytes }) => [status, bytes.toString()])).toEqual([
      [404, asked[0]?.bytes.toString()],
      [404, asked[0]?.bytes.toString()],
    ]);
    for (const odd of ["../master.key", "%2e%2e%2fmaster.key", "x", body.id.toUpperCase(), `${body.id}/`]) {
      expect([odd, (await get(odd)).status]).toEqual([odd, 404]);
    }
    expect((await get(body.id, {}, "rubbish")).status).toBe(401);
    expect((await post(bodyOf("a.txt", "x"), {})).body.code).toBe("unauthorized");
    expect((await post(bodyOf("a.txt", "x"), { cookie: `token=${talker.session}` })).body.code).toBe("unauthorized");

    const conversation = crypto.randomUUID();
    expect(await attach(conversation, body.id)).toMatchObject({ type: "ack" });
    expect((await get(body.id)).bytes.toString()).toBe("mine");
    expect((await get(body.id, {}, stranger.session)).status).toBe(404);
    await talker.ask({ type: "conversation.delete", conversation });
    expect((await get(body.id)).status).toBe(404);
    await until(() => folder().length === 0, "the bytes to be gone");
    await talker.ask({ type: "auth.logout" });
    expect((await get(body.id)).status).toBe(401);
  });
  test("FL9 FI04 a message takes the sender's own file, once, and nothing by a path, an url or a key", async () => {
    await serve();
    const [mine, other] = [(await send("a.txt", "a")).body, (await send("b.txt", "b")).body];
    const stranger = await served.talk();
    const stolen = await stranger.ask({
      ...sendTo(crypto.randomUUID(), ""),
      parts: [{ type: "file", file: mine.id }],
    });
    expect(stolen).toMatchObject({ type: "error", error: { code: "not_found" } });
    const conversation = crypto.randomUUID();
    for (const more of [{ path: "/etc/passwd" }, { url: "http://127.0.0.1/" }, { storageKey: "x" }]) {
      const parts = [{ type: "file", file: mine.id, ...more }];
      expect(await talker.ask({ ...sendTo(conversation, ""), parts })).toMatchObject({ error: { code: "invalid" } });
    }
    expect(await attach(conversation, mine.id)).toMatchObject({ type: "ack" });
    const again = await attach(crypto.randomUUID(), mine.id);
    expect(again).toMatchObject({ type: "error", error: { code: "conflict" } });
    expect(await attach(crypto.randomUUID(), "f".repeat(32))).toMatchObject({ error: { code: "not_found" } });
    await talker.ask({ type: "conversation.open", conversation });
    const snapshot = await until(() => talker.frames.find(({ type }) => type === "snapshot"), "the snapshot");
    expect(JSON.stringify(snapshot)).toContain(
      `{"type":"file","url":"/api/v1/files/${mine.id}","mediaType":"text/plain","filename":"a.txt"}`,
    );
    expect((await get(other.id)).bytes.toString()).toBe("b");
  });
  test("FL12 HS03 allowed origins may, after a preflight that says what; others and credentials in a URL may not", async () => {
    await serve({ allowedOrigins: ["https://shop.example"] });
    const from = (origin: string, headers: Record<string, string> = bearer(talker.session)): Promise<Told> =>
      post(bodyOf("a.txt", "x"), { ...headers, origin });
    const good = await from("https://shop.example");
    expect([good.status, good.headers.get("access-control-allow-origin")]).toEqual([201, "https://shop.example"]);
    expect(good.headers.get("access-control-allow-credentials")).toBeNull();
    for (const origin of ["https://evil.example", "https://shop.example.evil.example", "null"]) {
      const bad = await from(origin);
      expect([bad.status, bad.headers.get("access-control-allow-origin")]).toEqual([403, null]);
    }
    expect(await post(bodyOf("a.txt", "x"), {}, `?token=${talker.session}`)).toMatchObject({ status: 400 });
    const asked = await fetch(`http://${served.address}/api/v1/files`, {
      method: "OPTIONS",
      headers: { origin: "https://shop.example", "access-control-request-method": "POST" },
    });
    expect([asked.status, asked.headers.get("access-control-allow-headers")]).toEqual([
      204,
      "authorization, content-type, range",
    ]);
    expect((await get("x", {}, talker.session, "DELETE")).status).toBe(405);
  });
});

describe("how much", () => {
  test("FI09 FL7 twenty at once at the edge of the day's bytes never exceed it, also after a restart", async () => {
    const room = 1_000_000;
    await serve({ policy: limited({ uploadBytesPerDay: room }) });
    expect((await send("first.txt", "x".repeat(950_000))).status).toBe(201);
    const answers = await Promise.all(Array.from({ length: 20 }, (_, i) => send(`${i}.txt`, "y".repeat(20_000))));
    const kept = answers.filter(({ status }) => status === 201);
    const refused = answers.filter(({ status }) => status !== 201);
    expect(kept.length).toBe(2);
    for (const { status, body, headers } of refused) {
      expect([status, body.code]).toEqual([429, "quota_exceeded"]);
      expect(Number(headers.get("retry-after"))).toBeGreaterThan(0);
      expect(body.title).toContain("1000000 bytes");
    }
    const { session } = talker;
    await served.host.close(0);
    served = await stage.serve({ policy: limited({ uploadBytesPerDay: room }) });
    expect((await post(bodyOf("more.txt", "z".repeat(20_000)), bearer(session))).body.code).toBe("quota_exceeded");
    expect((await post(bodyOf("less.txt", "z".repeat(5000)), bearer(session))).status).toBe(201);
  });
  test("RL01 FL7 files an hour; one that came to nothing does not count", async () => {
    await serve({ policy: limited({ uploadsPerHour: 2 }) });
    for (let i = 0; i < 3; i++) expect((await send("a.bin", Uint8Array.of(0))).status).toBe(415);
    for (let i = 0; i < 2; i++) expect((await send("a.txt", "a")).status).toBe(201);
    const { status, body, headers } = await send("a.txt", "a");
    expect([status, body.code]).toEqual([429, "rate_limited"]);
    expect(Number(headers.get("retry-after"))).toBeGreaterThan(3000);
  });
  test("FI08 FL10 cut at ten places by its sender: nothing visible, nothing left, the bytes of the day as before", async () => {
    const size = Number(process.env["UPLOAD_BYTES"] ?? 300_000);
    // Room for one more: what the last one had set aside may be free a moment after its bytes are gone.
    await serve({ policy: limited({ uploadBytesPerDay: 2 * size }) });
    const { head, tail } = requestHead(talker.session, "cut.txt", size);
    const whole = Buffer.from(`${head}${"x".repeat(size)}${tail}`);
    const [host = "", port = ""] = served.address.split(":");
    for (let i = 0; i < 10; i++) {
      const at = head.length + 1 + Math.round((i / 9) * (whole.length - head.length - 2));
      const socket = connect(Number(port), host);
      socket.on("error", () => undefined);
      await new Promise<void>((resolve) => socket.write(whole.subarray(0, at), () => resolve()));
      await until(() => folder().length > 0, "the beginning to have come");
      socket.destroy();
      await until(() => folder().length === 0, "it to be gone");
    }
    for (let i = 0; i < 2; i++) {
      const { status, body } = await send("whole.txt", "x".repeat(size));
      expect([status, body.bytes]).toEqual([201, size]);
    }
    expect((await send("more.txt", "x")).body.code).toBe("quota_exceeded");
  });
});
