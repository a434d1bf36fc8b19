// Proves that the screens which come seldom are fit for everybody too: axe and nothing cut off, in three widths, dark and light.
import { afterAll, expect, onTestFinished, test } from "vitest";
import { makeKey, serveKeys, sign } from "../identity/issuer.ts";
import { WireClient } from "../support/wire-client.ts";
import { findings, overflows } from "./app-eyes.ts";
import { startScripted } from "./scripted.ts";
import { useStage } from "./app-stage.ts";
import { soon, Visitor } from "./app-visitor.ts";
import { bend, type Bends } from "./app-wire.ts";

const iss = "https://issuer.example";
const key = await makeKey("one");
const keys = await serveKeys({ "/jwks": { body: { keys: [key.jwk] } } });
const rich = `# A heading

A formula $a^2 + b^2$ in a line, \`code\` in a line, and a [link](https://example.org/path).

| Name | Height of the tide in metres | Remark |
| --- | ---: | --- |
| Bay of Fundy | 16.3 | the highest that was ever measured anywhere |

$$\\int_0^1 x^2 \\, dx = \\tfrac13$$

\`\`\`ts
export const answer = (question: string): number => (question === "" ? 0 : 42); // a line that is rather long for a phone
\`\`\`

- one
- [x] two

> And a quotation.`;
afterAll(() => keys.close());
const stage = useStage({ AUTH: `guest,oidc:${iss}#chat`, AUTH_JWKS_URL: `${keys.url}/jwks` });

const tokenOf = (sub: string): Promise<string> => {
  const now = Math.floor(Date.now() / 1000);
  return sign(key, { iss, aud: "chat", sub, iat: now, exp: now + 3600 });
};
const refusal = (code: string, more: object = {}) => ({
  type: "error",
  error: { code, message: "-", retryable: false, ...more },
});

/** Goes through the screens and looks at each. */
async function lookAround(visitor: Visitor, bends: Bends, look: (screen: string) => Promise<void>): Promise<void> {
  const { page } = visitor;
  const phone = (page.viewportSize()?.width ?? 0) < 768;
  const openList = async (): Promise<void> => {
    if (phone) await visitor.button("Show conversations").click();
  };
  await visitor.ask("A quokka that is looked for {{prose chars=300 seed=71}}");
  await visitor.done(1);
  bends.command = ({ type }) =>
    type === "message.send" ? refusal("quota_exceeded", { retryable: true, retryAfterMs: 60_000 }) : undefined;
  await visitor.send("This one has to wait");
  await visitor.page.getByText(/Sends by itself in/).waitFor();
  await look("a message that waits");
  await visitor.button("Delete", visitor.own.last()).click();
  bends.command = ({ type }) => (type === "message.send" ? refusal("too_large") : undefined);
  await visitor.send("This one is refused");
  await visitor.own.getByRole("alert").waitFor();
  await look("a message that is refused");
  await visitor.button("Delete", visitor.own.last()).click();
  bends.command = ({ type }) => (type === "turn.retry" ? refusal("conflict") : undefined);
  await visitor.button("Retry", visitor.replies.last()).click();
  await page.locator(".tl-toast").waitFor();
  // It stands outside of everything else: it must look as if it belonged to it all the same.
  const [toast, text] = await page.evaluate(() =>
    [".tl-toast", ".tl-own-text"]
      .map((one) => getComputedStyle(document.querySelector(one) ?? document.body))
      .map(({ fontFamily, backgroundColor }) => ({ fontFamily, backgroundColor })),
  );
  expect(toast?.fontFamily).toBe(text?.fontFamily);
  expect(toast?.backgroundColor).not.toBe("rgba(0, 0, 0, 0)");
  await look("a toast");
  bends.command = undefined;
  await openList();
  await page.getByRole("searchbox").fill("quokka");
  await page.locator(".app-snippet mark").waitFor();
  await look("search results");
  await page.getByRole("link", { name: /quokka/ }).click();
  await page.locator(".tl-found").waitFor();
  await look("a message that was looked for");
  await openList();
  await page.getByRole("searchbox").fill("");
  await visitor.rows.first().waitFor();
  const wire = await stage.wire(page);
  const elsewhere = crypto.randomUUID();
  await wire.send(elsewhere, "Elsewhere {{prose chars=30 seed=72}}");
  // Titles that a person gave: none comes later, and changes what is being clicked.
  const here = new URL(page.url()).pathname.split("/").at(-1);
  await wire.ask({ type: "conversation.update", conversation: elsewhere, title: "Elsewhere" });
  await wire.ask({ type: "conversation.update", conversation: here, title: "Quokkas" });
  const row = (title: string) => visitor.rows.filter({ hasText: title });
  await row("Quokkas").waitFor();
  await visitor.rows.getByRole("img", { name: "New reply" }).waitFor();
  await look("an unread reply");
  const open = async (title: string): Promise<void> => {
    await row(title).hover();
    await visitor.button(`More about ${title}`).click();
  };
  await open("Elsewhere");
  await page.getByRole("menuitem", { name: "Archive" }).click();
  await soon(() => row("Elsewhere").count()).toBe(0);
  await visitor.button("Undo").waitFor();
  await visitor.button("Archived").click();
  await page.getByRole("button", { name: "Back to all conversations" }).waitFor();
  await row("Elsewhere").waitFor();
  await look("the archive");
  await visitor.button("Back to all conversations").click();
  await row("Quokkas").waitFor();
  await open("Quokkas");
  await page.getByRole("menuitem", { name: "Rename" }).click();
  await page.getByRole("textbox", { name: "New title" }).waitFor();
  await look("a title that is changed");
  await page.keyboard.press("Escape");
  await open("Quokkas");
  await page.getByRole("menuitem", { name: "Delete" }).click();
  await page.locator(".tl-toast", { hasText: "Conversation deleted" }).waitFor();
  await look("a conversation that was deleted");
  await page.goto(`/c/${crypto.randomUUID()}`);
  await page.locator(".tl-gone").waitFor();
  await look("a conversation that is not here");
  visitor.expectTrouble();
  bends.close = { code: 4400 };
  stage.proxy.cut();
  await page.locator('.tl-banner[data-state="stopped"]').waitFor();
  await look("a connection that is refused");
}

