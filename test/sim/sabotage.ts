// Owns the trial of the simulation: plants each bug in a copy of the sources and runs worlds until one notices. The repository stays as it is.
import { spawn } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { readOptions, refuse, wholeNumber } from "../../scripts/options.ts";
import { sabotages, type Sabotage } from "./sabotages.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));

export type Trial = { readonly caught: boolean; readonly seed: number | undefined; readonly by: string };

/** What would not be planted, because the source has moved on. */
export function misplaced(list: readonly Sabotage[]): string[] {
  return list.flatMap((sabotage) => {
    const count = readFileSync(join(root, "src", sabotage.file), "utf8").split(sabotage.from).length - 1;
    return count === 1 ? [] : [`${sabotage.name}: found ${count} times in src/${sabotage.file}, must be once`];
  });
}

/** A copy of the repository's `copied` folders with the bug in it; `linked` ones are the repository's own. */
export function planted(
  sabotage: Sabotage,
  copied: readonly string[],
  linked: readonly string[],
): { readonly folder: string; readonly remove: () => void } {
  const folder = mkdtempSync(join(tmpdir(), "sabotage-"));
  for (const name of [...copied, "package.json"]) cpSync(join(root, name), join(folder, name), { recursive: true });
  for (const name of linked) symlinkSync(join(root, name), join(folder, name));
  const path = join(folder, "src", sabotage.file);
  const source = readFileSync(path, "utf8");
  writeFileSync(
    path,
    source.replace(sabotage.from, () => sabotage.to),
  );
  return { folder, remove: () => rmSync(folder, { recursive: true, force: true }) };
}

/** Plants a bug and runs seeds 1..`seeds`, or those given, until one fails. */
export async function tryOut(sabotage: Sabotage, seeds: string): Promise<Trial> {
  const { folder, remove } = planted(sabotage, ["src", "test/sim"], ["node_modules", "scripts"]);
  try {
    const { code, output } = await run(folder, ["test/sim/main.ts", "--seeds", seeds, "--first"]);
    const [, seed, rule] = /^seed (\d+): \[([^\]]*)\]/m.exec(output) ?? [];
    if (seed !== undefined) return { caught: true, seed: Number(seed), by: rule ?? "" };
    // A world that never ends, or cannot even begin, has been noticed too; which of them is told.
    if (code === "timeout") return { caught: true, seed: undefined, by: "it hangs" };
    if (code !== 0) throw new Error(`${sabotage.name}: the simulation did not run:\n${output.slice(-2000)}`);
    return { caught: false, seed: undefined, by: "" };
  } finally {
    remove();
  }
}

function run(cwd: string, args: string[]): Promise<{ code: number | "timeout"; output: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, { cwd, stdio: ["ignore", "pipe", "pipe"] });
    let output = "";
    let late = false;
    const hang = (): void => {
      late = true;
      child.kill("SIGKILL");
    };
    // Fifty worlds take a few seconds: where nothing is heard for so long, one never ends.
    let timer = setTimeout(hang, 60_000);
    const hear = (chunk: Buffer): void => {
      output += chunk.toString();
      clearTimeout(timer);
      timer = setTimeout(hang, 60_000);
    };
    child.stdout.on("data", hear);
    child.stderr.on("data", hear);
    child.on("error", reject);
    child.on("close", (code) => {
      clearTimeout(timer);
      resolve({ code: late ? "timeout" : (code ?? 1), output });
    });
  });
}

const help = `npm run sabotage -- [options]

  --seeds A..B   the worlds that may notice a bug (1..2500)
  --only TEXT    the bugs with it in their name
  --at N         how many at once (2)
`;

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const values = readOptions(help, {
    seeds: { type: "string", default: "1..2500" },
    only: { type: "string" },
    at: { type: "string", default: "2" },
  });
  const { only } = values;
  const chosen = sabotages.filter((sabotage) => only === undefined || sabotage.name.includes(only));
  if (chosen.length === 0) refuse(`--only: no planted bug has "${only}" in its name.`);
  const at = wholeNumber("at", values.at);
  const wrong = misplaced(chosen);
  if (wrong.length > 0) {
    for (const line of wrong) console.log(line);
    process.exit(1);
  }
  const queue = [...chosen];
  let missed = 0;
  const worker = async (): Promise<void> => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      const trial = await tryOut(next, values.seeds);
      if (!trial.caught) missed++;
      const found = trial.caught ? `caught by seed ${trial.seed ?? "-"} (${trial.by})` : "MISSED";
      console.log(`${next.name.padEnd(64)} ${found}`);
    }
  };
  await Promise.all(Array.from({ length: at }, worker));
  console.log(`${chosen.length} planted, ${chosen.length - missed} caught, ${missed} missed`);
  process.exitCode = missed > 0 ? 1 : 0;
}
