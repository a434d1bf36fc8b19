// Owns what a server of this protocol must do, checked from outside: written from the wire's page, it imports nothing of the product.
import { WebSocket } from "ws";
import { until, WireClient, type Answer } from "../support/wire-client.ts";
import type { Json } from "../support/wire-view.ts";

export type Target = {
  readonly url: string;
  /** What is asked; the reply must take a second at least, so that it can be stopped and cut. */
  readonly prompt: string;
};
export type Check = { readonly id: string; readonly what: string; readonly run: (target: Target) => Promise<void> };

function must(holds: boolean, problem: string): asserts holds {
  if (!holds) throw new Error(problem);
}
const same = (found: unknown, wanted: unknown, what: string): void => {
  const [own, other] = [found, wanted].map((value) => JSON.stringify(value) ?? "nothing") as [string, string];
  let at = 0;
  while (at < own.length && own[at] === other[at]) at++;
  const near = (text: string): string => text.slice(Math.max(0, at - 30), at + 60);
  must(own === other, `${what} is ${near(own)}, not ${near(other)}`);
};
const acked = (answer: Answer): Answer => {
  must(answer.type === "ack", `refused: ${JSON.stringify(answer)}`);
  return answer;
};
const refused = (answer: Answer, code: string): void => same(answer.error?.code, code, "the error's code");

/** Works with clients of its own, and holds all they noted against the server. */
async function withClients(
  { url }: Target,
  count: number,
  work: (...clients: WireClient[]) => Promise<void>,
): Promise<void> {
  const clients: WireClient[] = [];
  for (let i = 0; i < count; i++) clients.push(await WireClient.connect(url));
  try {
    for (const { hello } of clients) acked(hello);
    await work(...clients);
    for (const { anomalies } of clients) must(anomalies.length === 0, anomalies.slice(0, 3).join("; "));
  } finally {
    for (const client of clients) client.cut();
  }
}

/** The close code that frames lead to. */
function codeAfter({ url }: Target, say: (socket: WebSocket) => void): Promise<number> {
  const socket = new WebSocket(`${url.replace(/^http/, "ws")}/api/v1/async/chatbot`, ["throughline.v1"]);
  socket.on("error", () => undefined);
  socket.on("open", () => say(socket));
  let code: number | undefined;
  socket.on("close", (closed) => (code = closed));
  return until(() => code, "the close").finally(() => socket.terminate());
}
const guest = JSON.stringify({ type: "auth", id: "auth", guest: true });

type Started = {
  readonly conversation: string;
  readonly turn: string;
  readonly reply: string;
  readonly message: string;
};

/** Asks in a new conversation that is open, and waits for the reply's first text. */
async function begin(client: WireClient, { prompt }: Target): Promise<Started> {
  const conversation = crypto.randomUUID();
  const message = crypto.randomUUID();
  acked(await client.ask({ type: "conversation.create", conversation }));
  const view = await client.read(conversation);
  const answer = acked(await client.send(conversation, prompt, { message }));
  same(answer["message"], message, "the message of the ack");
  const reply = String(answer["reply"]);
  await until(() => view.text(reply).length > 0, "the reply's first text");
  return { conversation, message, turn: String(answer["turn"]), reply };
}

/** Waits for the end of a turn; what the client noted meanwhile is enough to stop waiting. */
const ended = async (client: WireClient, { conversation, turn }: Started): Promise<Json> =>
  until(
    () => {
      const [anomaly] = client.anomalies;
      if (anomaly !== undefined) throw new Error(anomaly);
      return client.views.get(conversation)?.finished.get(turn);
    },
    "the end of the turn",
    120_000,
  );

/** A view that lived through it, one from the first event and one from a snapshot must be the same, byte for byte. */
async function oneView(client: WireClient, conversation: string): Promise<void> {
  const view = client.views.get(conversation);
  for (const where of [{ seq: 0 }, {}]) {
    // A title may still come behind the reply: both are brought to the same seq.
    let cold = await client.readCold(conversation, where);
    await client.read(conversation);
    if ((view?.seq ?? 0) > cold.seq) cold = await client.readCold(conversation, where);
    same(view?.canonical(), cold.canonical(), "seq" in where ? "the view that lived through it" : "it, by snapshot,");
  }
}

