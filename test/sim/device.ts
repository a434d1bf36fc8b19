// Owns a client of a world, written from the wire's contract: sockets, an outbox, views that are folded twice. It draws nothing of a plan.
import {
  applyEvents,
  emptyConversation,
  fromSnapshot,
  receive,
  type Conversation,
} from "../../src/domain/conversation.ts";
import { closeCodes, type CloseCode, type ServerFrame } from "../../src/protocol/index.ts";
import { canon } from "./canon.ts";
import type { Chance } from "./chance.ts";
import type { Link } from "./link.ts";
import { emptyStory, tell, type Story } from "./second-fold.ts";
import { createOwner, type Scheduler } from "./scheduler.ts";
import type { Witness } from "./witness.ts";

export type Fields = { readonly type: string } & Readonly<Record<string, unknown>>;

/** A command of a person, by its id: the same wherever it is sent. */
export type Sent = {
  readonly id: string;
  readonly fields: Fields;
  readonly person: Person;
  readonly issuedAt: number;
  /** Content that its id had before: it must be refused. */
  readonly forged: boolean;
  ack: string | undefined;
  ackedAt: number;
};

/** Whoever signs in; a guest is somebody new each time a session is lost. */
export type Person = {
  readonly mark: string;
  /** undefined: a guest. */
  readonly subject: string | undefined;
  user: string | undefined;
  readonly conversations: string[];
};

export type View = {
  readonly conversation: string;
  first: Conversation;
  second: Story;
  epoch: string | undefined;
  /** Connections that have said so. */
  readonly live: Set<Connection>;
};

export type Connection = {
  readonly device: Device;
  readonly node: string;
  link: Link;
  phase: "joining" | "ready" | "closed";
  readonly openedAt: number;
  readonly auth: Sent;
  /** Commands sent here: how many answers are due, and when it was sent first. */
  readonly sent: Map<string, { readonly sent: Sent; times: number; readonly at: number }>;
  /** Openings under way: conversations, and the newest command of each. */
  readonly reopening: Map<string, string>;
  /** Views that were opened on it. */
  readonly opened: Map<string, View>;
  session: string | undefined;
  heardAt: number;
  listening: boolean;
};

export type World = {
  readonly scheduler: Scheduler;
  readonly chance: Chance;
  readonly witness: Witness;
  connect(connection: Omit<Connection, "link">): Connection | undefined;
  token(subject: string): string;
  newGuest(): Person;
  wrong(rule: string, detail: string): void;
  trace(line: () => string): void;
};

export type Device = ReturnType<typeof createDevice>;

const changing = new Set([
  "conversation.create",
  "conversation.update",
  "conversation.delete",
  "message.send",
  "message.edit",
  "message.react",
  "turn.stop",
  "turn.retry",
  "turn.continue",
]);
export const changes = (type: string): boolean => changing.has(type);

