// Proves that every metric moves by what it counts, that nobody outside adds a series, and who may read them.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { request } from "node:http";
import { join } from "node:path";
import { WebSocket } from "ws";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { plainVault } from "../../src/adapters/embedded/plain-vault.ts";
import { openStore } from "../../src/adapters/embedded/store.ts";
import { prometheusMeter } from "../../src/adapters/metrics/prometheus.ts";
import { modelFrom } from "../../src/adapters/models/index.ts";
import { ModelFailure, type HostOptions, type Model } from "../../src/host.ts";
import { systemClock } from "../../src/server/clock.ts";
import { defaultPolicy } from "../../src/server/policy.ts";
import { counting, sendTo, Stage, startBare, until, type Frame, type Served } from "../server/talker.ts";
import { promtool } from "./promtool.ts";

const root = join(import.meta.dirname, "../..");
const stages: Stage[] = [];
const serve = (more: Partial<HostOptions> = {}): Promise<Served> => {
  const stage = new Stage();
  stages.push(stage);
  return stage.serve(more);
};
afterAll(async () => {
  for (const stage of stages) await stage.end();
});

type Answer = { status: number; body: string };
function get(address: string, path = "/metrics", headers: Record<string, string> = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const [host, port] = address.split(":");
    const sent = request({ host, port, path, headers }, (response) => {
      let body = "";
      response.on("data", (chunk: Buffer) => (body += chunk.toString()));
      response.on("end", () => resolve({ status: response.statusCode ?? 0, body }));
    });
    sent.on("error", reject);
    sent.end();
  });
}
const read = async (address: string): Promise<string> => (await get(address)).body;
/** The value of a series as it is written; undefined: there is none. */
function valueOf(text: string, series: string): number | undefined {
  const line = text.split("\n").find((line) => line.startsWith(`${series} `));
  return line === undefined ? undefined : Number(line.slice(series.length + 1));
}
const seriesOf = (text: string): string[] =>
  text.split("\n").flatMap((line) => (line.startsWith("throughline_") ? [line.slice(0, line.lastIndexOf(" "))] : []));
const ended = async (served: Served, conversation: string, prompt: string): Promise<void> => {
  const talker = await served.talk();
  await talker.ask(sendTo(conversation, prompt));
  await talker.ask({ type: "conversation.open", conversation, seq: 0 });
  await until(() => talker.events().find((event) => event.kind === "turn.finished"), "the reply's end");
  await talker.close();
};

/** The counting model, with a bill. */
function charging(): Model {
  const model = counting();
  return {
    ...model,
    async *stream(request, signal) {
      yield* model.stream(request, signal);
      yield { type: "usage", usage: { inputTokens: 3, outputTokens: 5 } };
    },
  };
}

