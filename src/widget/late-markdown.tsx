// Owns a message's text in the window until the Markdown's own chunk is there: as it was written. The build puts this in the place of
// ui/markdown/Markdown.tsx, for the window only: the panel opens without waiting for what only replies need.
import { createElement, useSyncExternalStore, type ReactNode } from "react";
import { createCell } from "../client/index.ts";

type Props = { readonly text: string; readonly streaming: boolean };

const drawing = createCell<((props: Props) => ReactNode) | undefined>(undefined);
let asked = false;

/** Asked for with the window. Where it cannot be had, the next message that is drawn asks again. */
export function loadMarkdown(): void {
  if (asked) return;
  asked = true;
  import("../ui/markdown/Markdown.tsx").then(({ Markdown }) => drawing.set(Markdown)).catch(() => (asked = false));
}

export function Markdown(props: Props): ReactNode {
  const draw = useSyncExternalStore(drawing.subscribe, drawing.getSnapshot);
  loadMarkdown();
  if (draw !== undefined) return createElement(draw, props);
  return <p className="tl-own-text">{props.text}</p>;
}
