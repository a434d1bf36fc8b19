// Owns when the embedded store's epoch changes, and when it must not.
import { copyFileSync, cpSync, existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { openStore, type Store } from "../../src/adapters/embedded/store.ts";
import { systemClock } from "../../src/server/clock.ts";
import { append, create, done, titled } from "../contract/rows.ts";
import { startChild } from "../support/child.ts";
import { temporaryDirectory } from "../support/temporary.ts";
import { testVault } from "../support/vault.ts";

const open = (directory: string, durability: "process" | "disk" = "process"): Store =>
  openStore({ file: join(directory, "t.db"), vault: testVault(), durability, clock: systemClock });

/** One life of the store: its epoch, after some commits. */
async function live(directory: string, commits: number, durability?: "process" | "disk"): Promise<string> {
  const store = open(directory, durability);
  for (let n = 0; n < commits; n++)
    await done(
      store.log,
      (await store.log.conversation("c-0")) === undefined ? create("c-0") : append("c-0", titled("x")),
    );
  await store.close();
  return store.log.epoch;
}

const witnessOf = (directory: string): string => join(directory, "incarnation.json");

function changeWitness(directory: string, changes: object): void {
  const witness: unknown = JSON.parse(readFileSync(witnessOf(directory), "utf8"));
  writeFileSync(witnessOf(directory), JSON.stringify(Object.assign({}, witness, changes)));
}

/** As a power cut leaves it: a WAL, and a witness of another start of the machine. */
function cutPower(directory: string): void {
  writeFileSync(join(directory, "t.db-wal"), "");
  changeWitness(directory, { closed: false, boot: "another" });
}

describe("the embedded store's incarnation", () => {
  it("LG7 a restart keeps the epoch; two stores have different ones", async () => {
    const [one, two] = [temporaryDirectory(), temporaryDirectory()];
    const epoch = await live(one, 3);
    expect(epoch).toMatch(/^[0-9a-f-]{36}$/);
    expect([await live(one, 0), await live(one, 3), await live(one, 0)]).toEqual([epoch, epoch, epoch]);
    expect(await live(two, 1)).not.toBe(epoch);
  });

  it("LG7 OP10 a restored backup of the file is another incarnation, and stays that one", async () => {
    const directory = temporaryDirectory();
    const epoch = await live(directory, 3);
    copyFileSync(join(directory, "t.db"), join(directory, "backup"));
    expect(await live(directory, 3)).toBe(epoch);
    copyFileSync(join(directory, "backup"), join(directory, "t.db"));
    const next = await live(directory, 0);
    expect(next).not.toBe(epoch);
    expect([await live(directory, 10), await live(directory, 0)]).toEqual([next, next]);
    // The same backup once more: the file says the first epoch, the witness the second.
    copyFileSync(join(directory, "backup"), join(directory, "t.db"));
    expect([epoch, next]).not.toContain(await live(directory, 0));
  });

  it("LG7 OP10 a restored directory is another incarnation: the witness is older than its file", async () => {
    const directory = temporaryDirectory();
    const epoch = await live(directory, 3);
    const backup = temporaryDirectory();
    cpSync(directory, backup, { recursive: true });
    expect(await live(directory, 3)).toBe(epoch);
    for (const name of ["t.db", "incarnation.json"]) copyFileSync(join(backup, name), join(directory, name));
    // As if the backup had been made a minute ago.
    changeWitness(directory, { at: Date.now() - 60_000 });
    expect(await live(directory, 0)).not.toBe(epoch);
  });

  it("LG7 ST11 a lost WAL, and a lost, torn or foreign witness, are another incarnation", async () => {
    const directory = temporaryDirectory();
    let epoch = await live(directory, 3);
    const spoil = [
      () => rmSync(witnessOf(directory)),
      () => writeFileSync(witnessOf(directory), '{"epo'),
      () => changeWitness(directory, { epoch: "other" }),
      () => changeWitness(directory, { commits: "7" }),
    ];
    for (const act of spoil) {
      act();
      const next = await live(directory, 1);
      expect(next).not.toBe(epoch);
      epoch = next;
    }
    // Killed with commits in the WAL; then the WAL is lost.
    const child = startChild(join(import.meta.dirname, "crash-child.ts"), [join(directory, "t.db"), "0"]);
    await child.printed(5);
    child.process.kill("SIGKILL");
    await child.ended;
    expect(existsSync(join(directory, "t.db-wal"))).toBe(true);
    rmSync(join(directory, "t.db-wal"));
    expect(await live(directory, 0)).not.toBe(epoch);
  });

  it("LG7 after an unclean end and a new start of the machine, only durability `disk` keeps the epoch", async () => {
    const directory = temporaryDirectory();
    const epoch = await live(directory, 3, "disk");
    cutPower(directory);
    expect(await live(directory, 1, "disk")).toBe(epoch);
    changeWitness(directory, { boot: "another" });
    expect(await live(directory, 1, "process")).toBe(epoch);
    cutPower(directory);
    expect(await live(directory, 1, "process")).not.toBe(epoch);
  });

  it("LG7 an empty store that is started again is still the same one", async () => {
    const directory = temporaryDirectory();
    const epoch = await live(directory, 0);
    expect(await live(directory, 0)).toBe(epoch);
  });
});
