// Owns what the SDK's tests ask of a client in a sentence. Must not wait for time, only for what is to be seen.
import { onTestFinished } from "vitest";
import { offline } from "../../src/client/offline.ts";
import {
  createClient,
  until,
  type Client,
  type ClientOptions,
  type ConversationHandle,
  type ConversationView,
  type Message,
} from "../../src/client/index.ts";

/** A guest's client, closed with the test. */
export function guest(url: string, more: Partial<ClientOptions> = {}): Client {
  const keeps = more.storage?.kept === undefined ? {} : { offline };
  const client = createClient({ url, guest: true, ...keeps, ...more });
  onTestFinished(() => client.close());
  return client;
}

export const textOf = (message: Message | undefined): string =>
  (message?.parts ?? []).map((part) => (part.type === "text" && "text" in part ? String(part.text) : "")).join("");

export const repliesOf = (view: ConversationView): Message[] =>
  view.entries.map((entry) => entry.message).filter((message) => message.role === "assistant");

export const textsOf = (view: ConversationView): string[] => view.entries.map((entry) => textOf(entry.message));

/** Waits for the reply to a message to end; resolves to it. */
export function finished(conversation: ConversationHandle, message: string): Promise<Message> {
  return until(conversation, (view) =>
    repliesOf(view).find((reply) => reply.metadata.parent === message && reply.metadata.status !== "running"),
  );
}

/** Waits until the reply to a message has some text. */
export function streaming(conversation: ConversationHandle, message: string, length = 1): Promise<Message> {
  return until(conversation, (view) =>
    repliesOf(view).find((reply) => reply.metadata.parent === message && textOf(reply).length >= length),
  );
}

export const online = (client: Client): Promise<true> =>
  until(client.connection, (state) => (state.kind === "online" ? true : undefined));
