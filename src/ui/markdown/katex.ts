// Owns the drawing of formulas: a part of its own, loaded with the first formula. MathML, so that neither styles nor fonts are needed.
import katex from "katex";
import type { DrawMaths } from "./context.ts";

/** Limits of what a formula may do: no links, no attributes, no images, few expansions, no huge sizes, no long work (LO08). */
const limits = {
  trust: false,
  strict: "ignore",
  maxExpand: 1000,
  maxSize: 20,
  throwOnError: true,
  output: "mathml",
  errorColor: "currentcolor",
} as const;
/** No colours: text in the page's own colour hides from whoever reads it. Nor the forms that the library writes with a style attribute. */
const macros = {
  [String.raw`\color`]: String.raw`\@firstoftwo{}{#1}`,
  [String.raw`\textcolor`]: String.raw`\@secondoftwo{#1}{#2}`,
  [String.raw`\colorbox`]: String.raw`\@secondoftwo{#1}{\text{#2}}`,
  [String.raw`\fcolorbox`]: String.raw`\@firstoftwo{\boxed{#3}}{#1#2}`,
  [String.raw`\pmb`]: String.raw`\mathbf{#1}`,
};

/** Its time grows with a formula's length, and faster with its depth: more than this (characters, braces) is no formula of a person's. */
const longest = 1500;
const deepest = 25;

function isTooMuch(tex: string): boolean {
  if (tex.length > longest) return true;
  let depth = 0;
  for (const [part] of tex.matchAll(/\\(?:left|right|begin|end)\b|\\.|[{}]/gs)) {
    if (part === "{" || part === "\\left" || part === "\\begin") depth += 1;
    if (part === "}" || part === "\\right" || part === "\\end") depth -= 1;
    if (depth > deepest) return true;
  }
  return false;
}

export const drawMaths: DrawMaths = (tex, element, displayMode) => {
  if (isTooMuch(tex)) return false;
  const place = document.createElement("span");
  try {
    katex.render(tex, place, { ...limits, macros: { ...macros }, displayMode });
  } catch {
    // A text that is no formula, or asks too much, stays as it was written.
    return false;
  }
  element.replaceChildren(...place.childNodes);
  return true;
};
