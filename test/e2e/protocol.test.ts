import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { expectedText, startModelServer, type ModelServer } from "../support/model-server.ts";
import { ChaosProxy } from "../support/proxy.ts";
import { until, WireClient, type Answer, type ConnectOptions } from "../support/wire-client.ts";
import type { Json, WireView } from "../support/wire-view.ts";
import { ServerProcess } from "./server-process.ts";

let model: ModelServer;
let server: ServerProcess;
beforeAll(async () => {
  model = await startModelServer({ prefill: true });
  server = new ServerProcess({ MODEL: "openai-compatible:test", OPENAI_BASE_URL: model.url, MODEL_PREFILL: "on" });
  await server.start();
});
afterAll(async () => {
  await model.close();
  await server.dispose();
});

const clients: WireClient[] = [];
afterEach(() => {
  const anomalies = clients.splice(0).flatMap((client) => {
    client.cut();
    return client.anomalies;
  });
  expect(anomalies).toEqual([]);
});

/** A client whose anomalies fail the test at its end. */
async function join(options: ConnectOptions = {}, url = server.url): Promise<WireClient> {
  const client = await WireClient.connect(url, options);
  clients.push(client);
  expect(client.hello.type).toBe("ack");
  return client;
}

const uuid = (): string => crypto.randomUUID();
const text = (value: string): Json[] => [{ type: "text", text: value }];
const saying = (seed: number, chars: number, rate = 0): string =>
  `{{seed=${seed} chars=${chars} rate=${rate} piece=4}}`;
const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Sends, and waits for the end of the reply on a view of the client. */
async function exchange(client: WireClient, conversation: string, said: string, more: Json = {}): Promise<Answer> {
  const sent = await client.send(conversation, said, more);
  expect(sent).toMatchObject({ type: "ack" });
  const view = client.views.get(conversation) ?? (await client.open(conversation));
  await until(() => view.finished.has(String(sent["turn"])), "the reply's end");
  return sent;
}

/** A conversation in which everything has happened: edits, branches, a retry, a stop, a continue, reactions, titles. */
async function eventful(client: WireClient): Promise<{ conversation: string; first: Answer; edited: Answer }> {
  const conversation = uuid();
  const view = await client
    .ask({ type: "conversation.create", conversation, title: "first" })
    .then(() => client.open(conversation));
  const first = await exchange(client, conversation, saying(1, 300, 400));
  const stopped = await client.send(conversation, saying(2, 4000, 300));
  await until(() => view.text(stopped["reply"]).length > 80, "some text");
  await client.ask({ type: "turn.stop", conversation, turn: stopped["turn"] });
  const continued = await client.ask({ type: "turn.continue", conversation, message: stopped["reply"] });
  await until(() => view.text(stopped["reply"]).length > 300, "some more text");
  await client.ask({ type: "turn.stop", conversation, turn: continued["turn"] });
  const edited = await client.ask({
    type: "message.edit",
    conversation,
    message: first["message"],
    replacement: uuid(),
    parts: text(`${saying(3, 200, 400)} {{reasoning}}`.replace("}} {{", " ")),
  });
  const retried = await client.ask({ type: "turn.retry", conversation, message: first["reply"] });
  for (const [reaction, on] of [
    ["👍", true],
    ["🎉", true],
    ["👍", false],
  ] as const)
    await client.ask({ type: "message.react", conversation, message: first["reply"], reaction, on });
  await client.ask({ type: "conversation.update", conversation, title: "second", archived: true });
  await until(
    () => view.finished.has(String(edited["turn"])) && view.finished.has(String(retried["turn"])),
    "the ends",
  );
  return { conversation, first, edited };
}

