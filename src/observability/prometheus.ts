import {
  COMMAND_DURATION,
  type Metric,
  METRICS,
  type MetricsSource,
  PREFIX,
  readMetric,
} from "./metrics.ts";

function labelsOf({ health, pool }: MetricsSource): { database: string; db: string } {
  return { database: pool.databaseName, db: String(health.db) };
}

function familyOf(metric: Metric, sources: readonly MetricsSource[]): Family {
  const samples = sources.flatMap((source) =>
    readMetric(metric, source).map(([labels, value]) => ({
      labels: { ...labelsOf(source), ...labels },
      value,
    }))
  );
  return { name: PREFIX + metric.name, type: metric.type, help: metric.help, samples };
}

function bucketsOf(source: MetricsSource): Sample[] {
  const { boundsMs, counts, count, sumMs } = source.latency;
  const labels = labelsOf(source);
  const bucket = (bound: number, value: number): Sample => ({
    suffix: "_bucket",
    labels: { ...labels, le: writeNumber(bound / 1000) },
    value,
  });
  return [
    ...boundsMs.map((bound, i) => bucket(bound, counts[i]!)),
    bucket(Infinity, count),
    { suffix: "_sum", labels, value: sumMs / 1000 },
    { suffix: "_count", labels, value: count },
  ];
}

/**
 * Writes what is known of databases as text metrics.
 *
 * @param sources The databases.
 * @param uptimeSeconds How long their manager has lived.
 * @returns The text exposition format, 0.0.4.
 */
export function renderPrometheus(
  sources: readonly MetricsSource[],
  uptimeSeconds: number,
): string {
  const uptime: Family = {
    name: `${PREFIX}uptime_seconds`,
    type: "gauge",
    help: "Time since the manager was made.",
    samples: [{ labels: {}, value: uptimeSeconds }],
  };
  const duration: Family = {
    name: PREFIX + COMMAND_DURATION.name,
    type: "histogram",
    help: COMMAND_DURATION.help,
    samples: sources.flatMap(bucketsOf),
  };
  const families = METRICS.filter(({ name }) => name !== undefined)
    .map((metric) => familyOf(metric, sources));
  return writeExposition([uptime, ...families, duration]);
}

/** What a family of metrics is, to Prometheus. */
export type FamilyType = "counter" | "gauge" | "histogram";

/** One line of a family. */
export interface Sample {
  /** What is put behind the family's name, such as `_bucket`. */
  readonly suffix?: string;
  /** Names and values of its labels. */
  readonly labels: Readonly<Record<string, string>>;
  /** Its value. */
  readonly value: number;
}

/** Metrics of one name. */
export interface Family {
  /** The name. */
  readonly name: string;
  /** What it is. */
  readonly type: FamilyType;
  /** What it means and in what unit, in a sentence. */
  readonly help: string;
  /** Its lines. */
  readonly samples: readonly Sample[];
}

/**
 * The Content-Type of what `toPrometheus()` gives: the text exposition format, 0.0.4.
 *
 * @example Usage
 * ```ts
 * import { PROMETHEUS_CONTENT_TYPE } from "@mooring/redis";
 * import { assertEquals } from "@std/assert";
 *
 * const headers = { "content-type": PROMETHEUS_CONTENT_TYPE };
 * assertEquals(new Response("", { headers }).headers.get("content-type"), PROMETHEUS_CONTENT_TYPE);
 * ```
 */
export const PROMETHEUS_CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8";

/**
 * Writes families in the text exposition format, 0.0.4: each one's HELP and TYPE once,
 * then its lines. One without lines is left out.
 *
 * @param families The families; their names differ.
 * @returns The text.
 *
 * @example Usage
 * ```ts
 * import { writeExposition } from "./prometheus.ts";
 * import { assertEquals } from "@std/assert";
 *
 * const text = writeExposition([{
 *   name: "ropes_total",
 *   type: "counter",
 *   help: "Ropes thrown.",
 *   samples: [{ labels: { ship: 'the "Ark"' }, value: 2 }],
 * }]);
 * assertEquals(
 *   text,
 *   '# HELP ropes_total Ropes thrown.\n# TYPE ropes_total counter\n' +
 *     'ropes_total{ship="the \\"Ark\\""} 2\n',
 * );
 * ```
 */
export function writeExposition(families: readonly Family[]): string {
  return families.filter(({ samples }) => samples.length > 0).map(writeFamily).join("");
}

function writeFamily({ name, type, help, samples }: Family): string {
  const head = `# HELP ${name} ${escapeHelp(help)}\n# TYPE ${name} ${type}\n`;
  const lines = samples.map(({ suffix = "", labels, value }) =>
    `${name}${suffix}${writeLabels(labels)} ${writeNumber(value)}\n`
  );
  return head + lines.join("");
}

function writeLabels(labels: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(labels)
    .map(([name, value]) => `${name}="${escapeLabel(value)}"`);
  return pairs.length === 0 ? "" : `{${pairs.join(",")}}`;
}

function escapeHelp(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n");
}

function escapeLabel(text: string): string {
  // Hardly any has to be: three passes for each label of each line add up.
  if (!/[\\"\n]/.test(text)) return text;
  return escapeHelp(text).replaceAll('"', '\\"');
}

/**
 * Writes a number as Prometheus reads it.
 *
 * @param value The number.
 * @returns Its text: `+Inf`, `-Inf` and `NaN` where it is none.
 */
export function writeNumber(value: number): string {
  if (value === Infinity) return "+Inf";
  if (value === -Infinity) return "-Inf";
  return String(value);
}
