// Owns the search over one's own conversations: what is asked of the server, and when. It searches nothing itself.
import { useEffect, useState, type ReactNode } from "react";
import type { ListedConversation } from "../client/index.ts";
import { useClient } from "../react/index.ts";
import { Icon } from "../ui/icon.tsx";
import { useUi } from "../ui/ui.tsx";

/** Rests so long (ms) between two keys before it asks. */
const rest = 200;

/** What was found, undefined: nothing is asked for. `rows`: the live list; a change in it asks again. */
export function useSearch(
  query: string,
  archived: boolean,
  rows: readonly ListedConversation[],
): readonly ListedConversation[] | undefined {
  const client = useClient();
  const { fail } = useUi();
  const [found, setFound] = useState<readonly ListedConversation[]>();
  const asks = query !== "" || archived;
  useEffect(() => {
    if (!asks) return setFound(undefined);
    let wanted = true;
    const timer = setTimeout(() => {
      client
        .list({ ...(query === "" ? {} : { query }), ...(archived ? { archived } : {}) })
        .then((page) => wanted && setFound(page.rows))
        .catch((error: unknown) => wanted && fail(error));
    }, rest);
    return () => {
      wanted = false;
      clearTimeout(timer);
    };
  }, [client, query, archived, asks, rows, fail]);
  return asks ? (found ?? []) : undefined;
}

export function SearchBox({
  value,
  change,
}: {
  readonly value: string;
  readonly change: (value: string) => void;
}): ReactNode {
  const { texts } = useUi();
  return (
    <label className="app-search">
      <Icon name="search" />
      <span className="tl-hidden">{texts.search}</span>
      <input
        type="search"
        dir="auto"
        maxLength={200}
        placeholder={texts.search}
        value={value}
        onInput={(event) => change(event.currentTarget.value)}
        onKeyDown={(event) => {
          if (event.key !== "Escape" || value === "") return;
          event.preventDefault();
          change("");
        }}
      />
    </label>
  );
}
