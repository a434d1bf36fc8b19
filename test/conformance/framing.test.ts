import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Raw } from "../hostile/raw.ts";
import { Scene } from "../hostile/scene.ts";
import { commandId, generateCases, type Case, type Outcome } from "./frames.ts";

const cases = generateCases();
let scene: Scene;
beforeAll(async () => void (scene = await Scene.start()));
afterAll(() => scene.end());

/** Sends a case on a socket of its own and says what came of it. */
async function outcomeOf({ bytes, step, expected }: Case): Promise<Outcome> {
  const raw = await Raw.connect(scene.url);
  const pieces = step ?? bytes.length;
  for (let at = 0; at < bytes.length; at += pieces) {
    raw.write(bytes.subarray(at, at + pieces));
    if (step !== undefined) await new Promise(setImmediate);
  }
  const answered = (): boolean => raw.answers.some(({ id, type }) => id === commandId && type === "ack");
  // Where a close is right it is waited for, whatever was answered before; one that never comes is an outcome too.
  const stays = typeof expected === "string";
  const isOver = (): boolean => raw.endedAt !== undefined || (stays && (answered() || raw.pongs.length > 0));
  const came = raw.until(isOver, "what comes of it", 20_000).then(() => true);
  if (!(await came.catch(() => false)) && !answered()) return "nothing";
  const [pong] = raw.pongs;
  const ended = raw.endedAt === undefined ? undefined : (raw.closeCode ?? 1006);
  const outcome = ended ?? (pong === undefined ? "answered" : (`pong ${pong.length}` as const));
  expect(raw.problems).toEqual([]);
  if (ended === undefined) raw.cut();
  return outcome;
}

test("CF4 every generated case of RFC 6455 comes out as the standard says", { timeout: 120_000 }, async () => {
  const names = cases.map(({ group, name }) => `${group}: ${name}`);
  expect(new Set(names).size).toBe(names.length);
  const found: [string, Outcome][] = [];
  let next = 0;
  const lane = async (): Promise<void> => {
    for (let i = next++; i < cases.length; i = next++) {
      const one = cases[i];
      if (one !== undefined) found.push([names[i] ?? "", await outcomeOf(one)]);
    }
  };
  await Promise.all(Array.from({ length: 16 }, lane));
  expect(Object.fromEntries(found)).toEqual(Object.fromEntries(cases.map((one, i) => [names[i], one.expected])));
  const health = await scene.healthy.end();
  expect(health.problems).toEqual([]);
  expect(health.replies).toBeGreaterThan(0);
  expect(scene.alive()).toBe(true);
});

test("CF4 the page of conformance counts the generated cases as they are", () => {
  const page = readFileSync(join(import.meta.dirname, "../../docs/conformance.md"), "utf8");
  const told = [...page.matchAll(/^\| ([a-zA-Z0-9 -]+) \| (\d+) \| /gm)].map(([, group = "", count]) => [
    group,
    Number(count),
  ]);
  const counts = Object.fromEntries([...new Set(cases.map(({ group }) => group))].map((group) => [group, 0]));
  for (const { group } of cases) counts[group] = (counts[group] ?? 0) + 1;
  expect(Object.fromEntries(told)).toEqual(counts);
});
