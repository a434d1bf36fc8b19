// Proves what pages can do with the chat window, and what they cannot: its API, unread replies, identities, foreign parents, hostile code.
import { afterAll, expect, test } from "vitest";
import { makeKey, serveKeys, sign } from "../identity/issuer.ts";
import { useStage } from "./app-stage.ts";
import { soon } from "./app-visitor.ts";
import { serveHostPages, visitHost, type Guest, type Mode } from "./widget-stage.ts";

const [home, stranger] = [await serveHostPages(), await serveHostPages()];
const [issuer, audience] = ["https://issuer.example", "shop"];
const key = await makeKey("one");
const keys = await serveKeys({ "/jwks": { body: { keys: [key.jwk] } } });
afterAll(async () => {
  home.close();
  stranger.close();
  await keys.close();
});
const settings = { ALLOWED_ORIGINS: home.origin, AUTH_JWKS_URL: `${keys.url}/jwks` };
const stage = useStage({ ...settings, AUTH: `guest,oidc:${issuer}#${audience}` });
/** Lets no guests in. */
const closed = useStage({ ...settings, AUTH: `oidc:${issuer}#${audience}` });

const quick = (seed: number): string => `{{prose chars=80 seed=${seed}}}`;
const slow = (seed: number, chars: number): string => `{{prose chars=${chars} piece=10 rate=60 seed=${seed}}}`;
const modes: readonly Mode[] = ["shadow", "iframe"];
function tokenOf(sub: string): Promise<string> {
  const now = Math.floor(Date.now() / 1000);
  return sign(key, { iss: issuer, aud: audience, sub, iat: now, exp: now + 600 });
}

