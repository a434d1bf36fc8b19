// Proves the load tester: a sound deployment passes, a slow one and one that changes a character do not.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { loadCommand } from "../../src/load/command.ts";
import { createMeasures, spreadOf } from "../../src/load/measure.ts";
import { readLoadOptions } from "../../src/load/options.ts";
import { htmlReport } from "../../src/load/report.ts";
import { findLimit } from "../../src/load/run.ts";
import { startServer } from "../client/server.ts";
import { ServerProcess } from "../e2e/server-process.ts";
import { startModelServer } from "../support/model-server.ts";
import { ChaosProxy } from "../support/proxy.ts";
import { temporaryDirectory } from "../support/temporary.ts";
import { once, startBetween, wrongs } from "./between.ts";

async function deployment(): Promise<string> {
  const model = await startModelServer();
  onTestFinished(() => model.close());
  const server = await startServer({
    OPENAI_BASE_URL: model.url,
    MODEL: "openai-compatible:test-model",
    LIMITS: "off",
  });
  return server.url;
}

async function load(url: string, ...more: string[]): Promise<{ code: number; text: string }> {
  const lines: string[] = [];
  const prompt = "Hello {{chars=300 rate=100}}";
  const basics = ["--url", url, "--users", "4", "--ramp", "0", "--seconds", "2", "--think", "0.1", "--prompt", prompt];
  const code = await loadCommand([...basics, ...more], (line) => lines.push(line));
  return { code, text: lines.join("\n") };
}

/** Stands before a server, and lets nobody through for a while (ms). */
async function startLate(target: string, lateMs: number): Promise<string> {
  const proxy = await ChaosProxy.start(Number(new URL(target).port));
  onTestFinished(() => proxy.close());
  proxy.freeze("up", true);
  setTimeout(() => proxy.freeze("up", false), lateMs);
  return proxy.url;
}

test("LT1 people who stop, reload and drop off lose nothing: every bound is kept, the report says so in text, JSON and HTML", async () => {
  const folder = temporaryDirectory();
  const [json, html] = [join(folder, "report.json"), join(folder, "report.html")];
  const shares = ["--stop", "0.2", "--reload", "0.3", "--drop", "0.2", "--away", "0.2"];
  const { code, text } = await load(await deployment(), ...shares, "--json", json, "--html", html);
  expect(text).toContain("every bound was kept");
  expect(code).toBe(0);
  const { runs } = JSON.parse(readFileSync(json, "utf8"));
  expect(runs[0].figures.counts.replies).toBe(runs[0].figures.counts.sent);
  expect(runs[0].figures.counts.resumes).toBeGreaterThan(0);
  expect(runs[0].figures.timed.first.count).toBeGreaterThan(4);
  expect(readFileSync(html, "utf8")).toContain("<polyline");
});

test("LT2 a bound that is not kept is named, and the exit code is 1", async () => {
  const { code, text } = await load(await deployment(), "--max-first", "0");
  expect([code, /NOT KEPT: first piece: p95 \d+ ms, allowed 0 ms/.test(text)]).toEqual([1, true]);
});

test("LT7 a server that lets people in late: coming in is named, and the acks are none the later for it", async () => {
  const { code, text } = await load(
    await startLate(await deployment(), 1500),
    "--max-connect",
    "1000",
    "--max-ack",
    "1400",
    "--reload",
    "0",
    "--drop",
    "0",
  );
  expect(text).toMatch(/NOT KEPT: coming in: p95 \d+ ms, allowed 1000 ms$/m);
  expect(code).toBe(1);
});

test("LT8 more people than sockets are refused with what to do", () => {
  expect(readLoadOptions(["--url", "http://x", "--users", "5000"], 1024)).toEqual({
    problems: [
      "--users: 5000 people need as many sockets, and this process may have 1024 files open. Raise it first: ulimit -n 6000",
    ],
  });
  expect(readLoadOptions(["--url", "http://x", "--users", "900"], 1024)).toMatchObject({ users: 900 });
});

test("LT9 the report says under which conditions it was made, and what went wrong, in words and never as markup", async () => {
  const options = readLoadOptions(["--url", "http://x", "--prompt", "<i>why</i>", "--think", "7"], Infinity);
  if ("problems" in options) throw new Error(options.problems.join());
  const measures = createMeasures(
    () => 0,
    () => 0,
  );
  measures.problem("<b>broken</b>");
  const verdict = { ok: false, broken: ["lost: 1, allowed 0"] };
  const page = htmlReport([{ users: 50, figures: measures.report(), verdict }], options);
  expect(page).toContain("thinks 7 s");
  expect(page).toContain("&#60;i&#62;why&#60;/i&#62;");
  expect(page).toContain("&#60;b&#62;broken&#60;/b&#62;");
  expect(page).toContain("lost: 1, allowed 0");
  expect(page).toMatch(/errors per second<\/b><span>most 0</);
  expect(page).not.toMatch(/<[ib]>(why|broken)/);
});