describe("reading", () => {
  test("RD1 FO9 G4 B01 B03 B04 from every seq that a reader stood at, in mid-part too, what follows makes the same whole", async () => {
    const ann = await join();
    const eye = await join({ from: ann });
    const conversation = uuid();
    await ann.ask({ type: "conversation.create", conversation });
    // Every state that a live reader has stood at, by its seq.
    const stood = new Map<number, WireClient>();
    const watched = await eye.open(conversation);
    const looking = setInterval(() => {
      if (stood.has(watched.seq)) return;
      const at = { views: new Map([[conversation, watched.copy(() => undefined)]]), token: ann.token };
      stood.set(watched.seq, at as unknown as WireClient);
    }, 5);
    await ann.open(conversation);
    await exchange(ann, conversation, saying(1, 400, 300));
    await exchange(ann, conversation, `{{seed=5 chars=200 reasoning=200 rate=400 piece=4}}`);
    await until(() => watched.seq === ann.views.get(conversation)?.seq, "the watcher");
    clearInterval(looking);
    const whole = (await ann.readCold(conversation)).canonical();
    expect(watched.canonical()).toBe(whole);
    expect(stood.size).toBeGreaterThan(20);
    for (const at of stood.values()) {
      const resumed = await join({ from: at });
      const view = resumed.views.get(conversation);
      await until(() => view?.live !== undefined, "live");
      expect(view?.canonical()).toBe(whole);
      expect(view?.snapshots).toBe(0);
      resumed.cut();
    }
    const head = watched.seq;
    // Every single seq, also those that lie inside of a merged piece: what follows begins there and ends at the head.
    for (let seq = 0; seq <= head; seq++) {
      const frames: { from: number; to: number; events: Json[] }[] = [];
      const spare = await join({ from: ann, open: [] });
      spare.views.set(
        conversation,
        Object.assign(
          watched.copy(() => undefined),
          {
            receive: (frame: Json) => void (frame["type"] === "events" && frames.push(frame as never)),
          },
        ),
      );
      await spare.ask({ type: "conversation.open", conversation, seq });
      await spare.ask({ type: "ping" });
      await until(() => (frames.at(-1)?.to ?? seq) === head, `the head after ${seq}`);
      if (seq < head) expect(frames[0]?.from).toBe(seq + 1);
      const cut = frames.flatMap((frame) => frame.events).find((event) => event["kind"] === "reply.appended");
      if (cut !== undefined) {
        const part = [...watched.messages.values()].find(({ id }) => id === cut["message"])?.parts[Number(cut["part"])];
        expect(part?.text?.slice(Number(cut["offset"])).startsWith(String(cut["text"]))).toBe(true);
      }
      spare.cut();
    }
  });

  test("FO9 G4 RD1 log, snapshot, history and both live views of an eventful conversation are the same, byte for byte", async () => {
    const ann = await join();
    const eye = await join({ from: ann });
    const { conversation } = await eventful(ann);
    const live = ann.views.get(conversation);
    const log = await eye.readCold(conversation);
    const snapshot = await eye.readCold(conversation, {});
    expect(snapshot.snapshots).toBe(1);
    expect(log.snapshots).toBe(0);
    expect(snapshot.canonical()).toBe(log.canonical());
    expect(live?.canonical()).toBe(log.canonical());
    const pages: Json[] = [];
    for (let before: unknown; ;) {
      const page = await eye.ask({
        type: "conversation.history",
        conversation,
        limit: 3,
        ...(before === undefined ? {} : { before }),
      });
      const messages = page["messages"] as Json[];
      pages.unshift(...messages);
      before = messages[0]?.["id"];
      if (page["more"] !== true) break;
    }
    expect(pages).toEqual([...snapshot.messages.values()]);
  });

  test("AZ04 RD2 a cursor of another epoch, ahead, negative or enormous takes a snapshot; one that is no whole number is invalid", async () => {
    const ann = await join();
    const { conversation } = await eventful(ann);
    const whole = (await ann.readCold(conversation)).canonical();
    const { seq = 0, epoch = "" } = ann.views.get(conversation) ?? {};
    const forged: Json[] = [
      { seq: 3, epoch: "another" }, { seq, epoch: `${epoch}x` }, { seq: seq + 1 }, { seq: 2 ** 60 }, { seq: -1 }, { seq: -(2 ** 60) },
    ]; // prettier-ignore
    for (const where of forged) {
      const view = await ann.readCold(conversation, where);
      expect([where, view.snapshots, view.canonical()]).toEqual([where, 1, whole]);
      const again = await join({ from: ann, open: [{ conversation, ...(where as { seq: number }) }] });
      await until(() => again.views.get(conversation)?.live !== undefined, "live");
      expect(again.views.get(conversation)?.canonical()).toBe(whole);
    }
    for (const wrong of [1.5, "3", null, [3], true])
      expect(await ann.ask({ type: "conversation.open", conversation, seq: wrong })).toMatchObject({
        error: { code: "invalid" },
      });
  });

  test("B20 RD5 G4 a reply of 400,000 characters is caught up in frames of 64 KiB of text at most, and comes live in such too", async () => {
    const ann = await join();
    const conversation = uuid();
    await ann.ask({ type: "conversation.create", conversation });
    const live = await ann.open(conversation);
    const sent = await exchange(ann, conversation, "{{seed=4 chars=400000 piece=500}}");
    const cold = await ann.readCold(conversation);
    expect(cold.text(sent["reply"])).toBe(expectedText(4, 400_000));
    expect(live.canonical()).toBe(cold.canonical());
    expect(Math.max(cold.largest, live.largest)).toBeLessThanOrEqual(65_536);
  });

  test("B11 B21 RD1 fifty reconnects during one reply: every view goes on where the last stood, and nothing is doubled", async () => {
    const ann = await join();
    const conversation = uuid();
    const sent = await ann.send(conversation, saying(6, 1600, 100));
    await ann.open(conversation);
    let last = ann;
    for (let i = 0; i < 50; i++) {
      await sleep(40);
      last.cut();
      last = await join({ from: last });
    }
    const view = last.views.get(conversation);
    await until(() => view?.finished.has(String(sent["turn"])), "the end", 20_000);
    expect(view?.text(sent["reply"])).toBe(expectedText(6, 1600));
    expect(view?.snapshots).toBe(0);
  });
});

