// Owns what a page costs the machine while something happens in it: CPU time, so that other work on the machine does not count.
import type { Page } from "playwright-core";

export type Cost = {
  /** ms that scripts ran, with the layouts that they asked for. */
  readonly script: number;
  /** ms that the page was laid out. */
  readonly layout: number;
  /** ms of CPU of the longest task of the page's thread. */
  readonly longest: number;
  /** Frames that were drawn. */
  readonly frames: number;
};

type Traced = {
  readonly name?: unknown;
  readonly pid?: unknown;
  readonly tid?: unknown;
  readonly ts?: unknown;
  readonly tdur?: unknown;
  readonly args?: { readonly name?: unknown };
};

/** Runs something in a page and says what it cost. `longest` leaves out the tasks before `from` (ms), when parts are still being loaded. */
export async function costOf(page: Page, run: () => Promise<void>, from = 0): Promise<Cost> {
  const cdp = await page.context().newCDPSession(page);
  await cdp.send("Performance.enable");
  const spent = async (name: string): Promise<number> => {
    const { metrics } = await cdp.send("Performance.getMetrics");
    return (metrics.find((metric) => metric.name === name)?.value ?? 0) * 1000;
  };
  const before = [await spent("ScriptDuration"), await spent("LayoutDuration")] as const;
  const events: Traced[] = [];
  cdp.on("Tracing.dataCollected", ({ value }) => events.push(...value));
  await cdp.send("Tracing.start", {
    transferMode: "ReportEvents",
    traceConfig: { includedCategories: ["toplevel", "devtools.timeline"] },
  });
  await run();
  const complete = new Promise((resolve) => cdp.once("Tracing.tracingComplete", resolve));
  await cdp.send("Tracing.end");
  await complete;
  const [script, layout] = [(await spent("ScriptDuration")) - before[0], (await spent("LayoutDuration")) - before[1]];
  await cdp.detach();
  return { script, layout, ...tasksOf(events, from) };
}

function tasksOf(events: readonly Traced[], from: number): { readonly longest: number; readonly frames: number } {
  const threadOf = ({ pid, tid }: Traced): string => `${String(pid)}/${String(tid)}`;
  const mains = new Set(
    events.flatMap((event) =>
      event.name === "thread_name" && event.args?.name === "CrRendererMain" ? [threadOf(event)] : [],
    ),
  );
  const timeOf = ({ ts }: Traced): number => (typeof ts === "number" && ts > 0 ? ts / 1000 : Infinity);
  const began = events.reduce((first, event) => Math.min(first, timeOf(event)), Infinity);
  const durations: number[] = [];
  let frames = 0;
  for (const event of events) {
    if (!mains.has(threadOf(event))) continue;
    if (event.name === "FireAnimationFrame") frames += 1;
    if (typeof event.tdur !== "number" || !String(event.name).endsWith("RunTask")) continue;
    if (timeOf(event) >= began + from) durations.push(event.tdur / 1000);
  }
  if (durations.length < 10) throw new Error("The trace has no tasks.");
  return { longest: Math.max(...durations), frames };
}
