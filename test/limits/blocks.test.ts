// Proves the list of blocks: what counts, for whom, how long, and that a score is held against the right ones only.
import { describe, expect, test } from "vitest";
import { locate, parseRange } from "../../src/server/addresses.ts";
import { createBlockList, type BlockList } from "../../src/server/blocks.ts";
import { defaultPolicy } from "../../src/server/policy.ts";
import type { BlockRecord, Blocks } from "../../src/server/ports.ts";
import { hands } from "./hands.ts";

const minute = 60_000;
const day = 86_400_000;
const { abuse } = defaultPolicy;

function shelf(): Blocks & { rows: Map<string, BlockRecord>; full: boolean } {
  const rows = new Map<string, BlockRecord>();
  const kept = {
    rows,
    full: false,
    all: () => Promise.resolve([...rows.values()]),
    put: (record: BlockRecord) => {
      if (kept.full) return Promise.reject(new Error("full"));
      rows.set(record.range, record);
      return Promise.resolve();
    },
    remove: (range: string) => {
      rows.delete(range);
      return Promise.resolve();
    },
  };
  return kept;
}

function listed(blocks = shelf()) {
  const clock = hands();
  const lines: string[] = [];
  const note = (event: string): void => void lines.push(event);
  const journal = { info: note, warn: note, error: note };
  const changes = { count: 0 };
  const trustedProxies = ["10.0.0.0/8"].flatMap((text) => parseRange(text) ?? []);
  const changed = (): void => void changes.count++;
  const list = createBlockList({ blocks, clock, journal, abuse, trustedProxies, changed });
  return { list, clock, blocks, lines, changes };
}
const misbehave = (list: BlockList, address: string, times: number): void => {
  for (let i = 0; i < times; i++) list.violated(locate(address), "rateLimitClose");
};

describe("the operator's blocks", () => {
  test("BL3 HS16 HS17 a block counts for every spelling of its addresses, and for no neighbour", async () => {
    const { list, changes } = listed();
    await list.add("::ffff:203.0.113.7", {});
    await list.add("2001:db8:1:2::5", {});
    await list.add("198.51.100.0/24", {});
    expect(changes.count).toBe(3);
    for (const address of ["203.0.113.7", "::ffff:203.0.113.7", "::ffff:cb00:7107", "198.51.100.200"]) {
      expect([address, list.reachOf(locate(address))]).toEqual([address, "everyone"]);
    }
    for (let i = 0; i < 1000; i++) {
      const address = `2001:db8:1:2:${i.toString(16)}:${((i * 7919) % 65_536).toString(16)}::${i + 1}`;
      if (list.reachOf(locate(address)) !== "everyone") expect.fail(address);
    }
    for (const address of ["203.0.113.8", "2001:db8:1:3::5", "198.51.101.1", undefined]) {
      expect([address, list.reachOf(locate(address))]).toEqual([address, undefined]);
    }
    expect(
      list
        .list()
        .map(({ range }) => range)
        .sort(),
    ).toEqual(["198.51.100.0/24", "2001:db8:1:2::/64", "203.0.113.7"]);
  });

  test("BL3 a block is lifted in any spelling; what is not there, and what is no address, is told", async () => {
    const { list, blocks } = listed();
    await list.add("203.0.113.7", { reason: "spam" });
    expect(await list.lift("::ffff:203.0.113.7")).toMatchObject({ range: "203.0.113.7", reason: "spam" });
    expect([list.reachOf(locate("203.0.113.7")), blocks.rows.size]).toEqual([undefined, 0]);
    expect(await list.lift("203.0.113.7")).toBe(undefined);
    for (const text of ["", "nonsense", "1.2.3.4/40"]) {
      expect([await list.add(text, {}), await list.lift(text)]).toEqual([undefined, undefined]);
    }
  });

  test("BL3 what cannot be kept does not count", async () => {
    const { list, blocks, changes } = listed();
    blocks.full = true;
    await expect(list.add("203.0.113.7", {})).rejects.toThrow("full");
    expect([list.reachOf(locate("203.0.113.7")), changes.count]).toEqual([undefined, 0]);
  });

  test("BL4 RL08 a timed block ends when its time is over, whatever the wall clock does, and is forgotten", async () => {
    for (const jump of [0, 40 * day, -40 * day]) {
      const { list, clock, blocks } = listed();
      await list.add("203.0.113.7", { forMs: 10 * minute });
      clock.jump(jump);
      clock.pass(10 * minute - 1);
      expect([jump, list.reachOf(locate("203.0.113.7"))]).toEqual([jump, "everyone"]);
      clock.pass(1);
      expect([list.reachOf(locate("203.0.113.7")), list.list(), blocks.rows.size]).toEqual([undefined, [], 0]);
    }
  });

  test("BL4 RL08 after a restart a block lasts what is left of it, and never longer than it was meant to", async () => {
    const first = listed();
    await first.list.add("203.0.113.7", { forMs: 10 * minute });
    await first.list.add("203.0.113.8", {});
    const leftAfter = async (jump: number): Promise<number> => {
      const { list, clock } = listed(shelf());
      const again = listed(first.blocks);
      again.clock.jump(jump);
      await again.list.load();
      let minutes = 0;
      for (; again.list.reachOf(locate("203.0.113.7")) !== undefined && minutes < 100; minutes++)
        again.clock.pass(minute);
      expect(again.list.reachOf(locate("203.0.113.8"))).toBe("everyone");
      expect([list.list(), clock.monotonic()]).toEqual([[], 1000]);
      first.blocks.rows.set("203.0.113.7", kept);
      return minutes;
    };
    const kept = first.blocks.rows.get("203.0.113.7") ?? expect.fail();
    expect(await leftAfter(0)).toBe(10);
    expect(await leftAfter(4 * minute)).toBe(6);
    expect(await leftAfter(-40 * day)).toBe(10);
    expect(await leftAfter(40 * day)).toBe(0);
  });
});

