// Owns the life of files: kept when they are whole, read by who may, gone with what they belong to. It knows no HTTP.
import { createHash } from "node:crypto";
import { isRejection } from "../domain/records.ts";
import { reject, type Limits, type Rejection } from "../protocol/index.ts";
import { createInspector } from "./file-kinds.ts";
import { cleanName } from "./file-names.ts";
import { errorName } from "./journal.ts";
import { StoreFailure } from "./ports.ts";
import type { Clock, FileRows, FileWriter, Files, Journal, KeyedFile, Log } from "./ports.ts";
import type { UploadGrant, UploadQuota } from "./upload-quota.ts";

/** A file on its way in. `bytes`: how many are announced, 0 where nothing is; `key`: that of the sender's address. */
type Incoming = {
  readonly user: string;
  readonly key: string | undefined;
  readonly bytes: number;
};

/** An upload that may go on. */
type Receiving = {
  /** Takes the file, whole or not at all. What `content` throws (the sender is gone) counts as `invalid`. */
  take(given: string, content: AsyncIterable<Uint8Array>): Promise<KeyedFile | Rejection>;
  /** It came to nothing. */
  release(): void;
};

export type Shelf = {
  begin(incoming: Incoming): Receiving | Rejection;
  /** The file, if this person may see it; what is another's is as what never was (G9). */
  find(user: string, id: string): Promise<KeyedFile | Rejection>;
  /** Throws BrokenFile where the bytes are not what was kept. */
  read(file: KeyedFile, range?: { start: number; end: number }): AsyncIterable<Uint8Array>;
  /** Removes what no message has, and all that is dropped. `start`: what an earlier process has not finished never will be. */
  sweep(when?: "start"): Promise<void>;
  /** Removes what is dropped, soon: something was deleted. */
  sweepSoon(): void;
  /** Reads what was spent, sweeps, and goes on doing so. */
  start(): Promise<void>;
  stop(): Promise<void>;
};

export type ShelfOptions = {
  readonly rows: FileRows;
  readonly files: Files;
  readonly log: Pick<Log, "conversation">;
  readonly quota: UploadQuota;
  readonly clock: Clock;
  readonly journal: Journal;
  readonly limits: Limits;
  /** A model here does: where none does, pictures are refused. */
  readonly seesPictures: boolean;
};

/** How long (ms) a file may wait for its message; with the hourly sweep nothing is left after an hour (FI08). */
const looseMs = 30 * 60_000;
const sweepMs = 25 * 60_000;
/** Uploads under way at once in this process, and dropped files that are removed at once. */
const mostAtOnce = 128;
const batch = 100;
const notFound = (): Rejection => reject("not_found");

