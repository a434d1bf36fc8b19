// Owns the figures of an append: statements and microseconds per piece. A script: `node test/store/append-cost.ts [commits]`.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { StatementSync } from "node:sqlite";
import { plainVault } from "../../src/adapters/embedded/plain-vault.ts";
import { openStore } from "../../src/adapters/embedded/store.ts";
import { systemClock } from "../../src/server/clock.ts";
import type { Vault } from "../../src/adapters/embedded/vault.ts";
import { testVault } from "../support/vault.ts";
import { append, create, start, titled } from "../contract/rows.ts";
import { pieceOf } from "./pieces.ts";

const commits = Number(process.argv[2] ?? 1_000);
/** How often each kind of call of a statement is made from now on. */
function countStatements(): () => number {
  let count = 0;
  for (const name of ["run", "get", "all"] as const) {
    const original = StatementSync.prototype[name];
    Object.defineProperty(StatementSync.prototype, name, {
      value(this: StatementSync, ...values: Parameters<typeof original>) {
        count++;
        return Reflect.apply(original, this, values);
      },
      configurable: true,
      writable: true,
    });
  }
  return () => count;
}

async function measure(name: string, vault: Vault, durability: "process" | "disk"): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), "throughline-"));
  const store = openStore({ file: join(directory, "t.db"), vault, durability, clock: systemClock });
  // A hundred that run among five thousand that do not.
  const all = Array.from({ length: 5_000 }, () => systemClock.uuid());
  for (let n = 0; n < all.length; n += 500) {
    await store.log.commit(
      all
        .slice(n, n + 500)
        .flatMap((id) => [create(id), append(id, ...Array.from({ length: 10 }, () => titled("x".repeat(200))))]),
    );
  }
  const running = all.filter((_, n) => n % 50 === 0);
  await store.log.commit(running.map((id) => start(id, { id: systemClock.uuid(), message: systemClock.uuid() })));
  const times: number[] = [];
  const cpu = process.cpuUsage();
  for (let n = 0; n < commits; n++) {
    const works = running.map((id) => pieceOf(id, "abc "));
    const began = performance.now();
    await store.log.commit(works);
    times.push(((performance.now() - began) * 1_000) / running.length);
  }
  const { user, system } = process.cpuUsage(cpu);
  const at = (q: number): string => (times.toSorted((a, b) => a - b)[Math.floor(times.length * q)] ?? 0).toFixed(1);
  const mean = times.reduce((sum, time) => sum + time, 0) / times.length;
  const each = (user + system) / commits / running.length;
  console.log(
    `${name}: mean ${mean.toFixed(1)} p50 ${at(0.5)} p95 ${at(0.95)} p99 ${at(0.99)} us per piece; CPU ${each.toFixed(1)} us`,
  );
  if (name === "plain") {
    const count = countStatements();
    await store.log.commit(running.map((id) => pieceOf(id, "abc ")));
    console.log(`statements in a commit of ${running.length} pieces: ${count()}`);
  }
  await store.close();
  rmSync(directory, { recursive: true });
}

await measure("aes-256-gcm", testVault(), "process");
await measure("aes-256-gcm, disk", testVault(), "disk");
await measure("plain", plainVault, "process");
