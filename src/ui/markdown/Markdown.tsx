// Owns the drawing of a text (for now as it is).
import type { ReactNode } from "react";
export function Markdown({ text }: { readonly text: string; readonly streaming: boolean }): ReactNode {
  return <div className="md">{text}</div>;
}
