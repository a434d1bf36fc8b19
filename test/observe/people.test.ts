// Proves what the operator sees of who is here, over HTTP and by the commands, and what ending a connection or a session does.
import { afterEach, beforeEach, expect, test } from "vitest";
import { runCommand } from "../../src/cli/command.ts";
import type { Journal } from "../../src/host.ts";
import { defaultPolicy } from "../../src/server/policy.ts";
import { counting, sendTo, Stage, Talker, until, type Served } from "../server/talker.ts";

let stage: Stage;
let lines: string[];
let journal: Journal;
beforeEach(() => {
  stage = new Stage();
  lines = [];
  const note = (event: string, fields?: object): void => void lines.push(`${event} ${JSON.stringify(fields)}`);
  journal = { info: note, warn: note, error: note };
});
afterEach(() => stage.end());

type Row = Record<string, unknown>;
async function ask(served: Served, method: string, path: string): Promise<{ status: number; body: Row }> {
  const response = await fetch(`http://${served.address}/api/v1/admin/${path}`, { method });
  return { status: response.status, body: (await response.json()) as Row };
}
const rows = async (served: Served, path: string, name: string): Promise<Row[]> =>
  (await ask(served, "GET", path)).body[name] as Row[];
const idOf = (talker: Talker): string => {
  const found = talker.frames.find((frame) => frame["user"] !== undefined)?.["user"] as { id: string } | undefined;
  return found?.id ?? "nobody";
};
/** The lines of acts, without the number of their request. */
const acts = (): string[] =>
  lines.filter((line) => line.startsWith("admin ")).map((line) => line.replace(/"http":\d+,/, ""));

test("OB11 G13 connections are listed, newest first, with who is behind them and what they use today, and nothing they wrote", async () => {
  const model = counting();
  const charging: typeof model = {
    ...model,
    async *stream(request, signal) {
      yield* model.stream(request, signal);
      yield { type: "usage", usage: { inputTokens: 7, outputTokens: 35 } };
    },
  };
  const served = await stage.serve({ journal, policy: defaultPolicy, model: charging });
  const agent = "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0";
  const one = await served.talk({ guest: true }, { headers: { "User-Agent": agent } });
  const two = await served.talk();
  const waiting = await new Talker(served.address).opened();
  const conversation = crypto.randomUUID();
  await one.ask({ type: "conversation.create", conversation, title: "title-canary" });
  await one.ask(sendTo(conversation, "text-canary 3 words every 1 ms", { parent: null }));
  await until(async () => (await rows(served, "people", "people"))[0]?.["tokens"] === 42, "what the reply has cost");
  const all = await ask(served, "GET", "connections");
  expect(all.body).toMatchObject({
    count: 3,
    connections: [
      { number: 3, device: "unknown device", place: "this computer" },
      { number: 2, user: idOf(two) },
      { number: 1, user: idOf(one), device: "Firefox on Linux", place: "this computer", queuedBytes: 0 },
    ],
  });
  const people = await ask(served, "GET", "people");
  const limit = defaultPolicy.guest.tokensPerDay;
  expect(people.body).toEqual({
    count: 2,
    people: [
      { user: idOf(one), sockets: 1, turns: 0, tokens: 42, limit },
      { user: idOf(two), sockets: 1, turns: 0, tokens: 0 },
    ],
  });
  const [session] = await rows(served, `sessions?user=${idOf(one)}`, "sessions");
  expect(session).toMatchObject({ device: "Firefox on Linux", place: "this computer" });
  const told = JSON.stringify([all, people, session]);
  for (const secret of ["canary", one.session, two.session]) expect(told).not.toContain(secret);
  // Looking at the lists leaves no line; looking somebody's sessions up does.
  expect(acts()).toEqual([`admin {"act":"GET sessions","from":"127.0.0.1","user":"${idOf(one)}","count":1}`]);
  await waiting.close();
  await two.close();
  await until(async () => (await ask(served, "GET", "connections")).body["count"] === 1, "two ends");
});

test("OB11 a reply that is being made, and a person who has gone, are in what people use", async () => {
  const served = await stage.serve({ journal, policy: defaultPolicy });
  const talker = await served.talk();
  await talker.ask(sendTo(crypto.randomUUID(), "4000 words every 5 ms"));
  const own = async (): Promise<Row | undefined> => (await rows(served, "people", "people"))[0];
  expect(await own()).toMatchObject({ user: idOf(talker), sockets: 1, turns: 1 });
  await talker.close();
  expect(await until(async () => ((await own())?.["sockets"] === 0 ? own() : undefined), "the end")).toMatchObject({
    turns: 1,
  });
});

