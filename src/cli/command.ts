// Owns the operator's commands: arguments to one request at the running server, its answer to lines and an exit code. It serves nothing.
import { parseArgs } from "node:util";
import { ask, type Server } from "./door.ts";

export type Terminal = { readonly print: (line: string) => void; readonly complain: (line: string) => void };

export const help = `throughline                      serve (settings come from the environment)
throughline block ADDRESS        shut out an address or a range such as 203.0.113.0/24, at once
    --for 90s|15m|12h|7d         for so long; without it until it is lifted
    --reason TEXT                a note for the list
throughline unblock ADDRESS      let it in again
throughline blocks               list what is shut out
throughline rotate-key           make a new master key and put everything under it
throughline load --url URL       find out what a deployment holds; --help tells the options
throughline help                 this text

The commands talk to the running server: HOST and PORT say where it is, ADMIN_TOKEN lets them in.`;

const units: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** Milliseconds of a time such as 15m; undefined: it is none. */
function readTime(text: string): number | undefined {
  const [, count = "", unit = ""] = /^(\d{1,6})([smhd])$/.exec(text) ?? [];
  const ms = Number(count) * (units[unit] ?? 0);
  return ms > 0 ? ms : undefined;
}

/** Runs a command. Gives the exit code: 0 done, 1 the server refused or is not there, 2 the command makes no sense. */
export async function runCommand(args: readonly string[], server: Server, terminal: Terminal): Promise<number> {
  const [name = "help", ...rest] = args;
  const misused = (why: string): number => {
    terminal.complain(`${why} "throughline help" tells what there is.`);
    return 2;
  };
  if (name === "help" || name === "--help" || name === "-h") {
    terminal.print(help);
    return 0;
  }
  const read = readArguments(rest);
  if (typeof read === "string") return misused(read);
  const { positionals, for: time, reason } = read;
  const [address = "", ...more] = positionals;
  const wantsAddress = name === "block" || name === "unblock";
  if (more.length > 0 || (!wantsAddress && address !== "")) return misused("There are words too many.");
  if (wantsAddress && address === "") return misused(`Which address? throughline ${name} ADDRESS.`);
  if (name !== "block" && (time ?? reason) !== undefined) return misused("--for and --reason belong to block.");

  const act = async (
    request: { method: "GET" | "POST" | "DELETE"; path: string; body?: object },
    tell: (body: unknown) => void,
  ): Promise<number> => {
    const answer = await ask(server, request);
    if (answer.ok) tell(answer.body);
    else terminal.complain(answer.sentence);
    return answer.ok ? 0 : 1;
  };
  switch (name) {
    case "block": {
      const forMs = time === undefined ? undefined : readTime(time);
      if (time !== undefined && forMs === undefined) return misused("--for takes a time such as 90s, 15m, 12h or 7d.");
      return act({ method: "POST", path: "blocks", body: { address, forMs, reason } }, (body) => {
        terminal.print(`Blocked: ${describe(body)}`);
      });
    }
    case "unblock":
      return act({ method: "DELETE", path: `blocks?address=${encodeURIComponent(address)}` }, (body) => {
        terminal.print(`Let in again: ${textOf(body, "range")}`);
      });
    case "blocks":
      return act({ method: "GET", path: "blocks" }, (body) => {
        const list = listOf(body, "blocks");
        if (list.length === 0) terminal.print("Nobody is blocked.");
        for (const block of list) terminal.print(describe(block));
      });
    case "rotate-key":
      return act({ method: "POST", path: "rotate-key" }, () => terminal.print("The master key is a new one."));
    default:
      return misused(`There is no command "${name.slice(0, 40)}".`);
  }
}

type Arguments = { positionals: string[]; for?: string | undefined; reason?: string | undefined };

/** The words and options of a command, or why they cannot be read. */
function readArguments(args: readonly string[]): Arguments | string {
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: { for: { type: "string" }, reason: { type: "string" } },
    });
    return { positionals, ...values };
  } catch (error) {
    return error instanceof Error ? `${error.message.split(". ")[0]}.` : "The arguments cannot be read.";
  }
}

const fieldOf = (body: unknown, name: string): unknown =>
  typeof body === "object" && body !== null ? Object.getOwnPropertyDescriptor(body, name)?.value : undefined;
const listOf = (body: unknown, name: string): unknown[] => {
  const list = fieldOf(body, name);
  return Array.isArray(list) ? list : [];
};
/** A text of an answer, on one line whatever is in it (OP05). */
const textOf = (body: unknown, name: string): string => {
  const text = fieldOf(body, name);
  return typeof text === "string" ? text.replaceAll(/\p{C}/gu, " ") : "";
};

/** `203.0.113.0/24  everyone  until 2026-01-01T00:00:00.000Z  by operator  spam` */
function describe(block: unknown): string {
  const until = textOf(block, "until");
  const end = until === "" ? "until lifted" : `until ${until}`;
  const words = [textOf(block, "range"), textOf(block, "reach"), end, `by ${textOf(block, "by")}`];
  return [...words, textOf(block, "reason")].join("  ").trimEnd();
}
