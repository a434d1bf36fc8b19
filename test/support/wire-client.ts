// Owns a strict client of the wire, written from its page alone: it imports nothing of the product and records whatever does not fit.
import { WebSocket } from "ws";
import { WireView, type Json, type WireFrame } from "./wire-view.ts";

/** An `ack` or an `error`. */
export type Answer = WireFrame & { error?: { code: string; retryAfterMs?: number; field?: string } & Json };
type Opening = { conversation: string; seq?: number; epoch?: string };
export type ConnectOptions = {
  /** Who this is; default: a new guest, or the session of `from`. */
  readonly auth?: Json;
  /** The client whose session, views and cursors go on. */
  readonly from?: WireClient;
  /** What to open in the same round trip; default: everything that `from` has. */
  readonly open?: Opening[];
} & Manner;

type Manner = {
  /** Told of every frame that is said, and of every one that comes, before it is taken in. */
  readonly watch?: (frame: Json, by: "client" | "server") => void;
  /** Milliseconds that an answer may take; default: answers are waited for as long as the connection lasts. */
  readonly patienceMs?: number;
};

const kinds = new Set(["events", "snapshot", "live"]);

/** Waits until `condition` gives something; looks every few milliseconds. */
export async function until<T>(condition: () => T | undefined | false, what: string, ms = 15_000): Promise<T> {
  const end = performance.now() + ms;
  for (;;) {
    const value = condition();
    if (value !== undefined && value !== false) return value;
    if (performance.now() > end) throw new Error(`waited ${ms} ms for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 4));
  }
}

export class WireClient {
  readonly views = new Map<string, WireView>();
  readonly anomalies: string[] = [];
  readonly notices: WireFrame[] = [];
  readonly rows: WireFrame[] = [];
  /** Errors about no command of ours, as for what `auth` could not open. */
  readonly errors: Answer[] = [];
  closed: { code: number; reason: string; at: number } | undefined;
  /** The answer to `auth`. */
  hello: Answer = { type: "none" };
  lastFrameAt = 0;
  readonly #socket: WebSocket;
  /** Whoever waits, by id: a command may be said twice before its answer, and then has two. */
  readonly #waiting = new Map<string, ((answer: Answer) => void)[]>();
  readonly #left = new Set<string>();
  /** Openings that are not answered yet: conversation to the command's id. */
  readonly #reopening = new Map<string, string>();

  readonly #manner: Manner;

  private constructor(url: string, manner: Manner) {
    this.#manner = manner;
    this.#socket = new WebSocket(`${url.replace(/^http/, "ws")}/api/v1/async/chatbot`, ["throughline.v1"]);
    this.#socket.on("message", (data: Buffer, binary) => {
      if (binary) this.anomalies.push("a binary frame");
      else this.#take(data.toString());
    });
    this.#socket.on("error", () => undefined);
    this.#socket.on("close", (code, reason) => {
      this.closed = { code, reason: reason.toString(), at: performance.now() };
      for (const [id, asked] of this.#waiting) for (const resolve of asked) resolve({ type: "lost", id });
      this.#waiting.clear();
    });
  }

  /** Connected, and nothing said. */
  static async dial(url: string, manner: Manner = {}): Promise<WireClient> {
    const client = new WireClient(url, manner);
    await until(() => client.#socket.readyState !== WebSocket.CONNECTING, "the upgrade");
    return client;
  }

  /** Connected and signed in; `hello` says how that went. */
  static async connect(url: string, options: ConnectOptions = {}): Promise<WireClient> {
    const { from } = options;
    const client = await WireClient.dial(url, options);
    const auth = options.auth ?? (from === undefined ? { guest: true } : { session: from.token });
    for (const [id, view] of from?.views ?? [])
      client.views.set(
        id,
        view.copy((problem) => client.#note(problem)),
      );
    const open = options.open ?? [...client.views.values()].map(({ conversation, seq }) => ({ conversation, seq }));
    for (const { conversation } of open) client.#viewOf(conversation);
    client.hello = await client.ask({ type: "auth", ...auth, open });
    return client;
  }

  /** The session token; a refused client has none. */
  get token(): string {
    return String((this.hello["session"] as Json | undefined)?.["token"]);
  }

  get user(): string {
    return String((this.hello["user"] as Json | undefined)?.["id"]);
  }

  /** Sends a command and waits for its one answer; `lost` where the connection ended before it. */
  ask(command: Json, patienceMs = this.#manner.patienceMs): Promise<Answer> {
    const id = typeof command["id"] === "string" ? command["id"] : crypto.randomUUID();
    if (this.closed !== undefined) return Promise.resolve({ type: "lost", id });
    const answer = new Promise<Answer>((resolve) => {
      this.#waiting.set(id, [...(this.#waiting.get(id) ?? []), resolve]);
    });
    this.say({ ...command, id });
    if (patienceMs === undefined) return answer;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      const problem = new Error(`waited ${patienceMs} ms for an answer to ${String(command["type"])}`);
      timer = setTimeout(() => reject(problem), patienceMs);
    });
    return Promise.race([answer, late]).finally(() => clearTimeout(timer));
  }

  /** Bytes that were said and that the network has not taken. */
  get unsent(): number {
    return this.#socket.bufferedAmount;
  }

  say(frame: Json): void {
    this.#manner.watch?.(frame, "client");
    this.#socket.send(JSON.stringify(frame), () => undefined);
  }

  send(conversation: string, text: string, more: Json = {}): Promise<Answer> {
    const parts = [{ type: "text", text }];
    return this.ask({ type: "message.send", conversation, message: crypto.randomUUID(), parts, ...more });
  }

  /**
   * Opens at the cursor of the view there is, or as told; content comes by and by. What still comes between the command and its
   * ack belongs to the opening before, and is dropped: the answer is where the new one begins.
   */
  async open(conversation: string, where?: Omit<Opening, "conversation">): Promise<WireView> {
    const view = this.#viewOf(conversation);
    const id = crypto.randomUUID();
    this.#reopening.set(conversation, id);
    view.live = undefined;
    const answer = await this.ask({ type: "conversation.open", id, conversation, ...(where ?? { seq: view.seq }) });
    if (answer.type !== "ack") throw new Error(`not opened: ${JSON.stringify(answer)}`);
    view.epoch = String(answer["epoch"]);
    return view;
  }

  /** Opens and waits until all is there. */
  async read(conversation: string, where?: Omit<Opening, "conversation">): Promise<WireView> {
    const view = await this.open(conversation, where);
    await until(() => view.live !== undefined, `live in ${conversation}`, this.#manner.patienceMs);
    return view;
  }

  /** Reads a conversation once more from the beginning, or as told, on a view of its own. */
  async readCold(conversation: string, where?: Omit<Opening, "conversation">): Promise<WireView> {
    const before = this.views.get(conversation);
    if (before !== undefined) await this.leave(conversation);
    const cold = await this.read(conversation, where);
    await this.leave(conversation);
    if (before !== undefined) this.views.set(conversation, before);
    return cold;
  }

  /** Closes a conversation; nothing of it may come after the answer. */
  async leave(conversation: string): Promise<void> {
    await this.ask({ type: "conversation.close", conversation });
    this.#left.add(conversation);
    this.views.delete(conversation);
  }

  /** Stops reading the socket, and reads again. */
  pause(): void {
    this.#socket.pause();
  }
  resume(): void {
    this.#socket.resume();
  }

  /** Breaks off without a word, as a network does. */
  cut(): void {
    this.#socket.terminate();
  }

  #note(problem: string): void {
    this.anomalies.push(problem);
  }

  #viewOf(conversation: string): WireView {
    this.#left.delete(conversation);
    const known = this.views.get(conversation);
    if (known !== undefined) return known;
    const view = new WireView(conversation, (problem) => this.#note(problem));
    this.views.set(conversation, view);
    return view;
  }

  /** Whatever comes: what cannot be read at all is noted like anything else that does not fit. */
  #take(text: string): void {
    try {
      const frame = JSON.parse(text) as WireFrame;
      this.#manner.watch?.(frame, "server");
      this.#receive(frame);
    } catch (error) {
      this.#note(`${error instanceof Error ? error.message : String(error)}, by the frame ${text.slice(0, 200)}`);
    }
  }

  #receive(frame: WireFrame): void {
    this.lastFrameAt = performance.now();
    const { type } = frame;
    if (type === "ack" || type === "error") return this.#answer(frame);
    if (type === "notice") return void this.notices.push(frame);
    if (type === "conversation") return void this.rows.push(frame);
    if (!kinds.has(type)) return this.#note(`a frame of no known type: ${type}`);
    const conversation = String(frame["conversation"]);
    const view = this.views.get(conversation);
    if (view === undefined)
      this.#note(`${type} of a conversation that ${this.#left.has(conversation) ? "was left" : "is not open"}`);
    else if (!this.#reopening.has(conversation)) view.receive(frame);
  }

  #answer(frame: Answer): void {
    const id = String(frame["id"]);
    for (const [conversation, asked] of this.#reopening) if (asked === id) this.#reopening.delete(conversation);
    const resolve = this.#waiting.get(id)?.shift();
    if (resolve === undefined && frame.type === "error" && frame["id"] === undefined)
      return void this.errors.push(frame);
    if (resolve === undefined)
      return this.#note(`an answer that nobody waits for, or the second: ${JSON.stringify(frame)}`);
    if (this.#waiting.get(id)?.length === 0) this.#waiting.delete(id);
    resolve(frame);
  }
}
