// Owns one conversation as the SDK hands it out: what is shown of it, and what can be done in it. It knows no socket.
import type { Command, Message, SentPart } from "../protocol/index.ts";
import { createCell, until, type Readable } from "./cell.ts";
import type { Environment } from "./environment.ts";
import { areMessages, numberOf, textOf, type Ack } from "./frames.ts";
import type { OpenItem } from "./link.ts";
import type { Gate, Outbox } from "./outbox.ts";
import { createReactions } from "./reactions.ts";
import { createReplica, type Replica } from "./replica.ts";
import { choicesTo, parentKey } from "./thread.ts";
import { createViewer, type ConversationView } from "./view.ts";

/** What a person writes: a text, or parts as the wire has them. */
export type Content = string | readonly SentPart[];

/** A conversation. Reading it (`subscribe`) opens it; leaving it stops nothing. Promises reject with RequestError. */
export type ConversationHandle = Readable<ConversationView> & {
  readonly id: string;
  /** Sends a message, now or as soon as it can be: it is kept until then, also over a reload. Returns its id. */
  send(content: Content, more?: { readonly message?: string; readonly parent?: string | null }): string;
  /** Replaces a sent message by another beside it. Returns the id of the new one. */
  edit(message: string, content: Content): string;
  /** Shown at once; taken back where it is refused. */
  react(message: string, reaction: string, on: boolean): Promise<void>;
  /** Ends the reply that is being made, on the server. Without one: the reply to the message that is being sent. */
  stop(): Promise<void>;
  /** Makes another reply beside this one. */
  retry(reply: string): Promise<{ readonly turn: string; readonly reply: string }>;
  /** Goes on with a reply that was stopped or interrupted. */
  continue(reply: string): Promise<{ readonly turn: string; readonly reply: string }>;
  /** Shows the branch of this message. */
  choose(message: string): void;
  /** Loads a page of older messages. */
  loadMore(): Promise<void>;
  /** Loads older messages until this one is there, and shows its branch. False: it is not among the newest 5,000. */
  reach(message: string): Promise<boolean>;
  rename(title: string): Promise<void>;
  archive(on?: boolean): Promise<void>;
  delete(): Promise<void>;
  /** A message that is loaded, on any branch. */
  find(message: string): Message | undefined;
  /** The replies to a message that are loaded, oldest first. */
  replies(message: string): readonly Message[];
  /** Of a message that is not delivered: sends it in front of the others, ending the reply that holds it back. */
  sendNow(message: string): Promise<void>;
  /** Of one that failed: tries again. */
  resend(message: string): Promise<void>;
  /** False: it may have been delivered already. */
  change(message: string, content: Content): Promise<boolean>;
  discard(message: string): Promise<boolean>;
};

/** A conversation as the client holds it. */
export type HeldConversation = {
  readonly handle: ConversationHandle;
  readonly replica: Replica;
  gate(): Gate;
  /** What is on its way has changed. */
  refresh(): void;
};

export type ConversationOptions = {
  readonly id: string;
  readonly environment: Environment;
  readonly outbox: Outbox;
  readonly open: (item: OpenItem) => void;
  watched(on: boolean): void;
  /** Somebody reads or writes here. */
  used(): void;
  /** Sends a command until it is answered. Rejects with RequestError. */
  readonly request: (command: Command) => Promise<Ack>;
  /** The replica has changed; called at once, before anybody is told. */
  changed(): void;
  user(): string | null;
};

/** While catching up, what is shown is renewed at most this often (ms): a replay is not one drawing per frame (B12). */
const catchUpEvery = 100;
/** Pages, and messages on each, that a search for one message loads. */
const reached = { pages: 50, limit: 100 };

export const partsOf = (content: Content): readonly SentPart[] =>
  typeof content === "string" ? [{ type: "text", text: content }] : content;

