import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { plainVault } from "../../src/adapters/embedded/plain-vault.ts";
import { openStore } from "../../src/adapters/embedded/store.ts";
import { systemClock } from "../../src/server/clock.ts";
import { counting, sendTo, Stage, startBare, until, words, type AnyEvent, type Frame } from "./talker.ts";

let stage: Stage;
beforeEach(() => void (stage = new Stage()));
afterEach(() => stage.end());

test("LG8 ST08 a full disk: unavailable and no ack, reads go on, a running reply waits, and all heals without a restart", async () => {
  const file = join(stage.dataDir, "t.db");
  const store = openStore({ file, vault: plainVault, durability: "process", clock: systemClock, maxPages: 400 });
  const { frames, text: say, end } = await startBare(store, counting());
  const ask = async (command: object): Promise<Frame> => {
    const id = crypto.randomUUID();
    say({ id, ...command });
    return until(() => frames.find((frame) => frame.id === id), "an answer");
  };
  await ask({ type: "auth", guest: true });
  const filler = crypto.randomUUID();
  await ask({ type: "conversation.create", conversation: filler });
  const running = crypto.randomUUID();
  await ask(sendTo(running, "150 words every 10 ms"));
  await ask({ type: "conversation.open", conversation: running, seq: 0 });
  const big = (): object => sendTo(filler, `${"z".repeat(90_000)} 0 words every 0 ms`, { parent: null });
  let answer = await ask(big());
  let acked = 0;
  for (; answer.type === "ack"; answer = await ask(big())) acked++;
  expect(acked).toBeGreaterThan(3);
  expect(answer).toMatchObject({ type: "error", error: { code: "unavailable", retryable: true } });
  // Whatever is left of the room is used up by small ones.
  const small = (): object => ({
    type: "conversation.create",
    conversation: crypto.randomUUID(),
    title: "t".repeat(200),
  });
  while ((await ask(small())).type === "ack");
  expect(await ask({ type: "conversation.list", limit: 1 })).toMatchObject({ type: "ack" });
  expect(await ask({ type: "conversation.history", conversation: filler, limit: 1 })).toMatchObject({ type: "ack" });
  const events = (): AnyEvent[] =>
    frames.filter((frame) => frame.type === "events").flatMap((frame) => frame["events"] as AnyEvent[]);
  const text = (): string =>
    events()
      .map((event) => event.text ?? "")
      .join("");
  expect(text().length).toBeLessThan(words(150).length);

  await until(
    async () => (await ask({ type: "conversation.delete", conversation: filler })).type === "ack",
    "the deletion",
  );
  expect(await ask(sendTo(crypto.randomUUID(), "2 words every 0 ms"))).toMatchObject({ type: "ack" });
  await until(() => events().some((event) => event.kind === "turn.finished"), "the reply's end", 15_000);
  expect(text()).toBe(words(150));
  expect(events().at(-1)).toMatchObject({ kind: "turn.finished", status: "completed", length: words(150).length });
  await end();
});
