import type { Axis, BarChart, LineChart } from "./chart_types.ts";
import { barChart } from "./bar_chart.ts";
import { lineChart } from "./line_chart.ts";
import { element, join, type Markup, text } from "./markup.ts";
import { chartTable } from "./table.ts";

/** A part of the page with a heading. */
export interface Section {
  /** Where links to it point to. */
  readonly id: string;
  /** Its heading. */
  readonly title: string;
  /** What stands below the heading. */
  readonly content: Markup;
}

/** Axis of the callers. */
export const CALLERS: Axis = {
  title: "Concurrency",
  unit: "callers",
  scale: { kind: "log", base: 2 },
};

/** Axis of the throughput. */
export const THROUGHPUT: Axis = {
  title: "Throughput",
  unit: "commands/s",
  scale: { kind: "linear" },
  format: "compact",
};

/** Axis of a latency. */
export const LATENCY: Axis = {
  title: "Latency",
  unit: "ms",
  scale: { kind: "log", base: 10 },
};

/**
 * A paragraph.
 *
 * @param words What it says.
 * @returns The paragraph.
 */
export function paragraph(words: string): Markup {
  return element("p", {}, text(words));
}

/**
 * Charts, each with the table of its numbers beneath; those without data are left out.
 *
 * @param charts The charts.
 * @returns The markup; empty if there was data for none.
 */
export function charts(charts: readonly (LineChart | BarChart)[]): Markup {
  return join(
    charts.filter(hasData).map((chart) =>
      join(["groups" in chart ? barChart(chart) : lineChart(chart), chartTable(chart)])
    ),
  );
}

function hasData(chart: LineChart | BarChart): boolean {
  return "groups" in chart
    ? chart.series.some(({ values }) => values.some((value) => value !== null))
    : chart.series.some(({ points }) => points.length > 0);
}
