// A client written from docs/protocol.md alone: it imports nothing of the product.
import { WebSocket } from "ws";

type Json = Record<string, unknown>;
export type Reader = {
  seq: number;
  texts: Map<string, string>;
  finished: Map<string, Json>;
  resumed: Json[];
  live: boolean;
};

export class Stranger {
  readonly readers = new Map<string, Reader>();
  readonly notices: Json[] = [];
  readonly problems: string[] = [];
  session: string | undefined;
  closed: number | undefined;
  readonly #socket: WebSocket;
  readonly #waiting = new Map<string, (answer: Json) => void>();

  private constructor(url: string, headers: Record<string, string>) {
    const address = `${url.replace(/^http/, "ws")}/api/v1/async/chatbot`;
    this.#socket = new WebSocket(address, ["throughline.v1"], { headers });
    this.#socket.on("message", (data: Buffer) => this.#receive(JSON.parse(data.toString()) as Json));
    this.#socket.on("error", () => undefined);
    this.#socket.on("close", (code) => (this.closed = code));
  }

  /** Connects and signs in; `before` is the client whose session and cursors go on. */
  static async connect(
    url: string,
    before?: Stranger,
    auth: Json = { guest: true },
    headers: Record<string, string> = {},
  ): Promise<Stranger> {
    const stranger = new Stranger(url, headers);
    await new Promise((resolve, reject) => {
      stranger.#socket.on("open", resolve);
      stranger.#socket.on("error", reject);
    });
    const open = [...(before?.readers ?? [])].map(([conversation, { seq }]) => ({ conversation, seq }));
    for (const [conversation, reader] of before?.readers ?? [])
      stranger.readers.set(conversation, structuredClone({ ...reader, live: false }));
    const who = before?.session === undefined ? auth : { session: before.session };
    const answer = await stranger.ask({ type: "auth", ...who, open });
    stranger.session = (answer["session"] as Json | undefined)?.["token"] as string | undefined;
    return stranger;
  }

  /** Sends a command and resolves with its one answer, `ack` or `error`. */
  ask(command: Json): Promise<Json> {
    const id = typeof command["id"] === "string" ? command["id"] : crypto.randomUUID();
    this.#socket.send(JSON.stringify({ ...command, id }));
    return new Promise((resolve) => this.#waiting.set(id, resolve));
  }

  async send(conversation: string, text: string, more: Json = {}): Promise<Json> {
    return this.ask({
      type: "message.send",
      conversation,
      message: crypto.randomUUID(),
      parts: [{ type: "text", text }],
      ...more,
    });
  }

  async open(conversation: string, seq = 0): Promise<Reader> {
    const reader: Reader = { seq, texts: new Map(), finished: new Map(), resumed: [], live: false };
    this.readers.set(conversation, reader);
    await this.ask({ type: "conversation.open", conversation, seq });
    return reader;
  }

  /** Breaks off without a word, as a network does. */
  cut(): void {
    this.#socket.terminate();
  }

  /** Stops reading, and goes on. */
  pause(): void {
    this.#socket.pause();
  }
  resume(): void {
    this.#socket.resume();
  }

  #receive(frame: Json): void {
    if (frame["type"] === "ack" || frame["type"] === "error") {
      const id = String(frame["id"]);
      if (!this.#waiting.has(id)) this.problems.push(`an answer nobody waits for: ${JSON.stringify(frame)}`);
      this.#waiting.get(id)?.(frame);
      this.#waiting.delete(id);
      return;
    }
    if (frame["type"] === "notice") this.notices.push(frame);
    const reader = this.readers.get(String(frame["conversation"]));
    if (reader === undefined) return;
    if (frame["type"] === "live") reader.live = true;
    if (frame["type"] === "snapshot") this.problems.push("a snapshot for a good cursor");
    if (frame["type"] !== "events" || Number(frame["to"]) <= reader.seq) return;
    if (frame["from"] !== reader.seq + 1)
      return void this.problems.push(`gap: ${String(frame["from"])} after ${reader.seq}`);
    reader.seq = Number(frame["to"]);
    for (const event of frame["events"] as Json[]) {
      const message = typeof event["message"] === "string" ? event["message"] : "";
      const text = reader.texts.get(message) ?? "";
      if (event["kind"] === "reply.appended") {
        if (event["offset"] !== text.length) this.problems.push(`offset ${String(event["offset"])} at ${text.length}`);
        reader.texts.set(message, text + String(event["text"]));
      } else if (event["kind"] === "turn.resumed") {
        reader.resumed.push(event);
        if (event["mode"] === "restart") reader.texts.set(message, "");
      } else if (event["kind"] === "turn.finished") {
        if (event["length"] !== text.length)
          this.problems.push(`length ${String(event["length"])}, read ${text.length}`);
        reader.finished.set(String(event["turn"]), event);
      }
    }
  }
}
