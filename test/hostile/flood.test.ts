import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createFlood } from "./flood.ts";
import { Raw } from "./raw.ts";
import { Scene } from "./scene.ts";

const frames = Number(process.env["HOSTILE_FRAMES"] ?? 100_000);
const seed = Number(process.env["HOSTILE_SEED"] ?? 1);

let scene: Scene;
beforeAll(async () => void (scene = await Scene.start()));
afterAll(() => scene.end());

describe("a flood of hostile frames", () => {
  test(
    "FR18 JS07 JS12 G8 hostile frames over many sockets: known codes only, nothing internal, everybody else untouched",
    { timeout: 3_600_000 },
    async () => {
      const { tally, run } = createFlood(scene.url, seed);
      const began = performance.now();
      const memory: number[] = [];
      for (let tenth = 1; tenth <= 10; tenth++) {
        await run((frames * tenth) / 10);
        memory.push(Math.round(scene.memory()));
      }
      const grown = (memory.at(-1) ?? Infinity) - (memory[0] ?? 0);
      const seconds = (performance.now() - began) / 1000;
      const health = await scene.healthy.end();
      const { sent, answered, connections, closes, errors, problems } = tally;
      const counts = { seed, sent, answered, connections, seconds: Math.round(seconds), memory };
      console.log(
        JSON.stringify({ ...counts, closes: Object.fromEntries(closes), errors: Object.fromEntries(errors), health }),
      );
      expect(problems).toEqual([]);
      expect(scene.alive()).toBe(true);
      expect(scene.server.output).not.toMatch(/uncaught|unhandled|handler_failed|viewer_failed/i);
      expect(health.problems).toEqual([]);
      expect(health.replies).toBeGreaterThan(0);
      expect(health.p99).toBeLessThan(1000);
      expect(grown).toBeLessThan(200);
      // The flood has seen every way out: a grammar that no longer reaches one must be noticed.
      for (const code of [1002, 1003, 1007, 1008, 1009, 4400, 4401, 4410, 4429])
        expect([code, closes.get(code) ?? 0]).not.toEqual([code, 0]);
      for (const code of ["invalid", "not_found", "conflict", "unauthorized"])
        expect([code, errors.get(code) ?? 0]).not.toEqual([code, 0]);
      const after = await Raw.connect(scene.url);
      expect(await after.ask({ type: "ping", id: "after" })).toMatchObject({ type: "ack" });
      after.cut();
    },
  );
});
