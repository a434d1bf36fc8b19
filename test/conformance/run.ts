// Owns the running of the checks, several side by side, and their report.
import { WebSocket } from "ws";
import { checks, unchecked } from "./checks.ts";
import { socketPath, Visit, type Target } from "./visit.ts";

export type Verdict = { readonly id: string; readonly what: string; readonly problem: string | undefined };

/** Runs every check, or those named, `atOnce` at a time; one that throws, or after which somebody noted something, has failed. */
export async function runChecks(
  target: Target,
  say: (line: string) => void,
  { only, atOnce = 8 }: { only?: readonly string[] | undefined; atOnce?: number } = {},
): Promise<Verdict[]> {
  const chosen = checks.filter(({ id }) => only === undefined || only.includes(id));
  const verdicts: (Verdict | undefined)[] = chosen.map(() => undefined);
  let next = 0;
  let told = 0;
  const lane = async (): Promise<void> => {
    for (let i = next++; i < chosen.length; i = next++) {
      const check = chosen[i];
      if (check === undefined) return;
      const { id, what } = check;
      const visit = new Visit(target);
      const problem = await check
        .run(visit)
        .then(() => visit.hold())
        .then(
          () => undefined,
          (error: unknown) =>
            [...new Set([error instanceof Error ? error.message : String(error), ...visit.noted])].join("; "),
        );
      visit.end();
      verdicts[i] = { id, what, problem };
      // In the list's order, as soon as it can be said.
      for (let one = verdicts[told]; one !== undefined; one = verdicts[++told]) say(lineOf(one));
    }
  };
  await Promise.all(Array.from({ length: atOnce }, lane));
  const found = verdicts.filter((one) => one !== undefined);
  const failed = found.filter(({ problem }) => problem !== undefined).length;
  say(`${found.length - failed} held, ${failed} failed; not to be seen from outside: ${unchecked.join(", ")}`);
  return found;
}

const lineOf = ({ id, what, problem }: Verdict): string =>
  problem === undefined ? `ok     ${id.padEnd(5)} ${what}` : `FAILED ${id.padEnd(5)} ${what}: ${problem}`;

/** Why no socket can be opened there; undefined: one can. */
export function reach({ url, patienceMs }: Target): Promise<string | undefined> {
  const socket = new WebSocket(`${url}${socketPath}`, ["throughline.v1"], { handshakeTimeout: patienceMs });
  const found = new Promise<string | undefined>((resolve) => {
    socket.on("open", () => resolve(undefined));
    socket.on("error", (error: NodeJS.ErrnoException) => resolve(error.message === "" ? error.code : error.message));
  });
  return found.finally(() => socket.terminate());
}
