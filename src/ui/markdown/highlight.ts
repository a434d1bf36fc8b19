// Owns the colours of code, with the grammars: a part of its own, loaded with the first finished block of code.
import dockerfile from "highlight.js/lib/languages/dockerfile";
import nginx from "highlight.js/lib/languages/nginx";
import powershell from "highlight.js/lib/languages/powershell";
import { common, createLowlight } from "lowlight";
import type { Highlight, Piece } from "./context.ts";

const grammars = createLowlight({ ...common, dockerfile, nginx, powershell });

/** How much (characters per ms) was highlighted lately: what would take longer than the page may stand still stays plain. */
let speed = 800;
const longest = 45;

type Children = ReturnType<typeof grammars.highlight>["children"];

export const highlight: Highlight = (code, language) => {
  const name = language.toLowerCase();
  if (!grammars.registered(name) || code.length > speed * longest) return undefined;
  const started = performance.now();
  const { children } = grammars.highlight(name, code);
  const took = performance.now() - started;
  if (code.length > 2000) speed = (speed + code.length / Math.max(1, took)) / 2;
  const pieces: Piece[] = [];
  flatten(children, "", pieces);
  return pieces;
};

/** Of marks in marks the innermost counts. */
function flatten(nodes: Children, kind: string, pieces: Piece[]): void {
  for (const node of nodes) {
    if (node.type === "text") pieces.push({ text: node.value, kind });
    if (node.type !== "element") continue;
    const { className } = node.properties;
    flatten(node.children, Array.isArray(className) ? className.join(" ") : kind, pieces);
  }
}
