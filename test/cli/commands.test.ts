// Proves the commands on real processes: a server that runs, one that is not there, one that does not let in, and words that make no sense.
import { execFile } from "node:child_process";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { help, runCommand } from "../../src/cli/command.ts";
import { urlOf, type Server } from "../../src/cli/door.ts";
import { ServerProcess } from "../e2e/server-process.ts";
import { sendTo, Talker, until } from "../server/talker.ts";
import { temporaryDirectory } from "../support/temporary.ts";

const main = join(import.meta.dirname, "../../src/main.ts");
type Said = { code: number; out: string; err: string };

/** Runs `throughline ...args` as a process. */
const run = (args: string[], env: Record<string, string>): Promise<Said> =>
  new Promise((resolve) => {
    execFile(process.execPath, [main, ...args], { env: { PATH: process.env["PATH"], ...env } }, (error, out, err) => {
      resolve({ code: typeof error?.code === "number" ? error.code : 0, out, err });
    });
  });
/** The same in this process. */
async function say(server: Server, ...args: string[]): Promise<Said> {
  const [out, err]: [string[], string[]] = [[], []];
  const terminal = { print: (line: string) => void out.push(line), complain: (line: string) => void err.push(line) };
  const code = await runCommand(args, server, terminal);
  return { code, out: out.join("\n"), err: err.join("\n") };
}
const portOf = (server: ServerProcess): number => Number(new URL(server.url).port);

describe("at a running server", () => {
  const server = new ServerProcess({ MODEL: "demo", DRAIN_MS: "300" });
  const at = (): Server => ({ host: "127.0.0.1", port: portOf(server), token: undefined });
  beforeAll(() => server.start());
  afterAll(() => server.dispose());

  test("CD3 load tries a server from the shell: 0 where every bound was kept, 1 where one was not, 2 for words that make no sense", async () => {
    const basics = ["load", "--url", server.url, "--users", "2", "--ramp", "0", "--seconds", "1", "--think", "0"];
    const loose = ["--max-ack", "20000", "--max-first", "20000", "--stop", "1"];
    const kept = await run([...basics, ...loose], { LIMITS: "a setting that is none" });
    expect(kept).toMatchObject({ code: 0, err: "" });
    expect(kept.out).toMatch(/2 people/);
    expect(await run([...basics, ...loose, "--max-ack", "0"], {})).toMatchObject({ code: 1 });
    expect(await run(["load", "--users", "none"], {})).toMatchObject({ code: 2 });
  });

  test("CD1 HS18 BL3 block, blocks and unblock work from the shell, on open sockets at once, and a kill forgets no block", async () => {
    const env = { PORT: String(portOf(server)) };
    const talker = await new Talker(server.url.replace("http://", "")).opened();
    await talker.ask({ type: "auth", guest: true });
    const blocked = await run(["block", "127.0.0.1", "--for", "1h", "--reason", "only a test"], env);
    expect(blocked).toMatchObject({ code: 0, err: "" });
    expect(blocked.out).toMatch(
      /^Blocked: 127\.0\.0\.1 {2}everyone {2}until \d{4}-.*Z {2}by operator {2}only a test\n$/,
    );
    expect((await until(() => talker.closed, "the close")).code).toBe(4403);
    await server.end("SIGKILL");
    await server.start();
    const late = new Talker(server.url.replace("http://", ""));
    expect((await until(() => late.closed, "the refusal")).code).toBe(1006);
    const list = await run(["blocks"], env);
    expect(list.out).toBe(blocked.out.replace("Blocked: ", ""));
    expect(await run(["unblock", "::ffff:127.0.0.1"], env)).toEqual({
      code: 0,
      out: "Let in again: 127.0.0.1\n",
      err: "",
    });
    expect(await say(at(), "blocks")).toEqual({ code: 0, out: "Nobody is blocked.", err: "" });
    const guests = await run(["block", "198.51.100.0/24", "--guests"], env);
    expect(guests.out).toBe("Blocked: 198.51.100.0/24  guests  until lifted  by operator\n");
    expect(await run(["unblock", "198.51.100.0/24"], env)).toMatchObject({ code: 0 });
  });

  test("CD2 what the server refuses is told in a sentence", async () => {
    expect(await say(at(), "unblock", "203.0.113.7")).toEqual({ code: 1, out: "", err: "There is no such block." });
    expect(await say(at(), "block", "nonsense")).toMatchObject({
      code: 1,
      err: expect.stringContaining("no IP address"),
    });
    const secret = "wrong-but-long-enough";
    const refused = await say({ ...at(), token: secret }, "block", "10.0.0.1/99");
    expect(refused.code).toBe(1);
    expect(refused.err).not.toContain(secret);
  });

  test("CD1 CD2 words that make no sense are refused without asking the server", async () => {
    const nowhere: Server = { host: "127.0.0.1", port: 1, token: undefined };
    for (const args of [
      ["frobnicate"],
      ["block"],
      ["unblock"],
      ["block", "1.2.3.4", "5.6.7.8"],
      ["blocks", "1.2.3.4"],
      ["block", "1.2.3.4", "--for", "soon"],
      ["block", "1.2.3.4", "--for", "0m"],
      ["block", "1.2.3.4", "--until", "x"],
      ["unblock", "1.2.3.4", "--reason", "x"],
      ["unblock", "1.2.3.4", "--guests"],
      ["block", "1.2.3.4", "--for"],
    ]) {
      const { code, out, err } = await say(nowhere, ...args);
      expect([args, code, out]).toEqual([args, 2, ""]);
      expect(err).toContain("throughline help");
      expect(err.split("\n")).toHaveLength(1);
    }
    for (const word of ["help", "--help", "-h"])
      expect(await say(nowhere, word)).toEqual({ code: 0, out: help, err: "" });
  });
});

