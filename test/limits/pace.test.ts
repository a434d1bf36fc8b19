// Proves that a pace never lets more through in any span than its number, and says rightly when there is room again.
import fc from "fast-check";
import { expect, test } from "vitest";
import { createPace } from "../../src/server/pace.ts";
import { hands } from "./hands.ts";

const span = 60_000;

test("FU1 RL02 RL08 no span of any place holds more than the number, and a refusal's time is long enough", () => {
  const steps = fc.array(
    fc.record({ pass: fc.integer({ min: 0, max: 20_000 }), jump: fc.constantFrom(0, -86_400_000) }),
    {
      minLength: 1,
      maxLength: 200,
    },
  );
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 12 }), steps, (limit, steps) => {
      const clock = hands();
      const pace = createPace(clock, span);
      const taken: number[] = [];
      for (const { pass, jump } of steps) {
        clock.pass(pass);
        clock.jump(jump);
        const wait = pace.take("a", limit);
        const now = clock.monotonic();
        if (wait === 0) taken.push(now);
        else {
          // Refused: the span behind is full, but for the width of a part.
          expect(taken.filter((at) => at > now - 1.1 * span).length).toBeGreaterThanOrEqual(limit);
          expect(wait).toBeLessThanOrEqual(1.1 * span);
          clock.pass(wait);
          expect(pace.wait("a", limit)).toBe(0);
        }
        expect(taken.filter((at) => at > now - span).length).toBeLessThanOrEqual(limit);
      }
    }),
  );
});

test("FU1 keys have nothing to do with each other, and what nobody uses is forgotten", () => {
  const clock = hands();
  const pace = createPace(clock, span);
  expect([pace.take("a", 1), pace.take("b", 1)]).toEqual([0, 0]);
  expect(pace.take("a", 1)).toBeGreaterThan(0);
  clock.pass(10 * span);
  expect([pace.take("a", 1), pace.take("b", 1)]).toEqual([0, 0]);
});

test("FU1 a cost of more than one, a number of none, and none at all", () => {
  const clock = hands();
  const pace = createPace(clock, span);
  expect([pace.take("a", 10, 7), pace.take("a", 10, 3)]).toEqual([0, 0]);
  expect(pace.take("a", 10, 1)).toBeGreaterThan(0);
  expect(pace.take("b", 0)).toBeGreaterThan(0);
  for (let i = 0; i < 1000; i++) expect(pace.take("c", Number.POSITIVE_INFINITY)).toBe(0);
});

test("FU5 RL08 what did not happen is given back, and never more than there was", () => {
  const clock = hands();
  const pace = createPace(clock, span);
  for (let i = 0; i < 5; i++) pace.giveBack("a");
  expect([pace.take("a", 1), pace.take("a", 1) > 0]).toEqual([0, true]);
  clock.pass(span / 2);
  pace.giveBack("a");
  expect([pace.take("a", 1), pace.take("a", 1) > 0]).toEqual([0, true]);
});
