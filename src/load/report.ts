// Owns how a run is told: as text, as JSON, as a page with plots. It measures nothing.
import type { Moment, Spread } from "./measure.ts";
import { spreadOf } from "./measure.ts";
import type { LoadOptions } from "./options.ts";
import type { Run } from "./run.ts";

const rows: readonly (readonly [name: string, of: (run: Run) => Spread])[] = [
  ["connect and sign in", (run) => run.figures.timed.connect],
  ["ack", (run) => run.figures.timed.ack],
  ["first piece", (run) => run.figures.timed.first],
  ["between pieces", (run) => run.figures.timed.between],
  ["whole reply", (run) => run.figures.timed.reply],
  ["resume", (run) => run.figures.timed.resume],
];
const shown = (value: number): string => (value === 0 ? "0" : value < 10 ? value.toFixed(1) : value.toFixed(0));

export function textReport(run: Run): string {
  const { figures, verdict } = run;
  const { counts, faults, errors } = figures;
  const lines = [
    `${run.users} people, ${figures.seconds.toFixed(0)} s: ${list(counts)}`,
    "",
    "ms                       count      p50      p95      p99      max",
    ...rows.map(([name, of]) => {
      const { count, p50, p95, p99, max } = of(run);
      const cells = [p50, p95, p99, max].map((value) => shown(value).padStart(9)).join("");
      return `${name.padEnd(20)}${String(count).padStart(10)}${cells}`;
    }),
    "",
    `faults: ${list(faults)}`,
    `errors: ${Object.keys(errors).length === 0 ? "none" : list(errors)}`,
    ...figures.problems.map((problem) => `  ${problem}`),
    verdict.ok ? "every bound was kept" : `NOT KEPT: ${verdict.broken.join("; ")}`,
  ];
  return lines.join("\n");
}

const list = (counts: Readonly<Record<string, number>>): string =>
  Object.entries(counts)
    .map(([name, count]) => `${name} ${count}`)
    .join(", ");

/** The options without any token. */
const told = ({ token, tokens, ...options }: LoadOptions): object => ({
  ...options,
  token: token === undefined && tokens === undefined ? "none" : "given",
});

export const jsonReport = (runs: readonly Run[], options: LoadOptions): string =>
  `${JSON.stringify({ options: told(options), runs }, undefined, 1)}\n`;

const escape = (text: string): string => text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);

const style = `body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#23211d;background:#fbfaf7}
table{border-collapse:collapse}td,th{padding:2px 12px;text-align:right;border-bottom:1px solid #e2ddd2}td:first-child,th:first-child{text-align:left}
figure{margin:1.5rem 0}svg{width:100%;height:160px;background:#fff;border:1px solid #e2ddd2}polyline{fill:none;stroke:#0f5c50;stroke-width:1.5;vector-effect:non-scaling-stroke}
.axis{color:#6b675e;font-size:12px}.bad{color:#a3271c}figcaption{display:flex;justify-content:space-between}`;

function plot(name: string, values: readonly number[]): string {
  const most = Math.max(0, ...values);
  const points = values.map(
    (value, i) =>
      `${((i / Math.max(1, values.length - 1)) * 1000).toFixed(1)},${(150 - (value / (most || 1)) * 145).toFixed(1)}`,
  );
  return `<figure><figcaption><b>${escape(name)}</b><span>most ${shown(most)}</span></figcaption><svg viewBox="0 0 1000 155" preserveAspectRatio="none" role="img" aria-label="${escape(name)}, most ${shown(most)}"><polyline points="${points.join(" ")}"/></svg><figcaption class="axis"><span>0 s</span><span>${values.length} s</span></figcaption></figure>`;
}

/** Under which conditions a run was made. */
function conditions(options: LoadOptions): string {
  const { rate, thinkMs, durationMs, shares, awayMs, prompt, limits } = options;
  const { stop, reload, drop } = shares;
  const pace =
    rate === undefined ? `each waits for the reply, then thinks ${thinkMs / 1000} s` : `${rate} messages a second`;
  return `${durationMs / 1000} s after all have come in; ${pace}. Of the replies ${stop} are stopped, in ${reload} the page is reloaded, in ${drop} the network is gone for ${awayMs / 1000} s. Asked: "${prompt}". Bounds: coming in ${limits.connectMs} ms, acks ${limits.ackMs} ms, first piece ${limits.firstMs} ms, between pieces ${limits.betweenMs} ms, resume ${limits.resumeMs} ms (95th percentiles), errors ${limits.errors}.`;
}

export function htmlReport(runs: readonly Run[], options: LoadOptions): string {
  const sections = runs.map((run) => {
    const { figures, verdict } = run;
    const over = (of: (moment: Moment) => number): number[] => figures.moments.map(of);
    const cells = rows.map(([name, of]) => {
      const { count, p50, p95, p99, max } = of(run);
      return `<tr><td>${name}</td><td>${count}</td>${[p50, p95, p99, max].map((value) => `<td>${shown(value)}</td>`).join("")}</tr>`;
    });
    return `<h2>${run.users} people, ${figures.seconds.toFixed(0)} s</h2>
<p class="${verdict.ok ? "" : "bad"}">${verdict.ok ? "Every bound was kept." : escape(verdict.broken.join("; "))}</p>
<table><tr><th>ms</th><th>count</th><th>p50</th><th>p95</th><th>p99</th><th>max</th></tr>${cells.join("")}</table>
<p>${escape(list(figures.counts))}<br>faults: ${escape(list(figures.faults))}<br>errors: ${escape(list(figures.errors) || "none")}${figures.problems.map((problem) => `<br>${escape(problem)}`).join("")}</p>
${plot(
  "people online",
  over((moment) => moment.online),
)}
${plot(
  "pieces per second",
  over((moment) => moment.pieces),
)}
${plot(
  "messages per second",
  over((moment) => moment.sent),
)}
${plot(
  "first piece, p95 ms",
  over((moment) => spreadOf(moment.firsts).p95),
)}
${plot(
  "errors per second",
  over((moment) => moment.errors),
)}`;
  });
  return `<!doctype html><html lang="en"><meta charset="utf-8"><title>Load report</title><style>${style}</style>
<h1>Load report</h1><p>${escape(options.url)}, ${new Date().toISOString()}. ${escape(conditions(options))}</p>${sections.join("\n")}</html>\n`;
}
