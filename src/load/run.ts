// Owns a run: people come in, talk, are checked, and leave; and the search for the most people that a deployment holds. It prints nothing.
import { performance } from "node:perf_hooks";
import { createMeasures, type Figures, type Spread } from "./measure.ts";
import type { LoadOptions } from "./options.ts";
import { Person } from "./person.ts";

type Verdict = { readonly ok: boolean; readonly broken: readonly string[] };
export type Run = { readonly users: number; readonly figures: Figures; readonly verdict: Verdict };

/** `share` from 0 to 1: how far a run is. */
export type Progress = (share: number, what: string) => void;

/** How busy this process may be before its own figures can no longer be trusted, from 0 to 1. */
const trusted = 0.8;

const now = (): number => performance.now();
const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** A stream of draws that is the same for the same seed. Source: mulberry32, public domain. */
function drawsOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Whether it came to its end within so many milliseconds. */
async function endsWithin(work: Promise<unknown>, ms: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<false>((resolve) => (timer = setTimeout(() => resolve(false), ms)));
  const ended = await Promise.race([work.then(() => true), late]);
  clearTimeout(timer);
  return ended;
}

/** One run. It ends, whatever the server does: after its time, one request's patience and twice the grace. */
export async function runLoad(options: LoadOptions, progress: Progress): Promise<Run> {
  const { users, rampMs, durationMs, patienceMs, graceMs } = options;
  const random = drawsOf(options.seed);
  const measures = createMeasures(now, random);
  const people: Person[] = [];
  const began = now();
  const until = began + rampMs + durationMs;
  const ticking = setInterval(() => {
    progress(Math.min(1, (now() - began) / (until - began)), `${people.length} people`);
  }, 500);
  const talks: Promise<void>[] = [];
  const idle = performance.eventLoopUtilization();
  for (let i = 0; i < users; i++) {
    const token = options.tokens?.[i] ?? options.token;
    const person = new Person({ options, token, measures, now, random, sleep });
    people.push(person);
    talks.push(
      person.talk(until).catch((error: unknown) => {
        measures.fault("crashed");
        measures.problem(String(error));
      }),
    );
    await sleep(Math.max(0, began + ((i + 1) / users) * rampMs - now()));
  }
  const leave = (): Promise<unknown> => Promise.all(people.map((person) => person.close()));
  if (!(await endsWithin(Promise.all(talks), until - now() + patienceMs + graceMs))) {
    measures.problem("not everybody came to an end in time");
    await leave();
  }
  const busy = performance.eventLoopUtilization(idle).utilization;
  if (busy > trusted) {
    const share = (busy * 100).toFixed(0);
    measures.problem(
      `the load tester itself was busy ${share} % of the time: the times are partly its own, use several`,
    );
  }
  progress(1, "checking every message against the log");
  // Reading everything again is load of its own: some at a time.
  const waiting = [...people];
  const mostChecked = now() + graceMs;
  const check = async (): Promise<void> => {
    for (let person = waiting.pop(); person !== undefined; person = waiting.pop()) await person.check(mostChecked);
  };
  await Promise.all(Array.from({ length: 20 }, check));
  clearInterval(ticking);
  await leave();
  const figures = measures.report();
  return { users, figures, verdict: judge(figures, options) };
}

/** Every bound that was not kept, in words. */
function judge(figures: Figures, { users, limits, asked }: LoadOptions): Verdict {
  const { timed, faults, errors, counts } = figures;
  const broken: string[] = [];
  const slower = (name: string, { count, p95 }: Spread, most: number, option: string): void => {
    if (count === 0 && asked.includes(option)) broken.push(`${name}: not measured, allowed p95 ${most} ms`);
    if (p95 > most) broken.push(`${name}: p95 ${p95.toFixed(0)} ms, allowed ${most} ms`);
  };
  if (counts.people < users) broken.push(`${users - counts.people} of ${users} people never came in`);
  slower("coming in", timed.connect, limits.connectMs, "max-connect");
  slower("acks", timed.ack, limits.ackMs, "max-ack");
  slower("first piece", timed.first, limits.firstMs, "max-first");
  slower("between pieces", timed.between, limits.betweenMs, "max-between");
  slower("resume", timed.resume, limits.resumeMs, "max-resume");
  const failed = Object.values(errors).reduce((sum, count) => sum + count, 0);
  const tried = counts.sent + counts.resumes + timed.connect.count;
  if (failed > limits.errors * Math.max(1, tried))
    broken.push(`errors: ${failed} of ${tried} requests, allowed ${limits.errors}`);
  if (counts.replies === 0) broken.push("no reply came to its end");
  for (const [name, count] of Object.entries(faults)) if (count > 0) broken.push(`${name}: ${count}, allowed 0`);
  return { ok: broken.length === 0, broken };
}

/** Every run, in order; the most people that held twice, 0 for nobody; and why it was not looked for further, if so. */
export type Limit = { readonly runs: readonly Run[]; readonly best: number; readonly why: string | undefined };

/** Runs that a search may take: doubling from 1 to 100,000, halving to an eighth, and confirming. */
const mostRuns = 32;

/**
 * Doubles the people until a bound breaks, then halves the gap until it is below an eighth. What is found has to hold once more;
 * where it does not, an eighth less has to, twice.
 */
export async function findLimit(options: LoadOptions, progress: Progress): Promise<Limit> {
  const { ceiling } = options;
  const runs: Run[] = [];
  const holds = async (users: number): Promise<boolean> => {
    if (runs.length >= mostRuns) return false;
    const run = await runLoad({ ...options, users, rampMs: (users / 50) * 1000 }, progress);
    runs.push(run);
    return run.verdict.ok;
  };
  let [good, bad] = [0, ceiling.users + 1];
  for (let users = Math.min(options.users, ceiling.users); users < bad; users = Math.min(users * 2, ceiling.users)) {
    if (await holds(users)) good = users;
    else bad = users;
    if (good === ceiling.users) break;
  }
  while (good < ceiling.users && bad - good > Math.max(1, bad / 8)) {
    const users = Math.round((good + bad) / 2);
    if (await holds(users)) good = users;
    else bad = users;
  }
  let first = true;
  while (good > 0 && !((first || (await holds(good))) && (await holds(good)))) {
    good = Math.floor((good * 7) / 8);
    first = false;
  }
  const why = good === ceiling.users ? ceiling.why : runs.length >= mostRuns ? `${mostRuns} runs are over` : undefined;
  return { runs, best: good, why };
}
