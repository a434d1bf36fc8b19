// One simulated person: sends drawn commands until each is answered, reads what comes, and remembers what was acknowledged.
import { WebSocket } from "ws";
import { LogView, type WireEvent } from "./view.ts";

export type Command = { type: string; id: string } & Record<string, unknown>;
/** What the server acknowledged, to be found again at the end. */
export type Done = { command: Command; answer: Record<string, unknown> };
export type Counts = Record<
  | "operations"
  | "acked"
  | "refused"
  | "connections"
  | "lost"
  | "doubled"
  | "torn"
  | "stuck"
  | "mismatched"
  | "wrongCloses",
  number
>;

type Frame = {
  type: string;
  id?: string;
  conversation?: string;
  from?: number;
  to?: number;
  events?: WireEvent[];
  error?: { code: string; retryAfterMs?: number };
  session?: { token: string };
} & Record<string, unknown>;

/** Close codes that a person of good will may meet while servers die and networks break. */
const fairCloses = new Set([1000, 1001, 1005, 1006, 1012, 1013]);
const emoji = ["👍", "👎", "🎉"];

export class Person {
  readonly done: Done[] = [];
  readonly refused: Command[] = [];
  readonly views = new Map<string, LogView>();
  /** Texts that the model was asked for, by the message that asked: seed and length. */
  readonly asked = new Map<string, { seed: number; chars: number }>();
  readonly problems: string[] = [];
  readonly #url: () => string;
  readonly #random: () => number;
  readonly #counts: Counts;
  #socket: WebSocket | undefined;
  #session: string | undefined;
  #pending: { command: Command; resolve: (frame: Frame) => void } | undefined;
  #current = "";
  #running = true;
  #online: (() => void)[] = [];
  #signedIn = false;

  constructor(url: () => string, random: () => number, counts: Counts) {
    this.#url = url;
    this.#random = random;
    this.#counts = counts;
    this.#connect();
  }

