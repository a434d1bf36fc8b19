// One real server, a model that streams, and a healthy client beside it that must notice nothing of what hostile peers do.
import { execFileSync } from "node:child_process";
import { ServerProcess } from "../e2e/server-process.ts";
import { Stranger } from "../e2e/stranger.ts";
import { expectedText, startModelServer, type ModelServer } from "../support/model-server.ts";

type Health = { replies: number; pings: number; problems: string[]; p99: number; worst: number };

const chars = 400;

/** Asks for one reply after the other and pings all the while; keeps what it finds wrong. */
class Healthy {
  readonly #stranger: Stranger;
  readonly #latencies: number[] = [];
  readonly #problems: string[] = [];
  readonly #conversation = crypto.randomUUID();
  #replies = 0;
  #stopped = false;
  readonly #working: Promise<unknown>;

  constructor(stranger: Stranger) {
    this.#stranger = stranger;
    this.#working = Promise.all([this.#talk(), this.#ping()]);
  }

  async #ping(): Promise<void> {
    while (!this.#stopped && this.#stranger.closed === undefined) {
      const at = performance.now();
      await within(this.#stranger.ask({ type: "ping" }), 20_000, "a ping's answer");
      this.#latencies.push(performance.now() - at);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  async #talk(): Promise<void> {
    const conversation = this.#conversation;
    for (let seed = 1; !this.#stopped && this.#stranger.closed === undefined; seed++) {
      const asked = `{{seed=${seed} chars=${chars} rate=100 piece=4}}`;
      const sent = await within(this.#stranger.send(conversation, asked), 20_000, "a send's answer");
      const reply = String(sent["reply"]);
      const turn = String(sent["turn"]);
      if (sent["type"] !== "ack") return void this.#problems.push(`refused: ${JSON.stringify(sent)}`);
      const reader = this.#stranger.readers.get(conversation) ?? (await this.#stranger.open(conversation));
      const end = performance.now() + 30_000;
      while (!reader.finished.has(turn) && performance.now() < end && this.#stranger.closed === undefined)
        await new Promise((resolve) => setTimeout(resolve, 10));
      const status = reader.finished.get(turn)?.["status"];
      if (status !== "completed" || reader.texts.get(reply) !== expectedText(seed, chars)) {
        this.#problems.push(`reply ${seed} is ${String(status)}, ${reader.texts.get(reply)?.length ?? 0} characters`);
      }
      this.#replies++;
    }
  }

  /** Lets the reply that is being made end, and says how it went. */
  async end(): Promise<Health> {
    this.#stopped = true;
    await this.#working.catch((error: unknown) => this.#problems.push(String(error)));
    if (this.#stranger.closed !== undefined) this.#problems.push(`closed with ${this.#stranger.closed}`);
    this.#stranger.cut();
    const sorted = this.#latencies.sort((a, b) => a - b);
    const problems = [...this.#problems, ...this.#stranger.problems];
    const at = (share: number): number => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
    return { replies: this.#replies, pings: sorted.length, problems, p99: at(0.99), worst: at(1) };
  }
}

async function within<T>(work: Promise<T>, ms: number, what: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`waited ${ms} ms for ${what}`)), ms);
  });
  return Promise.race([work, late]).finally(() => clearTimeout(timer));
}

export class Scene {
  readonly model: ModelServer;
  readonly server: ServerProcess;
  readonly healthy: Healthy;
  readonly #pid: number | undefined;

  private constructor(model: ModelServer, server: ServerProcess, healthy: Healthy) {
    this.model = model;
    this.server = server;
    this.healthy = healthy;
    this.#pid = server.pid;
  }

  static async start(): Promise<Scene> {
    const model = await startModelServer({ prefill: true });
    // Whatever is counted per person or address is tested elsewhere: all of these come from one.
    const settings = { MODEL: "openai-compatible:test", OPENAI_BASE_URL: model.url, LIMITS: "off", LOG_LEVEL: "warn" };
    const server = new ServerProcess(settings);
    await server.start();
    return new Scene(model, server, new Healthy(await Stranger.connect(server.url)));
  }

  get url(): string {
    return this.server.url;
  }

  /** Resident memory of the server, in MiB. */
  memory(): number {
    return Number(execFileSync("ps", ["-o", "rss=", "-p", String(this.#pid)], { encoding: "utf8" })) / 1024;
  }

  /** True while the very process that was started still runs. */
  alive(): boolean {
    if (this.#pid === undefined || this.server.pid !== this.#pid) return false;
    try {
      return process.kill(this.#pid, 0);
    } catch {
      return false;
    }
  }

  async end(): Promise<void> {
    await this.server.dispose();
    await this.model.close();
  }
}
