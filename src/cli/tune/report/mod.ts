/**
 * The report of a tuning run as one HTML page, and the charts and tables it is made of.
 *
 * @module
 */

export type {
  Axis,
  BarChart,
  BarValue,
  LineChart,
  LineSeries,
  PlotPoint,
} from "./chart_types.ts";
export type { NumberStyle } from "./number_style.ts";
export type { ScaleKind } from "./scale.ts";
export type { Cell, Column, DataTable } from "./table.ts";
export type { ExtraSection } from "./page.ts";
export { barChart } from "./bar_chart.ts";
export { lineChart } from "./line_chart.ts";
export { chartTable, dataTable } from "./table.ts";
export { renderReport } from "./page.ts";
