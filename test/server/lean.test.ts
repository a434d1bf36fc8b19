import { IncomingMessage } from "node:http";
import { queryObjects } from "node:v8";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Raw } from "../hostile/raw.ts";
import { Stage } from "./talker.ts";

let stage: Stage;
beforeEach(() => void (stage = new Stage()));
afterEach(() => stage.end());

test("SO13 an open socket holds nothing of the request that it began as", async () => {
  const { address } = await stage.serve();
  // Bare sockets: a client on `node:http` would hold a message of its own in this process.
  const open = (count: number): Promise<Raw[]> =>
    Promise.all(Array.from({ length: count }, () => Raw.connect(`http://${address}`)));
  const first = await open(5);
  const before = queryObjects(IncomingMessage, { format: "count" });
  const more = await open(40);
  expect(queryObjects(IncomingMessage, { format: "count" }) - before).toBeLessThan(10);
  expect([...first, ...more].every((raw) => raw.endedAt === undefined)).toBe(true);
  for (const raw of [...first, ...more]) raw.cut();
});
