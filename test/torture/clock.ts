// The scene of clock jumps: the server's wall clock goes forward and back by hours, and nothing is lost, doubled or out of order.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { Member, type Answer, type Command } from "./member.ts";
import { wholeReply } from "./reply.ts";
import { between, each, sleep, upTo, type Scene } from "./scene.ts";
import { Stage } from "./stage.ts";

const hour = 3_600_000;
/** What the clock may be off by (hours). All within a day: answers are kept as long. */
const offsets = [-11, -6, -1, -0.1, 0, 0.02, 1, 5, 11];

export const clock: Scene = {
  name: "clock",
  unit: "jumps",
  // Over some renewals of leases: a jump between them is what a turn could be lost by.
  small: 14,
  large: 200,
  async play(run) {
    const { size, seed, random, ledger, say } = run;
    const folder = mkdtempSync(join(tmpdir(), "throughline-clock-"));
    const file = join(folder, "shift");
    writeFileSync(file, "0");
    const preload = pathToFileURL(join(import.meta.dirname, "shifted-clock.ts")).href;
    const settings = { TORTURE_CLOCK: file, NODE_OPTIONS: `--import=${preload}` };
    try {
      await Stage.play(run, { settings }, async (stage) => {
        // 1006: those that are cut here.
        const members = await each(upTo(size > 20 ? 30 : 8), () => Member.join(stage.member({ fair: [1006] })));
        const state = { over: false };
        const acked: { member: Member; command: Command; answer: Answer }[] = [];
        const talk = async (member: Member, index: number): Promise<void> => {
          const conversation = crypto.randomUUID();
          for (let i = 0; !state.over; i++) {
            const own = {
              seed: seed * 1_000_000 + index * 10_000 + i,
              chars: between(random, 80, 400),
              how: "rate=80 piece=4",
            };
            if ((await wholeReply(member, ledger, conversation, own)) === undefined) return;
            const command = { type: "conversation.update", id: crypto.randomUUID(), conversation, title: `title ${i}` };
            acked.push({ member, command, answer: await member.ask(command) });
            ledger.operations++;
          }
        };
        const talking = members.map(talk);
        const [watch] = members;
        const jump = async (hours: number): Promise<void> => {
          writeFileSync(file, String(hours * hour));
          if (stage.server.pid !== undefined) process.kill(stage.server.pid, "SIGUSR2");
          // Seen by what the server says of the time, in the answer to a ping.
          for (let off = Infinity; Math.abs(off - hours * hour) > 60_000; await sleep(5)) {
            const said = Date.parse(String((await watch?.ask({ type: "ping" }))?.["now"]));
            off = said - Date.now();
          }
        };
        let last = 0;
        for (let i = 1; i <= size; i++) {
          const others = offsets.filter((offset) => offset !== last);
          last = others[between(random, 0, others.length - 1)] ?? 1;
          await jump(last);
          ledger.cycles++;
          ledger.saw(last >= 0 ? "forward" : "back");
          // Some come back on the session of before, by a clock that has moved since.
          const away = members.filter(() => random() < 0.4);
          const before = away.map(({ arrivals }) => arrivals);
          for (const member of away) member.cut();
          await each(away, (member, index) => member.until(() => member.arrivals > (before[index] ?? 0), "being back"));
          ledger.saw("cameBack", away.length);
          // What was said by another clock has the same answer by this one.
          const repeated = acked[between(random, 0, Math.max(0, acked.length - 1))];
          const again = await repeated?.member.ask(repeated.command);
          if (again !== undefined && JSON.stringify(again) !== JSON.stringify(repeated?.answer))
            ledger.bad("doubled", `answered ${JSON.stringify(repeated?.answer)}, then ${JSON.stringify(again)}`);
          await sleep(between(random, 50, 400));
          if (i % 20 === 0) say(`${i} jumps, ${ledger.operations} replies`);
        }
        state.over = true;
        await Promise.all(talking);
        for (const member of members) {
          for (const [conversation, view] of member.views) {
            // Every reply was made in one go: nobody has taken a turn from its owner.
            for (const taken of view.resumed) ledger.bad("doubled", `a turn was taken: ${JSON.stringify(taken)}`);
            const { name, session } = member;
            const late = await Member.join(stage.member({ name, session, fair: [] }));
            const cold = await late.follow(conversation);
            if (cold.canonical() !== view.canonical())
              ledger.bad("mismatched", `a view of ${conversation} is not the log's`);
            late.leave();
          }
          member.leave();
        }
      });
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  },
};
