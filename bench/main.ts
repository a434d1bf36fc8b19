// `npm run bench`: every goal beside the limit, alternating runs in one go, medians; results as JSON, table and docs/performance.md.
//   npm run bench -- --quick            P1, P2, P4 and P5 in about a minute
//   npm run bench -- --only cost        what encryption and limits add
//   npm run bench -- --only P1,P6 --runs 7 --peers
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { cpus, loadavg, tmpdir, totalmem } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { openRelay, openThroughline } from "./clients.ts";
import { fanOut, idleMemory, latency, perPiece, resume, type Run, type Side } from "./measures.ts";
import { openStream, preparePeers } from "./peers.ts";
import { start, type Program } from "./program.ts";
import { median, writePage, type Result } from "./report.ts";

const { values } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    only: { type: "string" },
    runs: { type: "string" },
    peers: { type: "boolean", default: false },
    profile: { type: "string" },
  },
});
const { quick, peers } = values;
const runs = Number(values.runs ?? (quick ? 2 : 5));
const wanted = (values.only ?? (quick ? "P1,P2,P4,P5" : "P1,cost,P2,P3,P4,P5,P6,P7")).split(",");
const root = join(import.meta.dirname, "..");
const dataDir = mkdtempSync(join(tmpdir(), "throughline-bench-"));

/** What differs from the server that the others are measured with. */
type Differing = { readonly node?: readonly string[]; readonly LIMITS?: string };

const serverOn = (base: string, name: string, { node = [], LIMITS = "off" }: Differing = {}): Promise<Program> =>
  start(
    [
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
  const file = join(root, "bench/relay.ts");
  const [relay, lean, ours] = await Promise.all([
    start([file, base]),
    start([file, base, "--lean"]),
    serverOn(base, name),
  ]);
  return {
    relay: { name: "relay", program: relay, open: openRelay },
    lean: { name: "lean relay", program: lean, open: openRelay },
    ours: { name: "throughline", program: ours, open: openThroughline },
    end: async () => void (await Promise.all([relay.end(), lean.end(), ours.end()])),
  };
}

const results: Result[] = [];

/** Alternating runs, the first of them to warm up; prints each and keeps the medians. */
async function measure(
  id: string,
  what: string,
  about: { unit: string; goal: string; warm?: boolean; count?: number },
  one: () => Promise<Run>,
): Promise<void> {
  const list: Run[] = [];
  const count = about.count ?? runs;
  for (let i = about.warm === false ? 0 : -1; i < count; i++) {
    const run = await one();
    const text = Object.entries(run).map(([name, value]) => `${name} ${value.toFixed(2)}`);
    console.log(`${id} ${i < 0 ? "warm-up" : `run ${i + 1}`}: ${text.join(", ")}`);
    if (i >= 0) list.push(run);
  }
  const { unit, goal } = about;
  results.push({ id, what, unit, goal, runs: list });
}

const ratio = (mine: number, theirs: number): number => mine / theirs;

async function onText(): Promise<void> {
  const model = await start([join(root, "test/support/model-server.ts")]);
  const base = `${model.url.replace(/\/v1$/, "")}/v1`;
  const { relay, lean, ours, end } = await sidesOn(base, "text");
  const perSide = async (sides: readonly Side[], load: Parameters<typeof perPiece>[1]): Promise<Run> => {
    const run: Record<string, number> = {};
    for (const side of sides) run[side.name] = await perPiece(side, load);
    const bare = run["relay"] ?? Number.NaN;
    return { ...run, ratio: ratio(run["throughline"] ?? Number.NaN, bare) };
  };
  const seconds = quick ? 3 : 6;
  const piece = (id: string, goal: string, streams: number, rate: number, pieces: number): Promise<void> =>
    measure(
      id,
      `CPU per piece, ${streams} streams x ${rate === 0 ? "as fast as the model can" : `${rate}/s`}, ${pieces} pieces each`,
      { unit: "us", goal },
      () => perSide([relay, lean, ours], { streams, rate, pieces }),
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
    const load = { viewers: 500, rate: 20, pieces: quick ? 40 : 100 };
    await measure(
      "P5",
      `CPU per piece and viewer, one reply to ${load.viewers} viewers at ${load.rate}/s`,
      { unit: "us", goal: "ratio <= 1.1", count: quick ? 1 : runs, warm: !quick },
      async () => {
        const bare = await fanOut(relay, load);
        const mine = await fanOut(ours, load);
        return { "prepared frames": bare, throughline: mine, ratio: ratio(mine, bare) };
      },
    );
  }
  if (wanted.includes("P6")) {
    await measure(
      "P6",
      "memory per idle connection, 5,000 in fresh processes (resident, collected by nobody)",
      { unit: "bytes", goal: "ratio <= 1.5", warm: false },
      async () => {
        const fresh = await sidesOn(base, crypto.randomUUID());
        const [bare, mine] = [await idleMemory(fresh.relay, 5000), await idleMemory(fresh.ours, 5000)];
        await fresh.end();
        return { ws: bare, throughline: mine, ratio: ratio(mine, bare) };
      },
    );
  }
  if (wanted.includes("P7")) {
    await measure(
      "P7",
      "1,000 viewers of one reply cut at once: CPU per resume beside a bare handshake without auth, and ms until all are live",
      { unit: "us, ms", goal: "ratio <= 1.5, whole <= 5000" },
      async () => {
        const bare = await resume(relay, 1000);
        const mine = await resume(ours, 1000);
        return { handshake: bare.cpu, throughline: mine.cpu, ratio: ratio(mine.cpu, bare.cpu), whole: mine.whole };
      },
    );
  }
  await Promise.all([end(), model.end()]);
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
        run[name] = await perPiece({ name, program, open: openThroughline }, load);
      return { ...run, ratio: ratio(run["throughline"] ?? Number.NaN, run["without"] ?? Number.NaN) };
    },
  );
  await Promise.all([without.end(), all.end()]);
}

