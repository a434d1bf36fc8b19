import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { plainVault } from "../../src/adapters/embedded/plain-vault.ts";
import { openStore } from "../../src/adapters/embedded/store.ts";
import { systemClock } from "../../src/server/clock.ts";
import type { Log } from "../../src/server/ports.ts";
import { counting, sendTo, Stage, startBare, until, words, type AnyEvent } from "./talker.ts";

let stage: Stage;
beforeEach(() => void (stage = new Stage()));
afterEach(() => stage.end());

test("TU10 G6 G7 a process that claims its own running turn goes on with it under the new fence, and it ends once", async () => {
  const file = join(stage.dataDir, "t.db");
  const store = openStore({ file, vault: plainVault, durability: "process", clock: systemClock });
  let claims = 0;
  // An hour passes between the renewal of the lease and the look at it, once.
  const claim: Log["claim"] = async (asked) => {
    const jump = claims === 0 && !asked.all ? 3_600_000 : 0;
    const claimed = await store.log.claim({ ...asked, now: asked.now + jump });
    claims += claimed.length;
    return claimed;
  };
  const { frames, text: say, end } = await startBare({ ...store, log: { ...store.log, claim } }, counting());
  const conversation = crypto.randomUUID();
  say({ type: "auth", id: "a", guest: true });
  say({ id: "s", ...sendTo(conversation, "450 words every 10 ms") });
  say({ type: "conversation.open", id: "o", conversation, seq: 0 });
  const events = (): AnyEvent[] =>
    frames.filter((frame) => frame.type === "events").flatMap((frame) => frame["events"] as AnyEvent[]);
  await until(() => events().some((event) => event.kind === "turn.finished"), "the end", 25_000);
  expect(claims).toBe(1);
  const resumed = events().findIndex((event) => event.kind === "turn.resumed");
  expect(events()[resumed]).toMatchObject({ attempt: 2, mode: "restart" });
  expect(events().filter((event) => event.kind === "turn.finished")).toMatchObject([{ status: "completed" }]);
  const after = events().slice(resumed);
  expect(after.map((event) => event.text ?? "").join("")).toBe(words(450));
  await end();
}, 40_000);
