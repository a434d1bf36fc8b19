// Proves that the app shows what it knows of conversations and sessions: marks, hits of a search, what is only as last seen.
import type { BrowserContext } from "playwright-core";
import { afterAll, expect, test } from "vitest";
import { makeKey, serveKeys, sign } from "../identity/issuer.ts";
import { until, WireClient } from "../support/wire-client.ts";
import { bend } from "./app-wire.ts";
import { useStage } from "./app-stage.ts";
import { soon, type Visitor } from "./app-visitor.ts";

const iss = "https://issuer.example";
const key = await makeKey("one");
const keys = await serveKeys({ "/jwks": { body: { keys: [key.jwk] } } });
afterAll(() => keys.close());
const stage = useStage({ AUTH: `guest,oidc:${iss}#chat`, AUTH_JWKS_URL: `${keys.url}/jwks` });

const hour = 3_600;
const tokenOf = (sub: string): Promise<string> => {
  const now = Math.floor(Date.now() / 1000);
  return sign(key, { iss, aud: "chat", sub, iat: now, exp: now + hour });
};

const row = (visitor: Visitor, title: string) => visitor.rows.filter({ hasText: title });

/** A conversation with a title, made on another device. */
async function made(wire: WireClient, title: string, text: string): Promise<string> {
  const conversation = crypto.randomUUID();
  await wire.send(conversation, text);
  await wire.ask({ type: "conversation.update", conversation, title });
  return conversation;
}

test("UI33 RE15 a mark for a reply that is being made, another for one that came meanwhile, none once it is looked at", async () => {
  const visitor = await stage.visit();
  const { page } = visitor;
  await visitor.ask("{{prose chars=30 seed=1}}");
  await visitor.done(1);
  const wire = await stage.wire(page);
  const conversation = await made(wire, "Otter", "{{prose chars=300 piece=10 rate=25 hold=100 seed=2}}");
  const otter = row(visitor, "Otter");
  await otter.getByRole("img", { name: "A reply is being made" }).waitFor();
  const model = stage.model.requests.find(({ behaviour }) => behaviour.hold === 100);
  if (model !== undefined) model.hold = undefined;
  const view = await wire.read(conversation);
  await until(() => view.turns.size === 0, "the end of the reply");
  await otter.getByRole("img", { name: "New reply" }).waitFor();
  await soon(() => otter.getByRole("img").count()).toBe(1);
  await soon(() => visitor.rows.getByRole("img").count()).toBe(1);
  // It is part of the link's name: what is seen is heard too.
  await page.getByRole("link", { name: "Otter New reply" }).click();
  await visitor.replies.first().waitFor();
  await soon(() => otter.getByRole("img").count()).toBe(0);
  await page.reload();
  await visitor.online();
  await soon(() => otter.getByRole("img").count()).toBe(0);
});

test("UI33 conversations without a title are told apart by their time", async () => {
  const context = await stage.context();
  // The server names conversations by itself; here nobody hears of it.
  await bend(context, {
    frame: (frame) => {
      if (frame.type === "conversation") return { ...frame, title: undefined };
      const rows = frame["conversations"] as Record<string, unknown>[] | undefined;
      return rows === undefined
        ? frame
        : { ...frame, conversations: rows.map((one) => ({ ...one, title: undefined })) };
    },
  });
  const visitor = await stage.visit({ context });
  await visitor.ask("{{prose chars=30 seed=3}}");
  await visitor.done(1);
  await soon(() => visitor.rows.locator(".app-row-title").allTextContents()).toEqual([
    expect.stringMatching(/^New conversation, \d\d:\d\d$/),
  ]);
  await visitor.page.getByRole("button", { name: /^More about New conversation, \d\d:\d\d$/ }).waitFor();
});

