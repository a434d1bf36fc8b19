// Owns the way of one reply's pieces into the log: buffer, fence, backpressure. It must not call the model.
import { createPieceBuffer, quietAfter } from "../domain/batching.ts";
import type { Outcome, Work } from "../domain/records.ts";
import { appendPieces, type Claim } from "../domain/turn.ts";
import { stamp, type Message } from "../protocol/index.ts";
import type { Committer, PieceSource } from "./committer.ts";
import type { Clock, ModelPiece } from "./ports.ts";

/** Characters that may wait for their commit before the model is no longer read. */
const roomLength = 256 * 1024;

export type Writer = {
  add(piece: ModelPiece): void;
  /** Offers what was added to the committer: once per read of the model, not per piece. */
  offer(): void;
  /** Calls `go` when what was added is about to be committed; at once where nothing waits. So that a model is read once a tick. */
  due(go: () => void): void;
  /** True while more may be added without waiting. */
  hasRoom(): boolean;
  room(): Promise<void>;
  /** Resolves when all that was added is committed, or nothing more can be. */
  flushed(): Promise<void>;
  /** Length of the reply's text parts, waiting ones included. */
  textLength(): number;
  /** The turn is somebody else's now, or has ended. */
  lost(): boolean;
  /** Events committed since the start. */
  committedEvents(): number;
};

/** A writer that goes on after the parts the reply has. `onLost` is called once, when the fence does not hold any more. */
export function createWriter(options: {
  claim: Claim;
  message: Pick<Message, "id" | "parts">;
  committer: Pick<Committer, "offer">;
  clock: Clock;
  onLost: () => void;
}): Writer {
  const { claim, message, committer, clock } = options;
  const buffer = createPieceBuffer(message.parts);
  let inflight: Work | undefined;
  let finishing = false;
  let lost = false;
  let events = 0;
  let lastOffer = Number.NEGATIVE_INFINITY;
  let waiters: (() => void)[] = [];
  let parked: (() => void) | undefined;

  const wake = (): void => {
    const woken = waiters;
    waiters = [];
    for (const waiter of woken) waiter();
  };
  const until = async (condition: () => boolean): Promise<void> => {
    const over = (): boolean => lost || condition();
    while (!over()) await new Promise<void>((resolve) => waiters.push(resolve));
  };
  const isEmpty = (): boolean => inflight === undefined && buffer.size() === 0;

  const source: PieceSource = {
    due() {
      const go = parked;
      parked = undefined;
      go?.();
    },
    collect() {
      if (inflight !== undefined || lost) return lost ? undefined : inflight;
      const { events: taken, grown } = buffer.take(claim.id, message.id, stamp(clock.now()), finishing);
      if (taken.length === 0) return undefined;
      inflight = appendPieces(claim, taken, grown);
      return inflight;
    },
    committed(outcome: Outcome | undefined) {
      if (outcome === undefined) return;
      inflight = undefined;
      if (outcome.ok) events += outcome.entries.length;
      else if (!lost) {
        lost = true;
        options.onLost();
      }
      wake();
    },
  };

  return {
    add(piece) {
      if (piece.type === "text" || piece.type === "reasoning") buffer.addText(piece.type, piece.text);
      else if (piece.type === "part") buffer.addPart(piece.value);
    },
    offer() {
      if (lost || buffer.size() === 0) return;
      const now = clock.monotonic();
      committer.offer(source, now - lastOffer >= quietAfter);
      lastOffer = now;
    },
    due(go) {
      if (lost || isEmpty()) go();
      else parked = go;
    },
    hasRoom: () => buffer.size() < roomLength,
    room: () => until(() => buffer.size() < roomLength),
    async flushed() {
      finishing = true;
      if (!isEmpty()) committer.offer(source, true);
      await until(isEmpty);
      finishing = false;
    },
    textLength: () => buffer.textLength(),
    lost: () => lost,
    committedEvents: () => events,
  };
}
