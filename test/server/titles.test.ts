// Proves how conversations get their names, on a real store and real sockets, with models that a test holds in its hands.
import { afterEach, beforeEach, expect, test } from "vitest";
import { modelFrom } from "../../src/adapters/models/index.ts";
import { ModelFailure, type Model, type ModelRequest } from "../../src/host.ts";
import { startServer } from "../client/server.ts";
import { defaultPolicy } from "../../src/server/policy.ts";
import { sendTo, Stage, Talker, until, type AnyEvent } from "./talker.ts";

let stage: Stage;
beforeEach(() => void (stage = new Stage()));
afterEach(() => stage.end());

const textOf = (request: ModelRequest): string =>
  request.messages
    .flatMap((message) => message.content)
    .map((part) => (part.type === "text" ? part.text : ""))
    .join("\n");

type Say = (request: ModelRequest, signal: AbortSignal) => AsyncIterable<string>;

/** A model that answers `Answer.` to a question, and to the asking for a title what the test says. */
function naming(
  title: Say,
  reply: Say = async function* () {
    yield "Answer.";
  },
): { model: Model; asked: ModelRequest[] } {
  const asked: ModelRequest[] = [];
  const model = modelFrom({
    name: "naming",
    stream(request, signal) {
      if (request.purpose !== "title") return reply(request, signal);
      asked.push(request);
      return title(request, signal);
    },
  });
  return { model, asked };
}
const says = (...texts: readonly string[]): Say =>
  async function* () {
    yield* texts;
  };
const silent: Say = async function* (_request, signal) {
  yield "";
  await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
};

const isUpdated = (event: AnyEvent): boolean => event.kind === "conversation.updated";
const titlesOf = (talker: Talker, conversation: string): unknown[] =>
  talker
    .events(conversation)
    .filter(isUpdated)
    .map((event) => event["title"]);

async function ask(talker: Talker, question = "How do I sort a **list** in Python?"): Promise<string> {
  const conversation = crypto.randomUUID();
  expect(await talker.ask(sendTo(conversation, question))).toMatchObject({ type: "ack" });
  await talker.ask({ type: "conversation.open", conversation, seq: 0 });
  return conversation;
}
const ended = (talker: Talker, conversation: string, count = 1): Promise<unknown> =>
  until(
    () => talker.events(conversation).filter((event) => event.kind === "turn.finished").length >= count,
    "the reply's end",
  );
const named = (talker: Talker, conversation: string): Promise<unknown> =>
  until(() => titlesOf(talker, conversation)[0], "the title");

test("TI1 TI6 after the first reply the model is asked, and its title comes as an event and as a row, in its place", async () => {
  const { model, asked } = naming(says('Title: "Sorting', ' lists"'));
  const { talk } = await stage.serve({ model, titles: "model" });
  const talker = await talk();
  await talker.ask({ type: "conversation.list" });
  const conversation = await ask(talker);
  expect(await named(talker, conversation)).toBe("Sorting lists");
  const kinds = talker.events(conversation).map((event) => event.kind);
  expect(kinds.slice(-2)).toEqual(["turn.finished", "conversation.updated"]);
  expect(asked).toHaveLength(1);
  expect(textOf(asked[0] as ModelRequest)).toMatch(/sort a \*\*list\*\*[^]*Answer\./);
  const row = await until(
    () => talker.frames.findLast((frame) => frame.type === "conversation" && frame["title"] === "Sorting lists"),
    "the row",
  );
  const finished = talker.events(conversation).find((event) => event.kind === "turn.finished");
  expect(row["updatedAt"]).toBe(finished?.["at"]);
  // Further replies ask for nothing more.
  await talker.ask(sendTo(conversation, "And in Rust?"));
  await ended(talker, conversation, 2);
  expect(asked).toHaveLength(1);
  expect(titlesOf(talker, conversation)).toEqual(["Sorting lists"]);
});

test.each<[string, Say]>([
  ["says nothing", says()],
  ["says several lines", says("I could call it\nSorting\nor\nLists")],
  [
    "never ends",
    async function* () {
      for (;;) yield "on and on ";
    },
  ],
  [
    "fails",
    async function* () {
      yield "";
      throw new ModelFailure("model_unavailable", { retryable: true });
    },
  ],
])("TI2 TI5 a model that %s is asked once, and the words of the question serve", async (_what, title) => {
  const { model, asked } = naming(title);
  const { talk } = await stage.serve({ model, titles: "model" });
  const talker = await talk();
  const conversation = await ask(talker);
  expect(await named(talker, conversation)).toBe("How do I sort a list in Python?");
  expect(asked).toHaveLength(1);
});

