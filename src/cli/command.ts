// Owns the operator's commands: arguments to one request at the running server, its answer to lines and an exit code. It serves nothing.
import { parseArgs } from "node:util";
import { ask, type Server } from "./door.ts";

export type Terminal = { readonly print: (line: string) => void; readonly complain: (line: string) => void };

export const help = `throughline                      serve (settings come from the environment)
throughline block ADDRESS        shut out an address or a range such as 203.0.113.0/24, at once
    --for 90s|15m|12h|7d         for so long; without it until it is lifted
    --guests                     only its guests; of all IPv4 and IPv6: 0.0.0.0/0 and ::/0
    --reason TEXT                a note for the list
throughline unblock ADDRESS      let it in again
throughline blocks               list what is shut out
throughline connections          list the latest sockets
throughline disconnect NUMBER    close one; its client may come back
throughline usage                list who used how many tokens today, has sockets, has replies being made
throughline sessions USER        list where somebody is signed in
throughline revoke USER [ID]     sign them out, of one session or of all
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

/** The words that follow a command's name. */
const wanted: Readonly<Record<string, { least: number; most: number; what: string }>> = {
  block: { least: 1, most: 1, what: "ADDRESS" },
  unblock: { least: 1, most: 1, what: "ADDRESS" },
  disconnect: { least: 1, most: 1, what: "NUMBER" },
  sessions: { least: 1, most: 1, what: "USER" },
  revoke: { least: 1, most: 2, what: "USER" },
};

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
  const { positionals, for: time, reason, guests } = read;
  const [address = "", id, ...more] = positionals;
  const { least, most, what } = wanted[name] ?? { least: 0, most: 0, what: "" };
  if (more.length > 0 || positionals.length > most) return misused("There are words too many.");
  if (positionals.length < least) return misused(`Which one? throughline ${name} ${what}.`);
  if (name !== "block" && (time ?? reason ?? guests) !== undefined) {
    return misused("--for, --reason and --guests belong to block.");
  }

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
      const reach = guests === true ? "guests" : undefined;
      return act({ method: "POST", path: "blocks", body: { address, forMs, reason, reach } }, (body) => {
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
    case "connections":
      return act({ method: "GET", path: "connections" }, (body) => {
        const list = listOf(body, "connections");
        if (list.length === 0) terminal.print("Nobody is connected.");
        for (const one of list) terminal.print(lineOf(one, ["number", "user", "device", "place", "since"]));
      });
    case "disconnect":
      return act({ method: "DELETE", path: `connections?${new URLSearchParams({ number: address })}` }, () => {
        terminal.print("Disconnected.");
      });
    case "usage":
      return act({ method: "GET", path: "people" }, (body) => {
        const list = listOf(body, "people");
        if (list.length === 0) terminal.print("Nobody is here.");
        for (const one of list) {
          const [tokens, sockets, turns] = ["tokens", "sockets", "turns"].map((name) => textOf(one, name));
          terminal.print(`${textOf(one, "user")}  ${tokens} tokens  ${sockets} sockets  ${turns} replies`);
        }
      });
    case "sessions":
      return act({ method: "GET", path: `sessions?${new URLSearchParams({ user: address })}` }, (body) => {
        const list = listOf(body, "sessions");
        if (list.length === 0) terminal.print("There is no session.");
        for (const one of list) terminal.print(lineOf(one, ["id", "device", "place", "lastSeenAt"]));
      });
    case "revoke": {
      const query = new URLSearchParams(id === undefined ? { user: address } : { user: address, session: id });
      return act({ method: "DELETE", path: `sessions?${query}` }, (body) => {
        terminal.print(`Sessions that were ended: ${textOf(body, "ended")}`);
      });
    }
    case "rotate-key":
      return act({ method: "POST", path: "rotate-key" }, () => terminal.print("The master key is a new one."));
    default:
      return misused(`There is no command "${name.slice(0, 40)}".`);
  }
}

type Arguments = {
  positionals: string[];
  for?: string | undefined;
  reason?: string | undefined;
  guests?: boolean | undefined;
};

/** The words and options of a command, or why they cannot be read. */
function readArguments(args: readonly string[]): Arguments | string {
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: { for: { type: "string" }, reason: { type: "string" }, guests: { type: "boolean" } },
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
  if (typeof text === "number") return String(text);
  return typeof text === "string" ? text.replaceAll(/\p{C}/gu, " ") : "";
};
const lineOf = (body: unknown, names: readonly string[]): string =>
  names.map((name) => textOf(body, name) || "-").join("  ");

/** `203.0.113.0/24  everyone  until 2026-01-01T00:00:00.000Z  by operator  spam` */
function describe(block: unknown): string {
  const until = textOf(block, "until");
  const end = until === "" ? "until lifted" : `until ${until}`;
  const words = [textOf(block, "range"), textOf(block, "reach"), end, `by ${textOf(block, "by")}`];
  return [...words, textOf(block, "reason")].join("  ").trimEnd();
}
