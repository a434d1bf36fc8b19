// Owns deleting with a way back: a conversation is out of sight at once, and deleted when nobody has taken it back.
import { useCallback, useEffect, useRef, useState } from "react";
import type { ConversationRow } from "../client/index.ts";
import { useClient } from "../react/index.ts";
import { failureText } from "../ui/failure.ts";
import { useUi } from "../ui/ui.tsx";
import { go } from "./place.ts";

/** How long (ms) it can be taken back. */
const grace = 7000;

export function useRemoval(current: string): {
  readonly hidden: ReadonlySet<string>;
  readonly remove: (row: ConversationRow) => void;
} {
  const client = useClient();
  const { texts, toast } = useUi();
  const [hidden, setHidden] = useState<ReadonlySet<string>>(new Set());
  const waiting = useRef(new Map<string, () => void>());
  const shown = useRef(current);
  shown.current = current;

  const show = useCallback(
    (id: string) => setHidden((before) => new Set([...before].filter((other) => other !== id))),
    [],
  );
  const remove = useCallback(
    ({ id }: ConversationRow) => {
      setHidden((before) => new Set(before).add(id));
      if (shown.current === id) go({});
      const carryOut = (): void => {
        clearTimeout(timer);
        if (!waiting.current.delete(id)) return;
        client
          .conversation(id)
          .delete()
          .catch((error: unknown) => {
            show(id);
            toast({ text: failureText(texts, error), alert: true });
          });
      };
      const timer = setTimeout(carryOut, grace);
      waiting.current.set(id, carryOut);
      const undo = (): void => {
        clearTimeout(timer);
        waiting.current.delete(id);
        show(id);
      };
      toast({ text: texts.deleted, action: { label: texts.undo, run: undo } });
    },
    [client, show, texts, toast],
  );

  useEffect(() => {
    // Whoever leaves has not taken it back.
    const leave = (): void => {
      for (const carryOut of waiting.current.values()) carryOut();
    };
    addEventListener("pagehide", leave);
    return () => removeEventListener("pagehide", leave);
  }, []);

  return { hidden, remove };
}
