// The scene of half-open sockets: the network swallows everything and tells nobody; the server lets go, and people are whole elsewhere.
import { expectedText } from "../support/model-server.ts";
import { ChaosProxy } from "../support/proxy.ts";
import { Member } from "./member.ts";
import { each, sleep, upTo, type Scene } from "./scene.ts";
import { Stage } from "./stage.ts";

const chars = 300;
const hold = 80;
/** How long the server may take to let go beyond its heartbeats (ms). */
const generous = 60_000;

export const halfOpen: Scene = {
  name: "half-open",
  unit: "sockets lost",
  small: 16,
  large: 500,
  /** The heartbeat. */
  seconds: { small: 1, large: 25 },
  async play(run) {
    const { size, seconds, seed, ledger, say } = run;
    const heartbeat = Math.max(1, seconds) * 1000;
    await Stage.play(run, { settings: { HEARTBEAT_MS: String(heartbeat) } }, async (stage) => {
      const proxy = await ChaosProxy.start(() => Number(new URL(stage.server.url).port));
      let through = true;
      const url = (): string => (through ? proxy.url : stage.server.url);
      const members = await each(upTo(size), () => Member.join(stage.member({ url, fair: [] })), 20);
      // They say nothing and only answer heartbeats: these must not be let go.
      const still = await each(upTo(Math.max(2, Math.round(size / 8))), () => Member.join(stage.member({ fair: [] })));
      const asked = await each(members, async (member, index) => {
        const conversation = crypto.randomUUID();
        const own = seed * 10_000 + index;
        const sent = await member.send(conversation, `seed=${own} chars=${chars} piece=10 hold=${hold}`);
        const view = await member.follow(conversation);
        const reply = String(sent["reply"]);
        await member.until(() => view.text(reply).length >= hold, "the middle of the reply");
        return { member, view, reply, seed: own };
      });
      const there = size + still.length + 1;
      const before = await stage.metric("throughline_sockets");
      if (before !== there) ledger.bad("stuck", `the server counts ${before} sockets, ${there} are there`);
      ledger.saw("swallowed", proxy.lose());
      for (const record of stage.model.requests) record.hold = undefined;
      // Each finds out by hearing nothing, and leaves the old socket where it is.
      through = false;
      const since = performance.now();
      await each(asked, async ({ member, view, reply, seed: own }) => {
        member.move();
        await member.until(() => view.finished.size > 0 && view.live !== undefined, "the reply on another socket");
        if (view.text(reply) !== expectedText(own, chars) || view.snapshots > 0)
          ledger.bad("lost", `${member.name} has ${view.text(reply).length} of ${chars} characters`);
        ledger.operations++;
      });
      say(`all whole elsewhere after ${((performance.now() - since) / 1000).toFixed(1)} s`);
      ledger.most("socketsAtMost", await stage.metric("throughline_sockets"));
      const end = since + 3 * heartbeat + generous;
      let count = await stage.metric("throughline_sockets");
      for (; count > there && performance.now() < end; count = await stage.metric("throughline_sockets"))
        await sleep(100);
      ledger.most("letGoAfterMs", performance.now() - since);
      if (count !== there) ledger.bad("stuck", `${count} sockets are still held, ${there} are there`);
      for (const member of [...still, ...members]) {
        await member.ask({ type: "ping" });
        const most = still.includes(member) ? 1 : 2;
        if (member.connections > most) ledger.bad("lost", `${member.name} was let go, and was there`);
        member.leave();
      }
      ledger.cycles++;
      proxy.close();
    });
  },
};
