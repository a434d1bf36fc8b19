// Owns the proof that a server that is killed while a file comes leaves nothing of it, and keeps what it said it kept.
import { readdirSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ServerProcess } from "../e2e/server-process.ts";
import { findText } from "../encryption/files.ts";
import { Talker, until } from "../server/talker.ts";
import { bodyOf, requestHead } from "./samples.ts";

/** Bytes of the file that is cut; UPLOAD_BYTES=104857600 for one as large as may be. */
const size = Number(process.env["UPLOAD_BYTES"] ?? 2_000_000);
const kills = 3;

let server: ServerProcess;
beforeAll(() => void (server = new ServerProcess({ MODEL: "demo" })));
afterAll(() => server.dispose());

test("FI08 FL10 EN10 VA1 killed at three places of an upload: nothing of it after the start; what was kept is there, its name and words in no file", async () => {
  await server.start();
  const canary = "kanarienvogel-0815";
  const talker = await new Talker(new URL(server.url).host).opened();
  await talker.ask({ type: "auth", guest: true });
  const token = talker.session;
  const headers = { authorization: `Bearer ${token}` };
  const body = bodyOf(`${canary}.txt`, `${canary} `.repeat(20_000));
  const sent = await fetch(`${server.url}/api/v1/files`, { method: "POST", headers, body });
  const { id } = JSON.parse(await sent.text()) as { id: string };
  const parts = [
    { type: "text", text: "one word" },
    { type: "file", file: id },
  ];
  const conversation = crypto.randomUUID();
  const message = { type: "message.send", conversation, message: crypto.randomUUID(), parts };
  expect(await talker.ask(message)).toMatchObject({ type: "ack" });

  const folder = (): string[] => readdirSync(join(server.dataDir, "files"));
  const { head } = requestHead(token, `${canary}.bin`, size);
  for (let i = 1; i <= kills; i++) {
    const socket = connect(Number(new URL(server.url).port), "127.0.0.1");
    socket.on("error", () => undefined);
    socket.write(Buffer.concat([Buffer.from(head), Buffer.alloc(Math.round((i * size) / (kills + 1)), canary)]));
    await until(() => folder().some((name) => name.endsWith(".part")), "the file to be begun");
    await server.end("SIGKILL");
    socket.destroy();
    expect(folder().filter((name) => name.endsWith(".part"))).toHaveLength(1);
    await server.start();
    await until(() => folder().every((name) => name === id), "what was begun to be gone");
  }
  const found = await fetch(`${server.url}/api/v1/files/${id}`, { headers });
  expect([found.status, await found.text()]).toEqual([200, `${canary} `.repeat(20_000)]);
  expect(found.headers.get("content-disposition")).toContain(canary);
  for (const text of [canary, "text/plain"]) {
    expect(findText(server.dataDir, text)).toEqual([]);
  }
  expect(server.output).not.toContain(canary);

  const again = await new Talker(new URL(server.url).host).opened();
  await again.ask({ type: "auth", session: token });
  expect(await again.ask({ type: "conversation.delete", conversation })).toMatchObject({ type: "ack" });
  await until(() => folder().length === 0, "the bytes to be gone");
  expect((await fetch(`${server.url}/api/v1/files/${id}`, { headers })).status).toBe(404);
  expect(server.deaths).toEqual([]);
});
