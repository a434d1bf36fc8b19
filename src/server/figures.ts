// Owns the last hour in figures, for the operator's page: fed by what is counted, kept in memory, bounded. It knows no person.
import type { AdminRoutes } from "./admin.ts";
import { stamp } from "../protocol/index.ts";
import type { Clock, Measure, Meter } from "./ports.ts";

/** A slice of time (ms), and how many of them are kept: an hour. */
const sliceMs = 10_000;
const mostSlices = 360;
/** Times to first token kept of one slice; beyond, the later ones do not count. */
const mostTimes = 500;

type Slice = {
  readonly at: number;
  sockets: number;
  messages: number;
  tokens: number;
  resumes: number;
  readonly errors: Record<string, number>;
  readonly first: number[];
};

export type Figures = { readonly meter: Meter; readonly routes: AdminRoutes };

/** A meter that passes on to `next` what it is told. `models`: the names of those that may be asked. */
export function createFigures(options: { clock: Clock; next: Meter; models: readonly string[] }): Figures {
  const { clock, next, models } = options;
  const slices: Slice[] = [];
  const left = new Map<string, boolean>();
  let waiting = 0;
  let signedIn = 0;
  let queued = 0;

  const current = (): Slice => {
    const at = clock.now() - (clock.now() % sliceMs);
    const last = slices.at(-1);
    // A clock that goes back adds to the latest slice: the order stays.
    if (last !== undefined && last.at >= at) return last;
    const fresh: Slice = { at, sockets: 0, messages: 0, tokens: 0, resumes: 0, errors: {}, first: [] };
    fresh.sockets = waiting + signedIn;
    slices.push(fresh);
    if (slices.length > mostSlices) slices.shift();
    return fresh;
  };

  const take = (measure: Measure): void => {
    switch (measure.kind) {
      case "socket-opened":
        waiting++;
        current().sockets = waiting + signedIn;
        return;
      case "signed-in":
        waiting--;
        signedIn++;
        return;
      case "socket-closed":
        if (measure.signedIn) signedIn--;
        else waiting--;
        current().sockets = waiting + signedIn;
        return;
      case "queues":
        // Told once a second: no slice is missing, however quiet it is.
        current();
        queued = measure.bytes;
        return;
      case "message":
        if (measure.role === "user") current().messages++;
        return;
      case "reader":
        if (measure.began === "resumed") current().resumes++;
        return;
      case "command":
        if (measure.result !== "ok") add(current().errors, measure.result);
        return;
      case "model-first": {
        const { first } = current();
        if (first.length < mostTimes) first.push(measure.ms);
        return;
      }
      case "model-call":
        if (Number.isFinite(measure.outputTokens)) current().tokens += Math.max(0, measure.outputTokens);
        if (measure.result !== "completed" && measure.result !== "aborted") add(current().errors, measure.result);
        return;
      case "circuit":
        left.set(measure.model, measure.open);
        return;
      // What the page does not show.
      case "block":
      case "commit":
      case "commit-failed":
      case "model-again":
      case "reader-behind":
      case "replayed":
      case "reply":
      case "slow-reader-dropped":
      case "stopped":
      case "turn":
      case "turns-taken-over":
      case "upgrade-refused":
      case "upload":
      case "violation":
        return;
      default:
        measure satisfies never;
    }
  };

  return {
    meter: {
      note(measure) {
        take(measure);
        next.note(measure);
      },
    },
    routes: {
      "GET figures": () => {
        current();
        const body = {
          now: stamp(clock.now()),
          everySeconds: sliceMs / 1000,
          sockets: { waiting, signedIn, queuedBytes: queued },
          models: models.map((name) => ({ name, circuit: left.get(name) === true ? "open" : "closed" })),
          slices: slices.map(({ at, first, ...slice }) => ({ at: stamp(at), ...slice, firstMs: quantiles(first) })),
        };
        return Promise.resolve({ status: 200, body, quiet: true });
      },
    },
  };
}

function add(counts: Record<string, number>, code: string): void {
  counts[code] = (counts[code] ?? 0) + 1;
}

/** p50, p95 and p99 by nearest rank; undefined where there is nothing. */
function quantiles(times: readonly number[]): { p50: number; p95: number; p99: number } | undefined {
  if (times.length === 0) return undefined;
  const sorted = [...times].sort((a, b) => a - b);
  const at = (share: number): number => Math.round(sorted[Math.ceil(sorted.length * share) - 1] ?? 0);
  return { p50: at(0.5), p95: at(0.95), p99: at(0.99) };
}
