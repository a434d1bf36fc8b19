// `npm run bench`: every goal beside the limit, alternating runs in one go, medians; results as JSON, table and docs/performance.md.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { cpus, loadavg, tmpdir, totalmem } from "node:os";
import { join } from "node:path";
import { readOptions, refuse, wholeNumber } from "../scripts/options.ts";
import { roomFor } from "../src/open-files.ts";
import { openRelay, openThroughline } from "./clients.ts";
import { fanOut, idleMemory, latency, perPiece, resume, type Run, type Side } from "./measures.ts";
import { appendCost, makeHistory, opening, resumeByLength, starts } from "./lengths.ts";
import { openStream, preparePeers, socketIoOn } from "./peers.ts";
import { openFiles, start, type Program } from "./program.ts";
import { median, tableOf, writePage, type Result, type Stored } from "./report.ts";

const quickly = ["P1", "P2", "P4", "P5"];
const all = ["P1", "cost", "P2", "P3", "P4", "P5", "P6", "P7", "P8", "P9"];
const known = [...all, "P7-length"];
const help = `npm run bench -- [options]

  without any         everything, beside the limits; docs/performance.md is written anew
  --quick             ${quickly.join(", ")} in about a minute: short runs, printed and not published
  --only A,B          of ${known.join(", ")}
  --runs N            of each side (5; with --quick 2)
  --peers             Socket.IO beside each cost of a piece; with --quick P2's peers too
  --profile DIR       CPU profiles of the server
  --connections N     of P6 (20000)
  --entries N         events of the histories of P8 and P9 (1000000)
  --bytes N           of the history of P9 (1000000000)
`;
const values = readOptions(help, {
  quick: { type: "boolean", default: false },
  only: { type: "string" },
  runs: { type: "string" },
  peers: { type: "boolean", default: false },
  profile: { type: "string" },
  bytes: { type: "string", default: "1000000000" },
  connections: { type: "string", default: "20000" },
  entries: { type: "string", default: "1000000" },
});
const { quick, peers } = values;
const runs = wholeNumber("runs", values.runs ?? (quick ? "2" : "5"));
const connections = wholeNumber("connections", values.connections);
const entries = wholeNumber("entries", values.entries);
const bytes = wholeNumber("bytes", values.bytes);
const wanted = values.only?.split(",") ?? (quick ? quickly : all);
for (const id of wanted) if (!known.includes(id)) refuse(`--only: ${id} is none of ${known.join(", ")}.`);
const root = join(import.meta.dirname, "..");
const relayFile = join(root, "bench/relay.ts");
const peerFolder = join(root, "bench/peers");
const dataDir = mkdtempSync(join(tmpdir(), "throughline-bench-"));

/** What differs from the server that the others are measured with. */
type Differing = { readonly node?: readonly string[]; readonly LIMITS?: string };

/** What `npm start` tells Node. */
const { scripts } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { scripts: { start: string } };
const startFlags = scripts.start.split(" ").slice(1, -1);

const serverOn = (base: string, name: string, { node = [], LIMITS = "off" }: Differing = {}): Promise<Program> =>
  start(
    [
      ...startFlags,
      ...node,
      ...(values.profile === undefined ? [] : ["--cpu-prof", `--cpu-prof-dir=${values.profile}`]),
      join(root, "src/main.ts"),
    ],
    {
      PORT: "0",
      DATA_DIR: join(dataDir, name),
      LOG_LEVEL: "silent",
      TITLES: "off",
      // All the streams come from one address at once.
      LIMITS,
      MODEL: "openai-compatible:bench",
      OPENAI_BASE_URL: base,
    },
  );

/** The product and what stands beside it, on one model server. */
async function sidesOn(
  base: string,
  name: string,
): Promise<{ relay: Side; lean: Side; ours: Side; end: () => Promise<void> }> {
  const [relay, lean, ours] = await Promise.all([
    start([relayFile, base]),
    start([relayFile, base, "--lean"]),
    serverOn(base, name),
  ]);
  return {
    relay: { name: "relay", program: relay, open: openRelay },
    lean: { name: "lean relay", program: lean, open: openRelay },
    ours: { name: "throughline", program: ours, open: openThroughline },
    end: async () => void (await Promise.all([relay.end(), lean.end(), ours.end()])),
  };
}

