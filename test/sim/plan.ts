// Owns what people do: one act of one device, drawn. It judges nothing.
import type { Chance } from "./chance.ts";
import { changes, type Device, type Fields } from "./device.ts";
import { drawText } from "./model.ts";
import type { Stage } from "./world.ts";

const emojis = ["👍", "🎉", "🏳️‍🌈", "🇩🇪", "❤️"] as const;
const malformed = [
  "",
  "null",
  "[]",
  "{",
  '{"type":"nonsense","id":"x"}',
  '{"id":"x"}',
  '{"type":"ping","id":"x","__proto__":{}}',
  "\u0000",
] as const;

export function act(stage: Stage, device: Device, chance: Chance): void {
  const person = device.person();
  const known = person.conversations;
  const [connection] = device.ready().slice(-1);
  if (known.length === 0 || (!stage.nature.single && chance.maybe(0.04))) return begin(stage, device, chance);
  if (stage.nature.mischief > 0 && chance.maybe(stage.nature.mischief)) return mischief(stage, device, chance);
  const conversation = chance.pick(known);
  const view = device.views.get(conversation);
  const ids = view?.first.messages.map((message) => message.id) ?? [];
  const some = (role: "user" | "assistant"): string | undefined => {
    const fitting = view?.first.messages.filter((message) => message.role === role) ?? [];
    return fitting.length === 0 || chance.maybe(0.02) ? undefined : chance.pick(fitting).id;
  };
  const parts = (): Fields["parts"] => [{ type: "text", text: drawText(chance, person.mark, 4) }];
  const submit = (fields: Fields): void => send(stage, device, fields, chance);

  const kind = chance.weighted({
    view: view === undefined ? 20 : 0,
    send: 8,
    edit: 2,
    retry: 2,
    continue: stage.nature.wavering,
    stop: stage.nature.wavering,
    react: 3,
    update: 1.5,
    delete: stage.nature.deletion,
    history: 1,
    list: 1,
    leave: 0.7,
    ping: 0.5,
    logout: stage.nature.logout,
    second: 0.7,
    sleep: stage.nature.sleep,
    again: 1.5,
  });
  switch (kind) {
    case "view":
      return device.view(conversation);
    case "send": {
      const parent = chance.weighted({ newest: 6, root: 1, some: 3 });
      const under =
        parent === "newest" ? {} : { parent: parent === "root" || ids.length === 0 ? null : chance.pick(ids) };
      return submit({ type: "message.send", conversation, message: chance.uuid(), parts: parts(), ...under });
    }
    case "edit":
      return submit({
        type: "message.edit",
        conversation,
        message: some("user") ?? chance.uuid(),
        replacement: chance.uuid(),
        parts: parts(),
      });
    case "retry":
      return submit({ type: "turn.retry", conversation, message: some("assistant") ?? chance.uuid() });
    case "continue":
      return submit({ type: "turn.continue", conversation, message: some("assistant") ?? chance.uuid() });
    case "stop": {
      const running = view?.first.turns.map((item) => item.turn) ?? [];
      const over = view?.first.messages.flatMap((message) => message.metadata.turn ?? []) ?? [];
      const turns = running.length > 0 ? running : chance.maybe(0.2) ? over : [];
      return turns.length === 0 ? undefined : submit({ type: "turn.stop", conversation, turn: chance.pick(turns) });
    }
    case "react":
      if (ids.length === 0) return;
      return submit({
        type: "message.react",
        conversation,
        message: chance.pick(ids),
        reaction: chance.pick(emojis),
        on: chance.maybe(0.7),
      });
    case "update": {
      const title = chance.maybe(0.7) ? { title: `${person.mark} title ${chance.hex(4)}` } : {};
      return submit({
        type: "conversation.update",
        conversation,
        ...title,
        ...(chance.maybe(0.4) ? { archived: chance.maybe(0.5) } : {}),
      });
    }
    case "delete":
      return submit({ type: "conversation.delete", conversation });
    case "history": {
      const before = chance.maybe(0.5) && ids.length > 0 ? { before: chance.pick(ids) } : {};
      return submit({ type: "conversation.history", conversation, ...before, limit: chance.whole(1, 10) });
    }
    case "list":
      return submit({ type: "conversation.list", limit: 100 });
    case "leave":
      return device.leave(conversation);
    case "ping":
      return submit({ type: "ping" });
    case "logout":
      // Somebody else of the same person comes in just then.
      for (const other of stage.devices) if (other.person() === person && chance.maybe(0.5)) other.connect();
      return submit({ type: "auth.logout", ...(chance.maybe(0.6) ? { everywhere: true } : {}) });
    case "second":
      return device.connect();
    case "sleep":
      return device.sleep(chance.pick([0, 300, 3000]));
    case "again": {
      // The same command once more, as after a lost answer: on any socket of the person.
      if (connection === undefined) return;
      const waiting = [...device.pending.values()];
      if (waiting.length > 0) return device.put(connection, chance.pick(waiting));
      return;
    }
    default:
      return kind satisfies never;
  }
}

