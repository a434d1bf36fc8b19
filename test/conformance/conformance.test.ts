// Proves the checks: the product passes all of them, each finds the faults that were planted for it, and the page counts them.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ServerProcess } from "../e2e/server-process.ts";
import { startModelServer, type ModelServer } from "../support/model-server.ts";
import { checks } from "./checks.ts";
import { faults } from "./faults.ts";
import type { Planted } from "./faults/plant.ts";
import { startFaulty } from "./faulty.ts";
import { reach, runChecks } from "./run.ts";
import type { Target } from "./visit.ts";

let model: ModelServer;
let server: ServerProcess;
const ids = checks.map(({ id }) => id);
const targetAt = (url: string, patienceMs = 15_000): Target => ({
  url,
  prompt: "{{seed=5 chars=400 rate=80 piece=4}}",
  patienceMs,
});

beforeAll(async () => {
  model = await startModelServer();
  // Named right behind the first turn, also a stopped one: a server may add events of its own.
  const own = { TITLES: "words", HEARTBEAT_MS: "2000", LOG_LEVEL: "warn" };
  server = new ServerProcess({ MODEL: "openai-compatible:test", OPENAI_BASE_URL: model.url, ...own });
  await server.start();
});
afterAll(async () => {
  await server.dispose();
  await model.close();
});
const address = (): string => server.url.replace("http", "ws");

test.concurrent("CF1 CF2 G1 G2 G4 G5 G8 G9 the product keeps every promise that can be seen from outside", async () => {
  const lines: string[] = [];
  const verdicts = await runChecks(targetAt(address()), (line) => lines.push(line), { atOnce: 8 });
  expect(verdicts.filter(({ problem }) => problem !== undefined)).toEqual([]);
  expect(lines.map((line) => line.slice(0, 12).trim())).toEqual([
    ...ids.map((id) => `ok     ${id}`),
    `${ids.length} held, 0 failed`.slice(0, 12),
  ]);
  expect(lines.at(-1)).toBe(`${ids.length} held, 0 failed; not to be seen from outside: G3, G6, G7`);
});

test.concurrent("CF3 CF6 every planted fault is found out by the check that claims it, in its words", async () => {
  const found: Record<string, string | undefined> = {};
  const isSilent = ({ problem }: Planted): boolean => /for the|for an|an ack of|end of a socket/.test(problem.source);
  // Those that wait for what never comes begin first, and are given up sooner.
  const waiting = faults.toSorted((a, b) => Number(isSilent(b)) - Number(isSilent(a)));
  const lane = async (): Promise<void> => {
    for (let one = waiting.shift(); one !== undefined; one = waiting.shift()) {
      const { what, by, fault } = one;
      const faulty = await startFaulty(address(), fault());
      const target = targetAt(faulty.url, isSilent(one) ? 8000 : 15_000);
      const [verdict] = await runChecks(target, () => undefined, { only: [by] });
      found[`${by}: ${what}`] = verdict?.problem;
      faulty.close();
    }
  };
  await Promise.all(Array.from({ length: 16 }, lane));
  const wanted = faults.map(({ by, what, problem }) => [`${by}: ${what}`, expect.stringMatching(problem)]);
  expect(found).toEqual(Object.fromEntries(wanted));
});

test("CF3 there is a planted fault for every check", () => {
  expect([...new Set(faults.map(({ by }) => by))].toSorted()).toEqual(ids.toSorted());
});

test("CF1 the checks import nothing of the product", () => {
  const files = readdirSync(import.meta.dirname, { recursive: true, encoding: "utf8" });
  const own = files.filter((file) => file.endsWith(".ts") && !file.endsWith(".test.ts"));
  const support = ["../support/wire-client.ts", "../support/wire-view.ts"];
  const texts = [...own, ...support].map((file) => readFileSync(join(import.meta.dirname, file), "utf8"));
  for (const text of texts) expect(text).not.toMatch(/from "[^"]*src\//);
  expect(own.length).toBeGreaterThan(10);
});

test("CF2 a server that is not there is told in a sentence", async () => {
  expect(await reach(targetAt("ws://127.0.0.1:9"))).toContain("ECONNREFUSED");
  expect(await reach(targetAt(address()))).toBeUndefined();
});

test("CF5 the page of conformance has every check in its words, and counts checks and faults as they are", () => {
  const page = readFileSync(join(import.meta.dirname, "../../docs/conformance.md"), "utf8");
  const rows = [...page.matchAll(/^\| (C[NG]\w+) \| (.+) \| (\d+) \|$/gm)].map(([, id, what, count]) => [
    id,
    what,
    Number(count),
  ]);
  expect(rows).toEqual(checks.map(({ id, what }) => [id, what, faults.filter(({ by }) => by === id).length]));
  expect(page).toContain(`${checks.length} checks against any server`);
  expect(page).toContain(`${faults.length} servers with one planted fault each`);
  const cited = new Set([...page.matchAll(/\bC[NG]\d+[a-z]?\b/g)].map(([id]) => id));
  expect([...cited].toSorted()).toEqual(ids.toSorted());
});