test("CD2 a server that is not there is told with its address", async () => {
  const { port } = await new Promise<{ port: number }>((resolve) => {
    const free = createServer().listen(0, "127.0.0.1", () => {
      const address = free.address();
      free.close(() => resolve({ port: typeof address === "object" && address !== null ? address.port : 0 }));
    });
  });
  const { code, err } = await run(["blocks"], { PORT: String(port) });
  expect([code, err]).toEqual([1, expect.stringContaining(`No Throughline answers at http://127.0.0.1:${port}.`)]);
});

test("CD1 CD2 OD1 OP02 a server with a token lets in who has it, says nothing to others, and writes neither down", async () => {
  const token = "an-operators-long-token";
  const server = new ServerProcess({ MODEL: "demo", ADMIN_TOKEN: token });
  onTestFinished(() => server.dispose());
  await server.start();
  const at = { host: "127.0.0.1", port: portOf(server) };
  expect(await say({ ...at, token }, "blocks")).toMatchObject({ code: 0 });
  expect(await say({ ...at, token: undefined }, "blocks")).toMatchObject({
    code: 1,
    err: expect.stringContaining("Set ADMIN_TOKEN"),
  });
  expect(await say({ ...at, token: "a-wrong-one" }, "blocks")).toMatchObject({
    code: 1,
    err: expect.stringContaining("does not take this ADMIN_TOKEN"),
  });
  expect(server.output).toContain('"act":"GET blocks"');
  expect(server.output).not.toMatch(/operators-long-token|a-wrong-one/);
});

test("CD1 CD2 OD3 rotate-key makes a new master key at the running server, and what was said before is there after a kill", async () => {
  const server = new ServerProcess({ MODEL: "demo" });
  onTestFinished(() => server.dispose());
  await server.start();
  const env = { PORT: String(portOf(server)) };
  const file = join(server.dataDir, "master.key");
  const before = readFileSync(file, "utf8");
  const talker = await new Talker(server.url.replace("http://", "")).opened();
  const { session } = await talker.ask({ type: "auth", guest: true });
  const conversation = crypto.randomUUID();
  await talker.ask(sendTo(conversation, "said under the old key"));
  expect(await run(["rotate-key"], env)).toEqual({ code: 0, out: "The master key is a new one.\n", err: "" });
  const after = readFileSync(file, "utf8");
  expect(after).not.toContain(before.trim());
  expect(server.output).toMatch(/"act":"POST rotate-key".*"rewrapped":[1-9]/);
  await server.end("SIGKILL");
  await server.start();
  const late = await new Talker(server.url.replace("http://", "")).opened();
  await late.ask({ type: "auth", session: (session as { token: string }).token });
  await late.ask({ type: "conversation.open", conversation, seq: 0 });
  await until(() => JSON.stringify(late.frames).includes("said under the old key"), "what was said before");
  expect(readFileSync(file, "utf8")).toBe(after);
});

