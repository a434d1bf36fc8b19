// Owns the time of a world: what happens next, one thing at a time, in an order that the seed draws among equals.
import type { Chance } from "./chance.ts";

/** Somebody to whom things happen. What is due to a dead one never happens; a paused one gets it when it goes on. */
export type Owner = { alive: boolean; paused: boolean; backlog: Task[]; timers: number };

type Task = {
  at: number;
  rank: number;
  readonly order: number;
  readonly owner: Owner;
  readonly run: () => void;
  /** Runs no promise, so that nothing has to be waited for after it. */
  readonly quick: boolean;
  /** Counts as a timer of its owner. */
  readonly timer: boolean;
  done: boolean;
};

export const createOwner = (): Owner => ({ alive: true, paused: false, backlog: [], timers: 0 });

export type Scheduler = {
  /** Milliseconds since the beginning of the world. */
  readonly now: () => number;
  after(owner: Owner, ms: number, run: () => void, how?: { quick?: boolean; timer?: boolean }): () => void;
  resume(owner: Owner): void;
  /** Runs until `stop` says so, nothing is left, or `limit` (ms of the world) is reached. */
  run(stop: () => boolean, limit: number): Promise<void>;
  readonly steps: () => number;
};

/** All that promises have to do is done when this resolves. */
const drained = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve));

export function createScheduler(chance: Chance): Scheduler {
  const heap: Task[] = [];
  let time = 0;
  let order = 0;
  let steps = 0;

  const before = (a: Task, b: Task): boolean =>
    a.at !== b.at ? a.at < b.at : a.rank !== b.rank ? a.rank < b.rank : a.order < b.order;
  const at = (index: number): Task => heap[index] as Task;
  const push = (task: Task): void => {
    let i = heap.push(task) - 1;
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if (!before(task, at(parent))) break;
      heap[i] = at(parent);
      i = parent;
    }
    heap[i] = task;
  };
  const pop = (): Task | undefined => {
    const first = heap[0];
    const last = heap.pop();
    if (first === undefined || last === undefined || heap.length === 0) return first;
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && before(at(child + 1), at(child))) child++;
      if (!before(at(child), last)) break;
      heap[i] = at(child);
      i = child;
    }
    heap[i] = last;
    return first;
  };
  const finish = (task: Task): void => {
    if (task.done) return;
    task.done = true;
    if (task.timer) task.owner.timers--;
  };

  return {
    now: () => time,
    steps: () => steps,
    after(owner, ms, run, { quick = false, timer = false } = {}) {
      const due = time + Math.max(0, ms);
      const task = { at: due, rank: chance.next(), order: order++, owner, run, quick, timer, done: false };
      if (timer) owner.timers++;
      push(task);
      return () => finish(task);
    },
    resume(owner) {
      owner.paused = false;
      const late = owner.backlog;
      owner.backlog = [];
      late.forEach((task, i) => {
        task.at = time;
        task.rank = -late.length + i;
        push(task);
      });
    },
    async run(stop, limit) {
      await drained();
      while (!stop()) {
        const task = heap[0];
        if (task === undefined || task.at > limit) {
          time = Math.max(time, Number.isFinite(limit) ? limit : time);
          return;
        }
        pop();
        if (task.done) continue;
        if (!task.owner.alive) {
          finish(task);
          continue;
        }
        time = Math.max(time, task.at);
        if (task.owner.paused) {
          task.owner.backlog.push(task);
          continue;
        }
        finish(task);
        steps++;
        task.run();
        if (!task.quick) await drained();
      }
    },
  };
}
