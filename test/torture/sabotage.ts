// Owns the trial of the scenes: plants each bug in a copy of the sources and plays the scene that has to notice it, small, one at a time.
import { spawn } from "node:child_process";
import { readOptions, refuse } from "../../scripts/options.ts";
import { misplaced, planted } from "../sim/sabotage.ts";
import { sceneSabotages, type SceneSabotage } from "./sabotages.ts";

/** What the scene found: its counts that are not zero; undefined where it noticed nothing. */
async function tryOut({ scene, ...sabotage }: SceneSabotage): Promise<string | undefined> {
  const copy = planted(sabotage, ["src", "test"], ["node_modules", "dist", "scripts"]);
  try {
    const child = spawn(process.execPath, ["test/torture/main.ts", "--scene", scene, "--seed", "7"], {
      cwd: copy.folder,
      stdio: ["ignore", "pipe", "pipe"],
    });
    let output = "";
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (data: Buffer) => (output += data.toString()));
    const code = await new Promise<number | null>((resolve) => child.once("close", resolve));
    if (code === 0) return undefined;
    const problem = /^- (.*)$/m.exec(output)?.[1];
    if (code !== 1 || problem === undefined)
      throw new Error(`${scene}: the scene did not play:\n${output.slice(-2000)}`);
    return problem.slice(0, 160);
  } finally {
    copy.remove();
  }
}

const known = [...new Set(sceneSabotages.map(({ scene }) => scene))];
const help = `npm run sabotage:torture -- [--scene NAME]

Plants a bug for each of ${known.join(", ")} in a copy of the sources; the scene has to notice it.
`;
const values = readOptions(help, { scene: { type: "string" } });
const chosen = sceneSabotages.filter(({ scene }) => values.scene === undefined || scene === values.scene);
if (chosen.length === 0) refuse(`--scene: ${values.scene} is none of ${known.join(", ")}.`);
const wrong = misplaced(chosen);
for (const line of wrong) console.log(line);
if (wrong.length > 0) process.exit(1);
let missed = 0;
for (const sabotage of chosen) {
  const found = await tryOut(sabotage);
  if (found === undefined) missed++;
  console.log(`${sabotage.scene.padEnd(10)} ${sabotage.name.padEnd(56)} ${found ?? "MISSED"}`);
}
console.log(`${chosen.length} planted, ${chosen.length - missed} caught, ${missed} missed`);
process.exitCode = missed > 0 ? 1 : 0;
