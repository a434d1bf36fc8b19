// Owns the store in memory, for simulated worlds: a disk that outlives its processes. Must not be used in production.
import type { Clock, FileRows, Log, Sessions, TurnRecord, Users } from "../../server/ports.ts";
import { commitTo } from "./commit.ts";
import type { MemoryDisk, Shelf } from "./disk.ts";
import { createFileRows } from "./files.ts";
import { createSessions, createUsers } from "./people.ts";
import { memoryProcess, type Faults, type MemoryProcess } from "./process.ts";
import { createReads } from "./reads.ts";

export { copyDisk, memoryDisk, type MemoryDisk } from "./disk.ts";
export type { Faults } from "./process.ts";

export type MemoryStore = {
  readonly log: Log;
  readonly sessions: Sessions;
  readonly users: Users;
  readonly fileRows: FileRows;
  close(): Promise<void>;
  /** As kill -9: from now on nothing is written and no call is ever answered. The disk stays. */
  crash(): void;
};

/** Opens a disk as a process would. Several may have it open at once, as in a cluster. */
export function openMemoryStore(disk: MemoryDisk, options: { clock: Clock; faults?: Faults }): MemoryStore {
  const { clock, faults = {} } = options;
  const process = memoryProcess(clock, faults);
  const close = (): Promise<void> => Promise.resolve();
  return {
    log: createLog(disk, process, clock, close),
    sessions: createSessions(disk, process),
    users: createUsers(disk, process, clock),
    fileRows: createFileRows(disk, process),
    close,
    crash: () => process.crash(),
  };
}

function createLog(disk: MemoryDisk, process: MemoryProcess, clock: Clock, close: () => Promise<void>): Log {
  const turns = (): { shelf: Shelf; turn: TurnRecord }[] =>
    [...disk.shelves.values()].flatMap((shelf) => [...shelf.turns.values()].map((turn) => ({ shelf, turn })));
  const save = (shelf: Shelf, turn: TurnRecord): TurnRecord => {
    shelf.turns.set(turn.id, Object.freeze(turn));
    return turn;
  };
  return {
    epoch: disk.epoch,
    ...createReads(disk, process),
    commit: (works) => process.write(() => commitTo(disk, works, clock)),
    claim: ({ owner, now, leaseUntil, all }) =>
      process.write(() =>
        turns()
          .filter(({ turn }) => turn.status === "running" && (turn.leaseUntil < now || (all && turn.owner !== owner)))
          .map(({ shelf, turn }) => save(shelf, { ...turn, owner, leaseUntil, fence: turn.fence + 1 })),
      ),
    renew: (owner, leaseUntil) =>
      process.write(() => {
        for (const { shelf, turn } of turns()) {
          if (turn.status === "running" && turn.owner === owner) save(shelf, { ...turn, leaseUntil });
        }
      }),
    unsettled: (limit) =>
      process.read(() =>
        turns()
          .map(({ turn }) => turn)
          .filter((turn) => turn.status !== "running" && !turn.settled)
          .slice(0, limit),
      ),
    forget: (before) =>
      process.write(() => {
        for (const [key, answer] of disk.answers) if (answer.at < before) disk.answers.delete(key);
      }),
    close,
  };
}
