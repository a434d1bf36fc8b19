// Owns the keys of the app and how they are written. Keys inside a component (Enter, arrows, Esc) are that component's.
import { useEffect, useRef } from "react";

const isMac = /mac|iphone|ipad/i.test(navigator.userAgent);

/** How a key is written here: Mod is Command on Apple's systems, Ctrl elsewhere. */
export const shortcuts = {
  new: ["Mod", "Shift", "O"],
  search: ["Mod", "K"],
  box: ["Shift", "Esc"],
  copy: ["Mod", "Shift", "C"],
  list: ["Mod", "/"],
} as const;

export type KeyName = keyof typeof shortcuts;

export const keyNames = (keys: readonly string[]): readonly string[] =>
  keys.map((key) => (key === "Mod" ? (isMac ? "⌘" : "Ctrl") : key));

function nameOf(event: KeyboardEvent): KeyName | undefined {
  const mod = isMac ? event.metaKey : event.ctrlKey;
  if (event.key === "Escape" && event.shiftKey && !mod) return "box";
  if (!mod || event.altKey) return undefined;
  const key = event.key.toLowerCase();
  if (event.shiftKey)
    return key === "o" ? "new" : key === "c" ? "copy" : key === "/" || key === "?" ? "list" : undefined;
  return key === "k" ? "search" : key === "/" ? "list" : undefined;
}

export function useKeys(actions: Readonly<Record<KeyName, () => void>>): void {
  const latest = useRef(actions);
  latest.current = actions;
  useEffect(() => {
    const press = (event: KeyboardEvent): void => {
      const name = event.isComposing ? undefined : nameOf(event);
      if (name === undefined) return;
      event.preventDefault();
      latest.current[name]();
    };
    addEventListener("keydown", press);
    return () => removeEventListener("keydown", press);
  }, []);
}
