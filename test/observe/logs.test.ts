// Proves what the log is: one JSON line an event, whatever is put into it, and nothing of what people write or hold.
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { afterAll, expect, onTestFinished, test } from "vitest";
import { plainVault } from "../../src/adapters/embedded/plain-vault.ts";
import { openStore } from "../../src/adapters/embedded/store.ts";
import { systemClock } from "../../src/server/clock.ts";
import { ServerProcess } from "../e2e/server-process.ts";
import { counting, sendTo, Stage, startBare, Talker, until } from "../server/talker.ts";

const root = join(import.meta.dirname, "../..");
const server = new ServerProcess({ MODEL: "demo", LOG_LEVEL: "trace", ADMIN_TOKEN: "a-long-operators-token" });
afterAll(() => server.dispose());
const control = /\p{Cc}/u;

test("OB8 OP05 LO10 fields full of line ends and terminal escapes stay one JSON line each, without a control character", () => {
  const hostile = [
    "a\r\nb",
    '\n{"level":50,"event":"forged"}\n',
    "\u001B[2J\u001B]0;owned\u0007",
    "\u009B31mred",
    "x".repeat(9999),
  ];
  const script = `
    import { pinoJournal } from ${JSON.stringify(join(root, "src/adapters/journal/pino.ts"))};
    const journal = pinoJournal("info", "n");
    for (const text of ${JSON.stringify(hostile)}) journal.warn("probe", { text });`;
  const out = execFileSync(process.execPath, ["--input-type=module-typescript", "-e", script], { encoding: "utf8" });
  const lines = out.trimEnd().split("\n");
  expect(lines.length).toBe(hostile.length);
  for (const line of lines) {
    expect(control.test(line)).toBe(false);
    const said = JSON.parse(line) as { event: string; text: string };
    expect(said.event).toBe("probe");
    expect(control.test(said.text)).toBe(false);
    expect(said.text.length).toBeLessThanOrEqual(500);
  }
});

test("OB10 OP05 in a terminal a line is text, one line each, and what is no text or number is not printed", () => {
  const script = `
    import { pinoJournal } from ${JSON.stringify(join(root, "src/adapters/journal/pino.ts"))};
    const journal = pinoJournal("info", "n", true);
    journal.warn("probe", { text: "a\\r\\nb\\u001b[2J\\u202Ex\\u2028y", count: 2, rest: { secret: "hunter2" } });
    journal.info("second");`;
  const out = execFileSync(process.execPath, ["--input-type=module-typescript", "-e", script], { encoding: "utf8" });
  expect(out.split("\n")).toEqual([
    expect.stringMatching(
      /^\d\d:\d\d:\d\d\.\d{3} WARN {2}probe text="a {2}b \[2J x y" count=2 rest="\[not printed\]"$/,
    ),
    expect.stringMatching(/^\d\d:\d\d:\d\d\.\d{3} info {2}second$/),
    "",
  ]);
});

test("OB9 the lines of a socket carry its number, who signed in, and how it ended; two sockets are told apart", async () => {
  const lines: Record<string, unknown>[] = [];
  const note = (event: string, fields?: object): void => void lines.push({ event, ...fields });
  const stage = new Stage();
  onTestFinished(() => stage.end());
  const served = await stage.serve({ journal: { info: note, warn: note, error: note } });
  const [one, other] = [await served.talk(), await served.talk()];
  const again = await served.talk({ session: one.session });
  const bad = await new Talker(served.address).opened();
  await bad.ask({ type: "auth", session: "no-such-session-canary" });
  await until(() => bad.closed, "the refusal");
  await one.close();
  await until(() => lines.filter(({ event }) => event === "socket_closed").length === 2, "two ends");
  const user = (talker: Talker): unknown => talker.frames.find((frame) => frame["user"] !== undefined)?.["user"];
  const id = (talker: Talker): unknown => (user(talker) as { id: string }).id;
  const told = lines.filter(({ event }) => event !== "socket_closed");
  expect(told).toEqual([
    { event: "signed_in", socket: 1, user: id(one), resumed: false },
    { event: "signed_in", socket: 2, user: id(other), resumed: false },
    { event: "signed_in", socket: 3, user: id(one), resumed: true },
    { event: "sign_in_refused", socket: 4, code: "unauthorized" },
  ]);
  expect(lines.filter(({ event }) => event === "socket_closed")).toEqual([
    { event: "socket_closed", socket: 4, code: expect.any(Number) as number, ms: expect.any(Number) as number },
    { event: "socket_closed", socket: 1, code: 1005, ms: expect.any(Number) as number },
  ]);
  expect(JSON.stringify(lines)).not.toContain("canary");
  await again.close();
});

