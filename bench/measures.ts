// Owns the measurements: one function for each goal, each run alternating between the product and what stands beside it.
import { join } from "node:path";
import { expectedText } from "../test/support/model-server.ts";
import {
  bareConnection,
  connect,
  follow,
  inOrder,
  joinSocketIo,
  message,
  openRelay,
  openSocketIo,
  sign,
  wallClock,
} from "./clients.ts";
import type { Client, Open, Reply } from "./clients.ts";
import { start, type Program } from "./program.ts";

/** One server to be measured, and how it is spoken to. */
export type Side = { readonly name: string; readonly program: Program; readonly open: Open };
/** What a run brought for each side, by its name. */
export type Run = Readonly<Record<string, number>>;

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

const together = <T>(count: number, one: (i: number) => Promise<T>): Promise<T[]> =>
  Promise.all(Array.from({ length: count }, (_, i) => one(i)));

/** Streams begin spread over one interval between pieces, as people do. `rate` 0: as fast as the model can. */
async function askAll(clients: readonly Client[], rate: number, prompt: (i: number) => string): Promise<Reply[]> {
  return Promise.all(
    clients.map(async (client, i) => {
      if (rate > 0) await sleep((i / clients.length) * (1000 / rate));
      return client.ask(prompt(i));
    }),
  );
}

type Load = { readonly streams: number; readonly rate: number; readonly pieces: number };

/** CPU and time when a fifth of a paced run is over, and when a fifth is left: no signing in, no beginning or end of a reply between them. */
async function sampleMiddle(program: Program, { rate, pieces }: Load): Promise<{ cpu: number; at: number }[]> {
  const whole = (pieces / rate) * 1000;
  const samples = [];
  for (const pause of [0.2, 0.6]) {
    await sleep(whole * pause);
    samples.push({ cpu: program.cpu(), at: wallClock() });
  }
  return samples;
}

/** P1 to P3: CPU microseconds of the server per piece, and of a paced run's middle alone. A wrong byte voids the run. */
export async function perPiece(side: Side, load: Load): Promise<{ whole: number; middle: number | undefined }> {
  const { streams, rate, pieces } = load;
  const chars = pieces * 4;
  const clients = await together(streams, () => side.open(side.program.url));
  const before = side.program.cpu();
  const paced = rate > 0 ? ` rate=${rate}` : "";
  const sampling = rate > 0 ? sampleMiddle(side.program, load) : undefined;
  const replies = await askAll(clients, rate, (i) => `{{seed=${i + 1} chars=${chars}${paced} piece=4}}`);
  const cpu = side.program.cpu() - before;
  replies.forEach((reply, i) => {
    if (reply.text !== expectedText(i + 1, chars)) throw new Error(`${side.name}, stream ${i}: a wrong byte`);
  });
  for (const client of clients) client.close();
  const [from, to] = (await sampling) ?? [];
  let middle: number | undefined;
  if (from !== undefined && to !== undefined) {
    const came = replies.flatMap((reply) => reply.came).filter(({ at }) => at > from.at && at <= to.at);
    middle = ((to.cpu - from.cpu) / (came.reduce((sum, { text }) => sum + text.length, 0) / 4)) * 1e6;
  }
  return { whole: (cpu / (pieces * streams)) * 1e6, middle };
}

