// Owns what a check works with: people, their devices, bare sockets, and what all of them noted. It promises nothing itself.
import { WebSocket, type ClientOptions } from "ws";
import { until, WireClient, type Answer, type ConnectOptions } from "../support/wire-client.ts";
import type { Json, WireEvent, WireView } from "../support/wire-view.ts";
import { problemOf } from "./shapes.ts";

export type Target = {
  /** ws://HOST:PORT or wss://HOST:PORT */
  readonly url: string;
  /** What is asked; the reply must take a second at least, so that it can be stopped and cut. */
  readonly prompt: string;
  /** Milliseconds that an answer may take; the end of a reply may take ten times as long. */
  readonly patienceMs: number;
};
export type Check = { readonly id: string; readonly what: string; readonly run: (visit: Visit) => Promise<void> };

export const socketPath = "/api/v1/async/chatbot";

export function must(holds: boolean, problem: string): asserts holds {
  if (!holds) throw new Error(problem);
}
/** Every key in order: two objects are the same in whatever order their fields came. */
function inOrder(_key: string, value: unknown): unknown {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
}
export function same(found: unknown, wanted: unknown, what: string): void {
  const [own, other] = [found, wanted].map((value) => JSON.stringify(value, inOrder) ?? "nothing") as [string, string];
  let at = 0;
  while (at < own.length && own[at] === other[at]) at++;
  const near = (text: string): string => text.slice(Math.max(0, at - 30), at + 60);
  must(own === other, `${what} is ${near(own)}, not ${near(other)}`);
}
export function acked(answer: Answer): Answer {
  must(answer.type === "ack", `refused: ${JSON.stringify(answer)}`);
  return answer;
}
export function refused(answer: Answer, code: string, what = "the answer"): void {
  const found = answer.type === "error" ? answer.error?.code : answer.type;
  must(found === code, `${what} is ${String(found)}, not ${code}`);
}
export const words = (text: string): Json[] => [{ type: "text", text }];
export const newId = (): string => crypto.randomUUID();
export const later = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

export type Started = {
  readonly conversation: string;
  readonly message: string;
  readonly turn: string;
  readonly reply: string;
};

/** Where each event of a frame is in the log; pieces may be merged, so only what is before or behind all of them is sure. */
function placesOf(frame: Json): [number, WireEvent][] {
  const events = frame["events"] as WireEvent[];
  const [from, to] = [Number(frame["from"]), Number(frame["to"])];
  const isExact = events.length === to - from + 1;
  const first = isExact ? events.length : events.findIndex(({ kind }) => kind === "reply.appended");
  const last = events.findLastIndex(({ kind }) => kind === "reply.appended");
  return events.flatMap((event, i): [number, WireEvent][] => {
    if (i < first) return [[from + i, event]];
    return i > last ? [[to - (events.length - 1 - i), event]] : [];
  });
}

/** One check's stay at a server: whoever it brings is held to the page, and leaves with it. */
export class Visit {
  readonly target: Target;
  readonly #clients: WireClient[] = [];
  readonly #sockets: WebSocket[] = [];
  /** Every event whose place is known (pieces may be merged), by client, conversation and seq. */
  readonly #heard = new WeakMap<WireClient, Map<string, Map<number, WireEvent>>>();
  readonly #counts = new WeakMap<WireClient, Map<string, number>>();
  readonly #kept = new WeakMap<WireClient, { conversation: string; kept: Map<number, WireView> }>();
  readonly #problems: string[] = [];

  constructor(target: Target) {
    this.target = target;
  }

  /** Somebody new. */
  guest(): Promise<WireClient> {
    return this.#connect({});
  }

  /** The same person on one more socket. */
  device(person: WireClient, open: ConnectOptions["open"] = []): Promise<WireClient> {
    return this.#connect({ auth: { session: person.token }, open });
  }

  /** The same person and what they had read, after a cut. */
  back(from: WireClient): Promise<WireClient> {
    return this.#connect({ from });
  }

  /** A socket that has said nothing; it is closed with the visit. */
  async socket(protocols: string[] = ["throughline.v1"], options: ClientOptions = {}): Promise<WebSocket> {
    const socket = new WebSocket(`${this.target.url}${socketPath}`, protocols, options);
    this.#sockets.push(socket);
    socket.on("error", () => undefined);
    await this.until(() => socket.readyState !== WebSocket.CONNECTING, "the upgrade");
    must(socket.readyState === WebSocket.OPEN, "the upgrade was refused");
    return socket;
  }

  /** A bare socket of a person who is signed in, and the frames that it hears from then on. */
  async signedIn(person: WireClient, options: ClientOptions = {}): Promise<{ socket: WebSocket; heard: Json[] }> {
    const socket = await this.socket(undefined, options);
    const heard: Json[] = [];
    socket.on("message", (data: Buffer) => heard.push(JSON.parse(data.toString()) as Json));
    socket.send(JSON.stringify({ type: "auth", id: "in", session: person.token }));
    await this.until(() => heard.length > 0, "an answer to auth");
    same(heard.shift()?.["type"], "ack", "the answer to auth");
    return { socket, heard };
  }

  /** The code that a bare socket is closed with after `say`. */
  async codeAfter(socket: WebSocket, say: (socket: WebSocket) => void, ms = this.target.patienceMs): Promise<number> {
    let code: number | undefined;
    socket.on("close", (closed) => (code = closed));
    say(socket);
    return this.until(() => code, "the close", ms);
  }

