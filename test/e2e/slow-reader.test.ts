import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { expectedText, startModelServer } from "../support/model-server.ts";
import { until } from "../server/talker.ts";
import { ServerProcess } from "./server-process.ts";
import { Stranger } from "./stranger.ts";

const conversations = 12;
const chars = 900_000;
const readers = 10;

/** Resident memory of a process in MiB. Source: proc(5). */
const memory = (pid: number | undefined): number =>
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? Number.NaN) / 1024;

/** Streams the replies to one who reads and to some who do not; resolves with the server's growth in MiB and the stalled ones. */
async function stream(
  server: ServerProcess,
  stalled: number,
): Promise<{ growth: number; stopped: Stranger[]; ids: string[] }> {
  const reader = await Stranger.connect(server.url);
  const ids = Array.from({ length: conversations }, () => crypto.randomUUID());
  for (const conversation of ids) await reader.ask({ type: "conversation.create", conversation });
  const stopped = await Promise.all(Array.from({ length: stalled }, () => Stranger.connect(server.url, reader)));
  for (const who of [reader, ...stopped]) for (const conversation of ids) await who.open(conversation);
  for (const who of stopped) who.pause();
  const before = memory(server.pid);
  let peak = before;
  for (const [i, conversation] of ids.entries()) {
    await reader.send(conversation, `{{seed=${i + 1} chars=${chars} piece=400 rate=300}}`);
  }
  await until(
    () => {
      peak = Math.max(peak, memory(server.pid));
      return [...reader.readers.values()].every((view) => view.finished.size === 1);
    },
    "all replies",
    60_000,
  );
  expect(reader.problems).toEqual([]);
  reader.cut();
  return { growth: peak - before, stopped, ids };
}

test("RD4 G8 B35 FR13 readers that stop reading while 11 MB stream cost at most 1 MiB each, and lose nothing", async () => {
  const model = await startModelServer();
  const server = new ServerProcess({ MODEL: "openai-compatible:test", OPENAI_BASE_URL: model.url, LOG_LEVEL: "warn" });
  await server.start();
  // The first round warms the process up and is what the second is held against.
  const alone = await stream(server, 0);
  const { growth, stopped, ids } = await stream(server, readers);
  // Kept in memory, the 10 readers' frames would be 110 MiB and more.
  expect(growth).toBeLessThan(Math.max(alone.growth, 0) + readers + 30);
  for (const who of stopped) who.resume();
  for (const who of stopped) {
    await until(() => [...who.readers.values()].every((view) => view.finished.size === 1), "the rest", 30_000);
    expect(who.problems).toEqual([]);
    for (const [i, id] of ids.entries()) {
      expect([...(who.readers.get(id)?.texts.values() ?? [])].join("") === expectedText(i + 1, chars)).toBe(true);
    }
    who.cut();
  }
  await server.dispose();
  await model.close();
}, 150_000);
