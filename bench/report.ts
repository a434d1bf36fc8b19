// Owns how results become a page: the newest JSON of each measurement as one table. It measures nothing.
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Run } from "./measures.ts";

export type Result = {
  readonly id: string;
  readonly what: string;
  readonly unit: string;
  readonly goal: string;
  readonly runs: readonly Run[];
};
export type Stored = Result & { readonly at: string; readonly machine: string; readonly command: string };

export function median(list: readonly number[]): number {
  const sorted = list.toSorted((a, b) => a - b);
  const [low, high] = [sorted[Math.ceil(sorted.length / 2) - 1], sorted[Math.floor(sorted.length / 2)]];
  return ((low ?? Number.NaN) + (high ?? Number.NaN)) / 2;
}

const short = (value: number): string => (Math.abs(value) >= 100 ? value.toFixed(0) : value.toFixed(2));

/** `median (least to most)` of every figure of a measurement. */
function figures({ runs }: Result): string {
  return Object.keys(runs[0] ?? {})
    .map((name) => {
      const list = runs.map((run) => run[name] ?? Number.NaN);
      return `${name} **${short(median(list))}** (${short(Math.min(...list))} to ${short(Math.max(...list))})`;
    })
    .join("; ");
}

/** Each bound of a goal (`ratio <= 0.8, whole <= 5000`) with whether the median keeps it. */
function bounds({ goal, runs }: Result): { bound: string; value: number; met: boolean }[] {
  return [...goal.matchAll(/([a-z][\w. ]*?(?:, [a-z]+)?) <= \+?([\d.]+)(?:\/(\d+))?/g)].map(
    ([bound, name = "", above = "", below = "1"]) => {
      const value = median(runs.map((run) => run[name] ?? run[`${name} +`] ?? Number.NaN));
      return { bound, value, met: value <= Number(above) / Number(below) };
    },
  );
}

function verdict(one: Result): string {
  const all = bounds(one);
  return all.length === 0 ? "" : all.every(({ met }) => met) ? "met" : "**not met**";
}

/** The goals that are not met, in words: made of the figures, so that it cannot say anything else. */
function missed(stored: readonly Result[]): string {
  const list = stored.flatMap((one) =>
    bounds(one).flatMap(({ bound, value, met }) =>
      met ? [] : [`- ${one.id}: ${bound}, and it is ${short(value)} (${one.what})`],
    ),
  );
  const words = list.length === 0 ? "No goal is missed." : `Goals that are not met:\n\n${list.join("\n")}`;
  const bare = goals.filter((id) => !stored.some((one) => one.id.startsWith(id) && bounds(one).length > 0));
  return bare.length === 0 ? words : `${words}\n\nNot measured: ${bare.join(", ")}.`;
}

/** What there has to be a figure for. */
const goals = ["P1", "P2", "P3", "P3 flood", "P4", "P5", "P6", "P7", "P7 length", "P8 opening", "P8 append", "P9"];

/** The results as a table of Markdown. */
export function tableOf(stored: readonly Stored[]): string {
  const rows = stored.map(
    (one) =>
      `| ${one.id} | ${one.what} | ${figures(one)} | ${one.unit} | ${one.goal} | ${verdict(one)} | ${one.runs.length} | \`${one.command}\` |`,
  );
  const head = [
    "| | what | median (least to most) | unit | goal | | runs | by |",
    "| --- | --- | --- | --- | --- | --- | --- | --- |",
  ];
  return [...head, ...rows].join("\n");
}

const begin = "<!-- figures: written by `npm run bench` -->";
const end = "<!-- end of figures -->";

/** Puts the figures into the page, between its two marks. Returns the table. */
export function writePage(folder: string, page: string): string {
  const stored = readdirSync(folder)
    .filter((name) => name.endsWith(".json"))
    .map((name) => JSON.parse(readFileSync(join(folder, name), "utf8")) as Stored)
    .sort((a, b) => a.id.localeCompare(b.id) || a.what.localeCompare(b.what));
  const table = tableOf(stored);
  const machines = [...new Set(stored.map(({ at, machine }) => `- ${at}: ${machine}`))];
  const before = readFileSync(page, "utf8");
  const [top = "", rest = ""] = before.split(begin);
  const [, bottom = ""] = rest.split(end);
  writeFileSync(
    page,
    `${top}${begin}\n\n${table}\n\n${missed(stored)}\n\nMeasured on:\n\n${machines.join("\n")}\n\n${end}${bottom}`,
  );
  return table;
}