  /** Works until stopped: one command after the other, each repeated with its id until it is answered. */
  async work(): Promise<void> {
    while (this.#running) {
      const command = this.#draw();
      if (command !== undefined) await this.perform(command);
      await new Promise((resolve) => setTimeout(resolve, this.#random() * 60));
    }
  }

  stop(): void {
    this.#running = false;
  }

  close(): void {
    this.#session = "closed";
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

  async perform(command: Command): Promise<Frame> {
    this.#counts.operations++;
    const frame = await new Promise<Frame>((resolve) => {
      this.#pending = { command, resolve };
      if (this.#signedIn) this.#say(command);
    });
    if (frame.type === "ack") {
      this.#counts.acked++;
      this.done.push({ command, answer: frame });
    } else if (frame.error?.code === "unavailable" || frame.error?.code === "overloaded") {
      await new Promise((resolve) => setTimeout(resolve, frame.error?.retryAfterMs ?? 200));
      return this.perform(command);
    } else {
      this.#counts.refused++;
      this.refused.push(command);
      if (frame.error?.code === "internal" || frame.error?.code === "invalid")
        this.#problem(`${command.type}: ${frame.error.code}`);
    }
    return frame;
  }

  /** Reads a conversation from its beginning on a view of its own. */
  async readCold(conversation: string): Promise<LogView | undefined> {
    const close = { type: "conversation.close", conversation };
    await this.perform({ ...close, id: crypto.randomUUID() });
    const live = this.views.get(conversation);
    const cold = new LogView((problem) => this.#problem(`cold: ${problem}`));
    this.views.set(conversation, cold);
    const opened = await this.perform({ type: "conversation.open", id: crypto.randomUUID(), conversation, seq: 0 });
    if (opened.type !== "ack") {
      if (live !== undefined) this.views.set(conversation, live);
      return undefined;
    }
    for (let i = 0; cold.liveAt === undefined && i < 1000; i++) await new Promise((resolve) => setTimeout(resolve, 10));
    await this.perform({ ...close, id: crypto.randomUUID() });
    if (live !== undefined) this.views.set(conversation, live);
    return cold;
  }

  #problem(text: string): void {
    this.problems.push(text);
    this.#counts.torn++;
  }

  #say(frame: object): void {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(frame));
  }

  #connect(): void {
    if (this.#session === "closed") return;
    this.#counts.connections++;
    const socket = new WebSocket(this.#url(), { handshakeTimeout: 2000 });
    this.#socket = socket;
    this.#signedIn = false;
    socket.on("open", () => {
      const open =
        this.#current === "" ? [] : [{ conversation: this.#current, seq: this.views.get(this.#current)?.seq ?? 0 }];
      const who = this.#session === undefined ? { guest: true } : { session: this.#session };
      this.#say({ type: "auth", id: "auth", ...who, open });
    });
    socket.on("message", (data: Buffer) => {
      if (socket === this.#socket) this.#receive(JSON.parse(data.toString()) as Frame);
    });
    socket.on("error", () => undefined);
    socket.on("close", (code) => {
      if (!fairCloses.has(code) && this.#session !== "closed") {
        this.#counts.wrongCloses++;
        this.problems.push(`closed ${code}`);
      }
      if (socket === this.#socket) setTimeout(() => this.#connect(), 20 + this.#random() * 150);
    });
  }

  #receive(frame: Frame): void {
    if (frame.id === "auth") {
      if (frame.type !== "ack") return this.#problem(`auth: ${frame.error?.code}`);
      this.#session = frame.session?.token;
      this.#signedIn = true;
      for (const wake of this.#online.splice(0)) wake();
      if (this.#pending !== undefined) this.#say(this.#pending.command);
    } else if (frame.id !== undefined) {
      const pending = this.#pending;
      if (pending === undefined || pending.command.id !== frame.id) return;
      this.#pending = undefined;
      // Twice on one connection must be the same; the first answer is what counts.
      pending.resolve(frame);
    } else if (frame.conversation !== undefined) {
      this.views.get(frame.conversation)?.receive(frame);
    }
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
    const any = <T>(list: readonly T[]): T | undefined => list[Math.floor(this.#random() * list.length)];
    const running = view.runningTurns();
    if (roll < 0.45) return this.#sendTo(id, conversation);
    if (roll < 0.55) {
      const message = any(users)?.id;
      const replacement = crypto.randomUUID();
      return message === undefined
        ? undefined
        : { type: "message.edit", id, conversation, message, replacement, parts: this.#prompt(replacement) };
    }
    if (roll < 0.7) {
      const message = any([...view.messages.keys()]);
      return message === undefined
        ? undefined
        : { type: "message.react", id, conversation, message, reaction: any(emoji), on: this.#random() < 0.7 };
    }
    if (roll < 0.8) {
      const turn = any(running);
      return turn === undefined ? undefined : { type: "turn.stop", id, conversation, turn };
    }
    if (roll < 0.87) {
      const message = any(replies)?.id;
      return message === undefined ? undefined : { type: "turn.retry", id, conversation, message };
    }
    if (roll < 0.92) {
      const message = any(replies.filter((reply) => reply.status === "stopped"))?.id;
      return message === undefined ? undefined : { type: "turn.continue", id, conversation, message };
    }
    if (roll < 0.98) return { type: "conversation.update", id, conversation, title: `title ${id.slice(0, 8)}` };
    return { type: "conversation.delete", id, conversation };
  }

  #begin(id: string): Command {
    this.#current = crypto.randomUUID();
    this.views.set(this.#current, new LogView((problem) => this.#problem(`live: ${problem}`)));
    const conversation = this.#current;
    // The very first send makes the conversation; it is opened by the next connection or by this.
    const open = (): void => {
      const seq = this.views.get(conversation)?.seq ?? 0;
      this.#say({ type: "conversation.open", id: `open ${id}`, conversation, seq });
    };
    setTimeout(open, 50);
    setTimeout(open, 300);
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
