// Owns what the server asks of whoever traces it: steps of a message's way, begun and ended. Types only.

/** A step of a message's way that takes time. `end` says how it went, in one word of a closed set. */
export interface Span {
  /** As the header of that name hands it on. Source: W3C Trace Context, 3.2. */
  readonly traceparent: string;
  /** Something happened within it. */
  mark(what: "first piece"): void;
  end(outcome: string): void;
}

/** Tells a collector how long steps took. MUST return at once and never throw; MUST NOT be asked per piece of a reply. */
export interface Tracer {
  begin(
    step: "message" | "commit" | "reply" | "model call",
    facts: Readonly<Record<string, string>>,
    parent?: Span,
  ): Span;
}
