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
type Stored = Result & { readonly at: string; readonly machine: string; readonly command: string };

export const median = (list: readonly number[]): number =>
  list.toSorted((a, b) => a - b)[Math.floor(list.length / 2)] ?? Number.NaN;

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

const begin = "<!-- figures: written by `npm run bench` -->";
const end = "<!-- end of figures -->";

/** Puts the figures into the page, between its two marks. Returns the table. */
export function writePage(folder: string, page: string): string {
  const stored = readdirSync(folder)
    .filter((name) => name.endsWith(".json"))
    .map((name) => JSON.parse(readFileSync(join(folder, name), "utf8")) as Stored)
    .sort((a, b) => a.id.localeCompare(b.id) || a.what.localeCompare(b.what));
  const rows = stored.map(
    (one) =>
      `| ${one.id} | ${one.what} | ${figures(one)} | ${one.unit} | ${one.goal} | ${one.runs.length} | \`${one.command}\` |`,
  );
  const machines = [...new Set(stored.map(({ at, machine }) => `- ${at}: ${machine}`))];
  const head = [
    "| | what | median (least to most) | unit | goal | runs | by |",
    "| --- | --- | --- | --- | --- | --- | --- |",
  ];
  const table = [...head, ...rows].join("\n");
  const before = readFileSync(page, "utf8");
  const [top = "", rest = ""] = before.split(begin);
  const [, bottom = ""] = rest.split(end);
  writeFileSync(page, `${top}${begin}\n\n${table}\n\nMeasured on:\n\n${machines.join("\n")}\n\n${end}${bottom}`);
  return table;
}
