// Proves that trouble which is over within 1.5 s is nobody's business: no banner, seen from inside the page at every change of it.
import { expect, test } from "vitest";
import { proseText } from "../support/model-server.ts";
import { seenIn, watchPages } from "./app-probe.ts";
import { useStage } from "./app-stage.ts";
import { bare, soon, textIn } from "./app-visitor.ts";

const stage = useStage();

test("UI15 UI2 the wire is cut again and again and back at once: the dot tells, no banner comes, nothing jumps or is lost", async () => {
  const context = await stage.context();
  await watchPages(context);
  const visitor = await stage.visit({ context });
  const { page } = visitor;
  visitor.expectTrouble();
  await visitor.ask("{{prose chars=2000 piece=10 rate=40 seed=31}}");
  const log = await visitor.log.boundingBox();
  for (let i = 1; i <= 4; i++) {
    await visitor.seen(visitor.replies.last(), i * 100);
    stage.proxy.cut();
    // What the page itself saw of it, not what can be seen from here in time.
    await soon(async () => (await seenIn(page)).troubles.filter(({ to }) => to !== undefined).length).toBe(i + 1);
  }
  await visitor.done(1);
  const { troubles, violations } = await seenIn(page);
  console.log(`troubles of ${troubles.map(({ from, to = NaN }) => Math.round(to - from)).join(", ")} ms`);
  // The first is the opening of the page.
  expect(troubles).toHaveLength(5);
  const short = troubles.slice(1).filter(({ from, to = Infinity }) => to - from < 1500);
  // The wait before the first new attempt is half a second at most: it is short on any machine.
  expect(short.length).toBeGreaterThan(0);
  for (const { banner } of short) expect(banner).toBeUndefined();
  expect(violations).toEqual([]);
  await soon(() => visitor.log.boundingBox()).toEqual(log);
  await soon(() => textIn(visitor.replies.last())).toBe(bare(proseText(31, 2000)));
});
