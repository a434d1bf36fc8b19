// Owns how a world is: its numbers, drawn once from the seed.
import type { Chance } from "./chance.ts";
import type { Weather } from "./node.ts";

export type Nature = ReturnType<typeof drawNature>;

export function drawNature(chance: Chance) {
  /** Many short turns, so that a conversation outgrows a page. */
  const busy = chance.maybe(0.06);
  /** A process that dies again and again while the model says nothing. */
  const looping = !busy && chance.maybe(0.05);
  /** People come and go, and sign out, while the store is slow. */
  const restless = !busy && !looping && chance.maybe(0.12);
  /** The wall clock jumps all the time, and the store is slow. */
  const drifting = !busy && !looping && !restless && chance.maybe(0.05);
  const nodes = chance.maybe(0.25) ? 2 : 1;
  const often = (probability: number, value: number): number => (chance.maybe(probability) ? value : 0);
  const weather: Weather = {
    diskFull: false,
    lag: restless || drifting ? 1 : often(0.7, chance.pick([0.1, 0.3, 1])),
    lagMs: restless || drifting ? 150 : chance.pick([2, 10, 40, 150]),
    commitMs: chance.pick([0, 0, 3, 20, 80]),
    crashInCall: often(0.3, 0.002),
    temper: {
      failing: often(0.5, 0.25),
      stalling: looping ? 0.95 : often(0.3, 0.15),
      cutting: often(0.4, 0.2),
      longest: busy ? 2 : chance.pick([3, 12, 40]),
      pace: busy ? 1 : chance.pick([2, 10, 25]),
    },
  };
  return {
    nodes,
    lossy: nodes > 1 || chance.maybe(0.15),
    persons: busy ? 1 : chance.whole(1, 2),
    /** Milliseconds of the storm, and between two actions of a device at most. */
    storm: busy ? 8000 : chance.pick([6000, 12_000, 25_000]),
    hurry: busy ? 70 : chance.pick([250, 600, 1500]),
    latency: chance.pick([1, 10, 60, 250]),
    window: chance.pick([500, 4000, 64_000]),
    weight: chance.pick([1, 1, 30, 150]),
    prefill: chance.maybe(0.5),
    fallback: chance.maybe(0.3),
    weather,
    settings: {
      heartbeatMs: chance.pick([5000, 25_000]),
      onCrash: chance.weighted({ continue: 3, restart: 1, interrupt: 1 }),
      call: {
        firstTokenMs: chance.pick([1500, 6000]),
        betweenTokensMs: chance.pick([1000, 4000]),
        wholeMs: chance.pick([8000, 60_000]),
        outputLength: chance.pick([300, 5000, 1_000_000]),
      },
    },
    /** Mean milliseconds between two faults of a kind; 0: none. */
    faults: {
      crash: looping ? 700 : often(0.5, chance.pick([800, 2500, 8000])),
      pause: often(0.3, 6000),
      full: often(0.3, 5000),
      cut: often(0.6, chance.pick([400, 2000])),
      silence: often(0.3, 6000),
      stall: often(0.4, 3000),
      drain: often(0.25, 6000),
      skew: drifting ? 150 : often(0.2, 4000),
      /** Once, the disk goes back to what it was some time ago. */
      restore: chance.maybe(0.12),
    },
    /** How often replies are stopped and gone on with, beside 8 for a message. */
    wavering: busy ? 6 : chance.pick([4, 4, 4, 20]),
    /** Whether one conversation is all there is. */
    single: busy,
    /** How often sessions are ended and conversations deleted, beside 8 for a message. */
    logout: restless ? 2 : 0.1,
    /** How often a device goes away for a while. */
    sleep: restless ? 4 : 0.5,
    deletion: chance.pick([0.1, 0.1, 0.1, 1.5]),
    /** Probability of an act that a good client does not do. */
    mischief: often(0.5, 0.1),
  };
}