const percentile = (sorted: readonly number[], share: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;

/** P4: milliseconds from the model's write to the client's receipt. */
export async function latency(
  side: Side,
  load: { streams: number; rate: number; pieces: number },
): Promise<{ first: number; p50: number; p99: number }> {
  const clients = await together(side.name === "" ? 0 : load.streams, () => side.open(side.program.url));
  const replies = await askAll(clients, load.rate, () => `stamps=${load.pieces} rate=${load.rate}`);
  for (const client of clients) client.close();
  const first: number[] = [];
  const rest: number[] = [];
  for (const { text, came } of replies) {
    const numbers = text.trimEnd().split(" ").map(Number.parseFloat);
    if (numbers.length !== load.pieces || numbers.some((n, i) => n !== i))
      throw new Error(`${side.name}: a piece is missing`);
    let open = "";
    for (const { at, text: part } of came) {
      open += part;
      for (const [whole, n = "", time = ""] of open.matchAll(/(\d+)@([\d.]+) /g)) {
        (n === "0" ? first : rest).push(at - Number(time));
        open = open.slice(whole.length);
      }
    }
  }
  const byTime = (a: number, b: number): number => a - b;
  first.sort(byTime);
  rest.sort(byTime);
  return { first: percentile(first, 0.5), p50: percentile(rest, 0.5), p99: percentile(rest, 0.99) };
}

type Fan = { viewers: number; rate: number; pieces: number };

/** P5: CPU microseconds per piece and viewer; every viewer's text is checked. */
export async function fanOut(side: Side, { viewers, rate, pieces }: Fan): Promise<number> {
  const chars = pieces * 4;
  const prompt = `{{seed=1 chars=${chars} rate=${rate} piece=4}}`;
  const { program } = side;
  const seen: Promise<Reply>[] = [];
  const closes: (() => void)[] = [];
  let begin: () => unknown;
  if (side.open === openSocketIo) {
    for (let i = 0; i < viewers; i++) {
      const viewer = await viewRoom(program);
      seen.push(viewer.ended.then(() => viewer.reply));
      closes.push(() => viewer.ws.close());
    }
    const asker = await joinSocketIo(program.url);
    closes.push(() => asker.ws.close());
    begin = () => asker.ws.send(`42${JSON.stringify(["ask", prompt])}`);
  } else if (side.open === openRelay) {
    for (let i = 0; i < viewers; i++) {
      const ws = await connect(program.url);
      const reply: Reply = { text: "", came: [] };
      closes.push(() => ws.close());
      await new Promise((resolve) => {
        ws.once("message", resolve);
        ws.send("fan");
      });
      seen.push(
        new Promise((resolve) => {
          ws.on("message", (data: Buffer) => {
            const frame = JSON.parse(data.toString()) as { delta?: string; done?: boolean };
            reply.text += frame.delta ?? "";
            if (frame.done) resolve(reply);
          });
        }),
      );
    }
    const asker = await connect(program.url);
    closes.push(() => asker.close());
    begin = () => asker.send(prompt);
  } else {
    const asker = await sign(program.url);
    closes.push(() => asker.ws.close());
    const id = crypto.randomUUID();
    await asker.command({ type: "conversation.create", conversation: id });
    for (let i = 0; i < viewers; i++) {
      const { ws, command } = await sign(program.url, asker.token);
      closes.push(() => ws.close());
      seen.push(follow(ws, { id, seq: 1 }, { text: "", came: [] }));
      await command({ type: "conversation.open", conversation: id, seq: 1 });
    }
    begin = () => asker.command(message(id, prompt));
  }
  const before = program.cpu();
  await begin();
  const replies = await Promise.all(seen);
  const cpu = program.cpu() - before;
  if (replies.some((reply) => reply.text !== expectedText(1, chars))) throw new Error(`${side.name}: a wrong byte`);
  for (const close of closes) close();
  return (cpu / (pieces * viewers)) * 1e6;
}

/** Client processes of idle connections, each from an address of its own: one address has 28,000 ports. */
const holders = 4;

/** P6: bytes per idle connection (signed in): resident, and of V8's heap after a collection. */
export async function idleMemory(side: Side, count: number): Promise<{ resident: number; heap: number }> {
  const { program } = side;
  // What the first connections need once is no connection's own.
  const warm = await hold(side, 0, 200);
  await sleep(1000);
  const before = { heap: await program.heap(), resident: program.memory() };
  const held = [];
  for (let i = 1; i <= holders; i++) held.push(await hold(side, i, count / holders));
  await sleep(2000);
  const resident = (program.memory() - before.resident) / count;
  const heap = ((await program.heap()) - before.heap) / count;
  await Promise.all([warm, ...held].map((one) => one.end("SIGKILL")));
  return { resident, heap };
}

const hold = (side: Side, i: number, count: number): Promise<Program> =>
  start([join(import.meta.dirname, "idle.ts"), kindOf(side), side.program.url, String(count), `127.0.0.${i + 2}`]);

const kindOf = ({ open }: Side): string =>
  open === openRelay ? "relay" : open === openSocketIo ? "socket.io" : "throughline";

/** A reply that goes on slowly: what it costs to tell it to all who are there is no part of a resume. What is missed between the cut and the return: */
const slow = { chars: 120, rate: 2, missed: 2000 };

/** P7: clients cut in mid-reply at once. CPU microseconds per resume (of a relay: per handshake), ms until all are whole. */
export async function resume(side: Side, count: number): Promise<{ cpu: number; whole: number }> {
  const { program } = side;
  if (side.open === openRelay) {
    const before = program.cpu();
    const began = performance.now();
    const sockets = await together(count, async () => {
      const ws = await bareConnection(program.url);
      await new Promise((resolve) => {
        ws.once("message", resolve);
        ws.send("hello");
      });
      return ws;
    });
    const result = { cpu: ((program.cpu() - before) / count) * 1e6, whole: performance.now() - began };
    for (const ws of sockets) ws.terminate();
    return result;
  }
  if (side.open === openSocketIo) return recover(program, count);
  // One person's reply, seen by all: so that what is measured is the resume and not a thousand replies beside it.
  const asker = await sign(program.url);
  const id = crypto.randomUUID();
  await asker.command({ type: "conversation.create", conversation: id });
  const { chars, rate, missed } = slow;
  const end = follow(asker.ws, { id, seq: 1 }, { text: "", came: [] });
  const viewers = await together(count, async () => {
    const { ws, command } = await sign(program.url, asker.token);
    const place = { id, seq: 1 };
    const reply: Reply = { text: "", came: [] };
    // Cut before the end: that promise is not waited for.
    follow(ws, place, reply).catch(() => undefined);
    await command({ type: "conversation.open", conversation: id, seq: 1 });
    return { ws, place, reply };
  });
  await asker.command({ type: "conversation.open", conversation: id, seq: 1 });
  await asker.command(message(id, `{{seed=1 chars=${chars} rate=${rate} piece=4}}`));
  await sleep(1000);
  for (const { ws } of viewers) ws.removeAllListeners("message").terminate();
  await sleep(missed);
  const before = program.cpu();
  const began = performance.now();
  const back = await Promise.all(
    viewers.map(async ({ place, reply }) => {
      const ws = await connect(`${program.url}/api/v1/async/chatbot`);
      const whole = follow(ws, place, reply);
      const live = new Promise((resolve) => {
        ws.on("message", (data: Buffer) => {
          if (data.includes('"type":"live"')) resolve(undefined);
        });
      });
      const open = [{ conversation: id, seq: place.seq }];
      ws.send(JSON.stringify({ type: "auth", id: "back", session: asker.token, open }));
      await live;
      return { ws, whole };
    }),
  );
  const result = { cpu: ((program.cpu() - before) / count) * 1e6, whole: performance.now() - began };
  await end;
  const replies = await Promise.all(back.map((one) => one.whole));
  if (replies.some((reply) => reply.text !== expectedText(1, chars))) throw new Error("a wrong byte after a resume");
  for (const { ws } of back) ws.terminate();
  asker.ws.terminate();
  return result;
}

/** P7, of Socket.IO: the same cut, and its connection state recovery with the packets that were missed. */
async function recover(program: Program, count: number): Promise<{ cpu: number; whole: number }> {
  const { chars, rate, missed } = slow;
  const viewers = await together(count, () => viewRoom(program));
  const asker = await joinSocketIo(program.url);
  asker.ws.send(`42${JSON.stringify(["ask", `{{seed=1 chars=${chars} rate=${rate} piece=4}}`])}`);
  await sleep(1000);
  for (const { ws } of viewers) ws.removeAllListeners("message").terminate();
  await sleep(missed);
  const before = program.cpu();
  const began = performance.now();
  const back = await together(count, async (i) => {
    const viewer = viewers[i];
    if (viewer === undefined) throw new Error("nobody to recover");
    // The first piece after the cut: what was missed comes before it.
    let came: (() => void) | undefined;
    const live = new Promise<void>((resolve) => (came = resolve));
    const take = (packet: Parameters<typeof viewer.take>[0]): void => {
      viewer.take(packet);
      came?.();
    };
    const { ws } = await joinSocketIo(program.url, { place: viewer.place, take });
    await live;
    return ws;
  });
  const result = { cpu: ((program.cpu() - before) / count) * 1e6, whole: performance.now() - began };
  await Promise.all(viewers.map(({ ended }) => ended));
  if (viewers.some(({ reply }) => reply.text !== expectedText(1, chars)))
    throw new Error("a wrong byte after a recovery");
  for (const ws of [...back, asker.ws]) ws.terminate();
  return result;
}

/** A viewer of whatever is said in Socket.IO's room; `ended` with the reply. */
async function viewRoom(program: Program) {
  const reply: Reply = { text: "", came: [] };
  let take: ReturnType<typeof inOrder> | undefined;
  const ended = new Promise<void>((resolve, reject) => (take = inOrder(reply, resolve, reject)));
  let joined: (() => void) | undefined;
  const asked = new Promise<void>((resolve) => (joined = resolve));
  const given = (packet: Parameters<ReturnType<typeof inOrder>>[0]): void => take?.(packet);
  const { ws, place } = await joinSocketIo(program.url, { take: given, joined: () => joined?.() });
  ws.send('420["fan"]');
  await asked;
  return { ws, place, reply, ended, take: given };
}
