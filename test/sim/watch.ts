// Owns what is judged while it happens on the server's side: every frame that is sent, every close, every call of a model.
import type { MemoryDisk } from "../../src/adapters/memory/disk.ts";
import { closeCodes, type Event } from "../../src/protocol/index.ts";
import { canon } from "./canon.ts";
import { changes, type Connection, type Device, type Sent } from "./device.ts";
import type { Call } from "./model.ts";
import type { Incarnation } from "./node.ts";
import { createOwner } from "./scheduler.ts";
import type { Stage } from "./world.ts";

type Frame = Readonly<Record<string, unknown>> & { readonly type: string };
type History = NonNullable<ReturnType<Stage["witness"]["histories"]["get"]>>;

export type Watch = ReturnType<typeof createWatch>;

const textOf = (parts: unknown): string =>
  (parts as { type: string; text?: string }[]).map((part) => (part.type === "text" ? (part.text ?? "") : "")).join("");

export function createWatch(stage: Stage, marks: Map<string, string>, disk: () => MemoryDisk) {
  const { witness, scheduler, wrong, nature } = stage;
  const world = createOwner();
  /** What a reader must get next: seq + 1, or a snapshot where `seq` is undefined. */
  const readers = new WeakMap<Connection, Map<string, { seq: number | undefined; snapshot: boolean }>>();
  const revoked = new Map<string, number>();
  const callers = new WeakMap<Call, Incarnation>();
  let everRestored = false;
  /** Whoever was signed out at least once. */
  const signedOut = new Set<string>();

  const readersOf = (connection: Connection) => {
    const known = readers.get(connection) ?? new Map<string, { seq: number | undefined; snapshot: boolean }>();
    readers.set(connection, known);
    return known;
  };
  const begin = (connection: Connection, item: { conversation: string; seq?: number; epoch?: string }): void => {
    const { conversation, seq, epoch } = item;
    const known = seq !== undefined && seq >= 0 && (epoch === undefined || epoch === disk().epoch);
    readersOf(connection).set(conversation, {
      seq: known ? seq : undefined,
      snapshot: !known || seq > witness.head(conversation),
    });
  };

  const reads = (connection: Connection, frame: Frame, unsent: number): void => {
    const conversation = String(frame["conversation"]);
    const reader = readersOf(connection).get(conversation);
    const what = `${connection.device.name} is sent ${JSON.stringify(frame).slice(0, 200)}`;
    if (reader === undefined) return wrong("SO2", `${what}, which it does not read`);
    const head = witness.head(conversation);
    const ended = witness.histories.get(conversation)?.endedAt !== undefined;
    if (frame.type === "snapshot") {
      const seq = Number(frame["seq"]);
      if (seq > head) wrong("invariant 5", `${what}, head ${head}`);
      if (!reader.snapshot) wrong("RD2", `${what}, but asked for what follows ${reader.seq}`);
      readersOf(connection).set(conversation, { seq, snapshot: false });
      return;
    }
    if (frame.type === "live") {
      if (Number(frame["seq"]) !== reader.seq) wrong("RD1", `${what} at ${reader.seq}`);
      return;
    }
    const [from, to] = [Number(frame["from"]), Number(frame["to"])];
    if (to > head) wrong("invariant 5", `${what}, head ${head}`);
    if (to < from) wrong("invariant 4", what);
    if (from !== (reader.seq ?? -1) + 1 && !ended) wrong("RD1", `${what} after ${reader.seq}`);
    if (unsent >= 256 * 1024) wrong("G8", `${what} with ${unsent} bytes unsent`);
    reader.seq = to;
    reader.snapshot = false;
  };

  const acked = (connection: Connection, incarnation: Incarnation, sent: Sent, ack: Frame): void => {
    const { fields } = sent;
    const { type: _, id: __, ...answer } = ack;
    if (fields.type === "auth") return admitted(connection, sent, answer);
    const session = connection.session;
    const since = session === undefined ? undefined : revoked.get(session);
    const slack = nature.faults.pause > 0 && scheduler.now() - incarnation.pausedAt < 3000;
    if (since !== undefined && scheduler.now() - since > 1000 && !slack) {
      wrong(
        "invariant 14",
        `${connection.device.name}: ${fields.type} accepted ${scheduler.now() - since} ms after the end of its session`,
      );
    }
    const conversation = fields["conversation"];
    const history = typeof conversation === "string" ? witness.histories.get(conversation) : undefined;
    if (history !== undefined && history.user !== sent.person.user && fields.type !== "conversation.close") {
      wrong("invariant 13", `${sent.person.user} was let into ${history.id}: ${JSON.stringify(ack)}`);
    }
    if (fields.type === "conversation.open") begin(connection, fields as unknown as { conversation: string });
    if (fields.type === "conversation.close") readersOf(connection).delete(String(conversation));
    if (fields.type === "auth.logout") signedOutNow(sent);
    if (!changes(fields.type)) return;
    if (sent.forged)
      return wrong("invariant 2", `${JSON.stringify(fields)} was accepted under the id of another command`);
    const said = canon(answer);
    if (sent.ack !== undefined && sent.ack !== said) wrong("invariant 2", `${sent.id} got ${sent.ack}, then ${said}`);
    if (sent.ack === undefined) sent.ackedAt = scheduler.now();
    sent.ack = said;
    const seq = Number(answer["seq"]);
    if (history === undefined)
      return wrong("invariant 1", `${JSON.stringify(fields)} got ${said}, but nothing is there`);
    const fault = contradiction(sent, answer, history, seq);
    if (fault !== undefined) {
      const [before, at] = [history.events[seq - 2], history.events[seq - 1]];
      wrong(
        "invariant 1",
        `${JSON.stringify(fields)} got ${said}: ${fault}; seq ${seq} is ${JSON.stringify(at)} after ${JSON.stringify(before)}`,
      );
    }
    if (fields.type === "turn.stop") stopped(String(fields["turn"]), incarnation);
  };

  const signedOutNow = (sent: Sent): void => {
    for (const session of disk().sessions.values()) {
      if (session.revokedAt === undefined) continue;
      if (!revoked.has(session.id)) revoked.set(session.id, scheduler.now());
    }
    signedOut.add(sent.person.mark);
    scheduler.after(world, 1000, () => stage.devices.forEach(lookForSignedOut));
  };

  /** A second after the end of a session no socket of it is served any more. */
  const lookForSignedOut = (device: Device): void => {
    for (const { session, link, node } of device.connections) {
      const since = session === undefined ? undefined : revoked.get(session);
      if (since === undefined || scheduler.now() - since < 1000 || !link.isServed()) continue;
      const incarnation = stage.nodes.find((other) => other.current?.name === node)?.current;
      if (incarnation === undefined || incarnation.owner.paused || scheduler.now() - incarnation.pausedAt < 3000)
        continue;
      wrong("invariant 14", `${device.name} is served ${scheduler.now() - since} ms after the end of its session`);
    }
  };

  const admitted = (connection: Connection, sent: Sent, answer: Readonly<Record<string, unknown>>): void => {
    const { id: user } = answer["user"] as { id: string };
    const { id: session, resumed } = answer["session"] as { id: string; resumed: boolean };
    const before = marks.get(user);
    if (before !== undefined && before !== sent.person.mark)
      wrong("invariant 13", `${user} is ${before}, now ${sent.person.mark}`);
    marks.set(user, sent.person.mark);
    connection.session = session;
    const since = revoked.get(session);
    if (resumed && since !== undefined && since < sent.issuedAt)
      wrong("SE2", `a session was resumed that had ended at ${since}`);
    for (const item of (sent.fields["open"] ?? []) as { conversation: string }[]) begin(connection, item);
  };

  /** A stop is final at once, and the model hears of it within 500 ms. */
  const stopped = (turn: string, incarnation: Incarnation): void => {
    if (witness.turns.get(turn)?.finishedAt === undefined)
      return wrong("invariant 9", `turn ${turn} was stopped and goes on`);
    if (nature.nodes > 1 || nature.lossy) return;
    scheduler.after(world, 500, () => {
      if (!incarnation.owner.alive || incarnation.owner.paused || scheduler.now() - incarnation.pausedAt < 500) return;
      for (const call of stage.calls) {
        if (call.turn !== turn || call.state !== "running" || callers.get(call) !== incarnation) continue;
        if (call.abortedAt === undefined) wrong("G5", `the model still works on ${turn}, 500 ms after its stop`);
      }
    });
  };

  const refused = (connection: Connection, incarnation: Incarnation, sent: Sent | undefined, frame: Frame): void => {
    const { code } = frame["error"] as { code: string };
    const fields = sent?.fields;
    const what = `${connection.device.name}: ${JSON.stringify(fields)?.slice(0, 300)} got ${JSON.stringify(frame["error"])}`;
    if (code === "internal" || code === "forbidden" || code === "overloaded") {
      const isReply = code === "forbidden" && fields?.type === "message.edit";
      if (!isReply) wrong("CM", what);
    }
    if (sent === undefined || fields === undefined) return;
    const leaving = incarnation.draining || nature.faults.full > 0;
    if (code === "unavailable" && !leaving) wrong("CM", what);
    if (sent.forged && code !== "conflict" && code !== "unavailable") wrong("LG6", what);
    // One that was sent elsewhere before its ack may have been refused before it was done.
    const later = (connection.sent.get(sent.id)?.at ?? 0) > sent.ackedAt;
    if (sent.ack !== undefined && later && !sent.forged && code !== "unavailable")
      wrong("invariant 2", `${what}, but before ${sent.ack}`);
    if (code === "conflict" && !sent.forged && !mayConflict.has(fields.type)) wrong("CM", what);
    if (code === "not_found" && isThere(sent)) wrong("CM1", what);
  };
  const mayConflict = new Set([
    "auth",
    "conversation.create",
    "message.send",
    "message.edit",
    "turn.retry",
    "turn.continue",
  ]);
  /** True where everything that a command names was there before it was given, and is there now. */
  const isThere = ({ fields, person, issuedAt }: Sent): boolean => {
    const history = witness.histories.get(String(fields["conversation"]));
    if (history === undefined || history.endedAt !== undefined || history.user !== person.user) return false;
    if ((history.at[1] ?? 0) >= issuedAt) return false;
    const named = fields.type === "message.send" ? fields["parent"] : (fields["message"] ?? fields["before"]);
    if (
      typeof named === "string" &&
      !history.events.some((event, i) => createsBefore(event, named, (history.at[i + 1] ?? 0) < issuedAt))
    )
      return false;
    const turn = fields["turn"];
    return typeof turn !== "string" || witness.turns.get(turn)?.conversation === history.id;
  };
  const createsBefore = (event: Event, id: string, early: boolean): boolean =>
    early &&
    ((event.kind === "message.created" && event.message.id === id) ||
      (event.kind === "turn.started" && event.message === id));

  return {
    sending(connection: Connection, incarnation: Incarnation, text: string, unsent: number): void {
      if (unsent > 1024 * 1024) wrong("G8", `${connection.device.name} has ${unsent} bytes unsent`);
      const frame = JSON.parse(text) as Frame;
      if (frame.type === "ack" || frame.type === "error") {
        const sent = connection.sent.get(String(frame["id"]))?.sent;
        if (frame.type === "error") refused(connection, incarnation, sent, frame);
        else if (sent === undefined) wrong("CM", `an ack of nothing: ${text}`);
        else acked(connection, incarnation, sent, frame);
      } else if (frame.type === "events" || frame.type === "snapshot" || frame.type === "live") {
        reads(connection, frame, unsent);
      }
    },
    closing(connection: Connection, incarnation: Incarnation, code: number): void {
      const what = `${connection.device.name} is closed with ${code}`;
      const { mark, subject } = connection.auth.person;
      const expected: Record<number, boolean> = {
        1003: connection.device.mischief.has(1003),
        1009: connection.device.mischief.has(1009),
        1012: incarnation.draining,
        1013: nature.weight > 1 || nature.faults.full > 0,
        4400: connection.device.mischief.has(4400),
        4401: subject !== undefined || everRestored,
        4408: true,
        4410: signedOut.has(mark) || [...disk().sessions.values()].some((row) => row.revokedAt !== undefined),
      };
      if (!Object.hasOwn(closeCodes, code) || expected[code] !== true) wrong("invariant 17", what);
    },
    called(incarnation: Incarnation, call: Call): void {
      const { turn, conversation, request } = call;
      const what = `the model is called for turn ${turn}`;
      callers.set(call, incarnation);
      const all = stage.calls.filter((other) => other.turn === turn);
      const row = witness.row(turn);
      if (row !== undefined && row.attempts < all.length)
        wrong("B16", `${what} the ${all.length}. time, written down are ${row.attempts}`);
      const others = all.filter(
        (other) => other !== call && other.state === "running" && other.abortedAt === undefined,
      );
      if (others.some((other) => callers.get(other) === incarnation))
        wrong("invariant 7", `${what} while it works on it`);
      const history = witness.histories.get(conversation);
      if (history === undefined) return wrong("CM3", `${what}, which is not in the log`);
      const story = history.stories.at(-1);
      if (story === undefined || story.deleted) return;
      const mark = marks.get(history.user);
      const last = request.messages.at(-1);
      if (last?.role !== "user" && !(nature.prefill && last?.role === "assistant"))
        wrong("MO", `${what} with ${last?.role} at the end`);
      for (const message of request.messages) {
        for (const [found] of textOf(message.content).matchAll(/«\d+»/g))
          if (found !== mark) wrong("invariant 13", `${what} with ${found} in it`);
      }
      const reply = story.messages.find((message) => message.metadata.turn === turn);
      if (reply === undefined) return;
      const path: string[] = [];
      for (let id = reply.metadata.parent; id !== null;) {
        path.unshift(id);
        id = story.messages.find((message) => message.id === id)?.metadata.parent ?? null;
      }
      const given = request.history.map((message) => message.id);
      if (canon(given) !== canon(path)) wrong("CM3", `${what} with ${given.join()}, not ${path.join()}`);
    },
    /** The store went back to an older state. */
    restored(): void {
      revoked.clear();
      everRestored = true;
    },
    /** The model gives nothing more: somebody must notice. */
    stalled(incarnation: Incarnation, call: Call): void {
      const { firstTokenMs, betweenTokensMs } = nature.settings.call;
      scheduler.after(world, Math.max(firstTokenMs, betweenTokensMs) * 2 + 1000, () => {
        const held = !incarnation.owner.alive || incarnation.owner.paused || incarnation.pausedAt > call.beganAt;
        if (!held && call.abortedAt === undefined) wrong("MO2", `turn ${call.turn} waits for a model that is silent`);
      });
    },
    committed(history: History, event: Event, seq: number, by: string): void {
      stage.trace(() => `${history.id.slice(0, 4)} ${seq} ${JSON.stringify(event).slice(0, 200)}`);
      if (event.kind !== "turn.finished" || event.status !== "completed") return;
      // One that lost the turn may still have been listening to its own call.
      const calls = stage.calls.filter((call) => call.turn === event.turn && callers.get(call)?.name === by);
      const done = calls.findLast((call) => call.state === "completed");
      const reply = history.stories[seq]?.messages.find((message) => message.id === event.message);
      const text = textOf(reply?.parts ?? []);
      if (done === undefined) return wrong("TU5", `turn ${event.turn} is completed, but no call of the model was`);
      if (!text.endsWith(done.text))
        wrong("invariant 1", `reply ${JSON.stringify(text)} does not end with ${JSON.stringify(done.text)}`);
    },
  };
}

