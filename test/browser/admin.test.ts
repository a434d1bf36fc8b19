// Proves in a real browser that the operator's page shows what goes on, and acts, for the operator alone.
import AxeBuilder from "axe-core";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { Browser, BrowserContextOptions, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import type { Journal } from "../../src/host.ts";
import { defaultPolicy } from "../../src/server/policy.ts";
import { counting, sendTo, Stage, until, type Served } from "../server/talker.ts";
import { launch, openPage, type Watched } from "./chromium.ts";
import { soon } from "./app-visitor.ts";

const app = join(import.meta.dirname, "../../dist/public");
const token = "a-long-operators-token";
let browser: Browser;
let stage: Stage;
const opened: Watched[] = [];
beforeAll(async () => void (browser = await launch()), 30_000);
afterAll(() => browser.close());
beforeEach(() => void (stage = new Stage()));
afterEach(async () => {
  for (const watched of opened.splice(0)) await watched.close();
  await stage.end();
});

async function visit(served: Served, options: BrowserContextOptions = {}): Promise<Page> {
  const origin = `http://${served.address}`;
  const watched = await openPage(browser, [origin], options);
  opened.push(watched);
  await watched.page.goto(`${origin}/admin`);
  return watched.page;
}
/** A model whose server counts tokens. */
function charging(): ReturnType<typeof counting> {
  const model = counting();
  return {
    ...model,
    async *stream(request, signal) {
      yield* model.stream(request, signal);
      yield { type: "usage", usage: { inputTokens: 3, outputTokens: 50 } };
    },
  };
}
/** People who talk, one who comes back and one who asks for what is not there. */
async function traffic(served: Served): Promise<void> {
  for (let i = 0; i < 3; i++) {
    const talker = await served.talk();
    const conversation = crypto.randomUUID();
    await talker.ask(sendTo(conversation, "canary-of-a-text 20 words every 5 ms"));
    await talker.ask({ type: "conversation.open", conversation, seq: 0 });
    await talker.ask({ type: "conversation.open", conversation: crypto.randomUUID() });
    await until(() => talker.events().find((event) => event.kind === "turn.finished"), "the reply's end");
  }
}
const shown = (page: Page, text: RegExp): Promise<void> => page.getByText(text).first().waitFor({ timeout: 20_000 });

test("OB5 the page shows what goes on, live, and no text of it", async () => {
  const served = await stage.serve({ app, model: charging() });
  const page = await visit(served);
  await shown(page, /^Connections$/);
  const connected = page.locator("dd").first();
  await soon(() => connected.textContent()).toBe("0");
  await traffic(served);
  await until(async () => (await connected.textContent()) === "3", "three people", 20_000);
  await shown(page, /^not_found 3$/);
  await shown(page, /^resumed 3$/);
  // What was said at once may stand in two slices of the time.
  await shown(page, /^most 0\.[123]0 per second$/);
  await shown(page, /^most (?:5|10|15) per second$/);
  await shown(page, /^p95 \d+$/);
  await shown(page, /^in use$/);
  await soon(() => page.getByRole("img").count()).toBe(6);
  expect(await page.content()).not.toContain("canary-of-a-text");
  expect(opened[0]?.faults).toEqual([]);
  // There is no token to forget where none is asked for.
  expect(await page.getByRole("button", { name: "Forget token" }).count()).toBe(0);
});

test("OB5 OD3 blocks are added and lifted, and each act is a line in the journal", async () => {
  const lines: string[] = [];
  const note = (event: string, fields?: object): void => void lines.push(`${event} ${JSON.stringify(fields)}`);
  const journal: Journal = { info: note, warn: note, error: note };
  const served = await stage.serve({ app, policy: defaultPolicy, journal });
  const page = await visit(served);
  await page.getByLabel("Address or range").fill("203.0.113.0/24");
  await page.getByLabel(/Minutes/).fill("5");
  await page.getByRole("button", { name: "Block" }).click();
  await page.getByRole("button", { name: "Lift 203.0.113.0/24" }).click();
  await shown(page, /^Nobody is shut out\.$/);
  await page.getByLabel("Address or range").fill("<b>rubbish</b>");
  await page.getByRole("button", { name: "Block" }).click();
  await shown(page, /^This is no IP address and no range\.$/);
  const acts = lines.flatMap((line) => /"act":"([^"]+)"/.exec(line)?.[1] ?? []);
  expect(acts.filter((act) => act !== "GET blocks")).toEqual(["POST blocks", "DELETE blocks", "POST blocks"]);
  expect(acts).not.toContain("GET figures");
});