test("UI34 SR2 RE18 a hit is shown with its words marked, and leads to its message, far back, in view and marked", async () => {
  const visitor = await stage.visit();
  const { page } = visitor;
  await visitor.ask("{{prose chars=30 seed=4}}");
  await visitor.done(1);
  const wire = await stage.wire(page);
  const conversation = await made(wire, "Pelican", "Where do zebras <b>sleep</b>? {{prose chars=900 seed=5}}");
  const view = await wire.read(conversation);
  for (let i = 0; i < 90; i++) {
    await until(() => view.turns.size === 0, "the end of the reply");
    await wire.send(conversation, `Question ${i} {{prose chars=${100 + ((i * 97) % 700)} piece=1000 seed=${i}}}`);
  }
  await until(() => view.turns.size === 0, "the end of the last");
  await page.keyboard.press("Control+K");
  await page.keyboard.type("ZEBRAS");
  const snippet = visitor.rows.locator(".app-snippet");
  await soon(() => snippet.allTextContents()).toEqual([expect.stringContaining("Where do zebras <b>sleep</b>?")]);
  await soon(() => snippet.locator("mark").allTextContents()).toEqual(["zebras"]);
  await page.keyboard.press("Tab");
  await soon(() => page.evaluate(() => document.activeElement?.tagName)).toBe("A");
  await page.keyboard.press("Enter");
  const hit = visitor.own.filter({ hasText: "Where do zebras" });
  await page.locator(".tl-found").waitFor();
  await soon(() => hit.evaluate((one) => one.classList.contains("tl-found"))).toBe(true);
  const message = await hit.getAttribute("data-entry");
  await soon(() => new URL(page.url()).pathname + new URL(page.url()).hash).toBe(`/c/${conversation}#${message}`);
  await visitor.settled();
  await soon(() => visitor.topOf(hit)).toBeGreaterThanOrEqual(0);
  await soon(() => visitor.topOf(hit)).toBeLessThan(100);
  // Whoever came by keys goes on from there.
  await soon(() => hit.evaluate((one) => one === document.activeElement)).toBe(true);
  await soon(() => page.locator(".tl-found").count()).toBe(0);
  // The same hit again, after the person has gone elsewhere in it.
  await visitor.log.focus();
  await page.keyboard.press("End");
  await visitor.settled();
  await soon(() => visitor.topOf(hit)).toBeLessThan(-1000);
  await visitor.rows.getByRole("link").click();
  await soon(async () => Math.abs(await visitor.topOf(hit)) < 100).toBe(true);
  // One that is not there any more is told.
  await page.goto(`/c/${conversation}#${crypto.randomUUID()}`);
  await page.getByRole("alert").getByText("That message cannot be shown here any more.").waitFor();
  await soon(async () => Math.abs(await visitor.topOf(hit))).toBeLessThan(100);
});

test("UI34 on a phone a hit closes the drawer, also one in the conversation that is shown", async () => {
  const visitor = await stage.visit({ device: "phone" });
  const { page } = visitor;
  await visitor.ask("A quokka {{prose chars=3000 seed=6}}");
  await visitor.done(1);
  for (let i = 0; i < 2; i++) {
    await visitor.button("Show conversations").tap();
    await page.getByRole("searchbox").fill("quokka");
    await visitor.rows.locator(".app-snippet mark").waitFor();
    await visitor.rows.getByRole("link").tap();
    await soon(() => page.getByRole("navigation", { name: "Conversations" }).count()).toBe(0);
    await page.locator(".tl-found").waitFor();
  }
});

test("UI34 RE16 without a server the list stands as it was last seen and says so; then it is true again", async () => {
  const visitor = await stage.visit();
  const { page } = visitor;
  visitor.expectTrouble();
  await page.evaluate(async () => (await navigator.serviceWorker.ready).active?.state);
  const wire = await stage.wire(page);
  const conversation = await made(wire, "Raven", "{{prose chars=30 seed=7}}");
  await row(visitor, "Raven").waitFor();
  await soon(() => page.evaluate(keptHere)).toContain("Raven");
  stage.cut();
  await page.reload();
  await row(visitor, "Raven").waitFor();
  const told = page.getByText("As last seen. It is brought up to date when the server is back.");
  await told.waitFor();
  await wire.ask({ type: "conversation.update", conversation, title: "Rook" });
  stage.reachable = true;
  await visitor.button("Try now").click();
  await visitor.online();
  await row(visitor, "Rook").waitFor();
  await soon(() => told.count()).toBe(0);
});

