// Owns what stands in for ports that nobody gave: nothing is counted, nothing outlives the process.
import type { Blocks, Meter, Spending } from "./ports.ts";

export const uncounted: Meter = { note: () => undefined };

export const forgetful: { blocks: Blocks; spending: Spending } = {
  blocks: { all: () => Promise.resolve([]), put: () => Promise.resolve(), remove: () => Promise.resolve() },
  spending: { all: () => Promise.resolve([]), put: () => Promise.resolve() },
};
