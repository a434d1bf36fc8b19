// Owns one socket's life: frames in order through the state machine, answers out, its end. It decides nothing about conversations.
import { receiveFrame, tick, type Ages, type SocketState, type Speaker, type Step } from "../domain/session.ts";
import { isRejection } from "../domain/records.ts";
import { closeCodes, decode, encodeAck, encodeError, reject, stamp } from "../protocol/index.ts";
import type { CloseCode, CommandOf, Limits, Rejection } from "../protocol/index.ts";
import { errorName } from "./journal.ts";
import type { Account } from "./account.ts";
import type { Commands } from "./commands.ts";
import { dispatch, openOne, type Hearing } from "./dispatch.ts";
import type { Entry } from "./entrance.ts";
import { encodeNotice } from "./frames.ts";
import type { Hub, Member } from "./hub.ts";
import { Inbox } from "./inbox.ts";
import { Budget, ControlMeter } from "./outlet.ts";
import { StoreFailure, type Clock, type Journal, type Log, type Meter } from "./ports.ts";
import { Readers } from "./readers.ts";
import type { Admission, Doorman } from "./sessions.ts";
import type { Tails } from "./tails.ts";
import type { Wire, WireEvents } from "./wire.ts";

export type SocketOptions = {
  readonly clock: Clock;
  readonly log: Log;
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
};

/** The socket's place among those of the process. */
export type Place = {
  /** Its lines say which socket they are of. */
  journal(): Journal;
  signedIn(command: CommandOf<"auth">, admission: Extract<Admission, { ok: true }>): void;
  refused(code: Rejection["code"]): void;
  gone(code: number): void;
};

/** One socket. A class, and little of it made before it is needed: what an idle connection holds counts by the thousand. */
export class Socket implements WireEvents, Member, Hearing {
  readonly options: SocketOptions;
  readonly #wire: Wire;
  readonly entry: Entry;
  readonly #place: Place;
  readonly #inbox = new Inbox();
  readonly #control: ControlMeter;
  readonly #budget: Budget;
  readonly readers: Readers;
  #state: SocketState = { kind: "waiting" };
  #busy = false;
  #paused = false;
  #listening = false;
  #missed = 0;
  #request = 1;
  #result: "ok" | Rejection["code"] = "ok";
  #cancelAuth: (() => void) | undefined;
  #cancelClose: (() => void) | undefined;

