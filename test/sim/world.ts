// Owns one world: what is drawn from a seed, its processes, people, faults and end. It judges by the watch and the witness.
import { copyDisk, memoryDisk, type MemoryDisk } from "../../src/adapters/memory/store.ts";
import { defaultLimits } from "../../src/protocol/index.ts";
import type { Hint } from "../../src/server/ports.ts";
import { createChance, type Chance } from "./chance.ts";
import { createDevice, type Connection, type Device, type Person, type World } from "./device.ts";
import { createFaults } from "./faults.ts";
import { createLink } from "./link.ts";
import { calmTemper, type Call } from "./model.ts";
import { createNode, defaultEngineSettings, tokenOf, type Incarnation, type SimNode, type Weather } from "./node.ts";
import { act } from "./plan.ts";
import { createOwner, createScheduler, type Scheduler } from "./scheduler.ts";
import { drawNature, type Nature } from "./nature.ts";
import { settleDown } from "./settling.ts";
import { createWatch, type Watch } from "./watch.ts";
import { createWitness, type Witness } from "./witness.ts";

export type Verdict = {
  readonly seed: number;
  readonly violations: readonly string[];
  readonly steps: number;
  readonly events: number;
  /** Names that the server gave to conversations. */
  readonly titles: number;
  /** Of everything that was seen, in order: the same seed gives the same. */
  readonly digest: string;
};

/** Everything in a world, as its parts see each other. */
export type Stage = {
  readonly chance: Chance;
  readonly nature: Nature;
  readonly scheduler: Scheduler;
  readonly weather: Weather;
  readonly witness: Witness;
  readonly disk: () => MemoryDisk;
  readonly watch: Watch;
  readonly nodes: readonly SimNode[];
  readonly devices: Device[];
  readonly people: Person[];
  readonly calls: Call[];
  readonly phase: () => "storm" | "calm";
  calm(): void;
  /** Takes a backup; what it returns brings the disk back to it. */
  backUp(): () => void;
  addDevice(name: string, person: Person, from?: { session: string | undefined }): Device;
  readonly wrong: (rule: string, detail: string) => void;
  readonly trace: (line: () => string) => void;
  readonly failed: () => boolean;
};

