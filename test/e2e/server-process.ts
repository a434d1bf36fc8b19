// A real server process for tests: started, killed and started again on one folder; its output is kept and watched.
import { spawn, type ChildProcess } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const root = join(import.meta.dirname, "../..");

/** What still runs: no server outlives the tests that started it, also where they end early. */
const running = new Set<ChildProcess>();
process.once("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});

export class ServerProcess {
  readonly dataDir = mkdtempSync(join(tmpdir(), "throughline-e2e-"));
  url = "";
  output = "";
  /** Ends of a process that was ready and that nobody asked to end: bugs, whatever it printed. */
  readonly deaths: string[] = [];
  readonly #env: Record<string, string>;
  #child: ChildProcess | undefined;
  readonly #before: readonly string[];
  readonly #ending = new WeakSet<ChildProcess>();

  /** `before`: a program and its arguments that start the server, e.g. a shell that limits it. */
  constructor(env: Record<string, string>, before: readonly string[] = []) {
    this.#env = env;
    this.#before = before;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** Starts and resolves with the milliseconds until it accepted. Rejects with its output where it ends instead. */
  start(more: Record<string, string> = {}): Promise<number> {
    const port = this.url === "" ? "0" : new URL(this.url).port;
    const env = {
      ...process.env,
      TITLES: "off",
      // Tests are in a greater hurry than people; what is about limits asks for them.
      LIMITS: "off",
      DATA_DIR: this.dataDir,
      PORT: port,
      LOG_LEVEL: "info",
      ...this.#env,
      ...more,
    };
    const [command, ...rest] = [...this.#before, process.execPath];
    const child = spawn(command ?? process.execPath, [...rest, join(root, "src/main.ts")], {
      env,
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#child = child;
    running.add(child);
    const began = performance.now();
    let own = "";
    let ready = false;
    return new Promise((resolve, reject) => {
      const look = (data: Buffer): void => {
        own += data.toString();
        this.output += data.toString();
        const url = /http:\/\/127\.0\.0\.1:\d+/.exec(own)?.[0];
        if (url === undefined || !own.includes("is ready")) return;
        this.url = url;
        ready = true;
        resolve(performance.now() - began);
      };
      child.stdout.on("data", look);
      child.stderr.on("data", look);
      child.on("exit", (code, signal) => {
        running.delete(child);
        if (ready && !this.#ending.has(child)) this.deaths.push(`${code ?? signal}: ${own.slice(-2000)}`);
        reject(new Error(`ended with ${code}: ${own}`));
      });
    });
  }

  /** Sends a signal and resolves with the exit code, or the signal's name. */
  end(signal: "SIGKILL" | "SIGTERM"): Promise<number | string | null> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return Promise.resolve(null);
    return new Promise((resolve) => {
      this.#ending.add(child);
      child.once("exit", (code, by) => resolve(code ?? by));
      child.kill(signal);
    });
  }

  /** Lines of its output that tell of a bug: what Node says of what nobody caught, and what the server caught and outlived. */
  bugs(): string[] {
    return this.output.match(/^.*(Node\.js v\d|uncaught|unhandled|(handler|viewer|turn|rewrite)_failed).*$/gim) ?? [];
  }

  async dispose(): Promise<void> {
    await this.end("SIGKILL");
    rmSync(this.dataDir, { recursive: true, force: true });
    if (this.deaths.length > 0) throw new Error(`the server ended by itself:\n${this.deaths.join("\n")}`);
    const bugs = this.bugs();
    if (bugs.length > 0) throw new Error(`the server had errors: ${bugs.join("\n")}\n${this.output.slice(-4000)}`);
  }
}
