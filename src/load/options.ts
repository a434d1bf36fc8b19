// Owns what the load tester is told: arguments in, typed options or problems out. It runs nothing.
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";

/** Times in milliseconds, shares from 0 to 1. */
export type LoadOptions = {
  readonly url: string;
  readonly users: number;
  /** Messages per second of all people together, sent whether replies are there or not; undefined: each waits, then thinks. */
  readonly rate: number | undefined;
  readonly thinkMs: number;
  readonly durationMs: number;
  readonly rampMs: number;
  /** Of the replies: how many are stopped, reloaded (away and back at once), dropped (cut off, back after a while). */
  readonly shares: { readonly stop: number; readonly reload: number; readonly drop: number };
  readonly awayMs: number;
  /** How long a request may go unanswered, over however many sockets. */
  readonly patienceMs: number;
  /** How long a reply may take to end, and all logs together to be read again. */
  readonly graceMs: number;
  readonly prompt: string;
  /** An ID token for all, or one for each. */
  readonly token: string | undefined;
  readonly tokens: readonly string[] | undefined;
  readonly seed: number;
  readonly limits: Bounds;
  /** The options that were given: a bound among them has to be measured. */
  readonly asked: readonly string[];
  /** The most people that can be tried from here. */
  readonly ceiling: { readonly users: number; readonly why: string };
  readonly findLimit: boolean;
  readonly json: string | undefined;
  readonly html: string | undefined;
};

/** What a deployment must keep: 95th percentiles in milliseconds, and the share of requests that may fail. */
type Bounds = {
  readonly connectMs: number;
  readonly ackMs: number;
  readonly firstMs: number;
  readonly betweenMs: number;
  readonly resumeMs: number;
  readonly errors: number;
};

export const loadHelp = `throughline load --url URL [options]     finds out what a deployment holds

  --url URL             the server, http(s) or ws(s)
  --users N             people, each with a socket of their own (50)
  --seconds T           how long, after all have come in (30)
  --ramp T              seconds in which they come in (users / 50)
  --rate R              messages per second of all together, whether replies are there or not;
                        without it each person waits for the reply, then thinks (closed loop)
  --think T             seconds of thinking between reply and next message, on average (2)
  --stop S --reload S --drop S
                        shares of replies that are stopped (0.05), in which the page is reloaded (0.1),
                        in which the network is cut (0.1)
  --away T              seconds without a network, on average (2)
  --patience T          seconds that a request may go unanswered (20)
  --grace T             seconds that a reply may take to end, and the check of all logs (120)
  --prompt TEXT         what everybody asks ("a long answer")
  --token TOKEN         an ID token for all; without it everybody is a guest
  --tokens FILE         an ID token a line, one for each person
  --max-connect MS --max-ack MS --max-first MS --max-between MS --max-resume MS --max-errors SHARE
                        bounds: 95th percentiles (5000, 500, 5000, 1000, 2000) and failed requests (0.01)
  --find-limit          doubles the people until a bound breaks, then halves the gap; what it finds has held twice
  --json FILE --html FILE   the report, as data and as a page with plots
  --seed S              the draws (1)

Ends with 0 where everybody came in, every bound was kept, and every message and every character is where it belongs, else with 1.
`;

const names = [
  "url",
  "users",
  "seconds",
  "ramp",
  "rate",
  "think",
  "stop",
  "reload",
  "drop",
  "away",
  "prompt",
  "token",
  "tokens",
  "patience",
  "grace",
];
const bounds = ["max-connect", "max-ack", "max-first", "max-between", "max-resume", "max-errors"];
const more = [...bounds, "json", "html", "seed"];
/** People in one process, whatever it may open. */
const mostUsers = 100_000;

/** Files that this process has open besides its sockets. */
const ownFiles = 64;
const tooFew = (users: number, files: number): string =>
  `--users: ${users} people need as many sockets, and this process may have ${files} files open. Raise it first: ulimit -n ${users + 1000}`;

