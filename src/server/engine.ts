// Owns the putting together of one server process: parts in, sockets served, drain. It knows no HTTP and no adapter.
import { defaultLimits, type Limits } from "../protocol/index.ts";
import { createAccount } from "./account.ts";
import type { Range } from "./addresses.ts";
import { createAllowance, type Allowance } from "./allowance.ts";
import type { AttachmentReader } from "./attachments.ts";
import { createBlockList, type BlockList } from "./blocks.ts";
import { createCommands } from "./commands.ts";
import { createCommitter, type Committer } from "./committer.ts";
import { createEntrance, type Entrance } from "./entrance.ts";
import { createHub } from "./hub.ts";
import { forgetful, uncounted } from "./stand-ins.ts";
import type { CallLimits } from "./model-call.ts";
import { createModelPool } from "./model-pool.ts";
import { defaultPolicy, type Policy } from "./policy.ts";
import type {
  Blocks,
  Bus,
  Clock,
  Identity,
  Journal,
  Log,
  Meter,
  Model,
  Sessions,
  Spending,
  Tracer,
  Users,
} from "./ports.ts";
import { createPresence, type Presence } from "./presence.ts";
import { createDoorman } from "./sessions.ts";
import { Socket } from "./socket.ts";
import { createSweep, sweepMs } from "./sweep.ts";
import { createTails } from "./tails.ts";
import { createTitles } from "./titles.ts";
import { createTurns } from "./turns.ts";
import type { Visitor } from "./visitor.ts";
import type { Wire, WireEvents } from "./wire.ts";

/** The parts of a server; every one is a port. */
export type EngineParts = {
  readonly log: Log;
  readonly bus: Bus;
  readonly clock: Clock;
  readonly journal: Journal;
  readonly meter?: Meter | undefined;
  readonly tracer?: Tracer | undefined;
  readonly identity: Identity;
  readonly users: Users;
  readonly sessions: Sessions;
  readonly model: Model;
  readonly fallback?: Model | undefined;
  /** Without them, blocks and tokens of the day end with the process. */
  readonly blocks?: Blocks;
  readonly spending?: Spending;
  /** The files in messages; undefined: there are none. */
  readonly files?: { readonly read: AttachmentReader; readonly dropped: () => void } | undefined;
};

/** Numbers and choices. Times in milliseconds, lengths in characters. */
export type EngineSettings = {
  readonly node: string;
  readonly version: string;
  readonly guests: boolean;
  readonly limits: Limits;
  readonly policy: Policy;
  readonly trustedProxies: readonly Range[];
  readonly heartbeatMs: number;
  readonly authMs: number;
  readonly sessionIdleMs: number;
  readonly sessionMaxMs: number;
  /** How often everybody connected is looked up: may they still be here? */
  readonly sweepMs: number;
  readonly systemPrompt: string;
  readonly contextLength: number;
  readonly call: CallLimits;
  readonly onCrash: "continue" | "restart" | "interrupt";
  /** Who names a conversation after its first exchange: the model, the words of the question, or nobody. */
  readonly titles: "model" | "words" | "off";
  /** Called when the store can no longer be trusted: the process has to end. */
  readonly broken: (failure: unknown) => void;
};

export const defaultEngineSettings = {
  version: "0.1.0",
  guests: true,
  limits: defaultLimits,
  policy: defaultPolicy,
  trustedProxies: [],
  heartbeatMs: 25_000,
  authMs: 10_000,
  sessionIdleMs: 7 * 24 * 3_600_000,
  sessionMaxMs: 30 * 24 * 3_600_000,
  sweepMs,
  systemPrompt:
    "You are a helpful assistant. Answer in the language of the person who asks. Use Markdown where it helps.",
  contextLength: 400_000,
  call: {
    firstTokenMs: 60_000,
    betweenTokensMs: 30_000,
    wholeMs: defaultPolicy.reply.seconds * 1000,
    outputLength: defaultPolicy.reply.characters,
  },
  onCrash: "continue",
  titles: "model",
} as const satisfies Partial<EngineSettings>;

export type Engine = {
  /** Takes up what an earlier process left. Sockets may be accepted from then on. */
  start(): Promise<void>;
  /** Serves a socket. `visitor`: what is known of whoever opened it. */
  accept(wire: Wire, visitor?: Visitor): WireEvents;
  readonly entrance: Entrance;
  readonly blocks: BlockList;
  readonly committer: Pick<Committer, "submit">;
  readonly sockets: () => number;
  /** What the operator is shown of who is here, and of what they use. */
  readonly presence: Pick<Presence, "list" | "people" | "disconnect" | "count">;
  readonly allowance: Pick<Allowance, "usage" | "drop">;
  /** Ready for new work: started and not leaving. */
  readonly ready: () => boolean;
  /** Leaves: no new work, running replies finished or handed over, sockets closed spread over the time left, within `graceMs`. */
  drain(graceMs: number): Promise<void>;
};

/** Answers of commands are kept this long (ms). */
const answersKept = 24 * 3_600_000;

