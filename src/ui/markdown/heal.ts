// Owns how the unfinished end of a text is shown: what is open is closed, what may become anything waits. It never touches what is kept.
import remend from "remend";

/** A line that so far has nothing but marks: a bullet, a rule, a heading and emphasis still look alike. */
const onlyMarks = /^[ \t>]*(?:[-+*_=#|:~`$\\[\]!<([ \t]*|\d{1,9}[.)]?[ \t]*)$/;
/** What becomes a table's head or a line of text, by the line that follows. */
const maybeHead = /^ {0,3}\|/;

/** The same text with its end made showable. `inTable`: its last line is a row of a table for sure. */
export function heal(text: string, inTable: boolean): string {
  const kept = holdBack(text, inTable);
  const from = Math.max(0, kept.length - longest);
  return kept.slice(0, from) + close(kept.slice(from));
}

/** How much (characters) of the end is looked at: the time that it takes grows faster than its length. */
const longest = 3000;

function close(text: string): string {
  return remend(text, {
    comparisonOperators: false,
    singleTilde: false,
    setextHeadings: false,
    katex: false,
    linkMode: "protocol",
  });
}

function holdBack(text: string, inTable: boolean): string {
  const at = text.lastIndexOf("\n") + 1;
  const last = text.slice(at);
  if (inTable) return text;
  const kept = onlyMarks.test(last) ? text.slice(0, Math.max(0, at - 1)) : text;
  const from = kept.lastIndexOf("\n") + 1;
  if (!maybeHead.test(kept.slice(from))) return kept;
  const before = kept.slice(kept.lastIndexOf("\n", from - 2) + 1, Math.max(0, from - 1));
  return maybeHead.test(before) ? kept : kept.slice(0, from);
}
