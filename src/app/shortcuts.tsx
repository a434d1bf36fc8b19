// Owns the list of keys.
import type { ReactNode } from "react";
import { Dialog } from "../ui/dialog.tsx";
import { useUi } from "../ui/ui.tsx";
import { keyNames, shortcuts } from "./keys.ts";

export function Shortcuts({ close }: { readonly close: () => void }): ReactNode {
  const { texts } = useUi();
  const { keys } = texts;
  const rows: readonly (readonly [string, readonly string[]])[] = [
    [keys.enter, ["Enter"]],
    [keys.newline, ["Shift", "Enter"]],
    [keys.edit, ["↑"]],
    [keys.escape, ["Esc"]],
    [keys.new, shortcuts.new],
    [keys.search, shortcuts.search],
    [keys.box, shortcuts.box],
    [keys.copy, shortcuts.copy],
    [keys.list, shortcuts.list],
  ];
  return (
    <Dialog title={texts.shortcuts} close={close}>
      <dl className="app-keys">
        {rows.map(([text, combination]) => (
          <div key={text}>
            <dt>{text}</dt>
            <dd dir="ltr">
              {keyNames(combination).map((name) => (
                <kbd key={name}>{name}</kbd>
              ))}
            </dd>
          </div>
        ))}
      </dl>
    </Dialog>
  );
}
