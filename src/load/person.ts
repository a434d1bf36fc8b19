// Owns what one simulated person does: asks, reads, stops, reloads, drops off and comes back; and checks every reply against the log.
import { createReplica, type Replica } from "../client/replica.ts";
import { textOf, type Frame } from "../client/frames.ts";
import { textLength } from "../domain/conversation.ts";
import { Line } from "./line.ts";
import type { Measures } from "./measure.ts";
import type { LoadOptions } from "./options.ts";

export type PersonOptions = {
  readonly options: LoadOptions;
  readonly measures: Measures;
  readonly now: () => number;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  readonly sleep: (ms: number) => Promise<void>;
};

/** How long (ms) a reply may take before it counts as stuck, and a check before it is given up. */
const patience = { reply: 120_000, check: 30_000 };

type Reply = { turn: string | undefined; sentAt: number; first: number | undefined; last: number; done: () => void };

export class Person {
  readonly #with: PersonOptions;
  readonly #line: Line;
  readonly #conversations: { readonly id: string; readonly replica: Replica }[] = [];
  readonly #replies = new Map<string, Reply>();
  #resumeSince: number | undefined;
  /** While a log is read again, its frames are for this copy. */
  #second: Replica | undefined;

  constructor(options: PersonOptions) {
    this.#with = options;
    const { measures, now } = options;
    this.#line = new Line({
      url: options.options.url,
      token: options.options.token,
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
    await Promise.race([this.#line.arrived(), sleep(Math.max(0, until - now()))]);
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

  /** Reads the whole log of every conversation again, and compares. */
  async check(): Promise<void> {
    const { measures, now, sleep } = this.#with;
    for (const { id, replica } of this.#conversations) {
      const again = createReplica({ id, open: () => undefined, changed: () => undefined });
      this.#second = again;
      const since = now();
      await this.#line.request({ type: "conversation.close", id: crypto.randomUUID(), conversation: id });
      await this.#line.request({ type: "conversation.open", id: crypto.randomUUID(), conversation: id, seq: 0 });
      while (again.status() !== "live" && now() - since < patience.check) await sleep(20);
      this.#second = undefined;
      const [mine, theirs] = [replica.state(), again.state()];
      const texts = new Map(theirs.messages.map((message) => [message.id, JSON.stringify(message.parts)]));
      const differs = mine.messages.filter((message) => texts.get(message.id) !== JSON.stringify(message.parts));
      const missing = theirs.messages.length - mine.messages.length;
      const { gaps, mismatches } = replica.counts();
      measures.fault("gaps", gaps);
      measures.fault("mismatches", mismatches);
      if (again.status() !== "live") measures.problem(`${id}: its log could not be read again`);
      if (differs.length > 0 || missing !== 0) {
        measures.fault("lost", Math.max(1, differs.length));
        measures.problem(`${id}: ${differs.length} messages differ from the log, ${missing} are missing`);
      }
    }
  }

  close(): void {
    this.#line.close();
  }

  #find(id: string): Replica {
    const known = this.#conversations.find((one) => one.id === id);
    if (known !== undefined) return known.replica;
    const replica = createReplica({
      id,
      open: (item) => this.#line.tell({ type: "conversation.open", id: crypto.randomUUID(), ...item }),
      changed: () => undefined,
    });
    this.#conversations.push({ id, replica });
    return replica;
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
    const reply = ack === undefined ? undefined : textOf(ack, "reply");
    if (ack === undefined || reply === undefined) return;
    const replica = this.#find(conversation);
    const ended = new Promise<void>((done) => {
      this.#replies.set(reply, { turn: textOf(ack, "turn"), sentAt, first: undefined, last: now(), done });
    });
    if (isNew) this.#line.tell({ type: "conversation.open", id: crypto.randomUUID(), ...replica.wanted() });
    this.#disturb(conversation, reply);
    await this.#wait(ended, reply, replica);
  }

  async #wait(ended: Promise<void>, reply: string, replica: Replica): Promise<void> {
    const { measures } = this.#with;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<"late">((resolve) => (timer = setTimeout(() => resolve("late"), patience.reply)));
    const how = await Promise.race([ended, late]);
    clearTimeout(timer);
    this.#replies.delete(reply);
    if (how === "late") {
      measures.fault("stuck");
      measures.problem(`${reply}: did not end; its copy stands at seq ${replica.state().seq}, ${replica.status()}`);
    } else measures.count("replies");
  }

  /** Perhaps something happens while the reply is being made. */
  #disturb(conversation: string, reply: string): void {
    const { options, measures, random } = this.#with;
    const { stop, reload, drop } = options.shares;
    const draw = random();
    const act = (): void => {
      const turn = this.#replies.get(reply)?.turn;
      if (turn === undefined) return;
      if (draw < stop) {
        measures.count("stops");
        void this.#line.request({ type: "turn.stop", id: crypto.randomUUID(), conversation, turn });
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
    const state = this.#find(conversation).state();
    const message = state.messages.findLast(({ id }) => id === reply);
    if (message?.metadata.status === "failed") measures.error(`reply: ${message.metadata.error?.code ?? "failed"}`);
    if (message !== undefined && textLength(message) === 0 && message.metadata.status === "completed") {
      measures.problem(`${reply}: complete and empty`);
    }
    known.done();
  }
}
