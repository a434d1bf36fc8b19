// Owns one person on one socket that comes back by itself with session and cursors, as the wire asks. Believes nothing that it reads.
import { WebSocket } from "ws";
import { WireView, type WireFrame } from "../support/wire-view.ts";
import type { Ledger } from "./ledger.ts";
import { sleep } from "./scene.ts";

export type Answer = WireFrame & { error?: { code: string; retryAfterMs?: number } };
export type Command = { readonly type: string; readonly id?: string } & Readonly<Record<string, unknown>>;

export type MemberOptions = {
  readonly name: string;
  /** The server's address, http or ws; asked for with every connection. */
  readonly url: () => string;
  readonly ledger: Ledger;
  readonly random: () => number;
  /** The session of a person who is there already: another device of theirs. */
  readonly session?: string | undefined;
  /** Close codes that are as they should be, after signing in. What ends before that may always be lost, turned away or restarting. */
  readonly fair: readonly number[];
  /** Is told of this member before it connects. */
  readonly came?: ((member: Member) => void) | undefined;
  /** Words that must be in no frame. */
  readonly secret?: string | undefined;
};

/** What may meet a connection that never got to its `auth`. */
const fairBefore = new Set([1006, 1012, 1013]);
/** Waits before coming back (ms): at random up to the first, doubled up to the second. */
const [shortest, longest] = [300, 4000];
/** How long anything may take (ms): far more than anything takes on a slow, loaded machine. */
const patience = 120_000;

export class Member {
  readonly name: string;
  readonly views = new Map<string, WireView>();
  /** Connections that were tried, and those that came in. */
  connections = 0;
  arrivals = 0;
  /** When the last one came in, and when one ended by a close frame. */
  arrivedAt = 0;
  closedAt = 0;
  lastClose: number | undefined;
  /** Answers `unavailable` and `overloaded` that were met on the way. */
  refusals = 0;
  readonly #with: MemberOptions;
  #socket: WebSocket | undefined;
  #session: string | undefined;
  #signedIn = false;
  #left = false;
  #failures = 0;
  #timer: NodeJS.Timeout | undefined;
  readonly #pending = new Map<string, { text: string; resolve: (answer: Answer) => void }>();
  readonly #wakes = new Set<() => void>();

  constructor(options: MemberOptions) {
    this.#with = options;
    this.name = options.name;
    this.#session = options.session;
    options.came?.(this);
    this.#connect();
  }

