// Owns how a provider's error becomes a ModelFailure; must do no I/O. Its words stay out: they may repeat a person's (G13).
import { ModelFailure } from "../../server/ports.ts";

/** What an error body says, as far as it says anything. */
export type ProviderError = { readonly code: string; readonly message: string; readonly status?: number | undefined };

const hour = 3_600_000;
const httpDate = /^(mon|tue|wed|thu|fri|sat|sun)[a-z]*,? /i;

/**
 * How long a provider asks to wait, in milliseconds, at most one hour: `retry-after-ms`, or `retry-after` in seconds or as
 * an HTTP date (past: 0). undefined where there is none or it cannot be read. `header` is asked in lower case. Source: RFC 9110, 10.2.3.
 */
export function parseRetryAfter(header: (name: string) => string | undefined, now: number): number | undefined {
  const inMs = header("retry-after-ms")?.trim() ?? "";
  if (/^\d+(\.\d+)?$/.test(inMs)) return Math.min(hour, Math.ceil(Number(inMs)));
  const value = header("retry-after")?.trim() ?? "";
  if (/^\d+(\.\d+)?$/.test(value)) return Math.min(hour, Math.ceil(Number(value) * 1000));
  const at = httpDate.test(value) ? Date.parse(value) : Number.NaN;
  return Number.isNaN(at) ? undefined : Math.min(hour, Math.max(0, at - now));
}

const keyLike = /\b(?:sk|pk|rk|key|org|proj|gsk|xai|hf|AIza)[-_]?[A-Za-z0-9*_-]{8,}|\bBearer\s+\S+/g;
// Control characters, line separators and changes of direction can forge a line of a log.
const control = /[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]+/gu;

/** A provider's words for the operator's log: one line, at most 200 characters, without keys. */
export function tidy(text: string, secrets: readonly string[] = []): string {
  let out = text.slice(0, 4_000);
  for (const secret of secrets) if (secret.length > 3) out = out.replaceAll(secret, "***");
  return out.replace(keyLike, "***").replace(control, " ").trim().slice(0, 200).toWellFormed();
}

const isObject = (value: unknown): value is object => typeof value === "object" && value !== null;
const word = (value: unknown): string => (typeof value === "string" ? value : "");

/** Finds the error in what a provider sent: `{error: {...}}`, `{error: "..."}`, the same in a list, or the bare object. */
export function readError(value: unknown): ProviderError | undefined {
  const root: unknown = Array.isArray(value) ? value[0] : value;
  if (!isObject(root)) return undefined;
  const error: unknown = "error" in root ? root.error : root;
  if (typeof error === "string") return error === "" ? undefined : { code: "", message: error };
  if (!isObject(error)) return undefined;
  const fields: Record<string, unknown> = Object.fromEntries(Object.entries(error));
  const names = [fields["code"], fields["type"], fields["status"]].map(word).filter((name) => name !== "");
  const message = word(fields["message"]) || word(fields["detail"]);
  if (names.length === 0 && message === "" && typeof fields["code"] !== "number") return undefined;
  const status = typeof fields["code"] === "number" ? fields["code"] : undefined;
  return { code: names.join(" "), message, status };
}

// Providers name these by code or only in words. Codes first, so that words decide as little as possible.
const overflow =
  /context_length_exceeded|exceed_context_size|context[ _](?:length|window|size) (?:of|is|exceeded|limit)|maximum context|exceeds? (?:the |its )?(?:available |maximum |model's )*context|(?:prompt|input) is too long|input length|too many (?:input )?tokens|reduce the length/i;
const refused =
  /content_filter|content_policy|ResponsibleAI|content management policy|content policy|usage polic|safety (?:system|reasons)|(?:was|been) flagged|moderation/i;
const unpaid =
  /insufficient_quota|insufficient_credits|billing_(?:hard_limit_reached|not_active)|payment_required|access_terminated|credit balance|(?:insufficient|out of) (?:credits?|funds|balance)|hard limit|spend(?:ing)?[ _-](?:cap|limit)|account is not active/i;
const limited = /rate_?limit|too_many_requests|RESOURCE_EXHAUSTED|tokens_per_min/i;
const denied = /invalid_api_key|authentication|permission|not_found|model_not_found|invalid_request/i;

type Kind = {
  readonly code: ModelFailure["code"];
  readonly retryable: boolean;
};

function classify(status: number, { code, message }: ProviderError): Kind {
  const said = `${code} ${message}`;
  const asked = status >= 400 && status < 500;
  if (asked && refused.test(said)) return { code: "model_refused", retryable: false };
  if ((asked || status === 500) && overflow.test(said)) return { code: "context_overflow", retryable: false };
  if (asked && unpaid.test(said)) return { code: "model_unavailable", retryable: false };
  if (status === 413) return { code: "context_overflow", retryable: false };
  if (status === 429) return { code: "model_rate_limited", retryable: true };
  const again = status >= 500 || status === 408 || status === 409 || status === 425;
  return { code: "model_unavailable", retryable: again };
}

/** The failure for an HTTP answer that is none of 200. `text` is its body, or the beginning of it. */
export function failureOfStatus(
  status: number,
  header: (name: string) => string | undefined,
  text: string,
  more: { readonly now: number; readonly secrets: readonly string[] },
): ModelFailure {
  let error: ProviderError | undefined;
  try {
    error = readError(JSON.parse(text));
  } catch {
    error = undefined; // No JSON: a proxy's page, or cut. Its words are all there is.
  }
  const { code, retryable } = classify(status, error ?? { code: "", message: text.slice(0, 2_000) });
  const detail = tidy(`HTTP ${status} ${error?.code ?? ""}`, more.secrets);
  return new ModelFailure(code, {
    retryable,
    detail,
    retryAfterMs: retryable ? parseRetryAfter(header, more.now) : undefined,
  });
}

/** The failure for an `error` inside a stream that had begun well: the status is in the error, or has to be guessed. */
export function failureOfEvent(error: ProviderError, secrets: readonly string[]): ModelFailure {
  const said = `${error.code} ${error.message}`;
  const isAsked = refused.test(said) || overflow.test(said) || unpaid.test(said) || denied.test(error.code);
  const guessed = limited.test(error.code) ? 429 : isAsked ? 400 : 500;
  const { code, retryable } = classify(error.status ?? guessed, error);
  return new ModelFailure(code, { retryable, detail: tidy(`in the stream: ${error.code}`, secrets) });
}

/** The failure for a connection that was not made, or lost. */
export function failureOfConnection(cause: unknown, secrets: readonly string[] = []): ModelFailure {
  if (cause instanceof ModelFailure) return cause;
  const errno = isObject(cause) && "code" in cause ? word(cause.code) : "";
  const message = cause instanceof Error ? cause.message : String(cause);
  // A bad certificate will be as bad in a second.
  const lasting = /^(?:CERT_|ERR_TLS|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO_|HOSTNAME_MISMATCH)/.test(errno);
  const detail = tidy(`no connection: ${errno} ${message}`, secrets);
  return new ModelFailure("model_unavailable", { retryable: !lasting, detail, cause });
}
