// Owns the proof that what a file takes of its sender's day is kept before the sender is told of it.
import { expect, test } from "vitest";
import { memoryDisk } from "../../src/adapters/memory/disk.ts";
import { memoryFiles } from "../../src/adapters/memory/files.ts";
import { openMemoryStore } from "../../src/adapters/memory/store.ts";
import { isRejection } from "../../src/domain/records.ts";
import { systemClock as clock } from "../../src/server/clock.ts";
import { defaultEngineSettings } from "../../src/server/engine.ts";
import { defaultPolicy } from "../../src/server/policy.ts";
import type { Spending } from "../../src/server/ports.ts";
import { createShelf } from "../../src/server/shelf.ts";
import { createUploadQuota } from "../../src/server/upload-quota.ts";

async function* words(): AsyncGenerator<Uint8Array> {
  yield Buffer.from("twelve bytes");
}

test("FL7 FI08 the bytes of the day are kept when the answer is there: a crash right after gives nobody their day anew", async () => {
  const nothing = (): undefined => undefined;
  const store = openMemoryStore(memoryDisk(), { clock });
  const kept: Parameters<Spending["put"]>[0][number][] = [];
  const spending: Spending = {
    all: () => Promise.resolve(kept),
    put: (spent) => Promise.resolve(void kept.push(...spent)),
  };
  const shelf = createShelf({
    rows: store.fileRows,
    files: memoryFiles(() => clock.now()),
    log: store.log,
    quota: createUploadQuota({ policy: defaultPolicy, clock, spending }),
    clock,
    journal: { info: nothing, warn: nothing, error: nothing },
    limits: defaultEngineSettings.limits,
    seesPictures: true,
  });
  const upload = shelf.begin({ user: "person", key: undefined, bytes: 12 });
  if (isRejection(upload)) throw new Error(upload.code);
  expect(await upload.take("a.txt", words())).toMatchObject({ bytes: 12 });
  expect(kept.map(({ key, tokens }) => [key, tokens])).toEqual([["upload:person", 12]]);
});
