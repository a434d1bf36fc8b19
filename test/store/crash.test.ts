// Owns what a crash may do to the embedded store: real processes killed, real files torn.
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { openStore, type Store } from "../../src/adapters/embedded/store.ts";
import { systemClock } from "../../src/server/clock.ts";
import { append, create, done, readAll, start, titled } from "../contract/rows.ts";
import { startChild } from "../support/child.ts";
import { temporaryDirectory } from "../support/temporary.ts";
import { pieceOf } from "./pieces.ts";
import { survey } from "./survey.ts";
import { testVault } from "../support/vault.ts";

const open = (file: string): Store =>
  openStore({ file, vault: testVault(), durability: "process", clock: systemClock, tailRows: 40 });

/** Lives that are ended by kill -9. */
const lives = Number(process.env["LIVES"] ?? 20);

describe("the embedded store and crashes", () => {
  it("LG5 ST01 ST07 killed at random instants: every acknowledged commit is there once, seq has no hole, lengths are right", async () => {
    const file = join(temporaryDirectory(), "t.db");
    const acknowledged = new Set<number>();
    const epochs = new Set<string>();
    let next = 0;
    for (let life = 0; life < lives; life++) {
      const child = startChild(join(import.meta.dirname, "crash-child.ts"), [file, String(next)]);
      const wanted = 1 + Math.floor(Math.random() * 60);
      await child.printed(wanted);
      child.process.kill("SIGKILL");
      expect(await child.ended).toEqual({ code: null, signal: "SIGKILL" });
      for (const line of child.lines) acknowledged.add(Number(line));

      const store = open(file);
      epochs.add(store.log.epoch);
      const noted = await survey(store);
      expect(new Set(noted).size).toBe(noted.length);
      expect([...acknowledged].filter((n) => !noted.includes(n))).toEqual([]);
      next = Math.max(-1, ...noted) + 1;
      await store.close();
    }
    expect(acknowledged.size).toBeGreaterThan(lives);
    expect(epochs.size).toBe(1);
  });

  it("LG5 ST05 a WAL that is cut or scribbled anywhere: the longest committed prefix, and no torn text", async () => {
    const directory = temporaryDirectory();
    const file = join(directory, "t.db");
    const store = open(file);
    await store.log.commit([create("c-0"), start("c-0")]);
    /** What was committed by the time the WAL had a size. */
    const sizes: { bytes: number; head: number }[] = [];
    for (let n = 0; n < 30; n++) {
      await done(
        store.log,
        n % 3 === 0 ? append("c-0", titled(`note ${n} ${"x".repeat(n * 200)}`)) : pieceOf("c-0", `piece ${n}`),
      );
      sizes.push({ bytes: statSync(`${file}-wal`).size, head: n + 3 });
    }
    const end = sizes.at(-1)?.bytes ?? 0;
    const begin = sizes[0]?.bytes ?? 0;
    for (let i = 0; i <= 24; i++) {
      const offset = Math.floor(begin + ((end - begin) * i) / 24) - (i % 2);
      const copy = join(directory, `copy-${i}`);
      mkdirSync(copy);
      // By another process: closing a second descriptor of the file here would free the store's lock (POSIX).
      execFileSync("cp", [file, `${file}-wal`, join(directory, "incarnation.json"), copy]);
      const wal = join(copy, "t.db-wal");
      if (i % 3 === 0) truncateSync(wal, offset);
      else {
        const bytes = readFileSync(wal);
        bytes
          .subarray(offset, i % 3 === 1 ? offset + 1 : undefined)
          .forEach((byte, at, part) => (part[at] = byte ^ 0x5a));
        writeFileSync(wal, bytes);
      }
      const expected = Math.max(0, ...sizes.filter(({ bytes }) => bytes <= offset).map(({ head }) => head));
      const torn = open(join(copy, "t.db"));
      const { head, entries } = await readAll(torn.log, "c-0");
      expect(head).toBe(expected);
      expect(entries.map((entry) => entry.last)).toEqual(Array.from({ length: head }, (_, seq) => seq + 1));
      await done(torn.log, append("c-0", titled("goes on")));
      await torn.close();
    }
    await store.close();
  });
});
