// Owns one socket's life: frames in order through the state machine, answers out, its end. It decides nothing about conversations.
import { receiveFrame, tick, type SocketState, type Speaker, type Step } from "../domain/session.ts";
import { isChanging } from "../domain/decide.ts";
import { isRejection } from "../domain/records.ts";
import { closeCodes, decode, encodeAck, encodeError, reject, stamp } from "../protocol/index.ts";
import type { CloseCode, Command, CommandOf, Limits, Rejection } from "../protocol/index.ts";
import { errorName } from "./journal.ts";
import type { Account, AccountCommand } from "./account.ts";
import type { Commands } from "./commands.ts";
import type { Entry } from "./entrance.ts";
import { encodeNotice } from "./frames.ts";
import type { Hub } from "./hub.ts";
import { createInbox } from "./inbox.ts";
import { createBudget, createControlMeter } from "./outlet.ts";
import { StoreFailure, type Clock, type Journal, type Log, type Meter } from "./ports.ts";
import { createReaders } from "./readers.ts";
import type { Doorman } from "./sessions.ts";
import type { Tails } from "./tails.ts";
import type { Wire, WireEvents } from "./wire.ts";

export type SocketOptions = {
  readonly clock: Clock;
  readonly log: Log;
  readonly journal: Journal;
  readonly meter: Meter;
  readonly doorman: Doorman;
  readonly account: Account;
  readonly commands: Commands;
  readonly tails: Tails;
  readonly hub: Hub;
  readonly limits: Limits;
  readonly node: string;
  readonly version: string;
  readonly heartbeatMs: number;
  readonly authMs: number;
  readonly idleMs: number;
  readonly maxMs: number;
};

/** A socket as the engine holds it. */
export type Socket = WireEvents & {
  /** Once a heartbeat: pings, and drops a peer that answered none for two. */
  beat(): void;
  /** Once a second: ends of tokens and sessions. */
  tick(): void;
  notifyDraining(afterMs: number): void;
  close(code: CloseCode): void;
  checkBlock(): void;
};

