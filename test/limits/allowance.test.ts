// Proves that tokens are never overspent, whatever is asked at once, and that nothing is charged twice, lost or owed for ever.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isRejection } from "../../src/domain/records.ts";
import type { Rejection } from "../../src/protocol/index.ts";
import { createAllowance, type Allowance, type CallMeter } from "../../src/server/allowance.ts";
import { defaultPolicy, type Policy } from "../../src/server/policy.ts";
import type { SpentRecord, Spending } from "../../src/server/ports.ts";
import { hands } from "./hands.ts";

const reservedTokens = 100;
const day = 86_400_000;

function policyWith(guest: Partial<Policy["guest"]>, address: Partial<Policy["address"]> = {}): Policy {
  const wide = { messagesPerMinute: 1000, runningTurns: 1000, tokensPerDay: 1000 };
  const reply = { ...defaultPolicy.reply, reservedTokens };
  const widest = { ...defaultPolicy.address, guestMessagesPerMinute: 10_000, ...address };
  return { ...defaultPolicy, address: widest, guest: { ...defaultPolicy.guest, ...wide, ...guest }, reply };
}

/** A store of what was spent, which can be out of room. */
function shelf(): Spending & { rows: Map<string, SpentRecord>; full: boolean } {
  const rows = new Map<string, SpentRecord>();
  const kept = {
    rows,
    full: false,
    all: (since: number) => Promise.resolve([...rows.values()].filter((row) => row.since >= since)),
    put: (spent: readonly SpentRecord[]) => {
      if (kept.full) return Promise.reject(new Error("full"));
      for (const row of spent) rows.set(row.key, row);
      return Promise.resolve();
    },
  };
  return kept;
}

function allowed(guest: Partial<Policy["guest"]>, address: Partial<Policy["address"]> = {}, spending = shelf()) {
  const clock = hands();
  const allowance = createAllowance({ policy: policyWith(guest, address), clock, spending });
  return { clock, allowance, spending };
}

let turns = 0;
const begin = (
  allowance: Allowance,
  user = "guest_a",
  characters = 0,
): { turn: string; refused: Rejection | undefined } => {
  const turn = `t${++turns}`;
  return { turn, refused: allowance.begin({ turn, user, key: "192.0.2.1", characters }) };
};
const meterOf = (allowance: Allowance, turn: string, context: number, user = "guest_a"): CallMeter => {
  const meter = allowance.call({ id: turn, user }, context, 0);
  return isRejection(meter) ? expect.fail(meter.code) : meter;
};
const spend = (allowance: Allowance, turn: string, outputTokens: number): void => {
  const meter = meterOf(allowance, turn, 0);
  meter.settle({ kind: "completed", usage: { inputTokens: 0, outputTokens } });
  allowance.finished(turn);
};

