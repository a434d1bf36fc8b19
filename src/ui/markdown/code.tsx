// Owns a block of code: its head with language, copy and download, its lines, and their colours once it is finished.
import { memo, useContext, useEffect, useMemo, useState, type ReactNode } from "react";
import { loadHighlight, MarkdownContext, type Piece } from "./context.ts";
import { whenLoaded } from "./idle.ts";
import { fileNameOf } from "./languages.ts";

/** Longer ones keep one colour: a grammar's time must be bounded. */
const longest = 30_000;
/** How much code (characters) one element holds at least: a new line at the end lays out only the last. */
const chunkLength = 2000;

/** How long (ms) the button says that it was done. */
const copiedTime = 1500;

export const CodeBlock = memo(function CodeBlock(props: {
  readonly language: string;
  readonly text: string;
  readonly done: boolean;
}): ReactNode {
  const { language, text, done } = props;
  const { texts, copy } = useContext(MarkdownContext);
  const [copied, setCopied] = useState(false);
  const pieces = useHighlight(text, language, done);
  const chunks = useMemo(() => cut(pieces ?? [{ text, kind: "" }]), [pieces, text]);
  const copyCode = async (): Promise<void> => {
    if (await copy(text)) setCopied(true);
  };
  useEffect(() => {
    if (!copied) return undefined;
    const timer = setTimeout(() => setCopied(false), copiedTime);
    return () => clearTimeout(timer);
  }, [copied]);
  return (
    <figure className="md-code" dir="ltr">
      <figcaption className="md-code-head">
        <span className="md-language">{language === "" ? texts.code("") : language}</span>
        <button type="button" className="md-code-button" onClick={() => void copyCode()}>
          {copied ? texts.copied : texts.copyCode}
        </button>
        <button type="button" className="md-code-button" onClick={() => download(text, fileNameOf(language))}>
          {texts.download}
        </button>
      </figcaption>
      <pre className="md-pre" tabIndex={0} role="region" aria-label={texts.code(language)}>
        <code className="md-code-text">
          {chunks.map((chunk, i) => (
            <Chunk key={i} pieces={chunk} />
          ))}
        </code>
      </pre>
    </figure>
  );
});

type ChunkProps = { readonly pieces: readonly Piece[] };

const Chunk = memo(
  function Chunk({ pieces }: ChunkProps): ReactNode {
    return (
      <span className="md-chunk">
        {pieces.map(({ text, kind }, i) =>
          kind === "" ? (
            text
          ) : (
            <span key={i} className={kind}>
              {text}
            </span>
          ),
        )}
      </span>
    );
  },
  ({ pieces: before }, { pieces: after }) =>
    before.length === after.length &&
    before.every(({ text, kind }, i) => text === after[i]?.text && kind === after[i].kind),
);

/** Pieces in chunks that end where a line does. */
function cut(pieces: readonly Piece[]): readonly (readonly Piece[])[] {
  const chunks: Piece[][] = [];
  let chunk: Piece[] = [];
  let length = 0;
  for (const { text, kind } of pieces) {
    let at = 0;
    while (at < text.length) {
      const newline = text.indexOf("\n", Math.max(at, at + chunkLength - length - 1));
      const end = newline === -1 ? text.length : newline + 1;
      chunk.push({ text: text.slice(at, end), kind });
      length += end - at;
      at = end;
      if (newline === -1) continue;
      chunks.push(chunk);
      [chunk, length] = [[], 0];
    }
  }
  return chunk.length > 0 || chunks.length === 0 ? [...chunks, chunk] : chunks;
}

/** The pieces of finished code, when they are there. */
function useHighlight(text: string, language: string, done: boolean): readonly Piece[] | undefined {
  const load = useContext(MarkdownContext).loadHighlight ?? loadHighlight;
  const [found, find] = useState<{ readonly text: string; readonly pieces: readonly Piece[] }>();
  const isWanted = done && language !== "" && text.length <= longest;
  useEffect(() => {
    if (!isWanted) return undefined;
    return whenLoaded(load, (highlight) => {
      const pieces = highlight(text, language);
      if (pieces !== undefined) find({ text, pieces });
    });
  }, [isWanted, text, language, load]);
  return isWanted && found?.text === text ? found.pieces : undefined;
}

function download(text: string, name: string): void {
  const url = URL.createObjectURL(new Blob([text, "\n"], { type: "text/plain" }));
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}