  constructor(options: SocketOptions, wire: Wire, entry: Entry, place: Place) {
    this.options = options;
    this.#wire = wire;
    this.entry = entry;
    this.#place = place;
    this.#control = new ControlMeter(options.clock);
    this.#budget = new Budget(wire, options.clock, () => this.#drop());
    this.readers = new Readers(options, this.#budget, (error) => {
      this.#place.journal().error("viewer_failed", { error: errorName(error) });
      this.close(1011);
    });
    this.#cancelAuth = options.clock.after(options.authMs, () => this.close(4408));
  }

  text(frame: string, bytes: number): void {
    this.#missed = 0;
    if (this.isClosed()) return;
    this.#inbox.push({ text: frame, bytes });
    void this.#pump();
    this.#flow();
  }

  binary(): void {
    this.close(1003);
  }

  control(): void {
    this.#missed = 0;
    if (this.#control.allows(this.options.clock)) return;
    this.entry.violated("rateLimitClose");
    this.close(4429, "1");
  }

  drained(): void {
    this.#budget.drained();
    this.#flow();
  }

  closed(code: number): void {
    this.#cancelClose?.();
    this.#release();
    this.#place.gone(code);
  }

  /** Once a heartbeat: pings, and drops a peer that answered none for two. */
  beat(): void {
    if (this.isClosed()) return;
    if (this.#missed >= 2) {
      this.#release();
      return this.#wire.terminate();
    }
    this.#missed++;
    this.#wire.ping();
  }

  /** Once a second: ends of tokens and sessions. */
  tick(ages: Ages): void {
    if (this.#state.kind !== "open") return;
    const { speaker } = this.#state;
    const due = tick(speaker, ages);
    if (due === "nothing") return;
    if (due !== "warn") return this.close(due.close);
    this.know({ ...speaker, warned: true });
    this.#budget.push(encodeNotice("token_expiring", { at: stamp(speaker.tokenExpiresAt ?? ages.now) }));
  }

  notifyDraining(afterMs: number): void {
    this.#budget.push(encodeNotice("draining", { afterMs }));
  }

  checkBlock(): void {
    if (this.entry.isBlocked()) this.close(4403);
  }

  close(code: CloseCode, reason: string = closeCodes[code].meaning): void {
    if (this.isClosed()) return;
    this.#release();
    if (this.#paused) this.#wire.resume(); // Else it would never see the peer's close frame.
    this.#cancelClose = this.options.clock.after(4000, () => this.#wire.terminate()); // The time for the closing handshake.
    this.#wire.close(code, reason);
  }

  get session(): string {
    return this.#state.kind === "open" ? this.#state.speaker.session : "";
  }

  listening(): boolean {
    return this.#listening;
  }

  listen(): void {
    this.#listening = true;
  }

  send(frame: string): boolean {
    return this.#budget.push(frame);
  }

  end(): void {
    this.close(4410);
  }

  tell(frame: string): void {
    this.#budget.send(frame);
  }

  isClosed(): boolean {
    return this.#state.kind === "closed";
  }

  #release(): void {
    const { hub } = this.options;
    if (this.#state.kind === "open") hub.leave(this.#state.speaker.user, this);
    this.#state = { kind: "closed" };
    this.#inbox.clear();
    this.#letIn();
    this.readers.closeAll();
    this.#budget.close();
  }

  /** The time for signing in is over, or no matter. */
  #letIn(): void {
    this.#cancelAuth?.();
    this.#cancelAuth = undefined;
  }

  #drop(): void {
    if (this.isClosed()) return;
    this.#place.journal().info("slow_reader_dropped");
    this.options.meter.note({ kind: "slow-reader-dropped" });
    this.close(1013);
    this.#wire.terminate();
  }

  answerError(id: string | undefined, rejection: Rejection): void {
    this.#result = rejection.code;
    this.#budget.send(encodeError(id, rejection));
    const seconds = this.entry.answered(rejection);
    if (seconds !== undefined) this.close(4429, String(seconds));
  }

  answer(id: string, result: object | Rejection): void {
    if (isRejection(result)) this.answerError(id, result);
    else this.#budget.send(encodeAck(id, result));
  }

  async #perform(step: Step): Promise<void> {
    switch (step.do) {
      case "ignore":
        return;
      case "answer":
        return this.answerError(step.id, step.rejection);
      case "close":
        if (step.rejection !== undefined) this.answerError(step.id, step.rejection);
        return this.close(step.code);
      case "authenticate":
        return this.#authenticate(step.command);
      case "handle":
        return dispatch(this, step.command, step.speaker);
      default:
        return step satisfies never;
    }
  }

  async #authenticate(command: CommandOf<"auth">): Promise<void> {
    const { hub, doorman, heartbeatMs, version, node, log, limits, clock } = this.options;
    this.#letIn();
    const admission = await this.entry.admit(command);
    if (admission.ok) this.#place.signedIn(command, admission);
    else this.#place.refused(admission.rejection.code);
    if (this.#state.kind !== "waiting") return;
    if (!admission.ok) {
      this.answerError(command.id, admission.rejection);
      return this.close(admission.close, admission.reason);
    }
    const { speaker, answer: person } = admission;
    this.#state = { kind: "open", speaker, malformed: 0 };
    hub.join(speaker.user, this);
    if (await doorman.hasEnded(person.session.token)) this.close(4410);
    if (this.isClosed()) return;
    this.#wire.gather(); // The answer, what was missed and "live": one write where the store answers at once.
    const [server, now] = [{ version, node }, stamp(clock.now())];
    this.answer(command.id, { ...person, server, heartbeatMs, limits, now, epoch: log.epoch });
    for (const item of command.open ?? []) await openOne(this, speaker.user, item, undefined);
  }

  know(speaker: Speaker): void {
    if (this.#state.kind === "open") this.#state = { ...this.#state, speaker };
  }

  /** One frame after the other, in the order in which they came. */
  async #pump(): Promise<void> {
    const { limits, clock, meter } = this.options;
    if (this.#busy) return;
    this.#busy = true;
    for (let next = this.#inbox.next(); next !== undefined && !this.isClosed(); next = this.#inbox.next()) {
      if (this.#state.kind === "waiting" && next.bytes > limits.authBytes) return this.close(1009);
      const decoded = decode(next.text, limits);
      const received = receiveFrame(this.#state, decoded);
      this.#state = received.state;
      if (!decoded.ok && decoded.malformed) this.entry.violated("malformedFrame");
      const began = clock.monotonic();
      this.#result = "ok";
      try {
        await this.#perform(received.step);
      } catch (error) {
        this.#fail(decoded.ok ? decoded.command.id : decoded.id, error);
      }
      const type = decoded.ok ? decoded.command.type : "malformed";
      meter.note({ kind: "command", type, result: this.#result, ms: clock.monotonic() - began });
      this.#request++;
      this.#flow();
    }
    this.#busy = false;
  }

  #fail(id: string | undefined, error: unknown): void {
    const full = error instanceof StoreFailure;
    // Else a bug of ours: the connection and everybody else go on (JS12).
    const ref = this.options.clock.uuid();
    this.#place.journal().error("handler_failed", { request: this.#request, ref, error: errorName(error) });
    const detail = `Something went wrong on the server (${ref}).`;
    this.answerError(id, full ? reject("unavailable", { retryAfterMs: 1000 }) : reject("internal", { detail }));
    if (this.#state.kind === "waiting") this.close(full ? 1013 : 1011);
  }

  /** Reads no more while much waits, in or out; reads again when it is done. */
  #flow(): void {
    const full = this.#inbox.isFull(this.#state.kind !== "waiting") || !this.#budget.hasRoom();
    if (full === this.#paused || this.isClosed()) return;
    this.#paused = full;
    if (full) this.#wire.pause();
    else this.#wire.resume();
  }
}