test("OB9 the lines of an HTTP request carry its number; two requests are told apart", async () => {
  const lines: Record<string, unknown>[] = [];
  const note = (event: string, fields?: object): void => void lines.push({ event, ...fields });
  const stage = new Stage();
  onTestFinished(() => stage.end());
  const { address, talk } = await stage.serve({ journal: { info: note, warn: note, error: note } });
  const authorization = `Bearer ${(await talk()).session}`;
  for (const words of ["one", "two"]) {
    const body = new FormData();
    body.append("file", new Blob([words]), "a.txt");
    await fetch(`http://${address}/api/v1/files`, { method: "POST", headers: { authorization }, body });
  }
  await (await fetch(`http://${address}/api/v1/account/export`, { headers: { authorization } })).arrayBuffer();
  await fetch(`http://${address}/api/v1/admin/blocks`);
  const numbered = await until(() => {
    const found = lines.filter(({ http }) => http !== undefined);
    return found.length === 4 && found;
  }, "the lines of four requests");
  expect(numbered.map(({ event }) => event)).toEqual(["file_kept", "file_kept", "export_begun", "admin"]);
  const numbers = numbered.map(({ http }) => Number(http));
  expect(numbers).toEqual([0, 1, 2, 3].map((more) => (numbers[0] ?? 0) + more));
});

test("OB9 JS12 a handler that fails leaves a line with the socket's number and the frame's", async () => {
  const lines: Record<string, unknown>[] = [];
  const note = (event: string, fields?: object): void => void lines.push({ event, ...fields });
  const journal = { info: note, warn: note, error: note };
  const broken = new Error("canary of a text");
  const stage = new Stage();
  onTestFinished(() => stage.end());
  const file = join(stage.dataDir, "t.db");
  const store = openStore({ file, vault: plainVault, durability: "process", clock: systemClock });
  const log = { ...store.log, list: () => Promise.reject(broken) };
  const bare = await startBare({ ...store, log }, counting(), { journal });
  bare.text({ type: "auth", id: "a", guest: true });
  bare.text({ type: "ping", id: "b" });
  bare.text({ type: "conversation.list", id: "c" });
  await until(() => bare.frames.some((frame) => frame.id === "c"), "the answer");
  expect(lines.find(({ event }) => event === "handler_failed")).toEqual({
    event: "handler_failed",
    socket: 1,
    request: 3,
    ref: expect.any(String) as string,
    error: "Error",
  });
  expect(JSON.stringify(lines)).not.toContain("canary");
  await bare.end();
});

test("OB8 OP05 G13 a server that says all it has to say says no text, title, agent, session or token", async () => {
  await server.start();
  const address = new URL(server.url).host;
  const agent = "agent-canary\u009B31m";
  const talker = await new Talker(address, { headers: { "User-Agent": agent } }).opened();
  await talker.ask({ type: "auth", guest: true });
  const conversation = crypto.randomUUID();
  await talker.ask({ type: "conversation.create", conversation, title: "title-canary \u202Ex" });
  await talker.ask(sendTo(conversation, "text-canary\r\nsecond line", { parent: null }));
  await talker.ask({ type: "conversation.open", conversation, seq: 0 });
  await until(() => talker.events().some((event) => event.kind === "turn.finished"), "the reply's end");
  talker.say({ type: "frame-canary\u001B[2J" });
  const headers = { "Content-Type": "application/json", Authorization: "Bearer a-long-operators-token" };
  const body = JSON.stringify({ address: "203.0.113.7", reason: "reason-canary" });
  await fetch(`${server.url}/api/v1/admin/blocks`, { method: "POST", headers, body });
  await fetch(`${server.url}/metrics`, { headers: { Authorization: "Bearer wrong-canary-token" } });
  const written = (): string[] => server.output.split("\n").filter((line) => line.startsWith("{"));
  await until(() => written().some((line) => line.includes("POST blocks")), "the operator's line");
  for (const line of written()) {
    expect(control.test(line)).toBe(false);
    expect(JSON.parse(line)).toMatchObject({ event: expect.any(String) as string, node: expect.any(String) as string });
  }
  for (const secret of ["canary", "second line", talker.session, "a-long-operators-token"]) {
    expect([secret, server.output.includes(secret)]).toEqual([secret, false]);
  }
  await talker.close();
});
