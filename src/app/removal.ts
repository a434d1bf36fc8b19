// Owns deleting with a way back: a conversation is out of sight at once, and deleted when nobody has taken it back, also after a reload.
import { useCallback, useEffect, useRef, useState } from "react";
import { pageStore, RequestError, type ConversationRow } from "../client/index.ts";
import { useClient } from "../react/index.ts";
import { useUi } from "../ui/ui.tsx";
import { go } from "./place.ts";

/** How long (ms) it can be taken back. */
const grace = 7000;
const key = "throughline/removing";
const local = pageStore("localStorage");

/** What is to be deleted, by its id: from when on, milliseconds since 1970. Kept until the server has deleted it. */
type Removals = ReadonlyMap<string, number>;

function read(): Removals {
  try {
    const value: unknown = JSON.parse(local.getItem(key) ?? "{}");
    const entries = typeof value === "object" && value !== null ? Object.entries(value) : [];
    return new Map(entries.filter((entry): entry is [string, number] => typeof entry[1] === "number"));
  } catch {
    return new Map();
  }
}

/** Changes what is kept; another tab may have changed it meanwhile. */
function keep(change: (removals: Map<string, number>) => void): Removals {
  const removals = new Map(read());
  change(removals);
  if (removals.size === 0) local.removeItem(key);
  else local.setItem(key, JSON.stringify(Object.fromEntries(removals)));
  return removals;
}

export function useRemoval(current: string): {
  readonly hidden: Pick<Removals, "has">;
  readonly remove: (row: ConversationRow) => void;
} {
  const client = useClient();
  const { texts, toast, fail } = useUi();
  const [removals, setRemovals] = useState(read);
  const shown = useRef(current);
  shown.current = current;

  const forget = useCallback((id: string) => setRemovals(keep((all) => void all.delete(id))), []);
  const carryOut = useCallback(
    async (id: string): Promise<void> => {
      // Taken back, perhaps in another tab.
      if (!read().has(id)) return setRemovals(read());
      try {
        await client.conversation(id).delete();
      } catch (error) {
        // Gone already is what was wanted.
        const gone = error instanceof RequestError && error.code === "not_found";
        if (!gone) fail(error);
      }
      return forget(id);
    },
    [client, forget, fail],
  );
  const remove = useCallback(
    ({ id }: ConversationRow) => {
      setRemovals(keep((all) => void all.set(id, Date.now() + grace)));
      if (shown.current === id) go({});
      toast({ text: texts.deleted, action: { label: texts.undo, run: () => forget(id) } });
    },
    [forget, texts, toast],
  );

  useEffect(() => {
    const timers = [...removals].map(([id, at]) => setTimeout(() => void carryOut(id), Math.max(0, at - Date.now())));
    return () => timers.forEach(clearTimeout);
  }, [removals, carryOut]);

  useEffect(() => {
    // Whoever leaves has not taken it back. What does not get out any more is carried out at the next visit.
    const leave = (): void => {
      const ids = [...keep((all) => all.forEach((_, id) => all.set(id, 0))).keys()];
      for (const id of ids) client.conversation(id).delete().catch(ignore);
    };
    const changed = (event: StorageEvent): void => {
      if (event.key === key) setRemovals(read());
    };
    addEventListener("pagehide", leave);
    addEventListener("storage", changed);
    return () => {
      removeEventListener("pagehide", leave);
      removeEventListener("storage", changed);
    };
  }, [client]);

  return { hidden: removals, remove };
}

/** The page is going: nobody is there to be told. */
const ignore = (): void => undefined;
