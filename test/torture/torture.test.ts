import { expect, test } from "vitest";
import { clock } from "./clock.ts";
import { cycles } from "./cycles.ts";
import { drains } from "./drains.ts";
import { fullDisk } from "./full-disk.ts";
import { halfOpen } from "./half-open.ts";
import type { Ledger } from "./ledger.ts";
import { malformed } from "./malformed.ts";
import { provider } from "./provider.ts";
import { misplaced } from "../sim/sabotage.ts";
import { sceneSabotages } from "./sabotages.ts";
import { runScene, type Scene } from "./scene.ts";
import { scenes } from "./scenes.ts";
import { stalled } from "./stalled.ts";
import { stops } from "./stops.ts";
import { storm } from "./storm.ts";

/** Plays a scene at its small size. Nothing may be broken; `saw` are the least of what it must have come across. */
async function hold(scene: Scene, seed: number, saw: Readonly<Record<string, number>>): Promise<Ledger> {
  const ledger = await runScene(scene, { seed });
  expect(ledger.problems).toEqual([]);
  expect(ledger.sum).toBe(0);
  for (const [name, least] of Object.entries(saw))
    expect([name, (ledger.facts[name] ?? 0) >= least ? "enough" : ledger.facts[name]]).toEqual([name, "enough"]);
  return ledger;
}

test("planted bugs fit the sources as they are, and every scene has one", () => {
  expect(misplaced(sceneSabotages)).toEqual([]);
  expect([...new Set(sceneSabotages.map(({ scene }) => scene))].toSorted()).toEqual([...scenes.keys()].toSorted());
});

// Seeds of both kinds: an even one has a model that can be given the beginning of its reply, an odd one has not.
test.each([6, 7])(
  "G1 G2 G3 G4 G5 G7 ST01 ST03 B14 B15 B27 killed, cut and stalled, seed %i: no promise is broken",
  async (seed) => {
    const { counts, facts } = await hold(cycles, seed, { acked: 31 });
    expect(counts).toEqual({ lost: 0, doubled: 0, torn: 0, stuck: 0, mismatched: 0, wrongCloses: 0, crashes: 0 });
    expect((facts["kills"] ?? 0) + (facts["drains"] ?? 0)).toBeGreaterThanOrEqual(3);
  },
  120_000,
);

// The others wait more than they work, each beside a server of its own: together they take a third of the time.
test.concurrent("TO1 TO2 G4 G11 B28 LO14 a reconnect storm in mid-reply: all are whole again, from their cursors", async () => {
  const { facts } = await hold(storm, 1, { cut: 120, contexts: 11, neighbourAcks: 1 });
  // All but those in whose conversation nothing ever happened.
  expect(facts["inMidReply"]).toBe(110);
}, 300_000);

test.concurrent("TO8 G8 FR13 B35 readers that stop reading: a megabyte each at most, and then they have it all", async () => {
  await hold(stalled, 1, { queuedForOneBytes: 100_000, sentBackToTheLog: 1, neighbourAcks: 1 });
}, 300_000);

test.concurrent("TO3 G5 B24 CL14 PR09 stops at random moments from two devices: final, with one end, and the model goes quiet", async () => {
  await hold(stops, 2, { silentModels: 1, stopped: 10, completed: 1, sentAtOnce: 1, conflicts: 1, neighbourAcks: 1 });
}, 300_000);

test.concurrent("TO4 G12 B34 rolling restarts under load: 1012 to everybody, spread, and no reply lost", async () => {
  await hold(drains, 3, { closesSpreadMs: 1, neighbourAcks: 1 });
}, 300_000);

test.concurrent("TO5 G1 ST08 ST09 a disk that is full: refused as unavailable, read all the while, and nothing acked is lost", async () => {
  await hold(fullDisk, 4, { acked: 10, neighbourAcks: 1 });
}, 300_000);

test.concurrent("TO6 SO5 half-open sockets: let go after two heartbeats, their people whole on other sockets", async () => {
  const { facts } = await hold(halfOpen, 5, { swallowed: 16, neighbourReplies: 1 });
  expect(facts["socketsAtMost"]).toBeGreaterThan(20);
}, 300_000);

test.concurrent("TO7 ST12 a wall clock that jumps by hours: no reply lost, no turn taken from its owner, sessions good", async () => {
  await hold(clock, 6, { forward: 1, back: 1, cameBack: 1, neighbourReplies: 1 });
}, 300_000);

test.concurrent("TO9 PR01 PR02 PR03 PR05 PR07 PR08 PR12 B23 FI05 whatever a provider does: whole, or ended as specified, and nobody else waits", async () => {
  await hold(provider, 7, { whole: 10, failedAsSpecified: 10, kinds: 38, "hanging:stopped": 1, neighbourReplies: 1 });
}, 300_000);

test.concurrent("TO10 G10 FR18 JS12 malformed frames over many sockets: known codes only, and the healthy client notices nothing", async () => {
  await hold(malformed, 8, {
    invalid: 100,
    not_found: 10,
    closed4400: 1,
    closed1002: 1,
    closed1009: 1,
    neighbourAcks: 1,
  });
}, 300_000);