const loadBefore = loadavg()[0] ?? Number.NaN;
const results: Stored[] = [];
const resultFolder = join(root, "bench/results");

/** Keeps a measurement as soon as it has ended. One of `--quick` is too short to be published. */
function keep(result: Result): void {
  const machine = `${cpus().length} x ${cpus()[0]?.model ?? "?"}, ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.version}, load average ${loadBefore.toFixed(1)} at the start (${loadBefore < 0.5 ? "alone on the machine" : "not alone on it"})`;
  const at = new Date().toISOString().slice(0, 10);
  const stored = { ...result, at, machine, command: `npm run bench -- ${process.argv.slice(2).join(" ")}`.trim() };
  results.push(stored);
  if (quick) return;
  const name = `${result.id} ${/\d+ streams/.exec(result.what)?.[0] ?? ""}`.trim().replaceAll(" ", "-").toLowerCase();
  mkdirSync(resultFolder, { recursive: true });
  writeFileSync(join(resultFolder, `${name}.json`), `${JSON.stringify(stored, null, 2)}\n`);
}

/** Alternating runs, the first of them to warm up; prints each and keeps them. `one` is told which run it is. */
async function measure(
  id: string,
  what: string,
  about: { unit: string; goal: string; warm?: boolean },
  one: (run: number) => Promise<Run>,
): Promise<void> {
  const list: Run[] = [];
  for (let i = about.warm === false ? 0 : -1; i < runs; i++) {
    const run = await one(i + 1);
    const text = Object.entries(run).map(([name, value]) => `${name} ${value.toFixed(2)}`);
    console.log(`${id} ${i < 0 ? "warm-up" : `run ${i + 1}`}: ${text.join(", ")}`);
    if (i >= 0) list.push(run);
  }
  const { unit, goal } = about;
  keep({ id, what, unit, goal, runs: list });
}

/** The sides in another order for each run: what one leaves behind (a warm cache, a clock that was raised) is not always the same one's. */
const rotated = <T>(list: readonly T[], by: number): T[] =>
  list.map((_, i) => list[(i + by) % list.length]).filter((one) => one !== undefined);

const ratio = (mine: number, theirs: number): number => mine / theirs;

async function onText(): Promise<void> {
  const model = await start([join(root, "test/support/model-server.ts")]);
  const base = `${model.url.replace(/\/v1$/, "")}/v1`;
  const { relay, lean, ours, end } = await sidesOn(base, "text");
  const perSide = async (sides: readonly Side[], load: Parameters<typeof perPiece>[1], by: number): Promise<Run> => {
    const run: Record<string, number> = Object.fromEntries(sides.map(({ name }) => [name, Number.NaN]));
    const middles: Record<string, number> = {};
    for (const side of rotated(sides, by)) {
      const { whole, middle } = await perPiece(side, load);
      run[side.name] = whole;
      if (middle !== undefined) middles[`${side.name}, middle`] = middle;
    }
    const of = (name: string): number => run[name] ?? middles[name] ?? Number.NaN;
    const steady = ratio(of("throughline, middle"), of("relay, middle"));
    const all = { ...run, ratio: ratio(of("throughline"), of("relay")), ...middles };
    return Number.isNaN(steady) ? all : { ...all, "ratio, middle": steady };
  };
  const seconds = quick ? 2 : 6;
  const beside = peers ? [await socketIoOn(peerFolder, base)] : [];
  const piece = (id: string, goal: string, streams: number, rate: number, pieces: number): Promise<void> =>
    measure(
      id,
      `CPU per piece, ${streams} streams x ${rate === 0 ? "as fast as the model can" : `${rate}/s`}, ${pieces} pieces each`,
      { unit: "us", goal },
      (run) => perSide([relay, ...(quick ? [] : [lean]), ours, ...beside], { streams, rate, pieces }, run),
    );
  if (wanted.includes("P1")) await piece("P1", "ratio <= 0.8", 100, 50, 50 * seconds);
  if (wanted.includes("P2") && (peers || !quick)) await besidePeers(base, ours, seconds);
  else if (wanted.includes("P2"))
    await piece("P2 beside L2", "no goal of its own (the peers: --peers)", 40, 50, 50 * seconds);
  if (wanted.includes("cost")) await cost(base);
  if (wanted.includes("P3")) {
    await piece("P3", "ratio <= 0.9", 1000, 50, 50 * seconds);
    await piece("P3 flood", "ratio <= 0.25", 20, 0, 5000);
  }
  if (wanted.includes("P5")) {
    const load = { viewers: 500, rate: 20, pieces: quick ? 30 : 100 };
    await measure(
      "P5",
      `CPU per piece and viewer, one reply to ${load.viewers} viewers at ${load.rate}/s`,
      { unit: "us", goal: "ratio <= 1.1", warm: !quick },
      async (by) => {
        const cost: Record<string, number> = {};
        for (const side of rotated([relay, ours, ...beside], by)) cost[side.name] = await fanOut(side, load);
        const { relay: bare = Number.NaN, throughline: mine = Number.NaN, ...others } = cost;
        return { "prepared frames": bare, throughline: mine, ratio: ratio(mine, bare), ...others };
      },
    );
  }
  if (wanted.includes("P6")) await idle(base);
  if (wanted.includes("P7")) await resumes(base, ours);
  await Promise.all([end(), model.end(), ...beside.map(({ program }) => program.end())]);
}

