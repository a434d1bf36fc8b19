// Owns what encryption asks of a file while it is opened: the right key, sealing what an older version left in clear, sweeping it.
import type { DatabaseSync } from "node:sqlite";
import type { Seal } from "./cipher.ts";
import { storeCid, wrappedOf } from "./keys.ts";
import { StoreRefusal } from "./refusal.ts";
import { bytes, text } from "./rows.ts";
import type { Vault } from "./vault.ts";

/** The first version of the schema that has keys. */
const firstSealed = 2;

/** Gets the vault ready for this store, or refuses in its sentence. Writes nothing. */
export function unlock(db: DatabaseSync, version: number, vault: Vault): void {
  const masters =
    version < firstSealed
      ? []
      : db
          .prepare("SELECT DISTINCT master FROM keys")
          .all()
          .map((row) => text(row, "master"));
  const check = version < firstSealed ? undefined : db.prepare("SELECT * FROM keys WHERE cid = ?").get(storeCid);
  const sentence = vault.unlock({ check: check && wrappedOf(check), masters });
  if (sentence !== undefined) throw new StoreRefusal(sentence);
}

/** The SQL functions that a migration seals with. `seal(master, wrapped, owner, context, body)`: see keys.ts and codec.ts. */
export function sealing(db: DatabaseSync, vault: Vault): void {
  // Rows come in the order of their conversations.
  let last: { readonly owner: string; readonly seal: Seal } | undefined;
  const sealOf = (master: string, wrapped: Uint8Array, owner: string): Seal => {
    if (last?.owner !== owner) last = { owner, seal: vault.unwrap({ master, bytes: wrapped }, owner) };
    return last.seal;
  };
  db.function("master_name", () => vault.current);
  db.function("fresh_key", (owner) => vault.create(String(owner)).bytes);
  db.function("seal", (master, wrapped, owner, context, body) => {
    const plain = body instanceof Uint8Array ? Buffer.from(body).toString("utf8") : String(body);
    const seal = sealOf(String(master), bytes({ wrapped }, "wrapped"), String(owner));
    return seal.seal(plain, String(context));
  });
}

/** After a migration that sealed: nothing of what was in clear stays in free pages or in the WAL, also after a crash. */
export function sweep(db: DatabaseSync): void {
  if (db.prepare("SELECT swept FROM store").get()?.["swept"] === 1) return;
  db.exec("VACUUM");
  const { busy } = db.prepare("PRAGMA wal_checkpoint(TRUNCATE)").get() ?? {};
  if (busy !== 0) throw new StoreRefusal("The database could not be cleaned of what was stored without encryption.");
  db.exec("UPDATE store SET swept = 1");
}