async function besidePeers(base: string, ours: Side, seconds: number): Promise<void> {
  const found = await preparePeers(join(root, "bench/peers"), base);
  const load = { streams: 40, rate: 50, pieces: 50 * seconds };
  await measure(
    "P2",
    `CPU per piece, ${load.streams} streams x ${load.rate}/s, beside peers (ratio: to the resumable AI SDK, where there is a Redis; else to the plain one)`,
    { unit: "us", goal: "ratio <= 1/6 of the resumable one" },
    async () => {
      const run: Record<string, number> = { throughline: await perPiece(ours, load) };
      for (const { name, program, http } of found)
        run[name] = await perPiece({ name, program, open: http ? openStream : openRelay }, load);
      return {
        ...run,
        ratio: ratio(run["throughline"] ?? Number.NaN, run["ai, resumable"] ?? run["ai streamText"] ?? Number.NaN),
      };
    },
  );
  await Promise.all(found.map(({ program }) => program.end()));
}

async function onStamps(): Promise<void> {
  const model = await start([join(root, "bench/stamps.ts")]);
  const { relay, ours, end } = await sidesOn(model.url, "stamps");
  for (const streams of [10, 40]) {
    const load = { streams, rate: 20, pieces: quick ? 40 : 120 };
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

try {
  if (wanted.some((id) => id !== "P4")) await onText();
  if (wanted.includes("P4")) await onStamps();
  const machine = `${cpus().length} x ${cpus()[0]?.model ?? "?"}, ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.version}, load average at the end ${loadavg()[0]?.toFixed(1)}`;
  const at = new Date().toISOString().slice(0, 10);
  mkdirSync(join(root, "bench/results"), { recursive: true });
  for (const result of results) {
    const name = `${result.id} ${/\d+ streams/.exec(result.what)?.[0] ?? ""}`.trim().replaceAll(" ", "-").toLowerCase();
    const own = { ...result, at, machine, command: `npm run bench -- ${process.argv.slice(2).join(" ")}`.trim() };
    writeFileSync(join(root, `bench/results/${name}.json`), `${JSON.stringify(own, null, 2)}\n`);
  }
  const page = writePage(join(root, "bench/results"), join(root, "docs/performance.md"));
  console.log(`\n${page}`);
  const last = results
    .filter(({ runs: list }) => list[0]?.["ratio"] !== undefined)
    .map(({ id, runs: list }) => `${id} ${median(list.map((run) => run["ratio"] ?? Number.NaN)).toFixed(2)}`);
  console.log(`ratios: ${last.join(", ")}`);
} finally {
  rmSync(dataDir, { recursive: true, force: true });
}