/** P6: `--connections` idle ones, each side in a fresh process. */
async function idle(base: string): Promise<void> {
  // What else a server has open, and the first connections, which are not counted, need some too.
  const count = Math.min(connections, roomFor(openFiles()).sockets - 400);
  if (count < connections) console.log(`P6: ${count} connections: a process may open no more files`);
  const heap = ["--import", join(root, "bench/heap.ts")];
  const sides: (() => Promise<Side>)[] = [
    async () => ({ name: "ws", program: await start([...heap, relayFile, base, "--auth"]), open: openRelay }),
    () => socketIoOn(peerFolder, base, heap),
    async () => ({
      name: "throughline",
      program: await serverOn(base, crypto.randomUUID(), { node: heap }),
      open: openThroughline,
    }),
  ];
  await measure(
    "P6",
    `memory per idle signed-in connection, ${count.toLocaleString("en")} in a fresh process: resident (collected by nobody), and V8's heap in use after a collection`,
    { unit: "bytes", goal: "ratio <= 1.5, to socket.io <= 0.65", warm: false },
    async () => {
      const run: Record<string, number> = {};
      for (const startSide of sides) {
        const side = await startSide();
        const { resident, heap } = await idleMemory(side, count);
        run[side.name] = resident;
        run[`${side.name}, heap`] = heap;
        await side.program.end("SIGKILL");
      }
      const of = (name: string): number => run[name] ?? Number.NaN;
      return {
        ...run,
        ratio: ratio(of("throughline"), of("ws")),
        "to socket.io": ratio(of("throughline"), of("socket.io")),
        "heap ratio": ratio(of("throughline, heap"), of("ws, heap")),
      };
    },
  );
}

/** P7: beside a handshake that looks a session up by its token's hash, and Socket.IO's recovery. */
async function resumes(base: string, ours: Side): Promise<void> {
  const bare = { name: "handshake", program: await start([relayFile, base, "--auth"]), open: openRelay };
  const peer = await socketIoOn(peerFolder, base);
  await measure(
    "P7",
    "1,000 viewers of one reply cut at once: CPU per resume, beside a bare handshake that looks up a session by its hash and Socket.IO's recovery, and ms until all are live",
    { unit: "us, ms", goal: "ratio <= 1.5, to socket.io <= 0.1, whole <= 5000" },
    async () => {
      const handshake = await resume(bare, 1000);
      const recovery = await resume(peer, 1000);
      const mine = await resume(ours, 1000);
      return {
        handshake: handshake.cpu,
        "socket.io": recovery.cpu,
        throughline: mine.cpu,
        ratio: ratio(mine.cpu, handshake.cpu),
        "to socket.io": ratio(mine.cpu, recovery.cpu),
        "socket.io, whole": recovery.whole,
        whole: mine.whole,
      };
    },
  );
  await Promise.all([bare.program.end(), peer.program.end()]);
}

