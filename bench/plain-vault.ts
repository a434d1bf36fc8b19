// Owns a server without encryption, for the bench alone: `node --import ./bench/plain-vault.ts src/main.ts` puts a vault that hides
// nothing in the place of the real one. No product code knows of it.
import { registerHooks } from "node:module";
import { plainVault } from "../src/adapters/embedded/plain-vault.ts";
import type { Vault } from "../src/adapters/embedded/vault.ts";

/** Called with `new`, where the real one would be. */
export function MasterVault(): Vault {
  return plainVault;
}

registerHooks({
  resolve: (specifier, context, next) =>
    specifier.endsWith("/master-vault.ts") ? { url: import.meta.url, shortCircuit: true } : next(specifier, context),
});
