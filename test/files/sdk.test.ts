// Owns the proof of `throughline/files` in Node: real servers, real cuts, a foreign server that must hear nothing.
import { createServer, type Server } from "node:http";
import { join } from "node:path";
import { writeFileSync } from "node:fs";
import { describe, expect, onTestFinished, test } from "vitest";
import { RequestError, until, type Client } from "../../src/client/index.ts";
import { createFiles, fileIdOf, type Files, type StoredFile } from "../../src/files/index.ts";
import { defaultPolicy, type Policy } from "../../src/server/policy.ts";
import { startProxy, type Proxy } from "../client/proxy.ts";
import { startServer, type ServerProcess } from "../client/server.ts";
import { guest, online } from "../client/talk.ts";
import { temporaryDirectory } from "../support/temporary.ts";
import { png } from "./samples.ts";

type Scene = { server: ServerProcess; client: Client; files: Files; proxy: Proxy };

async function scene(env: Record<string, string> = {}): Promise<Scene> {
  const server = await startServer(env);
  const proxy = await startProxy(server.port);
  const client = guest(proxy.url);
  return { server, client, files: createFiles(client), proxy };
}
/** A file of the operator's with other numbers for guests. */
function limits(guest: Partial<Policy["guest"]>): { LIMITS: string } {
  const path = join(temporaryDirectory(), "limits.json");
  writeFileSync(path, JSON.stringify({ guest: { ...guest } }));
  expect(Object.keys(defaultPolicy.guest)).toEqual(expect.arrayContaining(Object.keys(guest)));
  return { LIMITS: path };
}
const rejectionOf = (promise: Promise<unknown>): Promise<RequestError["rejection"]> =>
  promise.then(
    () => {
      throw new Error("it was taken");
    },
    (error: unknown) => {
      if (error instanceof RequestError) return error.rejection;
      throw error;
    },
  );
/** The port of a server that is closed with the test. */
async function listen(server: Server): Promise<number> {
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void server.close());
  const address = server.address();
  if (typeof address !== "object" || address === null) throw new Error("no port");
  return address.port;
}
/** Files of a client at another port than that of its socket. */
const at = (client: Client, port: number): Files =>
  createFiles({ ...client, url: `ws://127.0.0.1:${port}/api/v1/async/chatbot` });
const named = (name: string, text: string): File => new File([text], name, { type: "text/plain" });

describe("sending", () => {
  test("FL13 a file is sent before anything else was asked of the client, taken by a message, and read back", async () => {
    const { client, files } = await scene();
    const shares: number[] = [];
    const bytes = Uint8Array.from(png(8, 4));
    const stored = await files.upload(new Blob([bytes], { type: "text/html" }), {
      name: "cat.png",
      onProgress: (share) => void shares.push(share),
    });
    expect(stored).toMatchObject({ name: "cat.png", mediaType: "image/png", bytes: bytes.length });
    expect(shares.at(-1)).toBe(1);

    const conversation = client.conversation(client.newId());
    const message = conversation.send([
      { type: "text", text: "look" },
      { type: "file", file: stored.id },
    ]);
    const url = await until(conversation, ({ entries }) => {
      const parts = entries.find((entry) => entry.message.id === message)?.message.parts ?? [];
      return parts.flatMap((part) => (part.type === "file" && "url" in part ? String(part.url) : []))[0];
    });
    expect(fileIdOf(url)).toBe(stored.id);
    const blob = await files.read(url);
    expect([blob.type, Buffer.from(await blob.arrayBuffer()).equals(bytes)]).toEqual(["image/png", true]);
  });

  test("FL13 the network is cut in the middle, again and again: it begins anew and is whole", async () => {
    const { client, files, proxy } = await scene();
    client.connect();
    await online(client);
    const text = "words ".repeat(400_000);
    proxy.cutAfter(1_000_000);
    let cuts = 0;
    const sent = files.upload(named("long.txt", text));
    while (cuts < 2) {
      const before = proxy.connections();
      await expect.poll(() => proxy.connections(), { timeout: 10_000, interval: 5 }).toBeGreaterThan(before);
      proxy.cutAfter(500_000);
      cuts++;
    }
    const stored = await sent;
    expect(stored.bytes).toBe(text.length);
    expect(await (await files.read(`/api/v1/files/${stored.id}`)).text()).toBe(text);
  });

  test("FL13 the server dies while a file goes, and comes back", async () => {
    const { client, files, proxy, server } = await scene();
    client.connect();
    await online(client);
    const text = "words ".repeat(400_000);
    proxy.stall(true);
    const sent = files.upload(named("long.txt", text));
    await server.kill();
    proxy.stall(false);
    await server.start();
    expect((await sent).bytes).toBe(text.length);
  });

  test("FL13 a signal ends it at once: before it begins, on its way, and while it waits for the network", async () => {
    const { client, files, proxy } = await scene();
    const early = AbortSignal.abort(new Error("changed my mind"));
    await expect(files.upload(named("a.txt", "a"), { signal: early })).rejects.toThrow("changed my mind");

    client.connect();
    await online(client);
    proxy.stall(true);
    const before = proxy.connections();
    const way = new AbortController();
    const first = files.upload(named("b.txt", "b".repeat(3_000_000)), { signal: way.signal });
    first.catch(() => undefined);
    await expect.poll(() => proxy.connections(), { timeout: 10_000, interval: 5 }).toBe(before + 1);
    way.abort(new Error("no longer"));
    await expect(first).rejects.toThrow("no longer");
    proxy.stall(false);

    // Where every attempt fails, the rest before the fourth is two seconds.
    let attempts = 0;
    const port = await listen(createServer().on("connection", (socket) => void (attempts++, socket.destroy())));
    const wait = new AbortController();
    const second = at(client, port).upload(named("c.txt", "c"), { signal: wait.signal });
    second.catch(() => undefined);
    await expect.poll(() => attempts, { timeout: 10_000, interval: 5 }).toBe(3);
    const asked = performance.now();
    wait.abort(new Error("given up"));
    await expect(second).rejects.toThrow("given up");
    expect(performance.now() - asked).toBeLessThan(1500);
    expect(attempts).toBe(3);
  });
});