/** Sends a command, and now and then sends it twice: here and on another socket of the same person. */
function send(stage: Stage, device: Device, fields: Fields, chance: Chance): void {
  const sent = device.submit(fields);
  if (!chance.maybe(0.12)) return;
  const here = device.ready();
  const siblings = stage.devices.filter((other) => other.person() === device.person());
  const others = siblings.flatMap((other) => other.ready());
  const all = [...here, ...others];
  if (all.length > 0 && sent.fields.type !== "auth.logout") {
    const connection = chance.pick(all);
    connection.device.put(connection, sent);
  }
}

function begin(stage: Stage, device: Device, chance: Chance): void {
  const person = device.person();
  if (device.ready().length === 0) return;
  const conversation = chance.uuid();
  person.conversations.push(conversation);
  device.view(conversation);
  const title = chance.maybe(0.5) ? { title: `${person.mark} ${chance.hex(4)}` } : {};
  if (chance.maybe(0.4)) return send(stage, device, { type: "conversation.create", conversation, ...title }, chance);
  const text = drawText(chance, person.mark, 4);
  send(
    stage,
    device,
    { type: "message.send", conversation, message: chance.uuid(), parts: [{ type: "text", text }] },
    chance,
  );
}

function mischief(stage: Stage, device: Device, chance: Chance): void {
  const connection = device.ready().at(-1);
  if (connection === undefined) return;
  const kind = chance.weighted({ malformed: 4, binary: 0.3, large: 0.3, auth: 1, foreign: 6, forged: 4, cursor: 2 });
  switch (kind) {
    case "malformed":
      device.mischief.add(4400);
      for (let i = chance.pick([1, 3, 11]); i > 0; i--) connection.link.send(chance.pick(malformed));
      return;
    case "binary":
      device.mischief.add(1003);
      return connection.link.sendBinary();
    case "large":
      // The transport would close it; the engine sees a text that is too deep.
      device.mischief.add(4400);
      return connection.link.send("[".repeat(5000));
    case "auth":
      return device.put(connection, device.issue({ type: "auth", guest: true }));
    case "foreign": {
      const others = stage.people.filter(
        (person) => person !== device.person() && person.user !== device.person().user,
      );
      const conversations = others.flatMap((person) => person.conversations);
      if (conversations.length === 0) return;
      const conversation = chance.pick(conversations);
      const story = stage.witness.last(conversation);
      const message =
        story === undefined || story.messages.length === 0 ? chance.uuid() : chance.pick(story.messages).id;
      const turn = story?.messages.find((item) => item.metadata.turn !== undefined)?.metadata.turn ?? chance.uuid();
      const parts = [{ type: "text", text: device.person().mark }];
      // Not to one that does not exist yet: that would make it, and rightly.
      if (story === undefined) return;
      const fields = chance.pick<Fields>([
        { type: "conversation.create", conversation },
        { type: "conversation.open", conversation },
        { type: "conversation.open", conversation, seq: 1 },
        { type: "conversation.update", conversation, title: "mine" },
        { type: "conversation.delete", conversation },
        { type: "conversation.history", conversation },
        { type: "message.send", conversation, message: chance.uuid(), parts },
        { type: "message.edit", conversation, message, replacement: chance.uuid(), parts },
        { type: "message.react", conversation, message, reaction: "👍", on: true },
        { type: "turn.stop", conversation, turn },
        { type: "turn.retry", conversation, message },
        { type: "turn.continue", conversation, message },
      ]);
      return void device.submit(fields);
    }
    case "forged": {
      const done = [...device.done.values()].filter(
        ({ sent }) => changes(sent.fields.type) && sent.person === device.person(),
      );
      if (done.length === 0) return;
      const original = chance.pick(done).sent;
      const fields = { ...original.fields, conversation: chance.uuid() };
      // Under the old id, so that answers to it here mean this one.
      if (connection.sent.has(original.id)) return;
      return device.put(connection, device.issue(fields, original.id, true));
    }
    case "cursor": {
      const conversation = chance.pick(device.person().conversations);
      if (!device.views.has(conversation)) return;
      return device.openAt(conversation, chance.pick([-1, 2 ** 50, 1e300, 999_999]));
    }
    default:
      return kind satisfies never;
  }
}
