// Owns the list of conversations beside the one that is shown: groups by day, search, archive. A drawer on phones.
import { useLayoutEffect, useMemo, useRef, useState, type ReactNode } from "react";
import type { ConversationRow } from "../client/index.ts";
import { useConversations, usePerson } from "../react/index.ts";
import { daysBetween, type Formats } from "../ui/formats.ts";
import { useKeptFocus } from "../ui/focus.ts";
import { Icon } from "../ui/icon.tsx";
import { nameOf, type Texts } from "../ui/texts.ts";
import { useLater } from "../ui/times.ts";
import { IconButton, useUi } from "../ui/ui.tsx";
import { Row } from "./row.tsx";
import { SearchBox, useSearch } from "./search.tsx";
import { useRemoval } from "./removal.ts";

export function Sidebar(props: {
  readonly current: string;
  readonly open: boolean;
  readonly close: () => void;
  readonly startNew: () => void;
  readonly settings: () => void;
}): ReactNode {
  const { current, close } = props;
  const { texts, formats, fail } = useUi();
  const person = usePerson();
  const { rows, more, status, loadMore } = useConversations();
  const [query, setQuery] = useState("");
  const [archived, setArchived] = useState(false);
  const found = useSearch(query.trim(), archived, rows);
  const { hidden, remove } = useRemoval(current);
  // For a moment it is so at every start.
  const behind = useLater(status === "behind", 1500);
  const side = useRef<HTMLElement>(null);
  useDrawer(side, props.open, close);
  useKeptFocus(side, (item) => (item ?? side.current)?.querySelector<HTMLElement>(".app-row-more, .app-start"));

  const shown = (found ?? rows).filter((row) => !hidden.has(row.id));
  const groups = useMemo(() => groupsOf(shown, texts, formats), [shown, texts, formats]);
  const plain = found === undefined;

  return (
    <>
      <div className="app-shade" aria-hidden="true" onClick={close} />
      <nav
        ref={side}
        className="app-side"
        aria-label={texts.conversations}
        data-open={props.open}
        onKeyDown={(event) => {
          if (event.key === "Escape" && !event.shiftKey && !event.defaultPrevented) close();
        }}
      >
        <header className="app-side-head">
          <strong>Throughline</strong>
          <IconButton icon="close" className="app-close" label={texts.closeSidebar} onClick={close} />
        </header>
        <button type="button" className="app-start" onClick={props.startNew}>
          <Icon name="plus" />
          <span>{texts.newConversation}</span>
        </button>
        <SearchBox value={query} change={setQuery} />
        <div className="app-list">
          {archived && (
            <button type="button" className="tl-text-button app-back" onClick={() => setArchived(false)}>
              {texts.backToList}
            </button>
          )}
          {!plain && (
            <p className="app-found" role="status">
              {query.trim() === "" ? texts.archived : texts.searchResults(shown.length)}
            </p>
          )}
          {plain && behind && <p className="app-found">{texts.listBehind}</p>}
          {plain && status === "live" && rows.length === 0 && <p className="app-found">{texts.noConversations}</p>}
          {groups.map(([name, members]) => (
            <section key={name} aria-label={name}>
              <h2>{name}</h2>
              <ul>
                {members.map((row) => (
                  <Row key={row.id} row={row} current={row.id === current} archived={archived} remove={remove} />
                ))}
              </ul>
            </section>
          ))}
          {plain && more && (
            <button type="button" className="tl-text-button" onClick={() => void loadMore().catch(fail)}>
              {texts.loadMore}
            </button>
          )}
        </div>
        <footer className="app-side-foot">
          <button type="button" className="app-person" onClick={props.settings}>
            <Icon name="settings" />
            <span dir="auto">{nameOf(person, texts)}</span>
            <span className="tl-hidden">{texts.settings}</span>
          </button>
          <IconButton
            icon="archive"
            label={texts.archived}
            pressed={archived}
            onClick={() => setArchived((before) => !before)}
          />
        </footer>
      </nav>
    </>
  );
}

/** Rows by the day of their last change, in the order they have. */
function groupsOf(
  rows: readonly ConversationRow[],
  texts: Texts,
  formats: Formats,
): readonly (readonly [string, readonly ConversationRow[]])[] {
  const now = Date.now();
  const groups = new Map<string, ConversationRow[]>();
  for (const row of rows) {
    const days = daysBetween(row.updatedAt, now);
    const name = days < 2 ? formats.relativeDay(days) : days < 7 ? texts.lastSevenDays : formats.month(row.updatedAt);
    const group = groups.get(name);
    if (group === undefined) groups.set(name, [row]);
    else group.push(row);
  }
  return [...groups];
}

/** While the drawer is open the focus is in it; afterwards it is where it was. */
function useDrawer(side: { readonly current: HTMLElement | null }, open: boolean, close: () => void): void {
  const latest = useRef(close);
  latest.current = close;
  // Before it is drawn: what becomes inert then loses the focus, and who had it would be forgotten.
  useLayoutEffect(() => {
    if (!open || !matchMedia("(max-width: 767px)").matches) return undefined;
    const before = document.activeElement;
    side.current?.querySelector<HTMLElement>("button")?.focus();
    const wide = matchMedia("(min-width: 768px)");
    const widened = (): void => latest.current();
    wide.addEventListener("change", widened);
    return () => {
      wide.removeEventListener("change", widened);
      if (before instanceof HTMLElement && before.isConnected) before.focus();
    };
  }, [open, side]);
}