describe("what is refused", () => {
  test("FL13 E1 each with its code, and the number that was exceeded: kinds, bytes of the day, files of the hour", async () => {
    const { files } = await scene(limits({ uploadBytesPerDay: 5000, uploadsPerHour: 2 }));
    const program = new Blob([Uint8Array.of(77, 90, 0, 1)], { type: "image/png" });
    expect(await rejectionOf(files.upload(program))).toMatchObject({ code: "unsupported_media", retryable: false });
    // Refused before it has come; the answer is heard all the same.
    const large = named("large.txt", "x".repeat(20_000_000));
    expect(await rejectionOf(files.upload(large))).toMatchObject({ code: "quota_exceeded", limit: 5000 });
    await files.upload(named("a.txt", "a"));
    await files.upload(named("b.txt", "b"));
    const third = await rejectionOf(files.upload(named("c.txt", "c")));
    expect(third).toMatchObject({ code: "rate_limited", limit: 2, retryable: true });
    expect(third.retryAfterMs).toBeGreaterThan(1_700_000);
  });

  test("FL13 nobody is signed in: it is said, not waited for; and one who has signed out sends no more", async () => {
    const { client, files, proxy } = await scene();
    const nobody = guest(proxy.url, { guest: false });
    expect(await rejectionOf(createFiles(nobody).upload(named("a.txt", "a")))).toMatchObject({ code: "unauthorized" });
    await files.upload(named("a.txt", "a"));
    const path = `/api/v1/files/${(await files.upload(named("b.txt", "b"))).id}`;
    await client.logout();
    expect(client.session()).toBeUndefined();
    expect((await rejectionOf(files.read(path))).code).toBe("unauthorized");
    expect((await rejectionOf(files.upload(named("c.txt", "c")))).code).toBe("unauthorized");
  });

  test("FL13 a proxy's own page in between is told as what its status says", async () => {
    const { files, client } = await scene();
    await files.upload(named("a.txt", "a"));
    const answers = [413, 502];
    const port = await listen(
      createServer((_, response) => void response.writeHead(answers.shift() ?? 500).end("<html>no</html>")),
    );
    const behind = at(client, port);
    expect((await rejectionOf(behind.upload(named("a.txt", "a")))).code).toBe("too_large");
    expect(await rejectionOf(behind.upload(named("a.txt", "a")))).toMatchObject({
      code: "unavailable",
      retryable: true,
    });
  });
});

describe("reading", () => {
  test("FL14 G9 another's file, and one that never was, are not_found; a signal ends it", async () => {
    const { files, proxy } = await scene();
    const stored: StoredFile = await files.upload(named("mine.txt", "mine"));
    const stranger = createFiles(guest(proxy.url));
    for (const id of [stored.id, "0".repeat(32)]) {
      expect((await rejectionOf(stranger.read(`/api/v1/files/${id}`))).code).toBe("not_found");
    }
    const stopped = AbortSignal.abort(new Error("not now"));
    await expect(files.read(`/api/v1/files/${stored.id}`, stopped)).rejects.toThrow("not now");
  });

  test("FL14 G13 a session goes to its own server only: not to another host, port, scheme or path of a part", async () => {
    const { files, client, server } = await scene();
    const heard: string[] = [];
    const port = await listen(
      createServer((request, response) => {
        heard.push(`${request.url ?? ""} ${request.headers.authorization ?? "nothing"}`);
        response.end("other");
      }),
    );
    client.connect();
    await online(client);
    const path = `api/v1/files/${"0".repeat(32)}`;
    for (const url of [
      `http://127.0.0.1:${port}/${path}`,
      `//127.0.0.1:${port}/${path}`,
      `\\\\127.0.0.1:${port}/${path}`,
      `http://127.0.0.1:${server.port}@127.0.0.1:${port}/${path}`,
      "data:text/plain,x",
      "http://",
      "/healthz",
      `/${path}/../../admin/blocks`,
    ]) {
      expect([url, (await rejectionOf(files.read(url))).code]).toEqual([url, "not_found"]);
    }
    expect(heard).toEqual([]);
  });
});
