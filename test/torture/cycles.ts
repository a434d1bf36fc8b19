// The scene of cycles: real server processes killed in the middle of work, networks cut, readers stalled; then every promise is checked.
import { rmSync } from "node:fs";
import { ServerProcess } from "../e2e/server-process.ts";
import { expectedText, startModelServer } from "../support/model-server.ts";
import { ChaosProxy } from "../support/proxy.ts";
import type { WireView } from "../support/wire-view.ts";
import { badCounts } from "./ledger.ts";
import { Member } from "./member.ts";
import { Neighbour } from "./neighbour.ts";
import { Person, type Command, type Counts, type Done } from "./person.ts";
import { seeded, sleep, type Run, type Scene } from "./scene.ts";

/** How the network is for a while; a seed's cycles go through all of them. */
const weathers = [{}, {}, { delay: 15 }, { slice: 48 }, { delay: 5, slice: 200 }] as const;

/** What the server does with the reply of a process that died; both kinds of models see each. */
const onCrash = ["continue", "restart", "interrupt"] as const;

export const cycles: Scene = { name: "cycles", unit: "cycles", small: 3, large: 200, play: live };

async function live(run: Run): Promise<void> {
  const { size, seed, random, ledger, say } = run;
  const prefill = seed % 2 === 0;
  const model = await startModelServer({ prefill });
  const victim = new ServerProcess({
    LOG_LEVEL: "warn",
    LIMITS: "off",
    MODEL: "openai-compatible:torture",
    OPENAI_BASE_URL: model.url,
    MODEL_PREFILL: prefill ? "on" : "off",
    ON_CRASH: onCrash[Math.floor(seed / 2) % 3] ?? "continue",
    DRAIN_MS: "700",
  });
  await victim.start();
  const proxy = await ChaosProxy.start(() => Number(new URL(victim.url).port));
  const names = ["operations", "acked", "refused", "repeated", "connections", ...badCounts] as const;
  const counts = Object.fromEntries(names.map((name) => [name, 0])) as Counts;
  const url = (): string => `ws://127.0.0.1:${proxy.port}/api/v1/async/chatbot`;
  const people = Array.from({ length: run.clients }, (_, i) => new Person(url, seeded(seed * 1000 + i), counts));
  const member = new Member({ name: "neighbour", url: () => victim.url, ledger, random, fair: [1006, 1012, 1013] });
  // It asks for no replies: what becomes of one whose server dies is a matter of the settings.
  const neighbour = new Neighbour(member, ledger, { replies: false, patient: true });
  const working = people.map((person) => person.work());
  let [kills, drains, cuts] = [0, 0, 0];
  const kill = async (): Promise<void> => {
    await victim.end("SIGKILL");
    kills++;
  };
  try {
    for (let cycle = 1; cycle <= size; cycle++) {
      Object.assign(proxy, { delay: 0, slice: 0 }, weathers[Math.floor(random() * weathers.length)]);
      const end = performance.now() + 300 + random() * 1500;
      while (performance.now() < end) {
        await sleep(60 + random() * 200);
        cuts += proxy.cut(() => random() < 0.06);
        if (random() < 0.2) cuts += proxy.lose(() => random() < 0.1);
        proxy.freeze("down", random() < 0.1);
        proxy.freeze("up", random() < 0.05);
        for (const person of people) if (random() < 0.04) person.disturb();
      }
      proxy.freeze("down", false);
      proxy.freeze("up", false);
      if (random() < 0.15) {
        drains++;
        const code = await victim.end("SIGTERM");
        // It may have died before; that is counted by its deaths.
        if (code !== 0 && code !== null) ledger.bad("crashes", `ended with ${code} after SIGTERM`);
      } else await kill();
      // Sometimes it dies again while it starts, or right after.
      while (random() < 0.2) {
        const starting = victim.start().catch(() => undefined);
        await Promise.race([starting, sleep(random() * 500)]);
        await kill();
        await starting;
      }
      await victim.start();
      if (cycle % 20 === 0) {
        const bad = badCounts.reduce((sum, name) => sum + counts[name], victim.deaths.length);
        say(`cycle ${cycle}: ${kills} kills, ${drains} drains, ${counts.acked} acked, ${bad} problems`);
      }
    }
    Object.assign(proxy, { delay: 0, slice: 0 });
    for (const person of people) person.stop();
    await withTime(Promise.all(working), 60_000, () => counts.stuck++);
    const seen = await Promise.all(people.map((person) => check(person, counts, prefill)));
    await neighbour.end();
    for (const bug of [...victim.deaths, ...victim.bugs()]) ledger.bad("crashes", bug);
    for (const name of badCounts) ledger.counts[name] += counts[name];
    ledger.problems.push(...people.flatMap((person) => person.problems));
    const { operations, acked, refused, repeated, connections } = counts;
    const conversations = seen.reduce((total, one) => total + one.conversations, 0);
    const messages = seen.reduce((total, one) => total + one.messages, 0);
    Object.assign(ledger, { cycles: size, operations });
    const facts = { acked, refused, repeated, connections, conversations, messages, kills, drains, cuts };
    for (const [name, count] of Object.entries(facts)) ledger.saw(name, count);
  } finally {
    member.leave();
    for (const person of people) person.close();
    proxy.close();
    await victim.end("SIGKILL");
    await model.close();
    rmSync(victim.dataDir, { recursive: true, force: true });
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

type Seen = { conversations: number; messages: number };

/** Waits until nothing runs, then reads every conversation cold and holds every acknowledgement and every view against it. */
async function check(person: Person, counts: Counts, prefill: boolean): Promise<Seen> {
  const seen: Seen = { conversations: 0, messages: 0 };
  const bad = (count: (typeof badCounts)[number], problem: string): void => {
    counts[count]++;
    person.problems.push(problem);
  };
  const listed = new Map((await person.list()).map((row) => [row["id"], row]));
  const conversations = [...person.views.keys()];
  for (const conversation of conversations) {
    const acks = person.done.filter(({ command }) => command["conversation"] === conversation);
    const deleted = acks.some(({ command }) => command.type === "conversation.delete");
    let cold = await person.readCold(conversation);
    for (let i = 0; i < 100 && cold !== undefined && cold.turns.size > 0; i++) {
      await sleep(200);
      cold = await person.readCold(conversation);
    }
    const known = acks.some(({ command }) => command.type === "message.send");
    if (cold === undefined) {
      if (known && !deleted) bad("lost", `conversation ${conversation} cannot be opened`);
      if (listed.has(conversation)) bad("mismatched", `${conversation} cannot be opened, and is in the list`);
      continue;
    }
    if (deleted) bad("lost", `conversation ${conversation} was deleted, and is there`);
    for (const turn of cold.turns.keys()) bad("stuck", `turn ${turn} of ${conversation} still runs`);
    seen.conversations++;
    seen.messages += cold.messages.size;
    if (!listed.has(conversation)) bad("lost", `${conversation} is not in the list`);
    await compare(person, cold, bad);
    checkTexts(person, cold, bad, prefill);
    checkEffects(acks, person.refused, cold, bad);
  }
  const changing = person.done.filter(({ command }) => /^(message|turn)\.|\.(update|delete)$/.test(command.type));
  for (const done of changing.slice(-20)) await person.repeat(done);
  return seen;
}

type Bad = (count: (typeof badCounts)[number], problem: string) => void;

/** The view that lived through all of it, brought up to date from its own cursor, and a snapshot must be the log's. */
async function compare(person: Person, cold: WireView, bad: Bad): Promise<void> {
  const { conversation } = cold;
  const whole = cold.canonical();
  const views = { live: await person.catchUp(conversation), snapshot: await person.readCold(conversation, "snapshot") };
  for (const [name, view] of Object.entries(views)) {
    const own = view?.canonical() ?? "";
    if (own !== whole) bad("mismatched", `${name} of ${conversation}: ${firstDifference(own, whole)}`);
    if (view?.snapshots !== (name === "live" ? 0 : 1)) bad("mismatched", `${view?.snapshots} snapshots to ${name}`);
  }
}

function firstDifference(a: string, b: string): string {
  let at = 0;
  while (at < a.length && a[at] === b[at]) at++;
  return `…${a.slice(Math.max(0, at - 60), at + 60)}… is …${b.slice(Math.max(0, at - 60), at + 60)}…`;
}

/** Every reply is the model's text, byte for byte, or the beginning of it where it was stopped. */
function checkTexts(person: Person, cold: WireView, bad: Bad, prefill: boolean): void {
  for (const reply of cold.messages.values()) {
    const asked = person.asked.get(String(reply.metadata["parent"]));
    if (reply.role !== "assistant" || asked === undefined) continue;
    const whole = expectedText(asked.seed, asked.chars);
    const text = cold.text(reply.id);
    const status = cold.status(reply.id);
    // The model never fails here, whatever happens to the server.
    if (status === "failed") bad("torn", `reply ${reply.id} failed`);
    // A model without prefill is asked to go on in words, which the test model answers with another text.
    if ((cold.started.get(reply.id)?.length ?? 0) > 1 && !prefill) continue;
    if (status === "completed" ? text === whole : whole.startsWith(text)) continue;
    bad("torn", `reply ${reply.id} (${String(status)}): ${text.length} of ${whole.length} characters, not the model's`);
  }
}

/** What was acknowledged is there, and nothing else: every command has an answer by now, so the numbers must be the same. */
function checkEffects(acks: readonly Done[], refused: readonly Command[], view: WireView, bad: Bad): void {
  const { conversation } = view;
  const turns = new Set([...view.started.values()].flat());
  const users = new Set<string>();
  const reactions = new Map<string, { message: string; reaction: string; on: boolean }>();
  let starts = 0;
  let title: unknown;
  for (const { command, answer } of acks) {
    const missing = (what: string): void => bad("lost", `${command.type} was acknowledged, but ${what} is not there`);
    if (Number(answer["seq"] ?? 0) > view.seq) missing(`seq ${String(answer["seq"])}`);
    if (["message.send", "message.edit", "turn.retry", "turn.continue"].includes(command.type)) {
      starts++;
      if (!turns.has(String(answer["turn"]))) missing("its turn");
      if (!view.messages.has(String(answer["reply"]))) missing("its reply");
      const id = command.type === "message.send" ? command["message"] : command["replacement"];
      if (typeof id !== "string") continue;
      users.add(id);
      if (!view.messages.has(id)) missing(`message ${id}`);
    } else if (command.type === "turn.stop") {
      const ended = view.finished.get(String(answer["turn"]));
      if (ended?.["status"] !== answer["status"]) missing(`status ${String(answer["status"])}`);
    } else if (command.type === "message.react") {
      const [message, reaction] = [String(command["message"]), String(command["reaction"])];
      reactions.set(`${message} ${reaction}`, { message, reaction, on: command["on"] === true });
    } else if (command.type === "conversation.update") title = command["title"];
  }
  if (view.title !== title) bad("lost", `the title is ${view.title}, and should be ${String(title)}`);
  if (turns.size !== starts)
    bad(turns.size > starts ? "doubled" : "lost", `${turns.size} turns for ${starts} commands`);
  const found = [...view.messages.values()].filter(({ role }) => role === "user").map(({ id }) => id);
  for (const id of found) if (!users.has(id)) bad("doubled", `message ${id} is there, and nobody was told so`);
  for (const { message, reaction, on } of reactions.values()) {
    const set = view.messages.get(message)?.metadata["reactions"] as Record<string, string[]> | undefined;
    if ((set?.[reaction]?.length ?? 0) !== (on ? 1 : 0)) bad("lost", `reaction ${reaction} on ${message} is not ${on}`);
  }
  for (const command of refused) {
    const id = command.type === "message.send" ? command["message"] : command["replacement"];
    if (command["conversation"] === conversation && typeof id === "string" && view.messages.has(id))
      bad("doubled", `${command.type} was refused, and ${id} is there`);
  }
}
