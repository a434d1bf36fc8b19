// Owns what every Blocks and Spending must do, as tests that run on any adapter. Must know no adapter.
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { BlockRecord, Blocks, Spending } from "../../src/server/ports.ts";

type Kept = { blocks: Blocks; spending: Spending; close: () => Promise<void> };

export function fairUseContract(name: string, open: () => Promise<Kept>): void {
  describe(`${name}: Blocks and Spending`, () => {
    let kept: Kept;
    beforeEach(async () => void (kept = await open()));
    afterEach(() => kept.close());

    it("AD15 a block is kept exactly; the newest of a range counts; one that was lifted is gone", async () => {
      const { blocks } = kept;
      const plain: BlockRecord = { range: "203.0.113.7", reach: "everyone", by: "operator", createdAt: 5 };
      const timed: BlockRecord = {
        range: "2001:db8::/64",
        reach: "guests",
        by: "score",
        createdAt: 6,
        until: 7,
        reason: "ü\n'",
      };
      expect(await blocks.all()).toEqual([]);
      await blocks.put(plain);
      await blocks.put(timed);
      const sorted = async (): Promise<BlockRecord[]> =>
        [...(await blocks.all())].sort((a, b) => a.createdAt - b.createdAt);
      expect(await sorted()).toEqual([plain, timed]);
      await blocks.put({ ...plain, createdAt: 9, until: 10 });
      expect(await sorted()).toEqual([timed, { ...plain, createdAt: 9, until: 10 }]);
      await blocks.remove(timed.range);
      await blocks.remove("nothing");
      expect(await sorted()).toEqual([{ ...plain, createdAt: 9, until: 10 }]);
    });

    it("AD15 what somebody has spent is kept, the newest of a key, from a time on", async () => {
      const { spending } = kept;
      await spending.put([
        { key: "a", tokens: 1, since: 100 },
        { key: "b", tokens: 2, since: 200 },
      ]);
      await spending.put([{ key: "b", tokens: 3, since: 200 }]);
      expect([...(await spending.all(0))].sort((x, y) => x.since - y.since)).toEqual([
        { key: "a", tokens: 1, since: 100 },
        { key: "b", tokens: 3, since: 200 },
      ]);
      expect(await spending.all(150)).toEqual([{ key: "b", tokens: 3, since: 200 }]);
      await spending.put([]);
    });
  });
}
