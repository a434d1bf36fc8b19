// Owns the checks of several sockets at once: one order for all, once however often it is said, nobody else's, and readers that stop.
import type { Json } from "../../support/wire-view.ts";
import { acked, must, newId, refused, same, words, type Check } from "../visit.ts";

export const deviceChecks: readonly Check[] = [
  {
    id: "CN21",
    what: "two devices that write at once see the same events at the same places, each change where its ack says, with no hole",
    async run(visit) {
      const me = await visit.guest();
      const other = await visit.device(me);
      const conversation = newId();
      acked(await me.ask({ type: "conversation.create", conversation }));
      const [mine, theirs] = [await me.read(conversation, { seq: 0 }), await other.read(conversation, { seq: 0 })];
      const changes = Array.from({ length: 20 }, async (_, i) => {
        const title = `title ${i}`;
        const by = i % 2 === 0 ? me : other;
        const { seq } = acked(await by.ask({ type: "conversation.update", conversation, title })) as { seq?: unknown };
        return { title, seq: Number(seq) };
      });
      const done = await Promise.all(changes);
      const places = done.map(({ seq }) => seq).toSorted((a, b) => a - b);
      same(places, Array.from({ length: 20 }, (_, i) => i + 2), "the places of twenty changes"); // prettier-ignore
      const started = await visit.begin(me, conversation);
      await visit.stop(other, started);
      for (const client of [me, other]) await visit.ended(client, started);
      await visit.until(() => mine.seq === theirs.seq, "one head on both devices");
      for (const { title, seq } of done)
        for (const client of [me, other])
          same((await visit.eventAt(client, conversation, seq))["title"], title, `the title at ${seq}`);
      const beside = visit.events(other, conversation);
      for (const [seq, event] of visit.events(me, conversation)) {
        if (beside.has(seq)) same(beside.get(seq), event, `the event at ${seq} on another device`);
      }
      same(theirs.canonical(), mine.canonical(), "the view of another device");
    },
  },
  {
    id: "CG2",
    what: "G2: every command that changes something, said again with its id on this socket and another, has the same answer and no more effect; with other content it is `conflict`",
    async run(visit) {
      const me = await visit.guest();
      const other = await visit.device(me);
      const conversation = newId();
      const thrice = async (command: Json): Promise<Json> => {
        const said = { ...command, conversation, id: newId() };
        const first = acked(await me.ask(said));
        for (const who of [me, other])
          same(await who.ask(said), first, `the answer to ${String(command["type"])}, said again,`);
        return first;
      };
      const stop = async ({ turn }: Json): Promise<Json> => thrice({ type: "turn.stop", turn });
      await thrice({ type: "conversation.create", title: "one" });
      await thrice({ type: "conversation.update", title: "two" });
      const [message, replacement] = [newId(), newId()];
      const parts = words(visit.target.prompt);
      const sent = await thrice({ type: "message.send", message, parts });
      await stop(sent);
      await thrice({ type: "message.react", message, reaction: "👍", on: true });
      const edited = await thrice({ type: "message.edit", message, replacement, parts });
      await stop(edited);
      const retried = await thrice({ type: "turn.retry", message: edited["reply"] });
      await stop(retried);
      await stop(await thrice({ type: "turn.continue", message: retried["reply"] }));
      const said = { type: "conversation.update", conversation, id: newId(), title: "three" };
      acked(await me.ask(said));
      refused(await other.ask({ ...said, title: "four" }), "conflict", "the same id with other content");
      await me.read(conversation, { seq: 0 });
      const wanted = { "conversation.created": 1, "conversation.updated": 2, "message.created": 2, "turn.started": 4, "turn.finished": 4, "reaction.changed": 1 }; // prettier-ignore
      for (const [kind, count] of Object.entries(wanted))
        same(visit.count(me, conversation, kind), count, `the number of ${kind}`);
      await thrice({ type: "conversation.delete" });
    },
  },
  {
    id: "CG2b",
    what: "G2: one send that comes on three sockets at the same time is one message with one reply",
    async run(visit) {
      const me = await visit.guest();
      const all = [me, await visit.device(me), await visit.device(me)];
      const [conversation, message] = [newId(), newId()];
      const said = { type: "message.send", id: newId(), conversation, message, parts: words(visit.target.prompt) };
      const answers = await Promise.all(all.map((client) => client.ask(said)));
      for (const answer of answers) same(acked(answer), answers[0], "the answer on another socket");
      const view = await me.read(conversation, {});
      same([view.messages.size, view.turns.size], [2, 1], "the number of messages and turns");
      await visit.stop(me, { conversation, turn: String(answers[0]?.["turn"]) });
    },
  },
  {
    id: "CG9",
    what: "G9: whatever another person does with an id that is not theirs, it is `not_found`, also named in `auth`",
    async run(visit) {
      const [owner, thief] = [await visit.guest(), await visit.guest()];
      const { conversation, turn, message, reply } = await visit.begin(owner);
      const parts = words("mine");
      const fresh = newId();
      const tries: readonly Json[] = [
        { type: "conversation.open", conversation, seq: 0 },
        { type: "conversation.open", conversation },
        { type: "conversation.history", conversation },
        { type: "conversation.create", conversation },
        { type: "conversation.update", conversation, title: "mine" },
        { type: "conversation.delete", conversation },
        { type: "message.send", conversation, message: fresh, parts },
        { type: "message.edit", conversation, message, replacement: fresh, parts },
        { type: "message.react", conversation, message, reaction: "👍", on: true },
        { type: "turn.stop", conversation, turn },
        { type: "turn.retry", conversation, message: reply },
        { type: "turn.continue", conversation, message: reply },
      ];
      for (const command of tries)
        refused(await thief.ask(command), "not_found", `the answer to ${String(command["type"])}`);
      const opener = await visit.device(thief, [{ conversation, seq: 0 }]);
      acked(await opener.ask({ type: "ping" }));
      same(
        [opener.views.get(conversation)?.seq, opener.views.get(conversation)?.snapshots],
        [0, 0],
        "what auth opened",
      );
      for (const answer of opener.errors) refused(answer, "not_found", "the error for what auth could not open");
      await visit.stop(owner, { conversation, turn });
    },
  },
  {
    id: "CG8",
    what: "G8: who stops reading is held back or closed once no network holds more for it, nobody else waits for it, and it has all of a reply in the end",
    async run(visit) {
      const me = await visit.guest();
      const reader = await visit.device(me);
      const [large, conversation] = [newId(), newId()];
      // Answers and commands are both large, so that neither direction of a network can hold enough of them to hide who waits.
      const size = Math.min(96 * 1024, Math.floor(Number((me.hello["limits"] as Json)["frameBytes"]) / 2.5));
      const sent = acked(await me.send(large, "x".repeat(size)));
      await visit.stop(me, { conversation: large, turn: String(sent["turn"]) });
      acked(await me.ask({ type: "conversation.create", conversation }));
      for (const client of [me, reader]) await client.read(conversation, { seq: 0 });
      reader.pause();
      const patience = 20 * visit.target.patienceMs;
      const asked: Promise<Json>[] = [];
      const most = (64 * 1024 * 1024) / size;
      for (let still = 0, before = 0; still < 10 && reader.closed === undefined;) {
        if (reader.unsent === 0) {
          must(asked.length < most, `${asked.length} answers of ${size} bytes were taken for a reader that reads none`);
          const padding = "x".repeat(size);
          const command = { type: "conversation.history", conversation: large, limit: 2, padding };
          asked.push(reader.ask(command, patience));
          await new Promise(setImmediate);
        }
        if (reader.unsent === 0) continue;
        still = reader.unsent === before ? still + 1 : 0;
        before = reader.unsent;
        acked(await me.ask({ type: "ping" }));
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      const started = await visit.begin(me, conversation);
      await visit.ended(me, started);
      reader.resume();
      for (const answer of await Promise.all(asked)) must(answer["type"] !== "error", JSON.stringify(answer));
      const whole = reader.closed === undefined ? reader : await visit.back(reader);
      await visit.ended(whole, started);
      const [mine, theirs] = [me, whole].map((client) => client.views.get(conversation));
      await visit.until(() => mine?.seq === theirs?.seq, "the head for the reader that had stopped");
      same(theirs?.canonical(), mine?.canonical(), "the view of the reader that had stopped");
    },
  },
];