export function createShelf(options: ShelfOptions): Shelf {
  const { rows, files, log, quota, clock, journal, limits } = options;
  /** Being written by this process: none of the folder's left-overs. */
  const writing = new Set<string>();
  let underWay = 0;
  let sweeping: Promise<void> | undefined;
  let again = false;

  const receive = async (
    { user }: Incoming,
    grant: UploadGrant,
    name: string,
    content: AsyncIterable<Uint8Array>,
  ): Promise<KeyedFile | Rejection> => {
    const [id, key] = [hex(clock, 16), Buffer.from(clock.secret(32), "base64url")];
    const inspector = createInspector(limits, options.seesPictures);
    const hash = createHash("sha256");
    let writer: FileWriter | undefined;
    let bytes = 0;
    let kept = false;
    writing.add(id);
    try {
      writer = await files.create(id, key);
      for await (const part of content) {
        bytes += part.length;
        const refused = bytes > limits.fileBytes ? tooLarge(limits) : grant.reach(bytes);
        if (refused !== undefined) return refused;
        inspector.add(part);
        hash.update(part);
        await writer.write(part);
      }
      if (bytes === 0) return reject("invalid", { field: "file", detail: "The file is empty." });
      const mediaType = await inspector.finish(name);
      if (typeof mediaType !== "string") return mediaType;
      await writer.finish();
      const file = { id, user, createdAt: clock.now(), bytes, name, mediaType, sha256: hash.digest("hex"), key };
      await rows.add(file);
      kept = true;
      return file;
    } finally {
      if (!kept) {
        // Before the bytes go: where nothing of it is left, nothing of it counts.
        grant.release();
        await writer?.abort();
      }
      writing.delete(id);
    }
  };

  /** What lies in the folder without a row: unfinished, or its row was never written. */
  const sweepFolder = async (before: number): Promise<void> => {
    for (const { id, finished, changedAt } of await files.list()) {
      if (writing.has(id) || changedAt >= before) continue;
      if (!finished) await files.discard(id);
      else if ((await rows.find(id)) === undefined) await files.remove(id);
    }
  };
  const removeDropped = async (): Promise<void> => {
    for (;;) {
      const ids = await rows.dropped(batch);
      for (const id of ids) await files.remove(id);
      if (ids.length > 0) await rows.forget(ids);
      if (ids.length < batch) return;
    }
  };
  const guarded = (act: () => Promise<void>): Promise<void> =>
    act().catch((error: unknown) => journal.warn("file_sweep_failed", { error: errorName(error) }));
  const soon = (): void => {
    again = true;
    if (sweeping !== undefined) return;
    sweeping = (async () => {
      while (again) {
        again = false;
        await guarded(removeDropped);
      }
      sweeping = undefined;
    })();
  };

  const sweep = (when?: "start"): Promise<void> =>
    guarded(async () => {
      const before = clock.now() - looseMs;
      await rows.expire(before);
      await removeDropped();
      await sweepFolder(when === "start" ? Number.POSITIVE_INFINITY : before);
    });
  const keepSpending = (): Promise<void> => quota.flush().catch(() => journal.warn("spending_not_kept"));
  const every = (ms: number, act: () => void): (() => void) => {
    let cancel = (): void => undefined;
    const again = (): void => {
      cancel = clock.after(ms, again);
      act();
    };
    cancel = clock.after(ms, again);
    return () => cancel();
  };
  let timers: (() => void)[] = [];

  return {
    begin(incoming) {
      if (underWay >= mostAtOnce) return reject("overloaded", { retryAfterMs: 2000 });
      if (incoming.bytes > limits.fileBytes) return tooLarge(limits);
      const grant = quota.begin(incoming);
      if (isRejection(grant)) return grant;
      underWay++;
      let open = true;
      const release = (): void => {
        grant.release();
        if (open) underWay--;
        open = false;
      };
      return {
        async take(given, content) {
          try {
            const file = await receive(incoming, grant, cleanName(given), content);
            if (isRejection(file)) return file;
            grant.settle(file.bytes);
            // Before it is told: a crash right after gives nobody their day anew.
            await keepSpending();
            return file;
          } catch (error) {
            if (error instanceof StoreFailure && error.kind === "full")
              return reject("unavailable", { retryAfterMs: 5000 });
            throw error;
          } finally {
            release();
          }
        },
        release,
      };
    },
    async find(user, id) {
      const file = await rows.find(id);
      if (file === undefined) return notFound();
      if (file.conversation === undefined) return file.user === user ? file : notFound();
      const conversation = await log.conversation(file.conversation);
      return conversation?.user === user && !conversation.deleted ? file : notFound();
    },
    read: ({ id, key, bytes }, range = { start: 0, end: bytes }) => files.read(id, key, range),
    sweep,
    sweepSoon: soon,
    async start() {
      await quota.load();
      void sweep("start");
      timers = [
        every(sweepMs, () => {
          quota.forget();
          void sweep();
        }),
        every(1000, () => void keepSpending()),
      ];
    },
    async stop() {
      for (const cancel of timers) cancel();
      await keepSpending();
    },
  };
}

const tooLarge = ({ fileBytes }: Limits): Rejection =>
  reject("too_large", { field: "file", limit: fileBytes, detail: `A file may have ${fileBytes} bytes at most.` });

const hex = (clock: Clock, bytes: number): string => Buffer.from(clock.secret(bytes), "base64url").toString("hex");
