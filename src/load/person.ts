// Owns what one simulated person does: asks, reads, stops, reloads, drops off and comes back, and reads the logs again at the end.
import { createReplica, type Replica } from "../client/replica.ts";
import { textOf, type Frame } from "../client/frames.ts";
import { textLength } from "../domain/conversation.ts";
import type { Message } from "../protocol/index.ts";
import { compare, messageText, type Sent } from "./check.ts";
import { Line } from "./line.ts";
import type { Measures } from "./measure.ts";
import type { LoadOptions } from "./options.ts";

export type PersonOptions = {
  readonly options: LoadOptions;
  /** An ID token; undefined: a guest. */
  readonly token: string | undefined;
  readonly measures: Measures;
  readonly now: () => number;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  readonly sleep: (ms: number) => Promise<void>;
};

type Reply = { turn: string | undefined; sentAt: number; first: number | undefined; last: number; done: () => void };

/** A conversation as this person knows it: what was sent there, and the copy that was shown. */
type Talk = {
  readonly id: string;
  readonly replica: Replica;
  readonly sent: Sent[];
  readonly unanswered: Set<string>;
  readonly ended: Map<string, string>;
  readonly stopped: Map<string, string>;
};

export class Person {
  readonly #with: PersonOptions;
  readonly #line: Line;
  readonly #conversations: Talk[] = [];
  readonly #replies = new Map<string, Reply>();
  #resumeSince: number | undefined;
  /** While a log is read again, its frames are for this copy. */
  #second: Replica | undefined;
  #leave: () => void = () => undefined;
  /** Resolves when this person is told to leave: nothing more is waited for. */
  readonly #left = new Promise<void>((resolve) => (this.#leave = resolve));

