// Owns the contract of the socket as AsyncAPI 3, made from the schemas that validate. It adds words, never a shape of its own.
import { toJsonSchema } from "@valibot/to-json-schema";
import type { GenericSchema } from "valibot";
import { closeCodes, commandSchemas, errorCodes, serverFrame } from "../protocol/index.ts";
import { event } from "../protocol/events.ts";
import { socketPath, subprotocol } from "./gate.ts";

type Json = Readonly<Record<string, unknown>>;
type Message = { readonly name: string; readonly title: string; readonly summary?: string; readonly payload: Json };

/** What an ack carries beside `type` and `id`, by command, in the words of docs/protocol.md. */
const acks: Readonly<Record<keyof typeof commandSchemas, string>> = {
  auth: "session {id, token, resumed, expiresAt}, user {id, name?}, server {version, node}, heartbeatMs, limits, now",
  "auth.refresh": "session",
  "auth.logout": "nothing; then the socket is closed with 4410",
  "session.list": "sessions [{id, current, device, place, createdAt, lastSeenAt}]",
  "session.revoke": "nothing; then every socket of that session is closed with 4410",
  ping: "now",
  "conversation.list": "conversations [{id, title, createdAt, updatedAt, seq, turn?, snippet?}], cursor?",
  "conversation.create": "conversation, seq",
  "conversation.open": "conversation, seq (its head), epoch; then catch-up, live, and what happens",
  "conversation.close": "nothing",
  "conversation.update": "seq",
  "conversation.delete": "nothing",
  "conversation.history": "messages, more",
  "message.send": "message, turn, reply (the id of the reply), seq",
  "message.edit": "message, turn, reply, seq",
  "message.react": "seq",
  "turn.stop": "turn, status, seq (of its turn.finished)",
  "turn.retry": "turn, reply, seq",
  "turn.continue": "turn, reply, seq",
};

/** JSON Schema of what comes in. Checks that it has no words for (one emoji, no doubled id) are left out. */
function schemaOf(schema: GenericSchema): Json {
  const { $schema: _, ...json } = toJsonSchema(schema, { typeMode: "input", errorMode: "ignore" });
  return json;
}

const reference = (path: string): Json => ({ $ref: `#/${path}` });
const frames: ReadonlyMap<string, GenericSchema> = new Map(
  serverFrame.options.map((option) => [option.entries.type.literal, option]),
);

/** The whole document. `version`: that of the server. */
export function asyncApi(version: string) {
  const commands = Object.entries(commandSchemas);
  const messages: Readonly<Record<string, Message>> = {
    ...Object.fromEntries(
      commands.map(([type, schema]) => [
        type,
        {
          name: type,
          title: `Command ${type}`,
          payload: schemaOf(schema),
          summary: `Its ack carries: ${acks[schema.entries.type.literal]}.`,
        },
      ]),
    ),
    ...Object.fromEntries(
      [...frames].map(([type, schema]) => [
        `server.${type}`,
        { name: type, title: `Frame ${type}`, payload: schemaOf(schema) },
      ]),
    ),
  };
  const on = reference("channels/chat");
  return {
    asyncapi: "3.0.0",
    info: {
      title: "Throughline",
      version,
      description:
        "One JSON object a text frame. The first frame is auth. Every command has an id and is answered once, by an ack or an error with that id; " +
        "sent again under the same id it is done once and answered the same. A conversation is one log: events are numbered by seq without a hole.",
    },
    defaultContentType: "application/json",
    channels: {
      chat: {
        address: socketPath,
        description: `The WebSocket endpoint. Subprotocol ${subprotocol}, offered by clients that can.`,
        messages: Object.fromEntries(
          Object.keys(messages).map((name) => [name, reference(`components/messages/${name}`)]),
        ),
        bindings: { ws: { method: "GET", bindingVersion: "0.1.0" } },
      },
    },
    operations: Object.fromEntries([
      ...commands.map(([type]) => [
        type,
        {
          action: "receive",
          channel: on,
          messages: [reference(`channels/chat/messages/${type}`)],
          reply: {
            channel: on,
            messages: [
              reference("channels/chat/messages/server.ack"),
              reference("channels/chat/messages/server.error"),
            ],
          },
        },
      ]),
      ...[...frames.keys()]
        .filter((type) => type !== "ack" && type !== "error")
        .map((type) => [
          `server.${type}`,
          { action: "send", channel: on, messages: [reference(`channels/chat/messages/server.${type}`)] },
        ]),
    ]),
    components: { messages, schemas: { event: schemaOf(event) } },
    "x-error-codes": errorCodes,
    "x-close-codes": closeCodes,
  };
}
