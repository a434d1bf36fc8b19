// Owns the list of all planted faults.
import { logFaults } from "./faults/log.ts";
import { talkFaults } from "./faults/talk.ts";
import type { Planted } from "./faults/plant.ts";

export const faults: readonly Planted[] = [...talkFaults, ...logFaults];
