/**
 * Receives what OpenTelemetry exporters send (OTLP over HTTP, as JSON), and keeps it.
 *
 * @module
 */

/** A value of OTLP, in one of several ways. */
type Value = Record<string, unknown>;
/** What OTLP calls attributes. */
type Pairs = readonly { key: string; value: Value }[];

/** A span that was exported. */
export interface ReceivedSpan {
  /** Library that made it. */
  readonly scope: string;
  /** Its name. */
  readonly name: string;
  /** Its kind, as OTLP counts: 3 is a client. */
  readonly kind: number;
  /** Its id. */
  readonly spanId: string;
  /** Id of its parent; empty if it has none. */
  readonly parentSpanId: string;
  /** Id of its trace. */
  readonly traceId: string;
  /** Its attributes. */
  readonly attributes: Record<string, unknown>;
  /** Status code, 2 is an error, and message. */
  readonly status: { readonly code: number; readonly message: string };
  /** Names of its events. */
  readonly events: readonly string[];
}

/** A point of a metric, as it was exported last. */
export interface ReceivedPoint {
  /** Library that made it. */
  readonly scope: string;
  /** Name of the metric. */
  readonly name: string;
  /** Its unit. */
  readonly unit: string;
  /** `histogram`, `sum` or `gauge`. */
  readonly type: string;
  /** Whether a sum only grows. */
  readonly isMonotonic: boolean;
  /** Its attributes. */
  readonly attributes: Record<string, unknown>;
  /** Value of a sum or gauge, sum of a histogram. */
  readonly value: number;
  /** How many values a histogram counts; 0 for others. */
  readonly count: number;
  /** Bounds of a histogram. */
  readonly bounds: readonly number[];
}

function attributesOf(pairs: Pairs = []): Record<string, unknown> {
  return Object.fromEntries(
    pairs.map(({ key, value }) => [key, Object.values(value)[0]]),
  );
}

// deno-lint-ignore no-explicit-any
type Json = any;

function readSpans(body: Json): ReceivedSpan[] {
  return body.resourceSpans.flatMap(({ scopeSpans }: Json) =>
    scopeSpans.flatMap(({ scope, spans }: Json) =>
      spans.map((span: Json): ReceivedSpan => ({
        scope: scope.name,
        name: span.name,
        kind: span.kind,
        spanId: span.spanId,
        parentSpanId: span.parentSpanId,
        traceId: span.traceId,
        attributes: attributesOf(span.attributes),
        status: span.status,
        events: span.events.map(({ name }: Json) => name),
      }))
    )
  );
}

function readPoints(body: Json): ReceivedPoint[] {
  return body.resourceMetrics.flatMap(({ scopeMetrics }: Json) =>
    scopeMetrics.flatMap(({ scope, metrics }: Json) =>
      metrics.flatMap((metric: Json) => {
        const type = ["histogram", "sum", "gauge"].find((key) => key in metric)!;
        const { dataPoints, isMonotonic = false } = metric[type];
        return dataPoints.map((point: Json): ReceivedPoint => ({
          scope: scope.name,
          name: metric.name,
          unit: metric.unit,
          type,
          isMonotonic,
          attributes: attributesOf(point.attributes),
          value: Number(point.asDouble ?? point.asInt ?? point.sum),
          count: Number(point.count ?? 0),
          bounds: point.explicitBounds ?? [],
        }));
      })
    )
  );
}

/** A receiver on loopback. */
export class OtlpReceiver implements AsyncDisposable {
  /** Every span that was exported. */
  readonly spans: ReceivedSpan[] = [];
  readonly #points = new Map<string, ReceivedPoint>();
  readonly #server: Deno.HttpServer<Deno.NetAddr>;

  private constructor() {
    this.#server = Deno.serve(
      { port: 0, hostname: "127.0.0.1", onListen: () => {} },
      async (request) => {
        const { pathname } = new URL(request.url);
        this.#take(pathname, await request.text());
        return Response.json({});
      },
    );
  }

  /** Starts a receiver. */
  static start(): OtlpReceiver {
    return new OtlpReceiver();
  }

  /** The environment that makes Deno export to it, often. */
  get env(): Record<string, string> {
    return {
      OTEL_DENO: "true",
      OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${this.#server.addr.port}`,
      OTEL_EXPORTER_OTLP_PROTOCOL: "http/json",
      OTEL_METRIC_EXPORT_INTERVAL: "100",
      OTEL_BSP_SCHEDULE_DELAY: "100",
    };
  }

  /**
   * The points of a metric, as they were exported last.
   *
   * @param name Name of the metric.
   */
  points(name: string): ReceivedPoint[] {
    return [...this.#points.values()].filter((point) => point.name === name);
  }

  /** Stops it. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.shutdown();
  }

  #take(path: string, text: string): void {
    if (path === "/v1/traces") this.spans.push(...readSpans(JSON.parse(text)));
    if (path !== "/v1/metrics") return;
    for (const point of readPoints(JSON.parse(text))) {
      const attributes = JSON.stringify(Object.entries(point.attributes).sort());
      this.#points.set(`${point.scope} ${point.name} ${attributes}`, point);
    }
  }
}
