// The scene of stalled readers: many stop reading while replies stream to them; each costs a bounded number of bytes, and then has it all.
import { expectedText } from "../support/model-server.ts";
import { Member } from "./member.ts";
import { each, sleep, upTo, type Scene } from "./scene.ts";
import { Stage } from "./stage.ts";

/** Readers of one conversation, and characters of each reply that streams into it: the most that one may have. */
const readers = 20;
const chars = 1_000_000;
/** Replies at once: more than the system keeps for a reader, which is about 10 MB for one and less where many do not read. */
const repliesFor = (size: number): number => (size < 100 ? 12 : 4);
/** Bytes that may wait for one socket (G8). */
const budget = 1_048_576;
/** The noise of a heap that is collected when it likes (MiB). */
const noise = 96;

export const stalled: Scene = {
  name: "stalled",
  unit: "readers that do not read",
  small: 4,
  large: 1000,
  /** How long they do not read, at least. */
  seconds: { small: 2, large: 60 },
  async play(run) {
    const { size, seconds, seed, ledger, say } = run;
    const replies = repliesFor(size);
    // A heap that has to collect: what it would let lie otherwise is noise of hundreds of MiB.
    const settings = { NODE_OPTIONS: `--max-old-space-size=${512 + Math.ceil(size / 4)} --max-semi-space-size=4` };
    await Stage.play(run, { settings }, async (stage) => {
      // 1013 and 1006: whoever has not read for a minute is let go, and comes back.
      const fair = [1006, 1013];
      const rooms = await each(upTo(Math.max(1, Math.round(size / readers))), async (index) => {
        const writer = await Member.join(stage.member({ fair: [] }));
        const { name, session } = writer;
        const conversation = crypto.randomUUID();
        await writer.ask({ type: "conversation.create", conversation });
        const view = await writer.follow(conversation);
        const count = Math.min(readers, size);
        const still = await each(upTo(count), () => Member.join(stage.member({ name, session, fair })));
        for (const member of still) await member.follow(conversation);
        return { index, writer, view, conversation, still };
      });
      const everybody = rooms.flatMap(({ still }) => still);
      for (const member of everybody) member.pause();
      const since = performance.now();
      const before = stage.memory();
      const watching = { over: false };
      const watch = async (): Promise<void> => {
        while (!watching.over) {
          ledger.most("grownMiB", stage.memory() - before);
          ledger.most("queuedForOneBytes", await stage.metric("throughline_queued_bytes_max"));
          await sleep(250);
        }
      };
      const watched = watch();
      const seedOf = (room: number, reply: number): number => seed * 100_000 + room * 20 + reply;
      const texts = await each(
        rooms,
        async ({ index, writer, view, conversation }) => {
          const sent = await each(upTo(replies), (i) =>
            writer.send(conversation, `seed=${seedOf(index, i)} chars=${chars} piece=2000`, { parent: null }),
          );
          for (const [i, answer] of sent.entries()) {
            const [turn, reply] = [String(answer["turn"]), answer["reply"]];
            await writer.until(() => view.finished.has(turn), "the end of a reply");
            if (view.text(reply) !== expectedText(seedOf(index, i), chars))
              ledger.bad("torn", `who reads has ${view.text(reply).length} of ${chars} characters`);
            ledger.operations++;
          }
          return view.canonical();
        },
        4,
      );
      say(`all was said after ${((performance.now() - since) / 1000).toFixed(0)} s`);
      await sleep(Math.max(0, seconds * 1000 - (performance.now() - since)));
      ledger.saw("sentBackToTheLog", await stage.metric("throughline_readers_behind_total"));
      ledger.saw("dropped", await stage.metric("throughline_slow_readers_dropped_total"));
      watching.over = true;
      await watched;
      const most = ledger.facts["queuedForOneBytes"] ?? 0;
      if (most > budget) ledger.bad("stuck", `${most} bytes waited for one reader`);
      const grown = ledger.facts["grownMiB"] ?? 0;
      if (grown > everybody.length + noise)
        ledger.bad("stuck", `${everybody.length} stalled readers cost ${grown} MiB`);
      // Some at a time: thousands that catch up at once are another scene.
      await each(
        rooms,
        async ({ still, view, conversation }, room) => {
          await each(still, async (member) => {
            const own = member.views.get(conversation);
            member.resume();
            await member.until(() => own?.seq === view.seq && own.live !== undefined, "the rest");
            if (own?.canonical() !== texts[room]) ledger.bad("mismatched", `${member.name} is not whole`);
            if ((own?.snapshots ?? 0) > 0) ledger.bad("mismatched", `${member.name} got a snapshot for a good cursor`);
            ledger.operations++;
            member.leave();
            // A thousand of them would not fit into this process.
            member.views.clear();
          });
        },
        2,
      );
      ledger.cycles++;
      for (const { writer } of rooms) writer.leave();
    });
  },
};
