// Owns the simple list of recent conversations in the panel. Renaming, searching and deleting are the app's.
import { useLayoutEffect, useMemo, useRef, type ReactNode } from "react";
import { useConversations } from "../react/index.ts";
import { daysBetween } from "../ui/formats.ts";
import { useUi } from "../ui/ui.tsx";

export function Recent(props: { readonly current: string; readonly choose: (id: string) => void }): ReactNode {
  const { texts, formats } = useUi();
  const { rows, status, more, loadMore } = useConversations();
  const now = useMemo(() => Date.now(), []);
  const box = useRef<HTMLElement>(null);
  const isThere = rows.length > 0;
  useLayoutEffect(() => {
    const row =
      box.current?.querySelector<HTMLElement>('[aria-current="true"]') ?? box.current?.querySelector("button");
    (row ?? box.current)?.focus({ preventScroll: true });
  }, [isThere]);
  return (
    <nav ref={box} className="tw-recent" aria-label={texts.conversations} tabIndex={-1}>
      {!isThere && status !== "loading" && <p>{texts.noConversations}</p>}
      <ul>
        {rows.map((row) => (
          <li key={row.id}>
            <button
              type="button"
              aria-current={row.id === props.current ? "true" : undefined}
              onClick={() => props.choose(row.id)}
            >
              <span className="tw-recent-title" dir="auto">
                {row.title ?? texts.untitled}
              </span>
              {row.turn !== undefined && (
                <span className="tw-mark tw-busy" role="img" aria-label={texts.replying} title={texts.replying} />
              )}
              {row.turn === undefined && row.unread === true && (
                <span className="tw-mark" role="img" aria-label={texts.unread} title={texts.unread} />
              )}
              <span className="tw-recent-day">{dayOf(row.updatedAt)}</span>
            </button>
          </li>
        ))}
      </ul>
      {more && (
        <button type="button" className="tl-button" onClick={() => void loadMore().catch(() => undefined)}>
          {texts.loadMore}
        </button>
      )}
    </nav>
  );

  function dayOf(at: string): string {
    return daysBetween(at, now) === 0 ? formats.time(at) : formats.day(at, now);
  }
}
