// The scene of a reconnect storm: everybody is cut at once in the middle of a reply, and all have to be whole again.
import { expectedText } from "../support/model-server.ts";
import { Member } from "./member.ts";
import { atShare, each, upTo, type Scene } from "./scene.ts";
import { Stage } from "./stage.ts";

/** Sockets of one person, all looking at the same conversation. */
const devices = 5;
const chars = 600;
/** How far the model goes before the first storm, and before the second. */
const holds = [120, 360];
/** One person in so many has a conversation in which nothing ever happened (B28). */
const silent = 8;

type Group = {
  readonly members: readonly Member[];
  readonly conversation: string;
  readonly seed: number;
  readonly reply: string | undefined;
};

export const storm: Scene = {
  name: "storm",
  unit: "clients",
  small: 60,
  large: 10_000,
  async play(run) {
    const { size, seed, random, ledger, say } = run;
    await Stage.play(run, {}, async (stage) => {
      const fair = [1006, 1013];
      const gather = async (index: number): Promise<Group> => {
        const first = await Member.join(stage.member({ fair }));
        const conversation = crypto.randomUUID();
        const own = seed * 100_000 + index;
        const quiet = index % silent === silent - 1;
        const made = quiet
          ? await first.ask({ type: "conversation.create", conversation })
          : await first.send(conversation, `seed=${own} chars=${chars} piece=20 hold=${holds[0]}`);
        if (made.type !== "ack") ledger.bad("lost", `${first.name}: ${JSON.stringify(made)}`);
        const { session } = first;
        const { name } = first;
        const others = await each(upTo(devices - 1), () => Member.join(stage.member({ name, fair, session })));
        const members = [first, ...others];
        for (const member of members) await member.follow(conversation);
        return { members, conversation, seed: own, reply: quiet ? undefined : String(made["reply"]) };
      };
      const groups = await each(upTo(Math.max(1, Math.round(size / devices))), gather, 20);
      const members = groups.flatMap((group) => group.members.map((member) => ({ member, group })));
      const text = ({ member, group }: (typeof members)[number]): string =>
        group.reply === undefined ? "" : (member.views.get(group.conversation)?.text(group.reply) ?? "");
      say(`${members.length} clients on ${groups.length} conversations`);
      const held = (length: number | undefined): void => {
        for (const record of stage.model.requests) if (record.behaviour.hold !== undefined) record.hold = length;
      };
      for (const [i, hold] of holds.entries()) {
        await each(
          members,
          async (one) => {
            if (one.group.reply !== undefined)
              await one.member.until(() => text(one).length >= hold, "the middle of a reply");
          },
          members.length,
        );
        ledger.saw("cut", members.length);
        ledger.saw("inMidReply", members.filter((one) => text(one).length >= hold && text(one).length < chars).length);
        const at = performance.now();
        const before = members.map(({ member }) => member.arrivals);
        // In no order: what is beside each other in the server is not cut one after the other.
        for (const { member } of [...members].sort(() => random() - 0.5)) member.cut();
        // Meanwhile the replies go on: what was missed has to come from the log.
        held(holds[i + 1]);
        const times = await each(
          members,
          async ({ member, group }, index) => {
            const view = member.views.get(group.conversation);
            await member.until(() => member.arrivals > (before[index] ?? 0) && view?.live !== undefined, "being back");
            return performance.now() - at;
          },
          members.length,
        );
        ledger.cycles++;
        ledger.operations += members.length;
        ledger.most("backP50Ms", atShare(times, 0.5));
        ledger.most("backWorstMs", atShare(times, 1));
        say(
          `storm ${i + 1}: all back after ${(atShare(times, 1) / 1000).toFixed(1)} s, half after ${(atShare(times, 0.5) / 1000).toFixed(1)} s`,
        );
      }
      await each(
        members,
        async ({ member, group: { conversation, reply, seed: own } }) => {
          const view = member.views.get(conversation);
          if (view === undefined || reply === undefined) return;
          await member.until(() => view.finished.size > 0, "the end of the reply");
          if (view.status(reply) !== "completed" || view.text(reply) !== expectedText(own, chars))
            ledger.bad(
              "lost",
              `${member.name} has ${view.text(reply).length} of ${chars} characters, ${String(view.status(reply))}`,
            );
          if (view.snapshots > 0) ledger.bad("mismatched", `${member.name} got a snapshot for a good cursor`);
        },
        members.length,
      );
      for (const { members: together, conversation } of groups) {
        const [first, ...others] = together.map((member) => member.views.get(conversation)?.canonical());
        for (const other of others)
          if (other !== first) ledger.bad("mismatched", `two views of ${conversation} differ`);
      }
      ledger.most("connectionsEach", Math.max(...members.map(({ member }) => member.connections)));
      for (const { member } of members) member.leave();
    });
  },
};