export function createEngine(parts: EngineParts, settings: EngineSettings): Engine {
  const { log, bus, clock, journal, tracer, meter = uncounted } = parts;
  const { node, limits } = settings;
  // The owner of leases is one life of the process: with the same name a restart would take its own dead turns for running.
  const owner = `${node}#${clock.secret(6)}`;
  let phase: "starting" | "ready" | "draining" = "starting";

  const committer = createCommitter({
    log,
    clock,
    journal,
    meter,
    broken: settings.broken,
    published(work, outcome) {
      const first = outcome.entries[0];
      const head = outcome.entries.at(-1)?.last;
      if (first === undefined || head === undefined) return;
      const [{ conversation }, { entries }] = [work, outcome];
      bus.publish(`conversation/${conversation}`, { kind: "entries", conversation, head, entries });
      // Pieces of replies change no row of the list; everything else does.
      if (first.event.kind === "reply.appended" || first.event.kind === "reply.part") return;
      const events = entries.map((entry) => entry.event);
      if (first.event.kind === "conversation.deleted") parts.files?.dropped();
      turns.noticed(conversation, events);
      titles.noticed(events, outcome.conversation);
      const user = outcome.conversation?.user;
      if (user !== undefined) bus.publish(`user/${user}`, { kind: "row", user, conversation });
    },
  });
  const models = createModelPool(parts.model, parts.fallback, clock, meter);
  const { onCrash, systemPrompt, contextLength, call } = settings;
  const { policy, trustedProxies } = settings;
  const { blocks: keptBlocks = forgetful.blocks, spending = forgetful.spending } = parts;
  const allowance = createAllowance({ policy, clock, spending });
  const blocks = createBlockList({
    blocks: keptBlocks,
    clock,
    journal,
    meter,
    abuse: policy.abuse,
    trustedProxies,
    changed() {
      for (const socket of presence.sockets()) socket.checkBlock();
    },
  });
  const making = { allowance, log, committer, clock, journal, meter, tracer, models, bus, owner };
  const turns = createTurns({ ...making, attachments: parts.files?.read, onCrash, systemPrompt, contextLength, call });
  const titles = createTitles({
    ...making,
    mode: settings.titles,
    used: (user, call) => allowance.charge(user, call),
  });
  const model = parts.model.name;
  const commands = createCommands({
    log,
    committer,
    clock,
    meter,
    tracer,
    turns,
    allowance,
    limits,
    owner,
    model,
    accepting: () => phase === "ready",
    opened: titles.opened,
  });
  const { sessionIdleMs: idleMs, sessionMaxMs: maxMs } = settings;
  const { identity, users, sessions } = parts;
  const doorman = createDoorman({ clock, bus, identity, users, sessions, guests: settings.guests, idleMs, maxMs });
  const hub = createHub({ bus, log, clock });
  const sweep = createSweep({ hub, users, sessions, bus, clock, journal });
  const entrance = createEntrance({ policy, clock, doorman, blocks, meter });
  const socketOptions = {
    clock,
    log,
    meter,
    doorman,
    account: createAccount({ clock, bus, sessions, doorman, idleMs, maxMs }),
    commands,
    tails: createTails(bus),
    hub,
    limits,
    node,
    version: settings.version,
    heartbeatMs: settings.heartbeatMs,
    authMs: settings.authMs,
  };
  const presence = createPresence({
    entrance,
    clock,
    journal,
    serve: (wire, entry, place) => new Socket(socketOptions, wire, entry, place),
  });

  const timers = new Map<() => void, () => void>();
  const every = (ms: number, act: () => void): void => {
    const again = (): void => {
      timers.set(act, clock.after(ms, again));
      act();
    };
    timers.set(act, clock.after(ms, again));
  };

  return {
    async start() {
      await Promise.all([blocks.load(), allowance.load()]);
      await turns.recover();
      phase = "ready";
      every(settings.heartbeatMs, () => {
        for (const socket of presence.sockets()) socket.beat();
      });
      every(1000, () => {
        const ages = { now: clock.now(), idleMs, maxMs };
        for (const socket of presence.sockets()) socket.tick(ages);
        meter.note({ kind: "queues", ...presence.queues() });
        void keepSpending(allowance, journal);
      });
      every(3_600_000, () => {
        allowance.forget();
        log.forget(clock.now() - answersKept).catch(() => journal.warn("forget_failed"));
        sessions.forget(clock.now() - maxMs).catch(() => journal.warn("forget_failed"));
      });
      every(settings.sweepMs, () => void sweep());
    },
    entrance,
    blocks,
    committer,
    presence,
    allowance,
    accept(wire, visitor = {}) {
      committer.cameIn();
      return presence.accept(wire, visitor);
    },
    sockets: presence.count,
    ready: () => phase === "ready",
    async drain(graceMs) {
      phase = "draining";
      titles.leave();
      const deadline = clock.monotonic() + graceMs;
      // A little of the time is kept for closing; few sockets need little.
      const spread = Math.min(graceMs / 3, presence.count() * 5);
      // While replies are being finished here, a reader does best to stay.
      const stay = turns.active() > 0 ? graceMs - spread : 0;
      for (const socket of presence.sockets()) socket.notifyDraining(Math.round(stay + clock.random() * spread));
      const wait = (ms: number): Promise<void> => new Promise((resolve) => void clock.after(Math.max(0, ms), resolve));
      await Promise.race([turns.idle(), wait(deadline - clock.monotonic() - spread - 500)]);
      // A store without room would hold this up for as long as it has none; what is not handed over is taken over.
      await Promise.race([turns.handOver(), wait(deadline - clock.monotonic() - spread)]);
      const closing = [...presence.sockets()].map(
        (socket) =>
          new Promise<void>((resolve) => {
            clock.after(clock.random() * spread, () => {
              socket.close(1012);
              resolve();
            });
          }),
      );
      await Promise.all(closing);
      for (const cancel of timers.values()) cancel();
      await keepSpending(allowance, journal);
    },
  };
}

/** A store without room forgets some of the day's spending at a crash, and nothing else. */
function keepSpending(allowance: Allowance, journal: Journal): Promise<void> {
  return allowance.flush().catch(() => journal.warn("spending_not_kept"));
}
