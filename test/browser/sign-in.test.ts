// Proves sign-in in the app in a real Chromium against a real issuer: the whole way there and back, and everything that can go wrong on it.
import type { Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { ServerProcess } from "../e2e/server-process.ts";
import { startOidcIssuer, type OidcIssuer } from "../identity/oidc-issuer.ts";
import { startModelServer, type ModelServer } from "../support/model-server.ts";
import { until, WireClient } from "../support/wire-client.ts";
import { box, expectAccessible, online, say, signedOut, storesOf, useBrowser, watch } from "./sign-in-stage.ts";
import { soon } from "./app-visitor.ts";

const browser = useBrowser();
let issuer: OidcIssuer;
let model: ModelServer;
/** Lets guests in, or not. */
let open: ServerProcess;
let closed: ServerProcess;

beforeAll(async () => {
  issuer = await startOidcIssuer();
  const way = `oidc:${issuer.url}#${issuer.client}`;
  model = await startModelServer();
  const common = { MODEL: "openai-compatible:test", OPENAI_BASE_URL: model.url, OIDC_CLIENT_ID: issuer.client };
  open = new ServerProcess({ ...common, AUTH: `guest,${way}` });
  closed = new ServerProcess({ ...common, AUTH: way });
  await Promise.all([open.start(), closed.start()]);
});
afterAll(async () => {
  await Promise.all([issuer.close(), model.close()]);
  await Promise.all([open.dispose(), closed.dispose()]);
});
beforeEach(() => {
  Object.assign(issuer, { person: "ann", lasting: 3600, refreshes: true, spoil: {} });
  issuer.asked.length = issuer.secrets.length = 0;
});
/** No token or code of a test is in what the servers printed. */
afterEach(() => {
  for (const secret of issuer.secrets) expect(open.output + closed.output).not.toContain(secret);
});

const host = (): string => new URL(issuer.url).host;
const enter = (page: Page): Promise<void> => page.getByRole("button", { name: `Sign in with ${host()}` }).click();
const asked = (what: string): number => issuer.asked.filter((one) => one.what === what).length;
const alert = (page: Page) => page.getByRole("alert");

/** Signs a person in on the server without guests. */
async function inside(person = "ann") {
  issuer.person = person;
  const context = await browser.context();
  const watched = await watch(context);
  await watched.page.goto(closed.url);
  await enter(watched.page);
  await online(watched.page);
  return { ...watched, context };
}
/** What the server has of a conversation, for its owner. */
async function messagesOf(page: Page, person: string): Promise<string[]> {
  const conversation = new URL(page.url()).pathname.split("/")[2] ?? "";
  const client = await WireClient.connect(closed.url, { auth: { token: await issuer.token(person) } });
  const answer = await client.ask({ type: "conversation.history", conversation, limit: 100 });
  client.cut();
  const messages = answer["messages"] as { role: string; parts: { text?: string }[] }[];
  return messages.filter(({ role }) => role === "user").map(({ parts }) => parts[0]?.text ?? "");
}
async function endSessions(person: string): Promise<void> {
  const client = await WireClient.connect(closed.url, { auth: { token: await issuer.token(person) } });
  await client.ask({ type: "auth.logout", everywhere: true });
}

describe("the way to an issuer and back", () => {
  test("SG1 SG2 SG3 without guests the app opens on the sign-in screen; the issuer leads back to the place, the address tells nothing", async () => {
    const context = await browser.context();
    const { page, asked: addresses, sockets, said, wrong } = await watch(context);
    issuer.person = undefined;
    await page.goto(`${closed.url}/c/0190a0a0-0000-7000-8000-000000000001`);
    await page.getByRole("heading", { name: "Sign in to go on" }).waitFor();
    await expectAccessible(page, "the sign-in screen");
    expect(await page.getByRole("alert").count()).toBe(0);
    await enter(page);
    await page.getByLabel("Who?").fill("ann");
    await page.getByRole("button", { name: "Go" }).click();
    await online(page);
    await soon(() => page.url()).toBe(`${closed.url}/c/0190a0a0-0000-7000-8000-000000000001`);
    await soon(() => page.locator(".app-person").textContent()).toContain("ann");

    const begun = issuer.asked.find((one) => one.what === "GET /authorize");
    expect(begun?.parameters).toMatchObject({
      response_type: "code",
      client_id: issuer.client,
      redirect_uri: `${closed.url}/signed-in`,
      scope: "openid profile email offline_access",
      code_challenge_method: "S256",
    });
    for (const name of ["state", "nonce", "code_challenge"]) expect(begun?.parameters[name]).toMatch(/^[\w-]{43}$/);
    // Tokens went over the socket and to the issuer, nowhere else: no store has them.
    const tokens = issuer.secrets.filter((secret) => addresses.every((address) => !address.includes(`code=${secret}`)));
    expect(tokens).toHaveLength(2);
    const stores = await storesOf(page);
    for (const secret of tokens) {
      expect(addresses.join("\n") + said.join("\n") + Object.values(stores).join("\n")).not.toContain(secret);
    }
    expect(Object.keys(JSON.parse(stores.tab)).sort()).toEqual(["throughline/holder", "throughline/new"]);
    expect(sockets.flat().filter((frame) => frame.includes(tokens[0] ?? "?"))).toHaveLength(1);
    await page.goBack();
    expect(wrong).toEqual([]);
  });

  test("SG2 where the issuer can, the code comes back in the fragment: no server on the way sees it", async () => {
    issuer.spoil.discovery = (document) => ({ ...document, response_modes_supported: ["query", "fragment"] });
    const { page, asked: addresses, wrong } = await inside();
    await soon(() => page.url()).toBe(`${closed.url}/`);
    expect(
      addresses.filter(
        (address) => address.startsWith(closed.url) && address.includes("code=") && !address.includes("#"),
      ),
    ).toEqual([]);
    await soon(() => asked("POST /token")).toBe(1);
    expect(wrong).toEqual([]);
  });

  test("SG4 a state that is not the one of this tab, or none, is refused before anything is asked", async () => {
    issuer.spoil.back = (back) => back.set("state", "another");
    const context = await browser.context();
    const { page } = await watch(context);
    await page.goto(closed.url);
    await enter(page);
    await alert(page).waitFor();
    await soon(() => alert(page).textContent()).toContain("was not begun here");
    await soon(() => page.url()).toBe(`${closed.url}/`);
    await page.goto(`${closed.url}/signed-in?code=stolen&state=guessed`);
    await alert(page).waitFor();
    await soon(() => [page.url(), asked("POST /token")]).toEqual([`${closed.url}/`, 0]);
    // What was remembered is good for one answer only.
    issuer.spoil = {};
    await enter(page);
    await online(page);
  });

  test("SG4 a token for another nonce, client or issuer, or an answer of another issuer, is not used", async () => {
    const context = await browser.context();
    const { page, sockets } = await watch(context);
    await page.goto(closed.url);
    const spoils: OidcIssuer["spoil"][] = [
      { claims: (claims) => ({ ...claims, nonce: "another" }) },
      { claims: (claims) => ({ ...claims, nonce: undefined }) },
      { claims: (claims) => ({ ...claims, aud: "another" }) },
      { claims: (claims) => ({ ...claims, iss: "https://another.example" }) },
      { back: (back) => back.set("iss", "https://another.example") },
      { back: (back) => back.delete("iss") },
    ];
    for (const spoil of spoils) {
      issuer.spoil = spoil;
      await enter(page);
      await page.getByText("does not belong to this sign-in").waitFor();
    }
    expect(sockets.flat().filter((frame) => frame.includes('"token"'))).toEqual([]);
  });

  test("SG5 what the issuer says against it is told in words, never as HTML", async () => {
    const context = await browser.context();
    const { page, wrong } = await watch(context);
    await page.goto(closed.url);
    const back = (error: string, words: string) => (parameters: URLSearchParams) => {
      parameters.delete("code");
      parameters.set("error", error);
      parameters.set("error_description", words);
    };
    issuer.spoil.back = back("access_denied", "no");
    await enter(page);
    await page.getByText("The sign-in was cancelled, or not allowed.").waitFor();
    issuer.spoil.back = back("invalid_scope", `<img src=x onerror="alert(1)"> \u202e${"x".repeat(1000)}`);
    await enter(page);
    await page.getByText("The sign-in service said: <img").waitFor();
    await soon(async () => (await alert(page).textContent())?.length).toBeLessThan(260);
    expect(await page.locator("img").count()).toBe(0);
    issuer.spoil = { status: 503 };
    await enter(page);
    await page.getByText(`${host()} cannot be reached right now`).waitFor();
    issuer.spoil.discovery = (document) => ({ ...document, issuer: "https://another.example" });
    await enter(page);
    await page.getByText(`${host()} cannot be reached right now`).waitFor();
    expect(wrong.filter((line) => !line.includes("503"))).toEqual([]);
  });
});

describe("as long as the sign-in lasts", () => {
  test("SG6 C3 B33 a token that ends is renewed on the open socket, without a drop", { timeout: 20_000 }, async () => {
    issuer.lasting = 61;
    const { page, sockets } = await inside();
    await until(() => sockets.length === 1, "the socket");
    issuer.lasting = 3600;
    await until(() => sockets[0]?.some((frame) => frame.includes("auth.refresh")) === true, "the refresh", 10_000);
    await say(page, "still here");
    expect(sockets).toHaveLength(1);
    await soon(() =>
      issuer.asked.filter(({ parameters }) => parameters["grant_type"] === "refresh_token"),
    ).toHaveLength(1);
    // A reload goes on with the session, and asks the issuer nothing.
    const before = issuer.asked.length;
    await page.reload();
    await online(page);
    expect(issuer.asked.slice(before).filter(({ what }) => what.startsWith("POST"))).toEqual([]);
    await page.getByText("still here").first().waitFor();
  });

  test("SG6 where the issuer is away or gives no refresh token, the session goes on", async () => {
    issuer.refreshes = false;
    // Some seconds are left of the half minute of grace: a slow machine must get in with it.
    issuer.lasting = -24;
    const { page, sockets, context } = await inside();
    await say(page, "one");
    // Closed where these seconds end: the end of the token, and half a minute of grace.
    await until(() => sockets.length === 2, "the second socket", 20_000);
    await online(page);
    const [first, second] = sockets.map(([frame]) => JSON.parse(frame ?? "{}"));
    expect(["token" in first, "session" in first]).toEqual([true, false]);
    expect(["token" in second, "session" in second]).toEqual([false, true]);
    await page.getByText("one").first().waitFor();
    // Another tab has the session too, without asking the issuer.
    const before = issuer.asked.length;
    const other = await watch(context);
    await other.page.goto(page.url());
    await other.page.getByText("one").first().waitFor();
    expect(issuer.asked).toHaveLength(before);
  });

  test("B33 SG9 a session that was ended elsewhere while a tab was away is not begun anew by the tokens of that tab", async () => {
    const { page, context, sockets } = await inside();
    await context.setOffline(true);
    // Chromium lets open sockets be: this one is cut by the server, which goes and comes.
    await closed.end("SIGKILL");
    await closed.start();
    await endSessions("ann");
    await context.setOffline(false);
    await signedOut(page);
    const later = sockets.slice(1).flat();
    expect(later.filter((frame) => frame.includes('"token"'))).toEqual([]);
    await soon(() => asked("POST /token")).toBe(1);
  });

  test("AZ18 SG7 the session ends while somebody presses send: it is kept, and after the new sign-in it is there once", async () => {
    const { page, sockets } = await inside();
    await say(page, "before");
    await box(page).fill("written in vain?");
    await endSessions("ann");
    await signedOut(page);
    await soon(() => box(page).inputValue()).toBe("written in vain?");
    await box(page).press("Enter");
    await box(page).fill("and a draft");
    await page.getByText("You are signed out. What you wrote is kept.").waitFor();
    const before = sockets.length;
    await page.getByRole("button", { name: "Sign in", exact: true }).click();
    await expectAccessible(page, "the dialog");
    await enter(page);
    await online(page);
    await page.waitForFunction(() => document.querySelectorAll(".tl-own").length === 2);
    await soon(() => box(page).inputValue()).toBe("and a draft");
    await until(async () => (await messagesOf(page, "ann")).length === 2, "the message");
    await soon(() => messagesOf(page, "ann")).toEqual(["before", "written in vain?"]);
    expect(sockets.length - before).toBe(1);
  });

  test("SG8 CO18 another person who signs in here sees nothing of the one before", async () => {
    const { page } = await inside("ann");
    await say(page, "a secret of ann");
    const place = page.url();
    await box(page).fill("a draft of ann");
    await endSessions("ann");
    await signedOut(page);
    await box(page).press("Enter");
    await box(page).fill("a second draft of ann");
    issuer.person = "bob";
    await page.getByRole("button", { name: "Sign in", exact: true }).click();
    await enter(page);
    await page.locator(".app-person", { hasText: "bob" }).waitFor();
    await online(page);
    const nothing = async (): Promise<void> => {
      expect(await page.locator("body").textContent()).not.toMatch(/of ann/);
      await soon(() => box(page).inputValue()).toBe("");
      await soon(() => page.title()).toBe("Throughline");
    };
    await soon(() => page.url()).toBe(`${closed.url}/`);
    await nothing();
    // Nor by way of the address.
    await page.goto(place);
    await online(page);
    await page.getByText("This conversation is not here").waitFor();
    await nothing();
    await box(page).fill("bob was here");
    await page.goto(closed.url);
    await online(page);
    // Ann finds hers again, and what waited is sent as hers.
    await endSessions("bob");
    await signedOut(page);
    issuer.person = "ann";
    await page.getByRole("button", { name: "Sign in", exact: true }).click();
    await enter(page);
    await page.locator(".app-person", { hasText: "ann" }).waitFor();
    await page.goto(place);
    await page.waitForFunction(() => document.querySelectorAll(".tl-own").length === 2);
    await soon(() => messagesOf(page, "ann")).toEqual(["a secret of ann", "a draft of ann"]);
    await soon(() => box(page).inputValue()).toBe("a second draft of ann");
  });

  test("B33 SG9 who signs out is out in every tab within a second, asks no more, and the next one is asked who it is", async () => {
    const { page, context } = await inside();
    const other = await watch(context);
    await other.page.goto(closed.url);
    await online(other.page);
    await say(page, "before leaving");
    await page.getByRole("button", { name: /Settings/ }).click();
    const at = Date.now();
    await page.getByRole("button", { name: "Sign out", exact: true }).click();
    await page.getByRole("heading", { name: "Sign in to go on" }).waitFor();
    await signedOut(other.page);
    // Within a second; this is a bound for a machine that is shared.
    expect(Date.now() - at).toBeLessThan(4000);
    await soon(() => page.url()).toBe(`${closed.url}/`);
    const sockets = other.sockets.length;
    await enter(page);
    await online(page);
    expect(issuer.asked.findLast((one) => one.what === "GET /authorize")?.parameters["prompt"]).toBe("login");
    // The tab that had waited comes along, with one socket.
    await online(other.page);
    await soon(() => other.sockets.length - sockets).toBe(1);
  });
});

describe("guests", () => {
  test("SG10 a guest who signs in keeps the place and the draft; the token goes with the guest's own session", async () => {
    const context = await browser.context();
    const { page, sockets, wrong } = await watch(context);
    await page.goto(open.url);
    await online(page);
    await box(page).fill("begun as a guest");
    await page.getByRole("button", { name: /Settings/ }).click();
    await page.getByRole("button", { name: "Sign in", exact: true }).click();
    await page.getByText("What you wrote as a guest comes with you.").waitFor();
    await soon(() => page.getByRole("button", { name: "Go on as a guest" }).count()).toBe(0);
    await enter(page);
    await page.locator(".app-person", { hasText: "ann" }).waitFor();
    const [frame = "{}"] = sockets.at(-1) ?? [];
    expect(Object.keys(JSON.parse(frame))).toEqual(expect.arrayContaining(["token", "session"]));
    await soon(() => box(page).inputValue()).toBe("begun as a guest");
    await say(page, "now as ann");
    await page.getByRole("button", { name: /Settings/ }).click();
    await soon(() => page.getByRole("button", { name: "Sign in", exact: true }).count()).toBe(0);
    expect(wrong).toEqual([]);
  });

  test("SG10 an account that the server does not let in leaves the guest as it was", async () => {
    const context = await browser.context();
    const { page } = await watch(context);
    await page.goto(open.url);
    await online(page);
    await say(page, "as a guest");
    // Too long a subject for the server: signed, but refused.
    issuer.person = "x".repeat(200);
    await page.getByRole("button", { name: /Settings/ }).click();
    await page.getByRole("button", { name: "Sign in", exact: true }).click();
    await enter(page);
    await page.getByText("This server does not let that account in.").waitFor();
    await page.getByRole("button", { name: "Close" }).click();
    await online(page);
    await page.getByText("as a guest").first().waitFor();
  });

  test("SG10 a guest whose session has ended may go on as one, or sign in; somebody who had signed in is never made a guest unasked", async () => {
    const context = await browser.context();
    const { page } = await watch(context);
    await page.goto(open.url);
    await online(page);
    await page.getByRole("button", { name: /Settings/ }).click();
    await page.getByRole("button", { name: "Sign in", exact: true }).click();
    await enter(page);
    await page.locator(".app-person", { hasText: "ann" }).waitFor();
    await box(page).fill("kept");
    const client = await WireClient.connect(open.url, { auth: { token: await issuer.token("ann") } });
    await client.ask({ type: "auth.logout", everywhere: true });
    await signedOut(page);
    await page.reload();
    await page.getByText("You are signed out. What you wrote is kept.").waitFor();
    await page.getByRole("button", { name: "Sign in", exact: true }).click();
    await page.getByRole("button", { name: "Go on as a guest" }).click();
    await online(page);
    await soon(() => page.locator(".app-person").textContent()).toContain("Guest");
  });
});

test("SG13 HS04 the page may ask itself and the issuer, nobody else, and what talks to an issuer is not part of the start", async () => {
  const answer = await fetch(`${closed.url}/signed-in`);
  expect(answer.headers.get("content-security-policy")).toContain(`connect-src 'self' ${issuer.url};`);
  expect(answer.headers.get("referrer-policy")).toBe("no-referrer");
  expect((await fetch(`${closed.url}/signed-in?id_token=x`)).status).toBe(400);
  const context = await browser.context();
  const { page, asked: addresses } = await watch(context);
  await page.goto(closed.url);
  await page.getByRole("heading", { name: "Sign in to go on" }).waitFor();
  const scripts = (): string[] => addresses.filter((address) => /\/assets\/(oidc|firebase)-.*\.js$/.test(address));
  expect(scripts()).toEqual([]);
  await enter(page);
  await online(page);
  expect(scripts().length).toBeGreaterThan(0);
  expect(new Set(addresses.map((address) => new URL(address).host))).toEqual(
    new Set([new URL(closed.url).host, host()]),
  );
});

test("SG1 the dialog is clean for axe, light and dark, in Arabic, on a phone", async () => {
  for (const scheme of ["light", "dark"] as const) {
    const context = await browser.context({ colorScheme: scheme, locale: "ar", viewport: { width: 360, height: 740 } });
    const { page } = await watch(context);
    await page.goto(`${closed.url}/signed-in?error=access_denied&state=x`);
    await alert(page).waitFor();
    await soon(() => page.evaluate(() => document.documentElement.dir)).toBe("rtl");
    await expectAccessible(page, `the screen, ${scheme}`);
    await page.goto(`${open.url}/signed-in?error=access_denied&state=x`);
    await page.getByRole("dialog").waitFor();
    await expectAccessible(page, `the dialog, ${scheme}`);
  }
});