/** What each scene shows once all that was done in it has been counted. */
const scenes = {
  /** A conversation with a reply, its resumption, a stop, a refused origin, a bad frame and a block. */
  async talk(): Promise<() => Promise<string>> {
    const served = await serve({ policy: defaultPolicy, model: charging() });
    const { address } = served;
    const conversation = crypto.randomUUID();
    await ended(served, conversation, "12 words every 2 ms");
    const talker = await served.talk();
    const long = crypto.randomUUID();
    const { turn } = (await talker.ask(sendTo(long, "2000 words every 20 ms"))) as { turn?: string };
    await talker.ask({ type: "turn.stop", conversation: long, turn });
    await talker.ask({ type: "conversation.open", conversation: long });
    talker.say({ nonsense: true });
    const again = await served.talk({ session: talker.session, open: [{ conversation: long, seq: 1 }] });
    await until(() => again.events(long).length > 0, "what was missed");
    const refused = new WebSocket(`ws://${address}/api/v1/async/chatbot`, { origin: "https://evil.example" });
    refused.on("error", () => undefined);
    await until(() => refused.readyState === WebSocket.CLOSED, "the refusal");
    const file = new FormData();
    file.append("file", new Blob(["some words"]), "a.txt");
    const authorization = `Bearer ${talker.session}`;
    await fetch(`http://${address}/api/v1/files`, { method: "POST", headers: { authorization }, body: file });
    const body = JSON.stringify({ address: "203.0.113.7" });
    const headers = { "Content-Type": "application/json" };
    await fetch(`http://${address}/api/v1/admin/blocks`, { method: "POST", headers, body });
    return () => read(address);
  },
  /** A model that fails, until it is left alone. */
  async failing(): Promise<() => Promise<string>> {
    const model = modelFrom({
      name: "broken",
      stream: () => ({
        [Symbol.asyncIterator]: () => ({
          next: () => Promise.reject(new ModelFailure("model_unavailable", { retryable: true, retryAfterMs: 1 })),
        }),
      }),
    });
    const served = await serve({ model, fallback: counting() });
    for (let i = 0; i < 2; i++) await ended(served, crypto.randomUUID(), "2 words every 0 ms");
    return () => read(served.address);
  },
  /** A process that takes up what another left. */
  async inherited(): Promise<() => Promise<string>> {
    const stage = new Stage();
    stages.push(stage);
    const first = await stage.serve();
    const talker = await first.talk();
    await talker.ask(sendTo(crypto.randomUUID(), "400 words every 20 ms"));
    await first.host.close(0);
    const second = await stage.serve();
    return () => read(second.address);
  },
  /** A reader that reads nothing, and a store without room. */
  async jammed(): Promise<() => Promise<string>> {
    const stage = new Stage();
    stages.push(stage);
    const counted = prometheusMeter();
    const file = join(stage.dataDir, "jammed.db");
    const store = openStore({ file, vault: plainVault, durability: "process", clock: systemClock, maxPages: 400 });
    let buffered = 0;
    const { frames, text, end } = await startBare(store, counting(), {
      meter: counted.meter,
      buffered: () => buffered,
    });
    const ask = async (command: object): Promise<Frame> => {
      const id = crypto.randomUUID();
      text({ id, ...command });
      return until(() => frames.find((frame) => frame.id === id), "an answer");
    };
    await ask({ type: "auth", guest: true });
    const conversation = crypto.randomUUID();
    await ask(sendTo(conversation, "100 words every 20 ms"));
    await ask({ type: "conversation.open", conversation, seq: 0 });
    await until(() => frames.some((frame) => frame.type === "live"), "the live end");
    buffered = 300 * 1024;
    const moved = async (series: string): Promise<boolean> => (valueOf(await counted.read(), series) ?? 0) > 0;
    await until(() => moved('throughline_readers_behind_total{why="no-room"}'), "a reader without room");
    await until(() => moved("throughline_queued_bytes"), "the queue");
    buffered = 0;
    const filler = crypto.randomUUID();
    const big = (): object => sendTo(filler, `${"z".repeat(90_000)} 0 words every 0 ms`, { parent: null });
    while ((await ask(big())).type === "ack");
    const erased = async (): Promise<boolean> =>
      (await ask({ type: "conversation.delete", conversation: filler })).type === "ack";
    await until(erased, "room");
    const running = async (): Promise<number | undefined> =>
      (await store.log.messages(conversation, { limit: 1 }))?.running.length;
    await until(async () => (await running()) === 0, "the reply's end");
    buffered = 2 * 1024 * 1024;
    text({ id: "last", type: "ping" });
    await until(() => moved("throughline_slow_readers_dropped_total"), "the drop");
    await until(() => moved("throughline_queued_bytes"), "what it left in the queue");
    await until(async () => (await store.log.unsettled(10)).length === 0, "all to be settled");
    await end();
    return () => counted.read();
  },
};
type Scene = keyof typeof scenes;

/** Every metric, the scene that moves it, and one of its series that must be above 0 then. */
const movers: Record<string, readonly [Scene, string]> = {
  sockets: ["talk", '{state="signed_in"}'],
  sign_ins_total: ["talk", '{resumed="true"}'],
  socket_duration_seconds: ["talk", "_count"],
  socket_closes_total: ["talk", '{code="1005"}'],
  upgrades_refused_total: ["talk", '{status="403"}'],
  commands_total: ["talk", '{type="malformed",result="invalid"}'],
  command_duration_seconds: ["talk", '_count{type="message.send"}'],
  readers_total: ["talk", '{began="fresh"}'],
  replayed_events_total: ["talk", ""],
  readers_behind_total: ["jammed", '{why="no-room"}'],
  slow_readers_dropped_total: ["jammed", ""],
  queued_bytes: ["jammed", ""],
  queued_bytes_max: ["jammed", ""],
  commit_duration_seconds: ["talk", "_count"],
  commit_works: ["talk", "_sum"],
  commits_failed_total: ["jammed", '{why="full"}'],
  messages_total: ["talk", '{role="user"}'],
  turns_total: ["talk", '{status="stopped"}'],
  reply_duration_seconds: ["talk", "_count"],
  stop_duration_seconds: ["talk", "_count"],
  turns_taken_over_total: ["inherited", ""],
  model_first_token_seconds: ["talk", '_count{model="counting"}'],
  model_token_gap_seconds: ["talk", '_count{model="counting"}'],
  model_longest_gap_seconds: ["talk", '_count{model="counting"}'],
  model_calls_total: ["failing", '{model="broken",result="model_unavailable"}'],
  model_tokens_total: ["talk", '{model="counting",direction="output"}'],
  model_retries_total: ["failing", '{model="broken",how="fallback"}'],
  model_circuit_open: ["failing", '{model="broken"}'],
  uploads_total: ["talk", '{result="ok"}'],
  upload_bytes_total: ["talk", ""],
  blocks_total: ["talk", '{by="operator"}'],
  violations_total: ["talk", '{what="malformedFrame"}'],
};