export const checks: readonly Check[] = [
  {
    id: "CN1",
    what: "auth is answered with session, user, server, heartbeat, limits and the time",
    run: (target) =>
      withClients(target, 1, async ({ hello }) => {
        const session = hello["session"] as Json | undefined;
        must(typeof session?.["token"] === "string" && typeof session["id"] === "string", "no session");
        for (const field of ["user", "server", "heartbeatMs", "limits", "now"])
          must(hello[field] !== undefined, `no ${field}`);
      }),
  },
  {
    id: "CN2",
    what: "anything before auth closes 4401, and so does a session that is none",
    async run(target) {
      same(await codeAfter(target, (ws) => ws.send('{"type":"ping","id":"1"}')), 4401, "ping first");
      const bad = JSON.stringify({ type: "auth", id: "1", session: "no-such-session" });
      same(await codeAfter(target, (ws) => ws.send(bad)), 4401, "a wrong session");
    },
  },
  {
    id: "CN3",
    what: "a binary frame closes 1003, one that is too large 1009, ten that are no command 4400",
    async run(target) {
      const after = (say: (ws: WebSocket) => void): Promise<number> =>
        codeAfter(target, (ws) => {
          ws.send(guest);
          say(ws);
        });
      same(await after((ws) => ws.send(Buffer.from([1, 2, 3]))), 1003, "binary");
      same(await after((ws) => ws.send(`"${"x".repeat(8 * 1024 * 1024)}"`)), 1009, "8 MiB");
      const rubbish = (ws: WebSocket): void => {
        for (let i = 0; i < 10; i++) ws.send(["no json", "[]", "7", '{"type":"none"}'][i % 4] ?? "");
      };
      same(await after(rubbish), 4400, "rubbish");
    },
  },
  {
    id: "CN4",
    what: "every command has one answer: ping an ack with the time, an unknown one and a bad field `invalid`",
    run: (target) =>
      withClients(target, 1, async (client) => {
        must(acked(await client.ask({ type: "ping" }))["now"] !== undefined, "no time");
        refused(await client.ask({ type: "conversation.explode" }), "invalid");
        const bad = await client.ask({ type: "conversation.create", conversation: "not a uuid" });
        refused(bad, "invalid");
        same(bad.error?.field, "conversation", "the field");
      }),
  },
  {
    id: "CG1",
    what: "G1: what is acked is there on another connection, though this one is cut at once",
    run: (target) =>
      withClients(target, 1, async (client) => {
        const conversation = crypto.randomUUID();
        acked(await client.ask({ type: "conversation.create", conversation, title: "kept" }));
        client.cut();
        const again = await WireClient.connect(target.url, { auth: { session: client.token } });
        const view = await again.read(conversation);
        again.cut();
        same(view.title, "kept", "the title");
      }),
  },
  {
    id: "CG2",
    what: "G2: the same id again changes nothing and has the same answer, also on another socket; with other content it is a conflict",
    run: (target) =>
      withClients(target, 1, async (client) => {
        const conversation = crypto.randomUUID();
        const said = {
          type: "message.send",
          id: crypto.randomUUID(),
          conversation,
          message: crypto.randomUUID(),
          parts: [{ type: "text", text: target.prompt }],
        };
        const first = acked(await client.ask(said));
        const again = await client.ask(said);
        const other = await WireClient.connect(target.url, { auth: { session: client.token } });
        const elsewhere = await other.ask(said);
        for (const field of ["type", "message", "turn", "reply", "seq"]) {
          same(again[field], first[field], `${field} of the second answer`);
          same(elsewhere[field], first[field], `${field} of the answer elsewhere`);
        }
        refused(await other.ask({ ...said, parts: [{ type: "text", text: "something else" }] }), "conflict");
        const view = await other.read(conversation);
        other.cut();
        same(view.started.size, 1, "the number of replies");
      }),
  },
  {
    id: "CG4",
    what: "G4: live, from the first event and by snapshot: one view, byte for byte; a send under a running reply is a conflict",
    run: (target) =>
      withClients(target, 1, async (client) => {
        const started = await begin(client, target);
        refused(await client.send(started.conversation, "too early"), "conflict");
        same((await ended(client, started))["status"], "completed", "the status");
        await oneView(client, started.conversation);
      }),
  },
  {
    id: "CG4b",
    what: "G4: cut in the middle of a reply and back with the cursor: nothing lost, nothing twice",
    run: (target) =>
      withClients(target, 1, async (client) => {
        const started = await begin(client, target);
        client.cut();
        const again = await WireClient.connect(target.url, { from: client });
        try {
          await ended(again, started);
          same(again.views.get(started.conversation)?.snapshots, 0, "the number of snapshots");
          await oneView(again, started.conversation);
          must(again.anomalies.length === 0, again.anomalies.slice(0, 3).join("; "));
        } finally {
          again.cut();
        }
      }),
  },
  {
    id: "CG5",
    what: "G5: after the ack of a stop the reply does not grow, here or in the log",
    run: (target) =>
      withClients(target, 1, async (client) => {
        const started = await begin(client, target);
        const { conversation, turn, reply } = started;
        const answer = acked(await client.ask({ type: "turn.stop", conversation, turn }));
        same(answer["status"], "stopped", "the status");
        await ended(client, started);
        const view = client.views.get(conversation);
        same(view?.seq, answer["seq"], "the last seq");
        const text = view?.text(reply);
        await new Promise((resolve) => setTimeout(resolve, 700));
        same(view?.text(reply), text, "the text later");
        same((await client.readCold(conversation, { seq: 0 })).text(reply), text, "the text in the log");
      }),
  },
  {
    id: "CG8",
    what: "G8: a reader that stops reading while a reply is made has all of it in the end",
    run: (target) =>
      withClients(target, 1, async (client) => {
        const started = await begin(client, target);
        client.pause();
        await new Promise((resolve) => setTimeout(resolve, 1000));
        client.resume();
        await ended(client, started);
        await oneView(client, started.conversation);
      }),
  },
  {
    id: "CG9",
    what: "G9: whatever another person does with an id that is not theirs, it is `not_found`",
    run: (target) =>
      withClients(target, 2, async (owner, thief) => {
        const { conversation, turn, message, reply } = await begin(owner, target);
        const parts = [{ type: "text", text: "mine" }];
        const fresh = crypto.randomUUID();
        const tries: Json[] = [
          { type: "conversation.open", conversation, seq: 0 },
          { type: "conversation.history", conversation },
          { type: "conversation.update", conversation, title: "mine" },
          { type: "conversation.delete", conversation },
          { type: "message.send", conversation, message: fresh, parts },
          { type: "message.edit", conversation, message, replacement: fresh, parts },
          { type: "message.react", conversation, message, reaction: "👍", on: true },
          { type: "turn.stop", conversation, turn },
          { type: "turn.retry", conversation, message: reply },
          { type: "turn.continue", conversation, message: reply },
        ];
        for (const command of tries) {
          const { type, error } = await thief.ask(command);
          same(type === "error" ? error?.code : type, "not_found", String(command["type"]));
        }
        acked(await owner.ask({ type: "turn.stop", conversation, turn }));
      }),
  },
  {
    id: "CN5",
    what: "what is deleted is `not_found`; who has signed out is closed 4410, and the session opens nothing more",
    run: (target) =>
      withClients(target, 1, async (client) => {
        const conversation = crypto.randomUUID();
        acked(await client.ask({ type: "conversation.create", conversation }));
        acked(await client.ask({ type: "conversation.delete", conversation }));
        refused(await client.ask({ type: "conversation.open", conversation, seq: 0 }), "not_found");
        acked(await client.ask({ type: "auth.logout" }));
        same((await until(() => client.closed, "the close")).code, 4410, "the close code");
        const again = await WireClient.connect(target.url, { auth: { session: client.token } });
        must(again.hello.type !== "ack", "the session still opens");
        again.cut();
      }),
  },
];

/** What cannot be seen from outside without killing processes; the torture rig does that. */
export const unchecked = ["G3", "G6", "G7"] as const;
