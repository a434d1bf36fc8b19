// Runs the simulation as tests: kept seeds, 500 worlds, the same seed twice, and a few planted bugs.
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { misplaced, tryOut } from "./sabotage.ts";
import { sabotages } from "./sabotages.ts";
import { runWorld } from "./world.ts";

const kept = JSON.parse(readFileSync(new URL("seeds.json", import.meta.url), "utf8")) as {
  seed: number;
  found: string;
}[];
const worlds = Number(process.env["SIM_WORLDS"] ?? "500");
const batch = 50;

async function failures(seeds: readonly number[]): Promise<string[]> {
  const found: string[] = [];
  for (const seed of seeds) {
    const { violations } = await runWorld(seed);
    if (violations.length > 0) found.push(`${violations[0]}\n  repeat: node test/sim/main.ts --seed ${seed} --trace`);
  }
  return found;
}

describe("invariants 1 to 14, 16 and 17 of a simulated world", () => {
  it("hold in the worlds that once found something", { timeout: 120_000 }, async () => {
    expect(await failures(kept.map((item) => item.seed))).toEqual([]);
  });

  for (let from = 1; from <= worlds; from += batch) {
    const seeds = Array.from({ length: Math.min(batch, worlds - from + 1) }, (_, i) => from + i);
    it(`hold in worlds ${from} to ${from + seeds.length - 1}`, { timeout: 120_000 }, async () => {
      expect(await failures(seeds)).toEqual([]);
    });
  }

  it("TI3 TI4 hold where the server names conversations, and it names each once", { timeout: 120_000 }, async () => {
    let titles = 0;
    for (let seed = 1; seed <= 40; seed++) {
      const verdict = await runWorld(seed, { titles: "model" });
      expect(verdict.violations).toEqual([]);
      titles += verdict.titles;
    }
    expect(titles).toBeGreaterThan(50);
  });

  it("are checked in the same way each time: a seed replays", async () => {
    const [first, again, other] = [await runWorld(7), await runWorld(7), await runWorld(8)];
    expect(first.events).toBeGreaterThan(50);
    expect(again).toEqual(first);
    expect(other.digest).not.toBe(first.digest);
  });
});

describe("planted bugs", () => {
  it("fit the sources as they are", () => {
    expect(misplaced(sabotages)).toEqual([]);
    expect(sabotages.length).toBeGreaterThanOrEqual(15);
  });

  const quick = [
    "merging is off by one",
    "the offset does not advance",
    "live frames jump over what a reader has not got",
  ];
  it.each(quick)("are noticed: %s", { timeout: 60_000 }, async (name) => {
    const sabotage = sabotages.find((item) => item.name === name);
    if (sabotage === undefined) throw new Error("no such sabotage");
    expect(await tryOut(sabotage, "1..60")).toMatchObject({ caught: true });
  });
});
