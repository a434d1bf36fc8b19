// The scene of drains under load: the server is told to leave again and again while people talk, and nobody loses anything.
import { Member } from "./member.ts";
import { wholeReply } from "./reply.ts";
import { atShare, between, each, sleep, upTo, type Scene } from "./scene.ts";
import { Stage } from "./stage.ts";

const drainMs = 1000;

export const drains: Scene = {
  name: "drains",
  unit: "rolling restarts",
  small: 2,
  large: 50,
  async play(run) {
    const { size, seed, random, ledger, say } = run;
    const settings = { DRAIN_MS: String(drainMs) };
    // 1012 and nothing else to those who are in; whoever comes in the last moments is turned away.
    await Stage.play(run, { settings, fair: [1012], prefill: seed % 2 === 0 }, async (stage) => {
      const members = await each(upTo(size > 10 ? 60 : 12), () => Member.join(stage.member({ fair: [1012] })));
      const state = { over: false };
      const talk = async (member: Member, index: number): Promise<void> => {
        let conversation = crypto.randomUUID();
        for (let i = 0; !state.over; i++) {
          // Long and slow enough to be still running when the time to leave is up, or short enough to end in it.
          const chars = between(random, 100, 800);
          const asked = { seed: seed * 1_000_000 + index * 10_000 + i, chars, how: "rate=120 piece=4" };
          if ((await wholeReply(member, ledger, conversation, asked)) === undefined) return;
          ledger.operations++;
          if (i % 20 === 19) {
            member.views.delete(conversation);
            conversation = crypto.randomUUID();
          }
        }
      };
      const talking = members.map(talk);
      for (let i = 1; i <= size; i++) {
        await sleep(between(random, 600, 1400));
        const before = members.map(({ arrivals }) => arrivals);
        const code = await stage.server.end("SIGTERM");
        if (code !== 0) ledger.bad("crashes", `ended with ${String(code)} after SIGTERM`);
        const closes = members.filter(({ lastClose }) => lastClose === 1012).map(({ closedAt }) => closedAt);
        await stage.server.start();
        const at = performance.now();
        await each(
          members,
          (member, index) => member.until(() => member.arrivals > (before[index] ?? 0), "being back"),
          members.length,
        );
        ledger.cycles++;
        // Not all in one moment: whoever comes back is spread as they were closed (B34).
        ledger.most("closesSpreadMs", atShare(closes, 1) - Math.min(...closes));
        ledger.most("backWorstMs", performance.now() - at);
        if (i % 10 === 0) say(`${i} restarts, ${ledger.operations} replies`);
      }
      state.over = true;
      await Promise.all(talking);
      const resumed = members.flatMap(({ views }) => [...views.values()].flatMap((view) => view.resumed));
      ledger.saw("handedOver", resumed.length);
      for (const member of members) member.leave();
    });
  },
};