describe("tokens of the day", () => {
  test("FU6 RL05 twenty sends at once at 95 % of the day: as many as fit, nothing overspent", () => {
    const { allowance } = allowed({ tokensPerDay: 10_000 });
    const first = begin(allowance);
    spend(allowance, first.turn, 9500);
    const all = Array.from({ length: 20 }, () => begin(allowance));
    const let_in = all.filter(({ refused }) => refused === undefined);
    expect(let_in).toHaveLength(5);
    // Others have only reserved: it may soon be free again.
    for (const { refused } of all.slice(5)) {
      expect(refused).toMatchObject({ code: "quota_exceeded", retryable: true, retryAfterMs: 2000 });
    }
    for (const { turn } of let_in) spend(allowance, turn, reservedTokens);
    expect(begin(allowance).refused).toMatchObject({ code: "quota_exceeded", retryAfterMs: day });
  });

  test("FU6 RL05 whatever begins, grows, fails and ends: spent and reserved never exceed the day's, and all comes back", () => {
    const deed = fc.record({
      characters: fc.integer({ min: 0, max: 900 }),
      grows: fc.array(fc.integer({ min: 1, max: 600 }), { maxLength: 6 }),
      ends: fc.constantFrom("completed", "failed", "aborted", "refunded", "never called"),
    });
    fc.assert(
      fc.property(fc.array(deed, { maxLength: 40 }), (deeds) => {
        const limit = 2000;
        const { allowance } = allowed({ tokensPerDay: limit });
        let spent = 0;
        const open: string[] = [];
        for (const { characters, grows, ends } of deeds) {
          const { turn, refused } = begin(allowance, "guest_a", characters);
          if (refused !== undefined) continue;
          if (ends === "refunded") allowance.refund(turn);
          if (ends === "never called") open.push(turn);
          if (ends === "refunded" || ends === "never called") continue;
          const meter = allowance.call({ id: turn, user: "guest_a" }, characters, 0);
          if (isRejection(meter)) {
            allowance.finished(turn);
            continue;
          }
          let granted = meter.grant(0);
          let length = 0;
          for (const more of grows) {
            length += more;
            if (length > granted) granted = meter.grant(length);
            length = Math.min(length, granted);
          }
          meter.produced(length);
          const failed = { kind: "failed", code: "model_timeout", retryable: true, detail: "" } as const;
          meter.settle(
            ends === "completed" ? { kind: ends, usage: undefined } : ends === "failed" ? failed : { kind: "aborted" },
          );
          allowance.finished(turn);
          if (ends === "completed" || length > 0) spent += Math.ceil(characters / 3) + Math.ceil(length / 3);
          expect(spent).toBeLessThanOrEqual(limit);
        }
        for (const turn of open) allowance.finished(turn);
        // What is left is exactly what was not spent: nothing is reserved for ever, nothing was given back twice.
        const left = limit - spent - reservedTokens;
        expect(begin(allowance, "guest_a", Math.max(0, left * 3 + 1)).refused?.code).toBe("quota_exceeded");
        if (left >= 0) expect(begin(allowance, "guest_a", left * 3).refused).toBe(undefined);
      }),
    );
  });

  test("FU6 a reply that outgrows what is left is granted no more; with room it is granted more", () => {
    const { allowance } = allowed({ tokensPerDay: 250 });
    const meter = meterOf(allowance, begin(allowance).turn, 0);
    expect(meter.grant(0)).toBe(300);
    expect(meter.grant(301)).toBe((Math.ceil(301 / 3) + 100) * 3);
    expect(meter.grant(10_000)).toBe((Math.ceil(301 / 3) + 100) * 3);
  });

  test("FU6 a context that does not fit is refused before the model is called", () => {
    const { allowance } = allowed({ tokensPerDay: 1000 });
    const { turn } = begin(allowance);
    expect(allowance.call({ id: turn, user: "guest_a" }, 2701, 0)).toMatchObject({ code: "quota_exceeded" });
    expect(isRejection(allowance.call({ id: turn, user: "guest_a" }, 2700, 0))).toBe(false);
  });

  test("FU6 what a model counted is what it cost, also beyond what was set aside", () => {
    const { allowance } = allowed({ tokensPerDay: 1000 });
    spend(allowance, begin(allowance).turn, 5000);
    expect(begin(allowance).refused).toMatchObject({ code: "quota_exceeded", retryAfterMs: day });
  });

  test("FU5 RL05 what failed before its first word, or was never begun, costs nothing", () => {
    const { allowance } = allowed({ tokensPerDay: reservedTokens, messagesPerMinute: 3 });
    for (let i = 0; i < 50; i++) {
      const { turn, refused } = begin(allowance);
      expect(refused).toBe(undefined);
      if (i % 2 === 0) allowance.refund(turn);
      allowance.refund(turn);
      allowance.refund("unknown");
      allowance.finished(turn);
    }
    const { turn } = begin(allowance);
    meterOf(allowance, turn, 0).settle({ kind: "failed", code: "model_unavailable", retryable: true, detail: "" });
    allowance.finished(turn);
    expect(begin(allowance).refused).toBe(undefined);
  });

  test("FU6 calls beside replies are charged too", () => {
    const { allowance } = allowed({ tokensPerDay: 1000 });
    allowance.charge("guest_a", { usage: { inputTokens: 500, outputTokens: 401 }, context: 0, produced: 0 });
    expect(begin(allowance).refused?.code).toBe("quota_exceeded");
  });
});

describe("days", () => {
  test("FU7 RL08 a day is 24 hours from its first token, whatever the wall clock does meanwhile", () => {
    for (const jump of [day, -day, 40 * day, -40 * day]) {
      const { allowance, clock } = allowed({ tokensPerDay: 1000 });
      spend(allowance, begin(allowance).turn, 1000);
      clock.jump(jump);
      clock.pass(day - 1);
      expect([jump, begin(allowance).refused]).toEqual([jump, expect.objectContaining({ retryAfterMs: 1 })]);
      clock.pass(1);
      expect([jump, begin(allowance).refused]).toEqual([jump, undefined]);
    }
  });

  test("FU7 what was used is known after a restart; nobody waits longer than a day, whatever the clock says then", async () => {
    const spending = shelf();
    const before = allowed({ tokensPerDay: 1000 }, {}, spending);
    spend(before.allowance, begin(before.allowance).turn, 950);
    await before.allowance.flush();
    for (const [jump, wait] of [
      [0, day],
      [day / 2, day / 2],
      [-40 * day, day],
      [day + 1, undefined],
    ] as const) {
      const after = allowed({ tokensPerDay: 1000 }, {}, spending);
      after.clock.jump(jump);
      await after.allowance.load();
      const { refused } = begin(after.allowance);
      expect([jump, refused?.retryAfterMs]).toEqual([jump, wait]);
    }
  });

  test("FU7 a store without room is tried again, and nothing is written where nothing was spent", async () => {
    const { allowance, spending } = allowed({ tokensPerDay: 1000 });
    await allowance.flush();
    spend(allowance, begin(allowance).turn, 10);
    spending.full = true;
    await expect(allowance.flush()).rejects.toThrow("full");
    spending.full = false;
    await allowance.flush();
    // The guest's own, that of the guests of the address, and that of all guests.
    expect([...spending.rows.values()].map(({ key, tokens }) => [key, tokens])).toEqual([
      ["guest_a", 10],
      ["address:192.0.2.1", 10],
      ["address:*", 10],
    ]);
    spending.rows.clear();
    await allowance.flush();
    expect(spending.rows.size).toBe(0);
  });

  test("FU6 TU3 a turn that an earlier process began is let in, and counted", () => {
    const { allowance } = allowed({ tokensPerDay: 150, runningTurns: 1 });
    meterOf(allowance, "from before", 3000).settle({
      kind: "completed",
      usage: { inputTokens: 1000, outputTokens: 0 },
    });
    expect(begin(allowance).refused?.code).toBe("rate_limited");
    allowance.finished("from before");
    expect(begin(allowance).refused?.code).toBe("quota_exceeded");
  });
});