  /** Asks in a conversation, a new one that is opened first where none is named, and waits for the reply's first text. */
  async begin(client: WireClient, conversation = newId()): Promise<Started> {
    const message = newId();
    if (!client.views.has(conversation)) {
      acked(await client.ask({ type: "conversation.create", conversation }));
      await client.read(conversation);
    }
    const answer = acked(await client.send(conversation, this.target.prompt, { message }));
    same(answer["message"], message, "the message of the ack");
    return this.growing(client, {
      conversation,
      message,
      turn: String(answer["turn"]),
      reply: String(answer["reply"]),
    });
  }

  /** Waits until a reply has text beyond what it has now. */
  async growing(client: WireClient, started: Started): Promise<Started> {
    const text = (): string => client.views.get(started.conversation)?.text(started.reply) ?? "";
    const before = text().length;
    await this.until(() => text().length > before, "text of the reply");
    return started;
  }

  /** The end of a turn. */
  ended(client: WireClient, { conversation, turn }: Started): Promise<Json> {
    const finished = (): Json | undefined => client.views.get(conversation)?.finished.get(turn);
    return this.until(finished, "the end of the turn", 10 * this.target.patienceMs);
  }

  async stop(client: WireClient, { conversation, turn }: Omit<Started, "message" | "reply">): Promise<Answer> {
    return acked(await client.ask({ type: "turn.stop", conversation, turn }));
  }

  /** The event that a client heard at a place of the log. */
  eventAt(client: WireClient, conversation: string, seq: unknown): Promise<WireEvent> {
    return this.until(() => this.events(client, conversation).get(Number(seq)), `the event of seq ${String(seq)}`);
  }

  events(client: WireClient, conversation: string): ReadonlyMap<number, WireEvent> {
    return this.#heard.get(client)?.get(conversation) ?? new Map<number, WireEvent>();
  }

  /** How often a client has heard an event of a kind, whatever its place. */
  count(client: WireClient, conversation: string, kind: string): number {
    return this.#counts.get(client)?.get(`${conversation} ${kind}`) ?? 0;
  }

  /** What a client has had of a conversation at every cursor from now on, by seq. */
  cursors(client: WireClient, conversation: string): ReadonlyMap<number, WireView> {
    const kept = new Map<number, WireView>();
    this.#kept.set(client, { conversation, kept });
    return kept;
  }

  /** What lived through it and what `read` gets must be the same, byte for byte. A title may come meanwhile: then once more. */
  async agree(client: WireClient, conversation: string, what: string, read: () => Promise<WireView>): Promise<void> {
    const view = client.views.get(conversation);
    let other = await read();
    await this.until(() => (view?.seq ?? 0) >= other.seq, `seq ${other.seq} on the open socket`);
    if ((view?.seq ?? 0) > other.seq) other = await read();
    same(other.canonical(), view?.canonical(), what);
  }

  /** As the wire client's, but ends at once where somebody noted what does not fit. */
  until<T>(condition: () => T | undefined | false, what: string, ms = this.target.patienceMs): Promise<T> {
    const look = (): T | undefined | false => {
      this.hold();
      return condition();
    };
    return until(look, what, ms);
  }

  /** What anybody has noted: the first three. */
  get noted(): string[] {
    return [...new Set([...this.#problems, ...this.#clients.flatMap(({ anomalies }) => anomalies)])].slice(0, 3);
  }

  /** Throws what anybody has noted. */
  hold(): void {
    must(this.noted.length === 0, this.noted.join("; "));
  }

  end(): void {
    for (const client of this.#clients) client.cut();
    for (const socket of this.#sockets) socket.terminate();
  }

  async #connect(options: ConnectOptions): Promise<WireClient> {
    const { url, patienceMs } = this.target;
    const commands = new Map<unknown, string>();
    const heard = new Map<string, Map<number, WireEvent>>();
    const counts = new Map<string, number>();
    let client: WireClient | undefined;
    const watch = (frame: Json, by: "client" | "server"): void => {
      if (by === "client") return void commands.set(frame["id"], String(frame["type"]));
      const problem = problemOf(frame, commands.get(frame["id"]));
      if (problem !== undefined) return void this.#problems.push(problem);
      if (frame["type"] !== "events") return;
      const conversation = String(frame["conversation"]);
      const own = heard.get(conversation) ?? new Map<number, WireEvent>();
      heard.set(conversation, own);
      for (const [seq, event] of placesOf(frame)) own.set(seq, event);
      for (const { kind } of frame["events"] as WireEvent[]) {
        const name = `${conversation} ${kind}`;
        counts.set(name, (counts.get(name) ?? 0) + 1);
      }
      if (client !== undefined) this.#keep(client, conversation);
    };
    client = await WireClient.connect(url, { ...options, watch, patienceMs });
    this.#clients.push(client);
    this.#heard.set(client, heard);
    this.#counts.set(client, counts);
    acked(client.hello);
    return client;
  }

  #keep(client: WireClient, conversation: string): void {
    const wanted = this.#kept.get(client);
    const view = client.views.get(conversation);
    if (wanted?.conversation === conversation && view !== undefined)
      wanted.kept.set(
        view.seq,
        view.copy((problem) => this.#problems.push(problem)),
      );
  }
}
