// Proves that the documented numbers are those of the table, and that a file changes them by name and in no other way.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { defaultPolicy, readPolicy, unlimited, type Policy } from "../../src/server/policy.ts";

const numbersOf = (policy: Policy): Record<string, number> =>
  Object.fromEntries(
    Object.entries(policy).flatMap(([group, row]) =>
      Object.entries(row).map(([name, value]) => [`${group}.${name}`, value]),
    ),
  );

test("FU10 docs/limits.md has every number of the table and no other, in its order", () => {
  const page = readFileSync(join(import.meta.dirname, "../../docs/limits.md"), "utf8");
  const rows = [...page.matchAll(/^\| `(\w+\.\w+)` \| (\d+) \|/gm)].map(([, name, value]) => [name, Number(value)]);
  expect(rows).toEqual(Object.entries(numbersOf(defaultPolicy)));
});

test("FU10 guests have lower numbers than people who are signed in", () => {
  for (const [name, value] of Object.entries(defaultPolicy.guest)) {
    expect([name, value < (Object.entries(defaultPolicy.user).find(([other]) => other === name)?.[1] ?? 0)]).toEqual([
      name,
      true,
    ]);
  }
});

test("FU10 a file changes the numbers it names and leaves the others", () => {
  const read = readPolicy('{"guest": {"messagesPerMinute": 5}, "reply": {"seconds": 60}, "user": {}}');
  const policy = read.ok ? read.policy : expect.fail(read.problems.join());
  const expected = { ...numbersOf(defaultPolicy), "guest.messagesPerMinute": 5, "reply.seconds": 60 };
  expect(numbersOf(policy)).toEqual(expected);
  expect(defaultPolicy.guest.messagesPerMinute).toBe(60);
});

test("FU10 an unknown name, a wrong number and what is no JSON are refused by name", () => {
  const problems = (text: string): readonly string[] => {
    const read = readPolicy(text);
    return read.ok ? [] : read.problems;
  };
  expect(problems('{"guest": {"mesagesPerMinute": 5}}')).toEqual([
    expect.stringMatching(/^"guest\.mesagesPerMinute" is not known; there are .*messagesPerMinute/),
  ]);
  expect(problems('{"guests": {}}')).toEqual([expect.stringMatching(/^"guests" is not known/)]);
  for (const value of ["-1", "1.5", '"5"', "null", "true", "1e99"]) {
    expect(problems(`{"user": {"sockets": ${value}}}`)).toEqual([expect.stringContaining('"user.sockets"')]);
  }
  expect(problems('{"abuse": {"halfLifeMinutes": 0}}')).toEqual([expect.stringContaining("from 1")]);
  expect(problems('{"guest": {"toString": 1}, "user": 5}')).toHaveLength(2);
  for (const text of ["", "{", "[]", "5", "null", '"off"']) expect([text, problems(text).length]).toEqual([text, 1]);
  expect(problems('{"__proto__": {"sockets": 1}}')).toHaveLength(1);
});

test("FU10 RL07 without limits everything is unbounded but replies", () => {
  const bounded = Object.entries(numbersOf(unlimited)).filter(
    ([name, value]) => Number.isFinite(value) && !name.startsWith("abuse."),
  );
  expect(bounded.map(([name]) => name)).toEqual(["reply.characters", "reply.seconds", "reply.reservedTokens"]);
});

test("FU10 with limits off nothing adds to a score, and no number that divides is infinite", () => {
  const { malformedFrame, refusedConnection, failedSignIn, rateLimitClose, blockMinutes, halfLifeMinutes } =
    unlimited.abuse;
  expect([malformedFrame, refusedConnection, failedSignIn, rateLimitClose]).toEqual([0, 0, 0, 0]);
  expect([blockMinutes, halfLifeMinutes].every(Number.isFinite)).toBe(true);
});