describe("messages and replies at once", () => {
  test("FU1 so many replies are made at once, and so many messages come in a minute", () => {
    const { allowance, clock } = allowed({ runningTurns: 2, messagesPerMinute: 4, tokensPerDay: 1e9 });
    const [one, two, three] = [begin(allowance), begin(allowance), begin(allowance)];
    expect([one.refused, two.refused]).toEqual([undefined, undefined]);
    expect(three.refused).toMatchObject({ code: "rate_limited", retryAfterMs: 2000 });
    allowance.finished(one.turn);
    allowance.finished(one.turn);
    expect(begin(allowance).refused).toBe(undefined);
    expect(begin(allowance).refused?.code).toBe("rate_limited");
    allowance.finished(two.turn);
    const fourth = begin(allowance);
    expect(fourth.refused).toBe(undefined);
    allowance.finished(fourth.turn);
    const fifth = begin(allowance).refused;
    expect(fifth?.code).toBe("rate_limited");
    clock.pass(fifth?.retryAfterMs ?? 0);
    expect(begin(allowance).refused).toBe(undefined);
    // Somebody else's number is their own.
    expect(begin(allowance, "guest_b").refused).toBe(undefined);
  });

  test("FU8 new guests of one address do not get new allowances; people who are signed in are not counted with them", () => {
    const { allowance } = allowed({ tokensPerDay: 1000 }, { guestMessagesPerMinute: 3 });
    const guests = Array.from({ length: 5 }, (_, i) => begin(allowance, `guest_${i}`).refused?.code);
    expect(guests).toEqual([undefined, undefined, undefined, "rate_limited", "rate_limited"]);
    expect(begin(allowance, "ann").refused).toBe(undefined);
    const purse = allowed({ tokensPerDay: 1000 }, { guestTokensPerDay: 250 }).allowance;
    const more = Array.from({ length: 4 }, (_, i) => begin(purse, `guest_${i}`).refused?.code);
    expect(more).toEqual([undefined, undefined, "quota_exceeded", "quota_exceeded"]);
    expect(begin(purse, "ann").refused).toBe(undefined);
  });

  test("FU12 WI08 guests of however many addresses have one day together, over a restart too", async () => {
    const spending = shelf();
    const policy = { ...policyWith({ tokensPerDay: 1000 }), all: { guestTokensPerDay: 450 } };
    const clock = hands();
    const allowance = createAllowance({ policy, clock, spending });
    const from = (one: Allowance, n: number, user = `guest_${n}`): string | undefined =>
      one.begin({ turn: `from-${user}-${n}`, user, key: `192.0.2.${n}`, characters: 0 })?.code;
    const codes = Array.from({ length: 6 }, (_, n) => from(allowance, n));
    expect(codes).toEqual([undefined, undefined, undefined, undefined, "quota_exceeded", "quota_exceeded"]);
    expect(from(allowance, 9, "ann")).toBe(undefined);
    for (let n = 0; n < 4; n++) {
      const turn = `from-guest_${n}-${n}`;
      const usage = { inputTokens: 0, outputTokens: 100 };
      meterOf(allowance, turn, 0, `guest_${n}`).settle({ kind: "completed", usage });
      allowance.finished(turn);
    }
    await allowance.flush();
    const next = createAllowance({ policy, clock, spending });
    await next.load();
    expect([from(next, 20), from(next, 21, "bob")]).toEqual(["quota_exceeded", undefined]);
    clock.pass(day);
    expect(from(next, 22)).toBe(undefined);
    expect(next.usage().map(({ user }) => user)).not.toContain("address:*");
  });
});
