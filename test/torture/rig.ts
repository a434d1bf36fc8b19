// The rig: real server processes killed in the middle of work, networks cut, readers stalled; then every promise is checked.
import { spawn, type ChildProcess } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { createConnection, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expectedText, startModelServer } from "../support/model-server.ts";
import { Person, type Counts } from "./person.ts";
import type { LogView } from "./view.ts";

export type RigOptions = { cycles: number; seed: number; clients: number; say?: (line: string) => void };
export type Report = Counts & {
  cycles: number;
  kills: number;
  cuts: number;
  conversations: number;
  messages: number;
  problems: string[];
};

/** A small seeded generator. Source: mulberry32, Tommy Ettinger, public domain. */
function seeded(seed: number): () => number {
  let a = seed >>> 0;
  return () => {
    a = (a + 0x6d2b79f5) >>> 0;
    let t = Math.imul(a ^ (a >>> 15), a | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const root = join(import.meta.dirname, "../..");

/** The server under torture, on one port and one folder through all its lives. */
class Victim {
  child: ChildProcess | undefined;
  port = 0;
  output = "";
  readonly #env: Record<string, string>;
  constructor(env: Record<string, string>) {
    this.#env = env;
  }

  /** Starts; resolves when it accepts, or when it was killed before that. */
  start(): Promise<void> {
    const env = { ...process.env, ...this.#env, PORT: String(this.port) };
    const child = spawn(process.execPath, [join(root, "src/main.ts")], { env, stdio: ["ignore", "pipe", "pipe"] });
    this.child = child;
    let out = "";
    return new Promise((resolve) => {
      const look = (data: Buffer): void => {
        out += data.toString();
        this.output = (this.output + data.toString()).slice(-20_000);
        const port = /http:\/\/127\.0\.0\.1:(\d+)/.exec(out)?.[1];
        if (port === undefined) return;
        this.port = Number(port);
        resolve();
      };
      child.stdout.on("data", look);
      child.stderr.on("data", look);
      child.on("exit", () => resolve());
    });
  }

  kill(): Promise<void> {
    const { child } = this;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
    return new Promise((resolve) => {
      child.once("exit", () => resolve());
      child.kill("SIGKILL");
    });
  }
}

/** A relay whose connections can be cut, so that a network breaks in the middle of a frame. */
async function startProxy(
  target: () => number,
): Promise<{ port: number; cut: (chance: number, random: () => number) => number; close: () => void }> {
  const pairs = new Set<[Socket, Socket]>();
  const server = createServer((inner) => {
    const outer = createConnection(target(), "127.0.0.1");
    const pair: [Socket, Socket] = [inner, outer];
    pairs.add(pair);
    const end = (): void => {
      pairs.delete(pair);
      inner.destroy();
      outer.destroy();
    };
    for (const socket of pair) {
      socket.on("error", end);
      socket.on("close", end);
    }
    inner.pipe(outer);
    outer.pipe(inner);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (typeof address !== "object" || address === null) throw new Error("no port");
  return {
    port: address.port,
    cut(chance, random) {
      const cut = [...pairs].filter(() => random() < chance);
      for (const [inner, outer] of cut) {
        inner.resetAndDestroy();
        outer.destroy();
      }
      return cut.length;
    },
    close: () => server.close(),
  };
}

export async function torture(options: RigOptions): Promise<Report> {
  const random = seeded(options.seed);
  const say = options.say ?? (() => undefined);
  const dataDir = mkdtempSync(join(tmpdir(), "throughline-torture-"));
  const prefill = options.seed % 2 === 0;
  const model = await startModelServer({ prefill });
  const victim = new Victim({
    DATA_DIR: dataDir,
    LOG_LEVEL: "warn",
    MODEL: "openai-compatible:torture",
    OPENAI_BASE_URL: `${model.url.replace(/\/v1$/, "")}/v1`,
    MODEL_PREFILL: prefill ? "on" : "off",
  });
  await victim.start();
  const proxy = await startProxy(() => victim.port);
  const counts: Counts = {
    operations: 0,
    acked: 0,
    refused: 0,
    connections: 0,
    lost: 0,
    doubled: 0,
    torn: 0,
    stuck: 0,
    mismatched: 0,
    wrongCloses: 0,
  };
  const url = (): string => `ws://127.0.0.1:${proxy.port}/api/v1/async/chatbot`;
  const people = Array.from(
    { length: options.clients },
    (_, i) => new Person(url, seeded(options.seed * 1000 + i), counts),
  );
  const working = people.map((person) => person.work());
  let kills = 0;
  let cuts = 0;
  try {
    for (let cycle = 1; cycle <= options.cycles; cycle++) {
      const end = performance.now() + 300 + random() * 1500;
      while (performance.now() < end) {
        await sleep(60 + random() * 200);
        cuts += proxy.cut(0.06, random);
        for (const person of people) if (random() < 0.04) person.disturb();
      }
      await victim.kill();
      kills++;
      // Sometimes it dies again while it starts, or right after.
      while (random() < 0.2) {
        const starting = victim.start();
        await Promise.race([starting, sleep(random() * 500)]);
        await victim.kill();
        kills++;
      }
      await victim.start();
      if (cycle % 20 === 0)
        say(`cycle ${cycle}: ${kills} kills, ${counts.acked} acked, ${counts.torn + counts.wrongCloses} problems`);
    }
    for (const person of people) person.stop();
    await withTime(Promise.all(working), 60_000, () => counts.stuck++);
    const seen = await check(people, counts, prefill);
    if (/uncaught|unhandled/i.test(victim.output)) counts.torn++;
    const problems = people.flatMap((person) => person.problems);
    return { ...counts, ...seen, cycles: options.cycles, kills, cuts, problems };
  } finally {
    for (const person of people) person.close();
    proxy.close();
    await victim.kill();
    await model.close();
    rmSync(dataDir, { recursive: true, force: true });
  }
}

async function withTime(work: Promise<unknown>, ms: number, late: () => void): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<void>((resolve) => {
    timer = setTimeout(() => {
      late();
      resolve();
    }, ms);
  });
  await Promise.race([work, limit]);
  clearTimeout(timer);
}

/** Waits until nothing runs, then reads every conversation cold and holds every acknowledgement and every view against it. */
async function check(
  people: readonly Person[],
  counts: Counts,
  prefill: boolean,
): Promise<{ conversations: number; messages: number }> {
  let conversations = 0;
  let messages = 0;
  for (const person of people) {
    for (const [conversation, live] of person.views) {
      let cold = await person.readCold(conversation);
      for (let i = 0; i < 100 && cold !== undefined && cold.runningTurns().length > 0; i++) {
        await sleep(200);
        cold = await person.readCold(conversation);
      }
      const deleted = person.done.some(
        ({ command }) => command.type === "conversation.delete" && command["conversation"] === conversation,
      );
      if (cold === undefined) {
        const known = person.done.some(
          ({ command }) => command.type === "message.send" && command["conversation"] === conversation,
        );
        if (known && !deleted) lose(person, counts, `conversation ${conversation} cannot be opened`);
        continue;
      }
      if (deleted) lose(person, counts, `conversation ${conversation} was deleted, and is there`);
      counts.stuck += cold.runningTurns().length;
      conversations++;
      messages += cold.messages.size;
      await compareViews(person, conversation, live, cold, counts);
      checkTexts(person, cold, counts, prefill);
    }
    checkEffects(person, counts, await coldViews(person));
  }
  return { conversations, messages };
}

function lose(person: Person, counts: Counts, problem: string): void {
  counts.lost++;
  person.problems.push(problem);
}

async function coldViews(person: Person): Promise<Map<string, LogView>> {
  const cold = new Map<string, LogView>();
  for (const conversation of person.views.keys()) {
    const view = await person.readCold(conversation);
    if (view !== undefined) cold.set(conversation, view);
  }
  return cold;
}

/** The view that lived through all of it, brought up to date from its own cursor, must be the log's. */
async function compareViews(
  person: Person,
  conversation: string,
  live: LogView,
  cold: LogView,
  counts: Counts,
): Promise<void> {
  live.liveAt = undefined;
  await person.perform({ type: "conversation.open", id: crypto.randomUUID(), conversation, seq: live.seq });
  for (let i = 0; live.liveAt === undefined && i < 1000; i++) await sleep(10);
  await person.perform({ type: "conversation.close", id: crypto.randomUUID(), conversation });
  if (live.serialize() === cold.serialize()) return;
  counts.mismatched++;
  person.problems.push(`view differs: ${live.serialize().slice(0, 200)} / ${cold.serialize().slice(0, 200)}`);
}

/** Every reply is the model's text, byte for byte, or the beginning of it where it was stopped. */
function checkTexts(person: Person, cold: LogView, counts: Counts, prefill: boolean): void {
  for (const reply of cold.messages.values()) {
    if (reply.role !== "assistant" || reply.parent === null) continue;
    const asked = person.asked.get(reply.parent);
    if (asked === undefined) continue;
    const whole = expectedText(asked.seed, asked.chars);
    const text = cold.text(reply.id);
    const continued = reply.turns.length > 1;
    // A model without prefill is asked to go on in words, which the test model answers with another text.
    if (continued && !prefill) continue;
    if (reply.status === "completed" ? text === whole : whole.startsWith(text)) continue;
    counts.torn++;
    person.problems.push(
      `reply ${reply.id} (${reply.status}): ${text.length} of ${whole.length} characters, not the model's`,
    );
  }
}

/** What was acknowledged is there once; what was refused is not there. */
function checkEffects(person: Person, counts: Counts, cold: ReadonlyMap<string, LogView>): void {
  const reactions = new Map<string, boolean>();
  for (const { command, answer } of person.done) {
    const view = cold.get(String(command["conversation"]));
    if (view === undefined) continue;
    const missing = (what: string): void =>
      lose(person, counts, `${command.type} was acknowledged, but ${what} is not there`);
    if (command.type === "message.send" || command.type === "message.edit") {
      const id = String(command[command.type === "message.send" ? "message" : "replacement"]);
      if (!view.messages.has(id)) missing(`message ${id}`);
      if (!view.turns.has(String(answer["turn"]))) missing("its turn");
      const answers = [...view.messages.values()].filter(
        (message) => message.parent === id && message.turns[0] === answer["turn"],
      );
      if (answers.length > 1) counts.doubled++;
    } else if (command.type === "turn.retry" || command.type === "turn.continue") {
      if (!view.turns.has(String(answer["turn"]))) missing("its turn");
    } else if (command.type === "turn.stop") {
      if (view.turns.get(String(answer["turn"])) !== answer["status"]) missing(`status ${String(answer["status"])}`);
    } else if (command.type === "message.react") {
      reactions.set(
        [command["conversation"], command["message"], command["reaction"]].join(" "),
        command["on"] === true,
      );
    }
  }
  for (const [key, on] of reactions) {
    const [conversation = "", message = "", reaction = ""] = key.split(" ");
    const view = cold.get(conversation);
    if (view === undefined || (view.messages.get(message)?.reactions.has(reaction) ?? false) === on) continue;
    lose(person, counts, `reaction ${reaction} on ${message} should be ${on ? "on" : "off"}`);
  }
  for (const command of person.refused) {
    const id = command.type === "message.send" ? command["message"] : command["replacement"];
    const view = cold.get(String(command["conversation"]));
    if (typeof id === "string" && view?.messages.has(id) === true) counts.doubled++;
  }
}
