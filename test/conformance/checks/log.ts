// Owns the checks of the log and its cursors: no hole, one view, catching up from wherever a reader was.
import { acked, must, newId, same, type Check } from "../visit.ts";

/** So many of a list, from end to end. */
function spread<T>(list: readonly T[], most: number): T[] {
  const step = Math.max(1, (list.length - 1) / (most - 1));
  return [...new Set(Array.from({ length: most }, (_, i) => list[Math.round(i * step)]))].filter(
    (one) => one !== undefined,
  );
}

export const logChecks: readonly Check[] = [
  {
    id: "CN11",
    what: "a send to a conversation that is not there creates it; seq goes from 1 without a hole, each turn starts right behind its message and ends with its length",
    async run(visit) {
      const me = await visit.guest();
      const [conversation, message] = [newId(), newId()];
      const sent = acked(await me.send(conversation, visit.target.prompt, { message }));
      const started = { conversation, message, turn: String(sent["turn"]), reply: String(sent["reply"]) };
      await me.read(conversation, { seq: 0 });
      await visit.growing(me, started);
      await visit.stop(me, started);
      const end = await visit.ended(me, started);
      const view = me.views.get(conversation);
      same(end["length"], view?.text(started.reply).length, "the length in turn.finished");
      const again = await visit.device(me);
      const from = await again.read(conversation, { seq: 0 });
      same(from.snapshots, 0, "the number of snapshots for seq 0 of a short log");
      const kinds = [...visit.events(again, conversation)].sort(([a], [b]) => a - b);
      const first = ["conversation.created", "message.created", "turn.started"];
      same(
        kinds.slice(0, 3).map(([seq, { kind }]) => [seq, kind]),
        first.map((kind, i) => [i + 1, kind]),
        "the log's beginning",
      );
      // Of the turn: the server may name the conversation behind it.
      const last = kinds.findLast(([, event]) => event["turn"] === started.turn);
      same(last?.[1].kind, "turn.finished", "the last event of the turn");
      const metadata: Record<string, unknown> = from.messages.get(started.reply)?.metadata ?? {};
      same([metadata["parent"], metadata["turn"]], [message, started.turn], "parent and turn of the reply");
    },
  },
  {
    id: "CG4",
    what: "G4: a view that lived through a reply, one from the first event and one by snapshot are the same, byte for byte",
    async run(visit) {
      const me = await visit.guest();
      const started = await visit.begin(me);
      const { conversation } = started;
      same((await visit.ended(me, started))["status"], "completed", "the status");
      const other = await visit.device(me);
      await visit.agree(me, conversation, "the view from the first event", () =>
        other.readCold(conversation, { seq: 0 }),
      );
      await visit.agree(me, conversation, "the view by snapshot", async () => {
        const cold = await other.readCold(conversation, {});
        same(cold.snapshots, 1, "the number of snapshots for a reader without a seq");
        return cold;
      });
    },
  },
  {
    id: "CG4b",
    what: "G4: cut in the middle of a reply and back with the cursor, in one round trip: nothing lost, nothing twice, and no snapshot",
    async run(visit) {
      const me = await visit.guest();
      const started = await visit.begin(me);
      me.cut();
      const back = await visit.back(me);
      await visit.ended(back, started);
      const { conversation } = started;
      same(back.views.get(conversation)?.snapshots, 0, "the number of snapshots");
      const other = await visit.device(back);
      await visit.agree(back, conversation, "the view from the first event", () =>
        other.readCold(conversation, { seq: 0 }),
      );
    },
  },
  {
    id: "CG4c",
    what: "G4: from every cursor that a reader has had, catching up on another device ends in the same view",
    async run(visit) {
      const me = await visit.guest();
      const conversation = newId();
      acked(await me.ask({ type: "conversation.create", conversation, title: "cursors" }));
      const kept = visit.cursors(me, conversation);
      await me.read(conversation, { seq: 0 });
      await visit.ended(me, await visit.begin(me, conversation));
      must(kept.size > 5, `the whole reply came in ${kept.size} frames`);
      const other = await visit.device(me);
      for (const [seq, view] of spread([...kept], 24)) {
        const what = `the view from seq ${seq}`;
        await visit.agree(me, conversation, what, async () => {
          const own = view.copy((problem) => other.anomalies.push(`${problem}, from seq ${seq}`));
          other.views.set(conversation, own);
          await other.read(conversation);
          await other.leave(conversation);
          return own;
        });
      }
    },
  },
  {
    id: "CN12",
    what: "a cursor that no log has (ahead, negative, of another epoch) is answered with a snapshot, never with an error; the epoch is one on all devices",
    async run(visit) {
      const me = await visit.guest();
      const started = await visit.begin(me);
      const { conversation } = started;
      await visit.stop(me, started);
      await visit.ended(me, started);
      const other = await visit.device(me);
      const head = me.views.get(conversation)?.seq ?? 0;
      for (const where of [{ seq: head + 1000 }, { seq: -1 }, { seq: head, epoch: "another" }]) {
        await visit.agree(me, conversation, `the view for ${JSON.stringify(where)}`, async () => {
          const cold = await other.readCold(conversation, where);
          same(cold.snapshots, 1, `the number of snapshots for ${JSON.stringify(where)}`);
          return cold;
        });
      }
      const read = await other.read(conversation, { seq: 0 });
      same(read.epoch, me.views.get(conversation)?.epoch, "the epoch on another device");
    },
  },
  {
    id: "CN13",
    what: "after the ack of `conversation.close` nothing of it comes; the cursor goes on where it was",
    async run(visit) {
      const me = await visit.guest();
      const other = await visit.device(me);
      const started = await visit.begin(me);
      const { conversation } = started;
      const view = me.views.get(conversation);
      await other.read(conversation, { seq: 0 });
      await me.leave(conversation);
      await visit.growing(other, started);
      await visit.stop(other, started);
      await visit.ended(other, started);
      acked(await me.ask({ type: "ping" }));
      visit.hold();
      if (view !== undefined) me.views.set(conversation, view);
      await visit.agree(other, conversation, "the view of who left and came back", () => me.read(conversation));
      same(view?.snapshots, 0, "the number of snapshots");
    },
  },
];