const some = [
  { device: "desktop", scheme: "dark" },
  { device: "phone", scheme: "light" },
] as const;
const others = [
  { device: "desktop", scheme: "light" },
  { device: "tablet", scheme: "light" },
  { device: "tablet", scheme: "dark" },
  { device: "phone", scheme: "dark" },
] as const;
/** `LOOKS=all`: every width in both appearances. */
const cases = process.env["LOOKS"] === "all" ? [...some, ...others] : some;

for (const { device, scheme } of cases) {
  test(`UI27 UI31 axe finds nothing, and nothing is cut off: ${device}, ${scheme}`, { timeout: 120_000 }, async () => {
    const found: string[] = [];
    const lookAt =
      ({ page }: Visitor) =>
      async (screen: string): Promise<void> => {
        const folder = process.env["SHOTS"];
        if (folder !== undefined) await page.screenshot({ path: `${folder}/${device}-${scheme} ${screen}.png` });
        found.push(...(await findings(page)).map((one) => `${screen}: ${one}`));
        found.push(...(await overflows(page)).map((one) => `${screen}: out of the window: ${one}`));
      };
    const context = await stage.context(device, { colorScheme: scheme });
    const bends: Bends = {};
    await bend(context, bends);
    const visitor = await stage.visit({ context });
    await lookAround(visitor, bends, lookAt(visitor));

    // Two sessions of one person, the settings, and the way back in.
    const [here, there] = [
      await WireClient.connect(stage.server.url, { auth: { token: await tokenOf(`ann-${device}-${scheme}`) } }),
      await WireClient.connect(stage.server.url, {
        auth: {
          token: await tokenOf(`ann-${device}-${scheme}`),
          client: { name: "A device with rather a long name", version: "1" },
        },
      }),
    ];
    const own = await stage.visit({ device, options: { colorScheme: scheme } });
    await own.page.evaluate(
      ([session, user]) => {
        const name = Object.keys(localStorage).find((one) => one.endsWith("/session")) ?? "";
        localStorage.setItem(name, JSON.stringify({ session, user: { id: user } }));
        sessionStorage.clear();
      },
      [here.token, here.user],
    );
    await own.page.goto("/");
    await own.online();
    if (device === "phone") await own.button("Show conversations").click();
    await own.page.locator(".app-person").click();
    await soon(() => own.page.locator(".app-sessions li").count()).toBe(2);
    await lookAt(own)("sessions");
    await own.page.keyboard.press("Escape");
    await there.ask({ type: "auth.logout", everywhere: true });
    await own.page.locator('.tl-banner[data-state="signed-out"]').waitFor();
    if (device === "phone") await own.button("Hide conversations").click();
    await lookAt(own)("signed out");
    await own.button("Sign in", own.banner).click();
    await own.page.getByRole("dialog", { name: "Sign in to go on" }).waitFor();
    await lookAt(own)("the question who it is");

    const scripted = await startScripted({ reply: () => [rich] });
    onTestFinished(() => scripted.close());
    const reader = await stage.context(device, { colorScheme: scheme });
    const read = new Visitor(await reader.newPage(), scripted.url);
    await read.page.goto(scripted.url);
    await read.online();
    await read.send("Everything");
    await read.done(1);
    await read.page.locator(".katex, math").first().waitFor();
    await lookAt(read)("code, maths and a table");
    expect(read.problems()).toEqual([]);
    expect(found).toEqual([]);
  });
}
