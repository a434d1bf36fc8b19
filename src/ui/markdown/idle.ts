// Owns the work that can wait: one queue for the page, worked off in the browser's idle time, one task after the other.

type Task = () => void;
const queue = new Set<Task>();
let isAsked = false;

/** How long (ms) a slice of the page's time goes on with further tasks. One task may be longer: it bounds itself. */
const slice = 8;
/** A page that always has something to do is asked for a slice after this time (ms). */
const latest = 200;

/** Runs `task` when nothing better is to be done. Returns what takes it back. */
function whenIdle(task: Task): Task {
  const own = (): void => task();
  queue.add(own);
  ask();
  return () => void queue.delete(own);
}

function ask(): void {
  if (isAsked || queue.size === 0) return;
  isAsked = true;
  if (typeof requestIdleCallback === "function") requestIdleCallback(work, { timeout: latest });
  else setTimeout(work, slice);
}

function work(): void {
  const started = performance.now();
  isAsked = false;
  try {
    for (const task of queue) {
      queue.delete(task);
      task();
      if (performance.now() - started > slice) break;
    }
  } finally {
    ask();
  }
}

/** Runs `task` with a part of the page once that is loaded. Where it cannot be loaded, what it would make is left out. */
export function whenLoaded<T>(load: () => Promise<T>, task: (part: T) => void): () => void {
  let cancel: Task | undefined;
  let isGone = false;
  const run = async (): Promise<void> => {
    const part = await load().catch(() => undefined);
    if (part !== undefined && !isGone) cancel = whenIdle(() => task(part));
  };
  void run();
  return () => {
    isGone = true;
    cancel?.();
  };
}
