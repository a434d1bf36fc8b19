// Owns how the client process speaks to each kind of server; every gap, wrong offset or early end is an error that voids the run.
import { WebSocket, type ClientOptions } from "ws";

/** What came of a reply: its text, and when each piece of text came (wall clock, ms). */
export type Reply = { text: string; readonly came: { readonly at: number; readonly text: string }[] };
export type Client = {
  /** Asks and resolves when the reply has ended. */
  readonly ask: (prompt: string) => Promise<Reply>;
  readonly close: () => void;
};
export type Open = (url: string) => Promise<Client>;

export const wallClock = (): number => performance.timeOrigin + performance.now();

/** `localAddress`: another one than the system's choice, where one address has too few ports. */
export const connect = (
  url: string,
  options: Pick<ClientOptions, "localAddress" | "headers"> = {},
): Promise<WebSocket> =>
  new Promise((resolve, reject) => {
    const ws = new WebSocket(url, { perMessageDeflate: false, ...options });
    ws.on("open", () => resolve(ws));
    ws.on("error", reject);
  });

const take = (reply: Reply, text: string): void => {
  reply.text += text;
  reply.came.push({ at: wallClock(), text });
};

/** The one session that the bare server and Socket.IO know, by its hash. */
const bareToken = "bench";

/** A handshake with the relay that checks who comes. */
export const bareConnection = (url: string, options: Pick<ClientOptions, "localAddress"> = {}): Promise<WebSocket> =>
  connect(url, { ...options, headers: { authorization: `Bearer ${bareToken}` } });

/** A socket that answers a text with `{seq, delta}` and `{done}`: the relays, and peers that speak as they do. */
export const openRelay: Open = async (url) => {
  const ws = await connect(url);
  return {
    close: () => ws.close(),
    ask: (prompt) =>
      new Promise((resolve, reject) => {
        const reply: Reply = { text: "", came: [] };
        let seq = 0;
        ws.on("close", (code) => reject(new Error(`closed with ${code} before the end`)));
        ws.on("message", (data: Buffer) => {
          const frame = JSON.parse(data.toString()) as { seq?: number; delta?: string; done?: boolean };
          if (frame.delta !== undefined) {
            if (frame.seq !== ++seq) reject(new Error(`${frame.seq} came for ${seq}`));
            take(reply, frame.delta);
          }
          if (frame.done) resolve(reply);
        });
        ws.send(prompt);
      }),
  };
};

type Frame = {
  type: string;
  id?: string;
  seq?: number;
  from: number;
  to: number;
  session?: { token: string };
  events?: { kind: string; text?: string; offset?: number }[];
};

/** A signed-in socket of the product. */
export type Signed = {
  readonly ws: WebSocket;
  readonly token: string;
  readonly command: (command: { type: string } & Record<string, unknown>) => Promise<Frame>;
};

let ids = 0;

/** Signs in as a new guest, or with a session's token. */
export async function sign(
  url: string,
  token?: string,
  from: Pick<ClientOptions, "localAddress"> = {},
): Promise<Signed> {
  const ws = await connect(`${url}/api/v1/async/chatbot`, from);
  const waiting = new Map<string, { resolve: (frame: Frame) => void; reject: (error: Error) => void }>();
  ws.on("message", (data: Buffer) => {
    // Most frames are events; only answers have an id, and it comes right behind the type.
    if (waiting.size === 0) return;
    const frame = JSON.parse(data.toString()) as Frame;
    const found = waiting.get(frame.id ?? "");
    if (found === undefined) return;
    waiting.delete(frame.id ?? "");
    if (frame.type === "ack") found.resolve(frame);
    else found.reject(new Error(data.toString()));
  });
  ws.on("close", (code) => {
    for (const { reject } of waiting.values()) reject(new Error(`closed with ${code} before the answer`));
  });
  const command: Signed["command"] = (body) =>
    new Promise((resolve, reject) => {
      const id = `bench-${++ids}-${process.pid}`;
      waiting.set(id, { resolve, reject });
      ws.send(JSON.stringify({ id, ...body }));
    });
  const who = token === undefined ? { guest: true } : { session: token };
  const ack = await command({ type: "auth", ...who });
  return { ws, token: ack.session?.token ?? "", command };
}