export function createConversation(options: ConversationOptions): HeldConversation {
  const { id, environment, outbox, request } = options;
  const { clock, uuid } = environment;
  const view = createViewer();
  const reactions = createReactions();
  let choices = new Map<string, string>();
  let loading: Promise<void> | undefined;
  let stopWanted: string | undefined;
  let scheduledAt: number | undefined;
  let shownAt = Number.NEGATIVE_INFINITY;

  const compute = (): ConversationView =>
    view({
      id,
      status: replica.status(),
      state: reactions.over(replica.state()),
      choices,
      pending: outbox.items.getSnapshot().filter((item) => item.conversation === id),
      loadingMore: loading !== undefined,
    });
  const flush = (): void => {
    scheduledAt = undefined;
    shownAt = clock.now();
    cell.set(compute());
  };
  const publish = (settled: boolean): void => {
    const now = clock.now();
    if (!settled && now - shownAt < catchUpEvery) return;
    if (scheduledAt === undefined) {
      scheduledAt = now;
      clock.frame(flush);
      return;
    }
    // A frame that does not come (the tab was hidden meanwhile) is not waited for (B30).
    if (now - scheduledAt >= catchUpEvery) flush();
  };

  const replica = createReplica({
    id,
    open: options.open,
    changed(settled) {
      const { seq } = replica.state();
      outbox.seen(id, seq, (message) => replica.state().messages.some((one) => one.id === message));
      stopIfWanted();
      options.changed();
      publish(settled);
    },
  });
  const cell = createCell<ConversationView>(compute(), (on) => {
    if (on) options.used();
    options.watched(on);
  });

  /** Carries out a stop that was asked for before its turn was known. */
  const stopIfWanted = (): void => {
    const { messages, turns } = replica.state();
    const isAnswer = (reply: string): boolean =>
      messages.some((message) => message.id === reply && message.metadata.parent === stopWanted);
    const turn = stopWanted === undefined ? undefined : turns.find((running) => isAnswer(running.message));
    if (turn === undefined) return;
    stopWanted = undefined;
    // Refused: the turn has ended by itself, and that is shown.
    request({ type: "turn.stop", id: uuid(), conversation: id, turn: turn.turn }).catch(() => undefined);
  };

  /** Whatever was chosen there gives way to what is about to come. */
  const forget = (key: string): void => {
    choices = new Map([...choices].filter(([chosen]) => chosen !== key));
  };
  const find = (message: string): Message | undefined => replica.state().messages.find((one) => one.id === message);
  const begin = async (command: Command): Promise<{ turn: string; reply: string }> => {
    const ack = await request(command);
    return { turn: textOf(ack, "turn") ?? "", reply: textOf(ack, "reply") ?? "" };
  };

  const add = (content: Content, message: string, more: { parent?: string | null; editOf?: string }): string => {
    options.used();
    const fixed = more.parent !== undefined ? { parent: more.parent, fixed: true } : {};
    const edit = more.editOf === undefined ? {} : { editOf: more.editOf };
    void outbox.add({ conversation: id, message, parts: partsOf(content), user: options.user(), ...fixed, ...edit });
    return message;
  };

  const loadPage = async (before: string, more: { limit?: number }): Promise<void> => {
    const ack = await request({ type: "conversation.history", id: uuid(), conversation: id, before, ...more });
    if (areMessages(ack["messages"])) replica.prepend(before, ack["messages"], ack["more"] === true);
  };
  const loadMore = (page: { limit?: number } = {}): Promise<void> => {
    const before = replica.state().messages[0]?.id;
    if (before === undefined || !replica.state().more) return Promise.resolve();
    loading ??= loadPage(before, page).finally(() => {
      loading = undefined;
      flush();
    });
    flush();
    return loading;
  };

  const handle: ConversationHandle = {
    id,
    getSnapshot: cell.getSnapshot,
    subscribe: cell.subscribe,
    send: (content, more = {}) =>
      add(content, more.message ?? uuid(), more.parent === undefined ? {} : { parent: more.parent }),
    edit(message, content) {
      const edited = find(message);
      if (edited !== undefined) forget(parentKey(edited));
      return add(content, uuid(), { editOf: message });
    },
    async react(message, reaction, on) {
      const user = options.user();
      const settle = user === null ? () => undefined : reactions.put(user, message, reaction, on);
      flush();
      try {
        settle(
          numberOf(
            await request({ type: "message.react", id: uuid(), conversation: id, message, reaction, on }),
            "seq",
          ),
        );
      } catch (error) {
        settle();
        throw error;
      } finally {
        flush();
      }
    },
    async stop() {
      const turn = compute().running ?? replica.state().turns.at(-1);
      if (turn !== undefined) {
        await request({ type: "turn.stop", id: uuid(), conversation: id, turn: turn.turn });
        return;
      }
      const going = outbox.items.getSnapshot().find((item) => item.conversation === id && item.status !== "failed");
      stopWanted = going?.message;
    },
    retry(reply) {
      const message = find(reply);
      if (message !== undefined) forget(parentKey(message));
      return begin({ type: "turn.retry", id: uuid(), conversation: id, message: reply });
    },
    continue: (reply) => begin({ type: "turn.continue", id: uuid(), conversation: id, message: reply }),
    choose(message) {
      const chosen = find(message);
      if (chosen === undefined) return;
      choices = new Map(choices).set(parentKey(chosen), message);
      flush();
    },
    loadMore: () => loadMore(),
    async reach(message) {
      const leave = cell.subscribe(() => undefined);
      try {
        await until(cell, ({ status }) => (status === "loading" ? undefined : true));
        for (let page = 0; page < reached.pages && find(message) === undefined && replica.state().more; page++) {
          await loadMore({ limit: reached.limit });
        }
        if (find(message) === undefined) return false;
        choices = choicesTo(replica.state().messages, message, choices);
        flush();
        return true;
      } finally {
        leave();
      }
    },
    async rename(title) {
      await request({ type: "conversation.update", id: uuid(), conversation: id, title });
    },
    async archive(on = true) {
      await request({ type: "conversation.update", id: uuid(), conversation: id, archived: on });
    },
    async delete() {
      await request({ type: "conversation.delete", id: uuid(), conversation: id });
    },
    find,
    replies: (message) =>
      replica.state().messages.filter((one) => one.role === "assistant" && one.metadata.parent === message),
    async sendNow(message) {
      await outbox.hurry(message);
      if (compute().running !== undefined) await handle.stop();
    },
    resend: (message) => outbox.retry(message),
    change: (message, content) => outbox.change(message, partsOf(content)),
    discard: (message) => outbox.remove(message),
  };

  return {
    handle,
    replica,
    gate() {
      const status = replica.status();
      if (status === "loading" || status === "behind") return "busy";
      if (status !== "live") return {};
      const { entries, running } = compute();
      // One that is there already, but not seen here yet, is what the next one belongs under.
      if (entries.some((entry) => entry.pending?.status === "sent")) return "busy";
      const leaf = entries.findLast((entry) => entry.pending === undefined)?.message.id;
      if (running !== undefined && running.message === leaf) return "busy";
      return leaf === undefined ? {} : { parent: leaf };
    },
    refresh: () => publish(true),
  };
}
