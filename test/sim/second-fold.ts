// Owns a second fold of a log, written from the wire's contract and from nothing else: what the product's fold is held against.
import type { Event, Message, Part } from "../../src/protocol/index.ts";

/** What a log says up to `seq`. Immutable. `faults`: what did not fit. */
export type Story = {
  readonly seq: number;
  readonly title: string | undefined;
  readonly createdAt: string | undefined;
  readonly archived: boolean;
  readonly deleted: boolean;
  readonly messages: readonly Message[];
  readonly turns: readonly { turn: string; message: string; attempt: number }[];
  readonly faults: readonly string[];
};

export const emptyStory: Story = {
  seq: 0,
  title: undefined,
  createdAt: undefined,
  archived: false,
  deleted: false,
  messages: [],
  turns: [],
  faults: [],
};

export const lengthOf = (message: Message): number => {
  let length = 0;
  for (const part of message.parts) if (part.type === "text" && "text" in part) length += String(part.text).length;
  return length;
};

export function tell(story: Story, event: Event, seq: number): Story {
  const next = { ...step(story, event), seq };
  return next;
}

const withFault = (story: Story, fault: string): Story => ({ ...story, faults: [...story.faults, fault] });

function changed(story: Story, id: string, how: (message: Message) => Message | string): Story {
  const index = story.messages.findIndex((message) => message.id === id);
  const message = story.messages[index];
  if (message === undefined) return withFault(story, `no message ${id}`);
  const after = how(message);
  return typeof after === "string"
    ? withFault(story, after)
    : { ...story, messages: story.messages.with(index, after) };
}

const meta = (message: Message, more: Partial<Message["metadata"]>): Message => ({
  ...message,
  metadata: { ...message.metadata, ...more },
});

function step(story: Story, event: Event): Story {
  switch (event.kind) {
    case "conversation.created":
      return { ...story, createdAt: event.at, title: event.title };
    case "conversation.updated":
      return { ...story, title: event.title ?? story.title, archived: event.archived ?? story.archived };
    case "conversation.deleted":
      return { ...story, deleted: true, turns: [] };
    case "message.created": {
      const { id } = event.message;
      if (story.messages.some((message) => message.id === id)) return withFault(story, `message ${id} twice`);
      return { ...story, messages: [...story.messages, event.message] };
    }
    case "reaction.changed":
      return changed(story, event.message, (message) => {
        const all = new Map(Object.entries(message.metadata.reactions ?? {}));
        const who = new Set(all.get(event.reaction));
        if (who.has(event.user) === event.on) return `reaction ${event.reaction} changed nothing`;
        if (event.on) who.add(event.user);
        else who.delete(event.user);
        if (who.size > 0) all.set(event.reaction, [...who]);
        else all.delete(event.reaction);
        return meta(message, { reactions: all.size > 0 ? Object.fromEntries(all) : undefined });
      });
    case "turn.started": {
      const { at, turn, message: id, parent, model } = event;
      const turns = [...story.turns, { turn, message: id, attempt: 1 }];
      if (story.turns.some((other) => other.message === id)) return withFault(story, `two turns write ${id}`);
      if (story.messages.some((message) => message.id === id)) {
        const goOn = { turn, model, status: "running" as const, error: undefined };
        return changed({ ...story, turns }, id, (message) => meta(message, goOn));
      }
      // It goes on with a message of an older page.
      if (event.continued === true) return { ...story, turns };
      const metadata = { createdAt: at, parent, turn, status: "running" as const, model };
      return { ...story, turns, messages: [...story.messages, { id, role: "assistant", parts: [], metadata }] };
    }
    case "reply.appended":
      return changed(story, event.message, (message) => {
        const part = message.parts[event.part];
        if (!story.turns.some((other) => other.turn === event.turn))
          return `piece of turn ${event.turn}, which is over`;
        if (part === undefined) {
          if (event.part !== message.parts.length || event.offset !== 0)
            return `piece ${event.part}/${event.offset} in the air`;
          return { ...message, parts: [...message.parts, { type: event.type, text: event.text }] };
        }
        const text = "text" in part ? String(part.text) : "";
        if (part.type !== event.type || text.length !== event.offset)
          return `piece at ${event.offset}, not ${text.length}`;
        return { ...message, parts: message.parts.with(event.part, { type: event.type, text: text + event.text }) };
      });
    case "reply.part":
      return changed(story, event.message, (message) => {
        if (event.part > message.parts.length) return `part ${event.part} in the air`;
        const parts: Part[] = [...message.parts];
        parts[event.part] = event.value;
        return { ...message, parts };
      });
    case "turn.resumed": {
      const turns = story.turns.map((other) =>
        other.turn === event.turn ? { ...other, attempt: event.attempt } : other,
      );
      if (event.mode === "continue") return { ...story, turns };
      return changed({ ...story, turns }, event.message, (message) => ({ ...message, parts: [] }));
    }
    case "turn.finished": {
      const turns = story.turns.filter((other) => other.turn !== event.turn);
      if (turns.length === story.turns.length) return withFault(story, `turn ${event.turn} ended, but did not run`);
      return changed({ ...story, turns }, event.message, (message) => {
        if (lengthOf(message) !== event.length) return `length ${event.length} said, ${lengthOf(message)} there`;
        const { status, usage, error } = event;
        return meta(message, { status, ...(usage && { usage }), ...(error && { error }) });
      });
    }
    default:
      return event satisfies never;
  }
}
