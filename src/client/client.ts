// Owns the putting together of the SDK: one connection, its requests, the outbox, the conversations. It decides nothing itself.
import type { Command, SentPart, SessionRow } from "../protocol/index.ts";
import { defaultFrameBytes } from "../protocol/limits.ts";
import { socketUrl } from "./address.ts";
import { createCell, type Readable } from "./cell.ts";
import { createConnection, type ConnectionState } from "./connection.ts";
import { createConversation, partsOf, type ConversationHandle } from "./conversation.ts";
import { createConversations, rowsOf, type Conversations, type ListedConversation } from "./conversations.ts";
import { createDrafts, type Draft } from "./drafts.ts";
import { createEnvironment, type EnvironmentOptions } from "./environment.ts";
import { numberOf, objectOf, sessionsOf, textOf, type Ack, type Frame } from "./frames.ts";
import type { MakeKept } from "./kept.ts";
import { createMarks } from "./marks.ts";
import { createOutbox, type Pending } from "./outbox.ts";
import { createReading } from "./reading.ts";
import { createRequests, refuse, RequestError } from "./requests.ts";
import { createRestoring, keepNothing } from "./restoring.ts";
import { createSignIn, type Person, type Token } from "./sign-in.ts";

/** Where the server is and who speaks. Everything but `url` has a default. */
export type ClientOptions = EnvironmentOptions & {
  /** The server's address, `https://chat.example.com` or the socket's whole `wss:` URL. In a page it may be relative. */
  readonly url: string;
  /** An ID token, or what gets one. Asked with `fresh` when the last one was refused or is about to end. */
  readonly token?: Token | undefined;
  /** Come in as a guest where there is neither token nor session. */
  readonly guest?: boolean | undefined;
  /** From `throughline/offline`: shows what was last seen before the server has spoken. */
  readonly offline?: MakeKept | undefined;
  /** What this client calls itself. */
  readonly name?: string | undefined;
};

/** The SDK. Reading or sending anything connects it. */
export type Client = {
  readonly connection: Readable<ConnectionState>;
  /** Who is signed in, as far as is known here. */
  readonly person: Readable<Person | undefined>;
  readonly conversations: Conversations;
  /** All messages that are not delivered yet. */
  readonly pending: Readable<readonly Pending[]>;
  /** A conversation by its id (a UUID), whether it exists yet or not: its first message makes it. */
  conversation(id: string): ConversationHandle;
  draft(conversation: string): Draft;
  /** Sends what is in the box, and files. The text is forgotten once the message is kept. undefined: there is nothing to send. */
  sendDraft(conversation: string, files?: readonly SentPart[]): string | undefined;
  /** The socket and the session that requests beside it are made with; undefined while nobody is signed in. */
  readonly url: string;
  session(): string | undefined;
  /** A fresh id for a conversation or a message. */
  newId(): string;
  create(title?: string): Promise<ConversationHandle>;
  /** A page of conversations by their titles, or of the archived ones. */
  list(page: {
    readonly query?: string;
    readonly archived?: boolean;
    readonly cursor?: string;
    readonly limit?: number;
  }): Promise<{ readonly rows: readonly ListedConversation[]; readonly cursor: string | undefined }>;
  connect(): void;
  /** Connects now instead of waiting for the next attempt. */
  tryNow(): void;
  /** Comes in again after a sign-out, or at once with another token: a guest then goes on as that person. */
  signIn(token?: Token): void;
  /** This person's sessions, the one seen last first. */
  sessions(): Promise<readonly SessionRow[]>;
  /** Ends one of them on its device, or here. */
  revokeSession(id: string): Promise<void>;
  /** Ends the session, or all sessions of this person. */
  logout(everywhere?: boolean): Promise<void>;
  /** Lets go of the connection. What is not delivered stays kept. */
  close(): void;
};

