// Owns the master keys while they are in use: wraps and unwraps data keys. Must not write to the store.
import { createHmac, createSecretKey, randomBytes, type KeyObject } from "node:crypto";
import { BrokenSeal, openBytes, Seal, sealBytes } from "./cipher.ts";
import {
  dropUnfinished,
  KeyFileProblem,
  makeKeyFile,
  readKeyFile,
  removeKeyFile,
  replaceKeyFile,
} from "./master-keys.ts";
import { storeOwner, type Vault, type WrappedKey } from "./vault.ts";

type Master = { readonly name: string; readonly bytes: Uint8Array; readonly key: KeyObject };

const masterOf = (bytes: Uint8Array): Master => ({
  // A name that is made from the key, and from which nobody gets back to it.
  name: createHmac("sha256", bytes).update("throughline master key").digest("hex").slice(0, 16),
  bytes,
  key: createSecretKey(bytes),
});

const wrapContext = (owner: string): string => `key:${owner}`;
const keyLength = 32;

export type MasterKeyOptions = {
  /** From the settings: the first one wraps, the others only open. None: the file's, which is made where it is missing. */
  readonly keys: readonly Uint8Array[];
  readonly file: string;
};

export class MasterVault implements Vault {
  readonly #options: MasterKeyOptions;
  #masters: readonly Master[] = [];

  constructor(options: MasterKeyOptions) {
    this.#options = options;
  }

  unlock({ check, masters }: Parameters<Vault["unlock"]>[0]): string | undefined {
    try {
      this.#masters = this.#findKeys(masters);
    } catch (error) {
      if (error instanceof KeyFileProblem) return error.message;
      throw error;
    }
    if (this.#masters.length === 0) return this.#sentence(masters, "is not there");
    const unknown = masters.filter((name) => this.#find(name) === undefined);
    if (unknown.length === masters.length && unknown.length > 0) return this.#sentence(masters, "is another one");
    if (unknown.length > 0) {
      return `Some of what is stored is still under an older master key (${unknown.join(", ")}), because its rotation has not come to an end. ${this.#how} both, the new one first, until it has.`;
    }
    if (check !== undefined && !this.#opens(check)) return "The store's key is damaged. Restore it from a backup.";
    dropUnfinished(this.#options.file);
    return undefined;
  }

  get current(): string {
    return this.#first.name;
  }

  create(owner: string): WrappedKey {
    return this.#wrap(randomBytes(keyLength), owner);
  }

  unwrap(key: WrappedKey, owner: string): Seal {
    return new Seal(createSecretKey(this.#unwrap(key, owner)));
  }

  rewrap(key: WrappedKey, owner: string): WrappedKey {
    return this.#wrap(this.#unwrap(key, owner), owner);
  }

  renew(): string | undefined {
    if (this.#options.keys.length > 0) {
      return "The master key comes from MASTER_KEY. Restart with MASTER_KEY=NEW,OLD: everything is put under the new one while the server runs.";
    }
    const next = [masterOf(randomBytes(keyLength)), ...this.#masters];
    try {
      replaceKeyFile(
        this.#options.file,
        next.map((master) => master.bytes),
      );
    } catch (error) {
      if (error instanceof KeyFileProblem) return error.message;
      throw error;
    }
    this.#masters = next;
    return undefined;
  }

  retire(): void {
    const { keys, file } = this.#options;
    // What MASTER_KEY has replaced is not left lying beside the data.
    if (keys.length > 0) removeKeyFile(file);
    else if (this.#masters.length > 1) replaceKeyFile(file, [this.#first.bytes]);
    this.#masters = [this.#first];
  }

  get #first(): Master {
    const [first] = this.#masters;
    if (first === undefined) throw new Error("the vault is locked");
    return first;
  }

  #find(name: string): Master | undefined {
    return this.#masters.find((master) => master.name === name);
  }

  #findKeys(masters: readonly string[]): readonly Master[] {
    const { keys, file } = this.#options;
    const odd = keys.find((key) => key.byteLength !== keyLength);
    if (odd !== undefined)
      throw new KeyFileProblem(`A master key must have ${keyLength} bytes, not ${odd.byteLength}.`);
    const given = keys.map(masterOf);
    const isComplete = masters.every((name) => given.some((master) => master.name === name));
    if (given.length > 0 && isComplete) return given;
    if (given.length === 0 && masters.length === 0 && readKeyFile(file) === undefined) {
      makeKeyFile(file, randomBytes(keyLength));
    }
    return [...given, ...(readKeyFile(file)?.map(masterOf) ?? [])];
  }

  #opens(key: WrappedKey): boolean {
    try {
      this.#unwrap(key, storeOwner);
      return true;
    } catch (error) {
      if (error instanceof BrokenSeal) return false;
      throw error;
    }
  }

  #unwrap({ master, bytes }: WrappedKey, owner: string): Uint8Array {
    const found = this.#find(master);
    if (found === undefined) throw new BrokenSeal(wrapContext(owner));
    return openBytes(found.key, bytes, wrapContext(owner));
  }

  #wrap(data: Uint8Array, owner: string): WrappedKey {
    return { master: this.#first.name, bytes: sealBytes(this.#first.key, data, wrapContext(owner)) };
  }

  get #how(): string {
    const { keys, file } = this.#options;
    return keys.length > 0 ? "Set MASTER_KEY to" : `Put into ${file}`;
  }

  #sentence(masters: readonly string[], what: string): string {
    const { keys, file } = this.#options;
    const source = keys.length > 0 ? "MASTER_KEY" : file;
    return `The data is encrypted under the master key ${masters.join(", ")}, and the one in ${source} ${what}${
      this.#masters.length === 0 ? "" : ` (${this.#masters.map((master) => master.name).join(", ")})`
    }. Without it nothing can be read: put the right one back, into MASTER_KEY or ${file}.`;
  }
}
