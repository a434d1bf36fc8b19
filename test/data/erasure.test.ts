// Owns the proof that a deleted account is gone: from every answer, every socket and every file, whatever was under way, also after a crash.
import { execFileSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { MasterVault } from "../../src/adapters/embedded/master-vault.ts";
import { openStore } from "../../src/adapters/embedded/store.ts";
import { systemClock } from "../../src/server/clock.ts";
import { defaultPolicy } from "../../src/server/policy.ts";
import { sendTo, Stage, until, Talker, type Served } from "../server/talker.ts";
import { Register, token, tokens } from "../access/sign-in.ts";
import { findText } from "../encryption/files.ts";
import { bodyOf } from "../files/samples.ts";
import { temporaryDirectory } from "../support/temporary.ts";

let stage: Stage;
let served: Served;
beforeEach(() => void (stage = new Stage()));
afterEach(() => stage.end());

const uuid = (): string => crypto.randomUUID();
const bearer = (session: string): Record<string, string> => ({ authorization: `Bearer ${session}` });
const json = { "content-type": "application/json" };
const userOf = (talker: Talker): string => String((talker.frames[0]?.["user"] as { id: string } | undefined)?.id);
const remove = (session: string, body: BodyInit = '{"confirm":"delete"}', headers: Record<string, string> = json) =>
  fetch(`http://${served.address}/api/v1/account`, {
    method: "DELETE",
    headers: { ...bearer(session), ...headers },
    body,
  });
const codeOf = async (answer: Response): Promise<[number, unknown]> => {
  const { code }: { code?: unknown } = JSON.parse(await answer.text());
  return [answer.status, code];
};
/** The files as a process that was killed would leave them. Another process reads them: a descriptor closed here would free the lock. */
const copyOfFiles = (): string => {
  const copy = temporaryDirectory();
  execFileSync("cp", ["-r", `${stage.dataDir}/.`, copy]);
  return copy;
};
/** Somebody with conversations, a reply that is being made, a file, and sessions. */
async function furnish(who: string): Promise<{ talker: Talker; other: Talker; conversation: string; file: string }> {
  const talker = await served.talk({ token: token(who) });
  const other = await served.talk({ token: token(who) });
  const conversation = uuid();
  const answer = await fetch(`http://${served.address}/api/v1/files`, {
    method: "POST",
    headers: bearer(talker.session),
    body: bodyOf(`${who}.txt`, `a file of ${who}`),
  });
  const { id: file } = JSON.parse(await answer.text()) as { id: string };
  const parts = [
    { type: "text", text: `words of ${who}: 2 words every 1 ms` },
    { type: "file", file },
  ];
  await talker.ask({ ...sendTo(conversation, ""), parts });
  for (let i = 0; i < 30; i++) await talker.ask({ type: "conversation.create", conversation: uuid(), title: who });
  await talker.ask(sendTo(uuid(), `words of ${who}: 100000 words every 5 ms`));
  return { talker, other, conversation, file };
}

describe("the end of an account", () => {
  test("AC1 AC2 OP11 AZ13 every socket ends within a second, nothing can be read any more, nobody else notices, and no file says a word", async () => {
    served = await stage.serve({ identity: tokens, policy: defaultPolicy });
    const { talker: bob, conversation: kept, file: keptFile } = await furnish("bob");
    const { talker, other, conversation, file } = await furnish("anna-of-the-canary");
    const user = userOf(talker);
    const { session } = talker;
    await until(() => findText(copyOfFiles(), user).length > 0, "the rows");
    const began = performance.now();
    const closed = Promise.all(
      [talker, other].map((one) => until(() => one.closed && performance.now(), "the close")),
    );
    const answer = await remove(session);
    expect([answer.status, await answer.text()]).toEqual([204, ""]);
    expect(Math.max(...(await closed)) - began).toBeLessThan(1000);
    expect([talker.closed?.code, other.closed?.code]).toEqual([4410, 4410]);
    // The same token is another person now; the session is nobody's.
    expect(await codeOf(await remove(session))).toEqual([401, "unauthorized"]);
    const again = await served.talk({ token: token("anna-of-the-canary") });
    expect(userOf(again)).not.toBe(user);
    expect(await again.ask({ type: "conversation.open", conversation })).toMatchObject({ error: { code: "not_found" } });
    const bytes = await fetch(`http://${served.address}/api/v1/files/${file}`, { headers: bearer(again.session) });
    expect(bytes.status).toBe(404);
    await again.ask({ type: "auth.logout" });
    // All that is left of the first one: nothing, in the database, its log and the folder of files.
    await until(() => findText(copyOfFiles(), user).length === 0, "no byte with the id");
    for (const text of [conversation, file, "a file of anna", "words of anna"]) {
      expect([text, findText(copyOfFiles(), text)]).toEqual([text, []]);
    }
    expect(readdirSync(join(stage.dataDir, "files")).filter((name) => name.includes(file))).toEqual([]);
    expect(await bob.ask({ type: "conversation.open", conversation: kept })).toMatchObject({ type: "ack" });
    const theirs = await fetch(`http://${served.address}/api/v1/files/${keptFile}`, { headers: bearer(bob.session) });
    expect(await theirs.text()).toBe("a file of bob");
    expect(bob.closed).toBeUndefined();
  });

  test("AC1 only with the word, as JSON, and by nobody else", async () => {
    served = await stage.serve({ identity: tokens });
    const { talker, conversation } = await furnish("ann");
    for (const body of ["{}", '{"confirm":true}', '{"confirm":"DELETE"}', "null", "[]", '"delete"']) {
      expect([body, ...(await codeOf(await remove(talker.session, body)))]).toEqual([body, 400, "invalid"]);
    }
    expect(await codeOf(await remove(talker.session, "{"))).toEqual([400, "invalid"]);
    const form = { "content-type": "text/plain" };
    expect(await codeOf(await remove(talker.session, undefined, form))).toEqual([415, "unsupported_media"]);
    expect(await codeOf(await remove(talker.session, "x".repeat(20_000)))).toEqual([413, "too_large"]);
    expect(await codeOf(await remove("rubbish"))).toEqual([401, "unauthorized"]);
    const foreign = await remove(talker.session, undefined, { ...json, origin: "https://elsewhere.example" });
    expect(await codeOf(foreign)).toEqual([403, "forbidden"]);
    const leaky = await fetch(`http://${served.address}/api/v1/account?token=${talker.session}`, { method: "DELETE" });
    expect(leaky.status).toBe(400);
    expect(await talker.ask({ type: "conversation.open", conversation })).toMatchObject({ type: "ack" });
  });

  test("AC3 OP11 what was on its way while the account ended is gone as well: commands, sign-ins, a guest who moves in", async () => {
    served = await stage.serve({ identity: tokens });
    const talkers = await Promise.all(Array.from({ length: 5 }, () => served.talk({ token: token("ann") })));
    const user = userOf(talkers[0] ?? expect.fail());
    const session = talkers[0]?.session ?? "";
    const guest = await served.talk();
    await guest.ask(sendTo(uuid(), "words of a guest"));
    for (let i = 0; i < 60; i++) {
      for (const talker of talkers) talker.say({ id: `${i}`, ...sendTo(uuid(), "words of ann") });
    }
    const ended = remove(session);
    const next = await new Talker(served.address).opened();
    next.say({ id: "in", type: "auth", token: token("ann"), session: guest.session });
    for (let i = 60; i < 120; i++) {
      for (const talker of talkers) if (talker.ws.readyState === 1) talker.say({ id: `${i}`, ...sendTo(uuid(), "x") });
    }
    expect((await ended).status).toBe(204);
    await until(() => next.closed ?? next.frames[0], "an answer or a close");
    await until(() => talkers.every((talker) => talker.closed !== undefined), "the closes");
    await until(() => findText(copyOfFiles(), user).length === 0, "no byte with the id", 15_000);
    // Whoever came in as the next person stays, or was signed out with the first one and comes in anew.
    if (next.closed === undefined) expect(userOf(next)).not.toBe(user);
    else expect(next.closed.code).toBe(4410);
    next.ws.terminate();
  });

  test("AC4 OP11 an erasure that a crash interrupted is finished at the next start, before anybody comes in", async () => {
    served = await stage.serve({ identity: tokens });
    const { talker } = await furnish("ann");
    const user = userOf(talker);
    await talker.close();
    await served.host.close(0);
    // As a process leaves it that dies after the first conversations.
    const file = join(stage.dataDir, "throughline.db");
    const vault = new MasterVault({ keys: [], file: join(stage.dataDir, "master.key") });
    const earlier = openStore({ file, vault, durability: "process", clock: systemClock });
    await earlier.erasures.erase(user, { again: true });
    expect(await earlier.erasures.unfinished()).toEqual([user]);
    await earlier.close();
    expect(findText(stage.dataDir, user)).not.toEqual([]);
    served = await stage.serve({ identity: tokens });
    expect(findText(copyOfFiles(), user)).toEqual([]);
  });

  test("AC3 a process that leaves right after the answer finishes first", async () => {
    const register = new Register();
    served = await stage.serve({ identity: tokens, users: (inner) => register.over(inner) });
    const { talker } = await furnish("ann");
    const user = userOf(talker);
    expect((await remove(talker.session)).status).toBe(204);
    await served.host.close(0);
    expect(findText(stage.dataDir, user)).toEqual([]);
  });
});