export function createClient(options: ClientOptions): Client {
  const url = socketUrl(options.url);
  const name = `throughline:${url}`;
  const environment = createEnvironment(name, options);
  const { uuid } = environment;
  const signIn = createSignIn({ environment, name, token: options.token, guest: options.guest ?? false });
  const person = createCell<Person | undefined>(signIn.person());
  const drafts = createDrafts(environment.local, name, person);
  /** Whose things are held here; outlives a sign-out. */
  let holder = person.getSnapshot()?.id;
  let online = false;
  let frameBytes = defaultFrameBytes;

  const requests = createRequests(
    (text) => connection.send(text),
    () => frameBytes,
  );
  const request = async (command: Command): Promise<Ack> => {
    start();
    const state = connection.state.getSnapshot().kind;
    if (state === "signed-out" || state === "stopped")
      throw new RequestError(refuse(state === "stopped" ? "unavailable" : "unauthorized"));
    const result = await requests.send(command);
    if (!result.ok) throw new RequestError(result.error);
    return result.ack;
  };

  const outbox = createOutbox({
    environment,
    send: (command) => requests.send(command),
    user: () => (online ? person.getSnapshot()?.id : undefined),
    fate(user) {
      const now = person.getSnapshot();
      if (user === now?.id) return "sent";
      return user !== now?.was ? "hidden" : now.guest === true ? "shown" : "sent";
    },
    gate: (conversation) => reading.gate(conversation),
    held: (conversation) => reading.hold(conversation),
    delivered: (item) => reading.delivered(item.conversation),
  });
  const kept = options.offline?.(environment, name) ?? keepNothing;
  const marks = createMarks({
    local: environment.local,
    key: () => (holder === undefined ? undefined : `${name}/marks/${holder}`),
    changed() {
      list.remark();
      environment.tabs.post();
    },
  });
  const reading = createReading({
    environment,
    outbox,
    kept,
    marks,
    transmit: (text) => connection.send(text),
    isOnline: () => online,
    make: (id, more) =>
      createConversation({
        id,
        environment,
        outbox,
        request,
        user: () => person.getSnapshot()?.id ?? null,
        used: () => start(),
        ...more,
      }),
  });
  outbox.items.subscribe(() => reading.refresh());

  const list = createConversations({
    page: (page) => request({ type: "conversation.list", id: uuid(), ...page }),
    watched: () => start(),
    noted: ({ id, turn }) => marks.note(id, turn !== undefined, reading.isLooked(id)),
    isUnread: marks.isUnread,
    changed: (rows) => kept.changed("list", () => ({ type: "ack", id: "list", conversations: rows.slice(0, 50) })),
  });
  /** Another tab has opened what was unread, or a reply has ended there. */
  environment.tabs.listen(() => {
    reading.look();
    list.remark();
  });
  const unwatch = environment.turns(() => {
    reading.look();
    if (!environment.isVisible()) kept.flush();
  });

  const forget = (): void => {
    requests.giveUp(refuse("unauthorized"));
    reading.reset();
    list.reset();
    kept.clear();
  };
  const restoring = createRestoring({ kept, signIn, holder: () => holder, list, reading });
  const welcomed = (ack: Ack): void => {
    const before = person.getSnapshot();
    const now = signIn.welcomed(ack, before);
    frameBytes = numberOf(objectOf(ack, "limits"), "frameBytes") ?? frameBytes;
    // Nothing of one person may be shown to, or sent as, another; a guest who has signed in is no other.
    const upgraded = holder === now.was && now.guest !== true;
    if (holder !== undefined && holder !== now.id && !upgraded) forget();
    holder = now.id;
    void restoring.restore(now.id);
    online = true;
    if (JSON.stringify(before) !== JSON.stringify(now)) person.set(now);
    // `send` of the connection reaches the new socket from here on.
    requests.resend();
    reading.online();
    list.online();
    outbox.pump();
  };

  const received = (frame: Frame): void => {
    switch (frame.type) {
      case "ack":
      case "error":
        reading.answered(frame);
        return requests.answered(frame);
      case "events":
      case "snapshot":
      case "live":
        return reading.received(frame);
      case "conversation":
        if (frame.deleted === true) {
          kept.changed(frame.conversation, () => undefined);
          marks.note(frame.conversation, false, true);
        } else reading.made(frame.conversation);
        return list.changed(frame);
      case "notice":
        if (frame.code === "token_expiring") void refresh();
        return undefined;
      default:
        return frame satisfies never;
    }
  };
  /** A newer token over the open socket. Where there is none the server says so in its time. */
  const refresh = async (): Promise<void> => {
    const token = await signIn.freshToken().catch(() => undefined);
    if (token !== undefined) await requests.send({ type: "auth.refresh", id: uuid(), token });
  };

  const connection = createConnection({
    url,
    environment,
    client: { name: options.name ?? "throughline", version: "1" },
    credentials: (fresh) => restoring.credentials(fresh),
    opening: () => reading.opening(),
    welcomed,
    received,
    tooLarge: () => requests.refuseLargest(),
    signedOut() {
      signIn.signedOut(false);
      kept.clear();
      requests.giveUp(refuse("unauthorized"));
    },
    stopped: () => requests.giveUp(refuse("unavailable")),
  });
  connection.state.subscribe(() => {
    const isOnline = connection.state.getSnapshot().kind === "online";
    if (online && !isOnline) reading.lost();
    online = isOnline;
  });
  /** Only what was never begun is begun by itself: a person who signed out stays so. */
  const start = (): void => {
    if (connection.state.getSnapshot().kind === "idle") connection.start();
  };

  return {
    connection: connection.state,
    person,
    conversations: list.handle,
    pending: outbox.items,
    conversation: (id) => reading.handle(id.toLowerCase()),
    draft: drafts.of,
    sendDraft(conversation, files = []) {
      const { text, kept } = drafts.take(conversation);
      const parts = text.trim() === "" ? files : [...partsOf(text), ...files];
      if (parts.length === 0) return undefined;
      const message = uuid();
      start();
      void outbox
        .add({ conversation, message, parts, user: person.getSnapshot()?.id ?? null })
        .then((durable) => (durable ? kept() : reading.afterDelivery(message, kept)));
      return message;
    },
    url,
    session: signIn.session,
    newId: uuid,
    async create(title) {
      const id = uuid();
      await request({ type: "conversation.create", id: uuid(), conversation: id, title });
      return reading.handle(id);
    },
    async list(page) {
      const ack = await request({ type: "conversation.list", id: uuid(), ...page });
      return { rows: rowsOf(ack), cursor: textOf(ack, "cursor") };
    },
    connect: start,
    tryNow: connection.tryNow,
    signIn(token) {
      signIn.enter(token);
      if (token === undefined) connection.start();
      else connection.renew();
    },
    sessions: async () => sessionsOf(await request({ type: "session.list", id: uuid() })),
    revokeSession: (session) => request({ type: "session.revoke", id: uuid(), session }).then(() => undefined),
    async logout(everywhere) {
      if (online) await requests.send({ type: "auth.logout", id: uuid(), everywhere });
      signIn.signedOut(true);
      connection.signOut();
      // A person who leaves on purpose leaves nothing on the screen.
      forget();
      person.set(undefined);
      outbox.pump();
    },
    close() {
      connection.close();
      kept.close();
      unwatch();
      reading.close();
      outbox.close();
      environment.tabs.close();
      requests.giveUp(refuse("unavailable"));
    },
  };
}