test("CW1 CW7 the API works from the script's first moment; a second tag draws nothing; what is told carries no text", async () => {
  const code = `
    window.heard = [];
    for (const type of ["ready", "open", "close", "message", "reply", "error"]) Throughline.on(type, (event) => heard.push(event));
    const stop = Throughline.on("open", () => heard.push("stopped"));
    stop();
    Throughline.on("open", () => { throw new Error("the page's mistake"); });
    Throughline.send(${JSON.stringify(`secret ${quick(311)}`)});
    Throughline.send("   ");`;
  const guest = await visitHost(stage, home, {
    late: code,
    head: `<script src="${stage.proxy.url}/widget.js"></script>`,
  });
  guest.expectTrouble(/the page's mistake/);
  const { page } = guest;
  await guest.done(1);
  await soon(() => page.locator("throughline-chat").count()).toBe(1);
  await soon(() => guest.own.first().locator(".tl-body").textContent()).toContain("secret");
  await soon(() => guest.own.count()).toBe(1);
  await soon(async () => (await guest.heard()).at(-1)).toMatchObject({ type: "reply", status: "completed" });
  await page.evaluate(() => window.Throughline?.toggle());
  await guest.panel.waitFor({ state: "hidden" });
  await page.evaluate(() => window.Throughline?.open());
  await soon(() => guest.boxHasFocus()).toBe(true);
  await page.evaluate(() => window.Throughline?.close());
  const types = async (): Promise<unknown> => (await guest.heard()).map(({ type }) => type);
  await soon(types).toEqual(["open", "ready", "message", "reply", "close", "open", "close"]);
  expect(JSON.stringify(await guest.heard())).not.toContain("secret");
  // Who comes later is told that it is ready.
  expect(
    await page.evaluate(() => new Promise((resolve) => window.Throughline?.on("ready", ({ type }) => resolve(type)))),
  ).toBe("ready");
});

test("CW6 a reply that ends unseen is counted once, on the next page and in another tab, until the window is opened", async () => {
  const context = await stage.context();
  const guest = await visitHost(stage, home, { context });
  await guest.open();
  await guest.send("{{prose chars=2400 piece=10 rate=60 hold=600 seed=312}}");
  await guest.seen(20);
  const reply = await guest.replies.last().getAttribute("data-entry");
  await guest.button("Close").click();
  await guest.page.reload();
  const other = await visitHost(stage, home, { context });
  for (const one of [guest, other]) await one.listen();
  // A third tab, without a window of its own to write over it, was faster, and has said so.
  const third = await context.newPage();
  await third.goto(new URL("/nothing-here", guest.page.url()).href);
  await third.evaluate((unread) => {
    const key = Object.keys(localStorage).find((name) => name.startsWith("throughline-widget:")) ?? "";
    localStorage.setItem(key, JSON.stringify({ open: false, awake: true, unread }));
  }, reply);
  for (const one of [guest, other]) await soon(() => one.badge.textContent()).toBe("1");
  const model = stage.model.requests.find(({ behaviour }) => behaviour.seed === 312);
  if (model !== undefined) model.hold = undefined;
  for (const one of [guest, other]) {
    await soon(async () => (await one.heard()).map(({ type }) => type), { timeout: 15_000 }).toContain("reply");
  }
  // Both tabs have heard of it by now, and of each other.
  for (const one of [guest, other]) {
    await soon(() => one.badge.textContent()).toBe("1");
    await soon(() => one.launch.getAttribute("aria-label")).toBe("Open chat, 1 unread");
    await soon(async () => (await one.heard()).filter(({ type }) => type === "unread")).toEqual([
      { type: "unread", count: 1 },
    ]);
  }
  await guest.page.reload();
  await soon(() => guest.badge.textContent()).toBe("1");
  await guest.open();
  await soon(() => guest.badge.count()).toBe(0);
  await soon(() => other.badge.count()).toBe(0);
  await guest.done(1);
});

/** All that the page, and whoever reads its addresses, could find. */
const leaks = (guest: Guest): Promise<string> =>
  guest.page.evaluate(() =>
    JSON.stringify([
      location.href,
      window.name,
      Object.entries(localStorage),
      Object.entries(sessionStorage),
      document.cookie,
    ]),
  );

test("CW9 CW12 WI04 WI05 WI06 in both modes: a token goes to the server alone; another person finds nothing of the one before", async () => {
  await Promise.all(modes.map(identifyAndLeave));
});

async function identifyAndLeave(mode: Mode): Promise<void> {
  const context = await stage.context();
  const token = await tokenOf(`ann-${mode}`);
  const code = `document.addEventListener("DOMContentLoaded", () => Throughline.identify(() => ${JSON.stringify(token)}));`;
  const guest = await visitHost(stage, home, {
    mode,
    context,
    late: code,
  });
  const { page } = guest;
  const first: string[] = [];
  page.on("websocket", (socket) => socket.on("framesent", ({ payload }) => void first.push(String(payload))));
  await guest.open();
  await soon(() => JSON.parse(first[0] ?? "{}") as unknown).toMatchObject({ type: "auth", token });
  await guest.send(`of ann ${slow(313, 1500)}`);
  await guest.seen(50);
  // A frame of another site has no storage here: the token and the page's memory of the place are enough.
  await page.reload();
  await guest.seen(60);
  await guest.done(1);

  const said = await leaks(guest);
  expect(said).not.toContain(token);
  if (mode === "iframe") expect(said).not.toMatch(/session|token/);
  expect(guest.requests.join()).not.toContain(token);
  expect(page.frames().map((frame) => frame.url() + frame.name())).not.toContain(token);

  await page.evaluate((bob) => window.Throughline?.identify(bob), await tokenOf(`bob-${mode}`));
  await soon(() => guest.replies.count()).toBe(0);
  await guest.online();
  await guest.send(`of bob ${quick(314)}`);
  await guest.done(1);
  await guest.button("Show conversations").click();
  const rows = guest.inner.locator(".tw-recent li");
  await soon(() => rows.count()).toBe(1);
  await page.evaluate(() => window.Throughline?.identify(null));
  await soon(() => rows.count()).toBe(0);
  await guest.button("Hide conversations").click();
  await guest.online();
  await soon(() => guest.own.count()).toBe(0);
}

test("CW12 a page that says that nobody is signed in shows nothing of whoever was; a guest stays the same", async () => {
  const context = await stage.context();
  const nobody = `document.addEventListener("DOMContentLoaded", () => Throughline.identify(null));`;
  const guest = await visitHost(stage, home, { context });
  await guest.open();
  await guest.page.evaluate((token) => window.Throughline?.identify(token), await tokenOf("emil"));
  await soon(() => guest.page.evaluate(() => JSON.stringify(Object.entries(localStorage)))).toContain("emil");
  await guest.send(`of emil ${quick(320)}`);
  await guest.done(1);
  await guest.page.close();

  const next = await visitHost(stage, home, { context, late: nobody });
  await next.online();
  expect(await next.own.count()).toBe(0);
  await next.send(`of a guest ${quick(321)}`);
  await next.done(1);
  await next.button("Show conversations").click();
  await soon(() => next.inner.locator(".tw-recent li").count()).toBe(1);
  await next.page.reload();
  await next.done(1);
  await soon(() => next.own.first().locator(".tl-body").textContent()).toContain("of a guest");
});

test("CW12 WI04 a token that is refused makes nobody: a guest where guests are let in", async () => {
  const guest = await visitHost(stage, home, {
    late: `document.addEventListener("DOMContentLoaded", () => Throughline.identify("not.a.token"));`,
  });
  await guest.open();
  const kept = await guest.page.evaluate(
    () => Object.entries(localStorage).find(([key]) => key.endsWith("/session"))?.[1],
  );
  expect(JSON.parse(kept ?? "null")).toMatchObject({ user: { guest: true } });
});

test("CW7 CW12 WI04 elsewhere the page is told, each time that somebody asks to come in; what was written is kept", async () => {
  const guest = await visitHost(closed, home);
  await guest.listen();
  await guest.launch.click();
  const told = async (): Promise<number> => (await guest.heard()).filter(({ code }) => code === "unauthorized").length;
  await soon(told).toBe(1);
  await guest.box.fill("written before");
  await guest.button("Sign in").click();
  await soon(told).toBe(2);
  await guest.page.evaluate((token) => window.Throughline?.identify(token), await tokenOf("dora"));
  await guest.online();
  await soon(() => guest.box.inputValue()).toBe("written before");
});

test("CW12 a guest who is identified stays where they are", async () => {
  const guest = await visitHost(stage, home);
  await guest.open();
  await guest.send(quick(315));
  await guest.done(1);
  await guest.box.fill("half a sentence");
  await guest.page.evaluate((token) => window.Throughline?.identify(token), await tokenOf("cleo"));
  await soon(() => guest.page.evaluate(() => JSON.stringify(Object.entries(localStorage)))).toMatch(/\\"was\\":/);
  await guest.online();
  await soon(() => guest.box.inputValue()).toBe("half a sentence");
  await soon(() => guest.own.count()).toBe(1);
});

test("CW9 CW14 WI01 a page that is not listed gets no socket and no frame; nor does its frame hear it, were it there", async () => {
  const failed = "The chat cannot be loaded right now.";
  const plain = await visitHost(stage, home, { host: stranger });
  plain.expectTrouble();
  await plain.listen();
  await plain.launch.click();

  const framed = await visitHost(stage, home, { host: stranger, mode: "iframe" });
  framed.expectTrouble(/frame-ancestors|Failed to execute 'postMessage'/);
  await framed.launch.click();

  const context = await stage.context();
  // As if a proxy had taken the header away: the frame's own look at who speaks is left.
  await context.route("**/frame", async (route) => {
    const answer = await route.fetch();
    const { "content-security-policy": _policy, ...headers } = answer.headers();
    await route.fulfill({ response: answer, headers });
  });
  const bare = await visitHost(stage, home, { context, host: stranger, mode: "iframe" });
  await bare.launch.click();
  await bare.inner.locator("#window").waitFor({ state: "attached" });

  await framed.page.getByText(failed).waitFor();
  await bare.page.getByText(failed).waitFor();
  expect(bare.sockets).toBe(0);
  expect(framed.sockets).toBe(0);
  await soon(() => plain.heard(), { timeout: 20_000 }).toContainEqual({ type: "error", code: "forbidden" });
  expect(await plain.inner.locator('.tl-dot[data-state="online"]').count()).toBe(0);
});

test("CW3 CW7 in both modes: copying, choosing a reaction and leaving the choice work as in the app", async () => {
  for (const mode of modes) {
    const guest = await visitHost(stage, home, { mode });
    await guest.open();
    await guest.send(quick(318));
    await guest.done(1);
    await guest.replies.last().getByRole("button", { name: "Copy", exact: true }).click();
    await guest.inner.locator(".tl-hidden[role=status]").getByText("Copied").waitFor({ state: "attached" });
    const react = guest.replies.last().getByRole("button", { name: "React", exact: true });
    await react.focus();
    await guest.page.keyboard.press("Enter");
    await guest.inner.locator(".tl-choice").waitFor();
    await guest.page.keyboard.press("Escape");
    await soon(() => guest.inner.locator(".tl-choice").count()).toBe(0);
    const focused = (button: Element): boolean => (button.getRootNode() as ShadowRoot).activeElement === button;
    await soon(() => react.evaluate(focused)).toBe(true);
    await soon(() => guest.panel.isVisible()).toBe(true);
  }
});

test("CW1 a page that replaces all of itself gets the window back when it asks for it", async () => {
  for (const mode of modes) {
    const guest = await visitHost(stage, home, { mode, hostile: false });
    await guest.open();
    await guest.send(quick(319));
    await guest.done(1);
    // The frame begins anew, and is spoken to before it is there.
    guest.expectTrouble(/Failed to execute 'postMessage'/);
    await guest.page.evaluate(() => {
      document.documentElement.replaceChildren(document.createElement("head"), document.createElement("body"));
      window.Throughline?.close();
      window.Throughline?.open();
    });
    await guest.online();
    await soon(() => guest.launch.isVisible()).toBe(true);
    // In a frame without storage the guest is a new one, and in the same window all the same.
    if (mode === "shadow") await soon(() => guest.own.count()).toBe(1);
    else await guest.inner.locator(".tw").waitFor();
  }
});

test("CW9 the page hears its own frame only, also a page that isolates itself", async () => {
  const headers = { "Cross-Origin-Embedder-Policy": "require-corp", "Cross-Origin-Opener-Policy": "same-origin" };
  const guest = await visitHost(stage, home, { mode: "iframe", headers });
  await guest.open();
  await guest.page.evaluate(
    () =>
      new Promise<void>((resolve) => {
        addEventListener("message", ({ data }) => data === "last" && resolve());
        window.postMessage({ type: "close" }, location.origin);
        window.postMessage({ type: "event", event: { type: "reply", message: "forged" } }, location.origin);
        window.postMessage("last", location.origin);
      }),
  );
  await soon(() => guest.panel.isVisible()).toBe(true);
  expect(await leaks(guest)).not.toContain("forged");
});

test("CW10 WI05 changed prototypes and sockets do not crash the loader, and do not reach into the frame", async () => {
  const code = `
    const broken = () => { throw new Error("changed by the page"); };
    for (const name of ["map", "filter", "push", "forEach", "slice", "concat", "join", "some", "find", "indexOf", "includes"])
      Array.prototype[name] = broken;
    Array.prototype[Symbol.iterator] = broken;
    Array.prototype.extra = broken; Object.prototype.inherited = "of everything";
    window.stolen = [];
    window.WebSocket = function (...all) { stolen.push(all); throw new Error("changed by the page"); };
    window.fetch = (...all) => { stolen.push(all); throw new Error("changed by the page"); };`;
  const framed = await visitHost(stage, home, { mode: "iframe", early: code });
  await framed.open();
  await framed.send(quick(316));
  await framed.done(1);
  await framed.page.keyboard.press("Escape");
  await framed.panel.waitFor({ state: "hidden" });

  const plain = await visitHost(stage, home, { early: code });
  await plain.launch.waitFor();
  plain.expectTrouble(/changed by the page/);
  await plain.launch.click();
  await plain.panel.waitFor();
});

test("CW10 a flood of calls and rubbish leaves the window as it was", async () => {
  const guest = await visitHost(stage, home, { mode: "iframe" });
  await guest.launch.waitFor();
  await guest.page.evaluate(() => {
    const api = window.Throughline;
    if (api === undefined) throw new Error("no API");
    // Odd on purpose: 999 times open, 998 times closed.
    for (let i = 0; i < 1999; i++) api.toggle();
    for (const wrong of [undefined, 5, {}, [], " "]) api.send(wrong as string);
    for (let i = 0; i < 500; i++) api.on("open", () => undefined)();
  });
  await guest.online();
  await guest.page.evaluate((origin) => {
    const frame = document.querySelector("throughline-chat")?.shadowRoot?.querySelector("iframe")?.contentWindow;
    const forms = [
      { type: "hello" },
      { type: "token", ask: 1, token: "forged" },
      { type: "send" },
      { type: "__proto__" },
    ];
    const rubbish = [null, 1, "x", [], ...forms, { type: "show", focus: "yes" }, { type: "identify", known: 1 }];
    for (let i = 0; i < 100; i++) for (const one of rubbish) frame?.postMessage(one, origin);
  }, stage.proxy.url);
  await guest.send(quick(317));
  await guest.done(1);
  expect(guest.sockets).toBe(1);
  await soon(() => guest.own.count()).toBe(1);
});

test("CW14 a server's address that is none is told, and runs nothing", async () => {
  const wrong = [
    ["no address", "shadow"],
    ["javascript:alert(1)", "iframe"],
  ] as const;
  for (const [server, mode] of wrong) {
    const guest = await visitHost(stage, home, { mode, attributes: `data-server="${server}"` });
    guest.expectTrouble(/Content Security Policy|asked elsewhere: javascript:/);
    guest.page.on("dialog", (dialog) => expect.unreachable(dialog.message()));
    await guest.launch.click();
    await guest.page.getByText("The chat cannot be loaded right now.").waitFor();
  }
});

test("CW10 keys typed in the window are not the page's", async () => {
  const code = `window.pressed = []; for (const type of ["keydown", "keypress", "keyup"])
    document.addEventListener(type, ({ key }) => pressed.push(key));`;
  const guest = await visitHost(stage, home, { early: code });
  await guest.open();
  await guest.box.pressSequentially("s?/");
  await guest.page.keyboard.press("Escape");
  await guest.panel.waitFor({ state: "hidden" });
  expect(await guest.page.evaluate(() => Reflect.get(globalThis, "pressed"))).toEqual([]);
});

test("CW14 in both modes: where the window cannot be fetched it says so, and comes when asked again", async () => {
  const guests = await Promise.all(modes.map((mode) => visitHost(stage, home, { mode })));
  const all = (act: (guest: Guest) => Promise<unknown>): Promise<unknown> => Promise.all(guests.map(act));
  const again = ({ page }: Guest) => page.getByRole("button", { name: "Try again" });
  await all((guest) => guest.listen());
  stage.cut();
  await all(async (guest) => {
    guest.expectTrouble(/postMessage/);
    await guest.launch.click();
    await again(guest).waitFor();
    await soon(() => guest.heard()).toContainEqual({ type: "error", code: "unreachable" });
  });
  stage.reachable = true;
  await all(async (guest) => {
    await again(guest).click();
    await guest.online();
    await guest.box.press("Escape");
    await guest.panel.waitFor({ state: "hidden" });
  });
});
