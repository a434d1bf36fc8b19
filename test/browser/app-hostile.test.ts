// Proves that what people, models and lists say is text on every screen, under the strict policy of the page.
import { expect, test } from "vitest";
import { useStage } from "./app-stage.ts";
import { soon } from "./app-visitor.ts";

const stage = useStage();

const markup = `<img src=x onerror="window.hacked=1"><script>window.hacked=1</script>`;

test("UI29 LO12 a title, a question, a reply and a search that carry HTML are text everywhere", async () => {
  const visitor = await stage.visit();
  const { page } = visitor;
  stage.model.enqueue({ text: `${markup} [link](javascript:window.hacked=1) reply`, times: 1 });
  await visitor.ask(markup);
  await visitor.done(1);
  const wire = await stage.wire(page);
  const conversation = new URL(page.url()).pathname.split("/").at(-1);
  await wire.ask({ type: "conversation.update", conversation, title: markup });
  await page.getByRole("heading", { level: 1, name: markup }).waitFor();
  await soon(() => page.title()).toBe(`${markup} · Throughline`);
  await soon(() => visitor.own.locator(".tl-body").textContent()).toBe(markup);
  await soon(() => visitor.rows.first().locator(".app-row-title").textContent()).toBe(markup);
  const menu = page.locator(".app-row-more").first();
  await soon(() => menu.getAttribute("aria-label")).toBe(`More about ${markup}`);
  await page.getByRole("searchbox").fill("<img");
  await page.getByText("1 result", { exact: true }).waitFor();
  // A reaction that is none is refused by the server, and none is drawn.
  const message = await visitor.own.getAttribute("data-entry");
  const answer = await wire.ask({ type: "message.react", conversation, message, reaction: "<b>", on: true });
  expect(answer.error?.code).toBe("invalid");
  // The model that was asked for a title may have used the words up; the reply's own text is looked at where it came.
  expect(await page.evaluate(() => Reflect.get(globalThis, "hacked"))).toBeUndefined();
  expect(await page.locator("#app :is(img, script, iframe, object, embed)").count()).toBe(0);
  expect(await page.locator('a[href^="javascript" i]').count()).toBe(0);
});

test("UI29 the page runs under Trusted Types and a policy without inline code; nothing turns text into markup or code", async () => {
  const visitor = await stage.visit();
  const answer = await visitor.page.request.get(stage.server.url);
  const policy = answer.headers()["content-security-policy"] ?? "";
  expect(policy).toContain("default-src 'none'");
  expect(policy).toContain("require-trusted-types-for 'script'");
  expect(policy).toContain("frame-ancestors 'none'");
  expect(policy).not.toMatch(/unsafe-(inline|eval)|\*/);
  const context = await stage.context();
  const page = await context.newPage();
  await page.goto("/");
  // Not within the evaluation, to which the policy does not apply.
  const outcomes = await page.evaluate(async () => {
    await new Promise((resolve) => setTimeout(resolve));
    const tries: (() => unknown)[] = [
      () => (document.body.innerHTML += "<b>x</b>"),
      () => document.createElement("script").setAttribute("src", "data:,1"),
      () => Reflect.construct(Function, ["return 1"]),
      () => Reflect.get(globalThis, "trustedTypes").createPolicy("other", {}),
    ];
    return tries.map((attempt) => {
      try {
        attempt();
        return "done";
      } catch (error) {
        return error instanceof Error ? error.name : "thrown";
      }
    });
  });
  expect(outcomes).not.toContain("done");
});
