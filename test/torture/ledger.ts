// Owns what a scene has counted: cycles, operations, everything that must not happen, and what it saw. Judges nothing itself.

/**
 * Counts that have to be 0. `lost`: acknowledged or said by the model, and not there. `doubled`: there twice, or after a refusal.
 * `torn`: a frame or a reply that does not fit. `stuck`: what did not come to its end in time. `mismatched`: two views that differ.
 * `wrongCloses`: a close code that nobody of good will gets there. `crashes`: the server ended by itself, or met a bug of its own.
 */
export const badCounts = ["lost", "doubled", "torn", "stuck", "mismatched", "wrongCloses", "crashes"] as const;
export type Bad = (typeof badCounts)[number];

const mostProblems = 200;

export class Ledger {
  cycles = 0;
  operations = 0;
  readonly counts: Record<Bad, number> = {
    lost: 0,
    doubled: 0,
    torn: 0,
    stuck: 0,
    mismatched: 0,
    wrongCloses: 0,
    crashes: 0,
  };
  /** What the scene saw, by name: without it nobody knows whether anything was tried. */
  readonly facts: Record<string, number> = {};
  readonly problems: string[] = [];

  bad(what: Bad, problem: string): void {
    this.counts[what]++;
    if (this.problems.length < mostProblems) this.problems.push(`${what}: ${problem}`.slice(0, 1000));
  }

  /** Adds to a fact. */
  saw(what: string, by = 1): void {
    this.facts[what] = (this.facts[what] ?? 0) + by;
  }

  /** Keeps the largest of a fact. */
  most(what: string, value: number): void {
    this.facts[what] = Math.max(this.facts[what] ?? 0, Math.round(value));
  }

  get sum(): number {
    return badCounts.reduce((total, name) => total + this.counts[name], 0);
  }
}
