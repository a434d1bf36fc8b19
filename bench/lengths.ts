// Owns the measurements over long histories: what an opening, an append and a start cost by how much there is. Histories are made by history.ts.
import { execFile } from "node:child_process";
import { statSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import type { Store } from "../src/adapters/embedded/store.ts";
import { appendPieces, startTurn } from "../src/domain/turn.ts";
import { defaultLimits, reject, stamp } from "../src/protocol/index.ts";
import { systemClock } from "../src/server/clock.ts";
import { connect, follow, message, sign } from "./clients.ts";
import { openStoreIn, type Made, type Wanted } from "./history.ts";
import type { Run } from "./measures.ts";
import type { Program } from "./program.ts";
import { median } from "./report.ts";

type History = Made & { readonly dir: string; readonly seconds: number };

/** Made by a process of its own, which says what it made. */
export async function makeHistory(dir: string, wanted: Wanted): Promise<History> {
  const began = performance.now();
  const file = join(import.meta.dirname, "history.ts");
  const { stdout } = await promisify(execFile)(process.execPath, [file, dir, JSON.stringify(wanted)]);
  return { ...(JSON.parse(stdout) as Made), dir, seconds: (performance.now() - began) / 1000 };
}

/** Commits of each kind in one run. */
const commits = 400;

/** Adds one piece to a running reply: the commit of nearly every tick. */
async function piecesTo(store: Store, conversation: string): Promise<() => Promise<void>> {
  const [turn, reply] = [systemClock.uuid(), systemClock.uuid()];
  const now = systemClock.now();
  const lease = { owner: "bench", leaseUntil: now + 30_000 };
  const context = { now, turn, reply, model: "bench", ...lease, limits: defaultLimits };
  await store.log.commit([
    {
      conversation,
      decide: (view) =>
        view.conversation === undefined
          ? reject("not_found")
          : startTurn(view.conversation, [], undefined, view.conversation.newest, {
              ...context,
              user: view.conversation.user,
            }),
    },
  ]);
  let offset = 0;
  return async () => {
    const text = "four ";
    const event = { kind: "reply.appended", at: stamp(now), turn, message: reply, part: 0, type: "text" } as const;
    const work = appendPieces({ id: turn, conversation, fence: 1 }, [{ ...event, offset, text }], text.length);
    offset += text.length;
    await succeed(store, work);
  };
}

/** Adds an entry of its own: the commit of a message or of a changed title. */
const entriesTo = (store: Store, conversation: string) => (): Promise<void> =>
  succeed(store, {
    conversation,
    decide: () => ({
      events: [{ kind: "conversation.updated", at: stamp(systemClock.now()), title: systemClock.uuid() }],
      answer: {},
    }),
  });

async function succeed(store: Store, work: Parameters<Store["log"]["commit"]>[0][number]): Promise<void> {
  const [outcome] = await store.log.commit([work]);
  if (outcome?.ok !== true) throw new Error("an append was refused");
}

/** P8: microseconds of an append, in turns: a small store, and in a large one a short conversation and a long one. */
export async function appendCost(
  small: { dir: string; short: string },
  large: { dir: string; short: string; long: string },
): Promise<Run> {
  const [one, other] = [openStoreIn(small.dir), openStoreIn(large.dir)];
  const run: Record<string, number> = {};
  try {
    for (const [kind, makeOne] of [
      ["piece", piecesTo],
      ["entry", async (store: Store, id: string) => entriesTo(store, id)],
    ] as const) {
      const sides = [
        { name: `${kind}, short`, append: await makeOne(one, small.short), times: new Array<number>() },
        { name: `${kind}, long`, append: await makeOne(other, large.long), times: new Array<number>() },
        { name: `${kind}, short in the large store`, append: await makeOne(other, large.short), times: [] },
      ];
      for (let n = -50; n < commits; n++) {
        // Each comes first as often as the others: whatever else the machine does falls on all.
        for (let i = 0; i < sides.length; i++) {
          const side = sides[(Math.abs(n) + i) % sides.length];
          const began = performance.now();
          await side?.append();
          if (n >= 0) side?.times.push((performance.now() - began) * 1000);
        }
      }
      for (const { name, times } of sides) run[name] = median(times);
      const [short = Number.NaN, long = Number.NaN] = sides.map(({ times }) => median(times));
      run[`${kind} ratio`] = long / short;
    }
  } finally {
    await Promise.all([one.close(), other.close()]);
  }
  return { ...run, ratio: Math.max(run["piece ratio"] ?? Number.NaN, run["entry ratio"] ?? Number.NaN) };
}

/** One opening: from the send of the command until the frame that says that all there is has come. */
async function openOne(program: Program, token: string, conversation: string, seq?: number) {
  const { ws } = await sign(program.url, token);
  const before = program.cpu();
  const began = performance.now();
  let bytes = 0;
  await new Promise<void>((resolve, reject) => {
    ws.on("close", (code) => reject(new Error(`closed with ${code}`)));
    ws.on("message", (data: Buffer) => {
      bytes += data.length;
      if (data.includes('{"type":"live"')) resolve();
      else if (data.includes('{"type":"error"')) reject(new Error(data.toString()));
    });
    const from = seq === undefined ? {} : { seq };
    ws.send(JSON.stringify({ type: "conversation.open", id: "open", conversation, ...from }));
  });
  const ms = performance.now() - began;
  const cpu = (program.cpu() - before) * 1000;
  ws.terminate();
  return { ms, cpu, bytes };
}

/** P8: milliseconds of an opening, the first of each conversation in this process; and of all that was ever said in it. */
export async function opening(program: Program, token: string, conversations: readonly string[]): Promise<Run> {
  const opened = [];
  for (const id of conversations) opened.push(await openOne(program, token, id));
  const whole = [];
  for (const id of conversations) whole.push(await openOne(program, token, id, 1));
  const of = (list: readonly { ms: number; cpu: number; bytes: number }[], key: "ms" | "cpu" | "bytes"): number =>
    median(list.map((one) => one[key]));
  return {
    open: of(opened, "ms"),
    "slowest open": Math.max(...opened.map(({ ms }) => ms)),
    "open, CPU": of(opened, "cpu"),
    "open, KB": of(opened, "bytes") / 1000,
    "all entries": of(whole, "ms"),
    "all entries, CPU": of(whole, "cpu"),
    "all entries, KB": of(whole, "bytes") / 1000,
  };
}

/** P9: milliseconds from the start of the process to the first socket that was accepted. */
async function startOnce(
  startServer: () => Promise<Program>,
  token: string,
): Promise<{ ms: number; program: Program }> {
  const began = performance.now();
  const program = await startServer();
  const ws = await connect(`${program.url}/api/v1/async/chatbot`);
  const ms = performance.now() - began;
  ws.terminate();
  // It is the same history: the session of before comes in.
  const { ws: again } = await sign(program.url, token);
  again.terminate();
  return { ms, program };
}

/** Replies that run when the process is killed: what they wrote is in the log that the next start has to take up. */
const running = 20;

/** P9: after an ordered end, and after a kill in the middle of replies. */
export async function starts(startServer: () => Promise<Program>, { dir, token }: History): Promise<Run> {
  const calm = await startOnce(startServer, token);
  const sockets = await Promise.all(
    Array.from({ length: running }, async (_, i) => {
      const { ws, command } = await sign(calm.program.url, token);
      const id = crypto.randomUUID();
      await command({ type: "conversation.create", conversation: id });
      await command({ type: "conversation.open", conversation: id, seq: 1 });
      const reply = { text: "", came: [] };
      follow(ws, { id, seq: 1 }, reply).catch(() => undefined);
      await command(message(id, `{{seed=${i + 1} chars=1200 rate=50 piece=4}}`));
      return { ws, reply };
    }),
  );
  while (sockets.some(({ reply }) => reply.text.length < 100)) await new Promise((done) => setTimeout(done, 20));
  await calm.program.end("SIGKILL");
  for (const { ws } of sockets) ws.terminate();
  const wal = statSync(join(dir, "throughline.db-wal")).size;
  if (wal === 0) throw new Error("the kill left no write-ahead log");
  const killed = await startOnce(startServer, token);
  await killed.program.end();
  return { start: calm.ms, "after a kill": killed.ms, "its WAL, KB": wal / 1000 };
}

/** Resumes of one run, each by a socket of its own. */
const resumes = 100;

/** P7: CPU microseconds of a resume a little behind the head, in turns in a short conversation and in a long one. */
export async function resumeByLength(
  program: Program,
  { token }: Made,
  { short, long }: { readonly short: string; readonly long: string },
): Promise<Run> {
  const heads = new Map<string, number>();
  for (const id of [short, long]) heads.set(id, await headOf(program, token, id));
  const times: Record<string, number[]> = { [short]: [], [long]: [] };
  for (let n = 0; n < resumes; n++) {
    for (const id of n % 2 === 0 ? [short, long] : [long, short]) {
      const { cpu } = await openOne(program, token, id, (heads.get(id) ?? 0) - missed);
      times[id]?.push(cpu * 1000);
    }
  }
  const [mine, theirs] = [median(times[long] ?? []), median(times[short] ?? [])];
  return { short: theirs, long: mine, ratio: mine / theirs };
}

/** Events that are missed when a resume begins. */
const missed = 20;

/** The seq of the newest event, which the frame `live` tells. */
async function headOf(program: Program, token: string, conversation: string): Promise<number> {
  const { ws } = await sign(program.url, token);
  const head = await new Promise<number>((resolve) => {
    ws.on("message", (data: Buffer) => {
      const frame = JSON.parse(data.toString()) as { type: string; seq: number };
      if (frame.type === "live") resolve(frame.seq);
    });
    ws.send(JSON.stringify({ type: "conversation.open", id: "open", conversation }));
  });
  ws.terminate();
  return head;
}