describe("scores", () => {
  test("BL5 a high score shuts out guests, a very high one everybody, for a time", () => {
    const { list, clock, lines, blocks } = listed();
    misbehave(list, "203.0.113.7", 9);
    expect(list.reachOf(locate("203.0.113.7"))).toBe(undefined);
    misbehave(list, "203.0.113.7", 1);
    expect(list.reachOf(locate("::ffff:203.0.113.7"))).toBe("guests");
    misbehave(list, "203.0.113.7", 29);
    expect(list.reachOf(locate("203.0.113.7"))).toBe("guests");
    misbehave(list, "203.0.113.7", 1);
    expect(list.reachOf(locate("203.0.113.7"))).toBe("everyone");
    expect(list.reachOf(locate("203.0.113.8"))).toBe(undefined);
    expect(blocks.rows.get("203.0.113.7")).toMatchObject({ by: "score", reach: "everyone" });
    expect(lines.filter((line) => line === "address_blocked")).toHaveLength(2);
    clock.pass(abuse.blockMinutes * minute);
    expect(list.reachOf(locate("203.0.113.7"))).toBe(undefined);
  });

  test("BL5 HS17 who changes their address within a /64 keeps their score", () => {
    const { list } = listed();
    for (let i = 0; i < 10; i++) misbehave(list, `2001:db8::${i + 1}`, 1);
    expect(list.reachOf(locate("2001:db8::ffff"))).toBe("guests");
    expect(list.reachOf(locate("2001:db8:0:1::1"))).toBe(undefined);
  });

  test("BL5 RL08 a score halves with time, whatever the wall clock does, and is never below zero", () => {
    const { list, clock } = listed();
    misbehave(list, "203.0.113.7", 9);
    clock.jump(-40 * day);
    clock.pass(abuse.halfLifeMinutes * minute);
    // 45 of the 90 are left.
    misbehave(list, "203.0.113.7", 5);
    expect(list.reachOf(locate("203.0.113.7"))).toBe(undefined);
    misbehave(list, "203.0.113.7", 1);
    expect(list.reachOf(locate("203.0.113.7"))).toBe("guests");
    clock.pass(40 * day);
    misbehave(list, "203.0.113.7", 9);
    expect(list.reachOf(locate("203.0.113.7"))).toBe(undefined);
  });

  test("BL6 loopback and trusted proxies have no score, and a score does not touch the operator's block", async () => {
    const { list, blocks } = listed();
    for (const address of ["127.0.0.1", "::1", "::ffff:127.0.0.1", "10.1.2.3", undefined]) {
      if (address !== undefined) misbehave(list, address, 1000);
      else list.violated(locate(address), "failedSignIn");
      expect(list.reachOf(locate(address))).toBe(undefined);
    }
    await list.add("203.0.113.7", { reason: "for good" });
    misbehave(list, "203.0.113.7", 1000);
    expect(blocks.rows.get("203.0.113.7")).toMatchObject({ by: "operator", reason: "for good" });
    // The operator may block what has no score.
    await list.add("127.0.0.1", {});
    expect(list.reachOf(locate("127.0.0.1"))).toBe("everyone");
  });

  test("BL5 a score counts at once also where the store cannot keep it, and lifting it begins anew", async () => {
    const { list, blocks, lines } = listed();
    blocks.full = true;
    misbehave(list, "203.0.113.7", 10);
    expect(list.reachOf(locate("203.0.113.7"))).toBe("guests");
    await Promise.resolve();
    expect(lines).toContain("block_not_kept");
    await list.lift("203.0.113.7");
    misbehave(list, "203.0.113.7", 9);
    expect(list.reachOf(locate("203.0.113.7"))).toBe(undefined);
  });
});
