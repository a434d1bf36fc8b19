// Owns links and images of a model's text: only checked addresses become one, and nothing is fetched from elsewhere by itself.
import { useContext, type ReactNode } from "react";
import { MarkdownContext } from "./context.ts";
import { isMisleading, readOwnFile, readTarget } from "./links.ts";

/** What stands for an address that has not come whole. */
const unfinished = /^streamdown:incomplete-/;

/** A link, with the real host behind it where its text names another; else what is in it. */
export function Link(props: {
  readonly address: string;
  readonly text: string;
  readonly children: ReactNode;
}): ReactNode {
  const { texts } = useContext(MarkdownContext);
  const target = readTarget(props.address);
  if (target === undefined) {
    return <span className={unfinished.test(props.address) ? "md-link-pending" : undefined}>{props.children}</span>;
  }
  return (
    <>
      <a
        className="md-link"
        href={target.href}
        target="_blank"
        rel="noopener noreferrer"
        title={texts.linkTo(target.place)}
      >
        {props.children}
      </a>
      {isMisleading(props.text, target) && (
        <bdi className="md-place" dir="ltr">
          {` (${target.place})`}
        </bdi>
      )}
    </>
  );
}

/** One of our own files is shown. One from elsewhere is a button that opens it: to load it would tell that host what is in its address. */
export function Image(props: { readonly address: string; readonly alt: string; readonly linked: boolean }): ReactNode {
  const { address, alt, linked } = props;
  const { texts } = useContext(MarkdownContext);
  const own = readOwnFile(address);
  if (own !== undefined) return <img className="md-image" src={own} alt={alt} loading="lazy" />;
  const target = readTarget(address);
  if (target === undefined || target.href.startsWith("mailto:") || linked) {
    return <span className="md-muted">{alt === "" ? target?.place : alt}</span>;
  }
  return (
    <button
      type="button"
      className="md-image-button"
      title={target.place}
      onClick={() => window.open(target.href, "_blank", "noopener,noreferrer")}
    >
      <span>{texts.imageFrom(target.place)}</span>
      {alt !== "" && <span className="md-muted">{alt}</span>}
    </button>
  );
}
