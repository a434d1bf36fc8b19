// Owns what the store asks of whoever keeps the master key. Types only.
import type { Seal } from "./cipher.ts";

/** A data key as it is stored: wrapped by the master key of that name. A name tells nothing about its key. */
export type WrappedKey = { readonly master: string; readonly bytes: Uint8Array };

/**
 * Wraps data keys; the master keys never leave it. `owner` says whose data key it is, and is bound to it. MUST have a new
 * master key safe on the disk before anything is wrapped by it.
 */
export interface Vault {
  /**
   * Once, before all else and while nobody else can open the store: gets the master keys. `check` is the store's own wrapped
   * key and `masters` all names that its keys are wrapped by; nothing of it in a new store. A sentence: why it must not be opened.
   */
  unlock(stored: { readonly check: WrappedKey | undefined; readonly masters: readonly string[] }): string | undefined;
  /** The name of the master key that wraps from now on. */
  readonly current: string;
  create(owner: string): WrappedKey;
  /** Throws BrokenSeal where the key is not what was wrapped. */
  unwrap(key: WrappedKey, owner: string): Seal;
  /** The same data key, wrapped by the current master key. */
  rewrap(key: WrappedKey, owner: string): WrappedKey;
  /** Makes a new master key the current one; the others go on opening. A sentence: why not. */
  renew(): string | undefined;
  /** Forgets all master keys but the current one. Only when nothing is wrapped by them any more, on the disk. */
  retire(): void;
}

/** Whose key the one of the store itself is: of what belongs to no conversation. */
export const storeOwner = "store";
