// Owns a reader's own fold of one conversation, written from the wire's page alone. Trusts nothing: what does not fit is reported.

export type Json = Record<string, unknown>;
export type WireEvent = { kind: string } & Json;
type Part = { type: string; text?: string } & Json;
export type SeenMessage = { id: string; role: string; parts: Part[]; metadata: Json };
export type WireFrame = { type: string } & Json;

/** What the wire's page names in a message's metadata; a server may add more, which is not compared. */
const named = ["createdAt", "editOf", "model", "parent", "reactions", "status", "turn"];
const statuses = new Set(["completed", "stopped", "failed", "interrupted"]);

const textOf = (parts: readonly Part[]): string =>
  parts.map((part) => (part.type === "text" ? (part.text ?? "") : "")).join("");

/** Every key in order, so that two views can be compared as text. */
function inOrder(_key: string, value: unknown): unknown {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
}

const pieceOf = (event: Record<string, unknown>): string => (typeof event["text"] === "string" ? event["text"] : "");

export class WireView {
  readonly conversation: string;
  seq = 0;
  epoch: string | undefined;
  /** The seq of the last `live`; undefined while catching up. */
  live: number | undefined;
  title: string | undefined;
  createdAt: string | undefined;
  archived = false;
  deleted = false;
  more = false;
  snapshots = 0;
  /** Most characters of text in one frame. */
  largest = 0;
  messages = new Map<string, SeenMessage>();
  /** Running turns. */
  turns = new Map<string, { message: string; attempt: number }>();
  /** The turns that were seen to start, by the reply they made. */
  readonly started = new Map<string, string[]>();
  /** Every `turn.finished` that was seen, by turn. */
  readonly finished = new Map<string, WireEvent>();
  readonly resumed: WireEvent[] = [];
  readonly #report: (problem: string) => void;

  constructor(conversation: string, report: (problem: string) => void) {
    this.conversation = conversation;
    this.#report = (problem) => report(`${problem} (${conversation} at ${this.seq})`);
  }

  /** The same view in other hands: what a client keeps over a reconnect. */
  copy(report: (problem: string) => void): WireView {
    const copy = new WireView(this.conversation, report);
    const { seq, epoch, title, createdAt, archived, deleted, more } = this;
    Object.assign(copy, { seq, epoch, title, createdAt, archived, deleted, more });
    copy.messages = structuredClone(this.messages);
    copy.turns = structuredClone(this.turns);
    for (const [id, turns] of this.started) copy.started.set(id, turns);
    for (const [turn, event] of this.finished) copy.finished.set(turn, event);
    copy.resumed.push(...this.resumed);
    return copy;
  }

  text(message: unknown): string {
    return textOf(this.messages.get(String(message))?.parts ?? []);
  }

  status(message: unknown): unknown {
    return this.messages.get(String(message))?.metadata["status"];
  }

  /** All of it as text, for comparing byte for byte. */
  canonical(): string {
    const messages = [...this.messages.values()].map(({ id, role, parts, metadata }) => {
      const kept = Object.fromEntries(named.map((key) => [key, metadata[key]]));
      return { id, role, parts, metadata: kept };
    });
    const turns = [...this.turns].sort(([a], [b]) => (a < b ? -1 : 1));
    const { seq, title, createdAt, archived, deleted } = this;
    return JSON.stringify({ seq, title, createdAt, archived, deleted, messages, turns }, inOrder);
  }

  receive(frame: WireFrame): "applied" | "dropped" | "gap" {
    if (frame.type === "snapshot") return this.#replace(frame);
    if (frame.type === "live") {
      if (frame["seq"] !== this.seq) this.#report(`live at ${String(frame["seq"])}`);
      this.live = this.seq;
      return "applied";
    }
    const [from, to] = [Number(frame["from"]), Number(frame["to"])];
    const events = frame["events"] as WireEvent[];
    const pieces = events.filter(({ kind }) => kind === "reply.appended").length;
    const most = to - from + 1;
    if (
      !(from >= 1 && to >= from) ||
      events.length < 1 ||
      events.length > most ||
      (pieces === 0 && events.length < most)
    )
      this.#report(`${events.length} events, ${pieces} of them pieces, in ${from}..${to}`);
    if (to <= this.seq) return "dropped";
    if (from !== this.seq + 1) {
      this.#report(`a gap: ${from}..${to}`);
      return "gap";
    }
    this.largest = Math.max(
      this.largest,
      events.reduce((sum, event) => sum + pieceOf(event).length, 0),
    );
    for (const event of events) this.#apply(event);
    this.seq = to;
    return "applied";
  }

