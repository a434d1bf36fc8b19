// Owns what providers do to a reply, and what is specified for each: how it ends, and how often the model may be asked. Plays nothing.
import type { ErrorCode } from "../../src/protocol/index.ts";

export type Kind = {
  readonly name: string;
  /** What the model is told to do; `chars` and `seed` are added. */
  readonly how: string;
  readonly chars?: number;
  /** Complete with all of the model's text, complete and empty, or failed with this code. */
  readonly ends: "whole" | "empty" | ErrorCode;
  /** The same where the model can be given the beginning of its reply, if that differs. */
  readonly withPrefill?: { readonly ends: Kind["ends"]; readonly calls: number };
  readonly calls: number;
};

/** Failures that do not count against the model: as many as one likes, at once. */
export const harmless: readonly Kind[] = [
  { name: "limited once, Retry-After in seconds", how: "fail=429 retry=1 times=1", ends: "whole", calls: 2 },
  { name: "limited once, Retry-After as a date", how: "fail=429 retry=date:1 times=1", ends: "whole", calls: 2 },
  { name: "limited once, Retry-After in milliseconds", how: "fail=429 retry=ms:50 times=1", ends: "whole", calls: 2 },
  { name: "limited for a day", how: "fail=429 retry=86400", ends: "model_rate_limited", calls: 1 },
  {
    name: "limited for good, Retry-After unreadable",
    how: "fail=429 retry=soon",
    ends: "model_rate_limited",
    calls: 3,
  },
  { name: "no money left", how: "fail=429 code=insufficient_quota", ends: "model_unavailable", calls: 1 },
  { name: "the key is refused", how: "fail=401 code=invalid_api_key", ends: "model_unavailable", calls: 1 },
  { name: "forbidden", how: "fail=403", ends: "model_unavailable", calls: 1 },
  { name: "no such model", how: "fail=404 code=model_not_found", ends: "model_unavailable", calls: 1 },
  { name: "refused by a filter at once", how: "fail=400 code=content_filter", ends: "model_refused", calls: 1 },
  { name: "refused by a filter in the reply", how: "finish=content_filter", ends: "model_refused", calls: 1 },
  { name: "too long a context", how: "fail=400 code=context_length_exceeded", ends: "context_overflow", calls: 1 },
  { name: "a body too large", how: "fail=413", ends: "context_overflow", calls: 1 },
  { name: "an address elsewhere", how: "redirect", ends: "model_unavailable", calls: 1 },
  { name: "nothing said", how: "empty", ends: "empty", calls: 1 },
  { name: "cut off by its own length", how: "finish=length", ends: "whole", calls: 1 },
  { name: "a completion instead of a stream", how: "plain", ends: "whole", calls: 1 },
  { name: "another content type", how: "type=text/plain", ends: "whole", calls: 1 },
  { name: "no [DONE]", how: "nodone", ends: "whole", calls: 1 },
  { name: "rubbish between the pieces", how: "rubbish=3", ends: "whole", calls: 1 },
  { name: "events and tool calls that nobody asked for", how: "hostile", ends: "whole", calls: 1 },
  { name: "bytes one by one, characters in halves", how: "slice=1 pairs piece=3", ends: "whole", calls: 1 },
  { name: "pieces of 200,000 characters", how: "piece=200000", chars: 600_000, ends: "whole", calls: 1 },
  { name: "a reply without end", how: "endless piece=20000", ends: "too_large", calls: 1 },
];

const twice = { ends: "whole", calls: 2 } as const;

/** Failures that count against the model: five in a row, and it is left alone. So at most four of a group, and a whole reply between. */
export const counted: readonly (readonly Kind[])[] = [
  [
    { name: "broken for good", how: "fail=500", ends: "model_unavailable", calls: 3 },
    {
      name: "cut in the middle of a line",
      how: "cut=6 times=1",
      ends: "model_unavailable",
      calls: 1,
      withPrefill: twice,
    },
  ],
  [
    { name: "overloaded twice", how: "fail=529 times=2", ends: "whole", calls: 3 },
    { name: "unavailable once", how: "fail=503 times=1", ends: "whole", calls: 2 },
    { name: "a connection that is reset", how: "reset times=1", ends: "whole", calls: 2 },
  ],
  [
    { name: "an error before the first piece", how: "error=0 times=1", ends: "whole", calls: 2 },
    {
      name: "an error between pieces",
      how: "error=5 times=1",
      ends: "model_unavailable",
      calls: 1,
      withPrefill: twice,
    },
    {
      name: "an end in the middle",
      how: "truncate=7 times=1",
      ends: "model_unavailable",
      calls: 1,
      withPrefill: twice,
    },
    { name: "a timeout of its own", how: "fail=408 times=1", ends: "whole", calls: 2 },
  ],
  [
    { name: "rubbish only", how: "rubbish=150", ends: "model_unavailable", calls: 3 },
    { name: "a line without end", how: "line times=1", ends: "whole", calls: 2 },
  ],
];

/** Silences, each longer than a call may be silent; with a model that cannot be given the beginning. */
export const silences: readonly Kind[] = [
  { name: "never a byte", how: "stall=-1", ends: "model_timeout", calls: 3 },
  { name: "silent after five pieces", how: "stall=5", ends: "model_timeout", calls: 1 },
  { name: "keep-alives after five pieces", how: "stall=5 comments=50", ends: "model_timeout", calls: 1 },
];
