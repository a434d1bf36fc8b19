// Proves sign-in by email and password in a real Chromium against a stand-in for Firebase's endpoints, without Google's scripts.
import type { Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import { ServerProcess } from "../e2e/server-process.ts";
import { startToolkit, type Toolkit } from "../identity/toolkit.ts";
import { startModelServer, type ModelServer } from "../support/model-server.ts";
import { until } from "../support/wire-client.ts";
import { box, expectAccessible, online, say, storesOf, useBrowser, watch } from "./sign-in-stage.ts";
import { soon } from "./app-visitor.ts";

const browser = useBrowser();
const project = "demo-chat";
const password = "correct horse";
let toolkit: Toolkit;
let model: ModelServer;
let server: ServerProcess;

beforeAll(async () => {
  toolkit = await startToolkit(project);
  model = await startModelServer();
  server = new ServerProcess({
    MODEL: "openai-compatible:test",
    OPENAI_BASE_URL: model.url,
    AUTH: `guest,firebase:${project}`,
    FIREBASE_API_KEY: "AIza-web-key",
    FIREBASE_AUTH_EMULATOR_HOST: toolkit.host,
  });
  await server.start();
});
afterAll(async () => {
  await Promise.all([toolkit.close(), model.close()]);
  await server.dispose();
});
beforeEach(() => {
  Object.assign(toolkit, { lasting: 3600, refusal: undefined });
  toolkit.asked.length = toolkit.secrets.length = 0;
});
afterEach(() => {
  for (const secret of [password, ...toolkit.secrets]) expect(server.output).not.toContain(secret);
});

async function atForm(page: Page): Promise<void> {
  await page.goto(server.url);
  await online(page);
  await page.getByRole("button", { name: /Settings/ }).click();
  await page.getByRole("button", { name: "Sign in", exact: true }).click();
  await page.getByLabel("Email").waitFor();
}
async function submit(page: Page, secret: string): Promise<void> {
  await page.getByLabel("Email").fill("ann@example.org");
  await page.getByLabel("Password").fill(secret);
  await page.getByLabel("Password").press("Enter");
}

test("SG11 SG3 a guest signs in by email and password without leaving the page: one socket after the other, the draft stays", async () => {
  const context = await browser.context();
  const { page, asked, sockets, said, wrong } = await watch(context);
  await page.goto(server.url);
  await online(page);
  await box(page).fill("a draft of the guest");
  await atForm(page);
  await expectAccessible(page, "the form");
  const [email, secret] = [page.getByLabel("Email"), page.getByLabel("Password")];
  await soon(() => email.getAttribute("autocomplete")).toBe("username");
  await soon(() => secret.getAttribute("autocomplete")).toBe("current-password");
  const before = sockets.length;
  await submit(page, password);
  await page.locator(".app-person", { hasText: "ann" }).waitFor();
  await page.getByRole("dialog").waitFor({ state: "detached" });
  expect(sockets.length - before).toBe(1);
  await soon(() => box(page).inputValue()).toBe("a draft of the guest");
  await say(page, "hello as ann");
  const stores = Object.values(await storesOf(page)).join("\n");
  expect(toolkit.secrets).toHaveLength(2);
  for (const hidden of [password, ...toolkit.secrets])
    expect(`${asked.join("\n")}${said.join("\n")}${stores}`).not.toContain(hidden);
  expect(asked.filter((url) => new URL(url).host === toolkit.host)).toEqual([
    `http://${toolkit.host}/identitytoolkit.googleapis.com/v1/accounts:signInWithPassword?key=AIza-web-key`,
  ]);
  // Keys that are limited to sites need to be told which this is, and nothing more.
  expect(toolkit.asked[0]?.referer).toBe(`${server.url}/`);
  expect(wrong).toEqual([]);
});

test("SG11 SG5 a wrong password, too many attempts, a disabled account: told in a sentence, the guest stays", async () => {
  const context = await browser.context();
  const { page, sockets } = await watch(context);
  await atForm(page);
  const before = sockets.length;
  await submit(page, "wrong");
  await page.getByText("That did not work. Check what you entered").waitFor();
  await soon(() => page.getByLabel("Password").inputValue()).toBe("");
  await soon(() => page.getByLabel("Email").inputValue()).toBe("ann@example.org");
  for (const [refusal, sentence] of [
    ["TOO_MANY_ATTEMPTS_TRY_LATER : Access has been disabled", "Too many attempts."],
    ["USER_DISABLED", "This account is disabled."],
    ["<b>NEW_THING</b>", "The sign-in service said: <b>NEW_THING</b>"],
  ] as const) {
    toolkit.refusal = refusal;
    await submit(page, password);
    await page.getByText(sentence).waitFor();
  }
  await page.getByRole("button", { name: "Close" }).click();
  await soon(() => page.locator(".app-person").textContent()).toContain("Guest");
  expect(sockets).toHaveLength(before);
});

test("SG11 SG6 C3 the token is renewed on the open socket", async () => {
  toolkit.lasting = 61;
  const context = await browser.context();
  const { page, sockets } = await watch(context);
  await atForm(page);
  await submit(page, password);
  await page.locator(".app-person", { hasText: "ann" }).waitFor();
  toolkit.lasting = 3600;
  await until(() => sockets.at(-1)?.some((frame) => frame.includes("auth.refresh")) === true, "the refresh", 10_000);
  const count = sockets.length;
  await say(page, "still here");
  expect(sockets).toHaveLength(count);
  const renewal = toolkit.asked.find(({ what }) => what.includes("securetoken"));
  expect(renewal?.what).toBe("POST /securetoken.googleapis.com/v1/token?key=AIza-web-key");
  expect(Object.fromEntries(new URLSearchParams(renewal?.body))).toMatchObject({ grant_type: "refresh_token" });
});
