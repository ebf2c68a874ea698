import {
  COMMAND_DURATION,
  METRICS,
  type MetricsSource,
  PREFIX,
  readMetric,
} from "./metrics.ts";

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
 * Writes what is known of databases in the text exposition format, 0.0.4: HELP and TYPE of
 * each metric once, then its lines. A metric without lines is left out.
 *
 * @param sources The databases.
 * @param uptimeSeconds How long their manager has lived.
 * @returns The text.
 */
export function renderPrometheus(
  sources: readonly MetricsSource[],
  uptimeSeconds: number,
): string {
  const uptime = [writeLine("uptime_seconds", {}, uptimeSeconds)];
  const { name, help } = COMMAND_DURATION;
  return [
    writeFamily("uptime_seconds", "gauge", "Time since the manager was made.", uptime),
    ...METRICS.map((metric) => {
      const { name, type, help } = metric;
      if (name === undefined) return "";
      const lines = sources.flatMap((source) =>
        readMetric(metric, source).map(([labels, value]) =>
          writeLine(name, { ...labelsOf(source), ...labels }, value)
        )
      );
      return writeFamily(name, type, help, lines);
    }),
    writeFamily(name, "histogram", help, sources.flatMap(writeHistogram)),
  ].join("");
}

function labelsOf({ health, pool }: MetricsSource): { database: string; db: string } {
  return { database: pool.databaseName, db: String(health.db) };
}

function writeHistogram(source: MetricsSource): string[] {
  const { boundsMs, counts, count, sumMs } = source.latency;
  const { name } = COMMAND_DURATION;
  const labels = labelsOf(source);
  const bucket = (le: string, value: number) =>
    writeLine(`${name}_bucket`, { ...labels, le }, value);
  return [
    ...boundsMs.map((bound, i) => bucket(String(bound / 1000), counts[i]!)),
    bucket("+Inf", count),
    writeLine(`${name}_sum`, labels, sumMs / 1000),
    writeLine(`${name}_count`, labels, count),
  ];
}

function writeFamily(
  name: string,
  type: "counter" | "gauge" | "histogram",
  help: string,
  lines: readonly string[],
): string {
  if (lines.length === 0) return "";
  const head = `# HELP ${PREFIX}${name} ${help}\n# TYPE ${PREFIX}${name} ${type}\n`;
  return head + lines.join("");
}

function writeLine(
  name: string,
  labels: Readonly<Record<string, string>>,
  value: number,
): string {
  const pairs = Object.entries(labels).map(([key, text]) => `${key}="${escape(text)}"`);
  const list = pairs.length === 0 ? "" : `{${pairs.join(",")}}`;
  return `${PREFIX}${name}${list} ${value}\n`;
}

function escape(label: string): string {
  // Hardly any has to be: three passes for each label of each line add up.
  if (!/[\\"\n]/.test(label)) return label;
  return label.replaceAll("\\", "\\\\").replaceAll("\n", "\\n").replaceAll('"', '\\"');
}
