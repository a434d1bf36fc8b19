// Owns a block of code: its language, copy and download, and colours that come later, off the main path.
import { memo, useEffect, useState, type ReactNode } from "react";
import { useMarkdown } from "./context.ts";
import type { Coloured } from "./highlight.ts";

/** Longer code is not coloured: it would hold up the page. */
const longestColoured = 30_000;
/** Lines are drawn in groups of so many: a growing block touches the last group only. */
const groupLines = 40;

export function Code(props: { readonly text: string; readonly language: string; readonly open: boolean }): ReactNode {
  const { text, language, open } = props;
  const { texts, copy } = useMarkdown();
  const [copied, setCopied] = useState(false);
  const coloured = useColours(text, language, open);
  const press = async (): Promise<void> => {
    if (!(await copy(text))) return;
    setCopied(true);
    setTimeout(() => setCopied(false), 1500);
  };
  return (
    <figure className="md-code" dir="ltr">
      <figcaption>
        <span>{language}</span>
        <button type="button" onClick={() => void press()}>
          {copied ? texts.copied : texts.copyCode}
        </button>
        <button type="button" onClick={() => download(text, language)}>
          {texts.download}
        </button>
      </figcaption>
      <pre role="region" aria-label={texts.code(language)} tabIndex={0}>
        <code>{coloured ?? groupsOf(text).map((group, i) => <Group key={`${i}`} text={group} />)}</code>
      </pre>
    </figure>
  );
}

const Group = memo(function Group({ text }: { readonly text: string }): ReactNode {
  return <span>{text}</span>;
});

function groupsOf(text: string): readonly string[] {
  const groups: string[] = [];
  let start = 0;
  let lines = 0;
  for (let at = text.indexOf("\n"); at !== -1; at = text.indexOf("\n", at + 1)) {
    if (++lines % groupLines !== 0) continue;
    groups.push(text.slice(start, at + 1));
    start = at + 1;
  }
  groups.push(text.slice(start));
  return groups;
}

/** The colours of a finished block, once the browser has time for them. */
function useColours(text: string, language: string, open: boolean): ReactNode | undefined {
  const [found, setFound] = useState<{ readonly text: string; readonly tree: readonly Coloured[] }>();
  useEffect(() => {
    if (open || language === "" || text.length > longestColoured) return undefined;
    let wanted = true;
    const colour = async (): Promise<void> => {
      const { colourCode } = await import("./highlight.ts");
      await idle();
      if (!wanted) return;
      const tree = colourCode(text, language);
      if (tree !== undefined) setFound({ text, tree });
    };
    // Offline, and never fetched before: the code stays plain.
    colour().catch(() => undefined);
    return () => {
      wanted = false;
    };
  }, [text, language, open]);
  return found?.text === text ? drawColours(found.tree) : undefined;
}

/** Until the browser has nothing better to do, half a second at most. */
const idle = (): Promise<void> =>
  new Promise((resolve) => {
    if (typeof requestIdleCallback === "function") requestIdleCallback(() => resolve(), { timeout: 500 });
    else setTimeout(resolve, 30);
  });

const drawColours = (tree: readonly Coloured[]): ReactNode =>
  tree.map((node, i) =>
    typeof node === "string" ? (
      node
    ) : (
      <span key={`${i}`} className={node.name}>
        {drawColours(node.children)}
      </span>
    ),
  );

function download(text: string, language: string): void {
  const link = document.createElement("a");
  const ending = /^[a-z\d+#-]{1,12}$/i.test(language) ? language.toLowerCase() : "txt";
  link.href = URL.createObjectURL(new Blob([text], { type: "text/plain;charset=utf-8" }));
  link.download = `code.${ending}`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