  constructor(options: PersonOptions) {
    this.#with = options;
    const { measures, now, token } = options;
    this.#line = new Line({
      url: options.options.url,
      token,
      patienceMs: options.options.patienceMs,
      measures,
      now,
      opening: () => {
        for (const { replica } of this.#conversations) replica.opening();
        return this.#conversations.map(({ replica }) => replica.wanted());
      },
      received: (frame) => this.#received(frame),
    });
  }

  /** Talks until the time is over. Resolves when the last reply has ended. */
  async talk(until: number): Promise<void> {
    const { options, now, random, sleep } = this.#with;
    this.#line.open();
    // Coming in is a time of its own: what is asked before would count it twice.
    const isIn = this.#line.arrived().then(() => true);
    if (!(await Promise.race([isIn, sleep(Math.max(0, until - now())).then(() => false)]))) return;
    const gap = (mean: number): number => -Math.log(1 - random()) * mean;
    const everyMs = options.rate === undefined ? undefined : (options.users / options.rate) * 1000;
    const running: Promise<void>[] = [];
    while (now() < until) {
      if (everyMs === undefined) {
        await this.#ask(this.#conversations[0]?.id ?? crypto.randomUUID());
        await sleep(Math.min(gap(options.thinkMs), Math.max(0, until - now())));
      } else {
        await sleep(Math.min(gap(everyMs), Math.max(0, until - now())));
        if (now() < until) running.push(this.#ask(crypto.randomUUID()));
      }
    }
    await Promise.all(running);
  }

  /** Reads the whole log of every conversation again, and compares. `until`: what is not read by then is unchecked. */
  async check(until: number): Promise<void> {
    const { measures } = this.#with;
    for (const talk of this.#conversations) {
      const log = await this.#readAgain(talk.id, until);
      const { gaps, mismatches } = talk.replica.counts();
      measures.fault("gaps", gaps);
      measures.fault("mismatches", mismatches);
      if (log === undefined) {
        measures.fault("unchecked");
        measures.problem(`${talk.id}: its log could not be read again`);
        continue;
      }
      const { messages, more } = talk.replica.state();
      for (const { fault, sentence } of compare({ ...talk, shown: messages, more }, log)) {
        measures.fault(fault);
        measures.problem(sentence);
      }
    }
  }

  /** Leaves for good; what is still waited for is given up. Resolves when the socket is gone. */
  async close(): Promise<void> {
    this.#leave();
    await this.#line.close();
  }

  async #readAgain(id: string, until: number): Promise<readonly Message[] | undefined> {
    const { now, sleep } = this.#with;
    if (now() >= until) return undefined;
    const again = createReplica({ id, open: () => undefined, changed: () => undefined });
    this.#second = again;
    await this.#line.request({ type: "conversation.close", id: crypto.randomUUID(), conversation: id });
    const open = { type: "conversation.open", id: crypto.randomUUID(), conversation: id, seq: 0 };
    const answer = await this.#line.request(open);
    if (typeof answer === "object") while (again.status() !== "live" && now() < until) await sleep(20);
    this.#second = undefined;
    // A conversation in which something was acked, and that is not there, has lost all of it.
    if (answer === "not_found") return [];
    return again.status() === "live" ? again.state().messages : undefined;
  }

  #find(id: string): Talk {
    const known = this.#conversations.find((one) => one.id === id);
    if (known !== undefined) return known;
    const replica = createReplica({
      id,
      open: (item) => this.#line.tell({ type: "conversation.open", id: crypto.randomUUID(), ...item }),
      changed: () => undefined,
    });
    const talk = { id, replica, sent: [], unanswered: new Set<string>(), ended: new Map(), stopped: new Map() };
    this.#conversations.push(talk);
    return talk;
  }

  async #ask(conversation: string): Promise<void> {
    const { options, measures, now } = this.#with;
    const isNew = !this.#conversations.some(({ id }) => id === conversation);
    const message = crypto.randomUUID();
    const sentAt = now();
    measures.count("sent");
    const parts = [{ type: "text", text: options.prompt }];
    const ack = await this.#line.request({
      type: "message.send",
      id: crypto.randomUUID(),
      conversation,
      message,
      parts,
    });
    if (ack === undefined) this.#conversations.find(({ id }) => id === conversation)?.unanswered.add(message);
    if (ack === undefined || typeof ack === "string") return;
    const talk = this.#find(conversation);
    const { replica } = talk;
    const reply = textOf(ack, "reply") ?? "";
    talk.sent.push({ message, text: options.prompt, reply });
    const ended = new Promise<void>((done) => {
      this.#replies.set(reply, { turn: textOf(ack, "turn"), sentAt, first: undefined, last: now(), done });
    });
    if (isNew) this.#line.tell({ type: "conversation.open", id: crypto.randomUUID(), ...replica.wanted() });
    this.#disturb(talk, reply);
    await this.#wait(ended, reply, replica);
  }

  async #wait(ended: Promise<void>, reply: string, replica: Replica): Promise<void> {
    const { measures, options } = this.#with;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<"late">((resolve) => (timer = setTimeout(() => resolve("late"), options.graceMs)));
    const how = await Promise.race([ended, late, this.#left.then(() => "late" as const)]);
    clearTimeout(timer);
    this.#replies.delete(reply);
    if (how === "late") {
      measures.fault("stuck");
      measures.problem(`${reply}: did not end; its copy stands at seq ${replica.state().seq}, ${replica.status()}`);
    } else measures.count("replies");
  }

  /** Perhaps something happens while the reply is being made. */
  #disturb(talk: Talk, reply: string): void {
    const { options, measures, random } = this.#with;
    const { stop, reload, drop } = options.shares;
    const draw = random();
    const act = (): void => {
      const turn = this.#replies.get(reply)?.turn;
      if (turn === undefined) return;
      if (draw < stop) {
        measures.count("stops");
        void this.#stop(talk, reply, turn);
        return;
      }
      const isReload = draw < stop + reload;
      measures.count(isReload ? "reloads" : "drops");
      const away = isReload ? 0 : -Math.log(1 - random()) * options.awayMs;
      this.#line.cut(away);
      this.#resumeSince = this.#with.now() + away;
    };
    if (draw < stop + reload + drop) setTimeout(act, 50 + random() * 1500);
  }

  async #stop({ id: conversation, stopped }: Talk, reply: string, turn: string): Promise<void> {
    const ack = await this.#line.request({ type: "turn.stop", id: crypto.randomUUID(), conversation, turn });
    const status = ack === undefined || typeof ack === "string" ? undefined : textOf(ack, "status");
    if (status !== undefined) stopped.set(reply, status);
  }

  #received(frame: Frame): void {
    const { measures, now } = this.#with;
    if (!("conversation" in frame) || frame.conversation === undefined || frame.type === "conversation") return;
    (this.#second ?? this.#conversations.find(({ id }) => id === frame.conversation)?.replica)?.receive(frame);
    if (this.#second !== undefined) return;
    if (frame.type === "live" && this.#resumeSince !== undefined) {
      measures.time("resume", now() - this.#resumeSince);
      measures.count("resumes");
      this.#resumeSince = undefined;
    }
    if (frame.type === "snapshot") {
      for (const { id, metadata } of frame.state.messages)
        if (metadata.status !== "running") this.#end(id, frame.conversation);
    }
    if (frame.type !== "events") return;
    for (const event of frame.events) {
      if (event.kind === "reply.appended") this.#piece(event.message);
      if (event.kind === "turn.finished") this.#end(event.message, frame.conversation);
    }
  }

  #piece(reply: string): void {
    const { measures, now } = this.#with;
    measures.count("pieces");
    const known = this.#replies.get(reply);
    if (known === undefined) return;
    const at = now();
    if (known.first === undefined) {
      known.first = at;
      measures.time("first", at - known.sentAt);
    } else measures.time("between", at - known.last);
    known.last = at;
  }

  #end(reply: string, conversation: string): void {
    const { measures, now } = this.#with;
    const known = this.#replies.get(reply);
    if (known === undefined) return;
    measures.time("reply", now() - known.sentAt);
    const { replica, ended } = this.#find(conversation);
    const message = replica.state().messages.findLast(({ id }) => id === reply);
    if (message !== undefined && message.metadata.status !== "running") ended.set(reply, messageText(message));
    if (message?.metadata.status === "failed") measures.error(`reply: ${message.metadata.error?.code ?? "failed"}`);
    if (message !== undefined && textLength(message) === 0 && message.metadata.status === "completed") {
      measures.problem(`${reply}: complete and empty`);
    }
    known.done();
  }
}
