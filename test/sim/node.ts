// Owns a server process of a world: one incarnation after the other over the same disk. Everything dies with its incarnation.
import { localBus } from "../../src/adapters/embedded/bus.ts";
import { openMemoryStore, type MemoryDisk } from "../../src/adapters/memory/store.ts";
import { reject } from "../../src/protocol/index.ts";
import { createEngine, defaultEngineSettings, type Engine, type EngineSettings } from "../../src/server/engine.ts";
import { unlimited } from "../../src/server/policy.ts";
import type { Bus, Clock, Hint, Identity, Journal, Log } from "../../src/server/ports.ts";
import type { Chance } from "./chance.ts";
import type { Link } from "./link.ts";
import { createModel, type Call, type ModelTemper } from "./model.ts";
import { createOwner, type Owner, type Scheduler } from "./scheduler.ts";
import type { Witness } from "./witness.ts";

/** Milliseconds and probabilities of what a process suffers; read anew at every call. */
export type Weather = {
  diskFull: boolean;
  /** Probability that a call of the store waits, and how long at most. */
  lag: number;
  lagMs: number;
  commitMs: number;
  /** Probability that the process dies in a call of the store. */
  crashInCall: number;
  temper: ModelTemper;
};

export type NodeOptions = {
  readonly name: string;
  readonly scheduler: Scheduler;
  readonly chance: Chance;
  readonly witness: Witness;
  readonly weather: Weather;
  readonly disk: () => MemoryDisk;
  readonly settings: Omit<EngineSettings, "node" | "broken">;
  readonly prefill: boolean;
  readonly fallback: boolean;
  /** Hands a hint to the other processes. */
  readonly spread: (from: Incarnation, topic: string, hint: Hint, here: (hint: Hint) => void) => void;
  readonly called: (incarnation: Incarnation, call: Call) => void;
  readonly stalled: (incarnation: Incarnation, call: Call) => void;
  readonly mark: (conversation: string) => string;
  readonly wrong: (rule: string, detail: string) => void;
  readonly trace: (line: () => string) => void;
};

export type Incarnation = {
  readonly name: string;
  readonly owner: Owner;
  readonly engine: Engine;
  readonly bus: Bus;
  readonly links: Set<Link>;
  /** Calls of a model that it made. */
  readonly calls: Set<Call>;
  readonly subscriptions: () => number;
  /** A hint from another process. */
  receive(topic: string, hint: Hint): void;
  baseline: number;
  pausedAt: number;
  draining: boolean;
  crash(quiet: boolean): void;
};

export type SimNode = {
  readonly name: string;
  /** Milliseconds that its wall clock is wrong. */
  skew: number;
  current: Incarnation | undefined;
  start(): void;
};

/** Tokens of a world say whose they are and until when they hold. */
export const tokenOf = (subject: string, expiresAt: number): string => `token ${subject} ${Math.round(expiresAt)}`;

const epochStart = Date.UTC(2026, 0, 1);
/** A new one each time: what waits for it must be forgotten with its world. */
const never = (): Promise<never> => new Promise<never>(() => undefined);

