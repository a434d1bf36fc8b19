// Owns where a scene plays: a real server process, a model beside it, the neighbour, and what is left of them. Must leave nothing running.
import { execFileSync } from "node:child_process";
import { rmSync } from "node:fs";
import { ServerProcess } from "../e2e/server-process.ts";
import { startModelServer, type ModelServer, type RequestRecord } from "../support/model-server.ts";
import type { Ledger } from "./ledger.ts";
import { Member, type MemberOptions } from "./member.ts";
import { Neighbour } from "./neighbour.ts";
import type { Run } from "./scene.ts";

/** What the operator tells the model, and nobody else may ever read (LO14). */
const secret = "canary-5d1f0c9e-of-the-operator";

export type StageOptions = {
  readonly settings?: Readonly<Record<string, string>>;
  readonly prefill?: boolean;
  /** Close codes that the neighbour may meet; undefined: the scene takes nothing away, and it may not even be turned away. */
  readonly fair?: readonly number[];
  /** The neighbour may be turned away for a while, on a socket that stays. */
  readonly patient?: boolean;
  /** Before the server starts, and after it has ended. */
  readonly prepare?: (dataDir: string) => void;
  readonly tidy?: (dataDir: string) => void;
  /** A program that starts the server. */
  readonly before?: readonly string[];
  /** False: no model answers in this scene, so the neighbour asks for no replies. */
  readonly replies?: boolean;
};

export class Stage {
  readonly model: ModelServer;
  readonly server: ServerProcess;
  readonly neighbour: Neighbour;
  readonly #run: Run;
  /** Everybody who came: where a scene breaks off, nobody may go on trying to come back. */
  readonly #people: Member[] = [];
  #joined = 0;

  private constructor(
    run: Run,
    model: ModelServer,
    server: ServerProcess,
    { fair, patient, replies = true }: StageOptions,
  ) {
    this.#run = run;
    this.model = model;
    this.server = server;
    const member = new Member(this.member({ name: "neighbour", fair: fair ?? [] }));
    this.neighbour = new Neighbour(member, run.ledger, { replies, patient: patient ?? fair !== undefined });
  }

  /** Plays on a fresh stage; afterwards the server's own health is counted, and all of it is gone. */
  static async play(run: Run, options: StageOptions, act: (stage: Stage) => Promise<void>): Promise<void> {
    const model = await startModelServer({ prefill: options.prefill ?? true });
    const settings = {
      LOG_LEVEL: "warn",
      MODEL: "openai-compatible:torture",
      OPENAI_BASE_URL: model.url,
      MODEL_PREFILL: (options.prefill ?? true) ? "on" : "off",
      SYSTEM_PROMPT: secret,
      ...options.settings,
    };
    const server = new ServerProcess(settings, options.before);
    let stage: Stage | undefined;
    try {
      options.prepare?.(server.dataDir);
      await server.start();
      stage = new Stage(run, model, server, options);
      await act(stage);
      await stage.neighbour.end();
      checkContexts(model.requests, run.ledger);
    } finally {
      if (stage !== undefined) for (const member of stage.#people) member.leave();
      await server.end("SIGKILL");
      await model.close();
      options.tidy?.(server.dataDir);
      rmSync(server.dataDir, { recursive: true, force: true });
      for (const bug of [...server.deaths, ...server.bugs()]) run.ledger.bad("crashes", bug);
    }
  }

  /** What a person on this stage is made of. */
  member(more: Partial<MemberOptions> & Pick<MemberOptions, "fair">): MemberOptions {
    const { ledger, random } = this.#run;
    const came = (member: Member): void => void this.#people.push(member);
    return { name: `person${this.#joined++}`, url: () => this.server.url, ledger, random, secret, came, ...more };
  }

  /** Resident memory of the server, in MiB. */
  memory(): number {
    return Number(execFileSync("ps", ["-o", "rss=", "-p", String(this.server.pid)], { encoding: "utf8" })) / 1024;
  }

  /** The sum of a metric of the server over its labels. */
  async metric(name: string): Promise<number> {
    const text = await (await fetch(`${this.server.url}/metrics`)).text();
    const values = [...text.matchAll(new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)$`, "gm"))];
    return values.reduce((sum, [, value]) => sum + Number(value), 0);
  }
}

/** No request to the model holds the words of two people, and each has the operator's. */
function checkContexts(requests: readonly RequestRecord[], ledger: Ledger): void {
  for (const { messages } of requests) {
    const text = JSON.stringify(messages);
    const people = new Set(text.match(/<(?:person\d+|neighbour)>/g));
    if (people.size > 1) ledger.bad("torn", `a model was told of ${[...people].join(", ")} at once`);
    if (people.size === 1) ledger.saw("contexts");
    if (!text.includes(secret)) ledger.bad("lost", "a model was not told what the operator says");
  }
}