test("TI5 MO6 a reply that failed with nothing said: the words serve, and the model is left alone", async () => {
  const { model, asked } = naming(says("Never"), async function* () {
    yield "";
    throw new ModelFailure("model_refused", { retryable: false });
  });
  const { talk } = await stage.serve({ model, titles: "model" });
  const talker = await talk();
  const conversation = await ask(talker, "日本語について教えてください");
  expect(await named(talker, conversation)).toBe("日本語について教えてください");
  expect(asked).toEqual([]);
});

test("TI5 TI2 a question without words is named after its reply; where neither has any, the model is never asked", async () => {
  const { model, asked } = naming(says("..."), async function* ({ messages }) {
    yield textOf({ messages } as ModelRequest).includes("???") ? "**Please** say more." : "---";
  });
  const { talk } = await stage.serve({ model, titles: "model" });
  const talker = await talk();
  expect(await named(talker, await ask(talker, "???"))).toBe("Please say more.");
  const mute = await ask(talker, "!!!");
  await ended(talker, mute);
  for (let i = 0; i < 20; i++) await talker.ask({ type: "conversation.open", conversation: mute });
  expect(asked).toHaveLength(1);
  expect(titlesOf(talker, mute)).toEqual([]);
});

test("TI4 a conversation is not named while its first reply is being made, however often it is opened", async () => {
  const { model, asked } = naming(says("Named"), async function* (_request, signal) {
    yield "Some text";
    await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
  });
  const { talk } = await stage.serve({ model, titles: "model" });
  const talker = await talk();
  const conversation = await ask(talker);
  for (let i = 0; i < 20; i++) await talker.ask({ type: "conversation.open", conversation });
  const started = await until(
    () => talker.events(conversation).find((event) => event.kind === "turn.started"),
    "the turn",
  );
  expect(asked).toEqual([]);
  await talker.ask({ type: "turn.stop", conversation, turn: started["turn"] });
  expect(await named(talker, conversation)).toBe("Named");
  expect(asked).toHaveLength(1);
});

test("TI7 words ask no model, off names nothing", async () => {
  const { model, asked } = naming(says("Never"));
  const { talk } = await stage.serve({ model, titles: "words" });
  const talker = await talk();
  expect(await named(talker, await ask(talker))).toBe("How do I sort a list in Python?");
  await stage.end();
  stage = new Stage();
  const quiet = await (await stage.serve({ model, titles: "off" })).talk();
  const conversation = await ask(quiet);
  await ended(quiet, conversation);
  await quiet.ask(sendTo(conversation, "Again"));
  await ended(quiet, conversation, 2);
  expect(titlesOf(quiet, conversation)).toEqual([]);
  expect(asked).toEqual([]);
});

test("TI3 a title that a person gives, or a deletion, while the model thinks: neither is touched", async () => {
  const waiting: (() => void)[] = [];
  const { model } = naming(async function* () {
    await new Promise<void>((resolve) => waiting.push(resolve));
    yield "Sorting lists";
  });
  const { talk } = await stage.serve({ model, titles: "model" });
  const talker = await talk();
  const [mine, gone] = [await ask(talker), await ask(talker)];
  await until(() => waiting.length === 2, "the questions for titles");
  expect(await talker.ask({ type: "conversation.update", conversation: mine, title: "" })).toMatchObject({
    error: { code: "invalid", field: "title" },
  });
  await talker.ask({ type: "conversation.update", conversation: mine, title: "Mine" });
  await talker.ask({ type: "conversation.delete", conversation: gone });
  for (const go of waiting) go();
  const third = await ask(talker);
  await until(() => waiting.length === 3, "the third");
  waiting[2]?.();
  await named(talker, third);
  expect(titlesOf(talker, mine)).toEqual(["Mine"]);
  expect(talker.events(gone).at(-1)?.kind).toBe("conversation.deleted");
});

test("TI2 many conversations at once: two titles are asked for at a time, replies do not wait, and every one is named", async () => {
  let [now, most] = [0, 0];
  const { model } = naming(async function* () {
    most = Math.max(most, ++now);
    await new Promise((resolve) => setTimeout(resolve, 20));
    now--;
    yield "Named";
  });
  const { talk } = await stage.serve({ model, titles: "model" });
  const talker = await talk();
  const all = await Promise.all(Array.from({ length: 20 }, () => ask(talker)));
  for (const conversation of all) await ended(talker, conversation);
  expect(all.filter((conversation) => titlesOf(talker, conversation).length > 0).length).toBeLessThan(20);
  for (const conversation of all) expect(await named(talker, conversation)).toBe("Named");
  expect(most).toBe(2);
});

