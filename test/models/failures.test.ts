// Owns the checks of how a provider's errors are read.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { failureOfStatus, parseRetryAfter, tidy } from "../../src/adapters/models/failures.ts";
import { fieldsOf } from "./calls.ts";

const now = Date.UTC(2026, 10, 23, 12, 0, 0);
const header = (headers: Record<string, string>) => (name: string) => headers[name];
const parse = (value: string): number | undefined => parseRetryAfter(header({ "retry-after": value }), now);
const hour = 3_600_000;

describe("PR01 Retry-After", () => {
  it("any text gives a wait between 0 and one hour, or none", () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), (seconds, ms) => {
        const wait = parseRetryAfter(header({ "retry-after": seconds, "retry-after-ms": ms }), now) ?? 0;
        expect(wait >= 0 && wait <= hour && Number.isFinite(wait)).toBe(true);
      }),
    );
  });

  it("seconds, whole or not, are kept up to the hour", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 1_000_000 }), (seconds) => {
        expect(parse(String(seconds))).toBe(Math.min(hour, seconds * 1_000));
        expect(parse(` ${seconds}.5 `)).toBe(Math.min(hour, seconds * 1_000 + 500));
      }),
    );
  });

  it("an HTTP date is the time until then, 0 where it is past", () => {
    fc.assert(
      fc.property(fc.integer({ min: -100_000, max: 100_000 }), (seconds) => {
        const wait = parse(new Date(now + seconds * 1_000).toUTCString());
        expect(wait).toBe(Math.min(hour, Math.max(0, seconds * 1_000)));
      }),
    );
  });

  it.each(["", "soon", "-5", "1e3", "0x10", "Infinity", "NaN", "12,5", "Mon, nonsense", "2026-11-23"])(
    "junk is none: %s",
    (value) => {
      expect(parse(value)).toBeUndefined();
    },
  );

  it("milliseconds go before seconds", () => {
    expect(parseRetryAfter(header({ "retry-after-ms": "150", "retry-after": "9" }), now)).toBe(150);
  });
});

describe("MD3 providers' own words", () => {
  const of = (status: number, body: unknown) => {
    const text = typeof body === "string" ? body : JSON.stringify(body);
    return fieldsOf(failureOfStatus(status, () => undefined, text, { now, secrets: [] }));
  };
  it.each([
    [
      "llama.cpp",
      400,
      {
        error: {
          code: 400,
          message: "the request exceeds the available context size",
          type: "exceed_context_size_error",
        },
      },
      "context_overflow",
      false,
    ],
    [
      "vLLM",
      400,
      { object: "error", message: "This model's maximum context length is 4096 tokens.", type: "BadRequestError" },
      "context_overflow",
      false,
    ],
    [
      "Anthropic, long",
      400,
      {
        type: "error",
        error: { type: "invalid_request_error", message: "prompt is too long: 210000 tokens > 200000 maximum" },
      },
      "context_overflow",
      false,
    ],
    [
      "Anthropic, no credit",
      400,
      {
        type: "error",
        error: { type: "invalid_request_error", message: "Your credit balance is too low to access the API." },
      },
      "model_unavailable",
      false,
    ],
    [
      "Gemini, too many",
      429,
      [
        {
          error: {
            code: 429,
            message: "You exceeded your current quota, please check your plan and billing details.",
            status: "RESOURCE_EXHAUSTED",
          },
        },
      ],
      "model_rate_limited",
      true,
    ],
    [
      "OpenAI, no credit",
      429,
      {
        error: {
          message: "You exceeded your current quota, please check your plan and billing details.",
          type: "insufficient_quota",
          code: "insufficient_quota",
        },
      },
      "model_unavailable",
      false,
    ],
    [
      "OpenRouter, no credit",
      402,
      { error: { code: 402, message: "Insufficient credits" } },
      "model_unavailable",
      false,
    ],
    [
      "OpenRouter, moderation",
      403,
      { error: { code: 403, message: "Your input was flagged" } },
      "model_refused",
      false,
    ],
    [
      "Azure, filtered",
      400,
      {
        error: {
          message: "The response was filtered",
          code: "content_filter",
          innererror: { code: "ResponsibleAIPolicyViolation" },
        },
      },
      "model_refused",
      false,
    ],
    ["Ollama, unknown model", 404, { error: "model 'nope' not found" }, "model_unavailable", false],
    ["a proxy's page", 502, "<html>Bad Gateway</html>", "model_unavailable", true],
    [
      "a mention of context that is none",
      400,
      { error: { message: "Unknown parameter: context.", type: "invalid_request_error" } },
      "model_unavailable",
      false,
    ],
  ])("%s", (_, status, body, code, retryable) => {
    expect(of(status, body)).toMatchObject({ code, retryable });
  });

  it("any body of any status is a failure, never an exception", () => {
    fc.assert(
      fc.property(fc.integer({ min: 300, max: 599 }), fc.oneof(fc.string(), fc.json()), (status, body) => {
        expect(of(status, body).code).toMatch(/^model_|context_overflow/);
      }),
    );
  });
});

it("G13 tidy keeps one line of 200 characters without keys", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary", maxLength: 400 }), fc.stringMatching(/^[a-z0-9]{20,40}$/), (text, key) => {
      const out = tidy(`${text}${key}${text}`, [key]);
      expect(out.length).toBeLessThanOrEqual(200);
      expect(out).not.toContain(key);
      expect(out).not.toMatch(/[\p{Cc}\u2028\u2029\u202e]/u);
    }),
  );
});
