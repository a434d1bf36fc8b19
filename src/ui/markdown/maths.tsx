// Owns a formula: its text until KaTeX has been fetched, then what KaTeX draws. MathML, so that neither styles nor fonts are needed.
import { useEffect, useRef, type ReactNode } from "react";

/** Harmless whatever the formula is: no links, no styles of its own, bounded expansion and size. Source: KaTeX, "Security". */
const options = {
  trust: false,
  strict: "ignore",
  throwOnError: true,
  maxExpand: 300,
  maxSize: 20,
  output: "mathml",
} as const;

export function Maths({ text, block }: { readonly text: string; readonly block: boolean }): ReactNode {
  const box = useRef<HTMLSpanElement>(null);
  useEffect(() => {
    let wanted = true;
    const draw = async (): Promise<void> => {
      const { default: katex } = await import("katex");
      const element = box.current;
      if (!wanted || element === null) return;
      try {
        const fresh = document.createElement("span");
        katex.render(text, fresh, { ...options, displayMode: block });
        element.replaceChildren(...fresh.childNodes);
      } catch {
        // Not a formula that KaTeX knows: its text stays.
        element.textContent = text;
      }
    };
    // Offline, and never fetched before: the text of the formula is shown.
    draw().catch(() => undefined);
    return () => {
      wanted = false;
    };
  }, [text, block]);
  // What is inside belongs to the effect: the key makes a new element for a new formula.
  return (
    <span
      key={text}
      ref={box}
      className={block ? "md-maths-block" : "md-maths"}
      dir="ltr"
      tabIndex={block ? 0 : undefined}
      role={block ? "region" : undefined}
      aria-label={block ? text : undefined}
    >
      {text}
    </span>
  );
}
