// Proves the comparison at the end of a load run: each way in which a log can be wrong has its name, and a right one has none.
import { expect, test } from "vitest";
import { compare, type Known } from "../../src/load/check.ts";
import type { Message } from "../../src/protocol/index.ts";

const at = "2026-01-01T00:00:00.000Z";
const said = (id: string, text: string): Message => ({
  id,
  role: "user",
  parts: [{ type: "text", text }],
  metadata: { createdAt: at, parent: null },
});
const reply = (id: string, parent: string, text: string, status: "completed" | "stopped" | "running" = "completed") =>
  ({
    id,
    role: "assistant",
    parts: [{ type: "text", text }],
    metadata: { createdAt: at, parent, status },
  }) satisfies Message;

const one = [said("m1", "why"), reply("r1", "m1", "because")];
const two = [said("m2", "how"), reply("r2", "m2", "like thi", "stopped")];
const whole: Message[] = [...one, ...two];
const known: Known = {
  sent: [
    { message: "m1", text: "why", reply: "r1" },
    { message: "m2", text: "how", reply: "r2" },
  ],
  unanswered: new Set(["m9"]),
  ended: new Map([
    ["r1", "because"],
    ["r2", "like thi"],
  ]),
  stopped: new Map([["r2", "stopped"]]),
  shown: whole,
  more: false,
};
const faultsOf = (log: readonly Message[], seen: Partial<Known> = { shown: log }): string[] =>
  compare({ ...known, ...seen }, log).map(({ fault }) => fault);

test("LT3 a log that has what was sent and shown is without a fault, also what was never answered, and a later page of it", () => {
  expect(faultsOf(whole)).toEqual([]);
  expect(faultsOf([...whole, said("m9", "late"), reply("r9", "m9", "x")])).toEqual([]);
  expect(faultsOf(whole, { shown: two, more: true })).toEqual([]);
});

test.each<[string, string[], Message[]]>([
  ["a message that was acked is not there", ["lost", "lost"], two],
  ["a reply that was acked is not there", ["lost"], [said("m1", "why"), ...two]],
  ["a message is there twice, under another id", ["doubled"], [...whole, said("m3", "why")]],
  ["a message is there that nobody sent", ["extra"], [...whole, said("m3", "who")]],
  ["a message was changed", ["changed"], [said("m1", "Why"), ...whole.slice(1)]],
  ["two messages are in another order", ["swapped"], [...two, ...one]],
  ["a reply is there that answers nobody", ["extra"], [...whole, reply("r3", "m1", "no")]],
  ["a reply runs on", ["stuck"], [said("m1", "why"), reply("r1", "m1", "because", "running"), ...two]],
  ["a stopped reply is longer", ["grown"], [...one, said("m2", "how"), reply("r2", "m2", "like this", "stopped")]],
  ["a stopped reply is complete", ["changed"], [...one, said("m2", "how"), reply("r2", "m2", "like thi")]],
])("LT3 %s: %j", (_, faults, log) => {
  expect(faultsOf(log)).toEqual(faults);
});

test.each<[string, string[], Message[]]>([
  ["a message was not shown", ["lost"], whole.slice(0, 3)],
  ["a character of a reply was not shown", ["lost"], [said("m1", "why"), reply("r1", "m1", "becaus"), ...two]],
  ["a character was shown twice", ["doubled"], [said("m1", "why"), reply("r1", "m1", "beccause"), ...two]],
  ["another character was shown", ["changed"], [said("m1", "why"), reply("r1", "m1", "becauze"), ...two]],
  ["a message was shown that is not in the log", ["lost"], [...whole, said("m4", "where")]],
])("LT3 %s: %j", (_, faults, shown) => {
  expect(faultsOf(whole, { shown })).toEqual(faults);
});
