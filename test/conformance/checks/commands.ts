// Owns the checks of commands and their answers: what each is acknowledged with, and what is refused, how.
import type { Json } from "../../support/wire-view.ts";
import { acked, must, newId, refused, same, words, type Check, type Visit } from "../visit.ts";

/** What a signed-in socket that says `frames` is closed with. */
async function codeAfter(visit: Visit, ...frames: (string | Buffer)[]): Promise<number> {
  const { socket } = await visit.signedIn(await visit.guest());
  return visit.codeAfter(socket, () => {
    for (const frame of frames) socket.send(frame);
  });
}

/** A ping of so many bytes, by a field that nobody knows. */
function pingOf(bytes: number): string {
  const frame = (padding: string): string => JSON.stringify({ type: "ping", id: "large", padding });
  return frame("x".repeat(bytes - frame("").length));
}

export const commandChecks: readonly Check[] = [
  {
    id: "CN6",
    what: "every command is acknowledged with its fields, and `seq` is that of the last event that it appended",
    async run(visit) {
      const me = await visit.guest();
      const conversation = newId();
      const made = acked(await me.ask({ type: "conversation.create", conversation, title: "one" }));
      same(made["conversation"], conversation, "the conversation of the ack");
      const view = await me.read(conversation, { seq: 0 });
      const done = async (command: Json, kind: string): Promise<Json> => {
        const answer = acked(await me.ask({ ...command, conversation }));
        const event = await visit.eventAt(me, conversation, answer["seq"]);
        same(event.kind, kind, `the event at the seq of ${String(command["type"])}`);
        for (const field of ["turn", "message"] as const) {
          const own = field === "message" ? (answer["reply"] ?? event["message"]) : (answer["turn"] ?? event["turn"]);
          same(event[field], own, `the ${field} of that event`);
        }
        return answer;
      };
      same((await visit.eventAt(me, conversation, made["seq"])).kind, "conversation.created", "the first event");
      await done({ type: "conversation.update", title: "two" }, "conversation.updated");
      const message = newId();
      const parts = words(visit.target.prompt);
      const sent = await done({ type: "message.send", message, parts }, "turn.started");
      same(sent["message"], message, "the message of the ack");
      same((await done({ type: "turn.stop", turn: sent["turn"] }, "turn.finished"))["turn"], sent["turn"], "the turn");
      await done({ type: "message.react", message, reaction: "👍", on: true }, "reaction.changed");
      const replacement = newId();
      const edited = await done({ type: "message.edit", message, replacement, parts }, "turn.started");
      same(edited["message"], replacement, "the message of an edit's ack");
      await done({ type: "turn.stop", turn: edited["turn"] }, "turn.finished");
      const retried = await done({ type: "turn.retry", message: edited["reply"] }, "turn.started");
      await done({ type: "turn.stop", turn: retried["turn"] }, "turn.finished");
      const gone = await done({ type: "turn.continue", message: retried["reply"] }, "turn.started");
      await done({ type: "turn.stop", turn: gone["turn"] }, "turn.finished");
      const head = acked(await me.ask({ type: "conversation.open", conversation, seq: view.seq }));
      same([head["conversation"], head["seq"]], [conversation, view.seq], "conversation and head of the ack");
      for (const type of ["conversation.list", "ping"]) acked(await me.ask({ type }));
      for (const type of ["history", "close", "delete"])
        acked(await me.ask({ type: `conversation.${type}`, conversation }));
    },
  },
  {
    id: "CN7",
    what: "a field of the wrong type is `invalid` with the field, and an id that is none is `invalid`; nothing was changed by either",
    async run(visit) {
      const me = await visit.guest();
      const [conversation, message] = [newId(), newId()];
      acked(await me.ask({ type: "conversation.create", conversation, title: "one" }));
      const send = { type: "message.send", conversation, message, parts: words("no") };
      const wrong: readonly [string, Json][] = [
        ["conversation", { type: "conversation.create", conversation: "no uuid" }],
        ["conversation", { type: "conversation.create", conversation: 7 }],
        ["title", { type: "conversation.create", conversation: newId(), title: 7 }],
        ["title", { type: "conversation.update", conversation, title: ["a"] }],
        ["archived", { type: "conversation.update", conversation, archived: "yes" }],
        ["conversation", { type: "conversation.delete" }],
        ["seq", { type: "conversation.open", conversation, seq: "1" }],
        ["limit", { type: "conversation.list", limit: 101 }],
        ["query", { type: "conversation.list", query: {} }],
        ["before", { type: "conversation.history", conversation, before: 3 }],
        ["message", { ...send, message: "m1" }],
        ["parts", { ...send, parts: "text" }],
        ["parts", { ...send, parts: [{ type: "text", text: 1 }] }],
        ["parent", { ...send, parent: 5 }],
        ["replacement", { ...send, type: "message.edit", replacement: null }],
        ["reaction", { type: "message.react", conversation, message, reaction: "two words", on: true }],
        ["on", { type: "message.react", conversation, message, reaction: "👍", on: 1 }],
        ["turn", { type: "turn.stop", conversation, turn: {} }],
        ["message", { type: "turn.retry", conversation }],
        ["message", { type: "turn.continue", conversation, message: false }],
      ];
      for (const [field, command] of wrong) {
        const answer = await me.ask(command);
        const what = JSON.stringify(command).slice(0, 80);
        refused(answer, "invalid", what);
        must(String(answer.error?.field).split(".")[0] === field, `no field ${field} in the error of ${what}`);
      }
      const { socket, heard } = await visit.signedIn(me);
      for (const id of ["", "x".repeat(65), 7]) socket.send(JSON.stringify({ type: "ping", id }));
      await visit.until(() => heard.length === 3, "three answers to ids that are none");
      for (const { type, error } of heard) same([type, (error as Json)["code"]], ["error", "invalid"], "the answer");
      acked(await me.ask({ type: "ping", id: "x".repeat(64) }));
      const rows = acked(await me.ask({ type: "conversation.list" }))["conversations"] as Json[];
      same(
        rows.map(({ id, title, seq }) => [id, title, seq]),
        [[conversation, "one", 1]],
        "the list afterwards",
      );
    },
  },
  {
    id: "CN8",
    what: "fields that nobody knows are ignored; nine frames that are no command get an `error` each, with the id where there is one, the tenth closes 4400",
    async run(visit) {
      const me = await visit.guest();
      acked(await me.ask({ type: "ping", shiny: { new: true } }));
      const { socket, heard } = await visit.signedIn(me);
      const rubbish = ["no json", "[]", '{"type":"conversation.explode","id":"mine"}'];
      for (let i = 0; i < 9; i++) socket.send(rubbish[i % 3] ?? "");
      socket.send('{"type":"ping","id":"well"}');
      await visit.until(() => heard.length === 10, "the ten answers");
      const found = heard.map(({ type, id, error }) =>
        [type, id ?? "no id", (error as Json | undefined)?.["code"] ?? ""].join(" "),
      );
      const wanted = ["error no id invalid", "error no id invalid", "error mine invalid"];
      same(
        found.toSorted(),
        [...wanted, ...wanted, ...wanted, "ack well "].toSorted(),
        "type, id and code of the answers",
      );
      same(await visit.codeAfter(socket, () => socket.send("no json")), 4400, "the tenth");
    },
  },
  {
    id: "CN9",
    what: "what is not there, or was deleted, is `not_found`: conversation, message, parent and turn",
    async run(visit) {
      const me = await visit.guest();
      const [conversation, gone] = [newId(), newId()];
      for (const id of [conversation, gone]) acked(await me.ask({ type: "conversation.create", conversation: id }));
      acked(await me.ask({ type: "conversation.delete", conversation: gone }));
      const parts = words("no");
      const tries: readonly Json[] = [
        { type: "conversation.open", conversation: newId() },
        { type: "conversation.open", conversation: gone, seq: 0 },
        { type: "conversation.history", conversation: gone },
        { type: "conversation.update", conversation: gone, title: "back" },
        { type: "message.send", conversation, message: newId(), parts, parent: newId() },
        { type: "message.edit", conversation, message: newId(), replacement: newId(), parts },
        { type: "message.react", conversation, message: newId(), reaction: "👍", on: true },
        { type: "turn.stop", conversation, turn: newId() },
        { type: "turn.retry", conversation, message: newId() },
        { type: "turn.continue", conversation, message: newId() },
      ];
      for (const command of tries)
        refused(await me.ask(command), "not_found", `the answer to ${String(command["type"])}`);
    },
  },
  {
    id: "CN10",
    what: "a frame of `limits.frameBytes` is taken, one byte more closes 1009; binary closes 1003, bad UTF-8 1007, a frame without a mask 1002",
    async run(visit) {
      const me = await visit.guest();
      const largest = Number((me.hello["limits"] as Json)["frameBytes"]);
      const { socket, heard } = await visit.signedIn(me);
      socket.send(pingOf(largest));
      await visit.until(() => heard.some(({ type, id }) => type === "ack" && id === "large"), "an ack of the largest");
      same(await visit.codeAfter(socket, () => socket.send(pingOf(largest + 1))), 1009, "one byte more");
      same(await codeAfter(visit, Buffer.from([1, 2, 3])), 1003, "binary");
      const bare = await visit.signedIn(me);
      const notText = Buffer.from([0x22, 0xff, 0x22]);
      same(await visit.codeAfter(bare.socket, () => bare.socket.send(notText, { binary: false })), 1007, "bad UTF-8");
      const open = await visit.signedIn(me);
      same(await visit.codeAfter(open.socket, () => open.socket.send("{}", { mask: false })), 1002, "no mask");
    },
  },
];
