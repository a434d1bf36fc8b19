// Owns what the Markdown needs of the UI around it: its texts, the clipboard, and where its later parts are loaded from.
import { createContext } from "react";

export const englishMarkdownTexts = {
  copyCode: "Copy code",
  copied: "Copied",
  download: "Download",
  code: (language: string): string => (language === "" ? "Code" : `Code, ${language}`),
  table: "Table",
  imageFrom: (host: string): string => `Image from ${host}: open it in a new tab`,
  linkTo: (host: string): string => `leads to ${host}`,
  done: "done",
  open: "open",
};
type MarkdownTexts = typeof englishMarkdownTexts;

/** A piece of coloured code: `kind` is the grammar's name for it, "" for none. The pieces together are the code. */
export type Piece = { readonly text: string; readonly kind: string };
/** Undefined: it has no grammar for the language, or it would take too long. */
export type Highlight = (code: string, language: string) => readonly Piece[] | undefined;
/** Draws a formula into an element. False: it is none, and the element is as it was. */
export type DrawMaths = (tex: string, element: HTMLElement, display: boolean) => boolean;

export type MarkdownWorld = {
  readonly texts: MarkdownTexts;
  /** Copies a text and says so, to screen readers too. Resolves to whether it was possible. */
  readonly copy: (text: string) => Promise<boolean>;
  /** The level of a first heading: one below that of the message, which is 3 where nothing is said. */
  readonly headingLevel?: number;
  /** These parts are loaded when the first text needs them: by default from where this one came. */
  readonly loadHighlight?: () => Promise<Highlight>;
  readonly loadMaths?: () => Promise<DrawMaths>;
};

export const loadHighlight = async (): Promise<Highlight> => (await import("./highlight.ts")).highlight;
export const loadMaths = async (): Promise<DrawMaths> => (await import("./katex.ts")).drawMaths;

export const MarkdownContext = createContext<MarkdownWorld>({
  texts: englishMarkdownTexts,
  copy: () => Promise.resolve(false),
});