/** What encryption and limits add to a piece: the same server with both, and with neither. */
async function cost(base: string): Promise<void> {
  const most = 1_000_000_000;
  const address = [
    "connectionsPerMinute",
    "waitingSockets",
    "newGuestsPerHour",
    "guestMessagesPerMinute",
    "guestTokensPerDay",
  ];
  const file = join(dataDir, "limits.json");
  writeFileSync(file, JSON.stringify({ address: Object.fromEntries(address.map((name) => [name, most])) }));
  const [without, all] = await Promise.all([
    serverOn(base, "plain", { node: ["--import", join(root, "bench/plain-vault.ts")] }),
    serverOn(base, "all", { LIMITS: file }),
  ]);
  const load = { streams: 100, rate: 50, pieces: 50 * (quick ? 3 : 6) };
  await measure(
    "cost",
    `CPU per piece with encryption and limits, beside the same server without, ${load.streams} streams x ${load.rate}/s`,
    { unit: "us", goal: "ratio <= 1.15" },
    async () => {
      const run: Record<string, number> = {};
      for (const [name, program] of [
        ["without", without],
        ["throughline", all],
      ] as const)
        run[name] = (await perPiece({ name, program, open: openThroughline }, load)).whole;
      return { ...run, ratio: ratio(run["throughline"] ?? Number.NaN, run["without"] ?? Number.NaN) };
    },
  );
  await Promise.all([without.end(), all.end()]);
}

async function besidePeers(base: string, ours: Side, seconds: number): Promise<void> {
  const found = await preparePeers(peerFolder, base);
  const peer = await socketIoOn(peerFolder, base);
  const load = { streams: 40, rate: 50, pieces: 50 * seconds };
  await measure(
    "P2",
    `CPU per piece, ${load.streams} streams x ${load.rate}/s, beside peers (ratio: to the resumable AI SDK, where there is a Redis; else to the plain one)`,
    { unit: "us", goal: "ratio <= 1/6 of the resumable one" },
    async () => {
      const run: Record<string, number> = { throughline: (await perPiece(ours, load)).whole };
      run["socket.io"] = (await perPiece(peer, load)).whole;
      for (const { name, program, http } of found)
        run[name] = (await perPiece({ name, program, open: http ? openStream : openRelay }, load)).whole;
      return {
        ...run,
        ratio: ratio(run["throughline"] ?? Number.NaN, run["ai, resumable"] ?? run["ai streamText"] ?? Number.NaN),
      };
    },
  );
  await Promise.all([peer, ...found].map(({ program }) => program.end()));
}

async function onStamps(): Promise<void> {
  const model = await start([join(root, "bench/stamps.ts")]);
  const { relay, ours, end } = await sidesOn(model.url, "stamps");
  for (const streams of quick ? [40] : [10, 40]) {
    const load = { streams, rate: 20, pieces: quick ? 30 : 120 };
    await measure(
      "P4",
      `latency from the model's write to the client, ${streams} streams x ${load.rate}/s`,
      { unit: "ms", goal: "first <= +2, p50 <= +10, p99 <= +25", warm: !quick || streams === 10 },
      async () => {
        const bare = await latency(relay, load);
        const mine = await latency(ours, load);
        const more = { "first +": mine.first - bare.first, "p50 +": mine.p50 - bare.p50, "p99 +": mine.p99 - bare.p99 };
        return { "relay p50": bare.p50, "relay p99": bare.p99, ...more };
      },
    );
  }
  await Promise.all([end(), model.end()]);
}

