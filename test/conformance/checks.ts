// Owns the list of all checks. They are written from the wire's page and from outside: none imports anything of the product.
import { commandChecks } from "./checks/commands.ts";
import { deviceChecks } from "./checks/devices.ts";
import { helloChecks } from "./checks/hello.ts";
import { httpChecks } from "./checks/http.ts";
import { listChecks } from "./checks/lists.ts";
import { logChecks } from "./checks/log.ts";
import { turnChecks } from "./checks/turns.ts";
import type { Check } from "./visit.ts";

export const checks: readonly Check[] = [
  ...helloChecks,
  ...commandChecks,
  ...logChecks,
  ...turnChecks,
  ...listChecks,
  ...deviceChecks,
  ...httpChecks,
];

/** What cannot be seen from outside without killing processes; the torture rig does that. */
export const unchecked = ["G3", "G6", "G7"] as const;
