// Owns the checks of turns and branches: stopping, trying again, going on, editing, one turn at a time.
import type { WireClient } from "../../support/wire-client.ts";
import { acked, later, must, newId, refused, same, words, type Check, type Started, type Visit } from "../visit.ts";

/** Asks, waits for text, and stops. */
async function stopped(visit: Visit, me: WireClient): Promise<Started> {
  const started = await visit.begin(me);
  await visit.stop(me, started);
  await visit.ended(me, started);
  return started;
}
const metadataOf = (me: WireClient, { conversation }: Started, id: string): Record<string, unknown> =>
  me.views.get(conversation)?.messages.get(id)?.metadata ?? {};

export const turnChecks: readonly Check[] = [
  {
    id: "CG5",
    what: "G5: after the ack of a stop the reply does not grow, here, on another device or in the log",
    async run(visit) {
      const me = await visit.guest();
      const started = await visit.begin(me);
      const { conversation, reply } = started;
      const other = await visit.device(me);
      const beside = await other.read(conversation, { seq: 0 });
      const answer = await visit.stop(me, started);
      same(answer["status"], "stopped", "the status of the ack");
      same((await visit.ended(me, started))["status"], "stopped", "the status of turn.finished");
      await visit.ended(other, started);
      const view = me.views.get(conversation);
      const last = await visit.eventAt(me, conversation, answer["seq"]);
      same([last.kind, last["turn"]], ["turn.finished", started.turn], "the event at the seq of the ack");
      const text = view?.text(reply);
      await later(700);
      visit.hold();
      same(view?.text(reply), text, "the text later");
      same(beside.text(reply), text, "the text on another device");
      const cold = await (await visit.device(me)).read(conversation, { seq: 0 });
      same(cold.text(reply), text, "the text in the log");
      same(cold.status(reply), "stopped", "the reply's status");
    },
  },
  {
    id: "CN14",
    what: "`turn.retry` makes another reply under the same message, `turn.continue` goes on in the same reply, once its turn has ended",
    async run(visit) {
      const me = await visit.guest();
      const first = await stopped(visit, me);
      const { conversation, message, reply } = first;
      const again = acked(await me.ask({ type: "turn.retry", conversation, message: reply }));
      const second = { ...first, turn: String(again["turn"]), reply: String(again["reply"]) };
      must(second.reply !== reply, "a retry has the reply's own id");
      await visit.growing(me, second);
      same(metadataOf(me, first, second.reply)["parent"], message, "the parent of a retry");
      const early = await me.ask({ type: "turn.continue", conversation, message: second.reply });
      must(early.type === "error", "a running reply goes on in two turns");
      await visit.stop(me, second);
      await visit.ended(me, second);
      const text = me.views.get(conversation)?.text(second.reply) ?? "";
      const on = acked(await me.ask({ type: "turn.continue", conversation, message: second.reply }));
      same(on["reply"], second.reply, "the reply that goes on");
      const third = { ...second, turn: String(on["turn"]) };
      must(third.turn !== second.turn, "a turn that goes on has the id of the one before");
      await visit.growing(me, third);
      await visit.stop(me, third);
      await visit.ended(me, third);
      const more = me.views.get(conversation)?.text(second.reply) ?? "";
      must(more.startsWith(text), "what there was of the reply is changed");
      const other = await visit.device(me);
      await visit.agree(me, conversation, "the view from the first event", () => other.read(conversation, { seq: 0 }));
    },
  },
  {
    id: "CN15",
    what: "one turn at a time runs on a branch: a send under a reply that is being made is `conflict` and leaves nothing, one elsewhere runs beside it; without a parent it goes under the newest message",
    async run(visit) {
      const me = await visit.guest();
      const started = await visit.begin(me);
      const { conversation, reply } = started;
      const early = newId();
      refused(await me.send(conversation, "too early", { message: early }), "conflict", "a send under a running reply");
      refused(await me.send(conversation, "too early", { message: early, parent: reply }), "conflict", "and by parent");
      const beside = newId();
      const root = acked(await me.send(conversation, visit.target.prompt, { message: beside, parent: null }));
      const branch = { conversation, message: beside, turn: String(root["turn"]), reply: String(root["reply"]) };
      await visit.growing(me, branch);
      await visit.stop(me, branch);
      await visit.stop(me, started);
      await visit.ended(me, started);
      await visit.ended(me, branch);
      const next = newId();
      const last = acked(await me.send(conversation, visit.target.prompt, { message: next }));
      await visit.stop(me, { conversation, turn: String(last["turn"]) });
      await visit.eventAt(me, conversation, last["seq"]);
      same(metadataOf(me, started, beside)["parent"], null, "the parent of a send with parent null");
      same(metadataOf(me, started, branch.reply)["parent"], beside, "the parent of its reply");
      same(metadataOf(me, started, next)["parent"], branch.reply, "the parent of a send without one");
      must(!me.views.get(conversation)?.messages.has(early), "a send that was refused is in the log");
    },
  },
  {
    id: "CN16",
    what: "an edit is a new message beside the one edited, with `editOf` and the same parent, and has a reply of its own; the old one stays",
    async run(visit) {
      const me = await visit.guest();
      const first = await stopped(visit, me);
      const { conversation } = first;
      const second = newId();
      const asked = { message: second, parent: first.reply };
      const sent = acked(await me.send(conversation, visit.target.prompt, asked));
      await visit.stop(me, { conversation, turn: String(sent["turn"]) });
      const replacement = newId();
      const parts = words(visit.target.prompt);
      const edit = { type: "message.edit", conversation, message: second, replacement, parts };
      const edited = acked(await me.ask(edit));
      await visit.stop(me, { conversation, turn: String(edited["turn"]) });
      await visit.eventAt(me, conversation, edited["seq"]);
      const view = me.views.get(conversation);
      const own = metadataOf(me, first, replacement);
      same([own["editOf"], own["parent"]], [second, first.reply], "editOf and parent of the edit");
      same(view?.messages.get(replacement)?.parts[0]?.text, visit.target.prompt, "the text of the edit");
      same(metadataOf(me, first, String(edited["reply"]))["parent"], replacement, "the parent of its reply");
      must(view?.messages.has(second) === true, "the message that was edited is gone");
      const cold = await (await visit.device(me)).read(conversation, {});
      same([...cold.messages.keys()].sort(), [...(view?.messages.keys() ?? [])].sort(), "the messages of a snapshot");
    },
  },
  {
    id: "CN17",
    what: "a reaction is there once, by whoever gave it, on every device, and is taken back by `on: false`",
    async run(visit) {
      const me = await visit.guest();
      const started = await stopped(visit, me);
      const { conversation, reply } = started;
      const other = await visit.device(me);
      const beside = await other.read(conversation, { seq: 0 });
      const reactions = (): unknown => beside.messages.get(reply)?.metadata["reactions"];
      const react = async (on: boolean): Promise<void> => {
        const answer = acked(await me.ask({ type: "message.react", conversation, message: reply, reaction: "👍", on }));
        await visit.until(() => beside.seq >= Number(answer["seq"]), "the reaction on another device");
      };
      await react(true);
      same(reactions(), { "👍": [me.user] }, "the reactions");
      await react(true);
      same(reactions(), { "👍": [me.user] }, "the reactions, given twice");
      const cold = await visit.device(me);
      await visit.agree(other, conversation, "the snapshot", () => cold.readCold(conversation, {}));
      await react(false);
      same(reactions() ?? {}, {}, "the reactions, taken back");
    },
  },
];