/** P8: openings of conversations of 2,000 messages, and appends to a log of a thousand entries and of `--entries`. */
async function onLengths(): Promise<void> {
  const model = await start([join(root, "test/support/model-server.ts")]);
  const ids = (count: number): string[] => Array.from({ length: count }, () => crypto.randomUUID());
  const opened = ids(10);
  const short = await makeHistory(join(dataDir, "short"), {
    conversations: opened.map((id) => ({ id, exchanges: 1000 })),
    bytes: 0,
    text: 600,
  });
  await measure(
    "P8 opening",
    "opening a conversation of 2,000 messages, each first in a fresh process: from the command to the frame `live`; and all its entries from the first on",
    { unit: "ms, KB", goal: "open <= 30", warm: false },
    async () => {
      const server = await serverOn(model.url, "short");
      const run = await opening(server, short.token, opened);
      await server.end();
      return run;
    },
  );
  const [smallShort = "", largeShort = "", largeLong = ""] = ids(3);
  // An exchange is four entries.
  const exchanges = Math.ceil(entries / 4);
  const small = { conversations: [{ id: smallShort, exchanges: 250 }], bytes: 0, text: 200 };
  const large = {
    conversations: [
      { id: largeShort, exchanges: 250 },
      { id: largeLong, exchanges },
    ],
    bytes: 0,
    text: 200,
  };
  const made = await makeHistory(join(dataDir, "large"), large);
  await makeHistory(join(dataDir, "small"), small);
  console.log(
    `P8: ${made.exchanges} exchanges, ${(made.bytes / 1e6).toFixed(0)} MB, ${made.seconds.toFixed(0)} s to make`,
  );
  await measure(
    "P8 append",
    `an append to a conversation of 1,000 entries in a store of as many, and of ${(exchanges * 4).toLocaleString("en")} in a store of as many: a piece of a reply, an entry of its own`,
    { unit: "us", goal: "ratio <= 1.2" },
    () =>
      appendCost(
        { dir: join(dataDir, "small"), short: smallShort },
        { dir: join(dataDir, "large"), short: largeShort, long: largeLong },
      ),
  );
  await model.end();
}

/** P7: a resume in a conversation of 1,000 entries and in one of 100,000. */
async function onResumeLengths(): Promise<void> {
  const [short, long] = [crypto.randomUUID(), crypto.randomUUID()];
  const conversations = [
    { id: short, exchanges: 250 },
    { id: long, exchanges: 25_000 },
  ];
  const made = await makeHistory(join(dataDir, "lengths"), { conversations, bytes: 0, text: 200 });
  const model = await start([join(root, "test/support/model-server.ts")]);
  const server = await serverOn(model.url, "lengths");
  await measure(
    "P7 length",
    "CPU of a resume 20 events behind the head, in a conversation of 1,000 entries and in one of 100,000",
    { unit: "us", goal: "ratio <= 1.2" },
    () => resumeByLength(server, made, { short, long }),
  );
  await Promise.all([server.end(), model.end()]);
}

/** P9: the start of a process with `--bytes` of history. */
async function onStarts(): Promise<void> {
  const model = await start([join(root, "test/support/model-server.ts")]);
  const history = await makeHistory(join(dataDir, "history"), {
    conversations: [],
    bytes,
    text: 1800,
  });
  const size = `${(history.bytes / 1e9).toFixed(2)} GB`;
  console.log(`P9: ${history.exchanges} exchanges, ${size}, ${history.seconds.toFixed(0)} s to make`);
  await measure(
    "P9",
    `from process to first accepted socket with ${size} of history (${history.exchanges * 2} messages): after an ordered end, after a kill in the middle of 20 replies`,
    { unit: "ms, KB", goal: "start <= 1500, after a kill <= 1500", warm: false },
    () => starts(() => serverOn(model.url, "history"), history),
  );
  await model.end();
}

try {
  if (wanted.some((id) => !["P4", "P7-length", "P8", "P9"].includes(id))) await onText();
  if (wanted.includes("P7") || wanted.includes("P7-length")) await onResumeLengths();
  if (wanted.includes("P8")) await onLengths();
  if (wanted.includes("P9")) await onStarts();
  if (wanted.includes("P4")) await onStamps();
  console.log(`\n${quick ? tableOf(results) : writePage(resultFolder, join(root, "docs/performance.md"))}`);
  const last = results
    .filter(({ runs: list }) => list[0]?.["ratio"] !== undefined)
    .map(({ id, runs: list }) => `${id} ${median(list.map((run) => run["ratio"] ?? Number.NaN)).toFixed(2)}`);
  console.log(`ratios: ${last.join(", ")}`);
} finally {
  rmSync(dataDir, { recursive: true, force: true });
}
