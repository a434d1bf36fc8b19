// Owns the list of planted bugs for the scenes: each one line of src/ that is made wrong, and the scene that has to notice it. Not every scene has one yet.
import type { Sabotage } from "../sim/sabotages.ts";

export type SceneSabotage = Sabotage & { readonly scene: string };

export const sceneSabotages: readonly SceneSabotage[] = [
  {
    scene: "cycles",
    name: "a command that is repeated is done again",
    file: "adapters/embedded/commit.ts",
    from: "if (before !== undefined) return before;",
    to: "if (before !== undefined && work.conversation === '') return before;",
  },
  {
    scene: "storm",
    name: "whoever comes back misses an event",
    file: "server/commands.ts",
    from: "from: known ? seq : undefined",
    to: "from: known ? Math.min(record.head, (seq ?? 0) + 1) : undefined",
  },
  {
    scene: "drains",
    name: "who is sent away is not told that the server comes back",
    file: "server/engine.ts",
    from: "socket.close(1012);",
    to: "socket.close(1001);",
  },
  {
    scene: "full-disk",
    name: "a store without room counts as broken",
    file: "adapters/embedded/failures.ts",
    from: "if (result === code.full || result === code.memory)",
    to: "if (result === code.memory)",
  },
  {
    scene: "half-open",
    name: "a peer that answers nothing is kept",
    file: "server/socket.ts",
    from: "if (this.#missed >= 2) {",
    to: "if (this.#missed >= 2e9) {",
  },
  {
    scene: "provider",
    name: "a failed call is repeated once too often",
    file: "domain/retry.ts",
    from: "export const maxCalls = 3;",
    to: "export const maxCalls = 4;",
  },
];