/** Follows a conversation from `seq`; resolves at the end of the reply. */
export function follow(ws: WebSocket, conversation: { id: string; seq: number }, reply: Reply): Promise<Reply> {
  return new Promise((resolve, reject) => {
    ws.on("close", (code) => reject(new Error(`closed with ${code} before the end`)));
    ws.on("message", (data: Buffer) => {
      const frame = JSON.parse(data.toString()) as Frame;
      if (frame.type !== "events") return;
      if (frame.from !== conversation.seq + 1) reject(new Error(`gap: ${frame.from} after ${conversation.seq}`));
      conversation.seq = frame.to;
      for (const event of frame.events ?? []) {
        if (event.kind === "reply.appended") {
          if (event.offset !== reply.text.length) reject(new Error("an offset does not fit"));
          take(reply, event.text ?? "");
        } else if (event.kind === "turn.finished") resolve(reply);
      }
    });
  });
}

export const message = (conversation: string, text: string): { type: string } & Record<string, unknown> => ({
  type: "message.send",
  conversation,
  message: crypto.randomUUID(),
  parts: [{ type: "text", text }],
});

export const openThroughline: Open = async (url) => {
  const { ws, command } = await sign(url);
  const id = crypto.randomUUID();
  await command({ type: "conversation.create", conversation: id });
  await command({ type: "conversation.open", conversation: id, seq: 1 });
  return {
    close: () => ws.close(),
    async ask(prompt) {
      const [reply] = await Promise.all([
        follow(ws, { id, seq: 1 }, { text: "", came: [] }),
        command(message(id, prompt)),
      ]);
      return reply;
    },
  };
};

/** A socket of Socket.IO: its Engine.IO packets are spoken here, so that a client costs what the others cost. */
export type SocketIo = {
  readonly ws: WebSocket;
  /** What a later connection recovers from: the id and the offset of the newest packet. */
  readonly place: { pid: string; offset: string | undefined };
};

type Packet = { seq?: number; delta?: string; done?: boolean };

/** Connects, or with a `place` recovers; `take` is given each piece. An acknowledged event tells by `joined`. */
export async function joinSocketIo(
  url: string,
  options: Pick<ClientOptions, "localAddress"> & {
    readonly place?: SocketIo["place"];
    readonly take?: (packet: Packet) => void;
    readonly joined?: () => void;
  } = {},
): Promise<SocketIo> {
  const { take, joined, localAddress } = options;
  const where = `${url.replace("http:", "ws:")}/socket.io/?EIO=4&transport=websocket`;
  // Its first packet comes with the handshake: whoever waits for `open` is too late for it.
  const ws = new WebSocket(where, {
    perMessageDeflate: false,
    ...(localAddress === undefined ? {} : { localAddress }),
  });
  const place = { pid: "", offset: options.place?.offset };
  await new Promise<void>((resolve, reject) => {
    ws.on("error", reject);
    ws.on("close", (code) => reject(new Error(`closed with ${code}`)));
    ws.on("message", (data: Buffer) => {
      const text = data.toString();
      if (text.startsWith("42")) {
        const [, packet, offset] = JSON.parse(text.slice(2)) as [string, Packet, string];
        place.offset = offset;
        take?.(packet);
      } else if (text === "2") ws.send("3");
      else if (text.startsWith("43")) joined?.();
      else if (text.startsWith("40")) {
        place.pid = (JSON.parse(text.slice(2)) as { pid: string }).pid;
        if (options.place === undefined || options.place.pid === place.pid) resolve();
        else reject(new Error("Socket.IO did not recover"));
      } else if (text.startsWith("0")) ws.send(`40${JSON.stringify({ token: bareToken, ...options.place })}`);
      else reject(new Error(`Socket.IO said ${text}`));
    });
  });
  return { ws, place };
}

/** Takes packets in their order into `reply`; `ended` after the last. */
export const inOrder = (reply: Reply, ended: () => void, failed: (error: Error) => void) => {
  let seq = 0;
  return (packet: Packet): void => {
    if (packet.delta !== undefined) {
      if (packet.seq !== ++seq) failed(new Error(`${packet.seq} came for ${seq}`));
      take(reply, packet.delta);
    }
    if (packet.done) ended();
  };
};

export const openSocketIo: Open = async (url) => {
  let taking: (packet: Packet) => void = () => undefined;
  const { ws } = await joinSocketIo(url, { take: (packet) => taking(packet) });
  return {
    close: () => ws.close(),
    ask: (prompt) =>
      new Promise((resolve, reject) => {
        const reply: Reply = { text: "", came: [] };
        ws.on("close", (code) => reject(new Error(`closed with ${code} before the end`)));
        taking = inOrder(reply, () => resolve(reply), reject);
        ws.send(`42${JSON.stringify(["ask", prompt])}`);
      }),
  };
};
