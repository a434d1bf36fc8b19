import { expect, test } from "vitest";
import { torture } from "./rig.ts";

// Seeds of both kinds: an even one has a model that can be given the beginning of its reply, an odd one has not.
test.each([6, 7])(
  "G1 G2 G3 G4 G5 G7 ST01 ST03 B14 B15 B27 killed, cut and stalled, seed %i: no promise is broken",
  async (seed) => {
    const { problems, ...report } = await torture({ cycles: 3, seed, clients: 6 });
    expect(problems).toEqual([]);
    expect(report).toMatchObject({ lost: 0, doubled: 0, torn: 0, stuck: 0, mismatched: 0, wrongCloses: 0, crashes: 0 });
    expect(report.kills + report.drains).toBeGreaterThanOrEqual(3);
    expect(report.acked).toBeGreaterThan(30);
  },
  120_000,
);
