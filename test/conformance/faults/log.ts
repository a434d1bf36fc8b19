// Owns the planted faults of the log, of turns, lists and several devices: what is wrong, and which check has to say so.
import type { Json, WireEvent } from "../../support/wire-view.ts";
import type { Fault } from "../faulty.ts";
import { ackOf, commandOf, errorOf, eventOf, frameOf, without, type Planted } from "./plant.ts";

const rowsOf = (frame: Json, field: string): Json[] => frame[field] as Json[];
const stateOf = (frame: Json, change: (messages: Json[]) => Json[]): Json => {
  const state = frame["state"] as Json;
  return { ...frame, state: { ...state, messages: change(state["messages"] as Json[]) } };
};
const other = (text: unknown): string => `#${String(text).slice(1)}`;
/** Every frame with events behind the first, one place further on. */
const shifted = (frame: Json): Json => {
  const by = Number(frame["from"]) > 3 ? 1 : 0;
  return { ...frame, from: Number(frame["from"]) + by, to: Number(frame["to"]) + by };
};

/** Page `field` of a command has the last one of the page before once more. */
const repeating = (command: string, field: string) =>
  function plant(): Fault {
    let last: Json | undefined;
    return ackOf(command, (ack, { cursor, before }) => {
      const page = rowsOf(ack, field);
      const own = cursor === undefined && before === undefined ? page : [last ?? {}, ...page.slice(1)];
      last = page.at(-1);
      return { ...ack, [field]: own };
    })();
  };

/** Strikes the nth frame with pieces. */
const atPiece = (nth: number, strike: (frame: Json) => Json | undefined) =>
  function plant(): Fault {
    let count = 0;
    return frameOf("events", (frame) => {
      const has = (frame["events"] as WireEvent[]).some(({ kind }) => kind === "reply.appended");
      return has && ++count === nth ? strike(frame) : frame;
    })();
  };

