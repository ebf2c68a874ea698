import type { LineChart } from "../../src/cli/tune/report/chart_types.ts";
import { element, join, type Markup, text } from "../../src/cli/tune/report/markup.ts";
import {
  chartTable,
  dataTable,
  type ExtraSection,
  lineChart,
} from "../../src/cli/tune/report/mod.ts";
import { STYLE } from "../../src/cli/tune/report/style.ts";
import { conclusions } from "./conclusions.ts";
import type { SimulationReport } from "./types.ts";

/** A wait of nothing has no place on a logarithmic axis. */
const LEAST_WAIT_MS = 0.001;

/**
 * The simulation as a section of the report's page.
 *
 * @param report What was found.
 * @returns Heading and HTML.
 */
export function simulationSection(report: SimulationReport): ExtraSection {
  const charts = [queueChart(report), stormChart(report), flapChart(report)];
  return {
    title: "Scale, by simulation",
    html: join([
      element(
        "p",
        {},
        text("Nothing here was measured: the real code ran on fake time."),
      ),
      element(
        "ul",
        {},
        ...conclusions(report).map((words) => element("li", {}, text(words))),
      ),
      ...charts.map((chart) => join([lineChart(chart), chartTable(chart)])),
      clientTable(report),
    ]),
  };
}

/**
 * The section as a page of its own, which needs nothing else.
 *
 * @param report What was found.
 * @returns The page, with the data in it.
 */
export function simulationPage(report: SimulationReport): string {
  const { title, html } = simulationSection(report);
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark"><link rel="icon" href="data:,">
<title>${title}</title><style>${STYLE}</style></head>
<body><header><h1>${title}</h1></header><main><section>${html}</section></main>
<script type="application/json" id="simulation-data">${
    JSON.stringify(report).replaceAll("<", "\\u003c")
  }</script></body></html>
`;
}

function queueChart({ queue }: SimulationReport): LineChart {
  const latencies = [...new Set(queue.rows.map(({ latencyMs }) => latencyMs))];
  return {
    id: "simulation-queue",
    title: "Wait for a lease against pool size",
    description: `${queue.rate} leases a second of ${queue.trips} round trips; a line ` +
      "for each network latency. Waits below 0.001 ms stand at 0.001 ms.",
    x: { title: "Pool size", unit: "leases", scale: { kind: "log", base: 2 } },
    y: { title: "Mean wait", unit: "ms", scale: { kind: "log", base: 10 } },
    colors: "order",
    series: latencies.map((latencyMs) => ({
      name: `${latencyMs} ms`,
      points: queue.rows.filter((row) => row.latencyMs === latencyMs).map((row) => ({
        x: row.leases,
        y: Math.max(LEAST_WAIT_MS, row.meanWaitMs),
      })),
    })),
  };
}

function stormChart({ storms }: SimulationReport): LineChart {
  return {
    id: "simulation-storm",
    title: "Connects a second around a restart",
    description:
      `${storms.instances} instances; the server goes away at 0 s and is back ` +
      `at ${storms.awayMs / 1000} s.`,
    x: { title: "Time", unit: "s", scale: { kind: "linear" } },
    y: { title: "Connects", unit: "per second", scale: { kind: "linear" } },
    series: storms.rows.map(({ breaker, jitter, connects }) => ({
      name: `${breaker ? "breaker" : "no breaker"}, ${jitter ? "jitter" : "no jitter"}`,
      points: bySecond(connects),
    })),
  };
}

function bySecond(bins: readonly number[]): { x: number; y: number }[] {
  return Array.from({ length: Math.ceil(bins.length / 10) }, (_, x) => ({
    x,
    y: bins.slice(10 * x, 10 * x + 10).reduce((sum, n) => sum + n, 0),
  }));
}

function flapChart({ flaps }: SimulationReport): LineChart {
  return {
    id: "simulation-flaps",
    title: "Retries a second",
    description:
      `${flaps.instances} instances, a server that cuts all connections five ` +
      "times a second, no circuit breaker.",
    x: { title: "Time", unit: "s", scale: { kind: "linear" } },
    y: { title: "Retries", unit: "per second", scale: { kind: "linear" } },
    series: flaps.rows.map(({ budget, retries }) => ({
      name: budget ? "with the retry budget" : "without",
      points: retries.map((y, x) => ({ x, y })),
    })),
  };
}

function clientTable({ clients, maxClients }: SimulationReport): Markup {
  return dataTable({
    caption: `Connections against a maxclients of ${maxClients}`,
    columns: [
      { title: "Instances" },
      { title: "max_connections" },
      { title: "Wanted" },
      { title: "Had" },
      { title: "Refused" },
      { title: "Instances without any" },
      { title: "Largest max_connections" },
    ],
    rows: clients.map((row) => [
      row.instances,
      row.maxConnections,
      row.wanted,
      row.had,
      row.refused,
      row.without,
      row.largestPool,
    ]),
  });
}
