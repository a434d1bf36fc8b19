// Owns the planted faults of connections, commands and answers, and of HTTP: what is wrong, and which check has to say so.
import type { Json } from "../../support/wire-view.ts";
import { ackOf, anew, codeFor, commandOf, errorOf, eventOf, without, type Planted } from "./plant.ts";

export const talkFaults: readonly Planted[] = [
  { what: "no heartbeatMs in the ack of auth", by: "CN1", problem: /heartbeatMs is left out/, fault: ackOf("auth", (ack) => without(ack, "heartbeatMs")) },
  { what: "a session without a token", by: "CN1", problem: /session\.token is left out/, fault: ackOf("auth", (ack) => ({ ...ack, session: without(ack["session"] as Json, "token") })) },
  { what: "the time as a number", by: "CN1", problem: /now is 1, not a time/, fault: ackOf("auth", (ack) => ({ ...ack, now: 1 })) },
  { what: "every session is new", by: "CN1", problem: /resumed of a session is false/, fault: ackOf("auth", (ack) => ({ ...ack, session: { ...(ack["session"] as Json), resumed: false } })) },
  { what: "the subprotocol is not taken up", by: "CN1", problem: /the upgrade was refused/, fault: () => ({ lax: "subprotocol" }) },
  { what: "4401 is 1000", by: "CN2", problem: /ping first is 1000, not 4401/, fault: codeFor(4401, 1000) },
  { what: "an auth of any size is taken", by: "CN2", problem: /waited \d+ ms for the close/, fault: commandOf("auth", (frame) => without(frame, "padding")) },
  { what: "4408 is 1000", by: "CN3", problem: /close code is 1000, not 4408/, fault: codeFor(4408, 1000) },
  { what: "no pings", by: "CN4", problem: /for the first ping/, fault: () => ({ pings: "swallowed" }) },
  { what: "whoever answers no ping stays", by: "CN4", problem: /end of a socket that answers no ping/, fault: () => ({ pings: "answered" }) },
  { what: "4410 is 1000", by: "CN5", problem: /close code is 1000, not 4410/, fault: codeFor(4410, 1000) },
  {
    what: "a session that has ended still opens",
    by: "CN5",
    problem: /waited \d+ ms for the close/,
    fault() {
      let isOver = false;
      return {
        up(frame) {
          isOver ||= frame["type"] === "auth.logout";
          return isOver && frame["type"] === "auth" ? { type: "auth", id: "1", guest: true } : frame;
        },
      };
    },
  },
  {
    what: "what was acknowledged is gone for who comes later",
    by: "CG1",
    problem: /not opened: .*not_found/,
    fault: commandOf("auth", (frame, { number }) => (number > 1 ? { ...without(frame, "session"), guest: true } : frame)),
  },
  { what: "no reply in the ack of a send", by: "CN6", problem: /message\.send\.reply is left out/, fault: ackOf("message.send", (ack) => without(ack, "reply")) },
  { what: "seq as a text", by: "CN6", problem: /seq is "1", not a whole number/, fault: ackOf("conversation.create", (ack) => ({ ...ack, seq: "1" })) },
  { what: "the seq of the event before", by: "CN6", problem: /seq of conversation\.update is "conversation\.created/, fault: ackOf("conversation.update", (ack) => ({ ...ack, seq: Number(ack["seq"]) - 1 })) },
  { what: "a lost ack", by: "CN6", problem: /for an answer to message\.react/, fault: ackOf("message.react", () => undefined) },
  { what: "two acks", by: "CN6", problem: /nobody waits for, or the second/, fault: ackOf("turn.stop", (ack) => [ack, ack]) },
  { what: "an event of no known kind", by: "CN6", problem: /kind is "reaction\.moved"/, fault: eventOf("reaction.changed", (event) => [{ ...event, kind: "reaction.moved" }]) },
  { what: "an event without its time", by: "CN6", problem: /at is left out, not a time/, fault: eventOf("turn.finished", (event) => [{ ...event, at: undefined }]) },
  { what: "a code of no table", by: "CN7", problem: /code is "bad_request"/, fault: errorOf("invalid", (error) => ({ ...error, code: "bad_request" })) },
  { what: "invalid without its field", by: "CN7", problem: /no field conversation/, fault: errorOf("invalid", (error) => without(error, "field")) },
  { what: "retryable turned round", by: "CN7", problem: /retryable is true of invalid/, fault: errorOf("invalid", (error) => ({ ...error, retryable: true })) },
  { what: "an error without words", by: "CN7", problem: /message is "", not a text/, fault: errorOf("invalid", (error) => ({ ...error, message: "" })) },
  { what: "a number is taken for true", by: "CN7", problem: /message\.react.* is not_found, not invalid/, fault: commandOf("message.react", (frame) => ({ ...frame, on: true })) },
  {
    what: "what is refused is done all the same",
    by: "CN7",
    problem: /the list afterwards/,
    fault() {
      const own = new Set<unknown>();
      return {
        up(frame) {
          if (frame["archived"] !== "yes") return frame;
          const done = { ...without(frame, "archived"), id: crypto.randomUUID(), title: "done" };
          own.add(done.id);
          return [done, frame];
        },
        down: (frame) => (own.has(frame["id"]) ? undefined : frame),
      };
    },
  },
  { what: "a field that is not known is refused", by: "CN8", problem: /refused: .*invalid/, fault: commandOf("ping", (frame) => (frame["shiny"] === undefined ? frame : { ...frame, type: "no.such" })) },
  { what: "an error without the id that there was", by: "CN8", problem: /type, id and code/, fault: () => ({ down: (frame) => (frame["type"] === "error" ? without(frame, "id") : frame) }) },
  { what: "no answer to what is no command", by: "CN8", problem: /for the ten answers/, fault: () => ({ down: (frame) => (frame["type"] === "error" && frame["id"] === undefined ? undefined : frame) }) },
  { what: "4400 is 1008", by: "CN8", problem: /the tenth is 1008, not 4400/, fault: codeFor(4400, 1008) },
  { what: "not_found is invalid", by: "CN9", problem: /is invalid, not not_found/, fault: errorOf("not_found", (error) => ({ ...error, code: "invalid" })) },
  { what: "what was deleted is there", by: "CN9", problem: /conversation\.open is ack, not not_found/, fault: commandOf("conversation.delete", (frame) => ({ type: "ping", id: frame["id"] })) },
  { what: "a larger frame is told than is taken", by: "CN10", problem: /an ack of the largest/, fault: ackOf("auth", (ack) => ({ ...ack, limits: { frameBytes: 2 ** 20 } })) },
  { what: "1009 is 1011", by: "CN10", problem: /one byte more is 1011, not 1009/, fault: codeFor(1009, 1011) },
  { what: "1003 is 1000", by: "CN10", problem: /binary is 1000, not 1003/, fault: codeFor(1003, 1000) },
  { what: "bad UTF-8 is taken", by: "CN10", problem: /waited \d+ ms for the close/, fault: () => ({ lax: "UTF-8" }) },
  { what: "a repeated command is done again", by: "CG2", problem: /conversation\.create, said again,/, fault() {
      const seen = new Set<unknown>();
      return anew(({ id, type }) => type === "conversation.create" && (seen.has(id) || !seen.add(id)), (frame) => ({ ...frame, conversation: crypto.randomUUID() }))();
    } },
  { what: "an id counts on its own socket only", by: "CG2", problem: /said again,/, fault: anew((frame, { number }) => number === 2 && frame["type"] !== "auth", (frame) => frame) },
  { what: "the same id with other content is taken", by: "CG2", problem: /other content is ack, not conflict/, fault: () => ({ down: (frame) => ((frame["error"] as Json | undefined)?.["code"] === "conflict" ? { type: "ack", id: frame["id"], seq: 1 } : frame) }) },
  {
    what: "two sends at once are two",
    by: "CG2b",
    problem: /the answer on another socket/,
    fault: anew(({ type }, { number }) => type === "message.send" && number === 2, (frame) => ({ ...frame, conversation: crypto.randomUUID(), message: crypto.randomUUID() })),
  },
  { what: "forbidden instead of not_found", by: "CG9", problem: /is forbidden, not not_found/, fault: errorOf("not_found", (error) => ({ ...error, code: "forbidden" })) },
  {
    what: "everybody is one person",
    by: "CG9",
    problem: /conversation\.open is ack, not not_found/,
    fault() {
      let token: unknown;
      return {
        up: (frame) => (frame["type"] === "auth" && token !== undefined ? { ...without(frame, "guest"), session: token } : frame),
        down(frame) {
          token ??= (frame["session"] as Json | undefined)?.["token"];
          return frame;
        },
      };
    },
  },
  { what: "never ready", by: "CN22", problem: /status of \/readyz is 503/, fault: () => ({ http: (_, __, path) => (path === "/readyz" ? { status: 503 } : {}) }) },
  { what: "a contract without a version", by: "CN22", problem: /asyncapi\.json names no version/, fault: () => ({ http: () => ({ body: Buffer.from("{}") }) }) },
  { what: "a file is anybody's", by: "CG9b", problem: /status is 200, not 404/, fault: () => ({ http: (status) => (status === 404 ? { status: 200 } : {}) }) },
  { what: "a file comes back changed", by: "CG9b", problem: /that the file is what was uploaded/, fault: () => ({ http: (status, _, path) => (status === 200 && path.includes("/files/") ? { body: Buffer.from("changed") } : {}) }) },
  { what: "a problem of no type", by: "CG9b", problem: /type of a problem is text\/plain/, fault: () => ({ http: (status) => (status === 401 ? { type: "text/plain" } : {}) }) },
]; // prettier-ignore
