// Owns the command `throughline load`: arguments to runs to a report and an exit code.
import { writeFileSync } from "node:fs";
import { openFiles } from "../open-files.ts";
import { loadHelp, readLoadOptions } from "./options.ts";
import { htmlReport, jsonReport, textReport } from "./report.ts";
import { findLimit, runLoad, type Progress } from "./run.ts";

/** Runs it. Resolves to the exit code: 0 where every bound was kept, 1 where not, 2 for arguments that cannot be read. */
export async function loadCommand(args: readonly string[], print: (line: string) => void): Promise<number> {
  if (args.includes("--help")) {
    print(loadHelp);
    return 0;
  }
  const options = readLoadOptions(args, openFiles());
  if ("problems" in options) {
    for (const problem of options.problems) print(problem);
    print("throughline load --help tells what there is.");
    return 2;
  }
  const terminal = process.stderr.isTTY;
  const progress: Progress = (share, what) => {
    const bar = "#".repeat(Math.round(share * 30)).padEnd(30, ".");
    if (terminal) process.stderr.write(`\r[${bar}] ${(share * 100).toFixed(0)} % ${what}   `);
  };
  const limit = options.findLimit ? await findLimit(options, progress) : undefined;
  const runs = limit?.runs ?? [await runLoad(options, progress)];
  if (terminal) process.stderr.write("\n");
  for (const run of runs) print(`${textReport(run)}\n`);
  if (options.json !== undefined) writeFileSync(options.json, jsonReport(runs, options));
  if (options.html !== undefined) writeFileSync(options.html, htmlReport(runs, options));
  if (limit === undefined) return Number(runs.some((run) => !run.verdict.ok));
  const { best, why } = limit;
  print(`The most people within the bounds: ${best}${why === undefined ? "" : ` (not looked for further: ${why})`}`);
  return Number(best === 0);
}