const nothing = (): void => undefined;
export function createSocket(options: SocketOptions, wire: Wire, entry: Entry, gone: (code: number) => void): Socket {
  const { clock, doorman, commands, limits, journal, meter } = options;
  let state: SocketState = { kind: "waiting" };
  const inbox = createInbox();
  let busy = false;
  let paused = false;
  let listening = false;
  let leave = nothing;
  let missed = 0;
  let request = 1;
  let result: "ok" | Rejection["code"] = "ok";
  const controlAllowed = createControlMeter(clock);
  let cancelClose = nothing;
  const budget = createBudget(wire, clock, () => drop());
  const failed = (error: unknown): void => {
    journal.error("viewer_failed", { error: errorName(error) });
    close(1011);
  };
  const readers = createReaders({ log: options.log, meter, tails: options.tails, outlet: budget, failed });
  const cancelAuth = clock.after(options.authMs, () => close(4408));
  const release = (): void => {
    state = { kind: "closed" };
    inbox.clear();
    cancelAuth();
    leave();
    readers.closeAll();
    budget.close();
  };
  const close = (code: CloseCode, reason: string = closeCodes[code].meaning): void => {
    if (state.kind === "closed") return;
    release();
    if (paused) wire.resume(); // Else it would never see the peer's close frame.
    cancelClose = clock.after(4000, () => wire.terminate()); // The time for the closing handshake.
    wire.close(code, reason);
  };
  const drop = (): void => {
    if (state.kind === "closed") return;
    journal.info("slow_reader_dropped");
    meter.note({ kind: "slow-reader-dropped" });
    close(1013);
    wire.terminate();
  };

  const answerError = (id: string | undefined, rejection: Rejection): void => {
    result = rejection.code;
    budget.send(encodeError(id, rejection));
    const seconds = entry.answered(rejection);
    if (seconds !== undefined) close(4429, String(seconds));
  };
  const answer = (id: string, result: object | Rejection): void => {
    if (isRejection(result)) answerError(id, result);
    else budget.send(encodeAck(id, result));
  };

  const perform = async (step: Step): Promise<void> => {
    switch (step.do) {
      case "ignore":
        return;
      case "answer":
        return answerError(step.id, step.rejection);
      case "close":
        if (step.rejection !== undefined) answerError(step.id, step.rejection);
        return close(step.code);
      case "authenticate":
        return authenticate(step.command);
      case "handle":
        return handle(step.command, step.speaker);
      default:
        return step satisfies never;
    }
  };

  const authenticate = async (command: CommandOf<"auth">): Promise<void> => {
    cancelAuth();
    const admission = await entry.admit(command);
    if (state.kind !== "waiting") return;
    if (!admission.ok) {
      answerError(command.id, admission.rejection);
      return close(admission.close, admission.reason);
    }
    const { speaker, answer: person } = admission;
    state = { kind: "open", speaker, malformed: 0 };
    leave = options.hub.join(speaker.user, {
      session: speaker.session,
      listening: () => listening,
      send: (frame) => budget.push(frame),
      end: () => close(4410),
    });
    if (await doorman.hasEnded(person.session.token)) close(4410);
    if (isClosed()) return;
    const { heartbeatMs, version, node, log } = options;
    const server = { version, node };
    answer(command.id, { ...person, server, heartbeatMs, limits, now: stamp(clock.now()), epoch: log.epoch });
    for (const item of command.open ?? []) await openOne(speaker.user, item, undefined);
  };

  const openOne = async (
    user: string,
    item: { conversation: string; seq?: number | undefined; epoch?: string | undefined },
    id: string | undefined,
  ): Promise<void> => {
    if (!readers.has(item.conversation) && readers.count() >= limits.openConversations) {
      const detail = `At most ${limits.openConversations} conversations may be open at once.`;
      return answerError(id, reject("too_large", { field: "conversation", detail }));
    }
    const found = await commands.open(user, item);
    if (isClosed()) return;
    if (isRejection(found)) {
      if (id !== undefined) answerError(id, found);
      else budget.send(JSON.stringify({ type: "error", error: found, conversation: item.conversation }));
      return;
    }
    if (id !== undefined) answer(id, found.answer);
    readers.open(found.opening);
  };
  const isClosed = (): boolean => state.kind === "closed";

  const handle = async (command: Exclude<Command, { type: "auth" }>, speaker: Speaker): Promise<void> => {
    const { user } = speaker;
    const refused = entry.command(command);
    if (refused !== undefined) return answerError(command.id, refused);
    if (command.type !== "ping") know(doorman.seen(speaker));
    if (isChanging(command)) return answer(command.id, await commands.change(user, command, entry.key));
    switch (command.type) {
      case "ping":
        return answer(command.id, { now: stamp(clock.now()) });
      case "auth.refresh":
      case "auth.logout":
      case "session.list":
      case "session.revoke":
        return handleAccount(command, speaker);
      case "conversation.list":
        listening = true;
        return answer(command.id, await commands.list(user, command));
      case "conversation.history":
        return answer(command.id, await commands.history(user, command));
      case "conversation.open":
        return openOne(user, command, command.id);
      case "conversation.close": {
        const found = await commands.open(user, command);
        readers.close(command.conversation);
        return answer(command.id, isRejection(found) ? found : {});
      }
      default:
        return command satisfies never;
    }
  };

  const handleAccount = async (command: AccountCommand, speaker: Speaker): Promise<void> => {
    const done = await options.account.handle(command, speaker);
    if (done.speaker !== undefined) know(done.speaker);
    answer(command.id, done.answer);
    done.after?.publish();
    if (done.after?.leaves === true) close(4410);
  };
  const know = (speaker: Speaker): void => {
    if (state.kind === "open") state = { ...state, speaker };
  };

  /** One frame after the other, in the order in which they came. */
  const pump = async (): Promise<void> => {
    if (busy) return;
    busy = true;
    for (let next = inbox.next(); next !== undefined && !isClosed(); next = inbox.next(), request++) {
      if (state.kind === "waiting" && next.bytes > limits.authBytes) return close(1009);
      const decoded = decode(next.text, limits);
      const received = receiveFrame(state, decoded);
      state = received.state;
      if (!decoded.ok && decoded.malformed) entry.violated("malformedFrame");
      const began = clock.monotonic();
      result = "ok";
      try {
        await perform(received.step);
      } catch (error) {
        fail(decoded.ok ? decoded.command.id : decoded.id, error);
      }
      const type = decoded.ok ? decoded.command.type : "malformed";
      meter.note({ kind: "command", type, result, ms: clock.monotonic() - began });
      flow();
    }
    busy = false;
  };
  const fail = (id: string | undefined, error: unknown): void => {
    const full = error instanceof StoreFailure;
    // Else a bug of ours: the connection and everybody else go on (JS12).
    const ref = clock.uuid();
    journal.error("handler_failed", { request, ref, error: errorName(error) });
    const internal = { detail: `Something went wrong on the server (${ref}).` };
    answerError(id, full ? reject("unavailable", { retryAfterMs: 1000 }) : reject("internal", internal));
    if (state.kind === "waiting") close(full ? 1013 : 1011);
  };

  /** Reads no more while much waits, in or out; reads again when it is done. */
  const flow = (): void => {
    const full = inbox.isFull(state.kind !== "waiting") || !budget.hasRoom();
    if (full === paused || isClosed()) return;
    paused = full;
    if (full) wire.pause();
    else wire.resume();
  };

  return {
    text(frame, bytes) {
      missed = 0;
      if (isClosed()) return;
      inbox.push({ text: frame, bytes });
      void pump();
      flow();
    },
    binary: () => close(1003),
    control() {
      missed = 0;
      if (controlAllowed()) return;
      entry.violated("rateLimitClose");
      close(4429, "1");
    },
    drained() {
      budget.drained();
      flow();
    },
    closed(code) {
      cancelClose();
      release();
      gone(code);
    },
    beat() {
      if (isClosed()) return;
      if (missed >= 2) {
        release();
        return wire.terminate();
      }
      missed++;
      wire.ping();
    },
    tick() {
      if (state.kind !== "open") return;
      const { speaker } = state;
      const due = tick(speaker, { ...options, now: clock.now() });
      if (due === "nothing") return;
      if (due !== "warn") return close(due.close);
      know({ ...speaker, warned: true });
      budget.push(encodeNotice("token_expiring", { at: stamp(speaker.tokenExpiresAt ?? clock.now()) }));
    },
    notifyDraining: (afterMs) => void budget.push(encodeNotice("draining", { afterMs })),
    close,
    checkBlock: () => (entry.isBlocked() ? close(4403) : undefined),
  };
}
