/**
 * The one door to OpenTelemetry: its API, which records nothing by itself and passes on
 * to whatever provider the process has registered.
 */
import type * as OpenTelemetry from "@opentelemetry/api";

export type {
  Attributes,
  BatchObservableResult,
  Context,
  Histogram,
  Meter,
  Observable,
  Span,
  SpanKind,
  SpanOptions,
  SpanStatusCode,
  Tracer,
} from "@opentelemetry/api";

/** What of the API is used. */
export type Api = Pick<typeof OpenTelemetry, "trace" | "metrics" | "context">;

/** Where every copy of the API, 1.x, looks for the providers of the process. */
const PROVIDERS = Symbol.for("opentelemetry.js.api.1");

/**
 * The API, if a provider was registered by the time that this package was imported, as
 * Deno does under `OTEL_DENO=true`. Otherwise it is not even loaded: that would cost each
 * start of a program 5 ms or more for nothing.
 */
export const registeredApi: Api | undefined = PROVIDERS in globalThis
  ? await import("@opentelemetry/api")
  : undefined;
