// Owns the figures of fair use: microseconds of CPU per command and per reply. A script: `node test/limits/main.ts [people]`.
import { isRejection } from "../../src/domain/records.ts";
import { createAllowance } from "../../src/server/allowance.ts";
import { systemClock } from "../../src/server/clock.ts";
import { createPace } from "../../src/server/pace.ts";
import { defaultPolicy } from "../../src/server/policy.ts";

const people = Array.from({ length: Number(process.argv[2] ?? 10_000) }, () => `guest_${systemClock.uuid()}`);
const rounds = 20;

/** Does something for every person, again and again, and says what one time costs; the first round warms up. */
function measure(name: string, act: (user: string, key: string, n: number) => void): void {
  let before = process.cpuUsage();
  for (let round = 0; round <= rounds; round++) {
    if (round === 1) before = process.cpuUsage();
    for (const [n, user] of people.entries()) act(user, `192.0.2.${n % 256}`, round * people.length + n);
  }
  const { user, system } = process.cpuUsage(before);
  console.log(`${name}: ${((user + system) / rounds / people.length).toFixed(2)} us of CPU, ${people.length} people`);
}

// As for every command: the person's own, and of a search one more.
const commands = createPace(systemClock, 10_000);
measure("a command", (user) => {
  if (commands.take(user, 1e9) > 0) throw new Error("refused");
});

const wide = { messagesPerMinute: 1e9, runningTurns: 1e9, tokensPerDay: 1e15 };
const allowance = createAllowance({
  policy: {
    ...defaultPolicy,
    guest: { ...defaultPolicy.guest, ...wide },
    address: { ...defaultPolicy.address, guestMessagesPerMinute: 1e9, guestTokensPerDay: 1e15 },
  },
  clock: systemClock,
  spending: { all: () => Promise.resolve([]), put: () => Promise.resolve() },
});
// A guest's, with the counts of the address: reserved, called, grown once past what was set aside, settled.
measure("a reply", (user, key, n) => {
  const turn = `t${n}`;
  const refused = allowance.begin({ turn, user, key, characters: 100 });
  const call = allowance.call({ id: turn, user }, 1000, 0);
  if (refused !== undefined || isRejection(call)) throw new Error("refused");
  call.grant(20_000);
  call.produced(20_000);
  call.settle({ kind: "completed", usage: undefined });
  allowance.finished(turn);
});
