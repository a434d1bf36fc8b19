// Proves what the log is: one JSON line an event, whatever is put into it, and nothing of what people write or hold.
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { ServerProcess } from "../e2e/server-process.ts";
import { sendTo, Talker, until } from "../server/talker.ts";

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
