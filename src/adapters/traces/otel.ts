// Owns the way of traces to OpenTelemetry: steps become spans. The SDK is loaded only where an exporter is asked for.
import { context, SpanStatusCode, trace, type Context, type Tracer as Api } from "@opentelemetry/api";
import type { Span, Tracer } from "../../server/ports.ts";

/** The packages of the exporter are not installed. */
export class MissingExporter extends Error {}

/** A tracer that gives its steps to any tracer of OpenTelemetry's API, a program's own for example. */
export function otelTracer(api: Api): Tracer {
  /** The parent of a span that we made ourselves. */
  const contexts = new WeakMap<Span, Context>();
  return {
    begin(step, facts, parent) {
      const above = (parent === undefined ? undefined : contexts.get(parent)) ?? context.active();
      const inner = api.startSpan(step, { attributes: { ...facts } }, above);
      const { traceId, spanId, traceFlags } = inner.spanContext();
      const span: Span = {
        traceparent: `00-${traceId}-${spanId}-${traceFlags.toString(16).padStart(2, "0")}`,
        mark: (what) => void inner.addEvent(what),
        end(outcome) {
          inner.setAttribute("outcome", outcome);
          if (!fine.has(outcome)) inner.setStatus({ code: SpanStatusCode.ERROR });
          inner.end();
        },
      };
      contexts.set(span, trace.setSpan(above, inner));
      return span;
    },
  };
}

/** Outcomes that are no error. */
const fine = new Set(["ok", "repeated", "ended", "left", "completed", "aborted"]);

export type Exporting = { readonly tracer: Tracer; readonly stop: () => Promise<void> };

/**
 * Sends spans by OTLP over HTTP, in batches. Where to, with what headers, how many and under what name is said by the
 * standard OTEL_* variables, which the packages read. Throws MissingExporter.
 */
export async function startExporting(version: string): Promise<Exporting> {
  const packages = await load();
  const { sdk, exporter, resources } = packages;
  const named = resources.resourceFromAttributes({ "service.name": "throughline", "service.version": version });
  const said = resources.detectResources({ detectors: [resources.envDetector] });
  const provider = new sdk.TracerProvider({
    resource: resources.defaultResource().merge(named).merge(said),
    spanProcessors: [new sdk.BatchSpanProcessor({ exporter: new exporter.OTLPTraceExporter() })],
  });
  return { tracer: otelTracer(provider.getTracer("throughline", version)), stop: () => provider.shutdown() };
}

async function load() {
  try {
    const [sdk, exporter, resources] = await Promise.all([
      import("@opentelemetry/sdk-trace"),
      import("@opentelemetry/exporter-trace-otlp-http"),
      import("@opentelemetry/resources"),
    ]);
    return { sdk, exporter, resources };
  } catch (error) {
    throw new MissingExporter("no exporter", { cause: error });
  }
}
