import { type Chart, drawCharts } from "../../src/cli/tune/report/charts.ts";
import { jsonForScript, type Markup, markup } from "../../src/cli/tune/report/markup.ts";
import { type ExtraSection, renderPage } from "../../src/cli/tune/report/page.ts";
import { dataTable } from "../../src/cli/tune/report/table.ts";
import { conclusions } from "./conclusions.ts";
import { nameOf, tablesOf } from "./tables.ts";
import type { SimulationReport } from "./types.ts";

/** A wait of nothing has no place on a logarithmic axis. */
const LEAST_WAIT_MS = 0.001;

const TITLE = "Scale, by simulation";

/**
 * The simulation as a section of the report's page.
 *
 * @param report What was found.
 * @returns Heading and HTML.
 */
export function simulationSection(report: SimulationReport): ExtraSection {
  return { title: TITLE, html: contentOf(report).toString() };
}

/**
 * The section as a page of its own, which needs nothing else.
 *
 * @param report What was found.
 * @returns The page, with the data in it.
 */
export function simulationPage(report: SimulationReport): string {
  return renderPage(
    TITLE,
    markup`<header><h1>${TITLE}</h1></header>
<main><section>${contentOf(report)}</section></main>
<script type="application/json" id="simulation-data">${jsonForScript(report)}</script>`,
  );
}

function contentOf(report: SimulationReport): Markup {
  const found = conclusions(report).map((words) => markup`<li>${words}</li>`);
  const tables = tablesOf(report).map(({ caption, rows, titles }) =>
    dataTable({ caption, rows, columns: titles.map((title) => ({ title })) })
  );
  return markup`<p>Nothing here was measured: the real code ran on fake time.</p>
<ul>${found}</ul>
${drawCharts([queueChart(report), stormChart(report), scaleChart(report)])}
${tables}`;
}

function queueChart({ queue }: SimulationReport): Chart {
  const latencies = [...new Set(queue.rows.map(({ latencyMs }) => latencyMs))];
  return {
    id: "simulation-queue",
    title: "Wait for a lease against pool size",
    description: `${queue.rate} leases a second of ${queue.trips} round trips; a line ` +
      "for each network latency, a bar from the least to the most of the seeds. Waits " +
      "below 0.001 ms stand at 0.001 ms.",
    x: { title: "Pool size", unit: "leases", log: 2 },
    y: { title: "Mean wait", unit: "ms", log: 10 },
    colors: "order",
    series: latencies.map((latencyMs) => ({
      name: `${latencyMs} ms`,
      points: queue.rows.filter((row) => row.latencyMs === latencyMs).map((row) => ({
        x: row.leases,
        y: Math.max(LEAST_WAIT_MS, row.meanWaitMs),
        low: Math.max(LEAST_WAIT_MS, row.meanRangeMs[0]),
        high: Math.max(LEAST_WAIT_MS, row.meanRangeMs[1]),
      })),
    })),
  };
}

/** Lines of the chart: the others differ little from one of these. */
const SHOWN = ["", "jitter", "breaker", "backoff"];

function stormChart({ storms }: SimulationReport): Chart {
  return {
    id: "simulation-storm",
    title: "Connects a second around a restart",
    description:
      `${storms.instances} instances of ${storms.rate} commands a second; the server ` +
      `goes away at 0 s and is back at ${storms.awayMs / 1000} s.`,
    x: { title: "Time", unit: "s" },
    y: { title: "Connects", unit: "per second" },
    series: storms.rows.filter(({ without }) => SHOWN.includes(without.join()))
      .map((row) => ({
        name: nameOf(row),
        points: row.bySecond.map((y, x) => ({ x, y })),
      })),
  };
}

function scaleChart({ scale, seeds, storms }: SimulationReport): Chart {
  const line = (name: string, figure: (row: typeof scale.rows[number]) => number) => ({
    name,
    points: scale.rows.map((row) => ({ x: row.instances, y: figure(row) })),
  });
  return {
    id: "simulation-scale",
    title: "Connects in the worst second of a restart, an instance",
    description:
      `Away for ${storms.awayMs / 1000} s, ${scale.rate} command a second an instance; ` +
      `the worst of ${seeds.length} seeds.`,
    x: { title: "Number", unit: "instances", log: 10 },
    y: { title: "Connects", unit: "per second" },
    series: [
      line("from the cut on", ({ worstSecond }) => worstSecond),
      line("after the return", ({ worstSecondBack }) => worstSecondBack),
    ],
  };
}
