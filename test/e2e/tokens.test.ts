import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { makeKey, serveKeys, sign, type Key } from "../identity/issuer.ts";
import { expectedText, startModelServer, type ModelServer } from "../support/model-server.ts";
import { until, WireClient, type Answer } from "../support/wire-client.ts";
import { ServerProcess } from "./server-process.ts";

const issuer = "https://issuer.example";
const audience = "chat";
let key: Key;
let keys: Awaited<ReturnType<typeof serveKeys>>;
let model: ModelServer;
let server: ServerProcess;
beforeAll(async () => {
  key = await makeKey("one");
  keys = await serveKeys({ "/jwks": { body: { keys: [key.jwk] } } });
  model = await startModelServer({ prefill: true });
  server = new ServerProcess({
    MODEL: "openai-compatible:test",
    OPENAI_BASE_URL: model.url,
    AUTH: `oidc:${issuer}#${audience}`,
    AUTH_JWKS_URL: `${keys.url}/jwks`,
  });
  await server.start();
});
afterAll(async () => {
  await Promise.all([keys.close(), model.close()]);
  await server.dispose();
});

/** A token of somebody, good for so many seconds. */
function token(sub: string, seconds: number, more: Record<string, unknown> = {}): Promise<string> {
  const now = Math.floor(Date.now() / 1000);
  return sign(key, { iss: issuer, aud: audience, sub, iat: now, exp: now + seconds, ...more });
}
const signIn = async (sub: string, seconds: number): Promise<WireClient> =>
  WireClient.connect(server.url, { auth: { token: await token(sub, seconds) } });
const refused = async (auth: Record<string, unknown>): Promise<{ answer: Answer; code: number | undefined }> => {
  const client = await WireClient.connect(server.url, { auth });
  await until(() => client.closed !== undefined, "the close", 3000);
  return { answer: client.hello, code: client.closed?.code };
};

describe.concurrent("tokens of an issuer", () => {
  test(
    "AZ10 SE3 a token ends in mid-connection: told, closed 4401 thirty seconds later, and a refresh keeps the socket and the reply",
    { timeout: 60_000 },
    async () => {
      const before = Date.now();
      const [kept, lost] = [await signIn("ann", 4), await signIn("ann", 4)];
      const conversation = crypto.randomUUID();
      const sent = await lost.send(conversation, "{{seed=3 chars=3000 rate=20 piece=4}}");
      for (const client of [kept, lost]) await client.open(conversation);
      await until(() => kept.notices.length > 0 && lost.notices.length > 0, "both warnings");
      for (const { notices } of [kept, lost]) {
        expect(notices).toMatchObject([{ type: "notice", code: "token_expiring" }]);
        const late = Date.parse(String(notices[0]?.["at"])) - before;
        expect(Math.abs(late - 4000)).toBeLessThan(1500);
      }
      const elsewhere = await kept.ask({ type: "auth.refresh", token: await token("bob", 600) });
      expect(elsewhere).toMatchObject({ type: "error", error: { code: "unauthorized" } });
      expect(await kept.ask({ type: "auth.refresh", token: "x.y.z" })).toMatchObject({
        error: { code: "unauthorized" },
      });
      expect(await kept.ask({ type: "auth.refresh", token: await token("ann", 600) })).toMatchObject({
        type: "ack",
        session: { id: (kept.hello["session"] as { id: string }).id },
      });
      await until(() => lost.closed, "the close", 40_000);
      expect(lost.closed?.code).toBe(4401);
      const after = Date.now() - before;
      expect(after).toBeGreaterThan(33_000);
      expect(after).toBeLessThan(37_500);
      expect(await kept.ask({ type: "ping" })).toMatchObject({ type: "ack" });
      const view = kept.views.get(conversation);
      await until(() => (view?.text(sent["reply"]).length ?? 0) > 2700, "the reply to go on", 10_000);
      expect(expectedText(3, 3000).startsWith(view?.text(sent["reply"]) ?? "-")).toBe(true);
      await kept.ask({ type: "turn.stop", conversation, turn: sent["turn"] });
      expect([...kept.anomalies, ...lost.anomalies]).toEqual([]);
      expect(kept.closed).toBeUndefined();
      kept.cut();
    },
  );

  test("HS19 ID1 SE2 what is no good token is 4401 with one and the same message; no guest comes in where none is allowed", async () => {
    const other = await makeKey("one");
    const now = Math.floor(Date.now() / 1000);
    const claims = { iss: issuer, aud: audience, sub: "eve", iat: now, exp: now + 600 };
    const encoded = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url");
    const bad: Record<string, string> = {
      expired: await token("eve", -120),
      "not yet": await token("eve", 600, { nbf: now + 600 }),
      "another audience": await token("eve", 600, { aud: "other" }),
      "another issuer": await token("eve", 600, { iss: `${issuer}/` }),
      "no subject": await token("", 600),
      "another key": await sign(other, claims),
      "an unknown kid": await sign({ ...key, kid: "two" }, claims),
      "a critical header": await sign(key, claims, { crit: ["exp"] }).catch(() => "a.b.c"),
      unsigned: `${encoded({ alg: "none", kid: "one" })}.${encoded(claims)}.`,
      "cut off": (await token("eve", 600)).slice(0, -10),
      rubbish: "rubbish",
    };
    const found = await Promise.all(
      Object.entries(bad).map(async ([name, text]) => {
        const { answer, code } = await refused({ token: text });
        return [name, code, answer.error?.code, answer.error?.["message"]] as const;
      }),
    );
    const message = found[0]?.[3];
    expect(found).toEqual(Object.keys(bad).map((name) => [name, 4401, "unauthorized", message]));
    expect(await refused({ guest: true })).toMatchObject({ code: 4401 });
    expect(await refused({ session: "made-up", guest: true })).toMatchObject({ code: 4401 });
    expect(server.output).not.toContain(String(bad["expired"]).slice(-40));
  });

  test("SE2 AZ16 AZ17 one person's tokens are one user on every device; another's session is never taken over", async () => {
    const [phone, laptop, bob] = [await signIn("carol", 600), await signIn("carol", 600), await signIn("bob", 600)];
    expect(laptop.user).toBe(phone.user);
    expect(bob.user).not.toBe(phone.user);
    expect(laptop.token).not.toBe(phone.token);
    const mixed = await WireClient.connect(server.url, {
      auth: { token: await token("bob", 600), session: phone.token },
    });
    expect(mixed.user).toBe(bob.user);
    expect(mixed.token).not.toBe(phone.token);
    const resumed = await WireClient.connect(server.url, { auth: { session: phone.token } });
    expect(resumed.user).toBe(phone.user);
    for (const client of [phone, laptop, bob, mixed, resumed]) client.cut();
  });
});
