// Owns a formula: its source until the part that draws formulas is there, and where that finds none.
import { memo, useContext, useLayoutEffect, useRef, type ReactNode } from "react";
import { loadMaths, MarkdownContext } from "./context.ts";
import { whenLoaded } from "./idle.ts";

export const Formula = memo(function Formula(props: { readonly tex: string; readonly display: boolean }): ReactNode {
  const { tex, display } = props;
  const load = useContext(MarkdownContext).loadMaths ?? loadMaths;
  const element = useRef<HTMLElement>(null);
  // What is in the element is not the framework's: the library builds it.
  useLayoutEffect(() => {
    const place = element.current;
    if (place === null) return undefined;
    place.textContent = tex;
    return whenLoaded(load, (draw) => draw(tex, place, display));
  }, [tex, display, load]);
  if (!display) return <span ref={element} className="md-math" dir="ltr" />;
  // A wide formula scrolls inside itself, by keyboard too.
  return <span ref={element} className="md-math md-math-block" dir="ltr" tabIndex={0} role="region" aria-label={tex} />;
});