export const logFaults: readonly Planted[] = [
  { what: "a hole in the numbers", by: "CN11", problem: /a gap/, fault: frameOf("events", shifted) },
  { what: "another length than was said", by: "CN11", problem: /length \d+ said, \d+ read/, fault: eventOf("turn.finished", (event) => [{ ...event, length: Number(event["length"]) + 1 }]) },
  { what: "a turn before its message", by: "CN11", problem: /a turn under nothing/, fault: frameOf("events", (frame) => ({ ...frame, events: (frame["events"] as WireEvent[]).toSorted((a, b) => Number(b.kind === "turn.started") - Number(a.kind === "turn.started")) })) },
  { what: "a reply of no parent", by: "CN11", problem: /parent and turn of the reply/, fault: eventOf("turn.started", (event) => [{ ...event, parent: null }]) },
  { what: "one letter of one piece", by: "CG4", problem: /the view from the first event/, fault: eventOf("reply.appended", (event) => [{ ...event, text: other(event["text"]) }], 1) },
  { what: "a lost piece", by: "CG4", problem: /offset \d+ at \d+/, fault: eventOf("reply.appended", () => [{ kind: "conversation.updated", at: new Date().toISOString() }], 1) },
  { what: "a lost frame", by: "CG4", problem: /a gap/, fault: atPiece(2, () => undefined) },
  { what: "a doubled entry", by: "CG4", problem: /[2-9] events, .* in (\d+)\.\.\1|offset/, fault: eventOf("reply.appended", (event) => [event, event], 1) },
  { what: "an offset as a text", by: "CG4", problem: /offset is "0", not a whole number/, fault: eventOf("reply.appended", (event) => [{ ...event, offset: String(event["offset"]) }], 1) },
  { what: "a snapshot without its first message", by: "CG4", problem: /the view by snapshot/, fault: frameOf("snapshot", (frame) => stateOf(frame, (messages) => messages.slice(1))) },
  { what: "live at another seq", by: "CG4", problem: /live at \d+/, fault: frameOf("live", (frame) => ({ ...frame, seq: Number(frame["seq"]) + 1 })) },
  { what: "who comes back is given the log one event too late", by: "CG4b", problem: /a gap|number of snapshots|live at/, fault: commandOf("auth", (frame) => ({ ...frame, open: rowsOf(frame, "open").map((one) => ({ ...one, seq: Number(one["seq"]) + 1 })) })) },
  { what: "who comes back is given a snapshot", by: "CG4b", problem: /number of snapshots is 1, not 0/, fault: commandOf("auth", (frame) => ({ ...frame, open: rowsOf(frame, "open").map((one) => without(one, "seq")) })) },
  { what: "catching up skips one event", by: "CG4c", problem: /a gap/, fault: commandOf("conversation.open", (frame) => (Number(frame["seq"]) > 3 ? { ...frame, seq: Number(frame["seq"]) + 1 } : frame)) },
  { what: "catching up ends before the end", by: "CG4c", problem: /live at \d+/, fault: () => ({ down: (frame, { number }) => (number > 1 && frame["type"] === "events" && Number(frame["from"]) > 6 ? undefined : frame) }) },
  { what: "catching up has another text", by: "CG4c", problem: /the view from seq \d+/, fault: () => ({ down: (frame, { number }) => (number > 1 && frame["type"] === "events" ? { ...frame, events: (frame["events"] as WireEvent[]).map((event) => (event.kind === "reply.appended" ? { ...event, text: other(event["text"]) } : event)) } : frame) }) },
  { what: "a cursor ahead is an error", by: "CN12", problem: /not opened: .*not_found/, fault: commandOf("conversation.open", (frame) => (Number(frame["seq"]) > 900 ? { ...frame, conversation: crypto.randomUUID() } : frame)) },
  { what: "another epoch is not looked at", by: "CN12", problem: /snapshots for .*epoch.* is 0, not 1/, fault: commandOf("conversation.open", (frame) => without(frame, "epoch")) },
  { what: "an epoch for each connection", by: "CN12", problem: /the epoch on another device/, fault: () => ({ down: (frame, { number }) => (frame["epoch"] === undefined ? frame : { ...frame, epoch: `epoch ${number}` }) }) },
  { what: "what was closed goes on", by: "CN13", problem: /events of a conversation that was left/, fault: commandOf("conversation.close", (frame) => ({ type: "ping", id: frame["id"] })) },
  {
    what: "a piece after the ack of a stop",
    by: "CG5",
    problem: /reply\.appended of a turn that does not run|a gap/,
    fault() {
      let last: WireEvent | undefined;
      return {
        down(frame, link) {
          last = (frame["events"] as WireEvent[] | undefined)?.find(({ kind }) => kind === "reply.appended") ?? last;
          if (frame["type"] !== "ack" || link.asked(frame)?.["type"] !== "turn.stop" || last === undefined) return frame;
          const seq = Number(frame["seq"]) + 1;
          return [frame, { type: "events", conversation: link.asked(frame)?.["conversation"], from: seq, to: seq, events: [last] }];
        },
      };
    },
  },
  { what: "a stop is acknowledged as completed", by: "CG5", problem: /status of the ack is "completed"/, fault: ackOf("turn.stop", (ack) => ({ ...ack, status: "completed" })) },
  { what: "the log ends a stopped turn otherwise", by: "CG5", problem: /status of turn\.finished is "failed"/, fault: eventOf("turn.finished", (event) => [{ ...event, status: "failed" }]) },
  { what: "a retry has the id of the reply", by: "CN14", problem: /a retry has the reply's own id/, fault: ackOf("turn.retry", (ack, { message }) => ({ ...ack, reply: message })) },
  { what: "going on begins again", by: "CN14", problem: /the reply that goes on is/, fault: commandOf("turn.continue", (frame) => ({ ...frame, type: "turn.retry" })) },
  { what: "a running reply can be gone on with", by: "CN14", problem: /a running reply goes on in two turns/, fault: () => ({ down: (frame, link) => (frame["type"] === "error" && link.asked(frame)?.["type"] === "turn.continue" ? { type: "ack", id: frame["id"], turn: "t", reply: "r", seq: 1 } : frame) }) },
  { what: "a conflict is an invalid", by: "CN15", problem: /under a running reply is invalid/, fault: errorOf("conflict", (error) => ({ ...error, code: "invalid" })) },
  { what: "two turns on one branch", by: "CN15", problem: /under a running reply is ack, not conflict/, fault: commandOf("message.send", (frame) => (frame["parent"] === undefined ? { ...frame, parent: null } : frame)) },
  { what: "no branch beside a running one", by: "CN15", problem: /refused: .*conflict/, fault: commandOf("message.send", (frame) => (frame["parent"] === null ? without(frame, "parent") : frame)) },
  { what: "without a parent is at the root", by: "CN15", problem: /parent of a send without one/, fault() {
      let sent = 0;
      return commandOf("message.send", (frame) => (frame["parent"] === undefined && ++sent === 3 ? { ...frame, parent: null } : frame))();
    } },
  { what: "an edit does not say of what", by: "CN16", problem: /editOf and parent of the edit/, fault: eventOf("message.created", (event) => [{ ...event, message: { ...(event["message"] as Json), metadata: without((event["message"] as Json)["metadata"] as Json, "editOf") } }]) },
  { what: "an edit takes the old one's place", by: "CN16", problem: /the messages of a snapshot/, fault: frameOf("snapshot", (frame) => stateOf(frame, (messages) => messages.filter(({ id }) => !messages.some(({ metadata }) => (metadata as Json)["editOf"] === id)))) },
  { what: "a reaction of somebody else", by: "CN17", problem: /the reactions is/, fault: eventOf("reaction.changed", (event) => [{ ...event, user: "somebody" }]) },
  { what: "a reaction is never taken back", by: "CN17", problem: /reactions, taken back/, fault: commandOf("message.react", (frame) => ({ ...frame, on: true })) },
  { what: "a page repeats a row", by: "CN18", problem: /the list by pages of 3/, fault: repeating("conversation.list", "conversations") },
  { what: "a page's rows the other way round", by: "CN18", problem: /the list by pages of 3/, fault: ackOf("conversation.list", (ack) => ({ ...ack, conversations: rowsOf(ack, "conversations").toReversed() })) },
  { what: "a page is cut short", by: "CN18", problem: /the list by pages of 3/, fault: ackOf("conversation.list", (ack, { limit }) => (limit === 3 ? without(ack, "cursor") : ack)) },
  { what: "the limit of a page is not kept", by: "CN18", problem: /pages of 7.* for a limit of 3/, fault: commandOf("conversation.list", (frame) => without(frame, "limit")) },
  { what: "a query finds everything", by: "CN18", problem: /the list by query/, fault: commandOf("conversation.list", (frame) => without(frame, "query")) },
  { what: "archived ones are not found", by: "CN18", problem: /the archived is/, fault: commandOf("conversation.list", (frame) => without(frame, "archived")) },
  { what: "a row without its seq", by: "CN18", problem: /conversations\.0\.seq is left out/, fault: ackOf("conversation.list", (ack) => ({ ...ack, conversations: rowsOf(ack, "conversations").map((row) => without(row, "seq")) })) },
  { what: "a page of history repeats a message", by: "CN19", problem: /messages (by pages of 3|in pages of 8)/, fault: repeating("conversation.history", "messages") },
  { what: "a page of history the other way round", by: "CN19", problem: /messages (by pages of 3|in pages of 8)/, fault: ackOf("conversation.history", (ack) => ({ ...ack, messages: rowsOf(ack, "messages").toReversed() })) },
  { what: "history never has more", by: "CN19", problem: /messages by pages of 3/, fault: ackOf("conversation.history", (ack) => ({ ...ack, more: false })) },
  { what: "no rows are pushed", by: "CN20", problem: /for the row with the last change/, fault: frameOf("conversation", () => undefined) },
  { what: "a row comes twice", by: "CN20", problem: /rows of one conversation in/, fault: frameOf("conversation", (frame) => [frame, frame]) },
  { what: "a row has the title of before", by: "CN20", problem: /the last row is/, fault: frameOf("conversation", (frame) => ({ ...frame, title: "before" })) },
  { what: "rows for who has not asked", by: "CN20", problem: /device that has not asked is 1, not 0/, fault: ackOf("ping", (ack) => [{ type: "conversation", conversation: crypto.randomUUID(), updatedAt: ack["now"], seq: 1 }, ack]) },
  { what: "another device does not get an event", by: "CN21", problem: /a gap/, fault() {
      let isDone = false;
      return { down: (frame, { number }) => (!isDone && number === 2 && Number(frame["from"]) > 1 ? ((isDone = true), undefined) : frame) };
    } },
  {
    what: "two events change places on another device",
    by: "CN21",
    problem: /the title at \d+/,
    fault() {
      let kept: unknown;
      return {
        down(frame, { number }) {
          if (number !== 2 || frame["type"] !== "events") return frame;
          const events = (frame["events"] as WireEvent[]).map((event) => {
            if (event.kind !== "conversation.updated") return event;
            const title = kept ?? event["title"];
            kept = event["title"];
            return { ...event, title };
          });
          return { ...frame, events };
        },
      };
    },
  },
  { what: "everything is kept for who does not read", by: "CG8", problem: /were taken for a reader that reads none/, fault: () => ({ flow: "hoards" }) },
  { what: "everybody waits for who does not read", by: "CG8", problem: /for an answer to ping/, fault: () => ({ flow: "jams" }) },
  {
    what: "what was dropped for who did not read is forgotten",
    by: "CG8",
    // Where it was the last frame, nothing behind it tells of a gap: the head never comes.
    problem: /a gap|offset|live at|the head for the reader that had stopped/,
    fault() {
      let isRelieved = false;
      let isDone = false;
      return {
        relieved: () => void (isRelieved = true),
        down(frame) {
          if (!isRelieved || isDone || frame["type"] !== "events") return frame;
          isDone = true;
          return undefined;
        },
      };
    },
  },
]; // prettier-ignore
