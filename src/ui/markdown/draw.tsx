// Owns which element each node becomes. A text of the model becomes text nodes and checked addresses, never markup.
import { createContext, useCallback, useContext, type ReactElement, type ReactNode } from "react";
import { CodeBlock } from "./code.tsx";
import { MarkdownContext } from "./context.ts";
import type { Definitions } from "./lexer.ts";
import { Formula } from "./formula.tsx";
import { Image, Link } from "./link.tsx";
import { plain, type Cell, type Inline, type Item, type ListNode, type Node, type TableNode } from "./nodes.ts";
import { Runs } from "./runs.tsx";

export const DefinitionsContext = createContext<Definitions>({});

/** `done`: it cannot change any more. `bare`: a paragraph is drawn without its element, as in a tight list. */
export function drawNode(node: Node, done: boolean, key?: number, bare = false): ReactElement {
  switch (node.kind) {
    case "paragraph":
      if (bare) return <span key={key}>{drawInlines(node.inside)}</span>;
      return (
        <p key={key} className="md-p" dir="auto">
          {drawInlines(node.inside)}
        </p>
      );
    case "heading":
      return <Heading key={key} depth={node.depth} inside={node.inside} />;
    case "quote":
      return (
        <blockquote key={key} className="md-quote" dir="auto">
          {node.inside.map((inner, i) => drawNode(inner, done, i))}
        </blockquote>
      );
    case "rule":
      return <hr key={key} className="md-rule" />;
    case "math":
      if (node.closed) return <Formula key={key} tex={node.tex} display />;
      return (
        <p key={key} className="md-p md-raw" dir="ltr">
          {node.raw}
        </p>
      );
    case "code":
      return <CodeBlock key={key} language={node.language} text={node.text} done={done} />;
    case "list":
      return <List key={key} node={node} />;
    case "table":
      return <Table key={key} node={node} />;
    default:
      return node satisfies never;
  }
}

/** `linked`: they are in a link, where nothing else can be pressed. */
const drawInlines = (inlines: readonly Inline[], linked = false): ReactNode =>
  inlines.map((inline, i) => drawInline(inline, i, linked));

function drawInline(inline: Inline, key: number, linked: boolean): ReactElement | string {
  switch (inline.kind) {
    case "text":
      return inline.text;
    case "code":
      return (
        <code key={key} className="md-code-span" dir="ltr">
          {inline.text}
        </code>
      );
    case "strong":
      return <strong key={key}>{drawInlines(inline.inside, linked)}</strong>;
    case "emphasis":
      return <em key={key}>{drawInlines(inline.inside, linked)}</em>;
    case "deleted":
      return <del key={key}>{drawInlines(inline.inside, linked)}</del>;
    case "break":
      return <br key={key} />;
    case "math":
      return <Formula key={key} tex={inline.tex} display={inline.display} />;
    case "link":
      return (
        <Link key={key} address={inline.address} text={plain(inline.inside)}>
          {drawInlines(inline.inside, true)}
        </Link>
      );
    case "image":
      return <Image key={key} address={inline.address} alt={inline.alt} linked={linked} />;
    case "reference":
      return <Reference key={key} {...inline} />;
    default:
      return inline satisfies never;
  }
}

/** What a label means may come later than its use: only this is drawn again then. */
function Reference({ label, image, rest, inside }: Extract<Inline, { kind: "reference" }>): ReactNode {
  const definitions = useContext(DefinitionsContext);
  const found = Object.hasOwn(definitions, label) ? definitions[label] : undefined;
  if (found === undefined) {
    return (
      <>
        {image ? "![" : "["}
        {drawInlines(inside)}]{rest}
      </>
    );
  }
  if (image) return <Image address={found.href} alt={plain(inside)} linked={false} />;
  return (
    <Link address={found.href} text={plain(inside)}>
      {drawInlines(inside, true)}
    </Link>
  );
}

function Heading({ depth, inside }: { readonly depth: number; readonly inside: readonly Inline[] }): ReactNode {
  const { headingLevel = 4 } = useContext(MarkdownContext);
  const className = `md-heading md-h${depth}`;
  const level = Math.min(6, headingLevel + depth - 1);
  const Tag = level <= 3 ? "h3" : level === 4 ? "h4" : level === 5 ? "h5" : "h6";
  return (
    <Tag className={className} dir="auto">
      {drawInlines(inside)}
    </Tag>
  );
}

function List({ node }: { readonly node: ListNode }): ReactNode {
  const items = <Runs items={node.items} draw={node.loose ? drawLooseItem : drawTightItem} />;
  if (node.start === undefined) {
    return (
      <ul className="md-list" dir="auto">
        {items}
      </ul>
    );
  }
  return (
    <ol className="md-list" dir="auto" start={node.start}>
      {items}
    </ol>
  );
}

const drawLooseItem = (item: Item, i: number): ReactNode => <ItemView key={i} item={item} loose />;
const drawTightItem = (item: Item, i: number): ReactNode => <ItemView key={i} item={item} loose={false} />;

function ItemView({ item, loose }: { readonly item: Item; readonly loose: boolean }): ReactNode {
  const { texts } = useContext(MarkdownContext);
  const inside = item.inside.map((node, i) => drawNode(node, item.done, i, !loose));
  if (item.checked === undefined) return <li className="md-item">{inside}</li>;
  return (
    <li className="md-item md-task">
      <input type="checkbox" checked={item.checked} disabled aria-label={item.checked ? texts.done : texts.open} />
      <div>{inside}</div>
    </li>
  );
}

function Table({ node }: { readonly node: TableNode }): ReactNode {
  const { texts } = useContext(MarkdownContext);
  const { align, head, rows } = node;
  const drawRow = useCallback(
    (row: readonly Cell[], r: number): ReactNode => (
      <tr key={r}>
        {row.map((cell, i) => (
          <td key={i} className={alignClass(align[i])} dir="auto">
            {drawInlines(cell)}
          </td>
        ))}
      </tr>
    ),
    [align],
  );
  return (
    <div className="md-scroll" role="region" aria-label={texts.table} tabIndex={0}>
      <table className="md-table">
        <thead>
          <tr>
            {head.map((cell, i) => (
              <th key={i} scope="col" className={alignClass(align[i])} dir="auto">
                {drawInlines(cell)}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          <Runs items={rows} draw={drawRow} />
        </tbody>
      </table>
    </div>
  );
}

const alignClass = (align: "center" | "left" | "right" | null | undefined): string | undefined =>
  align === null || align === undefined ? undefined : `md-${align}`;
