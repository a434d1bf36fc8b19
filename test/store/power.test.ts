// Proves what a power cut may do to the embedded store: a real process' writes and syncs are recorded, and what a cut would leave is opened.
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openStore } from "../../src/adapters/embedded/store.ts";
import { systemClock } from "../../src/server/clock.ts";
import { createChance } from "../sim/chance.ts";
import { startChild } from "../support/child.ts";
import { temporaryDirectory } from "../support/temporary.ts";
import { testVault } from "../support/vault.ts";
import { findCompiler } from "./compiler.ts";
import { Disk, readRecord, type Asked } from "./disk-record.ts";
import { survey } from "./survey.ts";

/** Cuts of one record. */
const cuts = Number(process.env["CUTS"] ?? 60);
const seed = Number(process.env["SEED"] ?? Math.floor(Math.random() * 1_000_000));
type Durability = "process" | "disk";

let library = join(tmpdir(), "none", "recorder.so");
beforeAll(() => {
  const compiler = findCompiler();
  if (compiler === undefined) throw new Error('There is no C compiler. Run "npm run setup:test".');
  library = join(mkdtempSync(join(tmpdir(), "throughline-recorder-")), "recorder.so");
  execFileSync(compiler, ["-shared", "-fPIC", "-O1", "-o", library, join(import.meta.dirname, "recorder.c"), "-ldl"]);
});

afterAll(() => rmSync(join(library, ".."), { recursive: true, force: true }));

/** Lets a process commit and acknowledge, and gives what it has asked of its disk meanwhile. */
async function record(durability: Durability): Promise<{ folder: string; asked: Asked[] }> {
  const directory = temporaryDirectory();
  const [folder, file] = [join(directory, "data"), join(directory, "record")];
  mkdirSync(folder);
  const settings = [`LD_PRELOAD=${library}`, `RECORD_DIR=${folder}`, `RECORD_FILE=${file}`];
  const child = startChild(
    join(import.meta.dirname, "crash-child.ts"),
    [join(folder, "t.db"), "0", durability],
    ["env", ...settings],
  );
  await child.printed(400);
  child.process.kill("SIGKILL");
  await child.ended;
  return { folder, asked: readRecord(file) };
}

/** What a store that was cut off has lost of what was acknowledged, and whether it knows of that. */
type Found = { readonly acked: number; readonly lost: number; readonly sameEpoch: boolean };

/** Cuts the power at random moments, each time with another part of what was not synced. */
async function cutPower(durability: Durability): Promise<Found[]> {
  const { folder, asked } = await record(durability);
  const chance = createChance(seed);
  const disk = new Disk(folder);
  const created = asked.findIndex(({ kind }) => kind === "said");
  const moments = new Set(Array.from({ length: cuts }, () => chance.whole(created + 1, asked.length - 1)));
  const acked: number[] = [];
  const found: Found[] = [];
  for (const [n, one] of asked.entries()) {
    if (one.kind === "said") acked.push(Number(one.bytes.toString()));
    disk.do(one);
    if (!moments.has(n)) continue;
    const left = join(folder, "..", `cut-${n}`);
    disk.leave(left, () => chance.next());
    const before = anotherBoot(left);
    const store = openStore({
      file: join(left, "t.db"),
      vault: testVault(),
      durability,
      clock: systemClock,
      tailRows: 40,
    });
    const noted = new Set(await survey(store));
    // What is there is a beginning: no commit without those before it.
    expect([...noted].sort((a, b) => a - b)).toEqual(Array.from({ length: noted.size }, (_, i) => i));
    const lost = acked.filter((number) => !noted.has(number)).length;
    found.push({ acked: acked.length, lost, sameEpoch: store.log.epoch === before });
    await store.close();
    rmSync(left, { recursive: true });
  }
  return found;
}

/** After a power cut the machine has started anew. Gives the epoch that was known before, where the cut left it. */
function anotherBoot(folder: string): string | undefined {
  const file = join(folder, "incarnation.json");
  const text = existsSync(file) ? readFileSync(file, "utf8") : "";
  const [, epoch] = /"epoch":"([^"]+)"/.exec(text) ?? [];
  if (epoch !== undefined) writeFileSync(file, text.replace(/"boot":"[^"]*"/, `"boot":"the next"`));
  return epoch;
}

describe("the embedded store and power cuts", () => {
  it(`LG5 RO3 ST06 DURABILITY=disk: nothing acknowledged is ever lost (SEED=${seed})`, async () => {
    const found = await cutPower("disk");
    expect(found.filter(({ lost }) => lost > 0)).toEqual([]);
    expect(Math.max(...found.map(({ acked }) => acked))).toBeGreaterThan(100);
  });

  it(`LG7 RO3 ST06 DURABILITY=process: the last commits may be lost, never a piece of one, and readers are told (SEED=${seed})`, async () => {
    const found = await cutPower("process");
    // It is lossy, as it is documented: and so the cuts do cut.
    expect(found.filter(({ lost }) => lost > 0).length).toBeGreaterThan(0);
    expect(found.filter(({ sameEpoch }) => sameEpoch)).toEqual([]);
  });
});
