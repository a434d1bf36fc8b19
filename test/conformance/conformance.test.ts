// Proves the checks: the product passes all of them, and each of them finds the fault that was planted for it.
import { afterAll, beforeAll, expect, test } from "vitest";
import { ServerProcess } from "../e2e/server-process.ts";
import { startModelServer, type ModelServer } from "../support/model-server.ts";
import { checks } from "./checks.ts";
import { faults, startFaulty } from "./faulty.ts";
import { runChecks } from "./run.ts";

let model: ModelServer;
let server: ServerProcess;
const prompt = "{{seed=5 chars=400 rate=80 piece=4}}";
const address = (): string => server.url.replace("http", "ws");

beforeAll(async () => {
  model = await startModelServer();
  server = new ServerProcess({ MODEL: "openai-compatible:test", OPENAI_BASE_URL: model.url, LOG_LEVEL: "warn" });
  await server.start();
});
afterAll(async () => {
  await server.dispose();
  await model.close();
});

const ids = checks.map(({ id }) => id);

test("CF1 CF2 G1 G2 G4 G5 G8 G9 the product keeps every promise that can be seen from outside", async () => {
  const lines: string[] = [];
  const verdicts = await runChecks({ url: address(), prompt }, (line) => lines.push(line));
  expect(verdicts.filter(({ problem }) => problem !== undefined)).toEqual([]);
  expect(verdicts.map(({ id }) => id)).toEqual(ids);
  expect(lines.at(-1)).toBe(`${ids.length} held, 0 failed; not to be seen from outside: G3, G6, G7`);
});

test("CF3 there is a planted fault for every check", () => {
  expect(Object.keys(faults).toSorted()).toEqual(ids.toSorted());
});

test.concurrent.each(Object.entries(faults))("CF3 a server with a fault is found out by %s", async (id, fault) => {
  const faulty = await startFaulty(address(), fault());
  try {
    const [verdict] = await runChecks({ url: faulty.url, prompt }, () => undefined, [id]);
    expect(verdict).toMatchObject({ id, problem: expect.any(String) as string });
  } finally {
    faulty.close();
  }
});
