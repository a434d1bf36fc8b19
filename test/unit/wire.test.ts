// Proves the framing of sent text against the library that reads it: every form of length, and many sockets of one frame.
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Socket } from "node:net";
import { PassThrough, Writable } from "node:stream";
import { WebSocket, WebSocketServer, type Server } from "ws";
import { frameText, ServerSocket, wireOf } from "../../src/server/wire.ts";

let server: Server<typeof ServerSocket>;
let client: ServerSocket;
let socket: Socket;
beforeAll(async () => {
  server = new WebSocketServer({ port: 0, host: "127.0.0.1", WebSocket: ServerSocket });
  const accepted = new Promise<Socket>((resolve) => server.on("connection", (_ws, request) => resolve(request.socket)));
  await new Promise((resolve) => server.once("listening", resolve));
  const address = server.address();
  client = new ServerSocket(`ws://127.0.0.1:${typeof address === "object" && address !== null ? address.port : 0}`);
  socket = await accepted;
});
afterAll(() => {
  client.terminate();
  server.close();
});

/** What a client of the library reads of these bytes. */
const read = (bytes: Uint8Array): Promise<string> =>
  new Promise((resolve, reject) => {
    const stop = (): unknown => client.off("error", reject);
    client.once("error", reject);
    client.once("message", (data: Buffer) => resolve(data.toString()));
    client.once("message", stop);
    socket.write(bytes);
  });

test("SO12 a text of any length is one whole frame, head and payload in one write", async () => {
  for (const length of [0, 1, 125, 126, 127, 65_535, 65_536, 200_000]) {
    const text = "é🙂x".repeat(length).slice(0, length);
    expect(await read(frameText(text)), `${length}`).toBe(text.toWellFormed());
    expect(await read(frameText(Buffer.from(text))), `${length}`).toBe(text.toWellFormed());
  }
});

test("SO12 the same payload is framed once; another one of the same length is not taken for it", () => {
  const payload = Buffer.from("a payload");
  expect(frameText(payload)).toBe(frameText(payload));
  expect(frameText(Buffer.from("b payload"))).not.toEqual(frameText(payload));
  const twice = [frameText("one"), frameText("two"), frameText("one")].map((frame) => frame.subarray(2).toString());
  expect(twice).toEqual(["one", "two", "one"]);
});

test("FR12 a reason of any length and any characters is cut on a whole character to what a close frame holds", async () => {
  const silent = { text() {}, binary() {}, control() {}, drained() {}, closed() {} };
  for (const [reason, cut] of [
    ["short", "short"],
    ["x".repeat(123), "x".repeat(123)],
    ["x".repeat(124), "x".repeat(123)],
    ["x".repeat(122) + "é", "x".repeat(122)],
    ["x" + "🙂".repeat(40), "x" + "🙂".repeat(30)],
    ["🙂".repeat(40), "🙂".repeat(30)],
    ["", ""],
  ] as const) {
    const accepted = new Promise<ServerSocket>((resolve) => server.once("connection", resolve));
    const visitor = new WebSocket(client.url);
    const closed = new Promise<[number, string]>((resolve) =>
      visitor.once("close", (code, said) => resolve([code, said.toString()])),
    );
    const ws = await accepted;
    await new Promise((resolve) => visitor.once("open", resolve));
    wireOf(ws, new PassThrough(), (wire) => {
      wire.close(4400, reason);
      return silent;
    });
    expect(await closed).toEqual([4400, cut]);
  }
});

test("SO14 what is gathered goes out in one write, in its order, in the loop's next turn; what comes later by itself", async () => {
  const writes: string[][] = [];
  const record = (chunks: readonly Buffer[], done: () => void): void => {
    writes.push(chunks.map((chunk) => chunk.subarray(2).toString()));
    done();
  };
  const out = new Writable({
    write: (chunk: Buffer, _encoding, done) => record([chunk], done),
    writev: (items, done) =>
      record(
        items.map(({ chunk }) => chunk as Buffer),
        done,
      ),
  });
  wireOf(client, out, (wire) => {
    wire.gather();
    for (const text of ["one", "two", "three"]) wire.send(text);
    setImmediate(() => setImmediate(() => wire.send("four")));
    return { text() {}, binary() {}, control() {}, drained() {}, closed() {} };
  });
  expect(writes).toEqual([]);
  await expect.poll(() => writes).toEqual([["one", "two", "three"], ["four"]]);
});

test("RD4 a socket that is empty again says so, whoever had filled it", async () => {
  const out = new PassThrough({ highWaterMark: 4 });
  let drained = 0;
  wireOf(client, out, () => ({ text() {}, binary() {}, control() {}, drained: () => drained++, closed() {} }));
  expect(out.write("as a pong of the library's")).toBe(false);
  out.resume();
  await expect.poll(() => drained).toBe(1);
});
