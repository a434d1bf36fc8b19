// Owns the proof that who is slow is given up: with real HTTP, and a clock whose time the test lets pass.
import { once } from "node:events";
import { createServer, type RequestListener, type Server } from "node:http";
import { connect, type Socket } from "node:net";
import { afterEach, expect, test } from "vitest";
import { createFileRoutes } from "../../src/server/file-routes.ts";
import { readMultipart } from "../../src/server/multipart.ts";
import type { KeyedFile } from "../../src/server/ports.ts";
import { reject } from "../../src/protocol/index.ts";
import { hands } from "../limits/hands.ts";
import { until } from "../server/talker.ts";
import { requestHead } from "./samples.ts";

/** Time that passes when it is told to. */
function timers(): {
  after: (ms: number, fn: () => void) => () => void;
  pass: (ms: number) => void;
  waiting: () => number;
} {
  let now = 0;
  const waiting = new Map<object, { at: number; fn: () => void }>();
  return {
    after(ms, fn) {
      const key = {};
      waiting.set(key, { at: now + ms, fn });
      return () => void waiting.delete(key);
    },
    pass(ms) {
      now += ms;
      for (const [key, { at, fn }] of waiting) {
        if (at > now || !waiting.delete(key)) continue;
        fn();
      }
    },
    waiting: () => waiting.size,
  };
}

let server: Server | undefined;
let socket: Socket | undefined;
afterEach(() => {
  socket?.destroy();
  server?.close();
  server?.closeAllConnections();
});
async function reach(listener: RequestListener): Promise<{ socket: Socket; closed: () => boolean }> {
  server = createServer(listener).listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (typeof address !== "object" || address === null) throw new Error("no port");
  const made = connect(address.port, "127.0.0.1").on("error", () => undefined);
  socket = made;
  let closed = false;
  made.on("close", () => (closed = true));
  return { socket: made, closed: () => closed };
}

test("FL15 a body that drips is given up, one that flows is not", async () => {
  const clock = timers();
  let came = 0;
  let outcome: unknown;
  const { socket: sender, closed } = await reach((request) => {
    void readMultipart(request, clock, 1_000_000, async (_name, content) => {
      for await (const part of content) came += part.length;
      return reject("internal");
    }).then((made) => (outcome = made));
  });
  sender.write(requestHead("token", "drip.txt", 900_000).head);
  for (let i = 1; i <= 3; i++) {
    sender.write("x".repeat(20_000));
    // The parser holds back what may be the beginning of an edge.
    await until(() => came > i * 20_000 - 100, "the bytes");
    clock.pass(30_000);
  }
  expect(closed()).toBe(false);
  sender.write("x".repeat(1000));
  await until(() => came > 60_900, "the drip");
  clock.pass(30_000);
  await until(closed, "the end");
  await until(() => outcome !== undefined, "the outcome");
  expect(outcome).toMatchObject({ code: "invalid" });
  expect(clock.waiting()).toBe(0);
});

test("FL15 a reader who stops is given up, and the file is closed", async () => {
  const clock = { ...hands(), ...timers() };
  let given = 0;
  let open = 0;
  const file = { id: "a".repeat(32), name: "a.txt", mediaType: "text/plain", bytes: 1e9, sha256: "0" };
  const unasked = (): never => expect.fail("not asked for");
  const nothing = (): undefined => undefined;
  const routes = createFileRoutes({
    shelf: {
      find: () => Promise.resolve({ ...file, user: "u", createdAt: 0, key: new Uint8Array(32) } satisfies KeyedFile),
      async *read() {
        open++;
        try {
          for (;;) {
            given++;
            await new Promise((resolve) => setImmediate(resolve));
            yield Buffer.alloc(65_536, 97);
          }
        } finally {
          open--;
        }
      },
      begin: unasked,
      sweep: unasked,
      sweepSoon: unasked,
      start: unasked,
      stop: unasked,
    },
    entrance: { recognize: () => Promise.resolve({ user: "u", key: "k" }) },
    clock,
    journal: { info: nothing, warn: nothing, error: nothing },
    meter: { note: nothing },
    limits: { fileBytes: 1 },
    accepting: () => true,
    allowedOrigins: [],
    loopback: true,
  });
  const { socket: reader, closed } = await reach((request, response) => {
    routes(request, response, new URL(`http://x/api/v1/files/${file.id}`), "127.0.0.1");
  });
  reader.write(`GET / HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer token\r\n\r\n`);
  let heard = 0;
  reader.on("data", (data: Buffer) => (heard += data.length));
  await until(() => heard > 1_000_000, "the beginning");
  clock.pass(59_000);
  await until(() => heard > 3_000_000, "more");
  reader.pause();
  let before = -1;
  // Until the buffers on the way are full.
  await until(async () => {
    before = given;
    await new Promise((resolve) => setTimeout(resolve, 300));
    return given === before;
  }, "the flow to stand");
  expect(open).toBe(1);
  clock.pass(60_000);
  await until(() => open === 0, "the file to be closed");
  reader.resume();
  await until(closed, "the end");
  expect(clock.waiting()).toBe(0);
});