describe("changing", () => {
  test("CM3 CM5 CM8 AZ06 every command does what the wire says, and both devices see it", async () => {
    const ann = await join();
    const other = await join({ from: ann });
    const conversation = uuid();
    const message = uuid();
    expect(await ann.ask({ type: "conversation.list" })).toMatchObject({ conversations: [] });
    await other.ask({ type: "conversation.list" });
    const sent = await ann.ask({ type: "message.send", conversation, message, parts: text(saying(1, 50)) });
    expect(sent).toMatchObject({ type: "ack", message, seq: 3 });
    const view = await ann.open(conversation);
    const theirs = await other.open(conversation);
    await until(() => view.status(sent["reply"]) === "completed", "the reply");
    expect(view.text(sent["reply"])).toBe(expectedText(1, 50));
    const replacement = uuid();
    const edited = await ann.ask({
      type: "message.edit",
      conversation,
      message,
      replacement,
      parts: text(saying(2, 50)),
    });
    await until(() => view.status(edited["reply"]) === "completed", "the second reply");
    expect(view.messages.get(replacement)?.metadata).toMatchObject({ editOf: message, parent: null });
    expect(view.messages.get(String(edited["reply"]))?.metadata).toMatchObject({
      parent: replacement,
      turn: edited["turn"],
    });
    const retried = await ann.ask({ type: "turn.retry", conversation, message: sent["reply"] });
    expect(retried["reply"]).not.toBe(sent["reply"]);
    await until(() => view.status(retried["reply"]) === "completed", "the third reply");
    expect(view.messages.get(String(retried["reply"]))?.metadata).toMatchObject({ parent: message });
    const refused = async (command: Json, code: string): Promise<void> =>
      expect([command, await ann.ask({ conversation, ...command })]).toMatchObject([
        command,
        { type: "error", error: { code } },
      ]);
    const before = view.seq;
    await refused({ type: "turn.continue", message: sent["reply"] }, "conflict");
    await refused({ type: "turn.continue", message }, "invalid");
    await refused({ type: "turn.retry", message }, "invalid");
    await refused({ type: "turn.retry", message: uuid() }, "not_found");
    await refused({ type: "turn.stop", turn: uuid() }, "not_found");
    await refused({ type: "message.edit", message: sent["reply"], replacement: uuid(), parts: text("x") }, "forbidden");
    await refused({ type: "message.edit", message, replacement, parts: text("x") }, "conflict");
    await refused({ type: "message.send", message, parts: text("x") }, "conflict");
    await refused({ type: "message.send", message: uuid(), parent: uuid(), parts: text("x") }, "not_found");
    await refused({ type: "message.react", message: uuid(), reaction: "👍", on: true }, "not_found");
    await refused({ type: "conversation.create" }, "conflict");
    const stop = await ann.ask({ type: "turn.stop", conversation, turn: sent["turn"] });
    expect(stop).toMatchObject({ type: "ack", status: "completed", turn: sent["turn"] });
    expect(view.seq).toBe(before);
    for (const on of [true, true, false, false, true])
      await ann.ask({ type: "message.react", conversation, message, reaction: "👍", on });
    expect(await ann.ask({ type: "conversation.update", conversation, title: "named" })).toMatchObject({
      seq: before + 4,
    });
    await until(() => theirs.canonical() === view.canonical() && view.title === "named", "the other device");
    expect(view.messages.get(message)?.metadata["reactions"]).toEqual({ "👍": [ann.user] });
    await until(() => other.rows.some((row) => row["title"] === "named"), "the row");
    await ann.ask({ type: "conversation.update", conversation, archived: true });
    expect(await ann.ask({ type: "conversation.list" })).toMatchObject({ conversations: [] });
    expect(await ann.ask({ type: "conversation.list", archived: true })).toMatchObject({
      conversations: [{ id: conversation, title: "named" }],
    });
    expect(await ann.ask({ type: "conversation.delete", conversation })).toMatchObject({ type: "ack" });
    await until(() => theirs.deleted && view.deleted, "the end on both");
    await until(() => other.rows.some((row) => row["deleted"] === true), "the row's end");
    for (const type of ["conversation.open", "conversation.history", "conversation.delete"])
      await refused({ type }, "not_found");
    await refused({ type: "message.send", message: uuid(), parts: text("x") }, "not_found");
    await refused({ type: "conversation.create" }, "conflict");
    const away = await join({ from: ann });
    await until(() => away.errors.length === 1, "the error for what is gone");
    expect(away.errors[0]).toMatchObject({ error: { code: "not_found" }, conversation });
  });

  test("CM10 G5 a conversation that is deleted while its reply is made: nothing follows, and the model's request ends", async () => {
    const ann = await join();
    const conversation = uuid();
    const sent = await ann.send(conversation, saying(1, 4000, 100));
    const view = await ann.open(conversation);
    await until(() => view.text(sent["reply"]).length > 20, "some text");
    const request = model.requests.at(-1);
    const asked = performance.now();
    await ann.ask({ type: "conversation.delete", conversation });
    await until(() => request?.outcome === "aborted", "the model's request to end");
    expect(performance.now() - asked).toBeLessThan(500);
    await until(() => view.deleted, "the end");
    const { seq } = view;
    await sleep(200);
    expect(view.seq).toBe(seq);
  });

  test("B06 B07 MO7 G5 PR09 a stop from another device works in every state of a turn, ends the model's request, and is final", async () => {
    const ann = await join();
    const states: Record<string, (view: WireView, sent: Answer) => boolean> = {
      // Before the model has said that it will answer, in the middle of a silence, while it streams, and between two attempts.
      "{{stall=-1}}": () => model.requests.at(-1)?.outcome === undefined,
      "{{chars=400 stall=10 piece=4}}": (view, sent) => view.text(sent["reply"]).length === 40,
      "{{chars=4000 rate=100 piece=4}}": (view, sent) => view.text(sent["reply"]).length > 40,
      "{{fail=503 retry=1}}": () => model.requests.at(-1)?.outcome === "finished",
    };
    for (const [asked, reached] of Object.entries(states)) {
      const conversation = uuid();
      await ann.ask({ type: "conversation.create", conversation });
      const view = await ann.open(conversation);
      const before = model.requests.length;
      const sent = await ann.send(conversation, asked);
      await until(() => model.requests.length > before && reached(view, sent), `the state of ${asked}`);
      const other = await join({ from: ann });
      const stopAt = performance.now();
      const stops = await Promise.all(
        [other, ann, other].map((device) => device.ask({ type: "turn.stop", conversation, turn: sent["turn"] })),
      );
      // Whoever comes second, or again, is told of the same end.
      for (const stop of stops) expect({ ...stop, id: "" }).toEqual({ ...stops[0], id: "" });
      expect(stops[0]).toMatchObject({ type: "ack", status: "stopped" });
      await until(() => model.requests.at(-1)?.outcome !== undefined, `the end of the request of ${asked}`);
      expect(performance.now() - stopAt).toBeLessThan(500);
      await until(() => view.seq === stops[0]?.["seq"], "the end");
      // Long enough for the attempt that was waiting for its time.
      await sleep(asked.includes("retry") ? 1500 : 120);
      expect([asked, view.seq, view.status(sent["reply"])]).toEqual([asked, stops[0]?.["seq"], "stopped"]);
      expect(model.requests.length).toBe(before + 1);
      const next = await exchange(ann, conversation, saying(2, 20), { parent: sent["reply"] });
      expect(view.text(next["reply"])).toBe(expectedText(2, 20));
    }
  });

  test("RD1 B09 opened anew a hundred times on one socket while a reply streams: the ack is where the new opening begins, nothing is doubled", async () => {
    const ann = await join();
    const conversation = uuid();
    const sent = await ann.send(conversation, saying(7, 1200, 100));
    const view = await ann.open(conversation);
    for (let i = 0; i < 100; i++) {
      await ann.open(conversation);
      if (i % 10 === 0) await until(() => view.live !== undefined, "live");
      await sleep(Math.random() * 20);
    }
    await until(() => view.finished.size === 1, "the end", 20_000);
    expect(view.text(sent["reply"])).toBe(expectedText(7, 1200));
    expect(view.snapshots).toBe(0);
    expect((await ann.readCold(conversation)).canonical()).toBe(view.canonical());
  });

  test("WR1 an id in capital letters is the same id, on every way in", async () => {
    const ann = await join();
    const conversation = uuid();
    const message = uuid();
    const [upper, loud] = [conversation.toUpperCase(), message.toUpperCase()];
    const sent = await ann.ask({
      type: "message.send",
      conversation: upper,
      message: loud,
      parts: text(saying(1, 20)),
    });
    expect(sent).toMatchObject({ type: "ack", message });
    const view = await ann.open(conversation);
    await until(() => view.status(sent["reply"]) === "completed", "the reply");
    expect(await ann.ask({ type: "conversation.create", conversation: upper })).toMatchObject({
      error: { code: "conflict" },
    });
    expect(
      await ann.ask({ type: "message.react", conversation: upper, message: loud, reaction: "👍", on: true }),
    ).toMatchObject({ type: "ack" });
    const bob = await join();
    expect(await bob.ask({ type: "conversation.open", conversation: upper })).toMatchObject({
      error: { code: "not_found" },
    });
  });

  test("B18 CM2 CM4 a stale tab's send deletes nothing: it makes a branch, or has to wait", async () => {
    const ann = await join();
    const conversation = uuid();
    const first = await exchange(ann, conversation, saying(1, 30));
    const stale = await join({ from: ann });
    await until(() => stale.views.get(conversation)?.live !== undefined, "live");
    stale.pause();
    const newer = await exchange(ann, conversation, saying(2, 30));
    stale.resume();
    const branch = await stale.send(conversation, saying(3, 400, 200), { parent: first["reply"] });
    expect(branch).toMatchObject({ type: "ack" });
    const busy = await ann.send(conversation, "x", { parent: branch["reply"] });
    expect(busy).toMatchObject({ error: { code: "conflict" } });
    expect(await ann.send(conversation, "x")).toMatchObject({ error: { code: "conflict" } });
    const beside = await exchange(ann, conversation, saying(4, 30), { parent: newer["reply"] });
    const view = stale.views.get(conversation);
    await until(
      () => view?.status(branch["reply"]) === "completed" && view.status(beside["reply"]) === "completed",
      "the ends",
    );
    const cold = await ann.readCold(conversation);
    expect(cold.messages.size).toBe(8);
    expect(cold.canonical()).toBe(view?.canonical());
    for (const [answer, seed, chars] of [
      [first, 1, 30],
      [newer, 2, 30],
      [branch, 3, 400],
      [beside, 4, 30],
    ] as const)
      expect(cold.text(answer["reply"])).toBe(expectedText(seed, chars));
  });

  test("JS11 LG6 G2 one id fifty times at once from ten sockets: one effect, one answer; other content conflicts, another user is free", async () => {
    const ann = await join();
    const sockets = [ann, ...(await Promise.all(Array.from({ length: 9 }, () => join({ from: ann }))))];
    const conversation = uuid();
    const base = { conversation, message: uuid() };
    const sent = { type: "message.send", id: uuid(), ...base, parts: text(saying(1, 40)) };
    const many = async (command: Json): Promise<Answer> => {
      const own = await Promise.all(sockets.flatMap((socket) => Array.from({ length: 5 }, () => socket.ask(command))));
      expect(own.length).toBe(50);
      expect(new Set(own.map((answer) => JSON.stringify(answer))).size).toBe(1);
      expect(own[0]).toMatchObject({ type: "ack" });
      return own[0] as Answer;
    };
    const first = await many(sent);
    const view = await ann.open(conversation);
    await until(() => view.status(first["reply"]) === "completed", "the reply");
    const commands: Json[] = [
      { type: "message.edit", conversation, message: base.message, replacement: uuid(), parts: text(saying(2, 40)) },
      { type: "turn.retry", conversation, message: first["reply"] },
      { type: "message.react", conversation, message: base.message, reaction: "🎉", on: true },
      { type: "conversation.update", conversation, title: "once" },
    ];
    for (const command of commands) await many({ ...command, id: uuid() });
    await until(() => view.finished.size === 3, "the replies");
    expect(view.messages.size).toBe(5);
    const events = view.seq;
    expect(await ann.ask(sent)).toEqual(first);
    expect(await ann.ask({ ...sent, parts: text("other") })).toMatchObject({ error: { code: "conflict" } });
    expect(await ann.ask({ type: "ping", id: sent.id })).toMatchObject({ type: "ack" });
    const bob = await join();
    expect(await bob.ask({ ...sent, conversation: uuid(), message: uuid() })).toMatchObject({ type: "ack" });
    const gone = { type: "conversation.delete", id: uuid(), conversation };
    expect(view.seq).toBe(events);
    expect(await ann.ask(gone)).toEqual(await ann.ask(gone));
    expect(await ann.ask(sent)).toEqual(first);
  });

  test("B27 FR17 G1 G2 cut at many bytes of a send and of its answer, and sent again with its id: exactly one message", async () => {
    const ann = await join();
    const proxy = await ChaosProxy.start(Number(new URL(server.url).port));
    const conversation = uuid();
    await ann.ask({ type: "conversation.create", conversation });
    const wanted: string[] = [];
    try {
      for (const [direction, most, step] of [
        ["up", 420, 7],
        ["down", 420, 14],
      ] as const) {
        for (let bytes = 1; bytes < most; bytes += step) {
          const message = uuid();
          wanted.push(message);
          const command = {
            type: "message.send",
            id: uuid(),
            conversation,
            message,
            parent: null,
            parts: text("{{chars=3}}"),
          };
          const cut = await join({ from: ann, open: [] }, proxy.url);
          proxy.cutAfter(direction, bytes);
          const before = await cut.ask(command);
          const again = await ann.ask(command);
          expect(again).toMatchObject({ type: "ack", message });
          if (before.type !== "lost") expect(again).toEqual(before);
          proxy.cut();
        }
      }
    } finally {
      proxy.close();
    }
    const cold = await ann.readCold(conversation);
    const users = [...cold.messages.values()].filter(({ role }) => role === "user").map(({ id }) => id);
    expect(users).toEqual(wanted);
    expect(cold.messages.size).toBe(2 * wanted.length);
  });

  test("JS10 FR17 a slow network that hands over one byte at a time keeps every character", async () => {
    const proxy = await ChaosProxy.start(Number(new URL(server.url).port));
    try {
      Object.assign(proxy, { slice: 1 });
      const ann = await join({}, proxy.url);
      const conversation = uuid();
      const said = '\u2028"\\ \u{1F469}\u200D\u{1F467} e\u0301 \uFEFF {{seed=8 chars=300 piece=1 pairs}}';
      const sent = await exchange(ann, conversation, said);
      const view = ann.views.get(conversation);
      expect(view?.messages.get(String(sent["message"]))?.parts).toEqual(text(said));
      expect(view?.text(sent["reply"])).toBe(expectedText(8, 300));
    } finally {
      proxy.close();
    }
  });
});