  /** Connected and signed in. */
  static async join(options: MemberOptions): Promise<Member> {
    const member = new Member(options);
    await member.until(() => member.#signedIn, "signing in");
    return member;
  }

  get session(): string | undefined {
    return this.#session;
  }

  get online(): boolean {
    return this.#signedIn;
  }

  /** Says a command, again on every new connection, until it is answered. One that was turned away is said again, unless `once`. */
  async ask(command: Command, once = false): Promise<Answer> {
    const id = command.id ?? crypto.randomUUID();
    const text = JSON.stringify({ ...command, id });
    for (;;) {
      const answer = await this.#answered(id, text);
      const code = answer.error?.code;
      if (once || (code !== "unavailable" && code !== "overloaded")) return answer;
      this.refusals++;
      await sleep(answer.error?.retryAfterMs ?? 200);
    }
  }

  /** A prompt in a conversation; who asks stands in it, so that nobody else's context can hold it unseen. */
  send(conversation: string, directive: string, more: Readonly<Record<string, unknown>> = {}): Promise<Answer> {
    const parts = [{ type: "text", text: `<${this.name}> {{${directive}}}` }];
    return this.ask({ type: "message.send", conversation, message: crypto.randomUUID(), parts, ...more });
  }

  /** Follows a conversation from its beginning, or from the cursor that there is. Live when it resolves. */
  async follow(conversation: string): Promise<WireView> {
    const known = this.views.get(conversation);
    const view = known ?? new WireView(conversation, (problem) => this.#torn(problem));
    view.live = undefined;
    this.views.set(conversation, view);
    // On a connection that is still coming in, `auth` opens it; so does every later one.
    if (this.#signedIn) this.#say({ type: "conversation.open", id: "open", conversation, seq: view.seq });
    await this.until(() => view.live !== undefined, `${conversation} live`);
    return view;
  }

  /** Waits for something that a frame brings about; what does not come is counted. */
  until(condition: () => boolean, what: string, ms = patience): Promise<boolean> {
    return new Promise((resolve) => {
      const end = (came: boolean): void => {
        clearTimeout(timer);
        this.#wakes.delete(look);
        resolve(came);
      };
      const look = (): void => {
        if (condition()) end(true);
      };
      const timer = setTimeout(() => {
        const came = condition();
        if (!came) this.#with.ledger.bad("stuck", `${this.name} waited ${ms} ms for ${what}`);
        end(came);
      }, ms);
      this.#wakes.add(look);
      look();
    });
  }

  /** Breaks the connection without a word; it comes back by itself. */
  cut(): void {
    this.#socket?.terminate();
  }

  /** Leaves the socket as it is, open and unread, and goes on with another: nobody has told this side that the first is dead. */
  move(): void {
    const old = this.#socket;
    this.#signedIn = false;
    this.#connect();
    old?.removeAllListeners("message");
    old?.resume();
  }

  pause(): void {
    this.#socket?.pause();
  }

  resume(): void {
    this.#socket?.resume();
  }

  /** Goes for good. */
  leave(): void {
    this.#left = true;
    clearTimeout(this.#timer);
    this.#socket?.terminate();
  }

  #torn(problem: string): void {
    this.#with.ledger.bad("torn", `${this.name}: ${problem}`);
  }

  #answered(id: string, text: string): Promise<Answer> {
    return new Promise((resolve) => {
      let done = false;
      const answered = (answer: Answer): void => {
        done = true;
        resolve(answer);
      };
      this.#pending.set(id, { text, resolve: answered });
      if (this.#signedIn) this.#socket?.send(text, () => undefined);
      const late = (came: boolean): void => {
        if (came) return;
        this.#pending.delete(id);
        resolve({ type: "lost", id });
      };
      void this.until(() => done, `an answer to ${text.slice(0, 120)}`).then(late);
    });
  }

  #say(frame: object): void {
    this.#socket?.send(JSON.stringify(frame), () => undefined);
  }

  #connect(): void {
    if (this.#left) return;
    this.connections++;
    const { url, ledger, fair } = this.#with;
    const address = `${url().replace(/^http/, "ws")}/api/v1/async/chatbot`;
    const socket = new WebSocket(address, ["throughline.v1"], { handshakeTimeout: 30_000, perMessageDeflate: false });
    let cameIn = false;
    this.#socket = socket;
    socket.on("open", () => {
      for (const view of this.views.values()) view.live = undefined;
      const open = [...this.views.values()].map(({ conversation, seq }) => ({ conversation, seq }));
      const who = this.#session === undefined ? { guest: true } : { session: this.#session };
      socket.send(JSON.stringify({ type: "auth", id: "auth", ...who, open }), () => undefined);
    });
    socket.on("message", (data: Buffer) => {
      if (socket !== this.#socket) return;
      this.#receive(data.toString());
      cameIn ||= this.#signedIn;
      for (const look of this.#wakes) look();
    });
    socket.on("error", () => undefined);
    socket.on("close", (code, reason) => {
      const mine = socket === this.#socket;
      if (this.#left || !mine) return;
      this.#signedIn = false;
      this.lastClose = code;
      this.closedAt = performance.now();
      if (!(cameIn ? fair.includes(code) : fairBefore.has(code)))
        ledger.bad(
          "wrongCloses",
          `${this.name}: ${code} ${reason.toString()} ${cameIn ? "after" : "before"} signing in`,
        );
      const most = Math.min(longest, shortest * 2 ** this.#failures++);
      this.#timer = setTimeout(() => this.#connect(), this.#with.random() * most);
      for (const look of this.#wakes) look();
    });
  }

  #receive(text: string): void {
    const { secret } = this.#with;
    if (secret !== undefined && text.includes(secret)) this.#torn("a frame holds what nobody may be told");
    const frame = JSON.parse(text) as Answer;
    const { id, conversation } = frame as { id?: string; conversation?: string };
    if (id === "auth") return this.#welcomed(frame);
    if (frame.type === "ack" || frame.type === "error") {
      const pending = id === undefined ? undefined : this.#pending.get(id);
      if (pending !== undefined && id !== undefined) {
        this.#pending.delete(id);
        return pending.resolve(frame);
      }
      // Commands are said again on a new connection, and so may be answered twice; an error that nobody asked for is one.
      const code = frame.error?.code;
      if (code !== undefined && code !== "unavailable" && code !== "overloaded")
        this.#torn(`unasked: ${text.slice(0, 300)}`);
      return;
    }
    if (conversation !== undefined && ["events", "snapshot", "live"].includes(frame.type))
      this.views.get(conversation)?.receive(frame);
  }

  #welcomed(frame: Answer): void {
    if (frame.type !== "ack") {
      const code = frame.error?.code;
      if (code !== "unavailable" && code !== "overloaded") this.#torn(`auth: ${JSON.stringify(frame.error)}`);
      return;
    }
    const session = frame["session"] as { token: string; resumed: boolean };
    if (this.#session !== undefined && !session.resumed) this.#with.ledger.bad("lost", `${this.name}: the session`);
    this.#session = session.token;
    this.#signedIn = true;
    this.#failures = 0;
    this.arrivals++;
    this.arrivedAt = performance.now();
    for (const { text } of this.#pending.values()) this.#socket?.send(text, () => undefined);
  }
}
