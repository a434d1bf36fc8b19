// Owns the checks of what is asked page by page, the list of conversations and the history of one, and of the rows that are pushed.
import type { WireClient } from "../../support/wire-client.ts";
import type { Json } from "../../support/wire-view.ts";
import { acked, later, must, newId, same, words, type Check } from "../visit.ts";

/** Every page of the list, and what they hold together. */
async function pages(me: WireClient, more: Json): Promise<{ sizes: number[]; rows: Json[] }> {
  const sizes: number[] = [];
  const rows: Json[] = [];
  let cursor: unknown;
  do {
    const from = cursor === undefined ? {} : { cursor };
    const answer = acked(await me.ask({ type: "conversation.list", ...more, ...from }));
    const page = answer["conversations"] as Json[];
    sizes.push(page.length);
    rows.push(...page);
    cursor = answer["cursor"];
    must(sizes.length < 50, "the list has no end");
  } while (cursor !== undefined);
  return { sizes, rows };
}
const idsOf = (rows: readonly Json[]): unknown[] => rows.map(({ id }) => id);

export const listChecks: readonly Check[] = [
  {
    id: "CN18",
    what: "the list goes page by page, each conversation once and in one order, whatever the page's size; by query and by archived it has what fits, and nobody else's",
    async run(visit) {
      const [me, other] = [await visit.guest(), await visit.guest()];
      acked(await other.ask({ type: "conversation.create", conversation: newId(), title: "not mine" }));
      const made = Array.from({ length: 7 }, () => newId());
      for (const [i, conversation] of made.entries())
        acked(await me.ask({ type: "conversation.create", conversation, title: `title ${i}` }));
      const whole = (await pages(me, { limit: 100 })).rows;
      const byText = (ids: readonly unknown[]): string[] => ids.map(String).sort((a, b) => a.localeCompare(b));
      same(byText(idsOf(whole)), byText(made), "the list");
      const { sizes, rows } = await pages(me, { limit: 3 });
      must(Math.max(...sizes) <= 3, `pages of ${sizes.join(", ")} for a limit of 3`);
      same(idsOf(rows), idsOf(whole), "the list by pages of 3");
      same(idsOf((await pages(me, { query: "title 4" })).rows), [made[4]], "the list by query");
      acked(await me.ask({ type: "conversation.update", conversation: made[2], archived: true }));
      same(idsOf((await pages(me, { archived: true })).rows), [made[2]], "the archived");
      must(!idsOf((await pages(me, { archived: false })).rows).includes(made[2]), "an archived one is listed");
      const { title, seq } = rows.find(({ id }) => id === made[5]) ?? {};
      same([title, seq], ["title 5", 1], "title and seq of a row");
    },
  },
  {
    id: "CN19",
    what: "history goes page by page from the newest back, each message once and in the log's order, and says when there is more",
    async run(visit) {
      const me = await visit.guest();
      const conversation = newId();
      for (let i = 0; i < 4; i++) {
        const sent = acked(await me.ask({ type: "message.send", conversation, message: newId(), parts: words(`${visit.target.prompt} `) })); // prettier-ignore
        await visit.stop(me, { conversation, turn: String(sent["turn"]) });
      }
      const view = await me.read(conversation, { seq: 0 });
      const wanted = [...view.messages.keys()];
      same(wanted.length, 8, "the number of messages");
      const found: Json[] = [];
      let before: unknown;
      for (let more = true; more;) {
        const from = before === undefined ? {} : { before };
        const page = acked(await me.ask({ type: "conversation.history", conversation, limit: 3, ...from }));
        const messages = page["messages"] as Json[];
        must(messages.length > 0 && messages.length <= 3, `a page of ${messages.length} for a limit of 3`);
        found.unshift(...messages);
        must(found.length <= 8, `${found.length} messages in pages of 8`);
        before = messages[0]?.["id"];
        more = page["more"] === true;
      }
      same(idsOf(found), wanted, "the messages by pages of 3");
      const texts = (parts: unknown): unknown[] => (parts as Json[]).map(({ text }) => text);
      same(
        found.map(({ parts }) => texts(parts)),
        [...view.messages.values()].map(({ parts }) => texts(parts)),
        "their texts",
      );
    },
  },
  {
    id: "CN20",
    what: "a row that changed is pushed to every device that has asked for the list and to no other, at most once a second, and says in the end what holds",
    async run(visit) {
      const me = await visit.guest();
      const [listener, silent] = [await visit.device(me), await visit.device(me)];
      acked(await listener.ask({ type: "conversation.list" }));
      const conversation = newId();
      const began = performance.now();
      acked(await me.ask({ type: "conversation.create", conversation }));
      let seq: unknown;
      for (let i = 0; i < 10; i++)
        seq = acked(await me.ask({ type: "conversation.update", conversation, title: `title ${i}` }))["seq"];
      await visit.until(() => listener.rows.some((row) => row["seq"] === seq), "the row with the last change");
      const seconds = (performance.now() - began) / 1000;
      const pushed = listener.rows.length;
      must(pushed <= seconds + 2, `${pushed} rows of one conversation in ${seconds.toFixed(1)} s`);
      const last = listener.rows.at(-1);
      same([last?.["conversation"], last?.["title"]], [conversation, "title 9"], "the last row");
      await later(1000);
      acked(await me.ask({ type: "conversation.delete", conversation }));
      await visit.until(() => listener.rows.some((row) => row["deleted"] === true), "the row of what was deleted");
      acked(await silent.ask({ type: "ping" }));
      same(silent.rows.length, 0, "the number of rows for a device that has not asked");
    },
  },
];
