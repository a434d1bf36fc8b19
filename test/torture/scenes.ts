// Owns the list of scenes, in the order in which they are played. Plays none.
import { clock } from "./clock.ts";
import { cycles } from "./cycles.ts";
import { drains } from "./drains.ts";
import { fullDisk } from "./full-disk.ts";
import { halfOpen } from "./half-open.ts";
import { malformed } from "./malformed.ts";
import { provider } from "./provider.ts";
import type { Scene } from "./scene.ts";
import { stalled } from "./stalled.ts";
import { stops } from "./stops.ts";
import { storm } from "./storm.ts";

const all = [cycles, storm, stalled, stops, drains, fullDisk, halfOpen, clock, provider, malformed];
export const scenes: ReadonlyMap<string, Scene> = new Map(all.map((scene) => [scene.name, scene]));
