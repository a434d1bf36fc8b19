// Owns the telling of a process's heap, for the bench alone: `node --import ./bench/heap.ts PROGRAM` answers SIGUSR2 with one line.
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

setFlagsFromString("--expose-gc");
const collect: unknown = runInNewContext("gc");
process.on("SIGUSR2", () => {
  if (typeof collect !== "function") throw new Error("there is no collector to be asked");
  // Twice: what the first one finalizes is gone after the second.
  collect();
  collect();
  console.log(`heap used ${process.memoryUsage().heapUsed}`);
});
