// Owns how a test model may behave, and how a prompt or a query asks for it; must do no I/O.

/**
 * Everything optional; nothing set: 200 characters at once. In a prompt: `{{chars=5000 rate=50 piece=4}}`, a name alone is
 * `true`. Faults (everything from `fail` down) can be limited to the first `times` requests with the same last user message.
 */
export type Behaviour = {
  /** The text is `expectedText(seed, chars)`. Defaults 1 and 200. */
  readonly seed?: number;
  readonly chars?: number;
  /** The text is `proseText(seed, chars)` instead: words and paragraphs that mean nothing to any renderer. */
  readonly prose?: boolean;
  /** Instead: this very text (not in prompts: one word only there). */
  readonly text?: string;
  /** UTF-16 units per delta; default 4. */
  readonly piece?: number;
  /** Deltas per second; 0 (default): as fast as they are read. */
  readonly rate?: number;
  /** So many characters of reasoning first (`expectedText(seed + 1, n)`); `field` names where: reasoning_content (default) or reasoning. */
  readonly reasoning?: number;
  readonly field?: string;
  /** Cuts deltas between the halves of a character (as JSON escapes). */
  readonly pairs?: boolean;
  /** Writes the wire's bytes in slices of this size, each its own write. */
  readonly slice?: number;
  /** One JSON completion instead of a stream. */
  readonly plain?: boolean;
  /** Header only after so many ms. */
  readonly header?: number;
  readonly type?: string;
  readonly finish?: string;
  /** Leaves out `[DONE]`; `nofinish` also the finish_reason. */
  readonly nodone?: boolean;
  readonly nofinish?: boolean;
  /** A deltas' stream without end, as fast as it is read, in deltas of `piece`. */
  readonly endless?: boolean;
  /** Says nothing at all, but properly. */
  readonly empty?: boolean;

  /** How many requests of the same prompt the faults below apply to. Default: all. */
  readonly times?: number;
  /** Answers with this status. `code` and `message` go into the body; `retry`: seconds, `date:SECONDS`, `ms:N`, or any text. */
  readonly fail?: number;
  readonly code?: string;
  readonly message?: string;
  readonly retry?: string;
  /** Falls silent before the header (`-1`), or after so many deltas; `comments`: a keep-alive comment every so many ms meanwhile. */
  readonly stall?: number;
  readonly comments?: number;
  /** Goes no further than so many characters until the request's record says otherwise: the reply runs for as long as a test wants. */
  readonly hold?: number;
  /** Destroys the socket in the middle of an SSE line after so many deltas. */
  readonly cut?: number;
  /** Ends the stream properly after so many deltas, without a finish_reason or `[DONE]`. */
  readonly truncate?: number;
  /** Destroys the socket before a byte of the answer. */
  readonly reset?: boolean;
  /** Answers that the same is to be had at another address: its own. */
  readonly redirect?: boolean;
  /** So many rubbish lines before every delta. */
  readonly rubbish?: number;
  /** An `error` object in the stream, with `code`, after so many deltas. */
  readonly error?: number;
  /** `execute`-like events and tool calls between the deltas. */
  readonly hostile?: boolean;
  /** One line that never ends. */
  readonly line?: boolean;
};

const faults = [
  "fail",
  "stall",
  "hold",
  "cut",
  "truncate",
  "reset",
  "redirect",
  "rubbish",
  "error",
  "hostile",
  "line",
] as const;

/** The behaviour without its faults. */
export function healthy(behaviour: Behaviour): Behaviour {
  const kept = Object.entries(behaviour).filter(([key]) => !faults.some((fault) => fault === key));
  return Object.fromEntries(kept);
}

const numbers = new Set([
  "seed", "chars", "piece", "rate", "reasoning", "slice", "header", "times", "fail", "stall", "hold", "comments", "cut", "truncate", "rubbish", "error",
]); // prettier-ignore
const texts = new Set(["text", "field", "type", "finish", "code", "message", "retry"]);
const flags = new Set([
  "prose",
  "pairs",
  "plain",
  "nodone",
  "nofinish",
  "endless",
  "empty",
  "reset",
  "redirect",
  "hostile",
  "line",
]);

/** Reads `{{...}}` in a prompt. undefined: there is none. Throws on a name it does not know: a test with a typo must not pass. */
export function parseDirective(prompt: string): Behaviour | undefined {
  const found = /\{\{(.*?)\}\}/s.exec(prompt)?.[1];
  if (found === undefined) return undefined;
  const out: Record<string, string | number | boolean> = {};
  for (const word of found.split(/\s+/).filter((w) => w !== "")) {
    const [name = "", ...rest] = word.split("=");
    const value = rest.join("=");
    if (numbers.has(name)) out[name] = value === "" ? 1 : Number(value);
    else if (texts.has(name)) out[name] = value;
    else if (flags.has(name)) out[name] = value !== "false";
    else throw new Error(`unknown directive ${name}`);
  }
  return out;
}
