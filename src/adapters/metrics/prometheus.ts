// Owns the metrics that Prometheus reads: their names, and how each measure moves them. It asks nothing of the server.
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from "prom-client";
import { closeCodes, type CloseCode } from "../../protocol/index.ts";
import type { Measure, Meter } from "../../server/ports.ts";

/** Seconds: of a commit, of an answer, of a person's waiting, of a connection. */
const quick = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5];
const waited = [0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2, 3, 5, 10, 20, 30, 60];
const replies = [0.25, 0.5, 1, 2, 5, 10, 20, 40, 60, 120, 300, 600];
const lives = [1, 10, 60, 300, 900, 3600, 4 * 3600, 24 * 3600];

/** A close code as a label: those of the protocol and of the standard, the rest as one. */
const standard = new Set([1000, 1001, 1002, 1003, 1005, 1006, 1007, 1008, 1009, 1010, 1011, 1012, 1013]);
const isOurs = (code: number): code is CloseCode => Object.hasOwn(closeCodes, code);
const codeLabel = (code: number): string => (isOurs(code) || standard.has(code) ? String(code) : "other");

export type PrometheusMeter = {
  readonly meter: Meter;
  /** The content type of what `read` gives. */
  readonly type: string;
  readonly read: () => Promise<string>;
};

/** A meter of one server. Figures of the process itself (memory, processor, event loop) are there too. */
export function prometheusMeter(): PrometheusMeter {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const metrics = createMetrics(registry);
  return {
    meter: { note: (measure) => count(metrics, measure) },
    type: registry.contentType,
    read: () => registry.metrics(),
  };
}

function createMetrics(registry: Registry) {
  const registers = [registry];
  const counter = <L extends string>(name: string, help: string, ...labelNames: L[]): Counter<L> =>
    new Counter({ name: `throughline_${name}`, help, labelNames, registers });
  const gauge = <L extends string>(name: string, help: string, ...labelNames: L[]): Gauge<L> =>
    new Gauge({ name: `throughline_${name}`, help, labelNames, registers });
  const histogram = <L extends string>(name: string, help: string, buckets: number[], ...labelNames: L[]) =>
    new Histogram({ name: `throughline_${name}`, help, buckets, labelNames, registers });
  const made = {
    sockets: gauge("sockets", "Sockets that are open, by state.", "state"),
    signIns: counter("sign_ins_total", "Sockets that signed in; resumed: with a session that was there.", "resumed"),
    lives: histogram("socket_duration_seconds", "How long sockets were open.", lives),
    closes: counter("socket_closes_total", "Sockets that ended, by close code.", "code"),
    refused: counter("upgrades_refused_total", "Upgrades turned away, by HTTP status.", "status"),
    commands: counter(
      "commands_total",
      "Commands by type and result; the type auth counts sign-ins.",
      "type",
      "result",
    ),
    answers: histogram("command_duration_seconds", "From a command's turn on its socket to its answer.", quick, "type"),
    readers: counter("readers_total", "Conversations opened: fresh, resumed at a cursor, or reset.", "began"),
    replayed: counter("replayed_events_total", "Events read from the log for readers that were behind."),
    behind: counter("readers_behind_total", "Live readers sent back to the log. mismatch must stay 0.", "why"),
    dropped: counter("slow_readers_dropped_total", "Sockets dropped because their peer did not read."),
    queued: gauge("queued_bytes", "Bytes that wait for readers, all together."),
    queuedMost: gauge("queued_bytes_max", "Bytes that wait for the slowest reader."),
    commits: histogram("commit_duration_seconds", "Time of a commit.", quick),
    works: histogram("commit_works", "Works committed together.", [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000]),
    failedCommits: counter("commits_failed_total", "Commits that failed: full, or broken.", "why"),
    messages: counter("messages_total", "Messages committed, by author.", "role"),
    turns: counter("turns_total", "Turns that ended, by status.", "status"),
    replies: histogram("reply_duration_seconds", "A reply from its begin to its end, retries included.", replies),
    stops: histogram("stop_duration_seconds", "From the commit of a stop to the end of the model's call.", quick),
    takenOver: counter("turns_taken_over_total", "Turns whose owner had died, taken up here."),
    first: histogram("model_first_token_seconds", "From a model's call to its first piece.", waited, "model"),
    gap: histogram("model_token_gap_seconds", "Average time between reads of a call.", quick, "model"),
    longestGap: histogram("model_longest_gap_seconds", "Longest silence between reads of a call.", waited, "model"),
    calls: counter("model_calls_total", "Calls of models by result.", "model", "result"),
    tokens: counter("model_tokens_total", "Tokens as the models' servers count them.", "model", "direction"),
    again: counter("model_retries_total", "Failed calls after which there was another.", "model", "how"),
    circuit: gauge("model_circuit_open", "1 while a model is left alone, as of its latest call.", "model"),
    uploads: counter("uploads_total", "Files that were sent, by result.", "result"),
    uploadBytes: counter("upload_bytes_total", "Bytes of files that were kept."),
    blocks: counter("blocks_total", "Blocks of addresses made, by whom.", "by"),
    violations: counter("violations_total", "Violations seen at addresses.", "what"),
  };
  for (const state of ["waiting", "signed_in"] as const) made.sockets.set({ state }, 0);
  // Alerts need a 0 to rise from.
  for (const why of ["mismatch", "no-room"] as const) made.behind.inc({ why }, 0);
  for (const why of ["full", "broken"] as const) made.failedCommits.inc({ why }, 0);
  return made;
}

