// Proves that a guest's other tabs come along when the guest signs in in one of them.
import type { Page } from "playwright-core";
import { afterAll, test } from "vitest";
import { startOidcIssuer } from "../identity/oidc-issuer.ts";
import { useStage } from "./app-stage.ts";
import { soon } from "./app-visitor.ts";
import { box, online, say } from "./sign-in-stage.ts";

const issuer = await startOidcIssuer();
afterAll(() => issuer.close());
issuer.person = "ann";
const stage = useStage({ AUTH: `guest,oidc:${issuer.url}#${issuer.client}`, OIDC_CLIENT_ID: issuer.client });

const personIn = (page: Page): Promise<string | null> => page.locator(".app-person").textContent();

test("UI40 PE9 AZ16 a guest signs in: the other tabs are that person too, at the same place, with what was typed there", async () => {
  const context = await stage.context();
  // The issuer knows the server by its own address.
  const pages = await Promise.all([0, 1, 2].map(() => context.newPage()));
  const [first, second, third] = pages as [Page, Page, Page];
  for (const page of pages) {
    await page.goto(stage.server.url);
    await online(page);
  }
  await say(first, "{{text=hello}}");
  await first.locator('.tl-reply[data-status="completed"]').waitFor();
  await second.goto(first.url());
  await second.locator('.tl-reply[data-status="completed"]').waitFor();
  await box(second).fill("half a thought");
  await box(third).fill("another");
  const place = second.url();
  await soon(() => personIn(second)).toContain("Guest");

  await first.locator(".app-person").click();
  await first.getByRole("dialog").getByRole("button", { name: "Sign in", exact: true }).click();
  await first.getByRole("button", { name: `Sign in with ${new URL(issuer.url).host}` }).click();
  await soon(() => personIn(first)).toContain("ann");
  for (const page of pages) {
    await soon(() => personIn(page)).toContain("ann");
    await online(page);
    await soon(() => page.locator(".tl-banner").count()).toBe(0);
  }
  await soon(() => second.url()).toBe(place);
  await soon(() => box(second).inputValue()).toBe("half a thought");
  await soon(() => box(third).inputValue()).toBe("another");
  await box(second).press("Enter");
  await soon(() => second.locator('.tl-reply[data-status="completed"]').count()).toBe(2);
  // In all of them it is the same person's, live.
  await soon(() => first.locator(".tl-own").count()).toBe(2);
});
