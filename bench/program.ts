// Owns the processes of a benchmark: started, asked for their URL, measured from outside. It knows nothing of what they do.
import { execFileSync, spawn, type ChildProcess } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";

export type Program = {
  readonly url: string;
  /** CPU seconds so far, user and system, of all threads that live; to the microsecond where they sleep. */
  readonly cpu: () => number;
  /** Resident memory in bytes. */
  readonly memory: () => number;
  /** Bytes of V8's heap in use after a collection, of a process with heap.ts. */
  readonly heap: () => Promise<number>;
  /** Ends it by `signal` and waits until it is gone. */
  readonly end: (signal?: NodeJS.Signals) => Promise<void>;
};

const running = new Set<ChildProcess>();
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(130));
process.once("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});

/** Open files of a process, where the system lets us have so many. */
const files = 65_536;

/** How many a process has. */
export const openFiles = (): number =>
  Number(
    execFileSync("sh", ["-c", `ulimit -n ${files} 2>/dev/null || ulimit -n $(ulimit -H -n); ulimit -n`], {
      encoding: "utf8",
    }),
  );

/** Starts a program and waits for the first URL it prints. */
export function start(args: readonly string[], env: Record<string, string> = {}): Promise<Program> {
  const command = `ulimit -n ${files} 2>/dev/null; exec "$0" "$@"`;
  const child = spawn("sh", ["-c", command, process.execPath, ...args], {
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "inherit"],
  });
  running.add(child);
  const gone = new Promise<void>((resolve) => {
    child.once("exit", () => {
      running.delete(child);
      resolve();
    });
  });
  const read = (file: string): string => readFileSync(`/proc/${child.pid}/${file}`, "utf8");
  const program = (url: string): Program => ({
    url,
    cpu() {
      // The scheduler's own sum, not the ticks of 10 ms of proc(5)'s `stat`.
      const threads = readdirSync(`/proc/${child.pid}/task`);
      return threads.reduce((sum, id) => sum + Number(read(`task/${id}/schedstat`).split(" ")[0]), 0) / 1e9;
    },
    memory: () => Number(/VmRSS:\s+(\d+)/.exec(read("status"))?.[1]) * 1024,
    heap: () =>
      new Promise((resolve) => {
        child.stdout.once("data", (data: Buffer) => resolve(Number(/heap used (\d+)/.exec(data.toString())?.[1])));
        child.kill("SIGUSR2");
      }),
    end(signal = "SIGTERM") {
      child.kill(signal);
      return gone;
    },
  });
  return new Promise((resolve, reject) => {
    let out = "";
    child.stdout.on("data", (data: Buffer) => {
      out += data.toString();
      const url = /http:\/\/127\.0\.0\.1:\d+[\w/.]*/.exec(out)?.[0];
      if (url !== undefined) resolve(program(url));
    });
    void gone.then(() => reject(new Error(`${args.join(" ")} ended before it was ready`)));
  });
}