/** What of an ack is not so in the log. */
function contradiction(
  sent: Sent,
  answer: Readonly<Record<string, unknown>>,
  history: History,
  seq: number,
): string | undefined {
  const { fields } = sent;
  const event = history.events[seq - 1];
  const before = history.events[seq - 2];
  const started =
    event?.kind === "turn.started" && event.turn === answer["turn"] && event.message === answer["reply"]
      ? event
      : undefined;
  const messages = history.stories[seq]?.messages ?? [];
  switch (fields.type) {
    case "conversation.create":
      return event?.kind === "conversation.created" && event.title === fields["title"] ? undefined : "not created";
    case "conversation.update":
      return event?.kind === "conversation.updated" &&
        event.title === fields["title"] &&
        event.archived === fields["archived"]
        ? undefined
        : "not updated";
    case "conversation.delete":
      return history.endedAt === undefined ? "not deleted" : undefined;
    case "message.send":
    case "message.edit": {
      const id = fields.type === "message.send" ? fields["message"] : fields["replacement"];
      if (started === undefined || started.parent !== id) return "no turn";
      if (before?.kind !== "message.created" || before.message.id !== id) return "no message";
      const { message } = before;
      if (canon(message.parts) !== canon(fields["parts"])) return "other content";
      if (fields.type === "message.send") {
        const newest = history.stories[seq - 2]?.messages.at(-1)?.id ?? null;
        return message.metadata.parent === (fields["parent"] === undefined ? newest : fields["parent"])
          ? undefined
          : "another parent";
      }
      const original = messages.find((other) => other.id === fields["message"]);
      const fits = message.metadata.editOf === original?.id && message.metadata.parent === original?.metadata.parent;
      return fits ? undefined : "no edit of it";
    }
    case "message.react": {
      const users =
        messages.find((message) => message.id === fields["message"])?.metadata.reactions?.[
          String(fields["reaction"])
        ] ?? [];
      return users.includes(sent.person.user ?? "") === fields["on"] ? undefined : "another reaction";
    }
    case "turn.stop":
      return event?.kind === "turn.finished" && event.turn === fields["turn"] && event.status === answer["status"]
        ? undefined
        : "no end of it";
    case "turn.retry": {
      const retried = messages.find((message) => message.id === fields["message"]);
      return started !== undefined && started.parent === retried?.metadata.parent && started.message !== retried.id
        ? undefined
        : "no sibling";
    }
    case "turn.continue":
      return started !== undefined && started.message === fields["message"] ? undefined : "not continued";
    default:
      return "unknown";
  }
}