export function createNode(options: NodeOptions): SimNode {
  const { scheduler, chance, weather, witness, wrong, trace } = options;
  let count = 0;

  const node: SimNode = {
    name: options.name,
    skew: 0,
    current: undefined,
    start() {
      if (node.current !== undefined) return;
      const incarnation = incarnate(`${options.name}.${++count}`);
      trace(() => `${incarnation.name} starts`);
      void begin(incarnation);
    },
  };

  const begin = async (incarnation: Incarnation): Promise<void> => {
    try {
      await incarnation.engine.start();
      if (!incarnation.owner.alive) return;
      incarnation.baseline = incarnation.owner.timers;
      trace(() => `${incarnation.name} is ready`);
    } catch {
      // A process that cannot start ends, and is started again.
      trace(() => `${incarnation.name} could not start`);
      incarnation.crash(false);
    }
  };

  const incarnate = (name: string): Incarnation => {
    const owner = createOwner();
    const own = chance.fork();
    const links = new Set<Link>();
    const clock: Clock = {
      now: () => epochStart + scheduler.now() + node.skew,
      monotonic: () => scheduler.now() + 5000,
      after: (ms, fn) => scheduler.after(owner, ms, fn, { timer: true }),
      soon: (fn) => void scheduler.after(owner, 0, fn),
      random: () => own.next(),
      uuid: () => own.uuid(),
      secret: (bytes) => own.hex(bytes * 2),
    };
    const wait = (ms: number): Promise<void> =>
      owner.alive ? new Promise((resolve) => void scheduler.after(owner, ms, resolve)) : never();

    const store = openMemoryStore(options.disk(), {
      clock,
      faults: {
        get full() {
          return weather.diskFull;
        },
        commitDelay() {
          witness.sync(name);
          return weather.commitMs > 0 && own.maybe(0.5) ? own.whole(0, weather.commitMs) : 0;
        },
      },
    });

    /** A call as it is on a real system: it takes time, and the process may die before, in or after it. */
    const slowly = async <T>(call: () => Promise<T>): Promise<T> => {
      if (!owner.alive) return never();
      const lagging = own.maybe(weather.lag);
      if (lagging && own.maybe(0.6)) await wait(own.whole(0, weather.lagMs));
      const dies = own.maybe(weather.crashInCall) ? own.pick(["before", "after"] as const) : "not";
      if (dies === "before") incarnation.crash(false);
      if (!owner.alive) return never();
      witness.begin();
      const result = await call();
      if (dies === "after") incarnation.crash(false);
      if (lagging && owner.alive && own.maybe(0.6)) await wait(own.whole(0, weather.lagMs));
      return owner.alive ? result : never();
    };
    const slowed = <T extends object>(port: T): T =>
      new Proxy(port, {
        get(target, key) {
          const value: unknown = Reflect.get(target, key);
          if (typeof value !== "function") return value;
          return (...args: unknown[]) => slowly(() => Reflect.apply(value, target, args) as Promise<unknown>);
        },
      });
    const log: Log = slowed({
      ...store.log,
      commit: (works) => store.log.commit(works.map((work) => witness.note(work))),
    });

    const identity: Identity = {
      verify: (token) =>
        slowly(async () => {
          const [kind, subject = "", until] = token.split(" ");
          if (kind !== "token" || Number(until) <= clock.now()) return reject("unauthorized");
          return { issuer: "sim", subject, expiresAt: Number(until) };
        }),
    };

    let subscriptions = 0;
    const local = localBus();
    const bus: Bus = {
      publish: (topic, hint) => {
        if (owner.alive) options.spread(incarnation, topic, hint, (late) => local.publish(topic, late));
      },
      subscribe(topic, receive) {
        subscriptions++;
        const stop = local.subscribe(topic, (hint) => {
          if (owner.alive) receive(hint);
        });
        let stopped = false;
        return () => {
          if (!stopped) subscriptions--;
          stopped = true;
          stop();
        };
      },
      close: () => local.close(),
    };
    const journal: Journal = {
      info: (event, fields) => trace(() => `${name} info ${event} ${JSON.stringify(fields)}`),
      warn: (event, fields) => trace(() => `${name} warn ${event} ${JSON.stringify(fields)}`),
      error(event, fields) {
        trace(() => `${name} ERROR ${event} ${JSON.stringify(fields)}`);
        if (event === "commit_failed" && fields?.["kind"] === "full") return;
        if (owner.alive) wrong("JS12", `${name}: ${event} ${JSON.stringify(fields)}`);
      },
    };
    const model = (kind: string) =>
      createModel({
        name: `sim:${kind}`,
        chance: own.fork(),
        prefill: options.prefill,
        temper: () => weather.temper,
        wait,
        now: scheduler.now,
        mark: options.mark,
        called: (call) => {
          if (!owner.alive) return;
          incarnation.calls.add(call);
          options.called(incarnation, call);
        },
        stalled: (call) => options.stalled(incarnation, call),
      });
    const engine = createEngine(
      {
        log,
        bus,
        clock,
        journal,
        identity,
        users: slowed(store.users),
        sessions: slowed(store.sessions),
        model: model("first"),
        ...(options.fallback ? { fallback: model("second") } : {}),
      },
      {
        ...options.settings,
        // Limits are tested elsewhere; here everybody talks as much as the seed says.
        policy: unlimited,
        node: name,
        broken: (failure) => wrong("ST09", `${name} calls its store broken: ${String(failure)}`),
      },
    );
    const incarnation: Incarnation = {
      name,
      owner,
      engine,
      bus,
      links,
      calls: new Set(),
      subscriptions: () => subscriptions,
      receive: (topic, hint) => local.publish(topic, hint),
      baseline: 0,
      pausedAt: Number.NEGATIVE_INFINITY,
      draining: false,
      crash(quiet) {
        if (!owner.alive) return;
        trace(() => `${name} dies`);
        owner.alive = false;
        store.crash();
        for (const link of links) link.serverDied(quiet);
        links.clear();
        if (node.current === incarnation) node.current = undefined;
      },
    };
    node.current = incarnation;
    return incarnation;
  };

  return node;
}

export { defaultEngineSettings };
