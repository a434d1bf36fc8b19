import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { expectedText, startModelServer, type ModelServer } from "../support/model-server.ts";
import { until, WireClient } from "../support/wire-client.ts";
import { ServerProcess } from "./server-process.ts";

let model: ModelServer;
let server: ServerProcess;
beforeAll(async () => void (model = await startModelServer({ prefill: true })));
afterAll(() => model.close());
beforeEach(() => {
  server = new ServerProcess({ MODEL: "openai-compatible:test", OPENAI_BASE_URL: model.url, MODEL_PREFILL: "on" });
});
afterEach(() => server.dispose());

const uuid = (): string => crypto.randomUUID();
const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const readiness = async (): Promise<number> => {
  try {
    return (await fetch(`${server.url}/readyz`)).status;
  } catch {
    return 0;
  }
};

describe("a server that ends", () => {
  test("B16 TU3 TU4 ST07 killed nine times while the reply makes progress, also while it starts: it is never given up, and is whole", async () => {
    await server.start();
    let client = await WireClient.connect(server.url);
    const conversation = uuid();
    const sent = await client.send(conversation, "{{seed=11 chars=4000 rate=250 piece=4}}");
    await client.open(conversation);
    const anomalies: string[] = [];
    for (let i = 0; i < 9; i++) {
      const view = client.views.get(conversation);
      const before = view?.text(sent["reply"]).length ?? 0;
      await until(() => (view?.text(sent["reply"]).length ?? 0) > before + 40, "progress");
      await server.end("SIGKILL");
      const seen = view?.canonical();
      if (i % 3 === 2) {
        const dying = server.start().catch(() => undefined);
        await sleep(60 * i);
        await server.end("SIGKILL");
        await dying;
      }
      expect(await server.start()).toBeLessThan(5000);
      anomalies.push(...client.anomalies);
      // Nothing that was seen is taken back (G3): the view goes on from its own cursor.
      const next = await WireClient.connect(server.url, { from: client });
      expect(seen).toBe(view?.canonical());
      client = next;
    }
    const view = client.views.get(conversation);
    const finished = await until(() => view?.finished.get(String(sent["turn"])), "the end", 20_000);
    expect(finished).toMatchObject({ status: "completed", length: 4000 });
    expect(view?.text(sent["reply"])).toBe(expectedText(11, 4000));
    const attempts = view?.resumed.map((event) => Number(event["attempt"])) ?? [];
    expect(attempts.length).toBeGreaterThanOrEqual(9);
    expect(attempts).toEqual(attempts.toSorted((a, b) => a - b));
    expect(new Set(attempts).size).toBe(attempts.length);
    expect(view?.resumed.every((event) => event["turn"] === sent["turn"])).toBe(true);
    expect((await client.readCold(conversation)).canonical()).toBe(view?.canonical());
    expect([...anomalies, ...client.anomalies, view?.snapshots]).toEqual([0]);
    client.cut();
  });

  test("G3 G4 RD1 killed while many read: no view is ever ahead of the log, and all of them become the log", async () => {
    await server.start();
    const owner = await WireClient.connect(server.url);
    const conversation = uuid();
    const sent = await owner.send(conversation, "{{seed=12 chars=2500 rate=200 piece=4}}");
    let readers = await Promise.all(
      Array.from({ length: 12 }, () => WireClient.connect(server.url, { from: owner, open: [] })),
    );
    for (const reader of readers) await reader.open(conversation);
    const anomalies: string[] = [];
    for (let i = 0; i < 3; i++) {
      const start = readers[0]?.views.get(conversation)?.seq ?? 0;
      await until(() => (readers[0]?.views.get(conversation)?.seq ?? 0) > start + 8, "some more");
      await server.end("SIGKILL");
      await server.start();
      for (const reader of readers) anomalies.push(...reader.anomalies);
      readers = await Promise.all(readers.map((reader) => WireClient.connect(server.url, { from: reader })));
      for (const reader of readers) {
        const view = reader.views.get(conversation);
        await until(() => view?.live !== undefined, "live");
        // A snapshot would mean that a cursor was ahead of what had survived.
        expect(view?.snapshots).toBe(0);
      }
    }
    for (const reader of readers) {
      await until(() => reader.views.get(conversation)?.finished.has(String(sent["turn"])), "the end", 20_000);
      anomalies.push(...reader.anomalies);
    }
    const views = readers.map((reader) => reader.views.get(conversation)?.canonical());
    expect(new Set(views).size).toBe(1);
    expect(readers[0]?.views.get(conversation)?.text(sent["reply"])).toBe(expectedText(12, 2500));
    expect(anomalies).toEqual([]);
    for (const reader of readers) reader.cut();
  });

  test("G12 SO8 CL11 SIGTERM while a long reply runs: not ready, told, closed 1012, exit 0 in time; the reply goes on at the next start", async () => {
    const settings = { DRAIN_MS: "2500" };
    await server.start(settings);
    expect(await readiness()).toBe(200);
    const clients = [await WireClient.connect(server.url)];
    const conversation = uuid();
    const [long, short] = [
      await clients[0]?.send(conversation, "{{seed=13 chars=3000 rate=100 piece=4}}"),
      await clients[0]?.send(uuid(), "{{seed=14 chars=300 rate=100 piece=4}}"),
    ];
    for (let i = 0; i < 5; i++)
      clients.push(await WireClient.connect(server.url, { from: clients[0] as WireClient, open: [] }));
    for (const client of clients) await client.open(conversation);
    await until(() => (clients[0]?.views.get(conversation)?.text(long?.["reply"]).length ?? 0) > 100, "some text");
    const asked = performance.now();
    const ended = server.end("SIGTERM");
    await until(() => clients.every((client) => client.notices.length === 1), "the notices");
    expect(await readiness()).not.toBe(200);
    const refused = await clients[1]?.send(uuid(), "x");
    expect(refused).toMatchObject({ error: { code: "unavailable", retryable: true } });
    // Readers go on reading to the end.
    const before = clients[2]?.views.get(conversation)?.seq ?? 0;
    await until(() => (clients[2]?.views.get(conversation)?.seq ?? 0) > before + 5, "more of the reply");
    expect(await ended).toBe(0);
    expect(performance.now() - asked).toBeLessThan(4000);
    for (const client of clients) {
      await until(() => client.closed !== undefined, "the close");
      expect(client.closed?.code).toBe(1012);
      expect(client.notices).toMatchObject([{ code: "draining" }]);
      expect(client.anomalies).toEqual([]);
    }
    await server.start(settings);
    const back = await WireClient.connect(server.url, { from: clients[0] as WireClient });
    const view = back.views.get(conversation);
    const finished = await until(() => view?.finished.get(String(long?.["turn"])), "the end", 20_000);
    expect(finished).toMatchObject({ status: "completed" });
    expect(view?.text(long?.["reply"])).toBe(expectedText(13, 3000));
    expect(view?.resumed).toMatchObject([{ attempt: 2, mode: "continue" }]);
    const listed = await back.ask({ type: "conversation.list" });
    const other = (listed["conversations"] as { id: string; turn?: string }[]).find(({ id }) => id !== conversation);
    const brief = await back.readCold(String(other?.id));
    expect(brief.text(short?.["reply"])).toBe(expectedText(14, 300));
    expect(brief.resumed).toEqual([]);
    expect(back.anomalies).toEqual([]);
    back.cut();
  });

  test("G1 SE1 SE2 LG6 a session, its ending and an answer survive kill -9", async () => {
    await server.start();
    const [ann, bob] = [await WireClient.connect(server.url), await WireClient.connect(server.url)];
    const command = { type: "conversation.create", id: "the-one", conversation: uuid(), title: "kept" };
    const first = await ann.ask(command);
    await bob.ask({ type: "auth.logout" });
    await server.end("SIGKILL");
    await server.start();
    const again = await WireClient.connect(server.url, { from: ann });
    expect(again.hello).toMatchObject({ session: { resumed: true }, user: { id: ann.user } });
    expect(await again.ask(command)).toEqual(first);
    expect(await again.ask({ ...command, title: "other" })).toMatchObject({ error: { code: "conflict" } });
    const ended = await WireClient.connect(server.url, { from: bob });
    await until(() => ended.closed, "the close");
    expect(ended.closed?.code).toBe(4410);
    again.cut();
  });
});
