// Owns a run: people come in, talk, are checked, and leave; and the search for the most people that a deployment holds. It prints nothing.
import { performance } from "node:perf_hooks";
import { createMeasures, type Figures } from "./measure.ts";
import type { Bounds, LoadOptions } from "./options.ts";
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

export async function runLoad(options: LoadOptions, progress: Progress): Promise<Run> {
  const random = drawsOf(options.seed);
  const measures = createMeasures(now, random);
  const people: Person[] = [];
  const began = now();
  const until = began + options.rampMs + options.durationMs;
  const ticking = setInterval(() => {
    progress(Math.min(1, (now() - began) / (until - began)), `${people.length} people`);
  }, 500);
  const talks: Promise<void>[] = [];
  const idle = performance.eventLoopUtilization();
  for (let i = 0; i < options.users; i++) {
    const person = new Person({ options, measures, now, random, sleep });
    people.push(person);
    talks.push(person.talk(until));
    await sleep(Math.max(0, began + ((i + 1) / options.users) * options.rampMs - now()));
  }
  await Promise.all(talks);
  const busy = performance.eventLoopUtilization(idle).utilization;
  if (busy > trusted) {
    const share = (busy * 100).toFixed(0);
    measures.problem(
      `the load tester itself was busy ${share} % of the time: the times are partly its own, use several`,
    );
  }
  progress(1, "checking every reply against the log");
  // Reading everything again is load of its own: some at a time.
  const waiting = [...people];
  const check = async (): Promise<void> => {
    for (let person = waiting.pop(); person !== undefined; person = waiting.pop()) await person.check();
  };
  await Promise.all(Array.from({ length: 20 }, check));
  clearInterval(ticking);
  for (const person of people) person.close();
  const figures = measures.report();
  return { users: options.users, figures, verdict: judge(figures, options.limits) };
}

/** Every bound that was not kept, in words. */
function judge(figures: Figures, limits: Bounds): Verdict {
  const { timed, faults, errors, counts } = figures;
  const broken: string[] = [];
  const slower = (name: string, is: number, most: number): void => {
    if (is > most) broken.push(`${name}: p95 ${is.toFixed(0)} ms, allowed ${most} ms`);
  };
  slower("coming in", timed.connect.p95, limits.connectMs);
  slower("acks", timed.ack.p95, limits.ackMs);
  slower("first piece", timed.first.p95, limits.firstMs);
  slower("resume", timed.resume.p95, limits.resumeMs);
  const failed = Object.values(errors).reduce((sum, count) => sum + count, 0);
  const tried = counts.sent + counts.resumes + timed.connect.count;
  if (failed > limits.errors * Math.max(1, tried))
    broken.push(`errors: ${failed} of ${tried} requests, allowed ${limits.errors}`);
  if (counts.replies === 0) broken.push("no reply came to its end");
  for (const [name, count] of Object.entries(faults)) if (count > 0) broken.push(`${name}: ${count}, allowed 0`);
  return { ok: broken.length === 0, broken };
}

/** Doubles the people until a bound breaks, then halves the gap until it is below an eighth. Resolves to every run, in order. */
export async function findLimit(options: LoadOptions, progress: Progress): Promise<readonly Run[]> {
  const runs: Run[] = [];
  const holds = async (users: number): Promise<boolean> => {
    const run = await runLoad({ ...options, users, rampMs: (users / 50) * 1000 }, progress);
    runs.push(run);
    return run.verdict.ok;
  };
  let [good, bad] = [0, 0];
  for (let users = options.users; bad === 0; users *= 2) {
    if (await holds(users)) good = users;
    else bad = users;
  }
  while (bad - good > Math.max(1, bad / 8)) {
    const users = Math.round((good + bad) / 2);
    if (await holds(users)) good = users;
    else bad = users;
  }
  return runs;
}
