// A reader's own fold, written from the wire's description alone: it trusts nothing and reports what does not fit.

export type WireEvent = { kind: string } & Record<string, unknown>;
type Part = { type: string; text: string };
export type SeenMessage = {
  id: string;
  role: string;
  parent: string | null;
  parts: Part[];
  status?: string;
  turns: string[];
  reactions: Map<string, Set<string>>;
};
type Frame = { type: string; from?: number; to?: number; events?: WireEvent[]; seq?: number };

export class LogView {
  seq = 0;
  liveAt: number | undefined;
  title: string | undefined;
  deleted = false;
  readonly messages = new Map<string, SeenMessage>();
  /** Turn to its status; running until its end. */
  readonly turns = new Map<string, string>();
  readonly #report: (problem: string) => void;

  constructor(report: (problem: string) => void) {
    this.#report = report;
  }

  runningTurns(): string[] {
    return [...this.turns].filter(([, status]) => status === "running").map(([turn]) => turn);
  }

  text(id: string): string {
    return (this.messages.get(id)?.parts ?? []).map((part) => (part.type === "text" ? part.text : "")).join("");
  }

  /** All of it, for comparing two views byte for byte. */
  serialize(): string {
    const messages = [...this.messages.values()].map((message) => ({
      ...message,
      reactions: [...message.reactions].map(([reaction, users]) => [reaction, [...users]]),
    }));
    return JSON.stringify([this.seq, this.title, this.deleted, messages, [...this.turns]]);
  }

  receive(frame: Frame): void {
    if (frame.type === "snapshot") return this.#report("a snapshot where the cursor was good");
    if (frame.type === "live") {
      if (frame.seq !== this.seq) this.#report(`live at ${frame.seq}, but read up to ${this.seq}`);
      this.liveAt = frame.seq;
    }
    if (frame.type !== "events" || frame.from === undefined || frame.to === undefined) return;
    if (frame.to <= this.seq) return;
    if (frame.from !== this.seq + 1) return this.#report(`a gap: ${frame.from} after ${this.seq}`);
    for (const event of frame.events ?? []) this.#apply(event);
    this.seq = frame.to;
  }

  #apply(event: WireEvent): void {
    const message = this.messages.get(String(event["message"]));
    const turn = String(event["turn"]);
    if (event.kind.startsWith("reply.") || event.kind === "turn.resumed" || event.kind === "turn.finished") {
      if (this.turns.get(turn) !== "running")
        this.#report(`${event.kind} of a turn that is ${this.turns.get(turn) ?? "unknown"}`);
      if (message === undefined) return this.#report(`${event.kind} of an unknown message`);
    }
    switch (event.kind) {
      case "conversation.updated":
        if (typeof event["title"] === "string") this.title = event["title"];
        return;
      case "conversation.deleted":
        this.deleted = true;
        return;
      case "message.created": {
        const made = event["message"] as {
          id: string;
          role: string;
          parts: Part[];
          metadata: { parent: string | null };
        };
        if (this.messages.has(made.id)) this.#report(`message ${made.id} created twice`);
        this.messages.set(made.id, { ...made, parent: made.metadata.parent, turns: [], reactions: new Map() });
        return;
      }
      case "turn.started": {
        if (this.turns.has(turn)) this.#report(`turn ${turn} started twice`);
        this.turns.set(turn, "running");
        const id = String(event["message"]);
        const parent = event["parent"] as string | null;
        const reply: SeenMessage = message ?? {
          id,
          role: "assistant",
          parent,
          parts: [],
          turns: [],
          reactions: new Map(),
        };
        reply.status = "running";
        reply.turns.push(turn);
        this.messages.set(id, reply);
        return;
      }
      case "reply.appended": {
        const index = Number(event["part"]);
        const part = (message as SeenMessage).parts[index] ?? { type: String(event["type"]), text: "" };
        if (part.text.length !== event["offset"])
          this.#report(`offset ${String(event["offset"])} at ${part.text.length}`);
        part.text += String(event["text"]);
        (message as SeenMessage).parts[index] = part;
        return;
      }
      case "turn.resumed":
        if (event["mode"] === "restart") (message as SeenMessage).parts = [];
        return;
      case "turn.finished": {
        this.turns.set(turn, String(event["status"]));
        (message as SeenMessage).status = String(event["status"]);
        const length = this.text((message as SeenMessage).id).length;
        if (length !== event["length"]) this.#report(`length ${String(event["length"])} said, ${length} read`);
        return;
      }
      case "reaction.changed": {
        const reaction = String(event["reaction"]);
        const users = message?.reactions.get(reaction) ?? new Set();
        if (event["on"] === true) users.add(String(event["user"]));
        else users.delete(String(event["user"]));
        if (users.size > 0) message?.reactions.set(reaction, users);
        else message?.reactions.delete(reaction);
        return;
      }
      default:
    }
  }
}
