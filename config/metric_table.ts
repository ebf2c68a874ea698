/**
 * The table of metrics for the documentation, out of the table that the code works with.
 *
 * @module
 */

import { COMMAND_DURATION, DURATIONS, METRICS } from "../src/observability/metrics.ts";
import { table } from "./failure_tables.ts";

/** A sentence as a cell: without its full stop. */
function cell(text: string): string {
  return text.replace(/\.$/, "");
}

function code(text: string | undefined): string {
  return text === undefined ? "" : `\`${text}\``;
}

/**
 * All metrics: what Prometheus calls them, behind `mooring_redis_`, and OpenTelemetry.
 *
 * @returns A table in Markdown.
 */
export function metricsMarkdown(): string {
  const metrics = METRICS.map(({ name, convention, type, label, help }) => [
    name === undefined ? "" : code(`${name}${label === undefined ? "" : `{${label}}`}`),
    code(convention?.[0]),
    type,
    cell(help),
  ]);
  return table([
    ["Prometheus", "OpenTelemetry", "type", "what it is"],
    ["`uptime_seconds`", "", "gauge", "Time since the manager was made; no labels"],
    ...metrics,
    [code(COMMAND_DURATION.name), "", "histogram", cell(COMMAND_DURATION.help)],
    ...Object.values(DURATIONS).map((
      [name, help],
    ) => ["", code(name), "histogram", cell(help)]),
  ]);
}