  #replace(frame: WireFrame): "applied" {
    const state = frame["state"] as Json & { messages: SeenMessage[]; turns: (Json & { turn: string })[] };
    this.snapshots++;
    this.live = undefined;
    this.seq = Number(frame["seq"]);
    this.title = state["title"] as string | undefined;
    this.createdAt = state["createdAt"] as string;
    this.archived = state["archived"] === true;
    this.deleted = false;
    this.more = state["more"] === true;
    this.messages = new Map(structuredClone(state.messages).map((message) => [message.id, message]));
    this.turns = new Map(
      state.turns.map(({ turn, message, attempt }) => [turn, { message: String(message), attempt: Number(attempt) }]),
    );
    for (const turn of this.turns.keys()) if (this.finished.has(turn)) this.#report(`turn ${turn} runs after its end`);
    return "applied";
  }

  #apply(event: WireEvent): void {
    const at = event["at"];
    if (typeof at !== "string" || new Date(at).toISOString() !== at) this.#report(`${event.kind} at ${String(at)}`);
    const turn = String(event["turn"]);
    const message = this.messages.get(String(event["message"]));
    const ofTurn = /^reply\.|^turn\.(resumed|finished)$/.test(event.kind);
    if (ofTurn && this.turns.get(turn)?.message !== event["message"])
      this.#report(`${event.kind} of a turn that does not run`);
    if (this.deleted) this.#report(`${event.kind} after the end of the conversation`);
    switch (event.kind) {
      case "conversation.created":
        this.createdAt = String(at);
        this.title = event["title"] as string | undefined;
        return;
      case "conversation.updated":
        if (event["title"] !== undefined) this.title = event["title"] as string;
        if (event["archived"] !== undefined) this.archived = event["archived"] === true;
        return;
      case "conversation.deleted":
        this.deleted = true;
        this.turns.clear();
        return;
      case "message.created": {
        const made = structuredClone(event["message"]) as SeenMessage;
        if (this.messages.has(made.id)) this.#report(`message ${made.id} made twice`);
        this.messages.set(made.id, made);
        return;
      }
      case "turn.started":
        return this.#start(event, turn, message);
      case "turn.resumed": {
        const known = this.turns.get(turn);
        const attempt = Number(event["attempt"]);
        if (known !== undefined && attempt <= known.attempt) this.#report(`attempt ${attempt} after ${known.attempt}`);
        if (known !== undefined) known.attempt = attempt;
        if (event["mode"] === "restart" && message !== undefined) message.parts = [];
        this.resumed.push(event);
        return;
      }
      case "turn.finished":
        return this.#finish(event, turn, message);
      case "reaction.changed":
        return message === undefined ? this.#unknown(event) : this.#react(event, message);
      case "reply.appended":
        return message === undefined ? this.#unknown(event) : this.#append(event, message);
      case "reply.part":
        if (message === undefined) return this.#unknown(event);
        if (Number(event["part"]) > message.parts.length) this.#report(`part ${String(event["part"])} leaves a hole`);
        message.parts[Number(event["part"])] = structuredClone(event["value"]) as Part;
        return;
      default:
        this.#report(`an event of no known kind: ${event.kind}`);
    }
  }

  /** About a message of an older page, which is not here; otherwise it is about nothing. */
  #unknown(event: WireEvent): void {
    if (!this.more) this.#report(`${event.kind} of an unknown message`);
  }

  #start(event: WireEvent, turn: string, message: SeenMessage | undefined): void {
    if (this.turns.has(turn) || this.finished.has(turn)) this.#report(`turn ${turn} started twice`);
    const { parent, model, at } = event;
    const id = String(event["message"]);
    if (parent !== null && !this.messages.has(parent as string) && !this.more) this.#report("a turn under nothing");
    if ([...this.turns.values()].some((running) => running.message === id)) this.#report("two turns on one reply");
    this.turns.set(turn, { message: id, attempt: 1 });
    this.started.set(id, [...(this.started.get(id) ?? []), turn]);
    if (message !== undefined) Object.assign(message.metadata, { turn, model, status: "running" });
    else {
      const metadata = { createdAt: at, parent, turn, model, status: "running" };
      this.messages.set(id, { id, role: "assistant", parts: [], metadata });
    }
  }

  #finish(event: WireEvent, turn: string, message: SeenMessage | undefined): void {
    if (this.finished.has(turn)) this.#report(`turn ${turn} finished twice`);
    if (!statuses.has(String(event["status"]))) this.#report(`status ${String(event["status"])}`);
    this.finished.set(turn, event);
    this.turns.delete(turn);
    if (message === undefined) return this.#unknown(event);
    message.metadata["status"] = event["status"];
    const length = textOf(message.parts).length;
    if (event["length"] !== length) this.#report(`length ${String(event["length"])} said, ${length} read`);
  }

  #append(event: WireEvent, message: SeenMessage): void {
    const index = Number(event["part"]);
    const part = message.parts[index] ?? { type: String(event["type"]), text: "" };
    if (index > message.parts.length) this.#report(`part ${index} leaves a hole`);
    if (part.type !== event["type"]) this.#report(`${String(event["type"])} into a part of ${part.type}`);
    const before = part.text ?? "";
    if (before.length !== event["offset"]) this.#report(`offset ${String(event["offset"])} at ${before.length}`);
    message.parts[index] = { ...part, text: before + String(event["text"]) };
  }

  #react(event: WireEvent, message: SeenMessage): void {
    const reactions = { ...(message.metadata["reactions"] as Record<string, string[]> | undefined) };
    const [reaction, user] = [String(event["reaction"]), String(event["user"])];
    const others = (reactions[reaction] ?? []).filter((id) => id !== user);
    reactions[reaction] = event["on"] === true ? [...others, user] : others;
    if (reactions[reaction].length === 0) delete reactions[reaction];
    if (Object.keys(reactions).length > 0) message.metadata["reactions"] = reactions;
    else delete message.metadata["reactions"];
  }
}