export function createDevice(
  world: World,
  name: string,
  whose: Person,
  heartbeatMs: number,
  from?: { session: string | undefined },
) {
  const { scheduler, chance, witness } = world;
  const owner = createOwner();
  const views = new Map<string, View>();
  const pending = new Map<string, Sent>();
  const connections = new Set<Connection>();
  const rows = new Map<string, { seq: number; title: string | undefined; deleted: boolean }>();
  let person = whose;
  let session = from?.session;
  /** Close codes that its own bad frames may earn. */
  const mischief = new Set<number>();
  /** Commands that were acked, and what they were acked with. */
  const done = new Map<string, { sent: Sent; ack: Readonly<Record<string, unknown>> }>();
  let epoch: string | undefined;
  /** Wants the list, though it has no row of it. */
  let listening = false;
  let connecting = false;
  let away = false;
  let ended = false;

  const wrong = (rule: string, detail: string): void => world.wrong(rule, `${name}: ${detail}`);
  const later = (ms: number, run: () => void): void => void scheduler.after(owner, ms, run, { quick: true });

  const issue = (fields: Fields, id = chance.hex(12), forged = false): Sent => {
    const sent = { id, fields, person, issuedAt: scheduler.now(), forged, ack: undefined, ackedAt: 0 };
    if (changes(fields.type) && !forged) pending.set(id, sent);
    return sent;
  };
  const put = (connection: Connection, sent: Sent): void => {
    const known = connection.sent.get(sent.id);
    if (known !== undefined && known.sent !== sent && known.times > 0) return;
    if (known?.sent === sent) known.times++;
    else connection.sent.set(sent.id, { sent, times: 1, at: scheduler.now() });
    world.trace(() => `${name} > ${sent.id} ${JSON.stringify(sent.fields).slice(0, 160)}`);
    connection.link.send(JSON.stringify({ ...sent.fields, id: sent.id }));
  };
  const ready = (): Connection[] => [...connections].filter((connection) => connection.phase === "ready");
  const submit = (fields: Fields): Sent => {
    const sent = issue(fields);
    const connection = ready().at(-1);
    if (connection !== undefined) put(connection, sent);
    return sent;
  };

  const connect = (): void => {
    if (ended || away) return;
    // Two first sockets of a guest would be two guests.
    if (person.subject === undefined && session === undefined && connections.size > 0) return reconnect(500);
    const auth = issue({
      type: "auth",
      ...(session === undefined ? {} : { session }),
      ...(person.subject === undefined ? { guest: session === undefined } : {}),
      ...(person.subject !== undefined && (session === undefined || chance.maybe(0.7))
        ? { token: world.token(person.subject) }
        : {}),
      open: [...views.values()].map(({ conversation, first, epoch }) =>
        first.seq === 0 && chance.maybe(0.7) ? { conversation } : { conversation, seq: first.seq, epoch },
      ),
      client: { name, version: "1" },
    });
    const connection = world.connect({
      device,
      node: "",
      phase: "joining",
      openedAt: scheduler.now(),
      auth,
      sent: new Map(),
      reopening: new Map(),
      opened: new Map(views),
      session: undefined,
      heardAt: scheduler.now(),
      listening: false,
    });
    if (connection === undefined) return reconnect(chance.whole(100, 600));
    connections.add(connection);
    put(connection, auth);
    watch(connection);
  };
  const reconnect = (ms: number): void => {
    if (connecting || ended) return;
    connecting = true;
    later(ms, () => {
      connecting = false;
      if (ready().length === 0) connect();
    });
  };
  /** A client that hears nothing asks, and leaves when nothing comes back. */
  const watch = (connection: Connection): void => {
    later(heartbeatMs * 1.5, () => {
      if (connection.phase === "closed") return;
      const asked = scheduler.now();
      if (connection.phase === "ready") put(connection, issue({ type: "ping" }));
      later(5000, () => {
        if (connection.phase === "closed" || connection.heardAt >= asked) return;
        world.trace(() => `${name} gives a connection up`);
        connection.link.leave(1006);
        closed(connection, 1006);
      });
      watch(connection);
    });
  };
  const forget = (): void => {
    session = undefined;
    if (person.subject !== undefined) return;
    // The guest is gone with the session, and everything that was the guest's.
    for (const connection of connections) {
      connection.link.leave(1000);
      connection.phase = "closed";
      connections.delete(connection);
    }
    person = world.newGuest();
    views.clear();
    pending.clear();
    rows.clear();
  };

  const closed = (connection: Connection, code: number): void => {
    if (connection.phase === "closed") return;
    world.trace(() => `${name} closed ${code}`);
    connection.phase = "closed";
    connections.delete(connection);
    for (const view of views.values()) view.live.delete(connection);
    const other = ready().at(-1);
    for (const { sent, times } of connection.sent.values()) {
      if (times > 0 && other !== undefined && pending.get(sent.id) === sent) put(other, sent);
    }
    if (other !== undefined) openMissing(other);
    if (other !== undefined && rows.size > 0) put(other, issue({ type: "conversation.list", limit: 100 }));
    const action = Object.hasOwn(closeCodes, code) ? closeCodes[code as CloseCode].action : "unknown";
    if (action === "unknown") wrong("invariant 17", `closed with ${code}`);
    if (action === "sign-in") forget();
    // An ID token is made anew by connect(); a session without one may be bad.
    if (action === "new-token" && person.subject === undefined) forget();
    reconnect(action === "reconnect-slower" ? chance.whole(1000, 4000) : chance.whole(20, 1500));
  };

  const compare = (view: View, after: string): void => {
    const { first, second, conversation } = view;
    const story = witness.story(conversation, first.seq);
    const where = `${conversation} at seq ${first.seq} after ${after}`;
    if (first.mismatches > 0) wrong("FO4", `${where}: ${first.mismatches} mismatches`);
    if (story === undefined) return wrong("invariant 6", `${where}: the log has only ${witness.head(conversation)}`);
    if (!first.more && second.faults.length > 0) wrong("invariant 3", `${where}: ${second.faults.join("; ")}`);
    const skipped = story.messages.length - first.messages.length;
    if (skipped < 0 || (skipped > 0 && !first.more)) {
      return wrong("invariant 3", `${where}: ${first.messages.length} messages, the log says ${story.messages.length}`);
    }
    for (const [i, message] of first.messages.entries()) {
      const text = canon(message);
      const told = story.messages[i + skipped];
      const seconds = second.messages[i];
      if (told === undefined || canon(told) !== text) {
        return wrong("invariant 3", `${where}: message ${text}\n  the log says ${told && canon(told)}`);
      }
      if (seconds === undefined || canon(seconds) !== text) {
        return wrong("FO1", `${where}: message ${text}\n  the second fold says ${seconds && canon(seconds)}`);
      }
    }
    const rest = ({ title, createdAt, archived, deleted, turns }: Conversation | Story): string =>
      canon({ title, createdAt, archived, deleted, turns });
    if (rest(first) !== rest(story)) wrong("invariant 3", `${where}: ${rest(first)}\n  the log says ${rest(story)}`);
    if (rest(first) !== rest(second)) wrong("FO1", `${where}: ${rest(first)}\n  the second fold says ${rest(second)}`);
  };

  /** The view that a frame of this connection is for. */
  const viewThrough = (connection: Connection, conversation: string): View | undefined => {
    const view = views.get(conversation);
    return connection.opened.get(conversation) === view ? view : undefined;
  };
  const events = (connection: Connection, frame: Extract<ServerFrame, { type: "events" }>): void => {
    const view = viewThrough(connection, frame.conversation);
    if (view === undefined) return;
    const what = receive(view.first.seq, frame.from, frame.to);
    if (what === "drop") return;
    if (what === "gap") {
      if (connection.reopening.has(frame.conversation)) return;
      world.trace(() => `${name} has a gap: ${view.first.seq}, then ${frame.from}..${frame.to}`);
      return open(connection, frame.conversation);
    }
    view.first = applyEvents(view.first, frame.events, frame.to);
    for (const event of frame.events) view.second = tell(view.second, event, frame.to);
    compare(view, `events ${frame.from}..${frame.to}`);
  };
  const begin = (connection: Connection, fields: Fields): void => {
    const sent = issue(fields);
    connection.reopening.set(String(fields["conversation"]), sent.id);
    put(connection, sent);
  };
  const begun = (connection: Connection, { id, fields }: Sent): void => {
    const conversation = String(fields["conversation"]);
    if (connection.reopening.get(conversation) === id) connection.reopening.delete(conversation);
  };
  const open = (connection: Connection, conversation: string): void => {
    const view = views.get(conversation);
    if (view !== undefined) connection.opened.set(conversation, view);
    const cursor = view === undefined || view.first.seq === 0 ? {} : { seq: view.first.seq, epoch: view.epoch };
    view?.live.delete(connection);
    begin(connection, { type: "conversation.open", conversation, ...cursor });
  };

  /** What is looked at, but not through this connection. */
  const openMissing = (connection: Connection): void => {
    for (const [conversation, view] of views)
      if (connection.opened.get(conversation) !== view) open(connection, conversation);
  };

  const answered = (connection: Connection, id: string, frame: ServerFrame): Sent | undefined => {
    const known = connection.sent.get(id);
    // The id of the frames that are malformed on purpose.
    if (id === "x") return undefined;
    if (known === undefined || known.times === 0) {
      wrong("CM", `an answer to ${id}, which was not asked here: ${JSON.stringify(frame)}`);
      return undefined;
    }
    known.times--;
    if (!known.sent.forged) pending.delete(id);
    return known.sent;
  };
  const openedAt = (conversation: string, epoch: unknown): void => {
    const view = views.get(conversation);
    // What a view has is of the epoch in which it was read.
    if (view !== undefined && view.first.seq === 0) view.epoch = typeof epoch === "string" ? epoch : undefined;
  };
  /** The store is another one now: what is known of it counts no more. */
  const refresh = (): void => {
    listening ||= rows.size > 0;
    rows.clear();
  };
  const refused = (conversation: string): void => {
    // What is gone for the server is gone here.
    if (witness.histories.get(conversation)?.endedAt !== undefined) {
      views.delete(conversation);
      return;
    }
    // One that is not there yet may come: somebody is about to make it.
    later(chance.whole(300, 2000), () => {
      const view = views.get(conversation);
      const connection = ready().at(-1);
      if (view !== undefined && view.live.size === 0 && connection !== undefined) open(connection, conversation);
    });
  };

  const acked = (connection: Connection, sent: Sent, ack: Readonly<Record<string, unknown>>): void => {
    const { fields } = sent;
    if (!sent.forged) done.set(sent.id, { sent, ack });
    if (fields.type === "auth") {
      connection.phase = "ready";
      const given = ack["session"] as { id: string; token: string };
      session = given.token;
      const { id: user } = ack["user"] as { id: string };
      if (person.user !== undefined && person.user !== user)
        wrong("invariant 13", `was ${person.user}, is now ${user}`);
      person.user = user;
      if (epoch !== undefined && epoch !== ack["epoch"]) refresh();
      epoch = String(ack["epoch"]);
      for (const view of views.values()) openedAt(view.conversation, ack["epoch"]);
      openMissing(connection);
      for (const waiting of pending.values()) if (waiting !== sent) put(connection, waiting);
      if (rows.size > 0 || listening) put(connection, issue({ type: "conversation.list", limit: 100 }));
    } else if (fields.type === "conversation.open") {
      begun(connection, sent);
      openedAt(String(fields["conversation"]), ack["epoch"]);
    } else if (fields.type === "conversation.list") {
      connection.listening = true;
      const listed = new Map(
        (ack["conversations"] as { id: string; seq: number; title?: string }[]).map((row) => [row.id, row]),
      );
      for (const id of rows.keys()) if (!listed.has(id)) rows.delete(id);
      for (const { id, seq, title } of listed.values()) {
        if (seq >= (rows.get(id)?.seq ?? 0)) rows.set(id, { seq, title, deleted: false });
      }
    }
  };

  const frame = (connection: Connection, text: string): void => {
    if (connection.phase === "closed") return;
    connection.heardAt = scheduler.now();
    world.trace(() => `${name} < ${text.slice(0, 220)}`);
    for (const [mark] of text.matchAll(/«\d+»/g)) {
      if (mark !== person.mark) wrong("invariant 13", `${person.mark} was sent ${text.slice(0, 300)}`);
    }
    const parsed = JSON.parse(text) as ServerFrame;
    if (parsed.type !== "error" && "conversation" in parsed && typeof parsed.conversation === "string") {
      const user = witness.histories.get(parsed.conversation)?.user;
      if (parsed.type !== "ack" && user !== undefined && user !== person.user)
        wrong("invariant 13", `foreign frame ${text.slice(0, 300)}`);
    }
    switch (parsed.type) {
      case "ack": {
        const sent = answered(connection, parsed.id, parsed);
        if (sent !== undefined) acked(connection, sent, parsed);
        return;
      }
      case "error": {
        const sent = parsed.id === undefined ? undefined : answered(connection, parsed.id, parsed);
        const conversation =
          sent === undefined ? (parsed as { conversation?: unknown }).conversation : sent.fields["conversation"];
        if (sent?.fields.type === "conversation.open") begun(connection, sent);
        if (parsed.error.code === "not_found" && typeof conversation === "string") {
          if (sent === undefined || sent.fields.type === "conversation.open") connection.opened.delete(conversation);
          refused(conversation);
        }
        // What may come right later is tried again, with the same id.
        if (
          sent !== undefined &&
          !sent.forged &&
          changes(sent.fields.type) &&
          parsed.error.code === "unavailable" &&
          !ended
        ) {
          pending.set(sent.id, sent);
          later(chance.whole(300, 1500), () => {
            const again = ready().at(-1);
            if (again !== undefined && pending.has(sent.id)) put(again, sent);
          });
        }
        return;
      }
      case "events":
        return events(connection, parsed);
      case "snapshot": {
        const view = viewThrough(connection, parsed.conversation);
        if (view === undefined) return;
        const { seq, state } = parsed;
        // A second socket may be ahead of this one: a reader never goes back within an epoch.
        const { epoch: of } = parsed as { epoch?: string };
        if (seq < view.first.seq && of === view.epoch) return;
        view.epoch = of;
        const { title, createdAt, messages, turns } = state;
        view.first = fromSnapshot(seq, state);
        view.second = { ...emptyStory, seq, title, createdAt, archived: state.archived ?? false, messages, turns };
        return compare(view, "a snapshot");
      }
      case "live": {
        const view = viewThrough(connection, parsed.conversation);
        if (view === undefined) return;
        // What an earlier opening says is of no interest any more.
        if (connection.reopening.has(parsed.conversation)) return;
        // Of a deleted conversation nothing is left that could be sent before.
        const ended = witness.histories.get(parsed.conversation)?.endedAt !== undefined;
        if (parsed.seq > view.first.seq && !ended)
          wrong("RD1", `live at ${parsed.seq}, but the view is at ${view.first.seq}`);
        view.live.add(connection);
        return;
      }
      case "conversation": {
        const { conversation, seq, title, deleted } = parsed;
        const story = witness.story(conversation, seq);
        if (story === undefined) return wrong("invariant 5", `a row at seq ${seq}`);
        if (!story.deleted && (title !== story.title || (parsed.archived ?? false) !== story.archived)) {
          wrong("RD7", `row ${text}, the log says ${story.title}`);
        }
        rows.set(conversation, { seq, title, deleted: deleted ?? false });
        return;
      }
      case "notice":
        if (parsed.code === "token_expiring" && person.subject !== undefined && chance.maybe(0.6)) {
          put(connection, issue({ type: "auth.refresh", token: world.token(person.subject) }));
        }
        return;
      default:
        return parsed satisfies never;
    }
  };

  const device = {
    name,
    owner,
    views,
    pending,
    rows,
    mischief,
    done,
    person: () => person,
    session: () => session,
    connections,
    ready,
    connect,
    issue,
    put,
    submit,
    frame,
    closed,
    /** Begins to look at a conversation. */
    view(conversation: string): void {
      if (views.has(conversation)) return;
      const state = { first: emptyConversation, second: emptyStory, epoch: undefined, live: new Set<Connection>() };
      views.set(conversation, { conversation, ...state });
      const connection = ready().at(-1);
      if (connection !== undefined) open(connection, conversation);
    },
    /** Begins anew to look at a conversation, from wherever. */
    openAt(conversation: string, seq: number | undefined): void {
      const connection = ready().at(-1);
      if (connection === undefined) return;
      const view = {
        conversation,
        first: emptyConversation,
        second: emptyStory,
        epoch: undefined,
        live: new Set<Connection>(),
      };
      views.set(conversation, view);
      connection.opened.set(conversation, view);
      begin(connection, { type: "conversation.open", conversation, ...(seq === undefined ? {} : { seq }) });
    },
    leave(conversation: string): void {
      views.delete(conversation);
      for (const connection of ready()) {
        connection.opened.delete(conversation);
        put(connection, issue({ type: "conversation.close", conversation }));
      }
    },
    /** Forgets answers that the store no longer knows of. */
    restored(known: (user: string, id: string) => boolean): void {
      for (const [id, { sent }] of done) {
        if (known(sent.person.user ?? "", id)) continue;
        sent.ack = undefined;
        done.delete(id);
      }
      const asked = [...connections].flatMap((connection) => [...connection.sent.values()].map((item) => item.sent));
      for (const sent of [...pending.values(), ...asked]) {
        if (!known(sent.person.user ?? "", sent.id)) sent.ack = undefined;
      }
      // Nothing of before arrives any more.
      for (const connection of connections) connection.link.silence("down");
    },
    /** Goes away and comes back. */
    sleep(ms: number): void {
      away = true;
      for (const connection of connections) {
        connection.link.leave(1001);
        closed(connection, 1001);
      }
      later(ms, () => {
        away = false;
        if (connections.size === 0) connect();
      });
    },
    end(): void {
      ended = true;
      for (const connection of connections) {
        connection.link.leave(1000);
        closed(connection, 1000);
      }
    },
  };
  return device;
}
