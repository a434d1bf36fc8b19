// Proves that no text waits for ever: what was written by a guest who is no more, or in a conversation that is gone, can go on elsewhere.
import { expect, test } from "vitest";
import { useStage } from "./app-stage.ts";
import { soon, type Visitor } from "./app-visitor.ts";

const stage = useStage();

/** Ends the session of a page from another device, and waits until the page knows. */
async function endSession(visitor: Visitor): Promise<void> {
  const other = await stage.wire(visitor.page);
  await other.ask({ type: "auth.logout" });
  await visitor.page.locator('.tl-banner[data-state="signed-out"]').waitFor();
}
async function comeInAgain(visitor: Visitor): Promise<void> {
  await visitor.button("Sign in", visitor.banner).click();
  await visitor.button("Go on as a guest").click();
  await visitor.online();
}
const kept = (visitor: Visitor) => visitor.page.locator(".tl-gone blockquote");
const userTexts = async (visitor: Visitor): Promise<string[]> => {
  const truth = await stage.truth(visitor.page);
  return [...truth.messages.values()].filter(({ role }) => role === "user").map(({ id }) => truth.text(id));
};

test("UI39 AZ18 SG7 a guest's session ends: what was sent and typed then is shown to the next guest, who sends it, once", async () => {
  const visitor = await stage.visit();
  const { page } = visitor;
  await visitor.ask("{{prose chars=100 seed=1}}");
  await visitor.done(1);
  const before = page.url();
  await endSession(visitor);
  await visitor.send("{{text=one}}");
  await visitor.own.getByText("{{text=one}}").waitFor();
  await visitor.box.fill("two");
  await comeInAgain(visitor);
  await soon(() => kept(visitor).textContent()).toBe("{{text=one}}\n\ntwo");
  // Nothing goes as somebody else unasked.
  expect(stage.model.requests).toHaveLength(1);
  await visitor.button("Go on in a new conversation").click();
  await soon(() => visitor.box.inputValue()).toBe("{{text=one}}\n\ntwo");
  await soon(() => visitor.box.evaluate((box) => box === document.activeElement)).toBe(true);
  await soon(() => kept(visitor).count()).toBe(0);
  await page.keyboard.press("Enter");
  await visitor.done(1);
  await soon(() => page.url()).not.toBe(before);
  await soon(() => userTexts(visitor)).toEqual(["{{text=one}}\n\ntwo"]);
  await soon(() => stage.model.requests).toHaveLength(2);
  await page.reload();
  await visitor.done(1);
  await soon(() => visitor.box.inputValue()).toBe("");
});

test("UI39 AZ18 the session ends before the first message is delivered: the same, and after a reload too", async () => {
  const visitor = await stage.visit();
  const { page } = visitor;
  await endSession(visitor);
  await visitor.send("{{text=first}}");
  await visitor.own.getByText("{{text=first}}").waitFor();
  await comeInAgain(visitor);
  await soon(() => kept(visitor).textContent()).toBe("{{text=first}}");
  await page.reload();
  await soon(() => kept(visitor).textContent()).toBe("{{text=first}}");
  await visitor.button("Go on in a new conversation").click();
  await page.keyboard.press("Enter");
  await visitor.done(1);
  await soon(() => userTexts(visitor)).toEqual(["{{text=first}}"]);
});

test("UI39 a conversation is deleted on another device while something is typed in it: the text goes on in a new one", async () => {
  const visitor = await stage.visit();
  const { page } = visitor;
  await visitor.ask("{{prose chars=100 seed=2}}");
  await visitor.done(1);
  await visitor.box.fill("a long thought");
  const wire = await stage.wire(page);
  await wire.ask({ type: "conversation.delete", conversation: new URL(page.url()).pathname.split("/").at(-1) });
  await soon(() => kept(visitor).textContent()).toBe("a long thought");
  // The box below begins another one; what is typed there stays with it.
  await soon(() => visitor.box.inputValue()).toBe("");
  await visitor.box.fill("And: ");
  await visitor.button("Go on in a new conversation").click();
  await soon(() => visitor.box.inputValue()).toBe("And: \n\na long thought");
  await visitor.button("Send").click();
  await visitor.done(1);
  await soon(() => userTexts(visitor)).toEqual(["And: \n\na long thought"]);
  await soon(() => visitor.rows.count()).toBe(1);
});