describe("who may", () => {
  test("CM1 AZ01 AZ03 AZ04 G9 another user's ids, in every command and in auth, are not found, and not a byte comes", async () => {
    const ann = await join();
    const { conversation, first, edited } = await eventful(ann);
    const running = await ann.send(conversation, saying(1, 2000, 100), { parent: null });
    const bob = await join();
    const mine = uuid();
    await exchange(bob, mine, saying(1, 20));
    const parts = text("x");
    const attempts: Json[] = [
      { type: "conversation.create" }, { type: "conversation.open" }, { type: "conversation.open", seq: 0 }, { type: "conversation.open", seq: 2 ** 50 },
      { type: "conversation.update", title: "x" }, { type: "conversation.delete" }, { type: "conversation.history" },
      { type: "conversation.history", before: first["reply"] }, { type: "message.send", message: uuid(), parts },
      { type: "message.send", message: uuid(), parent: first["reply"], parts }, { type: "message.edit", message: first["message"], replacement: uuid(), parts },
      { type: "message.react", message: first["reply"], reaction: "👍", on: true }, { type: "turn.stop", turn: running["turn"] },
      { type: "turn.retry", message: edited["reply"] }, { type: "turn.continue", message: first["reply"] },
    ]; // prettier-ignore
    // In the other's conversation, and with the other's messages and turns in one's own.
    for (const where of [conversation, mine]) {
      for (const attempt of attempts) {
        const names =
          ["message", "turn", "parent", "before"].some((key) => key in attempt && attempt["type"] !== "message.send") ||
          "parent" in attempt;
        if (where === mine && !names) continue;
        const answer = await bob.ask({ ...attempt, conversation: where });
        expect([attempt, answer]).toMatchObject([attempt, { type: "error", error: { code: "not_found" } }]);
      }
    }
    const sly = await join({ from: bob, open: [{ conversation, seq: 3 }, { conversation }] });
    await until(() => sly.errors.length === 2, "both refusals");
    expect(sly.errors).toMatchObject([{ error: { code: "not_found" } }, { error: { code: "not_found" } }]);
    expect(sly.views.get(conversation)?.seq).toBe(0);
    expect(await bob.ask({ type: "conversation.list", query: "second" })).toMatchObject({ conversations: [] });
    expect(await ann.ask({ type: "turn.stop", conversation, turn: running["turn"] })).toMatchObject({
      status: "stopped",
    });
  });

  test("HS06 SO1 a second auth is a conflict and changes nobody", async () => {
    const ann = await join();
    const bob = await join();
    const conversation = uuid();
    await ann.ask({ type: "conversation.create", conversation });
    for (const auth of [{ guest: true }, { session: bob.token }, { token: "x.y.z" }])
      expect(await ann.ask({ type: "auth", ...auth })).toMatchObject({ type: "error", error: { code: "conflict" } });
    expect(await ann.ask({ type: "conversation.list" })).toMatchObject({ conversations: [{ id: conversation }] });
  });

  test("AZ15 SE4 B33 a logout everywhere while a reply streams: every tab is closed 4410 within a second, and no frame follows", async () => {
    const ann = await join();
    const tabs = [await join({ from: ann }), await join({ auth: { session: ann.token } }), ann];
    const bystander = await join();
    const conversation = uuid();
    await ann.send(conversation, saying(1, 3000, 100));
    for (const tab of tabs) await tab.open(conversation);
    await until(() => tabs.every((tab) => (tab.views.get(conversation)?.seq ?? 0) > 6), "the stream");
    const asked = performance.now();
    expect(await tabs[1]?.ask({ type: "auth.logout", everywhere: true })).toMatchObject({ type: "ack" });
    await until(() => tabs.every((tab) => tab.closed !== undefined), "the ends");
    for (const tab of tabs) {
      expect(tab.closed?.code).toBe(4410);
      expect((tab.closed?.at ?? Infinity) - asked).toBeLessThan(1000);
      expect(tab.lastFrameAt).toBeLessThanOrEqual(tab.closed?.at ?? 0);
    }
    const late = await WireClient.connect(server.url, { from: ann });
    expect(late.hello).toMatchObject({ error: { code: "unauthorized" } });
    await until(() => late.closed, "the close");
    expect(late.closed?.code).toBe(4410);
    expect([...late.views.values()].map(({ seq }) => seq)).toEqual([...ann.views.values()].map(({ seq }) => seq));
    expect(await bystander.ask({ type: "ping" })).toMatchObject({ type: "ack" });
  });

  test("SE1 SE2 AZ16 a logout ends its own session only; a token that a client makes up is none", async () => {
    const ann = await join();
    const second = await join({ from: ann });
    expect(second.hello["session"]).toMatchObject({ resumed: true, id: (ann.hello["session"] as Json)["id"] });
    const stranger = await WireClient.connect(server.url, { auth: { session: "made-up" } });
    await until(() => stranger.closed, "the close");
    expect(stranger.closed?.code).toBe(4401);
    const guest = await join({ auth: { session: "made-up", guest: true } });
    expect(guest.token).not.toBe("made-up");
    expect(guest.user).not.toBe(ann.user);
    await second.ask({ type: "auth.logout" });
    await until(() => second.closed !== undefined && ann.closed !== undefined, "both of that session");
    expect(await guest.ask({ type: "ping" })).toMatchObject({ type: "ack" });
  });
});
