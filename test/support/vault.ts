// Owns the vault that tests open stores with. Must not be used outside of tests: its key is known.
import { MasterVault } from "../../src/adapters/embedded/master-vault.ts";

/** A master key of 32 equal bytes. */
export const testKey = (byte: number): Uint8Array => new Uint8Array(32).fill(byte);

/** A vault with given keys: no file is made. */
export const testVault = (...keys: readonly Uint8Array[]): MasterVault =>
  new MasterVault({ keys: keys.length === 0 ? [testKey(7)] : keys, file: "/nonexistent/master.key" });