test("CD1 CD2 rotate-key where the key is the operator's own is refused with a sentence", async () => {
  const server = new ServerProcess({ MODEL: "demo", MASTER_KEY: Buffer.alloc(32, 7).toString("base64") });
  onTestFinished(() => server.dispose());
  await server.start();
  const { code, out, err } = await run(["rotate-key"], { PORT: String(portOf(server)) });
  expect([code, out, err]).toEqual([1, "", expect.stringContaining("MASTER_KEY")]);
});

test("CD2 OP05 an answer that is none of ours does not break the terminal", async () => {
  const body = JSON.stringify({ blocks: [{ range: "1.2.3.4\n\u001b[31m", by: 5 }, null, "x"] });
  const server = createServer((_request, response) => response.end(body)).listen(0, "127.0.0.1");
  onTestFinished(() => void server.close());
  await once(server, "listening");
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  const { code, out } = await say({ host: "127.0.0.1", port, token: undefined }, "blocks");
  expect([code, out.split("\n").length]).toEqual([0, 3]);
  expect(out.replaceAll("\n", "")).not.toMatch(/\p{Cc}/u);
});

test("CD1 a server that listens everywhere is reached on this machine", () => {
  expect(["0.0.0.0", "::", "127.0.0.1", "fd00::1"].map((host) => urlOf({ host, port: 1 }))).toEqual([
    "http://127.0.0.1:1",
    "http://[::1]:1",
    "http://127.0.0.1:1",
    "http://[fd00::1]:1",
  ]);
});

describe("starting", () => {
  /** What a start that must fail says. */
  const refused = async (env: Record<string, string>): Promise<string> => {
    const { code, out, err } = await run([], { MODEL: "demo", PORT: "0", DATA_DIR: temporaryDirectory(), ...env });
    expect([code, out]).toEqual([1, ""]);
    return err;
  };

  test("FU10 RL07 LIMITS names a file: its numbers count, and a name that is not known refuses the start", async () => {
    const file = join(temporaryDirectory(), "limits.json");
    writeFileSync(file, '{"guest": {"mesagesPerMinute": 1}}');
    expect(await refused({ LIMITS: file })).toContain('"guest.mesagesPerMinute" is not known');
    expect(await refused({ LIMITS: "./missing.json" })).toContain("LIMITS: ./missing.json cannot be read");
    writeFileSync(file, '{"guest": {"messagesPerMinute": 1, "tokensPerDay": 20000}, "reply": {"characters": 50}}');
    const server = new ServerProcess({ MODEL: "demo", LIMITS: file });
    onTestFinished(() => server.dispose());
    await server.start();
    const talker = await new Talker(server.url.replace("http://", "")).opened();
    await talker.ask({ type: "auth", guest: true });
    const conversation = crypto.randomUUID();
    await talker.ask(sendTo(conversation, "Tell me a long story."));
    expect(await talker.ask(sendTo(crypto.randomUUID(), "hi"))).toMatchObject({ error: { code: "rate_limited" } });
    await talker.ask({ type: "conversation.open", conversation, seq: 0 });
    const end = await until(() => talker.events().find(({ kind }) => kind === "turn.finished"), "the end");
    expect(end).toMatchObject({ status: "failed", error: { code: "too_large" }, length: 50 });
    talker.ws.terminate();
  });

  test("OP06 SS6 a dangerous setting refuses the start where others come in, with the setting and the reason", async () => {
    const production = { NODE_ENV: "production" };
    expect(await refused({ ...production, ADMIN_TOKEN: "" })).toMatch(/ADMIN_TOKEN: is empty/);
    expect(await refused({ HOST: "0.0.0.0", ADMIN_TOKEN: "short" })).toMatch(
      /ADMIN_TOKEN: is shorter than 16 characters/,
    );
    expect(await refused({ ...production, FIRESTORE_EMULATOR_HOST: "127.0.0.1:1" })).toMatch(
      /FIRESTORE_EMULATOR_HOST: .*production/,
    );
  });
});
