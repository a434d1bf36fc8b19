// Owns the list of planted bugs for the scenes: each one line of src/ that is made wrong, and the scene that has to notice it. Every scene has one.
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
  {
    scene: "stalled",
    name: "whatever a reader does not read is kept for it",
    file: "server/outlet.ts",
    from: "if (this.#closed || this.#wire.buffered() >= liveBytes) return false;",
    to: "if (this.#closed) return false;",
  },
  {
    scene: "stops",
    name: "a turn that has ended takes more",
    file: "domain/turn.ts",
    from: 'turn.fence !== claim.fence || turn.status !== "running"',
    to: "turn.fence !== claim.fence",
  },
  {
    scene: "stops",
    name: "the model is not told of a stop",
    file: "server/model-call.ts",
    from: 'signal.addEventListener("abort", onAbort);',
    to: "",
  },
  {
    scene: "clock",
    name: "leases are looked at before they are renewed",
    file: "server/turns.ts",
    from: "const renewed = active.size === 0 ? Promise.resolve() : log.renew(owner, clock.now() + leaseMs);",
    to: "const renewed = Promise.resolve();",
  },
  {
    scene: "malformed",
    name: "what is no JSON is thrown",
    file: "protocol/codec.ts",
    from: "  } catch {\n    return undefined;\n  }",
    to: "  } catch (error) {\n    throw error;\n  }",
  },
];
