// Owns one conversation in the list: its title, its mark, and what can be done with it.
import { memo, useEffect, useLayoutEffect, useRef, useState, type ReactNode } from "react";
import type { ListedConversation } from "../client/index.ts";
import { useClient } from "../react/index.ts";
import { Icon, type IconName } from "../ui/icon.tsx";
import { IconButton, useUi } from "../ui/ui.tsx";
import { go, pathOf } from "./place.ts";

export const Row = memo(function Row(props: {
  readonly row: ListedConversation;
  readonly current: boolean;
  readonly archived: boolean;
  readonly remove: (row: ListedConversation) => void;
}): ReactNode {
  const { row, current, archived } = props;
  const { texts, formats, toast, fail } = useUi();
  const client = useClient();
  const conversation = client.conversation(row.id);
  const [open, setOpen] = useState(false);
  const [renaming, setRenaming] = useState(false);
  const { snippet } = row;
  // Two that have no title yet are told apart by their times.
  const title = row.title ?? `${texts.untitled}, ${formats.time(row.createdAt)}`;

  if (renaming) {
    return (
      <li>
        <Rename
          title={row.title ?? ""}
          done={(next) => {
            setRenaming(false);
            if (next !== undefined) conversation.rename(next).catch(fail);
          }}
        />
      </li>
    );
  }
  const archive = (): void => {
    const carryOut = async (): Promise<void> => {
      await conversation.archive(!archived);
      const undo = (): void => void conversation.archive(archived).catch(fail);
      if (!archived) toast({ text: texts.archivedNow, action: { label: texts.undo, run: undo } });
    };
    carryOut().catch(fail);
  };
  const save = (format: "json" | "markdown"): void => {
    import("./your-data-requests.ts").then((part) => part.saveConversation(client, row.id, format)).catch(fail);
  };
  return (
    <li className="app-row" data-current={current}>
      <a
        href={pathOf(row.id, snippet?.message)}
        aria-current={current ? "page" : undefined}
        onClick={(event) => {
          if (event.metaKey || event.ctrlKey || event.shiftKey || event.button !== 0) return;
          event.preventDefault();
          go({ conversation: row.id, message: snippet?.message });
        }}
      >
        <span className="app-row-title" dir="auto">
          {title}
        </span>
        {row.turn !== undefined ? (
          <span className="app-mark app-mark-busy" role="img" aria-label={texts.replying} title={texts.replying} />
        ) : row.unread === true ? (
          <span className="app-mark" role="img" aria-label={texts.unread} title={texts.unread} />
        ) : null}
        {snippet !== undefined && <Snippet text={snippet.text} at={snippet.at} />}
      </a>
      <span className="tl-anchor">
        <IconButton
          icon="more"
          label={texts.menuOf(title)}
          expanded={open}
          className="app-row-more"
          onClick={() => setOpen((before) => !before)}
        />
        {open && (
          <Menu
            close={() => setOpen(false)}
            items={[
              { icon: "edit", label: texts.rename, run: () => setRenaming(true) },
              { icon: "archive", label: archived ? texts.unarchive : texts.archive, run: archive },
              { icon: "newest", label: texts.exportMarkdown, run: () => save("markdown") },
              { icon: "newest", label: texts.exportJson, run: () => save("json") },
              { icon: "trash", label: texts.remove, run: () => props.remove(row) },
            ]}
          />
        )}
      </span>
    </li>
  );
});

type Item = { readonly icon: IconName; readonly label: string; readonly run: () => void };

function Menu({ items, close }: { readonly items: readonly Item[]; readonly close: () => void }): ReactNode {
  const box = useRef<HTMLDivElement>(null);
  const latest = useRef(close);
  latest.current = close;
  useLayoutEffect(() => {
    const before = document.activeElement;
    box.current?.querySelector("button")?.focus();
    const outside = (event: Event): void => {
      if (box.current !== null && !event.composedPath().includes(box.current)) latest.current();
    };
    document.addEventListener("pointerdown", outside, true);
    return () => {
      document.removeEventListener("pointerdown", outside, true);
      if (before instanceof HTMLElement && before.isConnected) before.focus();
    };
  }, []);
  return (
    <div
      ref={box}
      className="tl-menu"
      role="menu"
      onKeyDown={(event) => {
        if (event.key === "Escape" || event.key === "Tab") {
          event.preventDefault();
          event.stopPropagation();
          close();
        }
        const step = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0;
        if (step === 0 || box.current === null) return;
        event.preventDefault();
        const buttons = [...box.current.querySelectorAll("button")];
        buttons.at((buttons.findIndex((button) => button === event.target) + step) % buttons.length)?.focus();
      }}
    >
      {items.map(({ icon, label, run }) => (
        <button
          key={label}
          type="button"
          role="menuitem"
          onClick={() => {
            close();
            run();
          }}
        >
          <Icon name={icon} />
          <span>{label}</span>
        </button>
      ))}
    </div>
  );
}

/** Where a search has found it, with the hit marked. */
function Snippet({
  text,
  at: [from, to],
}: {
  readonly text: string;
  readonly at: readonly [number, number];
}): ReactNode {
  return (
    <span className="app-snippet" dir="auto">
      {text.slice(0, from)}
      <mark>{text.slice(from, to)}</mark>
      {text.slice(to)}
    </span>
  );
}

function Rename({
  title,
  done,
}: {
  readonly title: string;
  readonly done: (title: string | undefined) => void;
}): ReactNode {
  const { texts } = useUi();
  const [value, setValue] = useState(title);
  const input = useRef<HTMLInputElement>(null);
  const over = useRef(false);
  useEffect(() => {
    // To select is not to focus.
    input.current?.focus();
    input.current?.select();
  }, []);
  const end = (next: string | undefined): void => {
    if (over.current) return;
    over.current = true;
    done(next === undefined || next.trim() === "" || next === title ? undefined : next.trim());
  };
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        end(value);
      }}
    >
      <input
        ref={input}
        className="app-rename"
        dir="auto"
        aria-label={texts.newTitle}
        maxLength={200}
        value={value}
        onInput={(event) => setValue(event.currentTarget.value)}
        onBlur={() => end(value)}
        onKeyDown={(event) => {
          if (event.key !== "Escape") return;
          event.preventDefault();
          event.stopPropagation();
          end(undefined);
        }}
      />
    </form>
  );
}