/** Everything that the page has in IndexedDB, as one text. Runs in the page. */
async function keptHere(): Promise<string> {
  const wait = <T>(asked: IDBRequest<T>): Promise<T> =>
    new Promise((resolve, reject) => {
      asked.onsuccess = () => resolve(asked.result);
      asked.onerror = () => reject(asked.error ?? new Error("IndexedDB failed"));
    });
  const all: unknown[] = [];
  for (const { name } of await indexedDB.databases()) {
    const database = await wait(indexedDB.open(name ?? ""));
    for (const store of database.objectStoreNames)
      all.push(await wait(database.transaction(store).objectStore(store).getAll()));
    database.close();
  }
  return JSON.stringify(all);
}

/** A page in a session of a person who has signed in. */
async function enter(session: WireClient, context?: BrowserContext): Promise<Visitor> {
  const visitor = await stage.visit({ ...(context && { context }) });
  const user = { id: session.user };
  await visitor.page.evaluate(
    ([session, user]) => {
      const name = Object.keys(localStorage).find((one) => one.endsWith("/session")) ?? "";
      localStorage.setItem(name, JSON.stringify({ session, user }));
      sessionStorage.clear();
    },
    [session.token, user] as const,
  );
  await visitor.page.goto("/");
  await visitor.online();
  return visitor;
}

test("UI35 PE7 PE8 the settings list the sessions, this one marked; another is ended there, at once, and the list is new", async () => {
  const here = await WireClient.connect(stage.server.url, { auth: { token: await tokenOf("ann") } });
  const there = await WireClient.connect(stage.server.url, {
    auth: { token: await tokenOf("ann"), client: { name: "Pocket", version: "1" } },
  });
  const visitor = await enter(here);
  const { page } = visitor;
  await page.locator(".app-person").click();
  const list = page.getByRole("region", { name: "Where you are signed in" }).getByRole("listitem");
  await soon(() => list.count()).toBe(2);
  const own = list.filter({ hasText: "This device" });
  await soon(() => own.getByRole("button").count()).toBe(0);
  await soon(() => own.textContent()).toContain("on this computer");
  const other = list.filter({ hasText: "Pocket" });
  await soon(() => other.textContent()).toMatch(/Pocket\s*on this computer · last seen this minute/);
  await other.getByRole("button", { name: "Sign out there: Pocket" }).click();
  await soon(() => list.count()).toBe(1);
  await page.getByRole("status").getByText("Signed out there").waitFor();
  await until(() => there.closed, "the end of the other session");
  expect(there.closed?.code).toBe(4410);
  expect(here.closed).toBeUndefined();
  here.cut();
});

test("UI35 what is refused is told, and the list is loaded anew; signing out everywhere ends all of them", async () => {
  const here = await WireClient.connect(stage.server.url, { auth: { token: await tokenOf("bea") } });
  const there = await WireClient.connect(stage.server.url, { auth: { token: await tokenOf("bea") } });
  const context = await stage.context();
  await bend(context, {
    command: ({ type }) =>
      type === "session.revoke"
        ? { type: "error", error: { code: "unavailable", message: "-", retryable: true, retryAfterMs: 4200 } }
        : undefined,
  });
  const visitor = await enter(here, context);
  const { page } = visitor;
  await page.locator(".app-person").click();
  const list = page.getByRole("region", { name: "Where you are signed in" }).getByRole("listitem");
  await soon(() => list.count()).toBe(2);
  const third = await WireClient.connect(stage.server.url, { auth: { token: await tokenOf("bea") } });
  await list.getByRole("button").click();
  await page.getByRole("alert").getByText("Nothing was lost. Try again in 5 s.").waitFor();
  await soon(() => list.count()).toBe(3);
  expect(there.closed).toBeUndefined();
  await visitor.button("Sign out everywhere").click();
  await page.locator('.tl-dot[data-state="signed-out"]').waitFor();
  const all = [here, there, third];
  await until(() => all.every(({ closed }) => closed !== undefined), "the end of every session");
  expect(all.map(({ closed }) => closed?.code)).toEqual([4410, 4410, 4410]);
});
