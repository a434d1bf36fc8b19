// Owns the vault that hides nothing: text as UTF-8 bytes. For tests and for stores that are encrypted below.
import type { Vault } from "../../server/ports.ts";

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Callers give it JSON, which has no lone surrogates, so that UTF-8 is exact. */
export const plainVault: Vault = {
  seal: (text) => Buffer.from(text, "utf8"),
  open: (bytes) => decoder.decode(bytes),
};
