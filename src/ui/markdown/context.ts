// Owns what the Markdown needs of the UI around it: its texts, and a voice for screen readers.
import { createContext, useContext } from "react";

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

export type MarkdownWorld = {
  readonly texts: MarkdownTexts;
  /** Copies a text and says so. Resolves to whether it was possible. */
  readonly copy: (text: string) => Promise<boolean>;
};

export const MarkdownContext = createContext<MarkdownWorld>({
  texts: englishMarkdownTexts,
  copy: () => Promise.resolve(false),
});
export const useMarkdown = (): MarkdownWorld => useContext(MarkdownContext);
