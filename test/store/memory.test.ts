// Owns what the memory store's faults do: what a simulation builds on.
import { describe, expect, it } from "vitest";
import { copyDisk, memoryDisk, openMemoryStore, type Faults } from "../../src/adapters/memory/store.ts";
import { systemClock } from "../../src/server/clock.ts";
import { StoreFailure, type Clock } from "../../src/server/ports.ts";
import { append, create, done, titled } from "../contract/rows.ts";

/** A clock whose timers go off when told. */
function handClock(): Clock & { fire(): void } {
  const timers: (() => void)[] = [];
  return {
    ...systemClock,
    after(_ms, fn) {
      timers.push(fn);
      return () => undefined;
    },
    fire: () => timers.splice(0).forEach((fn) => fn()),
  };
}

/** Whether a promise is settled once everything that can go on has gone on. */
async function settled(promise: Promise<unknown>): Promise<boolean> {
  let is = false;
  void promise.finally(() => (is = true));
  await new Promise<void>((resolve) => void setImmediate(resolve));
  return is;
}

const headOn = (disk: ReturnType<typeof memoryDisk>): number | undefined => disk.shelves.get("c-0")?.record.head;

describe("the memory store", () => {
  it("AD14 full: a commit fails with nothing written, reads go on, and it heals", async () => {
    const faults: Faults = { full: true };
    const disk = memoryDisk();
    const { log } = openMemoryStore(disk, { clock: systemClock, faults });
    await expect(log.commit([create("c-0")])).rejects.toMatchObject({ kind: "full" });
    await expect(log.commit([create("c-0")])).rejects.toBeInstanceOf(StoreFailure);
    expect(await log.conversation("c-0")).toBeUndefined();
    faults.full = false;
    await done(log, create("c-0"));
    faults.broken = true;
    await expect(log.conversation("c-0")).rejects.toMatchObject({ kind: "broken" });
  });

  it("AD14 a delayed commit is written at once and answered later; others see it meanwhile", async () => {
    const clock = handClock();
    const disk = memoryDisk();
    const { log } = openMemoryStore(disk, { clock, faults: { commitDelay: () => 10 } });
    const commit = log.commit([create("c-0")]);
    expect(await settled(commit)).toBe(false);
    expect((await log.conversation("c-0"))?.head).toBe(1);
    clock.fire();
    expect(await settled(commit)).toBe(true);
  });

  it("AD14 a crash before the writing leaves nothing; one after it leaves all, unanswered", async () => {
    for (const [point, head] of [
      ["before", undefined],
      ["after", 1],
    ] as const) {
      const disk = memoryDisk();
      const store = openMemoryStore(disk, {
        clock: systemClock,
        faults: { lag: (now) => void (now === point && store.crash()) },
      });
      expect(await settled(store.log.commit([create("c-0")]))).toBe(false);
      expect(headOn(disk)).toBe(head);
      expect(await settled(store.log.conversation("c-0"))).toBe(false);
      expect(await settled(store.log.commit([create("c-1")]))).toBe(false);
      expect(disk.shelves.has("c-1")).toBe(false);
      const next = openMemoryStore(disk, { clock: systemClock });
      expect((await next.log.conversation("c-0"))?.head).toBe(head);
    }
  });

  it("AD14 a backup is not touched by what comes after it, and restored under another epoch is another incarnation", async () => {
    const disk = memoryDisk("one");
    const { log } = openMemoryStore(disk, { clock: systemClock });
    await done(log, create("c-0"));
    const backup = copyDisk(disk, "two");
    await done(log, append("c-0", titled("later")));
    expect([headOn(disk), headOn(backup)]).toEqual([2, 1]);
    expect(openMemoryStore(backup, { clock: systemClock }).log.epoch).toBe("two");
  });

  it("AD14 what it gives out is frozen", async () => {
    const { log } = openMemoryStore(memoryDisk(), { clock: systemClock });
    await log.commit([create("c-0"), append("c-0", titled("a"))]);
    const { entries } = await log.entries("c-0", 0, 10);
    expect(entries.every((entry) => Object.isFrozen(entry) && Object.isFrozen(entry.event))).toBe(true);
    expect(Object.isFrozen(await log.conversation("c-0"))).toBe(true);
  });
});
