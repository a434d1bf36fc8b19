// One simulated person: sends drawn commands until each is answered, reads what comes, and remembers what was acknowledged.
import { WebSocket } from "ws";
import { WireView, type WireFrame } from "../support/wire-view.ts";

export type Command = { type: string; id: string } & Record<string, unknown>;
type Answer = WireFrame & { error?: { code: string; retryAfterMs?: number } };
/** What the server acknowledged, to be found again at the end. */
export type Done = { command: Command; answer: Answer };
export type Counts = Record<
  | "operations"
  | "acked"
  | "refused"
  | "repeated"
  | "connections"
  | "lost"
  | "doubled"
  | "torn"
  | "stuck"
  | "mismatched"
  | "wrongCloses"
  | "crashes",
  number
>;

/** Close codes that a person of good will may meet while servers die and networks break; 1006: the connection was lost. */
const fairCloses = new Set([1006, 1012, 1013]);
/** Milliseconds without an answer after which a person takes a connection for dead. */
const patience = 3000;
const emoji = ["👍", "👎", "🎉"];
const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

export class Person {
  readonly done: Done[] = [];
  readonly refused: Command[] = [];
  readonly views = new Map<string, WireView>();
  /** Texts that the model was asked for, by the message that asked: seed and length. */
  readonly asked = new Map<string, { seed: number; chars: number }>();
  readonly problems: string[] = [];
  readonly #url: () => string;
  readonly #random: () => number;
  readonly #counts: Counts;
  #socket: WebSocket | undefined;
  #session: string | undefined;
  /** What is not answered yet, in the order in which it was said. */
  readonly #pending = new Map<string, { command: Command; resolve: (answer: Answer) => void; saidAt: number }>();
  #current = "";
  #running = true;
  #closed = false;
  #signedIn = false;
  #connectedAt = 0;
  /** The current conversation was asked for on this connection, and not refused. */
  #asked = false;
  readonly #watch = setInterval(() => {
    this.#giveUpOnTheDead();
    this.#openCurrent();
  }, 100);

  constructor(url: () => string, random: () => number, counts: Counts) {
    this.#url = url;
    this.#random = random;
    this.#counts = counts;
    this.#connect();
  }

  /** Works until stopped: a command or a burst of them, each repeated with its id until it is answered. */
  async work(): Promise<void> {
    while (this.#running) {
      const burst = this.#random() < 0.15 ? this.#drawReactions() : [this.#draw()];
      await Promise.all(burst.flatMap((command) => (command === undefined ? [] : [this.perform(command)])));
      if (this.#random() < 0.1) await this.#repeat();
      await sleep(this.#random() * 60);
    }
  }

  stop(): void {
    this.#running = false;
  }

  close(): void {
    this.#closed = true;
    clearInterval(this.#watch);
    this.#socket?.terminate();
  }

  /** Breaks the connection, or stops reading for a while. */
  disturb(): void {
    const socket = this.#socket;
    if (socket === undefined || socket.readyState !== WebSocket.OPEN) return;
    if (this.#random() < 0.5) return socket.terminate();
    socket.pause();
    setTimeout(() => socket.resume(), 50 + this.#random() * 700);
  }

  async perform(command: Command): Promise<Answer> {
    this.#counts.operations++;
    const answer = await this.#untilAnswered(command);
    if (answer.type === "ack") {
      this.#counts.acked++;
      this.done.push({ command, answer });
    } else {
      this.#counts.refused++;
      this.refused.push(command);
      const code = answer.error?.code;
      if (code === "internal" || code === "invalid") this.#problem(`${command.type}: ${code}`);
    }
    return answer;
  }

  async #untilAnswered(command: Command): Promise<Answer> {
    for (;;) {
      const answer = await new Promise<Answer>((resolve) => {
        this.#pending.set(command.id, { command, resolve, saidAt: performance.now() });
        if (this.#signedIn) this.#say(command);
      });
      const code = answer.error?.code;
      if (code !== "unavailable" && code !== "overloaded") return answer;
      await sleep(answer.error?.retryAfterMs ?? 200);
    }
  }

  /** Says something again that was acknowledged long ago: the answer must be that of then. */
  async #repeat(): Promise<void> {
    const changing = this.done.filter(({ command }) => !/\.(open|close|list)$/.test(command.type));
    const done = changing[Math.floor(this.#random() * changing.length)];
    if (done !== undefined) await this.repeat(done);
  }

  async repeat({ command, answer }: Done): Promise<void> {
    this.#counts.repeated++;
    const again = await this.#untilAnswered(command);
    if (JSON.stringify(again) === JSON.stringify(answer)) return;
    this.#counts.doubled++;
    this.problems.push(`${command.type} answered ${JSON.stringify(answer)}, then ${JSON.stringify(again)}`);
  }

  /** Reads a conversation on a view of its own, from its beginning or with a snapshot; undefined: it cannot be opened. */
  async readCold(conversation: string, how: "log" | "snapshot" = "log"): Promise<WireView | undefined> {
    const close = { type: "conversation.close", conversation };
    await this.#untilAnswered({ ...close, id: crypto.randomUUID() });
    const live = this.views.get(conversation);
    const cold = new WireView(conversation, (problem) => this.#problem(`cold: ${problem}`));
    this.views.set(conversation, cold);
    const seq = how === "log" ? { seq: 0 } : {};
    const open = { type: "conversation.open", id: crypto.randomUUID(), conversation, ...seq };
    const opened = await this.#untilAnswered(open);
    const read = opened.type === "ack" && (await this.#caughtUp(cold));
    await this.#untilAnswered({ ...close, id: crypto.randomUUID() });
    if (live === undefined) this.views.delete(conversation);
    else this.views.set(conversation, live);
    return read ? cold : undefined;
  }

  /** Brings the view that lived through everything up to date from its own cursor. */
  async catchUp(conversation: string): Promise<WireView | undefined> {
    const view = this.views.get(conversation);
    if (view === undefined) return undefined;
    view.live = undefined;
    const open = { type: "conversation.open", id: crypto.randomUUID(), conversation, seq: view.seq };
    await this.#untilAnswered(open);
    await this.#caughtUp(view);
    await this.#untilAnswered({ type: "conversation.close", id: crypto.randomUUID(), conversation });
    return view;
  }

  /** Every row of the person's list, archived ones too. */
  async list(): Promise<Record<string, unknown>[]> {
    const rows: Record<string, unknown>[] = [];
    for (let cursor: unknown; ;) {
      const more = cursor === undefined ? {} : { cursor };
      const id = crypto.randomUUID();
      const page = await this.#untilAnswered({ type: "conversation.list", id, limit: 100, ...more });
      rows.push(...(page["conversations"] as Record<string, unknown>[]));
      cursor = page["cursor"];
      if (cursor === undefined) return rows;
    }
  }

  async #caughtUp(view: WireView): Promise<boolean> {
    for (let i = 0; view.live === undefined && i < 1000; i++) await sleep(10);
    if (view.live === undefined) this.#problem(`${view.conversation} never became live`);
    return view.live !== undefined;
  }

  #problem(text: string): void {
    this.problems.push(text);
    this.#counts.torn++;
  }

  #say(frame: object): void {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(frame), () => undefined);
  }

  /** A connection that answers nothing is given up, as the wire asks of a client: nobody may ever say that it is gone. */
  #giveUpOnTheDead(): void {
    const now = performance.now();
    const waited = [...this.#pending.values()].some(({ saidAt }) => now - saidAt > patience);
    if ((waited || !this.#signedIn) && now - this.#connectedAt > patience) this.#socket?.terminate();
  }

  /** Once on a connection, but again where it was not there yet. */
  #openCurrent(): void {
    const view = this.views.get(this.#current);
    if (!this.#running || this.#asked || !this.#signedIn || view === undefined || view.deleted) return;
    this.#asked = true;
    this.#say({
      type: "conversation.open",
      id: `open ${crypto.randomUUID()}`,
      conversation: this.#current,
      seq: view.seq,
    });
  }

  #connect(): void {
    if (this.#closed) return;
    this.#counts.connections++;
    this.#connectedAt = performance.now();
    const socket = new WebSocket(this.#url(), { handshakeTimeout: 2000 });
    this.#socket = socket;
    this.#signedIn = false;
    socket.on("open", () => {
      const view = this.views.get(this.#current);
      const wanted = view !== undefined && this.#running;
      const open = wanted ? [{ conversation: this.#current, seq: view.seq }] : [];
      this.#asked = wanted;
      for (const other of this.views.values()) other.live = undefined;
      const who = this.#session === undefined ? { guest: true } : { session: this.#session };
      this.#say({ type: "auth", id: "auth", ...who, open });
    });
    socket.on("message", (data: Buffer) => {
      if (socket === this.#socket) this.#receive(JSON.parse(data.toString()) as Answer);
    });
    socket.on("error", () => undefined);
    socket.on("close", (code, reason) => {
      if (!fairCloses.has(code) && !this.#closed) {
        this.#counts.wrongCloses++;
        this.problems.push(`closed ${code} ${reason.toString()}`);
      }
      if (socket === this.#socket) setTimeout(() => this.#connect(), 20 + this.#random() * 150);
    });
  }

  #receive(frame: Answer): void {
    const { id, conversation } = frame as { id?: string; conversation?: string };
    if (id === "auth") {
      if (frame.type !== "ack") {
        // A server that is leaving lets nobody in; what else it says is wrong.
        if (frame.error?.code !== "unavailable") this.#problem(`auth: ${frame.error?.code}`);
        return;
      }
      this.#session = (frame["session"] as { token: string }).token;
      this.#signedIn = true;
      const now = performance.now();
      for (const pending of this.#pending.values()) {
        pending.saidAt = now;
        this.#say(pending.command);
      }
    } else if (frame.type === "error" && (id?.startsWith("open ") === true || conversation === this.#current)) {
      this.#asked = false;
    } else if (id !== undefined) {
      const pending = this.#pending.get(id);
      this.#pending.delete(id);
      pending?.resolve(frame);
    } else if (conversation !== undefined && ["events", "snapshot", "live"].includes(frame.type)) {
      this.views.get(conversation)?.receive(frame);
    }
  }

  #any<T>(list: readonly T[]): T | undefined {
    return list[Math.floor(this.#random() * list.length)];
  }

  /** Several at once on one connection, each about another thing: their order does not matter. */
  #drawReactions(): Command[] {
    const view = this.views.get(this.#current);
    if (view === undefined || view.deleted) return [];
    return emoji.flatMap((reaction) => {
      const message = this.#any([...view.messages.keys()]);
      return message === undefined ? [] : [this.#react(view.conversation, message, reaction)];
    });
  }

  #react(conversation: string, message: string, reaction: string): Command {
    const on = this.#random() < 0.7;
    return { type: "message.react", id: crypto.randomUUID(), conversation, message, reaction, on };
  }

  /** The next thing a person might do, by chance. */
  #draw(): Command | undefined {
    const id = crypto.randomUUID();
    const view = this.views.get(this.#current);
    const conversation = this.#current;
    const roll = this.#random();
    if (view === undefined || view.deleted || view.messages.size > 24 || roll < 0.03) return this.#begin(id);
    const replies = [...view.messages.values()].filter((message) => message.role === "assistant");
    const users = [...view.messages.values()].filter((message) => message.role === "user");
    const about = (type: string, message: string | undefined): Command | undefined =>
      message === undefined ? undefined : { type, id, conversation, message };
    if (roll < 0.45) return this.#sendTo(id, conversation);
    if (roll < 0.55) {
      const command = about("message.edit", this.#any(users)?.id);
      const replacement = crypto.randomUUID();
      return command && { ...command, replacement, parts: this.#prompt(replacement) };
    }
    if (roll < 0.7) {
      const message = this.#any([...view.messages.keys()]);
      return message === undefined ? undefined : this.#react(conversation, message, this.#any(emoji) ?? "👍");
    }
    if (roll < 0.8) {
      const turn = this.#any([...view.turns.keys()]);
      return turn === undefined ? undefined : { type: "turn.stop", id, conversation, turn };
    }
    if (roll < 0.87) return about("turn.retry", this.#any(replies)?.id);
    if (roll < 0.92) {
      const ended = replies.filter(({ id }) => ["stopped", "interrupted"].includes(String(view.status(id))));
      return about("turn.continue", this.#any(ended)?.id);
    }
    if (roll < 0.98) return { type: "conversation.update", id, conversation, title: `title ${id.slice(0, 8)}` };
    return { type: "conversation.delete", id, conversation };
  }

  #begin(id: string): Command {
    this.#current = crypto.randomUUID();
    const conversation = this.#current;
    this.views.set(conversation, new WireView(conversation, (problem) => this.#problem(`live: ${problem}`)));
    // The very first send makes the conversation; until then it cannot be opened.
    this.#asked = false;
    return this.#sendTo(id, conversation);
  }

  #sendTo(id: string, conversation: string): Command {
    const message = crypto.randomUUID();
    return { type: "message.send", id, conversation, message, parts: this.#prompt(message) };
  }

  #prompt(message: string): object[] {
    const seed = 1 + Math.floor(this.#random() * 100_000);
    const chars = this.#random() < 0.7 ? 100 + Math.floor(this.#random() * 500) : 3000;
    this.asked.set(message, { seed, chars });
    return [{ type: "text", text: `{{seed=${seed} chars=${chars} rate=${chars > 1000 ? 400 : 100} piece=5}}` }];
  }
}