export async function runWorld(
  seed: number,
  options: { trace?: (line: string) => void; titles?: "model" | "words" } = {},
): Promise<Verdict> {
  const chance = createChance(seed);
  const nature = drawNature(chance.fork());
  const scheduler = createScheduler(chance.fork());
  const violations: string[] = [];
  let digest = 0;
  let phase: "storm" | "calm" = "storm";
  const trace = (line: () => string): void => {
    const text = `${scheduler.now().toFixed(0).padStart(7)} ${line()}`;
    for (let i = 0; i < text.length; i++) digest = (Math.imul(digest, 31) + text.charCodeAt(i)) | 0;
    options.trace?.(text);
  };
  const wrong = (rule: string, detail: string): void => {
    if (violations.length >= 5) return;
    violations.push(`[${rule}] at ${scheduler.now()} ms: ${detail}`);
    options.trace?.(`!!!!!!! ${violations.at(-1)}`);
  };
  const surprised = (error: unknown): void =>
    wrong("uncaught", error instanceof Error ? (error.stack ?? error.message) : String(error));
  process.on("uncaughtException", surprised);
  process.on("unhandledRejection", surprised);

  let disk = memoryDisk();
  let restores = 0;
  const weather: Weather = { ...nature.weather };
  const nodes: SimNode[] = [];
  const devices: Device[] = [];
  const people: Person[] = [];
  const calls: Call[] = [];
  const marks = new Map<string, string>();
  const world = createOwner();
  const network = chance.fork();

  const witness = createWitness({
    disk: () => disk,
    now: scheduler.now,
    wrong,
    committed: (history, event, seq, by) => watch.committed(history, event, seq, by),
  });
  const mark = (conversation: string): string => marks.get(witness.histories.get(conversation)?.user ?? "") ?? "«0»";

  const spread = (from: Incarnation, topic: string, hint: Hint, here: (hint: Hint) => void): void => {
    if (!nature.lossy || phase === "calm") here(hint);
    else unsteady(from, hint, () => here(hint));
    for (const node of nodes) {
      const other = node.current;
      if (other === undefined || other === from) continue;
      unsteady(other, hint, () => other.receive(topic, hint));
    }
  };
  /** Hints of entries and rows may be lost, doubled and late; the end of a session or a turn is only late. */
  const unsteady = (to: Incarnation, hint: Hint, receive: () => void): void => {
    const rough = nature.lossy && phase === "storm";
    const mayBeLost = hint.kind === "entries" || hint.kind === "row";
    if (rough && mayBeLost && network.maybe(0.1)) return;
    const times = rough && network.maybe(0.1) ? 2 : 1;
    for (let i = 0; i < times; i++) scheduler.after(to.owner, rough ? network.whole(0, 250) : 1, receive);
  };

  const settings = {
    ...defaultEngineSettings,
    limits: { ...defaultLimits, reactions: 3, frameBytes: 64 * 1024 },
    ...nature.settings,
    // Off where a world does not ask for them: what kept seeds once found must not move.
    titles: options.titles ?? ("off" as const),
  };
  for (let i = 0; i < nature.nodes; i++) {
    nodes.push(
      createNode({
        name: `n${i + 1}`,
        scheduler,
        chance: chance.fork(),
        witness,
        weather,
        disk: () => disk,
        settings,
        prefill: nature.prefill,
        fallback: nature.fallback,
        spread,
        called(incarnation, call) {
          calls.push(call);
          watch.called(incarnation, call);
        },
        stalled: (incarnation, call) => watch.stalled(incarnation, call),
        mark,
        wrong,
        trace,
      }),
    );
  }

  const stage: Stage = {
    chance,
    nature,
    scheduler,
    weather,
    witness,
    disk: () => disk,
    get watch() {
      return watch;
    },
    nodes,
    devices,
    people,
    calls,
    phase: () => phase,
    calm() {
      phase = "calm";
      weather.temper = calmTemper;
    },
    backUp() {
      trace(() => "a backup is taken");
      const copy = copyDisk(disk, `epoch-r${++restores}`);
      const forget = witness.keep();
      return () => {
        if (phase === "calm") return;
        trace(() => "the backup is restored");
        for (const node of nodes) node.current?.crash(false);
        disk = copy;
        forget();
        watch.restored();
        calls.length = 0;
        for (const person of people)
          if (person.user !== undefined && !disk.users.has(person.user)) person.user = undefined;
        for (const device of devices) device.restored((user, id) => witness.applied.has(`${user} ${id}`));
      };
    },
    addDevice(name, person, from) {
      const device = createDevice(port, name, person, settings.heartbeatMs, from);
      devices.push(device);
      device.connect();
      return device;
    },
    wrong,
    trace,
    failed: () => violations.length > 0,
  };
  const watch = createWatch(stage, marks, () => disk);

  const newPerson = (subject: string | undefined): Person => {
    const person = { mark: `«${people.length + 1}»`, subject, user: undefined, conversations: [] };
    people.push(person);
    return person;
  };
  const port: World = {
    scheduler,
    chance: chance.fork(),
    witness,
    newGuest: () => newPerson(undefined),
    token: (subject) =>
      tokenOf(
        subject,
        Date.UTC(2026, 0, 1) + scheduler.now() + (nature.faults.skew === 0 && network.maybe(0.3) ? 80_000 : 14_400_000),
      ),
    wrong,
    trace,
    connect(begun) {
      const up = nodes.flatMap((node) => (node.current?.engine.ready() === true ? [node.current] : []));
      if (up.length === 0) return undefined;
      const incarnation = network.pick(up);
      const connection: Connection = Object.assign(begun, { node: incarnation.name, link: undefined as never });
      const link = createLink({
        scheduler,
        chance: network,
        server: incarnation.owner,
        latency: () => network.whole(0, phase === "calm" ? 5 : nature.latency),
        window: nature.window,
        weight: phase === "calm" ? 1 : nature.weight,
        client: {
          frame: (text) => begun.device.frame(connection, text),
          ping() {
            connection.heardAt = scheduler.now();
            link.pong();
          },
          closed(code) {
            incarnation.links.delete(link);
            begun.device.closed(connection, code);
          },
        },
        sending: (text, unsent) => watch.sending(connection, incarnation, text, unsent),
        closing: (code) => watch.closing(connection, incarnation, code),
        wrong,
      });
      connection.link = link;
      incarnation.links.add(link);
      link.attach(incarnation.engine.accept(link.wire));
      return connection;
    },
  };

  for (const node of nodes) node.start();
  for (let i = 0; i < nature.persons; i++) {
    const person = newPerson(chance.maybe(0.75) ? `person-${i}` : undefined);
    const many = person.subject === undefined ? 1 : chance.whole(1, 3);
    for (let k = 0; k < many; k++) stage.addDevice(`d${i + 1}${"abc"[k] ?? ""}`, person);
  }
  for (const device of devices) {
    const plan = chance.fork();
    const next = (): void =>
      void scheduler.after(world, plan.whole(20, nature.hurry), () => {
        if (phase === "calm") return;
        act(stage, device, plan);
        next();
      });
    next();
  }
  createFaults(stage, chance.fork());

  try {
    await scheduler.run(stage.failed, nature.storm);
    if (!stage.failed()) await settleDown(stage);
  } catch (error) {
    surprised(error);
  }
  for (const node of nodes) node.current?.crash(true);
  // What was refused and nobody looked at comes out now.
  await new Promise((resolve) => void setTimeout(resolve));
  process.off("uncaughtException", surprised);
  process.off("unhandledRejection", surprised);
  const events = [...witness.histories.values()].reduce((sum, history) => sum + history.events.length, 0);
  return {
    seed,
    violations,
    steps: scheduler.steps(),
    events,
    titles: witness.titles(),
    digest: (digest >>> 0).toString(16),
  };
}