describe("metrics", () => {
  const shown: Partial<Record<Scene, () => Promise<string>>> = {};
  beforeAll(async () => {
    for (const [name, play] of Object.entries(scenes)) shown[name as Scene] = await play();
  }, 60_000);

  test("OB1 every metric that is there has its mover", async () => {
    const text = await prometheusMeter().read();
    const names = [...text.matchAll(/^# TYPE throughline_(\S+)/gm)].map((match) => match[1]);
    expect(new Set(names)).toEqual(new Set(Object.keys(movers)));
  });

  test.for(Object.entries(movers))("OB1 %s moves", async ([name, [scene, rest]]) => {
    const series = `throughline_${name}${rest}`;
    const before = valueOf(await prometheusMeter().read(), series) ?? 0;
    expect(before).toBe(0);
    await until(async () => (valueOf((await shown[scene]?.()) ?? "", series) ?? 0) > 0, series);
  });

  test("OB1 no reader was sent back for a mismatch", async () => {
    for (const show of Object.values(shown)) {
      expect(valueOf(await show(), 'throughline_readers_behind_total{why="mismatch"}')).toBe(0);
    }
  });

  test("OB1 sockets are counted down again, whatever state they ended in", async () => {
    const served = await serve();
    const talker = await served.talk();
    const silent = new WebSocket(`ws://${served.address}/api/v1/async/chatbot`);
    const is = async (waiting: number, signedIn: number): Promise<boolean> => {
      const text = await read(served.address);
      return (
        valueOf(text, 'throughline_sockets{state="waiting"}') === waiting &&
        valueOf(text, 'throughline_sockets{state="signed_in"}') === signedIn
      );
    };
    await until(() => is(1, 1), "one of each");
    silent.terminate();
    await talker.close();
    await until(() => is(0, 0), "none");
  });

  test("OB1 every metric has its line in docs/operations.md, and every line its metric", () => {
    const page = readFileSync(join(root, "docs/operations.md"), "utf8");
    const lines = [...page.matchAll(/^\| `throughline_(\w+)`/gm)].map((match) => match[1]);
    expect(lines.length).toBe(Object.keys(movers).length);
    expect(new Set(lines)).toEqual(new Set(Object.keys(movers)));
  });

  test("OB4 the checker of Prometheus takes what is given", async () => {
    const said = promtool(["check", "metrics"], await shown.talk?.());
    // Its one complaint is of names that prom-client gives the process' own figures.
    expect(said.said.split("\n").filter((line) => line.includes("throughline_"))).toEqual([]);
    expect(promtool(["check", "metrics"], "# TYPE a_total gauge\na_total x\n").ok).toBe(false);
  });

  test("OB4 the alert of a model that is left alone ends where nobody asks that model any more", () => {
    const busy = {
      series: 'throughline_model_calls_total{instance="a",model="m",result="model_timeout"}',
      values: "0+1x60",
    };
    const quiet = { ...busy, series: busy.series.replaceAll('"a"', '"b"'), values: "0+1x5 5x55" };
    const open = (instance: string): object => ({
      series: `throughline_model_circuit_open{instance="${instance}",model="m"}`,
      values: "1x60",
    });
    const rule = { alertname: "ThroughlineModelLeftAlone" };
    const alert = (instance: string): object => ({
      exp_labels: { instance, model: "m", severity: "page" },
      exp_annotations: { summary: "m fails so often that it is not asked for a while." },
    });
    const cases = (late: object[]): string =>
      JSON.stringify({
        rule_files: [join(root, "deploy/alerts.yml")],
        tests: [
          {
            interval: "1m",
            input_series: [busy, quiet, open("a"), open("b")],
            alert_rule_test: [
              { ...rule, eval_time: "5m", exp_alerts: [alert("a"), alert("b")] },
              { ...rule, eval_time: "40m", exp_alerts: late },
            ],
          },
        ],
      });
    const folder = mkdtempSync(join(tmpdir(), "throughline-alerts-"));
    const check = (late: object[]): boolean => {
      writeFileSync(join(folder, "cases.yml"), cases(late));
      return promtool(["test", "rules", join(folder, "cases.yml")]).ok;
    };
    expect(check([alert("a")])).toBe(true);
    expect(check([alert("a"), alert("b")])).toBe(false);
    rmSync(folder, { recursive: true });
  });

  test("OB4 the alerts are rules, and they and the dashboard name metrics that exist", async () => {
    const rules = join(root, "deploy/alerts.yml");
    expect(promtool(["check", "rules", rules])).toMatchObject({ ok: true });
    const text = await prometheusMeter().read();
    const names = new Set([...text.matchAll(/^# TYPE (\S+)/gm)].map((match) => match[1]));
    for (const file of [rules, join(root, "deploy/grafana-dashboard.json")]) {
      const named = readFileSync(file, "utf8").match(/\b(?:throughline|nodejs|process)_\w+/g) ?? [];
      expect(named.length).toBeGreaterThan(5);
      expect(
        named.filter((name) => !names.has(name) && !names.has(name.replace(/_(?:bucket|sum|count)$/, ""))),
      ).toEqual([]);
    }
    const { panels } = JSON.parse(readFileSync(join(root, "deploy/grafana-dashboard.json"), "utf8")) as {
      panels: { targets: unknown[] }[];
    };
    expect(panels.every((panel) => panel.targets.length > 0)).toBe(true);
  });

  test("OB3 OP03 ten thousand invented codes, types and paths add no series", async () => {
    const { meter, read: show } = prometheusMeter();
    const close = (code: number): void => meter.note({ kind: "socket-closed", signedIn: false, code, ms: 1 });
    close(4999);
    const before = seriesOf(await show());
    for (let code = 10_000; code < 20_000; code++) close(code);
    expect(seriesOf(await show())).toEqual(before);

    const served = await serve();
    const { address } = served;
    const invent = async (from: number, to: number): Promise<void> => {
      const talker = await served.talk();
      for (let i = from; i < to; i++) {
        talker.say({ id: `i${i}`, type: "conversation.open", conversation: crypto.randomUUID() });
        if (i % 10 === 0) await get(address, `/invented/${i}`);
      }
      await talker.ask({ type: `invented.${from}` });
      talker.ws.close(3000 + (from % 1000));
      await until(() => talker.closed, "the close");
    };
    await invent(0, 10);
    const first = seriesOf(
      await until(async () => {
        const text = await read(address);
        return text.includes('code="other"') && text;
      }, "the close to be counted"),
    );
    for (let i = 10; i < 2000; i += 100) await invent(i, i + 100);
    expect(seriesOf(await read(address))).toEqual(first);
  });

  test("OB2 OP01 who may read: this machine, or whoever has the token; to all others the path is not there", async () => {
    const open = await serve();
    expect((await get(open.address)).status).toBe(200);
    const missing = await get(open.address, "/nothing");
    const strange: Record<string, string>[] = [
      { Host: "evil.example" },
      { "X-Forwarded-For": "127.0.0.1" },
      { Origin: "null" },
    ];
    for (const headers of strange) {
      expect(await get(open.address, "/metrics", headers)).toEqual(missing);
    }
    const locked = await serve({ metricsToken: "a-long-metrics-token", policy: defaultPolicy });
    expect(await get(locked.address)).toEqual(missing);
    expect(await get(locked.address, "/metrics", { Authorization: "Bearer something-else-here" })).toEqual(missing);
    const inside = await get(locked.address, "/metrics", { Authorization: "Bearer a-long-metrics-token" });
    expect(inside.status).toBe(200);
    expect(inside.body).not.toContain("a-long-metrics-token");
  });

  test("OB1 a provider that says nonsense of its tokens breaks nothing", async () => {
    const { meter, read: show } = prometheusMeter();
    const call = { kind: "model-call", model: "m", result: "completed", gapMs: undefined } as const;
    for (const said of [Number.NaN, -5, Number.POSITIVE_INFINITY, 7]) {
      meter.note({ ...call, longestGapMs: undefined, inputTokens: said, outputTokens: said });
    }
    expect(valueOf(await show(), 'throughline_model_tokens_total{model="m",direction="input"}')).toBe(7);
  });
});
