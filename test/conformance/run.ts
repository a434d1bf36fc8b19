// Owns the running of the checks, one after the other, and their report.
import { checks, unchecked, type Target } from "./checks.ts";

export type Verdict = { readonly id: string; readonly what: string; readonly problem: string | undefined };

/** Milliseconds that one check may take: a server that does not answer has failed it. */
const patience = 180_000;

/** Runs every check, or those named; a check that throws, or does not end, has failed. */
export async function runChecks(
  target: Target,
  say: (line: string) => void,
  only?: readonly string[],
  patienceMs = patience,
): Promise<Verdict[]> {
  const verdicts: Verdict[] = [];
  for (const { id, what, run } of checks) {
    if (only !== undefined && !only.includes(id)) continue;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<string>((resolve) => {
      timer = setTimeout(() => resolve(`no end after ${patienceMs} ms`), patienceMs);
    });
    const own = run(target).then(
      () => undefined,
      (error: unknown) => (error instanceof Error ? error.message : String(error)),
    );
    const problem = await Promise.race([own, late]);
    clearTimeout(timer);
    verdicts.push({ id, what, problem });
    say(
      `${problem === undefined ? "ok    " : "FAILED"} ${id.padEnd(5)} ${what}${problem === undefined ? "" : `: ${problem}`}`,
    );
  }
  const failed = verdicts.filter(({ problem }) => problem !== undefined).length;
  say(`${verdicts.length - failed} held, ${failed} failed; not to be seen from outside: ${unchecked.join(", ")}`);
  return verdicts;
}