test("TI2 MO4 titles that fail open no circuit, and a model whose circuit is open is not asked for one", async () => {
  const { model, asked } = naming(
    async function* () {
      yield "";
      throw new ModelFailure("model_unavailable", { retryable: true });
    },
    async function* ({ messages }) {
      yield "Some text.";
      if (textOf({ messages } as ModelRequest).includes("fail"))
        throw new ModelFailure("model_unavailable", { retryable: true });
    },
  );
  const { talk } = await stage.serve({ model, titles: "model" });
  const talker = await talk();
  for (let i = 0; i < 7; i++) await named(talker, await ask(talker, `Question ${i}`));
  expect(asked).toHaveLength(7);
  expect(talker.events().filter((event) => event.status === "failed")).toEqual([]);
  // Replies that fail with some text: the sixth finds the circuit open.
  for (let i = 0; i < 6; i++) await named(talker, await ask(talker, `fail ${i}`));
  expect(asked).toHaveLength(11);
});

test("TI4 MO7 a server that leaves while the model thinks does not wait for it; the next opening names the conversation", async () => {
  const { model, asked } = naming(silent);
  const { host, talk } = await stage.serve({ model, titles: "model" });
  const first = await talk();
  const conversation = await ask(first);
  await until(() => asked.length === 1, "the question for a title");
  const { session } = first;
  const began = performance.now();
  await host.close(3000);
  expect(performance.now() - began).toBeLessThan(1500);
  const next = naming(says("Sorting lists"));
  const again = await (await stage.serve({ model: next.model, titles: "model" })).talk({ session });
  await again.ask({ type: "conversation.open", conversation, seq: 0 });
  expect(await named(again, conversation)).toBe("Sorting lists");
});

test("TI4 a process that is killed before the title: the conversation is named when it is opened again", async () => {
  const server = await startServer({ TITLES: "off" });
  const say = async (auth: object): Promise<Talker> => {
    const talker = await new Talker(`127.0.0.1:${server.port}`).opened();
    await talker.ask({ type: "auth", ...auth });
    return talker;
  };
  const first = await say({ guest: true });
  const conversation = await ask(first, "## Short *question*");
  await ended(first, conversation);
  await server.kill("SIGKILL");
  await server.start({ TITLES: "model" });
  const again = await say({ session: first.session });
  await again.ask({ type: "conversation.open", conversation, seq: 0 });
  // The demo names nothing: the words do.
  expect(await named(again, conversation)).toBe("Short question");
  again.ws.terminate();
});

test("TI8 FU6 what a title has cost is spent of its owner's day, and of nobody else's", async () => {
  const model = modelFrom({
    name: "costly titles",
    async *stream({ purpose }) {
      yield purpose === "title" ? "A title" : "Answer.";
      yield { type: "usage", usage: { inputTokens: purpose === "title" ? 1000 : 0, outputTokens: 0 } };
    },
  });
  const policy = {
    ...defaultPolicy,
    guest: { ...defaultPolicy.guest, tokensPerDay: 900 },
    reply: { ...defaultPolicy.reply, reservedTokens: 100 },
  };
  const { talk } = await stage.serve({ model, titles: "model", policy });
  const [talker, other] = [await talk(), await talk()];
  const conversation = await ask(talker);
  expect(await named(talker, conversation)).toBe("A title");
  const refused = await talker.ask(sendTo(crypto.randomUUID(), "one more"));
  expect(refused).toMatchObject({ type: "error", error: { code: "quota_exceeded" } });
  expect(await other.ask(sendTo(crypto.randomUUID(), "the first"))).toMatchObject({ type: "ack" });
});

test("TI8 FU6 a title whose model says nothing of its cost is estimated from its characters, also one that is cut off; one that failed at once is free", async () => {
  const policy = {
    ...defaultPolicy,
    // A message reserves a good 100; the asking for a title has about 300 characters, 3 a token: there is no room for both.
    guest: { ...defaultPolicy.guest, tokensPerDay: 200 },
    reply: { ...defaultPolicy.reply, reservedTokens: 100 },
  };
  const oneMore = async (title: Say): Promise<string> => {
    const { model } = naming(title);
    const { host, talk } = await stage.serve({ model, titles: "model", policy, systemPrompt: "" });
    const talker = await talk();
    const conversation = await ask(talker);
    await named(talker, conversation);
    const { type } = await talker.ask(sendTo(crypto.randomUUID(), "one more"));
    await host.close(0);
    return type;
  };
  expect(await oneMore(says("A title"))).toBe("error");
  expect(await oneMore(says("too long ".repeat(100)))).toBe("error");
  expect(
    await oneMore(async function* () {
      yield "";
      throw new ModelFailure("model_refused", { retryable: false });
    }),
  ).toBe("ack");
});