test("OB12 OD3 a connection that is ended may come back; its line says whose it was", async () => {
  const served = await stage.serve({ journal });
  const [one, other] = [await served.talk(), await served.talk()];
  expect(await ask(served, "DELETE", "connections?number=1")).toEqual({ status: 200, body: { number: 1 } });
  expect((await until(() => one.closed, "the close")).code).toBe(1001);
  expect((await other.ask({ type: "ping" })).type).toBe("ack");
  expect((await (await served.talk({ session: one.session })).ask({ type: "ping" })).type).toBe("ack");
  for (const number of ["1", "99", "", "x", "1.5", "-1", "1e0x", "NaN", "Infinity"]) {
    expect([number, (await ask(served, "DELETE", `connections?number=${number}`)).status]).toEqual([number, 404]);
  }
  expect((await ask(served, "DELETE", "connections")).status).toBe(404);
  expect(acts()[0]).toBe(`admin {"act":"DELETE connections","from":"127.0.0.1","socket":1,"user":"${idOf(one)}"}`);
});

test("OB12 OD3 SE4 a session that is revoked ends on its sockets within a second and lets nobody in again; others stay", async () => {
  const served = await stage.serve({ journal });
  const one = await served.talk();
  const same = await served.talk({ session: one.session });
  const other = await served.talk();
  const user = idOf(one);
  const [session] = await rows(served, `sessions?user=${user}`, "sessions");
  const began = performance.now();
  const path = `sessions?user=${user}&session=${String(session?.["id"])}`;
  expect(await ask(served, "DELETE", path)).toEqual({ status: 200, body: { ended: 1 } });
  for (const talker of [one, same]) expect((await until(() => talker.closed, "the close")).code).toBe(4410);
  expect(performance.now() - began).toBeLessThan(1000);
  const late = await new Talker(served.address).opened();
  await late.ask({ type: "auth", session: one.session });
  expect((await until(() => late.closed, "the refusal")).code).toBe(4410);
  expect((await other.ask({ type: "ping" })).type).toBe("ack");
  // Of another person, of nobody, and a second time: there is no such session.
  const foreign = `sessions?user=${idOf(other)}&session=${String(session?.["id"])}`;
  for (const wrong of [path, foreign, "sessions?user=", "sessions", "sessions?user=%00%0d%0aforged"]) {
    expect([wrong, (await ask(served, "DELETE", wrong)).status]).toEqual([wrong, 404]);
  }
  expect((await other.ask({ type: "ping" })).type).toBe("ack");
  expect(acts()).toContain(`admin {"act":"DELETE sessions","from":"127.0.0.1","user":"${user}","ended":1,"all":false}`);
  for (const line of lines) expect(line).not.toContain(one.session);
});

test("OB11 OD2 to whoever may not come in the lists are not there", async () => {
  const served = await stage.serve({ adminToken: "a-long-operators-token", policy: defaultPolicy });
  const number = await served.talk();
  for (const [method, path] of [
    ["GET", "connections"],
    ["GET", "people"],
    ["GET", `sessions?user=${idOf(number)}`],
    ["DELETE", "connections?number=1"],
    ["DELETE", `sessions?user=${idOf(number)}`],
  ] as const) {
    const response = await fetch(`http://${served.address}/api/v1/admin/${path}`, { method });
    expect([path, response.status]).toEqual([path, 404]);
  }
  expect((await number.ask({ type: "ping" })).type).toBe("ack");
});

test("CD4 connections, disconnect, usage, sessions and revoke show and do the same from the shell", async () => {
  const served = await stage.serve({ journal, policy: defaultPolicy });
  const at = { host: "127.0.0.1", port: Number(served.address.split(":")[1]), token: undefined };
  const say = async (...args: string[]): Promise<{ code: number; out: string; err: string }> => {
    const [out, err]: [string[], string[]] = [[], []];
    const terminal = { print: (line: string) => void out.push(line), complain: (line: string) => void err.push(line) };
    return { code: await runCommand(args, at, terminal), out: out.join("\n"), err: err.join("\n") };
  };
  expect((await say("connections")).out).toBe("Nobody is connected.");
  expect((await say("usage")).out).toBe("Nobody is here.");
  const talker = await served.talk({ guest: true, client: { name: "a\u001b[31mb", version: "1" } });
  const user = idOf(talker);
  expect((await say("connections")).out).toMatch(
    new RegExp(`^1 {2}${user} {2}a \\[31mb {2}this computer {2}\\d{4}-\\S+Z$`),
  );
  expect(await say("usage")).toEqual({ code: 0, out: `${user}  0 tokens  1 sockets  0 replies`, err: "" });
  expect((await say("disconnect", "1")).out).toBe("Disconnected.");
  expect((await until(() => talker.closed, "the close")).code).toBe(1001);
  expect(await say("disconnect", "1")).toEqual({ code: 1, out: "", err: "There is no such connection." });
  const again = await served.talk({ session: talker.session });
  const id = /^\S+/.exec((await say("sessions", user)).out)?.[0] ?? "";
  expect(await say("revoke", user, id)).toEqual({ code: 0, out: "Sessions that were ended: 1", err: "" });
  expect((await until(() => again.closed, "the close")).code).toBe(4410);
  expect((await say("sessions", user)).out).toBe("There is no session.");
  expect(await say("revoke", user)).toMatchObject({ code: 1, err: "There is no such session, or it has ended." });
  for (const args of [["disconnect"], ["sessions"], ["revoke"], ["revoke", "a", "b", "c"], ["usage", "x"]]) {
    expect([args, (await say(...args)).code]).toEqual([args, 2]);
  }
});
