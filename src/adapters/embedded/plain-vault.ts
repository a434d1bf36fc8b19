// Owns the vault that hides nothing: text as UTF-8 bytes. Only for tests that look into the file; no server is given it.
import { Seal } from "./cipher.ts";
import type { Vault, WrappedKey } from "./vault.ts";

const seal = new Seal(undefined);
const nothing: WrappedKey = { master: "plain", bytes: new Uint8Array() };

export const plainVault: Vault = {
  unlock: ({ masters }) =>
    masters.some((name) => name !== nothing.master)
      ? "This store is encrypted, and was opened without a key."
      : undefined,
  current: nothing.master,
  create: () => nothing,
  unwrap: () => seal,
  rewrap: () => nothing,
  renew: () => "There is no key.",
  retire: () => undefined,
};