test("OB11 OB12 people and connections are listed; one is disconnected, a session revoked, and each act is a line", async () => {
  const lines: string[] = [];
  const note = (event: string, fields?: object): void => void lines.push(`${event} ${JSON.stringify(fields)}`);
  const served = await stage.serve({ app, model: charging(), journal: { info: note, warn: note, error: note } });
  await traffic(served);
  const [kept, revoked] = [await served.talk(), await served.talk()];
  const page = await visit(served);
  await page.getByRole("heading", { name: "People (5)" }).waitFor({ timeout: 20_000 });
  await page.getByRole("heading", { name: "Latest connections (5)" }).waitFor({ timeout: 20_000 });
  await shown(page, /53 tokens today, 1 connected$/);
  await page.getByRole("button", { name: "Disconnect 4" }).click();
  expect((await until(() => kept.closed, "the close")).code).toBe(1001);
  await page.getByRole("heading", { name: "Latest connections (4)" }).waitFor({ timeout: 20_000 });
  const who = revoked.frames.find((frame) => frame["user"] !== undefined)?.["user"] as { id: string } | undefined;
  await page.getByRole("button", { name: `Sessions of ${who?.id}` }).click();
  await page.getByRole("button", { name: /^Revoke / }).click();
  expect((await until(() => revoked.closed, "the close")).code).toBe(4410);
  // Who has nothing of the day and no socket is not listed any more.
  await page.getByRole("heading", { name: "People (3)" }).waitFor({ timeout: 20_000 });
  await page.getByRole("heading", { name: "Latest connections (3)" }).waitFor({ timeout: 20_000 });
  const acts = lines.flatMap((line) => /"act":"([^"]+)"/.exec(line)?.[1] ?? []);
  expect(acts).toContain("DELETE connections");
  expect(acts).toContain("DELETE sessions");
  expect(await page.content()).not.toContain("canary-of-a-text");
  expect(opened[0]?.faults).toEqual([]);
});

test("OB6 OP01 OP02 with a token the page holds nothing until it is typed in; a wrong one opens nothing", async () => {
  const served = await stage.serve({ app, adminToken: token, policy: defaultPolicy });
  const page = await visit(served);
  const field = page.getByLabel(/Operator's token/);
  await field.fill("something-else-entirely");
  await page.getByRole("button", { name: "Enter" }).click();
  await shown(page, /^The server does not take this token\.$/);
  expect(await page.getByRole("img").count()).toBe(0);
  await field.fill(token);
  await page.getByRole("button", { name: "Enter" }).click();
  await shown(page, /^Connections$/);
  expect(page.url()).not.toContain(token);
  expect(await page.context().cookies()).toEqual([]);
  expect(await page.evaluate(() => localStorage.length)).toBe(0);
  await page.reload();
  await shown(page, /^Connections$/);
  await page.getByRole("button", { name: "Forget token" }).click();
  await field.waitFor();
  await soon(() => page.getByRole("img").count()).toBe(0);
});

test("OB6 OP01 without a token the page is for this machine alone", async () => {
  const served = await stage.serve({ app });
  const ask = async (path: string, headers: Record<string, string> = {}): Promise<number> =>
    (await fetch(`http://${served.address}${path}`, { headers })).status;
  expect(await ask("/admin")).toBe(200);
  expect(await ask("/admin", { "X-Forwarded-For": "203.0.113.9" })).toBe(404);
  expect(await ask("/admin.html")).toBe(404);
  expect(await ask("/admin/")).toBe(404);
});

const looks = (["light", "dark"] as const).flatMap((colorScheme) =>
  (["phone", "desktop"] as const).map((device) => [device, colorScheme] as const),
);
test.for(looks)("OB7 %s, %s: axe finds nothing and nothing is cut off", async ([device, colorScheme]) => {
  const served = await stage.serve({ app, model: charging() });
  await traffic(served);
  const viewport = device === "phone" ? { width: 360, height: 740 } : { width: 1280, height: 900 };
  const page = await visit(served, { viewport, colorScheme, bypassCSP: true });
  await shown(page, /^not_found 3$/);
  await page
    .getByRole("button", { name: /^Sessions of / })
    .first()
    .click();
  await page.getByRole("button", { name: /^Revoke / }).waitFor({ timeout: 20_000 });
  await page.addScriptTag({ content: AxeBuilder.source });
  const found = await page.evaluate(async () => {
    const { axe } = window as unknown as { axe: { run: () => Promise<{ violations: { id: string }[] }> } };
    return (await axe.run()).violations.map(({ id }) => id);
  });
  expect(found).toEqual([]);
  await soon(() => page.evaluate(() => document.documentElement.scrollWidth)).toBe(viewport.width);
  const folder = process.env["SCREENSHOTS"];
  if (folder !== undefined) {
    mkdirSync(folder, { recursive: true });
    await page.screenshot({ path: join(folder, `admin-${device}-${colorScheme}.png`), fullPage: true });
  }
});
