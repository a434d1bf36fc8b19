// Owns the turns that this process makes: start, stop, lease, take-over, settling, hand-over. One generation per turn and fence.
import type { TurnRecord } from "../domain/records.ts";
import { finishTurn, settle } from "../domain/turn.ts";
import { reject, type Event } from "../protocol/index.ts";
import { errorName } from "./journal.ts";
import { generate, type GenerationOptions } from "./generation.ts";
import type { Bus, Span } from "./ports.ts";
import { readMessage } from "./replies.ts";

export type TurnOptions = Omit<GenerationOptions, "exclusively"> & {
  readonly bus: Bus;
  /** This life of the process: the owner of its leases. */
  readonly owner: string;
  readonly onCrash: "continue" | "restart" | "interrupt";
};

/** A lease lasts this long (ms) and is renewed three times in that time; G7 allows 15 s in all. */
export const leaseMs = 9_000;

export type Turns = {
  /** Takes up what an earlier process left, then watches leases. */
  recover(): Promise<void>;
  /** `span`: the message that is answered. */
  begin(turn: TurnRecord, span?: Span): void;
  /** Looks at events of a commit: a turn that ended, or whose conversation is gone, is aborted and settled. */
  noticed(conversation: string, events: readonly Event[]): void;
  /** How many replies are being made here. */
  active(): number;
  /** Resolves when none is being made. */
  idle(): Promise<void>;
  /** Stops making replies without ending them and gives up their leases: another process goes on. */
  handOver(): Promise<void>;
};

type Active = { readonly conversation: string; readonly abort: AbortController; readonly done: Promise<unknown> };

export function createTurns(options: TurnOptions): Turns {
  const { log, committer, clock, journal, meter, bus, owner } = options;
  const active = new Map<string, Active>();
  let rewriting: Promise<void> = Promise.resolve();
  let leaving = false;

  const exclusively = (rewrite: () => Promise<void>): Promise<void> => {
    const next = rewriting.then(rewrite).catch((error: unknown) => {
      journal.error("rewrite_failed", { error: errorName(error) });
    });
    rewriting = next;
    return next;
  };

  const run = (turn: TurnRecord, resume: "first" | "continue" | "restart", span?: Span): void => {
    if (leaving) return;
    const before = active.get(turn.id);
    if (before !== undefined) {
      // Claimed from ourselves (a clock jumped, a lease could not be renewed): the older fence writes no more.
      before.abort.abort();
      void before.done.then(() => run(turn, resume, span));
      return;
    }
    const abort = new AbortController();
    const making: Promise<unknown> = generate({ ...options, exclusively }, turn, resume, abort.signal, span)
      .catch(async (error: unknown) => {
        // A bug of ours must not leave the reply unfinished.
        journal.error("turn_failed", { turn: turn.id, error: errorName(error) });
        await committer.submit(finishTurn(turn, { status: "failed", error: reject("internal") }, clock.now()));
      })
      .finally(() => {
        active.delete(turn.id);
        options.allowance.finished(turn.id);
      });
    active.set(turn.id, { conversation: turn.conversation, abort, done: making });
  };

  const settleTurn = (turn: Pick<TurnRecord, "id" | "conversation" | "message">): void => {
    const after = active.get(turn.id)?.done ?? Promise.resolve();
    void after.then(() =>
      exclusively(async () => {
        const found = await readMessage(log, turn.conversation, turn.message);
        if (found === undefined) return;
        const outcome = await committer.submit(settle(turn, found.entries));
        // The store had no room: once it has, this is done all the same (TU6).
        if (!outcome.ok && outcome.rejection.code === "unavailable") clock.after(1000, () => settleTurn(turn));
      }),
    );
  };

  const takeUp = async (all: boolean): Promise<void> => {
    const now = clock.now();
    const claimed = await log.claim({ owner, now, leaseUntil: now + leaseMs, all });
    if (claimed.length > 0) meter.note({ kind: "turns-taken-over", count: claimed.length });
    for (const turn of claimed) {
      journal.info("turn_taken_over", { turn: turn.id, fence: turn.fence, attempts: turn.attempts });
      if (options.onCrash === "interrupt") {
        await committer.submit(finishTurn(turn, { status: "interrupted" }, now));
      } else run(turn, options.onCrash);
    }
  };

  const keepLeases = (): void => {
    clock.after(leaseMs / 3, () => {
      if (leaving) return;
      const renewed = active.size === 0 ? Promise.resolve() : log.renew(owner, clock.now() + leaseMs);
      renewed
        .then(() => takeUp(false))
        .catch((error: unknown) => {
          journal.warn("lease_failed", { error: errorName(error) });
        })
        .finally(keepLeases);
    });
  };

  const timeStop = (turn: string): void => {
    const began = clock.monotonic();
    void active.get(turn)?.done.then(() => meter.note({ kind: "stopped", ms: clock.monotonic() - began }));
  };

  const endedHere = (conversation: string, turn: string | undefined): void => {
    for (const [id, item] of active) {
      if (turn === undefined ? item.conversation === conversation : id === turn) item.abort.abort();
    }
  };
  bus.subscribe("turns", (hint) => {
    if (hint.kind === "turn-ended") endedHere(hint.conversation, hint.turn);
  });

  const idle = async (): Promise<void> => {
    while (active.size > 0) await Promise.all([...active.values()].map((item) => item.done));
    await rewriting;
  };

  return {
    async recover() {
      await takeUp(true);
      for (const turn of await log.unsettled(1000)) settleTurn(turn);
      keepLeases();
    },
    begin: (turn, span) => run(turn, "first", span),
    noticed(conversation, events) {
      for (const event of events) {
        if (event.kind === "message.created") meter.note({ kind: "message", role: event.message.role });
        else if (event.kind === "turn.finished") {
          meter.note({ kind: "turn", status: event.status });
          if (event.status === "stopped") timeStop(event.turn);
          bus.publish("turns", { kind: "turn-ended", conversation, turn: event.turn });
          settleTurn({ id: event.turn, conversation, message: event.message });
        } else if (event.kind === "conversation.deleted") {
          bus.publish("turns", { kind: "turn-ended", conversation });
        }
      }
    },
    active: () => active.size,
    idle,
    async handOver() {
      leaving = true;
      for (const item of active.values()) item.abort.abort();
      await idle();
      // Without room for it the leases end by themselves.
      await log.renew(owner, 0).catch((error: unknown) => {
        journal.warn("lease_failed", { error: errorName(error) });
      });
    },
  };
}