describe("with one server", () => {
  let stop: () => Promise<unknown>;
  let target = "";
  beforeAll(async () => {
    const model = await startModelServer();
    const server = new ServerProcess({
      MODEL: "openai-compatible:test",
      OPENAI_BASE_URL: model.url,
      LOG_LEVEL: "warn",
    });
    await server.start();
    target = server.url;
    stop = () => Promise.all([server.dispose(), model.close()]);
  });
  afterAll(() => stop());

  const quiet = ["--stop", "0", "--reload", "0", "--drop", "0", "--seconds", "1", "--patience", "1", "--grace", "2"];
  const short = [...quiet, "--prompt", "Hello {{chars=40 rate=100}}"];

  test.each(Object.entries(wrongs))("LT3 LT10 %s: it is found, and named", async (_, [fault, make]) => {
    const { url } = await startBetween(target, make());
    const { code, text } = await load(url, ...short, "--users", "1");
    expect(text).toMatch(new RegExp(`NOT KEPT: .*${fault}: [1-9]\\d*, allowed 0`));
    expect(code).toBe(1);
  });

  test("LT3 the same with nothing planted is good", async () => {
    const { url } = await startBetween(target, {});
    expect(await load(url, ...short, "--users", "1")).toMatchObject({ code: 0 });
  });

  test("LT10 who never comes in is counted", async () => {
    const { url } = await startBetween(target, { up: once((frame) => (frame["type"] === "auth" ? [] : undefined)) });
    const { code, text } = await load(url, ...short, "--users", "3");
    expect(text).toMatch(/NOT KEPT: 1 of 3 people never came in$/m);
    expect(code).toBe(1);
  });

  test("LT10 a bound that was asked for and never measured is not kept, one between pieces is", async () => {
    const { text } = await load(target, ...short, "--users", "1", "--max-resume", "5", "--max-between", "0");
    expect(text).toMatch(/between pieces: p95 \d+ ms, allowed 0 ms; resume: not measured, allowed p95 5 ms$/m);
  });

  test("LT11 LT5 each has a token of its own, and none of them is in the report", async () => {
    const folder = temporaryDirectory();
    const [file, json] = [join(folder, "tokens"), join(folder, "report.json")];
    writeFileSync(file, "first-token\nsecond-token\n");
    const tokens = new Set<unknown>();
    const { url } = await startBetween(target, {
      up(frame) {
        if (frame["type"] === "auth") tokens.add(frame["token"]);
        return [frame];
      },
    });
    const { code, text } = await load(url, ...short, "--users", "2", "--tokens", file, "--json", json);
    expect(tokens).toEqual(new Set(["first-token", "second-token"]));
    expect([code, text]).toEqual([1, expect.stringContaining("2 of 2 people never came in")]);
    expect(readFileSync(json, "utf8")).not.toContain("-token");
    expect(readLoadOptions(["--url", url, "--users", "3", "--tokens", file], Infinity)).toEqual({
      problems: ["--tokens: 2 tokens are not enough for 3 people."],
    });
    expect(readLoadOptions(["--url", url, "--tokens", join(folder, "none")], Infinity)).toEqual({
      problems: [expect.stringMatching(/^--tokens: ENOENT/)],
    });
  });

  test("LT4 the most people that this process has sockets for: confirmed, and never beside those of the run before", async () => {
    const { url, most } = await startBetween(target, {});
    const options = readLoadOptions(["--url", url, "--users", "1", ...short, "--think", "0.1"], 64 + 2);
    if ("problems" in options) throw new Error(options.problems.join());
    const { runs, best, why } = await findLimit(options, () => undefined);
    expect(runs.map(({ users, verdict }) => [users, verdict.broken])).toEqual([
      [1, []],
      [2, []],
      [2, []],
    ]);
    expect([best, why]).toEqual([2, "this process may open no more sockets"]);
    expect(most()).toBe(2);
  });
});

test("LT2 a server that is not there is an error, not a success", async () => {
  const { code, text } = await load("http://127.0.0.1:9", "--seconds", "1", "--patience", "0.5");
  expect(text).toContain("no reply came to its end");
  expect(code).toBe(1);
});

test("LT4 with --find-limit it goes up until a bound breaks, and names the most people that held", async () => {
  const { text } = await load(await deployment(), "--users", "1", "--seconds", "1", "--find-limit", "--max-first", "0");
  expect(text).toContain("The most people within the bounds: 0");
});

test.each([
  [["--url", "ftp://x"], "--url"],
  [["--url", "http://x", "--users", "many"], "--users"],
  [["--url", "http://x", "--stop", "2"], "--stop"],
  [["--url", "http://x", "--colour", "red"], "--colour"],
])("LT5 %j is refused by name with exit code 2", async (args, name) => {
  const lines: string[] = [];
  expect(await loadCommand(args, (line) => lines.push(line))).toBe(2);
  expect(lines.join("\n")).toContain(name);
});

test("LT6 percentiles are of the nearest rank, of nothing zero", () => {
  const hundred = Array.from({ length: 100 }, (_, i) => 100 - i);
  expect(spreadOf(hundred)).toEqual({ count: 100, p50: 50, p95: 95, p99: 99, max: 100 });
  expect(spreadOf([7])).toEqual({ count: 1, p50: 7, p95: 7, p99: 7, max: 7 });
  expect(spreadOf([])).toEqual({ count: 0, p50: 0, p95: 0, p99: 0, max: 0 });
});
