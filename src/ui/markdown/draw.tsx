// Owns how each token of Markdown becomes an element. What is no token of its list is shown as the text it was written as.
import { Fragment, type ReactNode } from "react";
import type { Token, Tokens } from "marked";
import { Code } from "./code.tsx";
import { useMarkdown } from "./context.ts";
import { readEntities } from "./entities.ts";
import { claimedHost, isOwnImage, readTarget } from "./links.ts";
import { Maths } from "./maths.tsx";

/** Nesting deeper than this is shown as text: no input may exhaust the stack. */
const deepest = 24;

const is = <T extends Token>(token: Token, type: T["type"]): token is T => token.type === type;

/** `open`: the block may still grow. */
export function drawBlock(token: Token, open: boolean, depth = 0): ReactNode {
  if (depth > deepest) return <p dir="auto">{token.raw}</p>;
  if (is<Tokens.Code>(token, "code")) {
    return <Code text={token.text} language={(token.lang ?? "").split(/\s/)[0] ?? ""} open={open} />;
  }
  if (is<Tokens.Heading>(token, "heading")) return heading(token.depth, inline(token.tokens, depth));
  if (is<Tokens.Paragraph>(token, "paragraph")) return <p dir="auto">{inline(token.tokens, depth)}</p>;
  if (is<Tokens.Text>(token, "text")) return inline(token.tokens ?? [token], depth);
  if (is<Tokens.Blockquote>(token, "blockquote")) {
    return <blockquote dir="auto">{blocks(token.tokens, open, depth)}</blockquote>;
  }
  if (is<Tokens.List>(token, "list")) return list(token, open, depth);
  if (is<Tokens.Table>(token, "table")) return <Table token={token} />;
  if (is<Tokens.Hr>(token, "hr")) return <hr />;
  if (is<Tokens.Space>(token, "space") || is<Tokens.Def>(token, "def")) return null;
  if (token.type === "mathsBlock") return <Maths text={"text" in token ? String(token.text) : ""} block />;
  if (is<Tokens.Checkbox>(token, "checkbox")) return <Box checked={token.checked} />;
  return <p dir="auto">{token.raw}</p>;
}

const blocks = (tokens: readonly Token[], open: boolean, depth: number): ReactNode =>
  tokens.map((token, i) => (
    <Fragment key={`${i}`}>{drawBlock(token, open && i === tokens.length - 1, depth + 1)}</Fragment>
  ));

/** A message has a heading of its own, the third; those of its text stand below it. */
function heading(level: number, content: ReactNode): ReactNode {
  if (level <= 1)
    return (
      <h4 className="md-h1" dir="auto">
        {content}
      </h4>
    );
  if (level === 2)
    return (
      <h5 className="md-h2" dir="auto">
        {content}
      </h5>
    );
  return (
    <h6 className="md-h3" dir="auto">
      {content}
    </h6>
  );
}

function list(token: Tokens.List, open: boolean, depth: number): ReactNode {
  const items = token.items.map((item, i) => (
    <li key={`${i}`} dir="auto" className={item.task ? "md-task" : undefined}>
      {blocks(item.tokens, open && i === token.items.length - 1, depth)}
    </li>
  ));
  if (!token.ordered) return <ul>{items}</ul>;
  return <ol start={typeof token.start === "number" ? token.start : 1}>{items}</ol>;
}

function Box({ checked }: { readonly checked: boolean }): ReactNode {
  const { texts } = useMarkdown();
  return <span className="md-box" data-checked={checked} role="img" aria-label={checked ? texts.done : texts.open} />;
}

function Table({ token }: { readonly token: Tokens.Table }): ReactNode {
  const { texts } = useMarkdown();
  const align = (i: number): string | undefined => (token.align[i] ? `md-${token.align[i]}` : undefined);
  return (
    <div className="md-table" role="region" aria-label={texts.table} tabIndex={0}>
      <table>
        <thead>
          <tr>
            {token.header.map((cell, i) => (
              <th key={`${i}`} scope="col" dir="auto" className={align(i)}>
                {inline(cell.tokens, 0)}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {token.rows.map((row, y) => (
            <tr key={`${y}`}>
              {row.map((cell, i) => (
                <td key={`${i}`} dir="auto" className={align(i)}>
                  {inline(cell.tokens, 0)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

const inline = (tokens: readonly Token[], depth: number): ReactNode =>
  tokens.map((token, i) => <Fragment key={`${i}`}>{drawInline(token, depth + 1)}</Fragment>);

function drawInline(token: Token, depth: number): ReactNode {
  if (depth > deepest) return token.raw;
  if (is<Tokens.Text>(token, "text")) {
    return token.tokens === undefined ? readEntities(token.text) : inline(token.tokens, depth);
  }
  if (is<Tokens.Strong>(token, "strong")) return <strong>{inline(token.tokens, depth)}</strong>;
  if (is<Tokens.Em>(token, "em")) return <em>{inline(token.tokens, depth)}</em>;
  if (is<Tokens.Del>(token, "del")) return <del>{inline(token.tokens, depth)}</del>;
  if (is<Tokens.Codespan>(token, "codespan")) return <code dir="ltr">{token.text}</code>;
  if (is<Tokens.Br>(token, "br")) return <br />;
  if (is<Tokens.Escape>(token, "escape")) return token.text;
  if (is<Tokens.Link>(token, "link")) return <Link token={token}>{inline(token.tokens, depth)}</Link>;
  if (is<Tokens.Image>(token, "image")) return <Picture address={token.href} text={token.text} />;
  if (is<Tokens.Checkbox>(token, "checkbox")) return <Box checked={token.checked} />;
  if (token.type === "maths") return <Maths text={"text" in token ? String(token.text) : ""} block={false} />;
  return token.raw;
}

function Link({ token, children }: { readonly token: Tokens.Link; readonly children: ReactNode }): ReactNode {
  const { texts } = useMarkdown();
  const target = readTarget(readEntities(token.href));
  // An address that may not be followed, or is not whole yet.
  if (target === undefined) return <span className="md-inert">{children}</span>;
  const claimed = claimedHost(token.text);
  const lies =
    target.host !== "" && claimed !== undefined && claimed.replace(/^www\./, "") !== target.host.replace(/^www\./, "");
  return (
    <>
      <a
        href={target.href}
        target="_blank"
        rel="noopener noreferrer"
        title={target.host === "" ? target.href : texts.linkTo(target.host)}
      >
        {children}
      </a>
      {lies && <span className="md-host"> ({target.host})</span>}
    </>
  );
}

/** Nothing is fetched from elsewhere: a picture of another host is a button that opens it in a tab of its own. */
function Picture({ address, text }: { readonly address: string; readonly text: string }): ReactNode {
  const { texts } = useMarkdown();
  if (isOwnImage(address)) return <img className="md-image" src={address} alt={text} loading="lazy" />;
  const target = readTarget(readEntities(address));
  if (target === undefined || target.host === "") return <span className="md-inert">{text}</span>;
  return (
    <a className="md-picture" href={target.href} target="_blank" rel="noopener noreferrer">
      {text === "" ? null : `${text} · `}
      {texts.imageFrom(target.host)}
    </a>
  );
}
