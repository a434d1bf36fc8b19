// Owns the change of the master key while the server runs: all data keys under the new one, a few at a time. Reads no text.
import { reject, type Rejection } from "../../protocol/index.ts";
import type { Clock } from "../../server/ports.ts";
import type { Database } from "./database.ts";
import type { Keys } from "./keys.ts";
import type { Vault } from "./vault.ts";

/** Keys that one transaction puts under the new master key: about 3 ms. */
const rewrappedAtOnce = 100;

/** How many data keys were wrapped anew, when the old master key is forgotten; or why there is no new one. */
export type Rotated = { readonly rewrapped: number } | Rejection;

export type Rotation = {
  /** Makes a new master key and puts everything under it. Two that ask at once have one rotation. */
  rotate(): Promise<Rotated>;
  /** Goes on with what an earlier process, or a changed setting, left to do. 0: nothing. */
  resume(): Promise<number>;
  readonly close: () => void;
};

export function createRotation(db: Database, keys: Keys, vault: Vault, clock: Clock): Rotation {
  let running: Promise<number> | undefined;
  let rotating: Promise<Rotated> | undefined;
  const stop = new AbortController();

  const rewrapAll = async (): Promise<number> => {
    let count = 0;
    while (!stop.signal.aborted) {
      const some = db.write(() => keys.rewrap(rewrappedAtOnce));
      if (some === 0) break;
      count += some;
      await new Promise<void>((resolve) => clock.soon(resolve));
    }
    // Only when no power cut can bring back a key under the old one is that forgotten. Else the next start goes on.
    if (!stop.signal.aborted && db.checkpoint()) vault.retire();
    return count;
  };
  const resume = (): Promise<number> => {
    running ??= rewrapAll().finally(() => (running = undefined));
    return running;
  };

  const renewAndRewrap = async (): Promise<Rotated> => {
    // What an earlier rotation has left comes first: of more than two master keys nobody keeps track.
    if (running !== undefined) await running;
    const refused = vault.renew();
    if (refused !== undefined) return reject("conflict", { detail: refused });
    const rewrapped = await resume();
    return stop.signal.aborted ? reject("unavailable") : { rewrapped };
  };

  return {
    rotate() {
      rotating ??= renewAndRewrap().finally(() => (rotating = undefined));
      return rotating;
    },
    resume,
    close: () => stop.abort(),
  };
}
