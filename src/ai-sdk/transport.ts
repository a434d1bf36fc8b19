// Owns the ChatTransport for the AI SDK's useChat: its calls to the SDK's, its streams from the SDK's snapshots. It opens no socket.
import type { ChatTransport, UIMessage, UIMessageChunk } from "ai";
import {
  RequestError,
  until,
  type Client,
  type ConversationHandle,
  type Message,
  type Readable,
  type SentPart,
} from "../client/index.ts";
import { createChunker } from "./chunks.ts";
import { uuidFor } from "./ids.ts";

/** A transport for `useChat`. A stream lasts as long as its turn, over any number of connections. */
export type ThroughlineTransport = ChatTransport<UIMessage> & {
  readonly resumeStreamIsReplay: true;
  /** Ends the reply that is being made, on the server, for everybody. The `stop` of `useChat` only stops looking. */
  stop(chatId: string): Promise<void>;
  /** The messages of a chat: what `useChat` is given as `messages` when a page is loaded. */
  load(chatId: string): Promise<UIMessage[]>;
};

/** What a stream follows: the reply once it is there, or why there will be none. */
type Followed = { readonly reply?: Message | undefined; readonly over?: string | undefined };

export function throughlineTransport({ client }: { readonly client: Client }): ThroughlineTransport {
  /** Edited messages keep their id in the UI; on the wire they are others. By chat and id. */
  const replaced = new Map<string, string>();

  /** Waits for what may come; rejects when the signal is aborted, or when nothing will come any more. */
  const waitFor = async <T, R>(
    cell: Readable<T>,
    found: (value: T) => R | undefined,
    signal: AbortSignal | undefined,
  ): Promise<R> => {
    const done = new AbortController();
    const either = signal === undefined ? done.signal : AbortSignal.any([signal, done.signal]);
    const lost = until(client.connection, () => hopeless(client), either).then((text) =>
      Promise.reject(new Error(text)),
    );
    try {
      return await Promise.race([until(cell, found, either), lost]);
    } finally {
      done.abort();
    }
  };
  const userOf = async (signal: AbortSignal | undefined): Promise<string> => {
    client.connect();
    return waitFor(client.person, (person) => person?.id, signal);
  };
  const open = async (chatId: string, signal?: AbortSignal): Promise<ConversationHandle> =>
    client.conversation(await uuidFor([await userOf(signal)], chatId));
  const wireId = async (chatId: string, id: string, signal: AbortSignal | undefined): Promise<string> =>
    replaced.get(`${chatId} ${id}`) ?? uuidFor([await userOf(signal), chatId], id);

  /** The chunks of a turn until it has ended. `locate` finds its reply. */
  const follow = (
    conversation: ConversationHandle,
    locate: () => Followed,
    signal: AbortSignal | undefined,
  ): ReadableStream<UIMessageChunk> => {
    const chunker = createChunker();
    let stops: (() => void)[] = [];
    const leave = (): void => {
      for (const stop of stops) stop();
      stops = [];
    };
    return new ReadableStream<UIMessageChunk>({
      start(controller) {
        const end = (): void => {
          if (stops.length === 0) return;
          leave();
          controller.close();
        };
        const look = (): void => {
          if (stops.length === 0) return undefined;
          const { reply, over } = locate();
          const attempt = conversation.getSnapshot().running?.attempt ?? 0;
          if (reply !== undefined) for (const chunk of chunker(reply, attempt)) controller.enqueue(chunk);
          if (reply !== undefined && reply.metadata.status !== "running") return end();
          const lost = over ?? hopeless(client);
          if (lost === undefined) return undefined;
          controller.enqueue({ type: "error", errorText: lost });
          return end();
        };
        stops = [conversation.subscribe(look), client.connection.subscribe(look)];
        // Looking away is all that an abort does: the turn is the server's.
        signal?.addEventListener("abort", end, { once: true });
        if (signal?.aborted === true) end();
        else look();
      },
      cancel: leave,
    });
  };

  const followMessage = (
    conversation: ConversationHandle,
    message: string,
    signal: AbortSignal | undefined,
  ): ReadableStream<UIMessageChunk> =>
    follow(
      conversation,
      () => {
        const pending = client.pending.getSnapshot().find((item) => item.message === message);
        return { reply: conversation.replies(message).at(-1), over: pending?.error?.message };
      },
      signal,
    );

  /** Waits until what is known here is what the server has. */
  const settled = (conversation: ConversationHandle, signal: AbortSignal | undefined): Promise<string> =>
    waitFor(
      conversation,
      ({ status }) => (status === "live" || status === "new" || status === "gone" ? status : undefined),
      signal,
    );

  return {
    resumeStreamIsReplay: true,
    async sendMessages({ trigger, chatId, messageId, messages, abortSignal }) {
      const conversation = await open(chatId, abortSignal);
      const last = messages.findLast((message) => message.role === "user");
      if (last === undefined) throw new Error("There is no message of a person to send.");
      const message = await wireId(chatId, last.id, abortSignal);

      if (trigger === "regenerate-message") {
        await settled(conversation, abortSignal);
        const reply = conversation.replies(message).at(-1);
        if (reply !== undefined) {
          const made = await conversation.retry(reply.id);
          return follow(conversation, () => ({ reply: conversation.find(made.reply) }), abortSignal);
        }
      } else if (messages.at(-1)?.role !== "user") {
        throw new Error("Throughline runs tools on the server: results of tools cannot be sent from here.");
      } else if (messageId !== undefined && conversation.find(message) !== undefined) {
        const replacement = conversation.edit(message, partsOf(last));
        replaced.set(`${chatId} ${last.id}`, replacement);
        return followMessage(conversation, replacement, abortSignal);
      }

      // Only what is new is sent, and what it answers (B18). A page that has not caught up leaves that to the moment of sending.
      const before = messages[messages.indexOf(last) - 1];
      const above = before === undefined ? undefined : await wireId(chatId, before.id, abortSignal);
      const parent = above !== undefined && conversation.find(above) !== undefined ? { parent: above } : {};
      conversation.send(partsOf(last), { message, ...parent });
      return followMessage(conversation, message, abortSignal);
    },

    async reconnectToStream({ chatId, abortSignal }) {
      const conversation = await open(chatId, abortSignal);
      await settled(conversation, abortSignal);
      const { running, entries } = conversation.getSnapshot();
      if (running !== undefined) {
        return follow(conversation, () => ({ reply: conversation.find(running.message) }), abortSignal);
      }
      const waiting = entries.find((entry) => entry.pending !== undefined && entry.pending.status !== "failed");
      return waiting === undefined ? null : followMessage(conversation, waiting.message.id, abortSignal);
    },

    async stop(chatId) {
      await (await open(chatId)).stop();
    },
    async load(chatId) {
      const conversation = await open(chatId);
      await settled(conversation, undefined);
      return conversation
        .getSnapshot()
        .entries.map((entry) => entry.message)
        .filter(isUiMessage);
    },
  };
}

/** Why nothing will come any more, if so. */
function hopeless(client: Client): string | undefined {
  const { kind } = client.connection.getSnapshot();
  if (kind === "signed-out") return "You are not signed in, or the sign-in is no longer valid.";
  return kind === "stopped" ? "The server does not accept this connection." : undefined;
}

const filePath = /\/api\/v1\/files\/([^/?#]+)/;

/** What a person wrote, as the wire has it. Files are uploaded before and named by their URL. */
function partsOf(message: UIMessage): SentPart[] {
  return message.parts.flatMap((part): SentPart[] => {
    if (part.type === "text") return [{ type: "text", text: part.text }];
    if (part.type !== "file") return [];
    const file = filePath.exec(part.url)?.[1];
    if (file !== undefined) return [{ type: "file", file }];
    throw new RequestError({
      code: "unsupported_media",
      message: "Files are uploaded to the server first, and sent by their address.",
      retryable: false,
    });
  });
}

/** The wire's messages have the AI SDK's shape by contract (`docs/protocol.md`). */
function isUiMessage(message: Message): message is Message & UIMessage {
  return Array.isArray(message.parts);
}
