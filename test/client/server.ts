// Owns a real server process for the SDK's tests: started, killed, started again on the same port and data. Must not look inside it.
import { spawn, type ChildProcess } from "node:child_process";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { temporaryDirectory } from "../support/temporary.ts";

const root = join(import.meta.dirname, "../..");

export type ServerProcess = {
  readonly url: string;
  readonly port: number;
  kill(signal?: NodeJS.Signals): Promise<void>;
  /** `more` is added to the settings from then on. */
  start(more?: Record<string, string>): Promise<void>;
};

/** Starts `src/main.ts`; ended with the test. */
export async function startServer(env: Record<string, string> = {}): Promise<ServerProcess> {
  const dataDir = temporaryDirectory();
  const settings = { ...env };
  let port = 0;
  let child: ChildProcess | undefined;

  const kill = async (signal: NodeJS.Signals = "SIGKILL"): Promise<void> => {
    const running = child;
    child = undefined;
    if (running === undefined || running.exitCode !== null || running.signalCode !== null) return;
    const gone = new Promise<void>((resolve) => void running.once("exit", () => resolve()));
    running.kill(signal);
    await gone;
  };

  const start = async (more: Record<string, string> = {}): Promise<void> => {
    Object.assign(settings, more);
    const started = spawn(process.execPath, [join(root, "src/main.ts")], {
      cwd: dataDir,
      env: {
        PATH: process.env["PATH"],
        MODEL: "demo",
        // Tests that count events or requests want none that they did not ask for.
        TITLES: "off",
        // Tests are in a greater hurry than people; what is about limits asks for them.
        LIMITS: "off",
        LOG_LEVEL: "warn",
        DRAIN_MS: "2000",
        ...settings,
        PORT: String(port),
        DATA_DIR: dataDir,
      },
      stdio: ["ignore", "pipe", "pipe"],
    });
    child = started;
    port = await new Promise<number>((resolve, reject) => {
      let text = "";
      const take = (chunk: Buffer): void => {
        text += chunk.toString();
        const found = /ready on http:\/\/127\.0\.0\.1:(\d+)/.exec(text)?.[1];
        if (found !== undefined) resolve(Number(found));
      };
      started.stdout?.on("data", take);
      started.stderr?.on("data", take);
      started.once("exit", (code) => reject(new Error(`the server ended with ${String(code)}: ${text}`)));
    });
  };

  await start();
  onTestFinished(() => kill());
  return { url: `http://127.0.0.1:${port}`, port, kill, start };
}