/** Every problem is a sentence that names the option. `files`: how many this process may have open. */
export function readLoadOptions(
  args: readonly string[],
  files: number,
): LoadOptions | { readonly problems: readonly string[] } {
  const problems: string[] = [];
  let given: Record<string, string | boolean | undefined> = {};
  try {
    const text = Object.fromEntries([...names, ...more].map((name) => [name, { type: "string" } as const]));
    given = parseArgs({ args: [...args], options: { ...text, "find-limit": { type: "boolean" } } }).values;
  } catch (error) {
    problems.push(error instanceof Error ? error.message : "The arguments cannot be read.");
  }
  const number = (name: string, fallback: number, least: number, most = Number.MAX_SAFE_INTEGER): number => {
    const text = given[name];
    if (typeof text !== "string") return fallback;
    const value = Number(text);
    if (text.trim() !== "" && value >= least && value <= most) return value;
    problems.push(`--${name}: "${text}" is not a number from ${least} to ${most}.`);
    return fallback;
  };
  const text = (name: string): string | undefined => {
    const value = given[name];
    return typeof value === "string" ? value : undefined;
  };
  const url = text("url") ?? "";
  if (!/^(https?|wss?):$/.test(URL.parse(url)?.protocol ?? ""))
    problems.push("--url: the address of the server is needed, http(s) or ws(s).");
  const users = Math.round(number("users", 50, 1, mostUsers));
  if (users + ownFiles > files) problems.push(tooFew(users, files));
  const tokens = readTokens(text("tokens"), problems);
  if (tokens !== undefined && tokens.length < users)
    problems.push(`--tokens: ${tokens.length} tokens are not enough for ${users} people.`);
  const options: LoadOptions = {
    url,
    users,
    rate: given["rate"] === undefined ? undefined : number("rate", 1, 0.001),
    thinkMs: number("think", 2, 0) * 1000,
    durationMs: number("seconds", 30, 1) * 1000,
    rampMs: number("ramp", users / 50, 0) * 1000,
    shares: { stop: number("stop", 0.05, 0, 1), reload: number("reload", 0.1, 0, 1), drop: number("drop", 0.1, 0, 1) },
    awayMs: number("away", 2, 0) * 1000,
    patienceMs: number("patience", 20, 0.1) * 1000,
    graceMs: number("grace", 120, 0.1) * 1000,
    prompt: text("prompt") ?? "a long answer",
    token: text("token"),
    tokens,
    seed: number("seed", 1, 0),
    limits: {
      connectMs: number("max-connect", 5000, 0),
      ackMs: number("max-ack", 500, 0),
      firstMs: number("max-first", 5000, 0),
      betweenMs: number("max-between", 1000, 0),
      resumeMs: number("max-resume", 2000, 0),
      errors: number("max-errors", 0.01, 0, 1),
    },
    asked: Object.keys(given),
    ceiling: ceilingOf(files, tokens),
    findLimit: given["find-limit"] === true,
    json: text("json"),
    html: text("html"),
  };
  return problems.length === 0 ? options : { problems };
}

/** A token a line; empty lines are none. */
function readTokens(file: string | undefined, problems: string[]): readonly string[] | undefined {
  if (file === undefined) return undefined;
  try {
    return readFileSync(file, "utf8").split(/\s+/).filter(Boolean);
  } catch (error) {
    problems.push(`--tokens: ${error instanceof Error ? error.message : "it cannot be read"}.`);
    return undefined;
  }
}

function ceilingOf(files: number, tokens: readonly string[] | undefined): LoadOptions["ceiling"] {
  const sockets = files - ownFiles;
  const people = Math.min(sockets, mostUsers, tokens?.length ?? mostUsers);
  if (people === tokens?.length) return { users: people, why: "there are no more tokens" };
  return {
    users: people,
    why: people === sockets ? "this process may open no more sockets" : "one process tries no more",
  };
}