function count(metrics: ReturnType<typeof createMetrics>, measure: Measure): void {
  switch (measure.kind) {
    case "socket-opened":
      return metrics.sockets.inc({ state: "waiting" });
    case "signed-in":
      metrics.sockets.dec({ state: "waiting" });
      metrics.sockets.inc({ state: "signed_in" });
      return metrics.signIns.inc({ resumed: String(measure.resumed) });
    case "socket-closed":
      metrics.sockets.dec({ state: measure.signedIn ? "signed_in" : "waiting" });
      metrics.lives.observe(measure.ms / 1000);
      return metrics.closes.inc({ code: codeLabel(measure.code) });
    case "upgrade-refused":
      return metrics.refused.inc({ status: measure.status });
    case "command":
      metrics.answers.observe({ type: measure.type }, measure.ms / 1000);
      return metrics.commands.inc({ type: measure.type, result: measure.result });
    case "reader":
      return metrics.readers.inc({ began: measure.began });
    case "replayed":
      return metrics.replayed.inc(measure.events);
    case "reader-behind":
      return metrics.behind.inc({ why: measure.why });
    case "slow-reader-dropped":
      return metrics.dropped.inc();
    case "queues":
      metrics.queued.set(measure.bytes);
      return metrics.queuedMost.set(measure.most);
    case "commit":
      metrics.works.observe(measure.works);
      return metrics.commits.observe(measure.ms / 1000);
    case "commit-failed":
      return metrics.failedCommits.inc({ why: measure.why });
    case "message":
      return metrics.messages.inc({ role: measure.role });
    case "turn":
      return metrics.turns.inc({ status: measure.status });
    case "reply":
      return metrics.replies.observe(measure.ms / 1000);
    case "stopped":
      return metrics.stops.observe(measure.ms / 1000);
    case "turns-taken-over":
      return metrics.takenOver.inc(measure.count);
    case "model-first":
      return metrics.first.observe({ model: measure.model }, measure.ms / 1000);
    case "model-call":
      return countCall(metrics, measure);
    case "model-again":
      return metrics.again.inc({ model: measure.model, how: measure.how });
    case "circuit":
      return metrics.circuit.set({ model: measure.model }, measure.open ? 1 : 0);
    case "upload":
      metrics.uploadBytes.inc(measure.bytes);
      return metrics.uploads.inc({ result: measure.result });
    case "block":
      return metrics.blocks.inc({ by: measure.by });
    case "violation":
      return metrics.violations.inc({ what: measure.what });
    default:
      return measure satisfies never;
  }
}

function countCall(
  metrics: ReturnType<typeof createMetrics>,
  { model, result, gapMs, longestGapMs, inputTokens, outputTokens }: Extract<Measure, { kind: "model-call" }>,
): void {
  metrics.calls.inc({ model, result });
  if (gapMs !== undefined) metrics.gap.observe({ model }, gapMs / 1000);
  if (longestGapMs !== undefined) metrics.longestGap.observe({ model }, longestGapMs / 1000);
  metrics.tokens.inc({ model, direction: "input" }, tokens(inputTokens));
  metrics.tokens.inc({ model, direction: "output" }, tokens(outputTokens));
}

/** What a provider says is not to be trusted with a counter, which throws at what is no number and may only rise. */
const tokens = (said: number): number => (Number.isFinite(said) ? Math.max(0, said) : 0);
