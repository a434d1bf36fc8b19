// Owns which incarnation of the store this is: notices a restored backup or a lost tail. Must not look at the log itself.
import { closeSync, fstatSync, openSync, readFileSync, renameSync, statSync, writeSync } from "node:fs";
import type { DatabaseSync } from "node:sqlite";
import type { Clock } from "../../server/ports.ts";
import { StoreRefusal } from "./refusal.ts";
import { integer, text } from "./rows.ts";

/** What the file beside the database knows of it. */
type Witness = {
  readonly epoch: string;
  /** Commits that were surely made. */
  readonly commits: number;
  /** The database was closed in order. */
  readonly closed: boolean;
  /** The machine's boot; empty where it cannot be known. */
  readonly boot: string;
  /** When the witness was written, by the clock of its file system, in milliseconds since 1970. */
  readonly at: number;
};

export type Incarnation = {
  readonly epoch: string;
  /** Commits made in this file so far. */
  readonly commits: number;
  /** Writes the witness soon: at most once a second. */
  committed(commits: number): void;
  /** Writes the witness; `complete`: everything is in the file and synced. */
  close(commits: number, complete: boolean): void;
};

/** Milliseconds between two writings of the witness. */
const pause = 1000;
/** A witness whose file was changed so much later (ms) than it was written was put there by somebody: a restored backup. */
const tolerance = 5000;

/** The incarnation of an opened database; gives it a new epoch where it is not what ran here last. */
export function openIncarnation(
  db: DatabaseSync,
  options: {
    file: string;
    durability: "process" | "disk";
    clock: Clock;
    /** There was a WAL before the database was opened. */
    hadWal: boolean;
  },
): Incarnation {
  const { file, durability, clock, hadWal } = options;
  const row = db.prepare("SELECT epoch, commits FROM store").get() ?? {};
  const commits = integer(row, "commits");
  const known = text(row, "epoch");
  const boot = bootId();
  const same = known !== "" && isSame(readWitness(file), { epoch: known, commits, boot, durability, hadWal });
  const epoch = same ? known : clock.uuid();
  if (!same) db.prepare("UPDATE store SET epoch = ?").run(epoch);

  let written = 0;
  let cancel: (() => void) | undefined;
  const save = (commits: number, closed: boolean): void => {
    writeWitness(file, { epoch, commits, closed, boot });
    written = commits;
  };
  try {
    save(commits, false);
  } catch (cause) {
    throw new StoreRefusal(`${file} cannot be written.`, { cause });
  }

  /** No room: an older witness is still true, and the next commit tries again. */
  const saveIfPossible = (commits: number, closed: boolean): void => {
    try {
      save(commits, closed);
    } catch {
      written = -1;
    }
  };
  let newest = commits;
  const saveSoon = (): void => {
    cancel ??= clock.after(pause, () => {
      cancel = undefined;
      saveIfPossible(newest, false);
    });
  };
  return {
    epoch,
    commits,
    committed(commits) {
      newest = commits;
      if (commits !== written) saveSoon();
    },
    close(commits, complete) {
      cancel?.();
      saveIfPossible(commits, complete);
    },
  };
}

type Found = { epoch: string; commits: number; boot: string; durability: "process" | "disk"; hadWal: boolean };

function isSame(witness: Witness | undefined, found: Found): boolean {
  if (witness === undefined || witness.epoch !== found.epoch || witness.commits > found.commits) return false;
  // Between opening and closing there is always a WAL.
  if (!witness.closed && !found.hadWal) return false;
  // After a power cut, what was written without a sync may be gone, the witness of it as well.
  const cut = !witness.closed && (witness.boot !== found.boot || found.boot === "");
  return found.durability === "disk" || !cut;
}

/** Another one after every start of the machine. Only Linux tells. */
function bootId(): string {
  try {
    return readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
  } catch {
    return "";
  }
}

function readWitness(file: string): Witness | undefined {
  try {
    const witness: unknown = JSON.parse(readFileSync(file, "utf8"));
    if (!isWitness(witness)) return undefined;
    return statSync(file).ctimeMs - witness.at > tolerance ? undefined : witness;
  } catch {
    return undefined;
  }
}

function isWitness(value: unknown): value is Witness {
  if (typeof value !== "object" || value === null) return false;
  const types = { epoch: "string", commits: "number", closed: "boolean", boot: "string", at: "number" };
  return Object.entries(types).every(([key, type]) => typeof Reflect.get(value, key) === type);
}

function writeWitness(file: string, witness: Omit<Witness, "at">): void {
  const fresh = `${file}.new`;
  const descriptor = openSync(fresh, "w", 0o600);
  try {
    const at = fstatSync(descriptor).mtimeMs;
    writeSync(descriptor, JSON.stringify({ ...witness, at }));
  } finally {
    closeSync(descriptor);
  }
  renameSync(fresh, file);
}
