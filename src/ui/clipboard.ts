// Owns putting a text on the clipboard, also where the page is not served securely.
import { useCallback } from "react";
import { useUi } from "./ui.tsx";

/** Copies a text and says so. Resolves to whether it was possible. */
export function useCopy(): (text: string) => Promise<boolean> {
  const { texts, announce, toast } = useUi();
  return useCallback(
    async (text) => {
      const done = await copyText(text);
      if (done) announce(texts.copied);
      else toast({ text: texts.copyFailed, alert: true });
      return done;
    },
    [texts, announce, toast],
  );
}

/** False: this browser does not let it. */
async function copyText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return copyBySelection(text);
  }
}

/** Plain HTTP on another host has no clipboard API; the old command still works there. */
function copyBySelection(text: string): boolean {
  const focused = document.activeElement;
  const area = document.createElement("textarea");
  area.value = text;
  area.className = "tl-hidden";
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  if (focused instanceof HTMLElement) focused.focus();
  return done;
}
