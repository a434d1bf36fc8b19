// Owns child processes that run a TypeScript file of the tests. Must not leave one behind.
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";

export type Child = {
  readonly process: ChildProcess;
  /** Every line that it has printed so far. */
  readonly lines: string[];
  /** Resolves when it has printed `count` lines or more, or has ended. */
  printed(count: number): Promise<void>;
  /** Resolves with what it ended with. */
  readonly ended: Promise<{ code: number | null; signal: string | null }>;
};

/** Starts `file` under this Node, with `before` (e.g. a shell that limits it) in front of it. */
export function startChild(file: string, args: readonly string[], before: readonly string[] = []): Child {
  const [command = process.execPath, ...rest] = [...before, process.execPath, file, ...args];
  const child = spawn(command, rest, { stdio: ["ignore", "pipe", "inherit"] });
  const lines: string[] = [];
  const waiting = new Set<() => void>();
  const wake = (): void => {
    for (const check of waiting) check();
  };
  createInterface({ input: child.stdout }).on("line", (line) => {
    lines.push(line);
    wake();
  });
  let over = false;
  // `close`, not `exit`: everything it printed has been read.
  const ended = once(child, "close").then(([code, signal]: unknown[]) => {
    over = true;
    wake();
    return {
      code: typeof code === "number" ? code : null,
      signal: typeof signal === "string" ? signal : null,
    };
  });
  return {
    process: child,
    lines,
    ended,
    printed: (count) =>
      new Promise((resolve) => {
        const check = (): void => {
          if (lines.length < count && !over) return;
          waiting.delete(check);
          resolve();
        };
        waiting.add(check);
        check();
      }),
  };
}
