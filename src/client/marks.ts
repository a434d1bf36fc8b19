// Owns which conversations have a reply that came while nobody looked: kept in local storage per person, the same in all tabs (RE15).
import type { LocalStore } from "./environment.ts";

export type Marks = {
  readonly isUnread: (id: string) => boolean;
  /** What is known of a conversation now: whether a reply is being made, and whether somebody looks at it here. */
  note(id: string, running: boolean, looked: boolean): void;
};

/** A reply is being made, and may end unseen; or it has. */
type Mark = "running" | "unread";
const mostMarks = 200;

export function createMarks(options: {
  local: LocalStore;
  /** Where this person's marks are; undefined: nobody is known. */
  key: () => string | undefined;
  changed: () => void;
}): Marks {
  const { local } = options;
  let raw = "";
  let marks = new Map<string, Mark>();

  /** Another tab may have written since. */
  const read = (): Map<string, Mark> => {
    const key = options.key();
    const now = (key === undefined ? undefined : local.getItem(key)) ?? "[]";
    if (now !== raw) {
      raw = now;
      try {
        marks = new Map(JSON.parse(raw) as [string, Mark][]);
      } catch {
        marks = new Map();
      }
    }
    return marks;
  };
  const set = (id: string, mark: Mark | undefined): void => {
    const key = options.key();
    if (key === undefined || read().get(id) === mark) return;
    marks.delete(id);
    if (mark !== undefined) marks.set(id, mark);
    marks = new Map([...marks].slice(-mostMarks));
    raw = JSON.stringify([...marks]);
    local.setItem(key, raw);
    options.changed();
  };

  return {
    isUnread: (id) => read().get(id) === "unread",
    note(id, running, looked) {
      const before = read().get(id);
      if (running) set(id, before === "unread" && !looked ? before : "running");
      else if (looked) set(id, undefined);
      else if (before !== undefined) set(id, "unread");
    },
  };
}
